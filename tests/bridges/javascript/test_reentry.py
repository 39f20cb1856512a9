"""Loading and using libraries from within callbacks for which JavaScript stands still."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.errors import DeadlockError, LibraryLoadError
from noodle.runtime.engine import default_engine

HERE = Path(__file__).parent

FILES = {
    "caller.mjs": "export const call = (f) => f(); export const later = async (f) => f();",
    "module.mjs": "export const one = 1; export default () => 'default';",
    "bare.mjs": "export const one = 1; export const two = () => one + 1;",
    "common.cjs": "exports.one = 1; exports.two = () => 2;",
    "function.cjs": "module.exports = () => 'function';",
    "typed.ts": "export const one: number = 1; export const two = (): number => 2;",
    "imports.mjs": "export { one } from './bare.mjs'; import './common.cjs';",
    "awaits.mjs": "await null; export const one = 1;",
    "deep.mjs": "export { one } from './awaits.mjs';",
    "needy.mjs": "import 'no-such-package';",
    "broken.mjs": "throw new RangeError('it is broken');",
    "members.mjs": """
        export const space = { inner: { deep: (n) => n + 1 }, twice: (n) => 2 * n, value: 2 };
        export class Point {
            constructor(x) { this.x = x; }
            static origin() { return new Point(0); }
        }
        export function* count(end) { for (let n = 0; n < end; n++) yield n; }
        export const each = (items) => new Set(items).values();
    """,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "package.json").write_text('{"name": "pack", "main": "index.js"}')
    (tmp_path / "pack" / "index.js").write_text("exports.one = 1;")
    return tmp_path


@pytest.fixture
def within(folder: Path) -> Callable[[Callable[[], Any]], Any]:
    """Do something in a callback for which the worker stands still."""
    caller = noodle.load(str(folder / "caller.mjs"))

    def run(work: Callable[[], Any]) -> Any:
        with noodle.deadline(20):
            return caller.call(work)

    return run


Within = Callable[[Callable[[], Any]], Any]


def test_a_module_of_node_is_loaded_within_a_callback(within: Within) -> None:
    assert "b" == within(lambda: noodle.load("node:path/posix").basename("/a/b"))


@pytest.mark.parametrize(
    ("name", "use", "expected"),
    [
        ("module.mjs", lambda module: (module.one, module.default()), [1, "default"]),
        ("bare.mjs", lambda module: (module.one, module.two()), [1, 2]),
        ("common.cjs", lambda module: (module.one, module.two()), [1, 2]),
        ("function.cjs", lambda module: (module.default(),), ["function"]),
        ("typed.ts", lambda module: (module.one, module.two()), [1, 2]),
        ("imports.mjs", lambda module: (module.one,), [1]),
        ("pack", lambda module: (module.one,), [1]),
    ],
)
def test_a_file_is_loaded_within_a_callback(
    within: Within, folder: Path, name: str, use: Callable[[Any], Any], expected: list[Any]
) -> None:
    assert expected == within(lambda: use(noodle.load(str(folder / name))))
    assert expected == list(use(noodle.load(str(folder / name))))


def test_a_package_is_loaded_within_a_callback(within: Within) -> None:
    def load() -> Any:
        return default_engine().load("npm:ms@2", directory=HERE).default("2 days")

    assert 172_800_000 == within(load)


def test_members_are_found_and_used_within_a_callback(within: Within, folder: Path) -> None:
    members = noodle.load(str(folder / "members.mjs"))

    def use() -> list[Any]:
        point = members.Point(3)
        return [
            members.space.inner.deep(1),
            members.space.twice(2),
            members.space.value,
            point.x,
            members.Point.origin().x,
            list(members.count(3)),
            list(members.each([1, 2])),
        ]

    assert [2, 4, 2, 3, 0, [0, 1, 2], [1, 2]] == within(use)


@pytest.mark.parametrize("name", ["awaits.mjs", "deep.mjs"])
def test_a_module_that_needs_the_event_loop_is_an_error_at_once(
    within: Within, folder: Path, name: str
) -> None:
    with pytest.raises(DeadlockError, match="needs the event loop of its worker") as caught:
        within(lambda: noodle.load(str(folder / name)))
    assert "async function" in (caught.value.remedy or "")
    assert 1 == noodle.load(str(folder / name)).one


def test_an_async_callback_loads_what_needs_the_event_loop(folder: Path) -> None:
    caller = noodle.load(str(folder / "caller.mjs"))

    async def load() -> Any:
        return noodle.load(str(folder / "awaits.mjs")).one

    with noodle.deadline(20):
        assert 1 == caller.later(load)


def test_a_module_that_fails_says_why_within_a_callback(within: Within, folder: Path) -> None:
    with pytest.raises(LibraryLoadError, match="it is broken"):
        within(lambda: noodle.load(str(folder / "broken.mjs")))
    with pytest.raises(LibraryLoadError, match="no-such-package"):
        within(lambda: noodle.load(str(folder / "needy.mjs")))
