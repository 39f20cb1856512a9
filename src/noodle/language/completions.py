"""What may be typed next in a session."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from noodle.language.declared import DeclaredLibraries, UnknownName, callable_of
from noodle.language.foreign_imports import ForeignImport
from noodle.stubs.model import StubClass, StubConstant, StubFunction, StubMember, StubModule

__all__ = ["Completions"]

_WORD = "".join(chr(c) for c in range(128) if chr(c).isalnum()) + "_."
_CALLEE = re.compile(r"([A-Za-z_][\w.]*)\s*\Z")
_TEXT = re.compile(r'"(?:\\.|[^"\\])*"')

Found = StubMember | StubModule | UnknownName | None


class Completions:
    """Finds names from what a session has declared, and from what its libraries declare.

    Args:
        libraries: What the libraries of foreign imports declare.
    """

    def __init__(self, libraries: DeclaredLibraries) -> None:
        self._libraries = libraries
        self._imports: dict[str, ForeignImport] = {}

    def learn(self, name: str, request: ForeignImport | None) -> None:
        """Note what a name of the session is now.

        Args:
            name: The name.
            request: The foreign import that gives it; None for anything else.
        """
        self._imports.pop(name, None)
        if request is not None:
            self._imports[name] = request

    def names(self, text: str, plain: Sequence[str], namespace: Mapping[str, Any]) -> list[str]:
        """Return what may stand where the last word of a text stands.

        Args:
            text: The line up to the cursor.
            plain: All names and words that may stand alone.
            namespace: The values of the session's names.
        """
        owners, prefix = _split(text)
        if not owners:
            parameters = [name for name in self._parameters(text) if name.startswith(prefix)]
            return parameters + [name for name in plain if name.startswith(prefix)]
        members = sorted({*_members(owners, namespace), *self._declared_names(owners)})
        return [m for m in members if m.startswith(prefix) and (prefix or not m.startswith("_"))]

    def meaning(self, text: str, name: str) -> str:
        """Return in one line what a completion is; ``""`` where that is not known.

        Args:
            text: The line up to the cursor.
            name: One of its completions.
        """
        owners, _ = _split(text)
        if owners:
            return _shown(self._find([*owners, name]))
        return self._parameters(text).get(name, "") or _shown(self._find([name]))

    def _find(self, path: Sequence[str]) -> Found:
        request = self._imports.get(path[0])
        return self._libraries.find(request, path[1:]) if request else None

    def _declared_names(self, owners: Sequence[str]) -> list[str]:
        found = self._find(owners)
        return found.names if isinstance(found, StubModule) else []

    def _parameters(self, text: str) -> dict[str, str]:
        """Return the parameters of the call around the cursor, as ``name=``, with their types."""
        callee = _callee(text)
        function = callable_of(self._find(callee.split("."))) if callee else None
        return {
            f"{parameter.name}=": parameter.annotation
            for signature in (function.signatures if function else ())
            for parameter in signature.parameters
            if parameter.by_name and not re.search(rf"\b{re.escape(parameter.name)}\s*=", text)
        }


def _split(text: str) -> tuple[list[str], str]:
    """Return the owners of the last word of a text, and how the word begins."""
    word = text[len(text.rstrip(_WORD)) :]
    *owners, prefix = word.split(".")
    return owners, prefix


def _callee(text: str) -> str:
    """Return the name of the function in whose parentheses a text ends, or ``""``."""
    depth = 0
    plain = _TEXT.sub(lambda match: " " * len(match[0]), text)
    for index in range(len(plain) - 1, -1, -1):
        if plain[index] in ")]}":
            depth += 1
        elif plain[index] in "([{":
            depth -= 1
        if depth < 0:
            found = _CALLEE.search(plain[:index]) if plain[index] == "(" else None
            return found[1] if found else ""
    return ""


def _members(owners: Sequence[str], namespace: Mapping[str, Any]) -> list[str]:
    if owners[0] not in namespace:
        return []
    value = namespace[owners[0]]
    try:
        for owner in owners[1:]:
            value = getattr(value, owner)
        return dir(value)
    except Exception:  # a foreign member that fails to load has nothing to offer
        return []


def _shown(found: Found) -> str:
    if isinstance(found, StubFunction):
        return _joined(found.shown, found.documentation)
    if isinstance(found, StubClass):
        made = found.constructor
        return _joined(made.shown if made else f"class {found.name}", found.documentation)
    if isinstance(found, StubConstant):
        value = f" = {found.value}" if found.value else ""
        return _joined(f"{found.annotation}{value}".strip(), found.documentation)
    return _joined("", found.documentation) if isinstance(found, StubModule) else ""


def _joined(declared: str, documentation: str) -> str:
    """Return what is declared, with the first sentence of what is said of it."""
    first = " ".join(documentation.strip().split("\n\n")[0].split())
    sentence = re.split(r"(?<=[.!?])\s", first, maxsplit=1)[0]
    return ": ".join(filter(None, (declared, sentence)))
