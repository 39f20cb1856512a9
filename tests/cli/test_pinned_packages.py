"""``import ffi "package==version; python=version"``: a program with a package of its own."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from noodle.build_cache import BuildCache
from noodle.workers.environments.interpreters import Interpreters
from tests.cli.conftest import Command, OpenTerminal
from tests.workers.environments.conftest import own_interpreter
from tests.workers.environments.package_index import PackageIndex, offer

Write = Callable[[str, str], Path]

SERIES = f"{sys.version_info.major}.{sys.version_info.minor}"

SMALL = """
import sys

class Counter:
    def __init__(self):
        self.count = 0

    def add(self, step=1):
        self.count += step
        return self.count

def python():
    return "Python %d.%d" % sys.version_info[:2]

def each(function, values):
    for value in values:
        yield function(value)

def refuse(number):
    raise ValueError("small does not want %d" % number)
"""


def program(series: str) -> str:
    """A program with functions, instances, generators and callbacks of a pinned package."""
    return f"""\
import ffi "small==1.0; python={series}" as small
import ffi "sys" as sys

fn twice(x) {{ return 2 * x }}

let counter = small.Counter()
counter.add(3)
print(small.python(), sys.version_info.minor)
print(list(small.each(twice, [1, 2])), counter.add(), counter.count)
"""


@pytest.fixture(autouse=True)
def small(environment: dict[str, str], tmp_path: Path) -> Iterator[PackageIndex]:
    """An index of Python packages that has ``small``."""
    with PackageIndex() as index:
        offer(index, environment, tmp_path / "uv")
        index.publish("small", "1.0", {"small/__init__.py": SMALL})
        yield index


def every_series(tmp_path: Path) -> list[str]:
    found = Interpreters(BuildCache.at(tmp_path / "interpreters")).found()
    return sorted({one.series for one in found if not one.refusal()})


def test_it_runs_on_every_version_of_python_that_is_here(
    noodle: Command, write: Write, tmp_path: Path
) -> None:
    for series in every_series(tmp_path):
        write("program.noodle", program(series))
        ended = noodle("run", "program.noodle")
        printed = f"Python {series} {sys.version_info.minor}\n[2, 4] 4 4\n"
        assert (0, printed) == (ended.returncode, ended.stdout), ended.stderr


def test_it_is_installed_once_and_says_so(
    noodle: Command, write: Write, small: PackageIndex
) -> None:
    write("program.noodle", program(SERIES))
    frozen = noodle("run", "--frozen", "program.noodle")
    assert (4, "") == (frozen.returncode, frozen.stdout)
    assert [] == small.requests
    first = noodle("run", "program.noodle")
    target = f"small==1.0; python={SERIES}"
    said = f"noodle: resolving {target}\nnoodle: installing {target} (1 package)\n"
    assert (0, said) == (first.returncode, first.stderr)
    second = noodle("run", "--frozen", "program.noodle")
    assert (0, first.stdout, "") == (second.returncode, second.stdout, second.stderr)


def test_its_progress_is_shown_on_a_terminal(open_terminal: OpenTerminal, write: Write) -> None:
    write("program.noodle", program(SERIES))
    session = open_terminal("run", "program.noodle")
    target = rf"small==1\.0; python={re.escape(SERIES)}"
    for work in (rf"resolving {target}", rf"installing {target} \(1 package\)"):
        session.expect(rf"noodle: {work}")
        session.expect(rf"[\u2800-\u28ff] {work}")
    session.expect(rf"Python {re.escape(SERIES)} {sys.version_info.minor}")


def test_its_exception_shows_the_line_of_the_program_and_the_frames_behind_it(
    noodle: Command, write: Write
) -> None:
    write("program.noodle", program(SERIES) + "small.refuse(13)\n")
    ended = noodle("run", "program.noodle")
    assert 1 == ended.returncode
    assert "program.noodle:10:1: error: small does not want 13" in ended.stderr
    assert re.search(r"raised in refuse, \S*small/__init__\.py:20", ended.stderr), ended.stderr


def test_two_versions_serve_one_program(noodle: Command, write: Write, small: PackageIndex) -> None:
    small.publish("small", "2.0", {"small/__init__.py": "def value(): return 2\n"})
    small.publish("small", "3.0", {"small/__init__.py": "def value(): return 3\n"})
    write(
        "program.noodle",
        'import ffi "small==2.0" as two\nimport ffi "small==3.0" as three\n'
        "print(two.value(), three.value())\n",
    )
    assert "2 3\n" == noodle("run", "program.noodle").stdout


def test_an_interpreter_that_nobody_has_is_told_at_the_import(
    noodle: Command, write: Write, small: PackageIndex
) -> None:
    write("program.noodle", 'import ffi "small==1.0; python=3.99" as small\nprint(1)\n')
    ended = noodle("run", "program.noodle")
    assert (4, "") == (ended.returncode, ended.stdout)
    assert ended.stderr.startswith(
        "program.noodle:1:1: error: there is no Python 3.99 for small==1.0; python=3.99\n"
    )
    assert sys.version.split()[0] in ended.stderr
    assert "NOODLE_PYTHON_DOWNLOADS=1" in ended.stderr


def test_an_interpreter_that_vanished_is_an_error_until_it_is_back(
    noodle: Command, write: Write, environment: dict[str, str], tmp_path: Path
) -> None:
    """Its environment is not used without it, is listed so, and serves again afterwards."""
    series, folder = own_interpreter(tmp_path / "pyenv", tmp_path)
    environment["PYENV_ROOT"] = str(tmp_path / "pyenv")
    environment["HOME"] = str(tmp_path)
    write("program.noodle", program(series))
    printed = f"Python {series} {sys.version_info.minor}\n[2, 4] 4 4\n"
    assert printed == noodle("run", "program.noodle").stdout
    folder.rename(tmp_path / "away")
    ended = noodle("run", "program.noodle")
    assert (4, "") == (ended.returncode, ended.stdout)
    assert f"there is no Python {series} for small==1.0; python={series}" in ended.stderr
    assert f"received: found {sys.version.split()[0]} (running)" in ended.stderr
    assert "its interpreter is gone" in noodle("env", "list").stdout
    (tmp_path / "away").rename(folder)
    ended = noodle("run", "--frozen", "program.noodle")
    assert (0, printed, "") == (ended.returncode, ended.stdout, ended.stderr)
