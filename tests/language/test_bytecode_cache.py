"""Bytecode kept between runs: used when it fits, ignored when anything is wrong with it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from noodle.language import ProgramLoader, compile_source
from noodle.language.bytecode_cache import BytecodeCache, default_directory

from .hosts import CollectingHost

COMPILER_MODULES = (
    "lark",
    "typer",
    "rich",
    "numpy",
    "ast",
    "dataclasses",
    "noodle.language.compiler",
)


def stored(directory: Path) -> Path:
    (entry,) = directory.iterdir()
    return entry


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def run(path: Path, cache: Path) -> str:
    host = CollectingHost()
    ProgramLoader(host, str(cache)).run(str(path))
    return host.output


def test_a_warm_start_loads_no_compiler(tmp_path: Path, cache: Path) -> None:
    """The second run of a program imports nothing that compiles."""
    path = tmp_path / "hello.noodle"
    path.write_text('print("hello ${[1, null]}")')
    script = (
        "import sys\n"
        "class Host:\n"
        "    def read_source(self, path):\n"
        "        with open(path, encoding='utf-8') as file:\n"
        "            return file.read()\n"
        "    def write(self, text):\n"
        "        sys.stdout.write(text)\n"
        "from noodle.language.loader import ProgramLoader\n"
        "ProgramLoader(Host(), sys.argv[2]).run(sys.argv[1])\n"
        f"print([name for name in {COMPILER_MODULES!r} if name in sys.modules])\n"
    )
    command = [sys.executable, "-c", script, str(path), str(cache)]
    cold, warm = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
        for _ in range(2)
    )
    assert "hello [1, null]" == cold[0] == warm[0]
    assert "'lark'" in cold[1]
    assert "[]" == warm[1]


def test_an_entry_is_used_only_for_the_very_same_source(cache: Path) -> None:
    """Another text or another file name is a miss; imports and names survive the cache."""
    program = compile_source('import ffi "math" as m with {a: 1}\nlet len = m.pi', "a.noodle")
    kept = BytecodeCache(str(cache))
    kept.store(program)
    found = kept.load("a.noodle", program.source)
    assert found is not None
    assert (program.code, program.exports, program.foreign_imports) == (
        found.code,
        found.exports,
        found.foreign_imports,
    )
    assert kept.load("a.noodle", program.source + " ") is None
    assert kept.load("b.noodle", program.source) is None


def test_a_changed_file_is_compiled_anew(tmp_path: Path, cache: Path) -> None:
    """Even when size and time of the file stay as they were."""
    path = tmp_path / "a.noodle"
    path.write_text("print(1)")
    times = path.stat()
    assert "1\n" == run(path, cache)
    path.write_text("print(2)")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert "2\n" == run(path, cache)


def test_line_ends_of_other_systems_hit_the_cache(cache: Path) -> None:
    """The text is compared as it was read."""
    source = "\ufeffprint(1)\r\nprint(2)\r\n"
    kept = BytecodeCache(str(cache))
    kept.store(compile_source(source, "a.noodle"))
    assert kept.load("a.noodle", source) is not None


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "flipped", "garbage", "directory", "link", "open"]
)
def test_a_damaged_entry_is_ignored_and_replaced(tmp_path: Path, cache: Path, damage: str) -> None:
    """Whatever became of an entry, the program runs, and nothing of the entry does."""
    path = tmp_path / "a.noodle"
    path.write_text('print("right")')
    run(path, cache)
    entry = stored(cache)
    data = entry.read_bytes()
    if damage == "truncated":
        entry.write_bytes(data[: len(data) // 2])
    elif damage == "empty":
        entry.write_bytes(b"")
    elif damage == "flipped":
        entry.write_bytes(data[:-20] + bytes([data[-20] ^ 1]) + data[-19:])
    elif damage == "garbage":
        entry.write_bytes(os.urandom(500))
    elif damage == "directory":
        entry.unlink()
        entry.mkdir()
    elif damage == "link":
        entry.rename(tmp_path / "elsewhere")
        entry.symlink_to(tmp_path / "elsewhere")
    else:
        entry.chmod(0o666)
    assert BytecodeCache(str(cache)).load(str(path), 'print("right")') is None
    assert "right\n" == run(path, cache)


def test_a_directory_that_others_may_write_to_is_not_used(tmp_path: Path, cache: Path) -> None:
    """Bytecode is as trusted as code; so is the directory that it comes from."""
    program = compile_source("print(1)", "a.noodle")
    kept = BytecodeCache(str(cache))
    kept.store(program)
    assert 0o700 == cache.stat().st_mode & 0o777
    assert 0o600 == stored(cache).stat().st_mode & 0o777
    cache.chmod(0o777)
    assert kept.load("a.noodle", "print(1)") is None


def test_a_directory_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    """Programs run without a cache."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "a.noodle"
    path.write_text("print(1)")
    assert "1\n" == run(path, tmp_path / "file" / "cache")


def test_processes_that_start_at_once(tmp_path: Path, cache: Path) -> None:
    """Each prints the same, and leaves one entry that is whole."""
    path = tmp_path / "hello.noodle"
    path.write_text('print("hello")')
    command = [sys.executable, "-m", "noodle", "run", str(path)]
    environment = {**os.environ, "NOODLE_CACHE_DIR": str(cache)}
    started = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) for _ in range(3)]
    assert [b"hello\n"] * 3 == [process.communicate()[0] for process in started]
    assert [0] * 3 == [process.returncode for process in started]
    stored(cache / "bytecode")
    assert BytecodeCache(str(cache / "bytecode")).load(str(path), 'print("hello")')


def test_no_directory_keeps_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty name turns the cache off."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "a.noodle"
    path.write_text("print(1)")
    ProgramLoader(CollectingHost(), "").run(str(path))
    assert [path] == list(tmp_path.iterdir())


def test_where_bytecode_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """`NOODLE_CACHE_DIR` before `XDG_CACHE_HOME` before the home directory."""
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("NOODLE_CACHE_DIR", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert "/home/someone/.cache/noodle/bytecode" == default_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/x")
    assert "/var/x/noodle/bytecode" == default_directory()
    monkeypatch.setenv("NOODLE_CACHE_DIR", "/var/n")
    assert "/var/n/bytecode" == default_directory()
