"""What stands at the top level of a preprocessed C or C++ text: definitions, types, linkage.

The text is cut into tokens and those into items; bodies are passed over. What an item means is for
a parser to say: ``c_definitions`` hands what is needed to the reader of C prototypes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

__all__ = ["Item", "Token", "items_of", "tokens_of", "words_of"]

_TOKEN = re.compile(
    r"""(?P<marker>^\#[^\n]*)
      | (?P<newline>\n)
      | (?P<blank>[^\S\n]+)
      | (?P<raw>(?:u8|[uUL])?R"(?P<delimiter>[^\s()\\]{0,16})\(.*?\)(?P=delimiter)")
      | (?P<string>(?:u8|[uUL])?"(?:\\.|[^"\\\n])*")
      | (?P<number>\.?\d(?:[eEpP][+-]|'?[\w.])*)
      | (?P<char>(?:u8|[uUL])?'(?:\\.|[^'\\\n])*')
      | (?P<word>[^\W\d][\w$]*)
      | (?P<mark>::|->|\.\.\.|.)""",
    re.MULTILINE | re.VERBOSE | re.DOTALL,
)
_MARKER = re.compile(r'#\s*(?:line\s+)?(\d+) "((?:\\.|[^"\\])*)"([ \d]*)')
_OPENING, _CLOSING = "([{", ")]}"

_WITH_ARGUMENT = {
    *("__attribute__", "__attribute", "__asm__", "__asm", "asm", "__declspec", "alignas"),
    *("_Alignas", "__nonnull", "decltype", "_Static_assert", "static_assert"),
}
_WITHOUT_MEANING = {
    *("__extension__", "__inline", "__inline__", "inline", "__restrict", "__restrict__"),
    *("__const", "__volatile__", "__volatile", "__signed__", "_Noreturn", "noreturn"),
    *("constexpr", "consteval", "constinit", "thread_local", "_Thread_local", "__thread"),
    *("virtual", "explicit", "friend", "mutable", "register", "volatile", "restrict"),
}
_LAYOUT_WORDS = re.compile(
    r"_*(?:packed|align(?:ed)?|[aA]lignas|mode|vector_size|ms_struct|scalar_storage_order"
    r"|no_unique_address)_*"
)
"""What attributes say that changes where fields lie."""
_PACK = re.compile(r"#\s*pragma\s+pack\s*\(\s*(push|pop)?[\s,\w]*?(\d+)?\s*\)")
_SIMPLER = {"__const": "const", "__signed__": "signed", "__signed": "signed"}


@dataclass(frozen=True, slots=True)
class Token:
    """A word or mark of the text.

    Args:
        text: As written.
        kind: ``word``, ``number``, ``string``, ``char`` or ``mark``.
        file: The file that it stands in.
        line: Its line there, from 1.
        of_system: Whether that is a header of the system.
        laid_out: Whether something beside it changes where the fields of a type lie.
    """

    text: str
    kind: str
    file: str
    line: int
    of_system: bool
    laid_out: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """One declaration or definition at the top level.

    Args:
        tokens: Its tokens without attributes, bodies of functions and the closing semicolon.
        has_body: Whether it is a function with a body.
        linkage: The language of ``extern "…"``, or ``""``.
    """

    tokens: Sequence[Token]
    has_body: bool = False
    linkage: str = ""

    @property
    def first(self) -> str:
        """The first word."""
        return self.tokens[0].text

    @property
    def laid_out(self) -> bool:
        """Whether something changes where the fields of its type lie."""
        return any(token.laid_out for token in self.tokens)

    @property
    def text(self) -> str:
        """The item as one line of C."""
        return " ".join(token.text for token in self.tokens)

    @property
    def name(self) -> str | None:
        """The function's name: the word before its parameters; None where there is none."""
        texts = [token.text for token in self.tokens]
        for before, mark, behind in zip(self.tokens, texts[1:], texts[2:], strict=False):
            if mark == "(" and before.kind == "word" and behind != "*":
                return before.text
        return None


@dataclass(slots=True)
class _Position:
    file: str = ""
    line: int = 1
    of_system: bool = False
    packed: bool = False
    outer: list[bool] = field(default_factory=list)

    def pack(self, marker: str) -> None:
        """Follow ``#pragma pack``."""
        match = _PACK.match(marker)
        if match and match[1] == "pop":
            self.packed = self.outer.pop() if self.outer else False
        elif match:
            self.outer += [self.packed] if match[1] else []
            self.packed = bool(match[2]) or (bool(match[1]) and self.packed)

    def move(self, marker: str) -> None:
        match = _MARKER.match(marker)
        if match:
            self.line, self.file = int(match[1]) - 1, re.sub(r"\\(.)", r"\1", match[2])
            self.of_system = "3" in match[3].split()


def tokens_of(text: str, *, with_system: bool = True) -> list[Token]:
    """Return the tokens of a preprocessed text, without what only some compilers understand.

    Args:
        text: What ``cc -E`` prints.
        with_system: Whether headers of the system are read too.
    """
    return _without_extensions(list(_raw_tokens(text, with_system)))


def _raw_tokens(text: str, with_system: bool) -> Iterator[Token]:
    place = _Position()
    for region in re.split(r"(?m)^(?=# \d)", text):
        marker, _, rest = region.partition("\n")
        if not marker.startswith("# "):
            rest = region
        else:
            place.move(marker)
            place.line += 1
        if place.of_system and not with_system:
            continue
        yield from _region_tokens(rest, place)


def _region_tokens(text: str, place: _Position) -> Iterator[Token]:
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or ""
        if kind == "marker":
            place.pack(match[0])
        if kind == "delimiter":
            kind = "raw"
        if kind not in ("marker", "newline", "blank"):
            shown = "string" if kind == "raw" else kind
            yield Token(match[0], shown, place.file, place.line, place.of_system, place.packed)
        place.line += match[0].count("\n")


def _without_extensions(tokens: list[Token]) -> list[Token]:
    """Return tokens without attributes; those beside one that changes a layout are marked."""
    found: list[Token] = []
    index, laid_out = 0, False
    while index < len(tokens):
        token = tokens[index]
        end = _behind_extension(tokens, index)
        if end > index and _lays_out(tokens[index:end]):
            laid_out = True
            found[-1:] = [replace(one, laid_out=True) for one in found[-1:]]
        elif end == index and token.text not in _WITHOUT_MEANING and token.text != "noexcept":
            found.append(_plain(token, laid_out))
            laid_out = False
        index = max(end, index + 1)
    return found


def _plain(token: Token, laid_out: bool) -> Token:
    if not laid_out and token.text not in _SIMPLER:
        return token
    text = _SIMPLER.get(token.text, token.text)
    return replace(token, text=text, laid_out=laid_out or token.laid_out)


def _behind_extension(tokens: Sequence[Token], index: int) -> int:
    """Return the index behind an attribute or the like that begins there, else the same one."""
    text = tokens[index].text
    following = tokens[index + 1].text if index + 1 < len(tokens) else ""
    if text == following == "[":
        return _behind(tokens, index)
    if text in _WITH_ARGUMENT or (text == "noexcept" and following == "("):
        return _behind(tokens, index + 1) if following == "(" else index + 1
    return index


def _lays_out(extension: Sequence[Token]) -> bool:
    return any(_LAYOUT_WORDS.fullmatch(token.text) for token in extension)


def _behind(tokens: Sequence[Token], start: int) -> int:
    """Return the index behind the bracket that closes the one at ``start``."""
    depth = 0
    for index in range(start, len(tokens)):
        if tokens[index].text in _OPENING:
            depth += 1
        elif tokens[index].text in _CLOSING:
            depth -= 1
            if depth <= 0:
                return index + 1
    return len(tokens)


@dataclass(slots=True)
class _Splitter:
    """Cuts tokens into items; follows ``extern "C" {`` and ``namespace``."""

    tokens: list[Token]
    linkages: list[str] = field(default_factory=list)

    def items(self) -> Iterator[Item]:
        index, collected = 0, list[Token]()
        while index < len(self.tokens):
            token = self.tokens[index]
            if token.text == ";":
                yield from self._item(collected)
                collected, index = [], index + 1
            elif token.text == "}":
                self.linkages[-1:] = []
                collected, index = [], index + 1
            elif token.text == "{" and self._opens_block(collected):
                collected, index = [], index + 1
            elif token.text in _OPENING:
                end = _behind(self.tokens, index)
                is_body = token.text == "{" and _is_function(collected)
                if is_body:
                    yield from self._item(collected, has_body=True)
                    collected = []
                else:
                    collected += self.tokens[index:end]
                index = end
            else:
                collected.append(token)
                index += 1

    def _opens_block(self, head: list[Token]) -> bool:
        words = [token.text for token in head]
        if words[:1] == ["extern"] and len(words) == 2 and head[1].kind == "string":
            self.linkages.append(words[1].strip('"'))
            return True
        if words[:1] == ["namespace"] or words[:2] == ["inline", "namespace"]:
            self.linkages.append(self.linkages[-1] if self.linkages else "")
            return True
        return False

    def _item(self, tokens: list[Token], *, has_body: bool = False) -> Iterator[Item]:
        linkage = self.linkages[-1] if self.linkages else ""
        if len(tokens) > 1 and tokens[0].text == "extern" and tokens[1].kind == "string":
            linkage, tokens = tokens[1].text.strip('"'), tokens[2:]
        if tokens:
            yield Item(tokens, has_body, linkage)


def _is_function(head: Sequence[Token]) -> bool:
    """Return whether a brace behind these tokens opens the body of a function."""
    words = [token.text for token in head]
    if ")" not in words or _has_value(words) or words[0] in ("typedef", "using"):
        return False
    return words[-1] in (")", "const", "override", "final") or "->" in words


def _has_value(words: Sequence[str]) -> bool:
    """Return whether a value is assigned outside of brackets, where parameters have theirs."""
    depth = 0
    for word in words:
        depth += (word in _OPENING) - (word in _CLOSING)
        if word == "=" and depth == 0:
            return True
    return False


def items_of(tokens: list[Token]) -> list[Item]:
    """Return the items at the top level, in order; those of namespaces are among them.

    Args:
        tokens: The tokens of the text.
    """
    return list(_Splitter(tokens).items())


def words_of(item: Item) -> set[str]:
    """Return the names that occur in an item."""
    return {token.text for token in item.tokens if token.kind == "word"}
