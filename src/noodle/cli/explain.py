"""``noodle explain``: a program's calls, step by step through the dispatch flow."""

from __future__ import annotations

import os
import re
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from noodle.cli.call_flow import CallFlow, ImportOutcome, follow, load_imports
from noodle.cli.excerpts import excerpt
from noodle.cli.exit_codes import NOT_COMPILED, NOT_LOADED, OK
from noodle.cli.remedies import name_program
from noodle.cli.terminal import output_console, visible
from noodle.errors import TargetError
from noodle.language import CallSite, call_sites, imports
from noodle.language.source_text import SourceText
from noodle.runtime.host import EngineHost
from noodle.target_files import FILE_SUFFIXES, shown

__all__ = ["explain"]

NOT_REACHED = "not reached"

STEP_WIDTH = 18
"""Columns before the text of a step."""


def explain(file: str, *, config: Path | None = None, as_json: bool = False) -> int:
    """Print what happens at each call of a program, without running it.

    Args:
        file: The program.
        config: The configuration file; None for the nearest one above the program.
        as_json: Whether to print JSON.

    Returns:
        The exit code: 4 when a library cannot be loaded, else 3 when a call cannot succeed.

    Raises:
        LanguageError: The program has errors.
        TargetError: It is the name of a library.
    """
    _refuse_library(file)
    host = EngineHost(os.path.dirname(os.path.abspath(file)), config=config)
    source = host.read_source(file)
    sites = call_sites(source, file)
    outcomes = load_imports(host, imports(source, file))
    for outcome in outcomes:
        name_program(outcome.error, file)
    routed = [site for site in sites if _is_routed(site)]
    flows = [follow(site, outcomes) for site in routed]
    if as_json:
        _print_json(file, outcomes, flows, len(sites) - len(routed))
    else:
        _print_text(SourceText(source, file).lines, outcomes, flows, len(sites) - len(routed))
    if any(outcome.error for outcome in outcomes):
        return NOT_LOADED
    return NOT_COMPILED if any(flow.problem or flow.mismatch for flow in flows) else OK


def _refuse_library(file: str) -> None:
    """Refuse what is a library by its name: ``./kernel.c``, ``libm.so.6``, ``npm:uuid``."""
    _, suffix = os.path.splitext(file)
    is_shared = re.search(r"\.so(\.[0-9]+)*$", file)
    if is_shared or suffix in FILE_SUFFIXES or re.match(r"[a-z]+:(?!/)", file):
        raise TargetError(
            f"{file} is a library, and explain reads programs that use one",
            expected="a Noodle program",
            received=shown(file),
            remedy=f"noodle bridges {shlex.quote(file)}",
        )


def _is_routed(site: CallSite) -> bool:
    """Return whether a call may leave Noodle: through an import, or as a method of some value."""
    return site.foreign_import is not None or "." in site.callee


def _print_json(
    file: str, outcomes: Sequence[ImportOutcome], flows: Sequence[CallFlow], own_calls: int
) -> None:
    import json

    facts = {
        "file": file,
        "imports": [
            {
                "line": outcome.request.line,
                "target": outcome.request.target,
                "name": outcome.request.name,
                "loaded": outcome.identity or None,
                "needs": outcome.needs,
                "notes": list(outcome.notes),
                "problem": str(outcome.error) if outcome.error else None,
            }
            for outcome in outcomes
        ],
        "calls": [asdict(flow) for flow in flows],
        "calls_of_noodle_functions": own_calls,
    }
    print(json.dumps(facts, indent=2))


def _print_text(
    lines: list[str],
    outcomes: Sequence[ImportOutcome],
    flows: Sequence[CallFlow],
    own_calls: int,
) -> None:
    console = output_console()
    for outcome in outcomes:
        _print_import(console, outcome)
    for flow in flows:
        console.print()
        for line in excerpt(
            flow.line, lines[flow.line - 1], flow.column, len(flow.callee), console.width
        ):
            console.print(line)
        _print_steps(console, flow)
    if own_calls:
        console.print()
        console.print(
            Text(f"Calls of Noodle's own functions: {own_calls}. They pass no stage.", "gutter")
        )


def _print_import(console: Console, outcome: ImportOutcome) -> None:
    request = outcome.request
    where = f"{request.line}:{request.column}"
    found: tuple[str, str] = (visible(outcome.identity), "ok")
    if outcome.error:
        found = (visible(outcome.error.summary), "error")
    console.print(
        Text.assemble(
            (f"{where:<6} ", "gutter"), f"{visible(request.target)} as {request.name}: ", found
        )
    )
    if outcome.needs:
        console.print(Text(f"       {visible(outcome.needs)}"))
    for note in outcome.notes if outcome.error else ():  # else each of its calls has them
        console.print(Text(f"       note: {visible(note)}"))
    if outcome.error and outcome.error.remedy:
        console.print(
            Text.assemble("       ", ("try: ", "label"), (visible(outcome.error.remedy), "remedy"))
        )


def _print_steps(console: Console, flow: CallFlow) -> None:
    count = len(flow.arguments)
    arguments = f"{count} argument" if count == 1 else f"{count} arguments"
    _step(console, "parse", f"{flow.line}:{flow.column}, call of {flow.callee} with {arguments}")
    _step(console, "type analysis", f"({', '.join(flow.arguments)})")
    if flow.prototype:
        _step(console, "", flow.prototype)
    if flow.mismatch:
        _step(console, "", f"does not fit: {flow.mismatch}", "error")
    _step(console, "optimisation", flow.optimisation or NOT_REACHED)
    _step(console, "bridge routing", flow.routing or NOT_REACHED)
    for stage, reason in flow.stages.items():
        _step(console, "", f"{stage}: {reason}")
    for note in flow.notes:
        _step(console, "", f"note: {note}")
    if flow.problem:
        _step(console, "", flow.problem, "error")
    _step(console, "result", flow.result or NOT_REACHED)


def _step(console: Console, step: str, text: str, style: str = "") -> None:
    first, *further = textwrap.wrap(visible(text), max(40, console.width - STEP_WIDTH)) or [""]
    console.print(Text.assemble((f"  {step}".ljust(STEP_WIDTH), "label"), (first, style)))
    for line in further:
        console.print(Text.assemble(" " * STEP_WIDTH, (line, style)))
