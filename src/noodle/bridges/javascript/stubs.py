"""What a JavaScript library declares: its types, and what the library itself tells."""

from __future__ import annotations

from dataclasses import replace
from inspect import Parameter
from pathlib import Path
from typing import Any

from noodle.bridges.javascript.declarations import DeclaredTypes
from noodle.bridges.javascript.library import JavaScriptLibrary
from noodle.bridges.javascript.node import NodeRuntime
from noodle.build_cache import user_cache_directory
from noodle.errors import MissingError, NoodleError
from noodle.installation.policy import InstallPolicy
from noodle.stubs.model import (
    StubClass,
    StubConstant,
    StubFunction,
    StubMember,
    StubModule,
    StubParameter,
    StubSignature,
)

__all__ = ["completed", "declared"]


def declared(
    name: str,
    specifier: str,
    folder: Path,
    runtime: NodeRuntime,
    options: Any,
    *,
    program: Path,
    kept: bool,
) -> StubModule | None:
    """Return what the types of a module declare.

    Args:
        name: The module, as the target names it.
        specifier: A package, or the absolute path of a file.
        folder: Where it is looked for.
        runtime: The Node.js.
        options: Those of the load.
        program: The program's folder.
        kept: Whether what is in the folder never changes.

    Returns:
        None where it has no types; a module with a note where the compiler is not there.
    """
    cache = Path(options.cache_directory) if options.cache_directory else user_cache_directory()
    policy = InstallPolicy(options.install, options.offline)
    try:
        types = DeclaredTypes(runtime, cache, policy)
        return types.module(name, specifier, folder, program=program, kept=kept)
    except MissingError as error:
        return StubModule(name, notes=(f"types are not known without TypeScript: {error.summary}",))


def completed(stub: StubModule | None, library: JavaScriptLibrary) -> StubModule:
    """Return what a module declares, with the names that only the library itself tells.

    Args:
        stub: What its types declare, or None.
        library: The module, as it was loaded.
    """
    found = stub or StubModule(library.name)
    known = {*found.names}
    members = list(found.members)
    seen = [name for name in library.names() if name not in known]
    for name in seen:
        try:
            member = _seen(name, *library.description(name))
        except NoodleError:
            continue
        members += [member] if member else []
    return replace(
        found,
        members=sorted(members, key=lambda member: member.name),
        documentation=found.documentation or library.documentation or "",
        source=found.source or "the library itself",
        further=found.further | frozenset(seen),
    )


def _seen(name: str, kind: str, details: Any, documentation: str | None) -> StubMember | None:
    if kind == "module":
        return None
    if kind == "value":
        return StubConstant(name)
    told = documentation or ""
    signature = StubSignature(tuple(_parameters(details)))
    if kind == "class":
        own = StubSignature((StubParameter("self"), *signature.parameters))
        return StubClass(name, (StubFunction("__init__", (own,)),), documentation=told)
    return StubFunction(name, (signature,), told)


def _parameters(details: Any) -> list[StubParameter]:
    """Return the parameters of a function, any of which a call may leave out."""
    names = [name for name in details if isinstance(name, str)] if isinstance(details, list) else []
    plain = [name for name in names if not name.startswith("...")]
    listed = [StubParameter(name, default="...") for name in plain]
    return [*listed, StubParameter("arguments", kind=Parameter.VAR_POSITIONAL)]
