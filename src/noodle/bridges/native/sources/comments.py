"""Comments of sources, by the functions and variables that they stand at."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from noodle.bridges.native.headers.comments import comments_of, plain_text

__all__ = ["source_comments"]

_RUST = re.compile(
    r"(?P<comment>(?:^[ \t]*///[^\n]*\n|^[ \t]*/\*\*.*?\*/[ \t]*\n)+)"
    r"(?:^[ \t]*#!?\[[^\n]*\n|^[ \t]*\n)*"
    r"^[^\n/]*?\b(?:fn|static(?:\s+mut)?)\s+(?:r#)?(?P<name>\w+)",
    re.MULTILINE | re.DOTALL,
)


def source_comments(path: Path, names: Collection[str]) -> Mapping[str, str]:
    """Return the comments of functions and variables in a source.

    Args:
        path: The file, or the directory of a crate.
        names: The functions and variables.
    """
    crate = path.parent if path.name == "Cargo.toml" else path
    files = sorted(crate.glob("src/**/*.rs")) if crate.is_dir() else [path]
    found: dict[str, str] = {}
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        comments = _rust(text) if file.suffix == ".rs" else comments_of(text, names)
        found.update((name, comments[name]) for name in comments.keys() & set(names))
    return found


def _rust(text: str) -> dict[str, str]:
    return {
        match["name"]: plain_text(match["comment"].strip())
        for match in _RUST.finditer(text)
        if plain_text(match["comment"].strip())
    }
