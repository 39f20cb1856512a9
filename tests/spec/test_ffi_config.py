"""The specification's ``ffi_config``, with real libraries (conformance S8).

The block is given to ``noodle.configure`` as it is written, and stated in ``noodle.toml``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.build_cache import BuildCache, user_cache_directory
from noodle.errors import RemoteCallError, VersionError
from noodle.libraries import library_of
from noodle.lock_file import LockFile
from noodle.runtime.gpus import gpu_note
from noodle.workers.environments.interpreters import Interpreters
from tests.settings.test_resolution import SPECIFICATION_FFI_TOML
from tests.spec.blocks import BLOCKS, Block, specification

BLOCK = BLOCKS["Advanced FFI Patterns"]

DGEMM = """
void cblas_dgemm(int order, int trans_a, int trans_b, int m, int n, int k,
                 double alpha, const double *a, int lda, const double *b, int ldb,
                 double beta, double *c, int ldc);
"""
ROW_MAJOR, AS_STORED, TRANSPOSED = 101, 111, 112

TORCH_WHEEL = "8a2b2012b3c7d6019e189496688fa77de7029a220840b406d8302d1c8021a11c"
"""The digest of torch-1.9.0-cp39-cp39-manylinux1_x86_64.whl on PyPI."""

PLACEMENTS = pytest.mark.parametrize("placement", ["inprocess", "isolated"])


@pytest.fixture(autouse=True)
def default_configuration() -> Iterator[None]:
    """Let a test configure Noodle; afterwards the configuration is the default again."""
    yield
    noodle.configure()


@pytest.fixture
def ffi_config() -> dict[str, Any]:
    """The block's dictionary."""
    config: dict[str, Any] = BLOCK.execute()["ffi_config"]
    return config


