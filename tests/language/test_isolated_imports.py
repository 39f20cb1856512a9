"""Programs whose libraries run in workers: ``import ffi … with { placement: "isolated" }``."""

from __future__ import annotations

import os
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from noodle.errors import NoodleError, PlacementError, WorkerCrashedError
from noodle.language import ProgramLoader
from noodle.runtime.engine import default_engine, use
from noodle.runtime.host import EngineHost
from tests.workers.environments.conftest import index as index
from tests.workers.environments.package_index import PackageIndex
from tests.workers.pythons import SAMPLES


class PrintingHost(EngineHost):
    """A program's host that keeps what it prints."""

    output = ""

    def write(self, text: str) -> None:
        self.output += text


@pytest.fixture(autouse=True)
def restored_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give the other tests back the engine that they had."""
    monkeypatch.setenv("NOODLE_CACHE_DIR", str(tmp_path.parent / "cache"))
    engine = default_engine()
    yield
    use(engine)


def run(folder: Path, program: str, config: str = "", install: str = "auto") -> list[str]:
    """Run a program with the real engine; return the lines that it prints."""
    (folder / "noodle.toml").write_text(config)
    path = folder / "program.noodle"
    path.write_text(program)
    host = PrintingHost(str(folder), install=install)
    ProgramLoader(host, "").run(str(path))
    return host.output.splitlines()


KERNEL = """
#include <unistd.h>
#include <stdlib.h>
long process(void) { return getpid(); }
void end(void) { abort(); }
double total(const double *values, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum;
}
void scale(double *values, int count, double factor)
{
    for (int i = 0; i < count; i++)
        values[i] *= factor;
}
"""


def test_a_library_of_the_system_runs_in_a_worker(tmp_path: Path) -> None:
    program = """
import ffi "c:m" as m {
  fn hypot(x: f64, y: f64): f64
} with { placement: "isolated" }
print(m.hypot(3.0, 4.0), m.hypot.explain(3.0, 4.0).placement)
"""
    assert ["5.0 isolated"] == run(tmp_path, program)


def test_a_c_source_works_on_arrays_and_dies_alone(tmp_path: Path) -> None:
    (tmp_path / "kernel.c").write_text(KERNEL)
    program = """
import ffi "numpy" as np
import ffi "os" as os
import ffi "./helper.py" as helper
import ffi "./kernel.c" as kernel {
  fn process(): i64
  fn end(): void
  fn total(values: array<f64>, count: i32): f64
  fn scale(values: array<f64>, count: i32, factor: f64): void
} with { placement: "isolated", worker: "kernel" }
let values = np.arange(4.0)
kernel.scale(values, 4, 10.0)
print(kernel.total(values, 4), list(values))
print(helper.error_of(kernel.end), kernel.process() != os.getpid())
"""
    (tmp_path / "helper.py").write_text(
        "def error_of(function):\n"
        "    try:\n"
        "        function()\n"
        "    except Exception as error:\n"
        "        return type(error).__name__\n"
    )
    assert ["60.0 [0.0, 10.0, 20.0, 30.0]", "WorkerCrashedError true"] == run(tmp_path, program)


def test_a_crash_ends_the_program_with_a_typed_error(tmp_path: Path) -> None:
    (tmp_path / "kernel.c").write_text(KERNEL)
    program = (
        'import ffi "./kernel.c" { fn end(): void } with { placement: "isolated" }\nkernel.end()'
    )
    with pytest.raises(WorkerCrashedError, match="SIGABRT"):
        run(tmp_path, program)


def test_one_traceback_has_the_calls_of_the_program_and_of_every_library(tmp_path: Path) -> None:
    for name in ("relay.mjs", "relay.py"):
        shutil.copy(SAMPLES / name, tmp_path)
    (tmp_path / "kernel.c").write_text(KERNEL)
    program = """
import ffi "./relay.mjs" as js
import ffi "./relay.py" as py with { placement: "isolated" }
import ffi "./kernel.c" as kernel { fn end(): void } with { placement: "isolated" }

fn middle() {
  kernel.end()
}
js.relay(py.relay, js.relay, middle)
"""
    with pytest.raises(WorkerCrashedError, match="SIGABRT") as caught:
        run(tmp_path, program)
    calls = traceback.extract_tb(caught.value.__traceback__)
    names = [Path(call.filename.strip("<>")).name for call in calls]
    first = names.index("program.noodle")
    expected = ["program.noodle", "relay.mjs", "relay.py", "relay.mjs", "program.noodle"]
    assert [*expected, "kernel.c"] == names[first:]
    assert ("middle", "./kernel.c.end") == (calls[-2].name, calls[-1].name)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('import ffi "os" as os with { placement: "isolated" }', "false"),
        ('import ffi "os" as os', "false"),
        ('import ffi "os" as os with { placement: "inprocess" }', "true"),
        ('import ffi "os" as os with { placement: "auto" }', "true"),
    ],
)
def test_the_import_wins_over_the_configuration(
    tmp_path: Path, statement: str, expected: str
) -> None:
    config = 'placement = "isolated"\n[ffi.bridges.here]\npath = "sys"\nplacement = "inprocess"\n'
    program = (
        f'{statement}\nimport ffi "here"\nprint(os.getpid() == {os.getpid()}, len(here.path) > 0)'
    )
    assert [f"{expected} true"] == run(tmp_path, program, config)


def test_a_handle_with_another_placement(tmp_path: Path) -> None:
    program = f"""
import ffi "os" as os
let there = os.getpid.options(placement="isolated")
print(os.getpid() == {os.getpid()}, there() == {os.getpid()}, there() == there())
"""
    assert ["true false true"] == run(tmp_path, program)


def test_a_package_in_a_version_that_is_not_installed(tmp_path: Path, index: PackageIndex) -> None:
    index.publish("small", "1.2")
    for options in ("", 'with { placement: "isolated" }'):
        program = f"""
import ffi "small==1.2" as small {options}
print(small.__version__)
"""
        assert ["1.2"] == run(tmp_path, program, install="always")
    with pytest.raises(NoodleError, match="small"):
        run(tmp_path, 'import ffi "small==1.2" with { placement: "inprocess" }')


def test_a_wrong_placement_tells_the_place_and_the_right_word(tmp_path: Path) -> None:
    with pytest.raises(PlacementError) as caught:
        run(tmp_path, 'import ffi "c:m" { fn cos(x: f64): f64 } with { placement: "isolatd" }')
    assert "isolated" == caught.value.remedy
    assert "program.noodle:1:1" in str(caught.value.where)
