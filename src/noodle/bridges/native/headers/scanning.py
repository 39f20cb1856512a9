"""Chooses the declarations of preprocessed headers that a library's exports need.

A parser for C takes seconds for what the headers of a system declare; of that a library needs a
tenth. Declarations are told apart by their punctuation alone, after the extensions of GNU C, which
the parser does not know, were taken out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Set
from dataclasses import dataclass, replace

from noodle.bridges.native.headers.preprocessing import Piece

__all__ = ["Chunk", "chunks_of", "definitions", "needed", "pointer_types"]

_NESTED = r"\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\)"
_EXTENSIONS = re.compile(
    rf"\b(?:__attribute__|__attribute|__asm__|__asm|asm|__declspec|_Alignas)\s*{_NESTED}"
    r"|\[\[[^\[\]]*\]\]"
    r"|\b(?:__extension__|__restrict__|__restrict|restrict|__inline__|__inline|_Noreturn|__thread"
    r"|_Thread_local|__volatile__|__volatile|_Nullable|_Nonnull|__signed__|__signed|__unaligned)\b"
)
_NONNULL = re.compile(r"\b(?:__)?nonnull(?:__)?\b\s*(?:\(([\d\s,]*)\))?")
_MARK = re.compile(r"\b__noodle_nonnull_([\d_]*)\b")
"""What stands for the attribute ``nonnull`` while declarations are told apart."""
_FUNCTION = re.compile(r"(\w+)\s*\)?\s*\(")
_CONST = re.compile(r"\b__const(?:__)?\b")
_PUNCTUATION = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'|[{}()\[\];]')
_WORD = re.compile(r"[A-Za-z_]\w*")
_TAG = re.compile(r"\b(?:struct|union|enum)\s+(\w+)\s*\{")
_ENUM = re.compile(r"\benum\b\s*\w*\s*\{([^{}]*)\}")
_FUNCTION_TYPE = re.compile(r"\(\s*(?:\*[\s*\w]*?)?(\w+)\s*(?:\)\s*[(\[]|[\[(])")
_LAST_WORD = re.compile(r"(\w+)\s*(?:\[[^\]]*\]\s*)*$")
_POINTER = re.compile(r"\*\s*(\w+)\s*[);]")
_KEYWORDS = frozenset(
    "auto char const double enum extern float int long register short signed static struct "
    "typedef union unsigned void volatile _Bool _Complex inline".split()
)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One declaration.

    Args:
        file: Where it stands.
        text: The declaration, with its semicolon.
        names: The types and constants that it defines.
        function: Whether it may declare a function or variable.
        nonnull: The places, from 1, of the pointers that must not be null by ``nonnull`` of GNU C;
            none for all of them; None without that attribute.
    """

    file: str
    text: str
    names: tuple[str, ...]
    function: bool
    nonnull: tuple[int, ...] | None = None

    @property
    def words(self) -> set[str]:
        """All names in it."""
        return set(_WORD.findall(self.text))

    @property
    def declared(self) -> str:
        """The name of the function that it declares, if it declares one in the usual form."""
        names = (found[1] for found in _FUNCTION.finditer(self.text))
        return next((name for name in names if name not in _KEYWORDS), "")


def pointer_types(chunks: Iterable[Chunk]) -> frozenset[str]:
    """Return the names of the types that are declared as pointers; others may be among them."""
    typedefs = (chunk.text for chunk in chunks if chunk.text.lstrip().startswith("typedef"))
    return frozenset(name for text in typedefs for name in _POINTER.findall(text))


def chunks_of(pieces: Iterable[Piece]) -> list[Chunk]:
    """Return the declarations, without bodies of functions.

    Args:
        pieces: The preprocessed text.
    """
    text, starts = "", list[tuple[int, str]]()
    parts = []
    length = 0
    for piece in pieces:
        cleaned = _EXTENSIONS.sub(_mark, piece.text) + "\n"
        starts.append((length, piece.file))
        parts.append(cleaned)
        length += len(cleaned)
    text = _CONST.sub("const", "".join(parts))
    return list(_chunks(text, starts))


def _mark(extension: re.Match[str]) -> str:
    found = _NONNULL.search(extension[0])
    places = re.findall(r"\d+", found[1] or "") if found else ()
    return f" __noodle_nonnull_{'_'.join(places)} " if found else " "