@pytest.fixture(scope="session")
def crate(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example's Rust crate, so that nothing is built in the checkout."""
    copy = tmp_path_factory.mktemp("crate") / "rust_blas"
    return shutil.copytree(repository / "examples" / "rust_blas", copy)


@pytest.fixture(scope="session")
def rust_library(crate: Path) -> Path:
    """The ``libblas.so`` that cargo makes of the crate."""
    cargo = os.environ.get("CARGO", "cargo")
    command = [cargo, "build", "--release", "--offline", "--quiet"]
    subprocess.run(command, cwd=crate, check=True)
    return crate / "target" / "release" / "libblas.so"


def require_python39() -> None:
    """Skip where the interpreter is missing for which these old versions have wheels."""
    found = Interpreters(BuildCache.at(user_cache_directory() / "python")).found()
    if not any(one.series == "3.9" and not one.refusal() for one in found):
        pytest.skip("no other CPython on this machine has the wheels: 3.9 is needed")


def check_products(blas: ModuleType) -> None:
    """Compare products of a BLAS with NumPy's, also of matrices that are meant transposed."""
    random = np.random.default_rng(8)
    a, b, c = random.random((5, 7)), random.random((7, 3)), random.random((5, 3))
    expected = 2.0 * (a @ b) + 0.5 * c
    for right, meant, leading in ((b, AS_STORED, 3), (b.T.copy(), TRANSPOSED, 7)):
        result = c.copy()
        blas.cblas_dgemm(
            *(ROW_MAJOR, AS_STORED, meant, 5, 3, 7),
            *(2.0, a, 7, right, leading, 0.5, result, 3),
        )
        np.testing.assert_allclose(result, expected, rtol=1e-13)


def notes_of(library: ModuleType) -> tuple[str, ...]:
    return library_of(library).origin.notes


@specification("Advanced FFI Patterns")
def test_the_configuration_is_accepted_as_written(block: Block) -> None:
    settings = noodle.configure(ffi=block.execute()["ffi_config"]).settings
    assert list(settings.ffi.bridges) == ["numpy", "torch", "rust_blas"]


class TestNumpy:
    def test_the_configured_version_runs_in_an_environment_of_its_own(
        self, ffi_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The running interpreter cannot satisfy the pin; its dependencies are locked with it."""
        require_python39()
        monkeypatch.chdir(tmp_path)
        noodle.configure(ffi=ffi_config, install="always")
        numpy = noodle.load("numpy")
        product = numpy.matmul([[1, 2], [3, 4]], [[5, 6], [7, 8]])
        assert product.tolist() == [[19, 22], [43, 50]]
        assert (numpy.__version__, np.__version__) != (np.__version__, "1.21.0")
        origin = library_of(numpy).origin
        assert (origin.target, origin.placement) == ("numpy==1.21.0", "isolated")
        table = LockFile(tmp_path / "noodle.lock").packages("pypi", "numpy==1.21.0 + scipy")
        assert table is not None
        assert {"version": "3.9"} == table["python"]
        assert any(name.startswith("scipy==") for name in table)


class TestPytorch:
    @pytest.mark.large
    @pytest.mark.timeout(1800)
    def test_the_configured_version_runs_on_the_cpu_where_there_is_no_gpu(
        self, ffi_config: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        require_python39()
        monkeypatch.chdir(tmp_path)
        noodle.configure(ffi=ffi_config, install="always", cache_directory=str(tmp_path / "cache"))
        torch = noodle.load("torch")
        assert str(library_of(torch)) == "torch==1.9.0"
        steps = torch.arange(4.0)
        assert torch.dot(steps, steps).item() == 14.0
        assert gpu_note() in notes_of(torch)
        if "runs on the CPU" in gpu_note():
            assert torch.cuda.is_available() is False


class TestBlas:
    @PLACEMENTS
    def test_the_systems_blas_runs_as_configured(
        self, ffi_config: dict[str, Any], placement: str
    ) -> None:
        noodle.configure(ffi=ffi_config)
        blas = noodle.load("rust_blas", prototypes=DGEMM, placement=placement)
        check_products(blas)
        assert re.fullmatch(r"libblas\.so (0\.3\.\d+|3\.\d.*)", str(library_of(blas)))

    @PLACEMENTS
    def test_a_libblas_that_is_written_in_rust_runs_in_its_place(
        self, ffi_config: dict[str, Any], rust_library: Path, placement: str
    ) -> None:
        noodle.configure(ffi=ffi_config, library_paths=[str(rust_library.parent)])
        blas = noodle.load("rust_blas", prototypes=DGEMM, placement=placement)
        check_products(blas)
        assert f"library file {rust_library}" in notes_of(blas)
        assert "version 0.3.0 was asked for; the library tells none" in notes_of(blas)

    @PLACEMENTS
    def test_its_crate_is_built_at_the_configured_level(
        self, ffi_config: dict[str, Any], crate: Path, placement: str
    ) -> None:
        ffi_config["bridges"]["rust_blas"]["path"] = str(crate)
        noodle.configure(ffi=ffi_config)
        blas = noodle.load("rust_blas", placement=placement)
        check_products(blas)
        assert any("cargo --release, opt-level 3" in note for note in notes_of(blas))
        with pytest.raises(RemoteCallError, match="a leading dimension is 1, and lines have 2"):
            blas.cblas_dgemm(
                *(ROW_MAJOR, AS_STORED, AS_STORED, 2, 2, 2),
                *(1.0, np.ones(4), 1, np.ones(4), 2, 0.0, np.ones(4), 2),
            )

    def test_the_version_of_a_crate_is_that_of_its_manifest(
        self, ffi_config: dict[str, Any], crate: Path
    ) -> None:
        bridge = ffi_config["bridges"]["rust_blas"] | {"path": str(crate), "version": "0.3.1"}
        noodle.configure(ffi={"bridges": {"rust_blas": bridge}})
        with pytest.raises(VersionError) as caught:
            noodle.load("rust_blas")
        assert (caught.value.expected, caught.value.received) == ("0.3.1", "0.3.0")

    def test_scalar_functions_are_called_for_the_elements_of_arrays(
        self, ffi_config: dict[str, Any], tmp_path: Path
    ) -> None:
        """``auto_vectorize`` and ``parallel_execution``, which concern all native libraries."""
        noodle.configure(ffi=ffi_config)
        m = noodle.load("libm.so.6", prototypes="double cbrt(double x);", thread_safe=["cbrt"])
        np.testing.assert_allclose(m.cbrt(np.arange(9.0) ** 3), np.arange(9.0))
        notes = m.cbrt.explain(np.arange(9.0)).notes
        assert "called for each element of arrays, in a compiled loop on all processors" in notes

    def test_explain_tells_what_the_switches_come_to(self, ffi_config: dict[str, Any]) -> None:
        noodle.configure(ffi=ffi_config)
        blas = noodle.load("rust_blas", prototypes=DGEMM)
        plan = blas.cblas_dgemm.explain(1, 1, 1, 1, 1, 1, 1.0, None, 1, None, 1, 1.0, None, 1)
        level = "optimization: O3 for what Noodle compiles; the library is as it was built"
        assert level in plan.notes
        assert "gpu_offload: on, but no arm that runs on a GPU is registered" in plan.notes


class TestToml:
    """The block under ``[ffi]``, with the commands that a user types."""

    @pytest.fixture
    def noodle_in(self, tmp_path: Path, noodle_command: list[str]) -> Any:
        """Run a command in a folder with the block as ``noodle.toml``."""
        (tmp_path / "noodle.toml").write_text(SPECIFICATION_FFI_TOML)

        def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*noodle_command, *arguments],
                cwd=tmp_path,
                env=os.environ | variables,
                capture_output=True,
                text=True,
                check=False,
            )

        return run

    def test_a_program_uses_the_configured_libraries(self, tmp_path: Path, noodle_in: Any) -> None:
        """The configured names win over the installed NumPy."""
        require_python39()
        (tmp_path / "main.noodle").write_text(
            'import ffi "numpy" as np\n'
            'import ffi "rust_blas" as blas {\n'
            "    fn cblas_ddot(n: i32, x: ptr<f64>, dx: i32, y: ptr<f64>, dy: i32): f64\n"
            "}\n"
            "let v = np.array([1.0, 2.0, 3.0])\n"
            'print("${np.__version__}: ${blas.cblas_ddot(3, v, 1, v, 1)}")\n'
        )
        result = noodle_in("run", "main.noodle")
        assert (0, "1.21.0: 14.0\n") == (result.returncode, result.stdout), result.stderr

    def test_gpu_support_is_told_of_a_library_that_is_not_installed(
        self, tmp_path: Path, noodle_in: Any
    ) -> None:
        (tmp_path / "main.noodle").write_text('import ffi "torch" as torch\nprint(torch.ones(2))\n')
        result = noodle_in("explain", "main.noodle", "--json")
        (imported,) = json.loads(result.stdout)["imports"]
        assert imported["loaded"] is None
        assert gpu_note() in imported["notes"]
        assert gpu_note() in " ".join(noodle_in("explain", "main.noodle").stdout.split())

    @pytest.mark.timeout(300)
    def test_everything_is_resolved_and_locked_without_being_installed(
        self, tmp_path: Path, noodle_in: Any
    ) -> None:
        """From PyPI as it is. PyTorch's wheel alone has more than 800 MB."""
        require_python39()
        cache = tmp_path / "cache"
        result = noodle_in("sync", "--lock-only", XDG_CACHE_HOME=str(cache))
        assert result.returncode == 0, result.stderr
        assert "3 targets locked" in result.stdout
        assert not list(cache.rglob("torch/__init__.py"))
        lock_file = LockFile(tmp_path / "noodle.lock")
        torch = lock_file.packages("pypi", "torch==1.9.0 + torchvision") or {}
        assert {"version": "3.9"} == torch["python"]
        assert TORCH_WHEEL in torch["torch==1.9.0"]["sha256"]
        assert torch["torchvision==0.10.0"]["sha256"]
        numpy = lock_file.packages("pypi", "numpy==1.21.0 + scipy") or {}
        assert numpy["numpy==1.21.0"]["sha256"]
        assert lock_file.packages("native", "libblas.so")
