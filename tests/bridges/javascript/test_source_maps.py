"""Errors of compiled JavaScript show the frames of what it was compiled from."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.errors import RemoteCallError
from tests.bridges.javascript.registry import Registry

DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

COMPILED = (
    'exports.fail=n=>{throw new RangeError("no "+n)};exports.each=a=>a.map(exports.fail);\n'
    "//# sourceMappingURL=index.js.map\n"
)

ORIGINAL = """
// What the package was compiled from.
export const fail = (n: number) => {
  throw new RangeError("no " + n);
};

export const each = (all: number[]) => all.map(fail);
"""

PLACES = {"throw": (3, 2), "a.map": (6, 39)}
"""Where in the original a part of the compiled line comes from: line and column, from 0."""


def encoded(number: int) -> str:
    """A number as base 64 of variable length, its lowest bit the sign."""
    left = -number << 1 | 1 if number < 0 else number << 1
    text = ""
    while left > 31:
        text += DIGITS[left & 31 | 32]
        left >>= 5
    return text + DIGITS[left]


def source_map() -> str:
    segments, last = [], (0, 0, 0, 0)
    for part, (line, column) in PLACES.items():
        place = (COMPILED.index(part), 0, line, column)
        segments.append("".join(encoded(now - at) for now, at in zip(place, last, strict=True)))
        last = place
    return json.dumps(
        {
            "version": 3,
            "sources": ["src/index.ts"],
            "names": [],
            "mappings": ",".join(segments),
        }
    )


def files() -> dict[str, str]:
    return {"index.js": COMPILED, "index.js.map": source_map(), "src/index.ts": ORIGINAL}


def places(call: Callable[..., Any], *args: Any) -> list[tuple[str, int, int]]:
    """The files, lines and columns that a person sees of the error."""
    with pytest.raises(RemoteCallError, match="no 3") as caught:
        call(*args)
    text = "".join(traceback.format_exception(caught.value))
    found = [(str(file), line or 0, column or 0) for file, line, column, _ in caught.value.frames]
    assert all(f'File "{file}", line {line}, in ' in text for file, line, _ in found)
    return found


def test_a_package_with_a_source_map(registry: Registry, tmp_path: Path) -> None:
    registry.publish("compiled", "1.0.0", files())
    engine = noodle.configure(cache_directory=str(tmp_path / "cache"))
    compiled = engine.load("npm:compiled@1", directory=tmp_path)
    seen = places(compiled.each, [3])
    assert not any(file.endswith("index.js") for file, _, _ in seen)
    assert any(file.endswith("node_modules/compiled/src/index.ts") for file, _, _ in seen)
    at = [(line, column) for _, line, column in seen]
    assert at.index((7, 40)) < at.index((4, 3))


def test_a_file_with_a_source_map(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name, content in files().items():
        (tmp_path / name).write_text(content)
    seen = places(noodle.load(str(tmp_path / "index.js")).fail, 3)
    assert (f"{tmp_path}/src/index.ts", 4, 3) in seen


def test_a_typescript_file_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "index.ts").write_text(ORIGINAL)
    seen = places(noodle.load(str(tmp_path / "index.ts")).each, [3])
    assert (f"{tmp_path}/index.ts", 7, 44) in seen
    assert (f"{tmp_path}/index.ts", 4, 9) in seen


def test_a_source_map_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    for name, content in (files() | {"index.js.map": "{"}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    seen = places(noodle.load(str(tmp_path / "index.js")).fail, 3)
    assert (f"{tmp_path}/index.js", 1) in [(file, line) for file, line, _ in seen]
