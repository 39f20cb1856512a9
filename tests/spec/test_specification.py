"""The specification's blocks, run as they are written, and what they must do for real."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

import noodle
from noodle.build_cache import BuildCache, user_cache_directory
from noodle.installation.policy import InstallPolicy
from noodle.libraries import library_of
from noodle.lock_file import LockFile
from noodle.workers.environments import Environments, Requirements
from noodle.workers.environments.interpreters import Interpreters
from tests.spec.blocks import BLOCKS, Block, specification

PRODUCT = [[19, 22], [43, 50]]
FLOW = {
    "Parse": "parse",
    "Type Analysis": "type analysis",
    "AI Optimization": "optimisation",
    "Bridge Routing": "bridge routing",
    "Result Return": "result",
}
"""The steps of the dispatch flow: in the specification, and in what `noodle explain` prints."""


def require_python39() -> None:
    """Skip where the interpreter is missing for which these old versions have wheels."""
    found = Interpreters(BuildCache.at(user_cache_directory() / "python")).found()
    if not any(one.series == "3.9" and not one.refusal() for one in found):
        pytest.skip("no other CPython on this machine has the wheels: 3.9 is needed")


@pytest.fixture
def configuration() -> Iterator[None]:
    """Let a test configure Noodle; afterwards the configuration is the default again."""
    yield
    noodle.configure()


@pytest.fixture
def program(block: Block, tmp_path: Path) -> Path:
    """The block's text in a file of its own."""
    path = tmp_path / "program.noodle"
    path.write_text(block.text, encoding="utf-8")
    return path


@specification("Basic FFI Usage")
def test_the_program_prints_the_product(block: Block, program: Path, noodle_command: list[str]):
    result = subprocess.run(
        [*noodle_command, "run", str(program)], capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("[[19 22]\n [43 50]]\n", "")
    assert result.returncode == 0


@specification("Advanced FFI Patterns")
def test_the_configuration_is_accepted_as_written(block: Block, configuration: None):
    ffi_config = block.execute()["ffi_config"]
    engine = noodle.configure(ffi=ffi_config)
    assert set(engine.settings.ffi.bridges) == {"numpy", "torch", "rust_blas"}


@specification("Advanced FFI Patterns")
def test_the_configured_numpy_is_that_version_in_an_environment_of_its_own(
    block: Block, configuration: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The running interpreter cannot satisfy the pin; its dependencies are locked with it."""
    require_python39()
    monkeypatch.chdir(tmp_path)
    noodle.configure(ffi=block.execute()["ffi_config"], install="always")
    numpy = noodle.load("numpy")
    assert numpy.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]]).tolist() == PRODUCT
    origin = library_of(numpy).origin
    assert (origin.target, origin.placement) == ("numpy==1.21.0", "isolated")
    table = LockFile(tmp_path / "noodle.lock").packages("pypi", "numpy==1.21.0 + scipy")
    assert table is not None
    assert {"version": "3.9"} == table["python"]
    assert any(name.startswith("scipy==") for name in table)


@pytest.mark.slow
@specification("Advanced FFI Patterns")
def test_the_configured_pytorch_is_resolved_and_locked(
    block: Block, configuration: None, tmp_path: Path
):
    """Resolved only: its wheels are more than 800 MB."""
    require_python39()
    torch = block.execute()["ffi_config"]["bridges"]["torch"]
    requirements = Requirements.of(
        torch["path"], torch["version"], dependencies=torch["dependencies"]
    )
    lock_file = LockFile(tmp_path / "noodle.lock")
    environments = Environments(tmp_path / "cache", InstallPolicy("always"))
    table = environments.lock(requirements, lock_file).packages
    assert any(name.startswith("torchvision==0.10.") for name in table)
    assert table["torch==1.9.0"]["sha256"]
    assert table == environments.lock(requirements, lock_file).packages


@specification("FFI Dispatch Flow")
def test_explain_shows_each_step_of_the_flow_for_each_call_site(
    block: Block, noodle_command: list[str], tmp_path: Path
):
    assert block.text.splitlines()[-1] == " → ".join(FLOW)
    program = tmp_path / "program.noodle"
    program.write_text(BLOCKS["Basic FFI Usage"].text, encoding="utf-8")
    result = subprocess.run(
        [*noodle_command, "explain", str(program)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")

    step = re.compile(rf"^  ({'|'.join(FLOW.values())}) +(.*)$", re.MULTILINE)
    steps = step.findall(result.stdout)
    calls = [steps[start : start + len(FLOW)] for start in range(0, len(steps), len(FLOW))]
    assert [[name for name, _ in call] for call in calls] == [list(FLOW.values())] * 3
    parsed, analysed, optimised, routed, _ = zip(*calls, strict=True)
    assert [text.partition(" ")[2] for _, text in parsed] == [
        "call of np.array with 1 argument",
        "call of np.array with 1 argument",
        "call of np.matmul with 2 arguments",
    ]
    assert [text for _, text in analysed] == ["(list)", "(list)", "(unknown, unknown)"]
    assert {text for _, text in optimised} == {"off, no arms registered"}
    numpy = f"numpy=={metadata.version('numpy')}, python bridge, inprocess"
    assert {text for _, text in routed} == {numpy}


@specification("FFI Unit Testing")
def test_the_mocked_unit_test_runs_as_written(block: Block):
    namespace = block.execute()
    namespace["test_numpy_ffi_bridge"]()
    assert [name for name in namespace if name.startswith("test_")] == ["test_numpy_ffi_bridge"]


def test_the_real_numpy_bridge_gives_the_right_product():
    """The mock in the specification's unit test returns a wrong product; this is the true one."""
    data = {"a": [[1, 2], [3, 4]], "b": [[5, 6], [7, 8]]}
    assert noodle.bridge("numpy").execute("matmul", data).tolist() == PRODUCT
