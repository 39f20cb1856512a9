"""Headers: a load that reads, compiles and binds one, and a load of what is known already."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from measure import BenchmarkError, interleave
from results import Budget, Row

ITEM = "headers"
COLD_BUDGET = Budget("ours", 3000)  # milliseconds
WARM_BUDGET = Budget("ours", 30)  # milliseconds

LOAD = """
start = time.perf_counter()
noodle.load(sys.argv[1], header=sys.argv[2])
print(1000 * (time.perf_counter() - start))
"""
FIRST = "import sys, time\nimport noodle" + LOAD
AFTER_ANOTHER = (
    "import sys, time\nimport noodle\n"
    "noodle.load('libm.so.6', prototypes='double cos(double);', mode='abi')" + LOAD
)
PARSER = """
import time
start = time.perf_counter()
import pycparser.c_parser
print(1000 * (time.perf_counter() - start))
"""


@dataclass(frozen=True)
class Case:
    """A library and its header."""

    library: str
    header: str

    @property
    def installed(self) -> bool:
        """Whether the header is there: those of SQLite and OpenSSL have packages of their own."""
        return Path("/usr/include", self.header).is_file()


CASES = (
    Case("libm.so.6", "math.h"),
    Case("libsqlite3.so.0", "sqlite3.h"),
    Case("libcrypto.so.3", "openssl/evp.h"),
)


def run(*, quick: bool) -> list[Row]:
    cases = [case for case in CASES if case.installed]
    # Every case takes the same way; the larger headers cost a quick run most of its time.
    return [
        row for case in cases[: 1 if quick else None] for row in measure(case, 1 if quick else 5)
    ]


def measure(case: Case, repeats: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        caches = (Path(directory, str(number)) for number in range(10_000))
        warm = Path(directory, "warm")
        load(case, warm)
        times = interleave(
            {
                "cold": lambda: load(case, next(caches)),
                "compiler": lambda: compile_header(case, Path(directory)),
                "warm": lambda: load(case, warm),
                "first": lambda: load(case, warm, FIRST),
                "parser": lambda: milliseconds_of(PARSER),
            },
            repeats=repeats,
        )
    parser = "import of pycparser"
    return [
        Row(
            ITEM,
            f"{case.header}, never read before",
            "ms",
            times["cold"],
            times["compiler"],
            "cc -c of it",
            COLD_BUDGET,
        ),
        Row(
            ITEM, f"{case.header}, known", "ms", times["warm"], times["parser"], parser, WARM_BUDGET
        ),
        Row(
            "context",
            f"{case.header}, known, with Noodle's modules",
            "ms",
            times["first"],
            times["parser"],
            parser,
        ),
    ]


def compile_header(case: Case, directory: Path) -> float:
    """Compile a C file that includes the header; return the milliseconds that it took."""
    source = directory / "included.c"
    source.write_text(f"#include <{case.header}>\nint included;\n", encoding="utf-8")
    command = ["cc", "-O1", "-c", source.name, "-o", "included.o"]
    start = time.perf_counter()
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True, check=False)
    taken = time.perf_counter() - start
    if done.returncode:
        raise BenchmarkError(f"{case.header}: {done.stderr.strip()}")
    return 1000 * taken


def load(case: Case, cache: Path, program: str = AFTER_ANOTHER) -> float:
    """Load the header in a process of its own; return the milliseconds that the load took."""
    try:
        return milliseconds_of(program, case.library, case.header, cache=cache)
    except BenchmarkError as error:
        raise BenchmarkError(f"{case.header}: {error}") from error


def milliseconds_of(program: str, *arguments: str, cache: Path = Path("/nowhere")) -> float:
    """Return the milliseconds that a Python program prints."""
    command = [sys.executable, "-c", program, *arguments]
    environment = {"NOODLE_CACHE_DIR": str(cache), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        raise BenchmarkError(result.stderr.strip().rpartition("\n")[2])
    return float(result.stdout)
