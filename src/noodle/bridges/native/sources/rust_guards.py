"""Guards around the exported functions of a Rust source.

A panic must not leave a function with C's calling convention: Rust ends the process there. So the
text that is compiled has each such function with Rust's own convention, and beside it, on the same
line as its end, one with C's convention that is exported in its place: it converts arguments and
result, catches panics, and keeps what failed for ``failures.py``. Lines and columns stay.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Container, Sequence
from pathlib import Path

from noodle.bridges.native.sources.rust_conversions import GUARD, CTypes, UnfitError
from noodle.bridges.native.sources.rust_interfaces import conversions_of
from noodle.bridges.native.sources.rust_program import RustFile, RustFunction, RustProgram

__all__ = ["PANICS_ABORT", "attempts", "is_guarded", "write_guarded"]

PANICS_ABORT = "noodle_panics_abort"
"""A symbol of libraries that were built with ``panic = "abort"``, where no guard helps."""

_ALL, _SOME = "noodle_guards_all", "noodle_guards_some"
"""Symbols by which a library tells which of its functions have guards."""

_MODULE = Path(__file__).with_name("noodle_guard.rs")

Chosen = Callable[[RustFunction], bool]
"""Whether a function gets a guard."""


def attempts(program: RustProgram) -> list[tuple[str, Chosen]]:
    """Return the ways to put guards around functions, the best first, each with its mark.

    A function that has got one can be called as before, but is no ``extern "C"`` function any
    more to who takes its address: so the second way leaves those out that are used as values.

    Args:
        program: What the source declares.
    """
    types = CTypes(program)
    if not any(_takes_guard(function, types) for function in program.functions):
        return []
    return [(mark, _chosen(program, types, mark)) for mark in (_ALL, _SOME)]


def is_guarded(program: RustProgram, exports: Container[str]) -> Chosen:
    """Return what tells whether a function has a guard in a library.

    Args:
        program: What its source declares.
        exports: The names that the library exports.
    """
    mark = next((mark for mark in (_ALL, _SOME) if mark in exports), "")
    return _chosen(program, CTypes(program), mark)


def _chosen(program: RustProgram, types: CTypes, mark: str) -> Chosen:
    if not mark:
        return lambda _: False
    values = program.values() if mark == _SOME else frozenset()
    return lambda function: _takes_guard(function, types) and function.name not in values


def _takes_guard(function: RustFunction, types: CTypes) -> bool:
    if types.refuse(function) is not None:
        return False
    try:
        conversions_of(function, types)
        types.result(function.result)
    except UnfitError:
        return False
    return True


def write_guarded(
    program: RustProgram,
    sources: Path,
    folder: Path,
    attempt: tuple[str, Chosen],
    *,
    edition: str,
    aborts: bool = False,
) -> bool:
    """Write a program's files with guards to another folder.

    Args:
        program: What it declares.
        sources: The folder of its root file.
        folder: The folder to write to.
        attempt: One of ``attempts``.
        edition: The edition of Rust that it is written in.
        aborts: Whether it is built so that panics end the process.

    Returns:
        Whether that could be done: a module above the root file's folder is not copied.
    """
    mark, chosen = attempt
    marks = [mark, PANICS_ABORT] if aborts else [mark]
    texts = _guarded_texts(program, sources, chosen) | {_MODULE.name: _guard_module(marks)}
    for name, text in texts.items():
        place = Path(os.path.normpath(folder / name))
        if not place.is_relative_to(folder):
            return False
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_for_edition(text, edition), encoding="utf-8")
    return True


def _for_edition(text: str, edition: str) -> str:
    if edition < "2024":
        return text
    return re.sub(r'#\[(export_name = "\w+")\]', r"#[unsafe(\1)]", text)


def _guarded_texts(program: RustProgram, sources: Path, chosen: Chosen) -> dict[str, str]:
    """Return the texts of a program's files with guards, by the files' names."""
    types = CTypes(program)
    texts = {}
    for file in program.files:
        guarded = [f for f in program.functions if f.file is file and chosen(f)]
        edits = [edit for function in guarded for edit in _edits(function, types)]
        edits += [
            (start, end, _absolute(file, start, end, sources)) for start, end in file.includes
        ]
        texts[file.name] = _edited(file.text, edits)
    texts[program.files[0].name] += (
        f'\n#[allow(warnings)] #[path = "{_MODULE.name}"] mod noodle_guard;\n'
    )
    return texts


def _guard_module(marks: Sequence[str]) -> str:
    """Return the Rust module that guards call, with symbols that its library is known by."""
    marked = [f'#[export_name = "{mark}"]\npub static {mark.upper()}: u8 = 1;\n' for mark in marks]
    return "\n".join([_MODULE.read_text(encoding="utf-8"), *marked])


def _absolute(file: RustFile, start: int, end: int, folder: Path) -> str:
    """Return the path of an ``include!`` from a file that is compiled elsewhere."""
    written = file.text[start:end]
    if not written.startswith('"') or "\\" in written:
        return written
    path = folder / os.path.dirname(file.name) / written.strip('"')
    return json.dumps(str(path.resolve()), ensure_ascii=False)


def _edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _edits(function: RustFunction, types: CTypes) -> list[tuple[int, int, str]]:
    spans = [*function.exporting, function.abi_span]
    blanks = [(start, end, _blank(function.file.text[start:end])) for start, end in spans]
    return [*blanks, (function.end, function.end, _guard(function, types))]


def _blank(text: str) -> str:
    return "".join(c if c == "\n" else " " for c in text)


def _guard(function: RustFunction, types: CTypes) -> str:
    """Return the function that is exported in the place of another, on one line."""
    parameters = conversions_of(function, types)
    result = types.result(function.result)
    names = [c.taken[0].partition(":")[0] for c in parameters]
    lets = [f"let {n} = {c.convert};" for n, c in zip(names, parameters, strict=True) if c.convert]
    given = f"::core::mem::MaybeUninit<{result.given}>" if result.given else ""
    body = " ".join([*lets, f"let it = {function.name}({', '.join(names)});"])
    closure = f"move || unsafe {{ {body} Ok({result.convert}) }}"
    call = f"{GUARD}::call({closure})"
    return " ".join(
        [
            " #[doc(hidden)] #[allow(warnings)]",
            *function.conditions,
            f'#[export_name = "{function.symbol}"]',
            f'pub unsafe extern "C" fn noodle_guarded_{function.name}{function.generics}',
            f"({', '.join(text for c in parameters for text in c.taken)})",
            f"-> {given}" if given else "",
            function.where_clause,
            f"{{ {call} }}" if given else f"{{ {call}; }}",
        ]
    )
