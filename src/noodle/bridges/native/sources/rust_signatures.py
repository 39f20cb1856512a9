"""The functions, statics and types that a Rust source declares, with those of its modules.

Python has no parser of Rust that is alive, and a crate would need a registry: this one reads items
and signatures, passes over bodies, and leaves every judgement about the rest to the compiler. What
macros make is not seen.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from noodle.bridges.native.sources.rust_program import (
    RustFile,
    RustFunction,
    RustProgram,
    RustStatic,
    RustStructure,
    Span,
    has_type_parameters,
)
from noodle.bridges.native.sources.rust_tokens import (
    RustSyntaxError,
    RustToken,
    behind_bracket,
    rust_tokens,
)
from noodle.bridges.native.sources.rust_types import UNIT, RustType, TypeReader

__all__ = ["read_rust"]

_QUALIFIERS = ("const", "async", "unsafe", "extern", "safe", "default")
_EXPORTING = re.compile(r'\b(no_mangle|export_name)\b(?:\s*=\s*"([^"]*)")?')


def read_rust(root: Path) -> RustProgram:
    """Return what a Rust source and the files of its modules declare.

    A file that is no Rust, or not there, is passed over: the compiler says what is wrong with it.

    Args:
        root: The source: a ``.rs`` file, ``src/lib.rs`` of a crate.
    """
    program = RustProgram()
    _read_file(program, root, root.parent, root.name, root.parent)
    return program


def _read_file(program: RustProgram, path: Path, base: Path, name: str, modules: Path) -> None:
    if any(known.name == name for known in program.files):
        return
    try:
        file = RustFile(name, path.read_text(encoding="utf-8"))
        tokens = rust_tokens(file.text)
    except (OSError, UnicodeDecodeError, RustSyntaxError):
        return
    program.files.append(file)
    file.includes += _includes(tokens)
    reader = _ItemReader(program, file, tokens, base, modules, path.parent)
    try:
        reader.items(0, len(tokens))
    except (RustSyntaxError, IndexError):
        return


def _includes(tokens: Sequence[RustToken]) -> list[Span]:
    return [
        (text.start, text.end)
        for word, mark, bracket, text in zip(
            tokens, tokens[1:], tokens[2:], tokens[3:], strict=False
        )
        if word.text in ("include", "include_str", "include_bytes")
        and (mark.text, bracket.kind, text.kind) == ("!", "mark", "string")
    ]


@dataclass(slots=True)
class _Attributes:
    """The attributes of one item."""

    texts: list[tuple[str, Span]] = field(default_factory=list)

    @property
    def conditions(self) -> tuple[str, ...]:
        return tuple(text for text, _ in self.texts if re.match(r"#\[\s*cfg\b", text))

    @property
    def layout(self) -> tuple[str, ...]:
        """What ``#[repr(…)]`` says."""
        found = (re.match(r"#\[\s*repr\s*\((.*)\)\s*\]", text, re.DOTALL) for text, _ in self.texts)
        parts = ",".join(match[1] for match in found if match).split(",")
        return tuple(part.strip() for part in parts if part.strip())

    @property
    def conditional(self) -> bool:
        """Whether a condition decides on the item or on its layout."""
        return any(re.match(r"#\[\s*cfg(?:\b|_attr\b.*\brepr\b)", t, re.S) for t, _ in self.texts)

    @property
    def exporting(self) -> tuple[tuple[Span, ...], str | None]:
        """The attributes that export a function, and the name that they give it."""
        spans, name = [], None
        for text, span in self.texts:
            match = _EXPORTING.search(text)
            if match and not re.match(r"#\[\s*(?:cfg_attr|doc)\b", text):
                spans.append(span)
                name = match[2] or name
        return tuple(spans), name

    def argument(self, name: str) -> str:
        """Return what an attribute says, ``C`` for ``#[repr(C)]``; ``""`` for none."""
        for text, _ in self.texts:
            match = re.match(rf"#\[\s*{name}\s*(?:\((.*)\)|=\s*\"(.*)\")\s*\]", text, re.DOTALL)
            if match:
                return match[1] or match[2] or ""
        return ""


