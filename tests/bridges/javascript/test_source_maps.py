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


def shown(call: Callable[..., Any], *args: Any) -> str:
    """What a person sees of the error."""
    with pytest.raises(RemoteCallError, match="no 3") as caught:
        call(*args)
    return "".join(traceback.format_exception(caught.value))


def test_a_package_with_a_source_map(registry: Registry, tmp_path: Path) -> None:
    registry.publish("compiled", "1.0.0", files())
    engine = noodle.configure(cache_directory=str(tmp_path / "cache"))
    compiled = engine.load("npm:compiled@1", directory=tmp_path)
    text = shown(compiled.each, [3])
    assert "node_modules/compiled/src/index.ts" in text
    assert text.index("line 7, column 40") < text.index("line 4, column 3")
    assert "index.js" not in text


def test_a_file_with_a_source_map(tmp_path: Path) -> None:
    (tmp_path / "src").mkdir()
    for name, content in files().items():
        (tmp_path / name).write_text(content)
    text = shown(noodle.load(str(tmp_path / "index.js")).fail, 3)
    assert f'File "{tmp_path}/src/index.ts", line 4, column 3' in text


def test_a_typescript_file_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "index.ts").write_text(ORIGINAL)
    text = shown(noodle.load(str(tmp_path / "index.ts")).each, [3])
    assert f'File "{tmp_path}/index.ts", line 7, column 44' in text
    assert f'File "{tmp_path}/index.ts", line 4, column 9' in text


def test_a_source_map_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    for name, content in (files() | {"index.js.map": "{"}).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    text = shown(noodle.load(str(tmp_path / "index.js")).fail, 3)
    assert f'File "{tmp_path}/index.js", line 1' in text