def _unmarked(text: str) -> tuple[str, tuple[int, ...] | None]:
    """Return a declaration without marks, and what these said."""
    marks = _MARK.findall(text)
    if not marks:
        return text, None
    places = {int(place) for mark in marks for place in mark.split("_") if place}
    return _MARK.sub("", text).lstrip(), () if "" in marks else tuple(sorted(places))


def _chunks(text: str, starts: list[tuple[int, str]]) -> Iterator[Chunk]:
    index = 0
    for start, part in _split(text):
        while index + 1 < len(starts) and starts[index + 1][0] <= start:
            index += 1
        declared, nonnull = _unmarked(part)
        if not declared.startswith(("_Static_assert", "static ", ";")):
            yield replace(_chunk(starts[index][1], declared), nonnull=nonnull)


def _split(text: str) -> Iterator[tuple[int, str]]:
    depth = start = 0
    body = False
    for match in _PUNCTUATION.finditer(text):
        mark = match[0]
        if mark in "({[":
            if mark == "{" and depth == 0:
                body = _MARK.sub("", text[start : match.start()]).rstrip().endswith(")")
            depth += 1
        elif mark in ")}]":
            depth = max(0, depth - 1)
            if mark == "}" and depth == 0 and body:
                body, start = False, match.end()
        elif mark == ";" and depth == 0:
            part = text[start : match.end()]
            lead = len(part) - len(part.lstrip())
            yield start + lead, part[lead:]
            start = match.end()


def _chunk(file: str, text: str) -> Chunk:
    names = set(_TAG.findall(text))
    if "enum" in text:
        for members in _ENUM.findall(text):
            names.update(_WORD.findall(members))
    if not text.startswith("typedef"):
        return Chunk(file, text, tuple(names), "{" not in text or not text.rstrip().endswith("};"))
    outside = _outside_braces(text[:-1])
    function_type = _FUNCTION_TYPE.search(outside)
    if function_type and "(" not in outside[: function_type.start()]:
        names.add(function_type[1])
    else:
        parts = _without_parentheses(outside).split(",")
        names.update(last[1] for part in parts if (last := _LAST_WORD.search(part)))
    return Chunk(file, text, tuple(names - _KEYWORDS), False)


def _outside_braces(text: str) -> str:
    first, last = text.find("{"), text.rfind("}")
    return text if first < 0 else text[:first] + " " + text[last + 1 :]


def _without_parentheses(text: str) -> str:
    before = None
    while before != text:
        before, text = text, re.sub(r"\([^()]*\)", " ", text)
    return text


def needed(
    chunks: list[Chunk], exports: Collection[str], own: Collection[str], given: Collection[str]
) -> list[Chunk]:
    """Return the declarations of exported names with all that they refer to, in their order.

    Args:
        chunks: All declarations.
        exports: The names that the library exports.
        own: The files whose enumerations and structures are wanted in any case.
        given: Types that need no declaration.
    """
    defining: dict[str, list[int]] = {}
    for index, chunk in enumerate(chunks):
        for name in chunk.names:
            defining.setdefault(name, []).append(index)
    wanted = set(exports) if not isinstance(exports, Set) else exports
    kept: set[int] = set()
    waiting: list[set[str]] = []
    for index, chunk in enumerate(chunks):
        words = chunk.words if chunk.function else set[str]()
        if not words.isdisjoint(wanted) or (
            chunk.names and not chunk.function and chunk.file in own
        ):
            kept.add(index)
            waiting.append(words or chunk.words)
    known = set(given)
    while waiting:
        for word in waiting.pop() - known:
            known.add(word)
            added = [index for index in defining.get(word, ()) if index not in kept]
            kept.update(added)
            waiting += [chunks[index].words for index in added]
    return [chunks[index] for index in sorted(kept) if not _is_given(chunks[index], given)]


def definitions(chunks: Iterable[Chunk], members: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return the definitions of types, by name, with their places among the declarations.

    Args:
        chunks: Declarations, in their order.
        members: The names of members of enumerations, which are no types.
    """
    return {
        name: (place, " ".join(chunk.text.split()))
        for place, chunk in enumerate(chunks)
        if chunk.text.startswith(("typedef", "enum"))
        for name in chunk.names
        if name not in members
    }


def _is_given(chunk: Chunk, given: Collection[str]) -> bool:
    return chunk.text.startswith("typedef") and any(name in given for name in chunk.names)
