"""A table of the lock file: made of what uv exports, checked where it was edited."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from noodle.errors import InstallationError
from noodle.lock_file import LockFile
from noodle.workers.environments import Requirements
from noodle.workers.environments.interpreters import Interpreter
from noodle.workers.environments.locked_packages import (
    LockedPackages,
    locked_table,
    needed_here,
)

A, B, C = "a" * 64, "b" * 64, "c" * 64

EXPORTED = f"""\
large==1.5 ; sys_platform == 'linux' \\
    --hash=sha256:{B} \\
    --hash=sha256:{A} \\
    --hash=sha256:{C}
old-only==2.0 ; python_full_version < '3.9' and sys_platform == 'linux' \\
    --hash=sha256:{A}
"""
"""As ``uv export`` writes it."""

TABLE = {
    "large==1.5": {"sha256": [A, B]},
    "old-only==2.0": {"marker": "python_full_version < '3.9'", "sha256": [A]},
    "python": {"version": "3.9"},
}


def locked(table: dict[str, Any], path: Path = Path("noodle.lock")) -> LockedPackages:
    return LockedPackages(Requirements.of("large", "1.5"), table, LockFile(path))


def test_a_table_has_hashes_in_order_without_those_that_are_not_used() -> None:
    assert TABLE == locked_table("3.9", EXPORTED, frozenset({C}))


def test_the_order_of_what_uv_writes_does_not_matter() -> None:
    one, other = f"a==1 \\\n --hash=sha256:{A}\n", f"b==1 \\\n --hash=sha256:{B}\n"
    nothing: frozenset[str] = frozenset()
    assert locked_table("3.9", one + other, nothing) == locked_table("3.9", other + one, nothing)


@pytest.mark.parametrize(
    ("version", "needed"),
    [("3.8.18", ["large==1.5", "old-only==2.0"]), ("3.9.18", ["large==1.5"])],
)
def test_a_marker_decides_what_an_interpreter_needs(version: str, needed: list[str]) -> None:
    assert needed == needed_here(TABLE, Interpreter(Path("p"), version))


def test_its_text_is_a_requirements_file_with_hashes() -> None:
    assert (
        f"large==1.5 --hash=sha256:{A} --hash=sha256:{B}\n"
        f"old-only==2.0 ; python_full_version < '3.9' --hash=sha256:{A}\n"
    ) == locked(TABLE).text


def test_its_digest_is_that_of_the_packages_whatever_their_order_and_python() -> None:
    other = {"python": {"version": "3.10"}, **dict(reversed(TABLE.items()))}
    other["python"] = {"version": "3.10"}
    assert locked(TABLE).digest == locked(other).digest
    changed = {**TABLE, "large==1.5": {"sha256": [A, C]}}
    assert locked(TABLE).digest != locked(changed).digest


def test_its_user_is_the_table_of_the_lock_file(tmp_path: Path) -> None:
    user = locked(TABLE, tmp_path / "noodle.lock").user
    assert (os.fspath(tmp_path / "noodle.lock"), "pypi", "large==1.5") == (
        user.lock_file,
        user.section,
        user.target,
    )
    assert user.digest != locked({**TABLE, "python": {"version": "3.10"}}).user.digest


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ({"python": {}}, "names no version of Python"),
        ({"python": {"version": "2.7"}}, "names no version of Python"),
        ({"large": {"sha256": [A]}}, "is no package with its version"),
        ({"large==1 -e .": {"sha256": [A]}}, "is no package with its version"),
        ({"large==1": {}}, "has no hash"),
        ({"large==1": {"sha256": []}}, "has no hash"),
        ({"large==1": {"sha256": A}}, "has no hash"),
        ({"large==1": {"sha256": [A[1:]]}}, "not SHA-256"),
        ({"large==1": {"sha256": [f"{A}\n--pre"]}}, "not SHA-256"),
        ({"large==1": {"sha256": [A], "marker": "x\n-r y"}}, "has a marker that cannot be read"),
    ],
)
def test_one_that_was_edited_wrongly_is_refused_with_its_remedy(
    line: dict[str, Any], told: str
) -> None:
    with pytest.raises(InstallationError, match=told) as caught:
        locked({**TABLE, **line})
    assert "noodle.lock, table pypi.large==1.5" == caught.value.where
    assert "delete the table from noodle.lock to let it be resolved anew" == caught.value.remedy
