"""What was built: once for a key, complete or not there, in a folder of the user's own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from noodle.build_cache import BuildCache, digest, user_cache_directory
from noodle.errors import CompilationError


def test_threads_that_build_at_once_build_once(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")
    built: list[Path] = []
    together = threading.Barrier(6)

    def build(output: Path) -> None:
        built.append(output)
        output.write_text("complete")

    def work() -> None:
        together.wait(30)
        assert "complete" == cache.get("thing.so", build).read_text()

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 1 == len(built)


def test_a_failed_build_leaves_nothing(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")

    def fail(output: Path) -> None:
        output.write_text("half")
        raise CompilationError("no")

    with pytest.raises(CompilationError):
        cache.get("thing.so", fail)
    assert ["thing.so.lock"] == [path.name for path in (tmp_path / "cache").iterdir()]


def test_a_killed_build_leaves_nothing_that_counts(tmp_path: Path) -> None:
    program = f"""
import os, signal
from pathlib import Path
from noodle.build_cache import BuildCache
def build(output):
    output.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
BuildCache(Path({str(tmp_path / "cache")!r})).get("thing.so", build)
"""
    result = subprocess.run([sys.executable, "-c", program], check=False)
    assert -signal.SIGKILL == result.returncode
    assert 1 == len(list((tmp_path / "cache").glob("build-*")))
    cache = BuildCache(tmp_path / "cache")
    made = cache.get("thing.so", lambda output: output.write_text("whole") and None)
    assert "whole" == made.read_text()
    assert [] == list((tmp_path / "cache").glob("build-*"))


def test_a_build_that_goes_on_is_not_taken_for_one_that_was_killed(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")

    def build(output: Path) -> None:
        output.write_text("whole")
        other = BuildCache(tmp_path / "cache")
        other.get("other.so", lambda made: made.write_text("other") and None)
        assert 0 == other.remove_left()

    assert "whole" == cache.get("thing.so", build).read_text()


def test_what_a_killed_build_has_left_can_be_removed(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")
    (tmp_path / "cache" / "build-x" / "half").mkdir(parents=True)
    assert (1, 0) == (cache.remove_left(), cache.remove_left())
    assert [] == list((tmp_path / "cache").iterdir())


def test_it_is_private(tmp_path: Path) -> None:
    BuildCache(tmp_path / "a" / "cache")
    assert 0o700 == (tmp_path / "a" / "cache").stat().st_mode & 0o777


def test_a_temporary_one_is_removed_at_exit(tmp_path: Path) -> None:
    program = """
from pathlib import Path
from noodle.build_cache import BuildCache
print(BuildCache(Path("/proc/nowhere")).path("x").parent)
"""
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith(str(tmp_path))
    assert [] == list(tmp_path.iterdir())


def test_its_place_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    monkeypatch.delenv("NOODLE_CACHE_DIR", raising=False)
    assert Path("/x/noodle") == user_cache_directory()
    monkeypatch.setenv("NOODLE_CACHE_DIR", "/y")
    assert Path("/y") == user_cache_directory()


def test_keys_differ_where_texts_are_split_differently() -> None:
    assert 4 == len({digest("ab", "c"), digest("a", "bc"), digest("abc"), digest("abc", "")})


def test_a_folder_appears_as_a_whole(tmp_path: Path) -> None:
    cache = BuildCache(tmp_path / "cache")

    def build(folder: Path) -> None:
        folder.mkdir()
        (folder / "one").write_text("1")
        assert not cache.path("thing").exists()
        (folder / "two").write_text("2")

    made = cache.get("thing", build)
    assert ["one", "two"] == sorted(path.name for path in made.iterdir())
    assert made == cache.get("thing", lambda _: pytest.fail("built again"))