class _ItemReader:
    """Reads the items of one file.

    Args:
        program: What is added to.
        file: The file.
        tokens: Its tokens.
        base: The folder of the root file.
        modules: The folder in which the files of its modules are.
        own: The folder of the file itself.
    """

    def __init__(
        self,
        program: RustProgram,
        file: RustFile,
        tokens: Sequence[RustToken],
        base: Path,
        modules: Path,
        own: Path,
    ) -> None:
        self._program = program
        self._file = file
        self._tokens = tokens
        self._base = base
        self._modules = modules
        self._own = own
        self._in_type = False

    def items(self, index: int, end: int) -> None:
        """Read the items between two tokens."""
        while index < end:
            index = self._item(index)

    def _word(self, index: int) -> str:
        return self._tokens[index].text if index < len(self._tokens) else ""

    def _item(self, index: int) -> int:
        attributes, index = self._attributes(index)
        if self._word(index) == "pub":
            index += 1
            if self._word(index) == "(":
                index = behind_bracket(self._tokens, index)
        first = index
        while self._word(index) in _QUALIFIERS or self._is_abi(index):
            index += 1
        word = self._word(index)
        if word == "fn":
            return self._function(first, index, attributes)
        readers = {"mod": self._module, "type": self._alias, "enum": self._enumeration}
        readers |= dict.fromkeys(("struct", "union"), self._structure)
        readers["static"] = self._static
        if word in readers and self._tokens[index + 1].kind == "word":
            return readers[word](index, attributes)
        if word in ("impl", "trait"):
            return self._type_body(index)
        return self._other(max(first, index))

    def _is_abi(self, index: int) -> bool:
        return self._word(index - 1) == "extern" and self._tokens[index].kind == "string"

    def _attributes(self, index: int) -> tuple[_Attributes, int]:
        found = _Attributes()
        while self._word(index) == "#":
            bracket = index + 2 if self._word(index + 1) == "!" else index + 1
            end = behind_bracket(self._tokens, bracket)
            span = (self._tokens[index].start, self._tokens[end - 1].end)
            found.texts.append((self._file.text[slice(*span)], span))
            index = end
        return found, index

    def _other(self, index: int) -> int:
        """Pass over an item that says nothing of functions and types."""
        while index < len(self._tokens):
            text = self._word(index)
            if text == ";" and self._tokens[index].kind == "mark":
                return index + 1
            if text in "([{" and self._tokens[index].kind == "mark":
                index = behind_bracket(self._tokens, index)
                if text == "{":
                    return index
            else:
                index += 1
        return index

    def _to_brace(self, index: int) -> int:
        while self._word(index) not in ("{", ";", ""):
            index = behind_bracket(self._tokens, index) if self._word(index) in "([" else index + 1
        return index

    def _type_body(self, index: int) -> int:
        brace = self._to_brace(index)
        if self._word(brace) != "{":
            return brace + 1
        end = behind_bracket(self._tokens, brace)
        outside, self._in_type = self._in_type, True
        self.items(brace + 1, end - 1)
        self._in_type = outside
        return end

    # -------------------------------------------------------------------------- Functions

    def _function(self, first: int, index: int, attributes: _Attributes) -> int:
        name = self._tokens[index + 1]
        types = TypeReader(self._file.text, self._tokens, index + 2)
        generics = types.skip_generics()
        end = behind_bracket(self._tokens, types.index)
        parameters = self._parameters(types.index + 1, end - 1)
        types.index = end
        result = types.read() if types.take("->") else UNIT
        brace = self._to_brace(types.index)
        condition = self._text(types.index, brace)
        last = behind_bracket(self._tokens, brace) if self._word(brace) == "{" else brace + 1
        exporting, symbol = attributes.exporting
        abi, span = self._abi(first, index)
        self._program.functions.append(
            RustFunction(
                name.text,
                (symbol or name.text) if exporting else None,
                abi,
                parameters,
                result,
                generics,
                condition,
                self._in_type,
                attributes.conditions,
                self._file,
                name.start,
                self._tokens[last - 1].end,
                exporting,
                span,
            )
        )
        return last

    def _static(self, index: int, attributes: _Attributes) -> int:
        mutable = self._word(index + 1) == "mut"
        name = self._tokens[index + 1 + mutable]
        types = TypeReader(self._file.text, self._tokens, index + 2 + mutable)
        exporting, symbol = attributes.exporting
        if exporting and types.take(":"):
            found = RustStatic(symbol or name.text, types.read(), mutable, self._file, name.start)
            self._program.statics.append(found)
        return self._other(types.index)

    def _text(self, start: int, end: int) -> str:
        """Return the text of tokens, on one line and without comments."""
        parts = [self._file.text[t.start : t.end] for t in self._tokens[start:end]]
        return " ".join(parts)

    def _abi(self, first: int, index: int) -> tuple[str, Span]:
        for position in range(first, index):
            token = self._tokens[position]
            if token.text == "extern":
                written = self._tokens[position + 1]
                if written.kind != "string":
                    return "C", (token.start, token.end)
                return written.text.strip('"'), (token.start, written.end)
        return "Rust", (self._tokens[index].start, self._tokens[index].start)

    def _parameters(self, index: int, end: int) -> tuple[tuple[str, RustType], ...]:
        found = list[tuple[str, RustType]]()
        while index < end:
            _, index = self._attributes(index)
            start = index
            while index < end and self._word(index) not in (":", ","):
                opens = self._word(index) in "([{"
                index = behind_bracket(self._tokens, index) if opens else index + 1
            if self._word(index) != ":":
                found.append(("self", RustType("other", self._text(start, index))))
                index += 1
                continue
            types = TypeReader(self._file.text, self._tokens, index + 1)
            found.append((self._pattern(start, index), types.read()))
            types.take(",")
            index = types.index
        return tuple(found)

    def _pattern(self, start: int, end: int) -> str:
        words = [t.text for t in self._tokens[start:end] if t.text not in ("mut", "ref")]
        return words[0] if len(words) == 1 and words[0] != "_" else ""

    # ------------------------------------------------------------------------------ Types

    def _structure(self, index: int, attributes: _Attributes) -> int:
        kind, name = self._word(index), self._word(index + 1)
        types = TypeReader(self._file.text, self._tokens, index + 2)
        generics = types.skip_generics()
        is_tuple = self._word(types.index) == "("
        brace = types.index if is_tuple else self._to_brace(types.index)
        fields, end = None, brace + 1
        if self._word(brace) in ("{", "("):
            end = behind_bracket(self._tokens, brace)
            fields = self._fields(brace + 1, end - 1, attributes, is_tuple=is_tuple)
        if has_type_parameters(generics):
            fields = None
        self._program.structures[name] = RustStructure(
            kind, name, attributes.layout, fields, conditional=attributes.conditional
        )
        return end + 1 if is_tuple and self._word(end) == ";" else end

    def _fields(
        self, index: int, end: int, attributes: _Attributes, *, is_tuple: bool
    ) -> tuple[tuple[str, RustType], ...]:
        """Return names and types of fields; their attributes are added to those of the item."""
        found = list[tuple[str, RustType]]()
        while index < end:
            own, index = self._attributes(index)
            attributes.texts += own.texts
            if self._word(index) == "pub":
                index += 1
                if self._word(index) == "(" and self._word(index + 1) in ("crate", "super", "in"):
                    index = behind_bracket(self._tokens, index)
            name = f"field_{len(found)}" if is_tuple else self._word(index)
            types = TypeReader(self._file.text, self._tokens, index if is_tuple else index + 2)
            found.append((name, types.read()))
            types.take(",")
            index = types.index
        return tuple(found)

    def _enumeration(self, index: int, attributes: _Attributes) -> int:
        name, brace = self._word(index + 1), self._to_brace(index)
        end = behind_bracket(self._tokens, brace)
        variants = self._variants(brace + 1, end - 1)
        self._program.structures[name] = RustStructure(
            "enum", name, attributes.layout, None, variants
        )
        return end

    def _variants(self, index: int, end: int) -> tuple[str, ...] | None:
        found = list[str]()
        while index < end:
            _, index = self._attributes(index)
            found.append(self._word(index))
            index += 1
            if self._word(index) in ("(", "{"):
                return None
            while index < end and self._word(index) != ",":
                opens = self._word(index) in "([{"
                index = behind_bracket(self._tokens, index) if opens else index + 1
            index += 1
        return tuple(found)

    def _alias(self, index: int, attributes: _Attributes) -> int:
        name = self._word(index + 1)
        types = TypeReader(self._file.text, self._tokens, index + 2)
        if not types.skip_generics() and types.take("="):
            self._program.aliases[name] = types.read()
        return self._other(types.index)

    # ---------------------------------------------------------------------------- Modules

    def _module(self, index: int, attributes: _Attributes) -> int:
        name = self._word(index + 1)
        outside = self._modules, self._own
        inside = self._modules / name
        if self._word(index + 2) == "{":
            end = behind_bracket(self._tokens, index + 2)
            self._modules = self._own = inside
            self.items(index + 3, end - 1)
            self._modules, self._own = outside
            return end
        stated = attributes.argument("path")
        places = [self._own / stated] if stated else [inside.with_suffix(".rs"), inside / "mod.rs"]
        for place in places:
            if place.is_file():
                shown = os.path.relpath(place, self._base)
                folder = place.parent if stated or place.name == "mod.rs" else inside
                _read_file(self._program, place, self._base, shown, folder)
                break
        return index + 3
