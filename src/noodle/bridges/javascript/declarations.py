"""What JavaScript modules declare, as TypeScript's compiler reads it; nothing of them is run."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from inspect import Parameter
from pathlib import Path
from typing import Any

from noodle.bridges.javascript.node import NodeRuntime
from noodle.bridges.javascript.packages import NpmPackages
from noodle.build_cache import BuildCache, digest
from noodle.errors import ForeignError
from noodle.installation.policy import InstallPolicy
from noodle.installation.tool import run_tool
from noodle.lock_file import LockFile
from noodle.stubs.model import (
    StubClass,
    StubConstant,
    StubFunction,
    StubMember,
    StubModule,
    StubParameter,
    StubSignature,
)
from noodle.values import ANY

__all__ = ["DeclaredTypes"]

VERSION = "5.9.3"
"""The version of TypeScript, which ``typescript.lock`` locks."""

_HERE = Path(__file__).parent
_PROGRAM = _HERE / "declared_types.mjs"

MOST_BYTES = 64 * 10**6
"""Chosen: no module that people write by hand declares more."""


class DeclaredTypes:
    """Asks TypeScript's compiler.

    Args:
        runtime: The Node.js that runs it.
        cache_directory: The user's cache of Noodle.
        policy: Whether the compiler may be installed.
    """

    def __init__(self, runtime: NodeRuntime, cache_directory: Path, policy: InstallPolicy) -> None:
        self._runtime = runtime
        self._cache_directory = cache_directory
        self._policy = policy

    def module(
        self, name: str, specifier: str, folder: Path, *, program: Path, kept: bool
    ) -> StubModule | None:
        """Return what a module declares; None where it is no module that can be read.

        Args:
            name: The module, as the target names it.
            specifier: A package, or the absolute path of a file.
            folder: Where it is looked for.
            program: The program's folder, where types from elsewhere (``@types``) may lie.
            kept: Whether what is in the folder never changes, so that the answer may be kept.

        Raises:
            MissingPackageError: The compiler is not installed, and may not be installed now.
            ForeignError: It failed.
        """
        packages = NpmPackages(self._runtime, self._cache_directory, self._policy)
        lock_file = LockFile(_HERE / "typescript.lock")
        compiler = packages.install("typescript", VERSION, lock_file).folder
        typed = _typed_elsewhere(specifier, program)
        if typed or not kept:
            return _read(name, self._asked(compiler, specifier, folder, typed))
        cache = BuildCache.at(self._cache_directory / "node")
        file = cache.path(
            f"types_{digest(_PROGRAM.read_text(), VERSION, str(folder), specifier)}.json"
        )
        try:
            text = file.read_text(encoding="utf-8")
        except OSError:
            text = self._asked(compiler, specifier, folder, [])
            cache.replace(file.name, text)
        return _read(name, text)

    def _asked(self, compiler: Path, specifier: str, folder: Path, typed: Sequence[Path]) -> str:
        parts = (self._runtime.node, _PROGRAM, compiler, folder, specifier, *typed)
        command = list(map(str, parts))
        run = run_tool(command, folder=folder, environment=os.environ, target=specifier)
        if run.status or len(run.output) > MOST_BYTES:
            last = run.errors.strip().splitlines()[-1:] or ["no message"]
            raise ForeignError(
                f"the types of {specifier} cannot be read",
                received=f"TypeScript: {last[0][:200]}",
                where=specifier,
            )
        return run.output


def _typed_elsewhere(specifier: str, program: Path) -> list[Path]:
    """Return the nearest folder whose ``node_modules/@types`` has types of a package, if any has.

    Args:
        specifier: The package; a path has none.
        program: Where the search begins.
    """
    if os.path.isabs(specifier):
        return []
    parts = specifier.split("/")
    name = "__".join(parts[:2]).removeprefix("@") if specifier.startswith("@") else parts[0]
    start = program.absolute()
    folders = (start, *start.parents)
    return [f for f in folders if (f / "node_modules" / "@types" / name).is_dir()][:1]


def _read(name: str, text: str) -> StubModule | None:
    try:
        told = json.loads(text)
        return told and _module(name, told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ForeignError(f"what {name} declares cannot be read", where=name) from error


def _module(name: str, told: Mapping[str, Any]) -> StubModule:
    file = str(told["file"])
    guessed = not file.endswith((".ts", ".mts", ".cts", ".tsx"))
    members, modules = _members(told["members"], guessed=guessed)
    source = file.rpartition("node_modules/")[2]
    return StubModule(name, members, told["documentation"], source, not guessed, modules=modules)


def _members(
    listed: list[Mapping[str, Any]], *, guessed: bool
) -> tuple[list[StubMember], dict[str, Any]]:
    members: list[StubMember] = []
    modules = {}
    for told in sorted(listed, key=lambda one: str(one["name"])):
        if told["kind"] == "namespace":
            modules[told["name"]] = partial(_namespace, told, guessed)
        else:
            members.append(_member(told, guessed=guessed))
    return members, modules


def _namespace(told: Mapping[str, Any], guessed: bool) -> StubModule:
    members, modules = _members(told["members"], guessed=guessed)
    return StubModule(
        told["name"], members, told["documentation"], complete=not guessed, modules=modules
    )


def _member(told: Mapping[str, Any], *, guessed: bool) -> StubMember:
    if told["kind"] == "function":
        return _function(told, guessed=guessed)
    if told["kind"] == "class":
        return _class(told, guessed=guessed)
    return StubConstant(told["name"], told["type"], documentation=told["documentation"])


def _function(told: Mapping[str, Any], *, guessed: bool) -> StubFunction:
    listed = [_signature(one, guessed=guessed) for one in told["signatures"]]
    return StubFunction(told["name"], (_merged(listed),), told["documentation"])


def _class(told: Mapping[str, Any], *, guessed: bool) -> StubClass:
    made = {**told, "name": "__init__", "documentation": ""}
    members: list[StubFunction | StubConstant] = []
    if told["signatures"]:
        members.append(_method(_function(made, guessed=guessed), static=False))
    for one in told["members"]:
        if str(one["name"]).startswith("_"):
            continue
        member = _member(one, guessed=guessed)
        if isinstance(member, StubFunction):
            members.append(_method(member, static=one["static"]))
        elif isinstance(member, StubConstant):
            members.append(member)
    return StubClass(told["name"], tuple(members), documentation=told["documentation"])


def _method(function: StubFunction, *, static: bool) -> StubFunction:
    if static:
        return replace(function, decorator="staticmethod")
    signatures = (
        replace(s, parameters=(StubParameter("self"), *s.parameters)) for s in function.signatures
    )
    return replace(function, signatures=tuple(signatures))


def _signature(told: Mapping[str, Any], *, guessed: bool) -> StubSignature:
    return StubSignature(tuple(_parameters(told["parameters"], guessed=guessed)), told["result"])


def _merged(signatures: Sequence[StubSignature]) -> StubSignature:
    """Return one signature for all calls that one of several accepts.

    Overloads of TypeScript are often told apart by types that annotations do not have.
    """
    longest = max(signatures, key=lambda one: len(one.parameters))
    parameters = []
    for index, parameter in enumerate(longest.parameters):
        same = [s.parameters[index] for s in signatures if index < len(s.parameters)]
        is_rest = parameter.kind == Parameter.VAR_POSITIONAL
        optional = len(same) < len(signatures) or any(_may_lack(p) for p in same)
        default = "..." if optional and not is_rest else None
        annotation = _union(p.annotation for p in same)
        parameters.append(replace(parameter, annotation=annotation, default=default))
    rest = [p for s in signatures for p in s.parameters if p.kind == Parameter.VAR_POSITIONAL]
    if rest and parameters[-1].kind != Parameter.VAR_POSITIONAL:
        parameters.append(replace(rest[0], annotation="Any"))
    return StubSignature(tuple(parameters), _union(s.result for s in signatures))


def _may_lack(parameter: StubParameter) -> bool:
    return parameter.default is not None or parameter.kind == Parameter.VAR_POSITIONAL


def _union(annotations: Iterable[str]) -> str:
    found = list(dict.fromkeys(annotations))
    return "Any" if "Any" in found else " | ".join(found)


def _parameters(listed: list[Mapping[str, Any]], *, guessed: bool) -> Iterator[StubParameter]:
    for told in listed:
        if told["rest"]:
            yield StubParameter(told["name"], told["type"], Parameter.VAR_POSITIONAL)
            continue
        default = "..." if told["optional"] or guessed else None
        known = ANY if guessed else None
        yield StubParameter(told["name"], told["type"], default=default, type=known)
    if guessed and not any(told["rest"] for told in listed):
        yield StubParameter("arguments", kind=Parameter.VAR_POSITIONAL)
