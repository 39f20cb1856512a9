"""``noodle stubs``: what a library declares, as a ``.pyi`` file."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from rich.text import Text

from noodle.cli.exit_codes import OK
from noodle.cli.terminal import output_console, visible
from noodle.errors import SettingsError, TargetError
from noodle.language.foreign_imports import derived_name
from noodle.stubs.model import StubAlias, StubClass, StubConstant, StubFunction, StubModule
from noodle.stubs.writing import stub_text

__all__ = ["write_stub"]

_MARK = "# Written by: noodle stubs "
"""How a file begins that may be written anew."""

_KINDS: Mapping[type, str] = {
    StubAlias: "class",
    StubClass: "class",
    StubConstant: "constant",
    StubFunction: "function",
}

STANDARD_OUTPUT = "-"


def write_stub(
    target: str, headers: Sequence[str], output: str | None, *, config: Path | None = None
) -> int:
    """Write the stub of a library and print where it is.

    Args:
        target: A target or a configured name.
        headers: The C headers of a native library.
        output: A file, a directory, or ``-``; None for a file of the library's name here.
        config: The configuration file; None for the nearest one.

    Returns:
        The exit code.

    Raises:
        NoodleError: The library is not there, or its stub cannot be written.
    """
    from noodle.runtime.host import make_engine

    options = {"header": list(headers)} if headers else {}
    engine = make_engine(Path.cwd(), config, install="always")
    stub = engine.dispatcher.describe(target, directory=Path.cwd(), run=True, **options)
    if stub is None:
        raise TargetError(
            f"nothing is known of what {target} declares",
            expected="a library of a bridge that tells",
            received=target,
            remedy="noodle bridges",
        )
    if not stub.members and not stub.source:
        raise TargetError(
            f"nothing says what {target} declares",
            expected="its header",
            received="none",
            where=target,
            remedy=f"noodle stubs {shlex.quote(target)} --header NAME.h",
        )
    command = shlex.join([target, *(word for header in headers for word in ("--header", header))])
    text = f"{_MARK}{command}\n{stub_text(stub)}"
    if output == STANDARD_OUTPUT:
        sys.stdout.write(text)
        return OK
    path = _place(target, output)
    _write(path, text)
    _tell(path, stub)
    return OK


def _place(target: str, output: str | None) -> Path:
    """Return the file to write; one that somebody else has written is kept unless it is named."""
    if output is not None and not (Path(output).is_dir() or output.endswith(os.sep)):
        return Path(output)
    path = Path(output or "", f"{_module_name(target)}.pyi")
    try:
        beginning = path.read_text(encoding="utf-8", errors="replace")[: len(_MARK)]
    except OSError:
        return path
    if beginning != _MARK:
        raise SettingsError(
            f"{path} is there already, and is none of noodle stubs",
            expected="a place for the stub",
            received=str(path),
            remedy=f"noodle stubs {shlex.quote(target)} --output PATH",
        )
    return path


def _module_name(target: str) -> str:
    """Return the name of the stub's module: that of the import, unless Python has such a module."""
    plain = re.split(r"[@;=<>~!]", target.rpartition("/")[2], maxsplit=1)[0]
    name = derived_name(target) or re.sub(r"\W+", "_", plain).strip("_") or "library"
    hides = name in sys.stdlib_module_names or _is_installed(name)
    return f"{name}_stubs" if hides else name


def _is_installed(name: str) -> bool:
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return False
    return found is not None and "site-packages" in str(found.origin)


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(
            f"the stub cannot be written: {error.strerror}",
            expected="a file that may be written",
            received=str(path),
            remedy="noodle stubs TARGET --output PATH",
        ) from error


def _tell(path: Path, stub: StubModule) -> None:
    kinds: Counter[str] = Counter()
    for member in stub.members:
        kinds[_KINDS[type(member)]] += member.name not in stub.modules
    kinds["namespace"] = len(stub.modules)
    counts = ", ".join(_counted(kind, count) for kind, count in sorted(kinds.items()) if count)
    source = f" from {stub.source}" if stub.source else ""
    console = output_console()
    console.print(Text(f"{visible(str(path))}: {counts or 'nothing'}{visible(source)}"))
    for note in stub.notes:
        console.print(Text(f"  {visible(note)}", "gutter"))


def _counted(kind: str, count: int) -> str:
    plural = "classes" if kind == "class" else f"{kind}s"
    return f"{count} {kind if count == 1 else plural}"
