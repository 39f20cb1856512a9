"""``noodle bridges``: what is registered, found and missing, and what a library offers."""

from __future__ import annotations

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console
from rich.table import Table
from rich.text import Text

from noodle.bridges.registry import BridgeWarning
from noodle.cli.exit_codes import NOT_LOADED, OK
from noodle.cli.terminal import output_console, visible
from noodle.errors import NoodleError

if TYPE_CHECKING:
    from noodle.libraries import Library
    from noodle.runtime.engine import Engine

__all__ = ["list_bridges", "list_unbound"]


def list_bridges(
    target: str | None, headers: Sequence[str] = (), *, config: Path | None = None
) -> int:
    """Print the bridges and the configured libraries, or what one library offers.

    Args:
        target: A target, a configured name or a bridge's name; None to list what there is.
        headers: The C headers of a native library.
        config: The configuration file; None for the nearest one.

    Returns:
        The exit code: 4 when a configured library cannot be loaded.

    Raises:
        NoodleError: The target cannot be loaded.
    """
    from noodle.runtime.host import make_engine

    engine = make_engine(Path.cwd(), config)
    console = output_console()
    # A broken plug-in is in the table with its reason.
    warnings.simplefilter("ignore", BridgeWarning)
    if target is None:
        _print_bridges(console, engine)
        return _print_configured(console, engine)
    if target in engine.registry.names() and target not in engine.settings.ffi.bridges:
        return _print_bridge(console, engine, target)
    _print_library(console, _loaded(engine, target, headers))
    return OK


def list_unbound(target: str, headers: Sequence[str] = (), *, config: Path | None = None) -> int:
    """Print what a library exports and declares that cannot be used, with the reasons.

    Args:
        target: A target or a configured name.
        headers: The C headers of a native library.
        config: The configuration file; None for the nearest one.

    Returns:
        The exit code.

    Raises:
        NoodleError: The target cannot be loaded.
    """
    from noodle.runtime.host import make_engine

    library = _loaded(make_engine(Path.cwd(), config), target, headers)
    console = output_console()
    console.print(Text(_identity(library), "heading"))
    count = sum(kind == "functions" for kind, _, _ in _offers(library))
    unbound = library.unbound()
    bound = "1 function is bound" if count == 1 else f"{count} functions are bound"
    other = (
        "1 declared name is not" if len(unbound) == 1 else f"{len(unbound)} declared names are not"
    )
    console.print(Text(f"{bound}, {other}"))
    if not unbound:
        return OK
    table = _table("name", "reason")
    for name, reason in sorted(unbound.items(), key=lambda pair: pair[0].casefold()):
        table.add_row(Text(visible(name), "label"), visible(reason))
    console.print()
    console.print(table)
    return OK


def _loaded(engine: Engine, target: str, headers: Sequence[str]) -> Library:
    options = {"header": list(headers)} if headers else {}
    return engine.dispatcher.library(target, directory=Path.cwd(), **options)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="heading")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _print_bridges(console: Console, engine: Engine) -> None:
    table = _table("bridge", "from", "state")
    for status in engine.bridges():
        table.add_row(status.name, status.source, _state(status.problem))
    console.print(table)


def _state(problem: str | None) -> Text:
    return Text(visible(problem), "missing") if problem else Text("ready", "ok")


def _print_bridge(console: Console, engine: Engine, name: str) -> int:
    status = next(status for status in engine.bridges() if status.name == name)
    table = _table("bridge", "from", "state", "options of a load")
    options = "" if status.problem else " ".join(sorted(engine.registry.get(name).option_names))
    table.add_row(name, status.source, _state(status.problem), options or "none of its own")
    console.print(table)
    return NOT_LOADED if status.problem else OK


def _print_configured(console: Console, engine: Engine) -> int:
    configured = engine.settings.ffi.bridges
    if not configured:
        return OK
    table = _table("library", "configured as", "state")
    code = OK
    for name, settings in configured.items():
        try:
            state = Text(_identity(engine.bridge(name)), "ok")
        except NoodleError as error:
            state = _problem(error)
            code = NOT_LOADED
        table.add_row(name, f"{settings.path} {settings.version}".strip(), state)
    file = engine.settings.config_file
    console.print()
    console.print(Text(f"configured in {visible(str(file))}" if file else "configured", "gutter"))
    console.print(table)
    return code


def _problem(error: NoodleError) -> Text:
    remedy = [("\ntry: ", "label"), (visible(error.remedy), "remedy")] if error.remedy else []
    return Text.assemble((visible(error.summary), "missing"), *remedy)


def _identity(library: Library) -> str:
    return f"{library.origin.target}, {library.origin.bridge} bridge, {library.origin.placement}"


class _Offer(NamedTuple):
    """A public name of a library.

    Args:
        kind: ``functions``, ``classes``, ``modules`` or ``values``.
        name: The name.
        declaration: Its prototype, or what the value is.
    """

    kind: str
    name: str
    declaration: str


def _print_library(console: Console, library: Library) -> None:
    console.print(Text(_identity(library), "heading"))
    paragraph = (library.module.__doc__ or "").strip().partition("\n\n")[0]
    if paragraph:
        console.print(Text(visible(" ".join(paragraph.split()))), soft_wrap=False)
    for note in library.origin.notes:
        console.print(Text(f"note: {visible(note)}", "missing"))
    offers = list(_offers(library))
    for kind in ("functions", "classes", "modules", "values", "broken names"):
        _print_offers(console, kind, [offer for offer in offers if offer.kind == kind])


def _print_offers(console: Console, kind: str, offers: list[_Offer]) -> None:
    if not offers:
        return
    console.print()
    console.print(Text(f"{kind} ({len(offers)})", "heading"))
    if kind == "modules":
        names = ", ".join(offer.name for offer in offers)
        console.print(Text(textwrap.indent(textwrap.fill(names, console.width - 2), "  ")))
        return
    for offer in offers:
        text = offer.declaration.removeprefix(offer.name)
        blank = "" if text.startswith("(") else "  "
        console.print(Text.assemble("  ", (offer.name, "label"), f"{blank}{visible(text)}"))


def _offers(library: Library) -> Iterator[_Offer]:
    for name in sorted(library.names(), key=str.casefold):
        try:
            member = library.member(name)
        except Exception as error:  # reading a name may run code of the library, which may raise
            yield _Offer(
                "broken names", name, f"{type(error).__name__}: {error}".partition("\n")[0]
            )
            continue
        yield _Offer(*_described(name, member))


def _described(name: str, member: object) -> tuple[str, str, str]:
    from noodle._handle import Handle
    from noodle.bindings import prototype_of
    from noodle.values import describe

    if isinstance(member, ModuleType):
        return "modules", name, name
    if isinstance(member, Handle):
        return "functions", name, str(prototype_of(member, name))
    if isinstance(member, type):
        prototype = prototype_of(member, name)
        return "classes", name, str(prototype) if prototype.readable else name
    return "values", name, describe(member)
