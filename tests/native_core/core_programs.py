"""Builds the C programs of the core's tests, each once for all of pytest's workers."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.native_core.wire_peers import SANITIZED, compile_c

TESTS = Path(__file__).parent.parent.parent / "native" / "tests"
NATIVE = TESTS.parent
VARIANTS = {
    "plain": ["-O2"],
    "sanitized": SANITIZED,
    "threads": ["-fsanitize=thread", "-g", "-O1"],
}
MODULES = ("arena", "channel", "processors", "pump")


def core_sources() -> list[Path]:
    """The sources of channel, arena and pump; the wire codec knows none of them."""
    sources = (NATIVE / "core").glob("*.c")
    return sorted(path for path in sources if not path.name.startswith("wire_"))


def cases(module: str) -> list[str]:
    """The names of the cases in ``native/tests/test_<module>.c``."""
    text = (TESTS / f"test_{module}.c").read_text(encoding="utf-8")
    return re.findall(r"^CASE\((\w+)\)", text, re.MULTILINE)


def every_case(module: str, *, at_once: bool = False) -> pytest.MarkDecorator:
    """Parametrize with a module's cases, or only with those that do several things at once."""
    found = [case for case in cases(module) if not at_once or "_at_the_same_time" in case]
    return pytest.mark.parametrize("case", found)


def build_once(directory: Path, name: str, sources: list[Path], *flags: str) -> Path:
    """Compile a program unless another of pytest's workers has, or has failed to."""
    output = directory / name
    failure = directory / f"{name}.failed"
    with (directory / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert not failure.exists(), f"{name} does not compile; an earlier test shows why"
        if not output.exists():
            part = output.with_suffix(".part")
            failure.touch()
            compile_c(part, sources, f"-I{NATIVE / 'include'}", "-pthread", *flags)
            failure.unlink()
            part.rename(output)
    return output


def build_tests(directory: Path, variant: str) -> Path:
    """Build all cases in one variant, a key of ``VARIANTS``."""
    names = ["check.c", "pair.c", *(f"test_{module}.c" for module in MODULES)]
    sources = [*core_sources(), *(TESTS / name for name in names)]
    return build_once(directory, f"core-tests-{variant}", sources, *VARIANTS[variant])


def build_round_trip(directory: Path) -> Path:
    """Build the measurement of a call that does nothing but answer."""
    names = ["check.c", "pair.c", "round_trip.c"]
    sources = [*core_sources(), *(TESTS / name for name in names)]
    return build_once(directory, "round-trip", sources, "-O2")


def run_under_valgrind(program: Path, case: str, settings: Mapping[str, int] | None = None) -> None:
    """Run one case under valgrind, which must find neither an error nor a leak."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind is not installed")
    checks = ["-q", "--error-exitcode=9", "--leak-check=full", "--fair-sched=yes"]
    run_case(program, case, settings, valgrind, *checks)


def run_case(
    program: Path, case: str, settings: Mapping[str, int] | None = None, *before: str
) -> str:
    """Run one case, whose exit code must be 0; return what it printed.

    Args:
        program: The built tests.
        case: The case's name.
        settings: Numbers that make the case longer, e.g. ``{"NOODLE_HANDOVERS": 2_000_000}``.
        before: A command to run the program under, e.g. ``valgrind``.
    """
    environment = os.environ | {name: str(value) for name, value in (settings or {}).items()}
    result = subprocess.run(
        [*before, program, case],
        env=environment,
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout
