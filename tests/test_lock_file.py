"""The lock file: deterministic text, safe for several writers, clear when it is damaged."""

from __future__ import annotations

import subprocess
import sys
import threading
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.errors import SettingsError
from noodle.lock_file import HEADER, LockFile

AJV = {
    "node_modules/uri": {"version": "1.0.0", "integrity": "sha512-b=="},
    "node_modules/ajv": {
        "version": "8.1.0",
        "integrity": "sha512-a==",
        "dependencies": {"uri": "^1", "@scope/x": "2"},
        "os": ["linux", "!win32"],
        "optional": True,
    },
}


@pytest.fixture
def lock_file(tmp_path: Path) -> LockFile:
    return LockFile(tmp_path / "noodle.lock")


def test_the_text_is_one_table_a_target_and_one_line_a_package(lock_file: LockFile) -> None:
    lock_file.add("npm", "lodash@4", {"node_modules/lodash": {"version": "4.1.0"}})
    lock_file.add("npm", "@scope/ajv@^8", AJV)
    expected = HEADER + (
        "\n"
        "format = 1\n"
        "\n"
        '[npm."@scope/ajv@^8"]\n'
        '"node_modules/ajv" = { dependencies = { "@scope/x" = "2", uri = "^1" }, '
        'integrity = "sha512-a==", optional = true, os = ["linux", "!win32"], version = "8.1.0" }\n'
        '"node_modules/uri" = { integrity = "sha512-b==", version = "1.0.0" }\n'
        "\n"
        '[npm."lodash@4"]\n'
        '"node_modules/lodash" = { version = "4.1.0" }\n'
    )
    assert expected == lock_file.path.read_text()


def test_the_text_does_not_depend_on_the_order_of_writing(tmp_path: Path) -> None:
    one, other = LockFile(tmp_path / "one.lock"), LockFile(tmp_path / "other.lock")
    targets: list[tuple[str, Any]] = [("a", AJV), ("b", dict(reversed(AJV.items()))), ("c", {})]
    for target, packages in targets:
        one.add("npm", target, packages)
    for target, packages in reversed(targets):
        other.add("npm", target, packages)
    assert one.path.read_bytes() == other.path.read_bytes()


def test_the_parts_of_npm_and_pypi_leave_each_other_alone(lock_file: LockFile) -> None:
    """Lines of one part stay as they are, whatever comes into the other."""
    npm = {"node_modules/a": {"integrity": "sha512-x", "version": "1.0.0"}}
    pypi = {"a==1.0": {"sha256": ["00"]}, "python": {"version": "3.9"}}
    lock_file.add("npm", "a@1", npm)
    before = lock_file.path.read_text()
    lock_file.add("pypi", "a==1.0", pypi)
    both = lock_file.path.read_text()
    assert both.startswith(before)
    lock_file.add("npm", "a@1", {})
    lock_file.add("pypi", "a==1.0", {})
    assert both == lock_file.path.read_text()
    assert (npm, pypi) == (lock_file.packages("npm", "a@1"), lock_file.packages("pypi", "a==1.0"))


def test_what_was_added_is_read_again(lock_file: LockFile) -> None:
    assert lock_file.packages("npm", "ajv") is None
    lock_file.add("npm", "ajv", AJV)
    assert AJV == LockFile(lock_file.path).packages("npm", "ajv")
    assert lock_file.packages("python", "ajv") is None


def test_the_first_to_lock_a_target_wins(lock_file: LockFile) -> None:
    first = lock_file.add("npm", "ajv", AJV)
    assert first == lock_file.add("npm", "ajv", {"node_modules/ajv": {"version": "9.0.0"}})
    assert AJV == lock_file.packages("npm", "ajv")


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(
    st.booleans() | st.integers(-(2**63), 2**63 - 1) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(texts, st.dictionaries(texts, values, max_size=3), max_size=3), texts)
def test_any_text_and_structure_survives(
    tmp_path_factory: pytest.TempPathFactory, packages: dict[str, Any], target: str
) -> None:
    lock_file = LockFile(tmp_path_factory.mktemp("lock") / "noodle.lock")
    lock_file.add("npm", target, packages)
    assert packages == lock_file.packages("npm", target)


def test_threads_and_processes_lose_nothing_of_each_other(lock_file: LockFile) -> None:
    program = (
        "import sys; from pathlib import Path; from noodle.lock_file import LockFile\n"
        "for n in range(20):\n"
        "    LockFile(Path(sys.argv[1])).add('npm', f'{sys.argv[2]}{n}', {})"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(lock_file.path), name])
        for name in ("p", "q")
    ]

    def work(name: str) -> None:
        for n in range(20):
            lock_file.add("npm", f"{name}{n}", {})

    threads = [threading.Thread(target=work, args=(name,)) for name in ("s", "t")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [0, 0] == [process.wait(60) for process in processes]
    content = tomllib.loads(lock_file.path.read_text())
    assert {f"{name}{n}" for name in "pqst" for n in range(20)} == set(content["npm"])
    assert [lock_file.path] == list(lock_file.path.parent.iterdir())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"format = 2\n[npm.a]\n", "by a newer version of Noodle"),
        (b"format = true\n", "its format is not 1"),
        (b"format = '1'\n", "its format is not 1"),
        (b"", "its format is not 1"),
        (b"format = 1\n[npm.a\n", "line 2"),
        (b"format = 1\n<<<<<<< mine\n[npm.a]\n=======\n>>>>>>> theirs\n", "merge conflict"),
        (b"format = 1\n[npm.a]\nb = 1\n", "not a table of packages"),
        (b"format = 1\nnpm = 3\n", "not a table of packages"),
        (b"\xff\xfe", "utf-8"),
    ],
)
def test_a_damaged_file_is_refused_and_left_alone(
    lock_file: LockFile, content: bytes, told: str
) -> None:
    lock_file.path.write_bytes(content)
    with pytest.raises(SettingsError, match=told):
        lock_file.packages("npm", "a")
    with pytest.raises(SettingsError):
        lock_file.add("npm", "a", {})
    assert content == lock_file.path.read_bytes()


def test_a_folder_in_its_place_is_refused(lock_file: LockFile) -> None:
    lock_file.path.mkdir()
    with pytest.raises(SettingsError, match="cannot be opened"):
        lock_file.packages("npm", "a")


def test_a_link_stays_a_link(lock_file: LockFile, tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir()
    lock_file.path.symlink_to(tmp_path / "shared" / "team.lock")
    lock_file.add("npm", "ajv", AJV)
    assert lock_file.path.is_symlink()
    assert AJV == LockFile(tmp_path / "shared" / "team.lock").packages("npm", "ajv")
