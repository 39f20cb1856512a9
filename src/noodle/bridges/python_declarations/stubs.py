"""What a Python library declares: from its files, and from the library itself where it may run."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from noodle.bridges.python import PythonLibrary
from noodle.bridges.python_declarations.annotations import Annotations
from noodle.bridges.python_declarations.reading import PythonReader
from noodle.bridges.python_declarations.seen import seen_here, seen_in_worker
from noodle.bridges.python_declarations.sources import PythonSources
from noodle.bridges.python_environments import (
    environment_of,
    environments_of,
    requirements_of,
)
from noodle.bridges.python_imports import import_name
from noodle.bridges.python_options import PythonOptions
from noodle.calls import LoadRequest
from noodle.stubs.model import (
    StubAlias,
    StubConstant,
    StubFunction,
    StubMember,
    StubModule,
)

__all__ = ["describe_python"]

Load = Callable[[LoadRequest], Any]


def describe_python(request: LoadRequest, load: Load, *, run: bool) -> StubModule | None:
    """Return what a library declares; None where that cannot be known without running it.

    Args:
        request: As of a load.
        load: Loads it.
        run: Whether it may be installed and imported.

    Raises:
        UsageError, ForeignError: As a load.
    """
    if "/" in request.location:
        return _described_file(request, load, run=run)
    place = _place(request, run=run)
    if place is None:
        return None
    search_path, name = place
    here = search_path is None
    sources = PythonSources(search_path, typed=here)
    stub = PythonReader(sources, "" if here else name).module(name)
    if run:
        return _completed(stub, load(request), Annotations(sources, "" if here else name))
    if stub is None and name.partition(".")[0] in sys.stdlib_module_names:
        return _completed(None, load(request), Annotations(sources))
    return stub


def _described_file(request: LoadRequest, load: Load, *, run: bool) -> StubModule | None:
    path = Path(request.directory, request.location).absolute()
    file = path / "__init__.py" if path.is_dir() else path
    sources = PythonSources([str(file.parent), *sys.path])
    name = path.stem
    sources.add(name, file)
    stub = PythonReader(sources, name).module(name)
    if run:
        stub = _completed(stub, load(request), Annotations(sources, name))
    return stub and replace(stub, name=request.location, source=stub.source or file.name)


def _place(request: LoadRequest, *, run: bool) -> tuple[list[str] | None, str] | None:
    """Return where a library is looked for, None for here, and its import name; None if nowhere."""
    interpreter = PythonOptions.read(request.options).interpreter
    if interpreter is not None:
        folders = Path(interpreter).parent.parent.glob("lib/python3*/site-packages")
        return [str(folder) for folder in folders], request.location
    requirements = requirements_of(request)
    if requirements is None:
        return None, import_name(request.location)
    from noodle.lock_file import LockFile
    from noodle.workers.environments.installed_modules import site_packages

    lock_file = LockFile.of_directory(Path(request.directory))
    found = (
        environment_of(request) if run else environments_of(request).find(requirements, lock_file)
    )
    if found is None:
        return None
    folder = site_packages(found.interpreter.parent.parent)
    return [str(folder)], found.import_name(request.location)


def _completed(stub: StubModule | None, library: Any, annotations: Annotations) -> StubModule:
    """Return what the files declare, with what only the library itself tells."""
    known: dict[str, StubMember] = {m.name: m for m in stub.members} if stub else {}
    modules = dict(stub.modules) if stub else {}
    if isinstance(library, PythonLibrary):
        seen = seen_here(library, annotations)
        dynamic = library.dynamic
    else:
        seen, dynamic = seen_in_worker(library, annotations.own), True
    private = stub.further - known.keys() if stub else frozenset()
    for member in seen:
        if member.name not in {*modules, *private} and not _is_module(member):
            known[member.name] = _better(known.get(member.name), member)
    return StubModule(
        library.name,
        [known[name] for name in sorted(known)],
        inspect.cleandoc(library.documentation or (stub.documentation if stub else "")),
        stub.source if stub else "the library itself",
        complete=stub.complete if stub else not dynamic,
        further=(stub.further if stub else frozenset()) | frozenset(library.names()),
        modules=modules,
    )


def _is_module(member: StubMember) -> bool:
    return isinstance(member, StubAlias) and not member.original


def _better(written: StubMember | None, seen: StubMember) -> StubMember:
    """Return what was read of a name, with the documentation that was seen."""
    if written is None:
        return seen
    if isinstance(written, StubFunction) and isinstance(seen, StubFunction):
        if not written.signatures:
            return seen
        return replace(written, documentation=written.documentation or seen.documentation)
    is_unknown = isinstance(written, StubConstant) and not written.annotation
    return seen if is_unknown and isinstance(seen, (StubFunction, StubConstant)) else written
