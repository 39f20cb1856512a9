"""Targets: the text that names what to load, read into its parts.

==================================================  ==========  =========
written                                             bridge      kind
==================================================  ==========  =========
``numpy``, ``scipy.linalg``, ``scikit-learn``       python      package
``numpy==1.21.0``, ``pkg>=2; python=3.10``          python      package
``python:json``, where a bare name is unclear       python      package
``./helpers.py``                                    python      file
``npm:lodash@4``, ``npm:@scope/pkg@^1``             javascript  package
``node:crypto``                                     javascript  builtin
``./tool.mjs`` ``.cjs`` ``.js`` ``.ts``             javascript  file
``libm.so.6``, ``c:z``, ``native:z``                native      library
``./lib.so``, ``/opt/lib/libfoo.so.2``              native      file
``./kernel.c`` ``.cc`` ``.cpp`` ``.cxx`` ``.rs``    native      source
``./crate`` that holds ``Cargo.toml``               native      crate
``./tool`` that holds ``package.json``              javascript  directory
``./tool`` that holds ``__init__.py``               python      directory
``r:stats``                                         ``r``       plugin
==================================================  ==========  =========

A target says what its text looks like. Whether a plain name is a configured one is the
dispatcher's to decide, and whether the library exists and fits the version is the bridge's; only
files and directories are looked at here, because their content decides between the bridges.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from noodle.errors import AmbiguousTargetError, TargetError, UnknownBridgeError, did_you_mean
from noodle.target_files import FILE_SUFFIXES, MANIFESTS, identify, shown

__all__ = ["MAX_LENGTH", "SCHEMES", "Target", "parse"]

MAX_LENGTH = 4096
"""Characters that a target may have: the longest path that Linux accepts."""

SCHEMES = ("python", "native", "c", "npm", "node")
"""The schemes that need no plug-in."""

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,200}")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):(.*)")
_SHARED_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*\.so(?:\.[0-9]+)*")
_LIBRARY_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_+.-]*")
_OTHER_PLATFORM = re.compile(r"(.*/)?(?:lib)?([^/]+?)(?:\.[0-9]+)*\.(?:dll|dylib)", re.IGNORECASE)
_DISTRIBUTION_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")  # PEP 508
_REQUIREMENT = re.compile(r"([\w.-]+)\s*(.*)")
_INTERPRETER = re.compile(r"([A-Za-z_]+)\s*([=<>!~].*)")
_INTERPRETER_VERSION = re.compile(r"={1,2}\s*([0-9]+(?:\.[0-9]+){0,2})")
_INTERPRETER_SERIES = re.compile(r"==([0-9]+(?:\.[0-9]+)?)\.\*|==([0-9]+\.[0-9]+\.[0-9]+)")
_NPM_PACKAGE = re.compile(
    r"((?:@[A-Za-z0-9~-][A-Za-z0-9._~-]*/)?[A-Za-z0-9~-][A-Za-z0-9._~-]*)(.*)"
)
_NPM_TAG = re.compile(r"[A-Za-z][A-Za-z0-9._-]*")
_NPM_VERSION = r"v?(?:[0-9]+|[xX*])(?:\.(?:[0-9]+|[xX*])){0,2}(?:[-+][0-9A-Za-z.+-]+)?"
_NPM_COMPARATOR = re.compile(rf"(?:\^|~|[<>]=?|=)?{_NPM_VERSION}")
_NODE_BUILTIN = re.compile(r"[a-z_][a-z0-9_]*(?:/[a-z0-9_]+)*")


@dataclass(frozen=True, slots=True)
class Target:
    """What an import names.

    Two targets are equal when they name the same thing, however they are written.

    Args:
        text: The text as written.
        bridge: ``python``, ``native``, ``javascript``, or the scheme of a plug-in.
        location: A package, a library name, or a path, without the scheme. A relative path begins
            with ``./`` or ``../`` and is relative to the directory that ``parse`` was given.
        requirement: A version specifier (PEP 440, or an npm range) without needless blanks, or
            ``""``.
        interpreter: A specifier of the Python interpreter (``==3.10.*`` for ``python=3.10``), or
            ``""``.
        kind: ``package``, ``builtin``, ``library``, ``file``, ``source``, ``crate``,
            ``directory`` or ``plugin``.
    """

    text: str = field(compare=False)
    bridge: str
    location: str
    requirement: str = ""
    interpreter: str = ""
    kind: str = "package"

    @property
    def is_path(self) -> bool:
        """Whether the location is a path in the file system."""
        return self.kind in ("file", "source", "crate", "directory")

    def __str__(self) -> str:
        """Return the canonical text, which ``parse`` reads as an equal target."""
        if self.kind in ("crate", "directory"):
            form = (self.bridge, self.kind)
            manifest = next(name for name, known in MANIFESTS.items() if known == form)
            return os.path.join(self.location, manifest)
        if self.is_path:
            return self.location
        if self.kind == "library":
            return self.location if _SHARED_NAME.fullmatch(self.location) else f"c:{self.location}"
        if self.bridge == "javascript":
            scheme = "node" if self.kind == "builtin" else "npm"
            return f"{scheme}:{self.location}{'@' if self.requirement else ''}{self.requirement}"
        if self.bridge == "python":
            scheme = "python:" if _looks_like_file(self.location) else ""
            return f"{scheme}{self.location}{self.requirement}{self._interpreter_text()}"
        return f"{self.bridge}:{self.location}"

    def _interpreter_text(self) -> str:
        if not self.interpreter:
            return ""
        series = _INTERPRETER_SERIES.fullmatch(self.interpreter)
        return f"; python={series[1] or series[2]}" if series else f"; python{self.interpreter}"


def parse(text: str, *, directory: str | Path = ".", schemes: Collection[str] = ()) -> Target:
    """Read the text of a target.

    Args:
        text: What the user wrote, in one of the forms that the module lists.
        directory: The directory against which a relative path is resolved.
        schemes: The schemes of plug-in bridges.

    Returns:
        The target. Files and directories that it names exist.

    Raises:
        TargetError: The text is none of the forms, or names a file that cannot be used.
        AmbiguousTargetError: It fits several files or bridges; the message lists them.
        UnknownBridgeError: No bridge has its scheme; the message lists those that are known.
    """
    if type(text) is str and _PLAIN_NAME.fullmatch(text):
        return Target(text, "python", text)
    written = _checked(text)
    scheme = _SCHEME.fullmatch(written)
    if scheme and scheme[1] in schemes and scheme[1] not in SCHEMES:
        return Target(text, scheme[1], _named(text, scheme[2]), kind="plugin")
    _refuse_other_platform(text, written)
    if scheme:
        return _scheme_target(text, scheme[1], scheme[2], schemes)
    if written.startswith("@"):
        raise TargetError("a scope belongs to npm", received=shown(text), remedy=f"npm:{written}")
    if "/" in written or written in (".", ".."):
        location, bridge, kind = identify(written, directory)
        return Target(text, bridge, location, kind=kind)
    if _SHARED_NAME.fullmatch(written):
        return Target(text, "native", written, kind="library")
    target = _python_target(text, written)
    if _looks_like_file(target.location):
        raise AmbiguousTargetError(
            f"{target.location} may be a file or a Python package",
            expected="a file written with ./, or a package with its scheme",
            received=shown(text),
            remedy=f"./{target.location} or python:{written}",
        )
    return target


def _checked(text: object) -> str:
    """Return the text without blanks around it, once it is fit to be looked at."""
    if not isinstance(text, str):
        raise TargetError(
            "a target is a text", expected='a text such as "numpy"', received=type(text).__name__
        )
    written = text.strip(" ")
    if not written:
        raise TargetError(
            "the target is empty", expected='a text such as "numpy"', received=shown(text)
        )
    if len(text) > MAX_LENGTH:
        raise TargetError(
            "the target is too long",
            expected=f"at most {MAX_LENGTH} characters",
            received=f"{len(text)} characters, beginning {shown(text)}",
        )
    for position, character in enumerate(written, 1):
        if not character.isprintable():
            raise TargetError(
                f"character {position} of the target cannot be printed",
                expected="printable characters",
                received=f"U+{ord(character):04X} in {shown(text)}",
            )
    if "\\" in written:
        raise TargetError(
            "a path is written with /", received=shown(text), remedy=written.replace("\\", "/")
        )
    return written


def _named(text: str, rest: str) -> str:
    name = rest.strip(" ")
    if not name:
        raise TargetError(
            "a name is missing after the colon",
            expected="a scheme and a name, such as npm:lodash or c:z",
            received=shown(text),
        )
    return name


def _refuse_other_platform(text: str, written: str) -> None:
    library = _OTHER_PLATFORM.fullmatch(written)
    if library:
        folder, stem = library[1], library[2].rpartition(":")[2] or library[2]
        raise TargetError(
            "a library of another operating system",
            expected="a shared library for Linux, such as libz.so.1, ./libz.so or c:z",
            received=shown(text),
            remedy=f"{folder}lib{stem}.so" if folder else f"c:{stem}",
        )


# --- schemes ----------------------------------------------------------------------------------


def _scheme_target(text: str, scheme: str, rest: str, schemes: Collection[str]) -> Target:
    if scheme not in SCHEMES:
        known = [f"{name}:" for name in dict.fromkeys((*SCHEMES, *schemes))]
        raise UnknownBridgeError(
            f"no bridge has the scheme {scheme}:",
            expected=f"one of {', '.join(known)}, or a path that begins with ./",
            received=shown(text),
            remedy=did_you_mean(f"{scheme}:", known),
        )
    name = _named(text, rest)
    if name.startswith(("./", "../", "/")):
        raise TargetError("a path is written without a scheme", received=shown(text), remedy=name)
    if scheme == "python":
        return _python_target(text, name)
    if scheme == "npm":
        return _npm_target(text, name)
    if scheme == "node":
        return _builtin_target(text, name)
    return _library_target(text, name)


def _library_target(text: str, name: str) -> Target:
    if not _LIBRARY_NAME.fullmatch(name):
        raise TargetError(
            "not the name of a native library",
            expected="letters, digits and _ + . - as in c:z, c:stdc++, libm.so.6",
            received=shown(text),
            remedy=_native_version_remedy(name),
        )
    if not _SHARED_NAME.fullmatch(name) and _looks_like_file(name):
        raise TargetError("a file is written with ./", received=shown(text), remedy=f"./{name}")
    return Target(text, "native", name, kind="library")


def _native_version_remedy(name: str) -> str | None:
    if not re.search(r"[=<>~@]", name):
        return None
    return 'state the lowest version in the configuration: version = "1.2"'


def _builtin_target(text: str, name: str) -> Target:
    if not _NODE_BUILTIN.fullmatch(name):
        raise TargetError(
            "not the name of a module of Node.js",
            expected="a name such as node:crypto or node:fs/promises",
            received=shown(text),
            remedy=f"npm:{name}" if "@" in name else None,
        )
    return Target(text, "javascript", name, kind="builtin")


def _npm_target(text: str, name: str) -> Target:
    package = _NPM_PACKAGE.fullmatch(name)
    rest = package[2].strip(" ") if package else ""
    if not package or (rest and not rest.startswith("@")):
        version = re.fullmatch(r"[=<>~^]+\s*(\S+)", rest)
        raise TargetError(
            "not an npm package",
            expected="npm:name, npm:@scope/name, each with @range after it where one is wanted",
            received=shown(text),
            remedy=f"npm:{package[1]}@{version[1]}" if package and version else None,
        )
    wanted = _npm_range(rest[1:]) if rest else ""
    if wanted is None:
        raise TargetError(
            f"not a version range of npm: {shown(rest[1:])}",
            expected="a range or tag such as 4, ^1.2, ~1.2.3, '>=1 <3', 1.x, latest",
            received=shown(text),
        )
    return Target(text, "javascript", package[1], wanted)


def _npm_range(text: str) -> str | None:
    """Return an npm range with single blanks, or None where it is none (node-semver's grammar)."""
    text = text.strip(" ")
    if _NPM_TAG.fullmatch(text):
        return text
    alternatives = [re.sub(r"([\^~<>=]) +", r"\1", part).split() for part in text.split("||")]
    for comparators in alternatives:
        hyphen = len(comparators) == 3 and comparators[1] == "-"
        versions = comparators[::2] if hyphen else comparators
        if not versions or not all(map(_NPM_COMPARATOR.fullmatch, versions)):
            return None
    return " || ".join(" ".join(comparators) for comparators in alternatives)


# --- Python packages --------------------------------------------------------------------------


def _python_target(text: str, written: str) -> Target:
    wanted, semicolon, environment = written.partition(";")
    requirement = _REQUIREMENT.fullmatch(wanted.strip(" "))
    if not requirement or not _is_package_name(requirement[1]):
        raise TargetError(
            "not a target",
            expected="a Python package (numpy, scipy.linalg, scikit-learn), npm:name, node:name, "
            "a shared library (libm.so.6, c:z), or a path that begins with ./",
            received=shown(text),
        )
    name, rest = requirement.groups()
    version = _version_specifier(text, name, rest) if rest else ""
    interpreter = _interpreter(text, f"{name}{version}", environment) if semicolon else ""
    return Target(text, "python", name, version, interpreter)


def _is_package_name(name: str) -> bool:
    if _DISTRIBUTION_NAME.fullmatch(name):
        return True
    return all(part.isidentifier() for part in name.split("."))


def _version_specifier(text: str, name: str, written: str) -> str:
    if written.startswith("@"):
        version = written[1:].strip(" ")
        raise TargetError(
            "name@version is how npm packages are written",
            expected=f"npm:{name}{written}, or for a Python package a specifier such as {name}>=2",
            received=shown(text),
            remedy=f"npm:{name}@{version}" if version else f"npm:{name}",
        )
    if written.startswith("["):
        raise TargetError(
            "a target has no extras",
            expected=f"the package alone: {name}",
            received=shown(text),
            remedy=f'in the configuration: dependencies = ["{name}{written}"]',
        )
    exact = re.fullmatch(r"=?\s*([0-9]\S*)", written)
    if exact:
        raise TargetError(
            "an exact version is written with ==",
            received=shown(text),
            remedy=f"{name}=={exact[1]}",
        )
    return _specifier(text, written, f"a specifier such as {name}==1.21.0 or {name}>=2,<3")


def _specifier(text: str, written: str, expected: str) -> str:
    """Return a PEP 440 specifier without the blanks around its operators and commas."""
    from packaging.specifiers import SpecifierSet

    try:
        SpecifierSet(written)
    except ValueError as error:
        raise TargetError(
            f"not a version specifier: {shown(written)}", expected=expected, received=shown(text)
        ) from error
    return written.replace(" ", "")


def _looks_like_file(name: str) -> bool:
    return os.path.splitext(name)[1] in FILE_SUFFIXES or bool(_SHARED_NAME.fullmatch(name))


def _interpreter(text: str, package: str, environment: str) -> str:
    expected = f"a Python version, such as {package}; python=3.10"
    condition = _INTERPRETER.fullmatch(environment.strip(" "))
    if not condition or condition[1] != "python":
        raise TargetError(
            "after ; stands the interpreter's version",
            expected=expected,
            received=shown(text),
        )
    version = _INTERPRETER_VERSION.fullmatch(condition[2])
    if not version:
        return _specifier(text, condition[2], expected)
    return f"=={version[1]}" if version[1].count(".") == 2 else f"=={version[1]}.*"
