"""Run the tests of the C extensions on a build with sanitizers: handle, codec, host of workers.

They are the address and the undefined-behaviour sanitizer. The build goes through the project's own
backend into ``build/sanitize``; the tests find that copy before the installed one. Leaks are not
searched for, as CPython keeps memory at exit on purpose. Arguments are handed to pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "build" / "sanitize"
WORKERS = "calls arrays array_exporter references pool event_loop waits worker statistics deadlocks"
TESTS = [
    "tests/test_handle.py",
    "tests/native_core/test_wire_python.py",
    *(f"tests/workers/test_{name}.py" for name in WORKERS.split()),
]
COMPILERS = ("gcc", "cc")
# CPython is not built with the sanitizers, so their runtime must be loaded first; the C++ runtime
# must be there with it, for a library that throws would otherwise end the process.
PRELOADED = ("libasan.so", "libubsan.so", "libstdc++.so.6")


def build() -> None:
    """Build and install the package with sanitizers into ``build/sanitize``."""
    shutil.rmtree(TARGET, ignore_errors=True)
    environment = os.environ | {
        "SKBUILD_CMAKE_DEFINE": "NOODLE_SANITIZE=ON;NOODLE_WERROR=ON",
        "SKBUILD_CMAKE_BUILD_TYPE": "Debug",
        "SKBUILD_INSTALL_STRIP": "false",
    }
    command = [sys.executable, "-m", "pip", "install", "-qq", "--no-deps", "--target", TARGET, ROOT]
    subprocess.run(command, check=True, env=environment)


def runtime_libraries() -> list[str]:
    """Return the paths of the sanitizers' runtime libraries.

    Raises:
        SystemExit: There is no compiler that has them.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise SystemExit("the sanitizers need gcc; try: apt install gcc libc6-dev")
    found = [
        subprocess.run(
            [compiler, f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
        for name in PRELOADED
    ]
    absent = [path for path in found if not os.path.isabs(path)]
    if absent:
        raise SystemExit(f"{compiler} has no {' '.join(absent)}; try: apt install gcc libc6-dev")
    return found


def check_target(environment: dict[str, str]) -> None:
    """Make sure that the sanitized extension is the one that the tests will import."""
    program = "import noodle._handle; print(noodle._handle.__file__)"
    command = [sys.executable, "-c", program]
    imported = subprocess.run(
        command, cwd=TARGET, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()
    if not Path(imported).is_relative_to(TARGET):
        raise SystemExit(f"expected the extension under {TARGET}, got {imported}")


def main(arguments: list[str]) -> int:
    """Build, run the tests and return pytest's exit code."""
    libraries = runtime_libraries()
    build()
    environment = os.environ | {
        "PYTHONPATH": str(TARGET),
        "PYTHONMALLOC": "malloc",
        "LD_PRELOAD": " ".join(libraries),
        "ASAN_OPTIONS": "detect_leaks=0:abort_on_error=1",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    check_target(environment)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "", "--timeout=600", *TESTS, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
