"""Packages of PyPI as they are: the specification's own pins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import noodle
from noodle.build_cache import BuildCache, user_cache_directory
from noodle.libraries import library_of
from noodle.lock_file import LockFile
from noodle.runtime.engine import Engine, default_engine, use
from noodle.settings import resolve
from noodle.workers.environments.interpreters import Interpreters


@pytest.fixture(scope="module", autouse=True)
def python39() -> None:
    """The interpreter for which NumPy 1.21.0 and PyTorch 1.9.0 have wheels."""
    found = Interpreters(BuildCache.at(user_cache_directory() / "python")).found()
    if not any(one.series == "3.9" and not one.refusal() for one in found):
        pytest.skip("no other CPython on this machine has the wheels: 3.9 is needed")


@pytest.fixture
def restored_engine() -> Iterator[None]:
    engine = default_engine()
    yield
    use(engine)


def test_the_specifications_numpy_runs_beside_another_one_and_they_exchange_arrays(
    tmp_path: Path, restored_engine: None
) -> None:
    """As the specification's ``ffi_config`` has it: version 1.21.0, which needs Python 3.9."""
    import numpy

    bridges = {
        "numpy": {"path": "numpy", "version": "1.21.0", "dependencies": ["numpy", "scipy"]},
    }
    settings = resolve(
        arguments={"ffi": {"bridges": bridges}, "install": "always"}, start_directory=tmp_path
    )
    old = use(Engine(settings)).load("numpy", directory=tmp_path)
    origin = library_of(old).origin
    assert ("numpy==1.21.0", "isolated") == (origin.target, origin.placement)
    assert any("Python 3.9" in note and "scipy" in note for note in origin.notes)
    new = noodle.load(f"numpy=={numpy.__version__}")
    product = old.matmul(new.array([[1.0, 2.0], [3.0, 4.0]]), numpy.array([[5.0, 6.0], [7.0, 8.0]]))
    assert [[19, 22], [43, 50]] == product.tolist()
    assert 69.0 == new.trace(product)
    table = LockFile(tmp_path / "noodle.lock").packages("pypi", "numpy==1.21.0 + scipy")
    assert table is not None
    assert {"version": "3.9"} == table["python"]
