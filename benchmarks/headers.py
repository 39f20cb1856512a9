"""Headers: a load that reads, compiles and binds one, and a load of what is known already."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from measure import BenchmarkError, interleave
from results import Budget, Row

ITEM = "headers"
COLD_BUDGET = Budget("ours", 3000)  # milliseconds
WARM_BUDGET = Budget("ours", 30)  # milliseconds

PROGRAM = """
import sys, time
import noodle
noodle.load("libm.so.6", prototypes="double cos(double);", mode="abi")
start = time.perf_counter()
noodle.load(sys.argv[1], header=sys.argv[2])
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
    return [row for case in cases for row in measure(case, 1 if quick else 5)]


def measure(case: Case, repeats: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as directory:
        caches = (Path(directory, str(number)) for number in range(10_000))
        warm = Path(directory, "warm")
        load(case, warm)
        times = interleave(
            {"cold": lambda: load(case, next(caches)), "warm": timer(case, warm)}, repeats=repeats
        )
    return [
        Row(ITEM, f"{case.header}, never read before", "ms", times["cold"], budget=COLD_BUDGET),
        Row(ITEM, f"{case.header}, known", "ms", times["warm"], budget=WARM_BUDGET),
    ]


def timer(case: Case, cache: Path) -> Callable[[], float]:
    return lambda: load(case, cache)


def load(case: Case, cache: Path) -> float:
    """Load the header in a process of its own; return the milliseconds that the load took."""
    command = [sys.executable, "-c", PROGRAM, case.library, case.header]
    environment = {"NOODLE_CACHE_DIR": str(cache), "PATH": "/usr/local/bin:/usr/bin:/bin"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if result.returncode:
        reason = result.stderr.strip().rpartition("\n")[2]
        raise BenchmarkError(f"{case.header}: {reason}")
    return float(result.stdout)
