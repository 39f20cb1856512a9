"""The JavaScript bridge: finds or installs what a target names, and imports it in a worker."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noodle.calls import LoadedLibrary, LoadRequest, Preparation
from noodle.errors import (
    DeadlineExceededError,
    DeadlockError,
    LibraryLoadError,
    MissingPackageError,
    MissingToolError,
    RemoteCallError,
    TargetError,
    WorkerCrashedError,
)

if TYPE_CHECKING:
    from noodle.bridges.javascript.packages import InstalledPackage, NpmPackages
    from noodle.stubs.model import StubModule

__all__ = ["JavaScriptBridge"]


@dataclass(frozen=True, slots=True)
class _Found:
    """What a target turned out to be.

    Args:
        specifier: What Node.js is asked to import.
        directory: The folder from which it is looked for.
        manifest: The content of its ``package.json``, where it has one.
        notes: What ``explain`` should tell.
    """

    specifier: str
    directory: Path
    manifest: dict[str, Any]
    notes: tuple[str, ...] = ()


class JavaScriptBridge:
    """Loads modules of Node.js, npm packages, and JavaScript and TypeScript files."""

    name = "javascript"
    placements = ("isolated",)

    @property
    def option_names(self) -> frozenset[str]:
        """The load options that this bridge understands."""
        from noodle.bridges.javascript.options import JavaScriptOptions

        return JavaScriptOptions.names()

    def missing(self) -> str | None:
        """Say what this bridge needs and lacks, with the command to type, or return None."""
        from noodle.bridges.javascript.node import find_node

        try:
            find_node()
        except MissingToolError as error:
            return f"{error.summary}: {error.remedy}"
        return None

    def prepare(self, request: LoadRequest) -> Preparation | None:
        """Install an npm package; nothing else needs anything.

        Raises:
            MissingPackageError, VersionError, InstallationError, DeadlineExceededError,
            MissingToolError, SettingsError: As ``load``.
        """
        from noodle.bridges.javascript.node import find_node
        from noodle.bridges.javascript.options import JavaScriptOptions
        from noodle.bridges.javascript.packages import SECTION

        if request.kind != "package":
            return None
        package = _install(request, JavaScriptOptions.read(request.options), find_node())
        summary = f"{package.name} {package.version}"
        return Preparation(summary, package.directory, SECTION, package.target)

    def lock(self, request: LoadRequest) -> Preparation | None:
        """Lock what an npm package needs, installing nothing; None for what is no package.

        Raises:
            MissingPackageError, VersionError, InstallationError, DeadlineExceededError,
            MissingToolError, SettingsError: As ``load``.
        """
        from noodle.bridges.javascript.node import find_node
        from noodle.bridges.javascript.options import JavaScriptOptions
        from noodle.bridges.javascript.packages import SECTION
        from noodle.lock_file import LockFile

        if request.kind != "package":
            return None
        packages = _packages(JavaScriptOptions.read(request.options), find_node())
        lock_file = LockFile.of_directory(Path(request.directory))
        locked = packages.lock(request.location, request.requirement, lock_file)
        summary = f"locked: {locked.name} {locked.version}"
        return Preparation(summary, lock_file.path, SECTION, locked.target)

    def describe(self, request: LoadRequest, *, run: bool = False) -> StubModule | None:
        """Return what a module declares; None where that cannot be known without running it.

        Args:
            request: As of ``load``.
            run: Whether it may be installed and imported.

        Raises:
            UsageError, ForeignError: As ``load``.
        """
        from noodle.bridges.javascript.library import JavaScriptLibrary
        from noodle.bridges.javascript.node import find_node
        from noodle.bridges.javascript.options import JavaScriptOptions
        from noodle.bridges.javascript.stubs import completed, declared

        options = JavaScriptOptions.read(request.options)
        runtime = find_node()
        if not run:
            options = replace(options, install="never")
        try:
            found = _find(request, options, runtime)
        except MissingPackageError:
            if run:
                raise
            return None
        stub = None
        if request.kind != "builtin":
            kept = request.kind == "package"
            stub = declared(
                request.location,
                found.specifier,
                found.directory,
                runtime,
                options,
                program=Path(request.directory),
                kept=kept,
            )
        if not run:
            return stub
        library = self.load(request)
        assert isinstance(library, JavaScriptLibrary)
        return completed(stub, library)

    def load(self, request: LoadRequest) -> LoadedLibrary:
        """Import a module in a worker; an npm package is installed before, if need be.

        Args:
            request: The location is an npm package, the name of a built-in module, or a path.

        Raises:
            MissingPackageError: The registry has no such package.
            VersionError: The package has no version that was asked for.
            InstallationError: It cannot be downloaded or installed.
            LibraryLoadError: Importing it raised.
            DeadlockError: It is loaded within a callback for which the worker stands still, and
                importing it takes the worker's event loop.
            WorkerCrashedError: Its worker ended while it was imported.
            DeadlineExceededError: It was not installed and imported before the deadline.
            MissingToolError: Node.js or npm is not installed.
            SettingsError: An option or the lock file is not in order.
            TargetError: Prototypes were given; JavaScript functions declare themselves.
        """
        from noodle.bridges.javascript.library import JavaScriptLibrary
        from noodle.bridges.javascript.node import find_node
        from noodle.bridges.javascript.options import JavaScriptOptions
        from noodle.bridges.javascript.pools import pool_for
        from noodle.workers.modules import RemoteModule

        if request.prototypes is not None:
            raise TargetError(
                f"{request.location} is a JavaScript library, which declares its functions itself",
                expected="no prototypes",
                received="prototypes",
                remedy="leave the prototypes out",
            )
        options = JavaScriptOptions.read(request.options)
        runtime = find_node()
        found = _find(request, options, runtime)
        pool = pool_for(runtime, options)
        module = RemoteModule(pool, found.specifier, str(found.directory), request.library)
        _import(module, request)
        if options.prewarm:
            module.warm()
        return JavaScriptLibrary(
            module,
            request.library,
            _version(request, found, module),
            notes=found.notes,
            documentation=found.manifest.get("description"),
        )


def _find(request: LoadRequest, options: Any, runtime: Any) -> _Found:
    if request.kind == "builtin":
        return _Found(f"node:{request.location}", Path(request.directory).absolute(), {})
    if request.kind == "package":
        package = _install(request, options, runtime)
        return _Found(package.name, package.directory, _manifest(package.folder), package.notes)
    path = Path(request.directory, request.location).absolute()
    if request.kind == "directory":
        return _Found(str(path), path.parent, _manifest(path))
    return _Found(str(path), path.parent, {})


def _install(request: LoadRequest, options: Any, runtime: Any) -> InstalledPackage:
    from noodle.lock_file import LockFile

    lock_file = LockFile.of_directory(Path(request.directory))
    return _packages(options, runtime).install(
        request.location, request.requirement, lock_file, options.allow_scripts
    )


def _packages(options: Any, runtime: Any) -> NpmPackages:
    from noodle.bridges.javascript.packages import NpmPackages
    from noodle.build_cache import user_cache_directory
    from noodle.installation.policy import InstallPolicy

    cache = Path(options.cache_directory) if options.cache_directory else user_cache_directory()
    return NpmPackages(runtime, cache, InstallPolicy(options.install, options.offline))


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / "package.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


_REMEDIES = {
    "ERR_UNSUPPORTED_TYPESCRIPT_SYNTAX": "Node.js only strips types, and enums, namespaces and "
    "parameter properties are code: compile the file, or load it with "
    'environment={"NODE_OPTIONS": "--experimental-transform-types"}',
}
"""What to do, by Node.js's code of the error."""


def _import(module: Any, request: LoadRequest) -> None:
    """Import the module in the first worker, so that a module that fails does so now."""
    try:
        module.reference()
    except DeadlockError as error:
        raise DeadlockError(
            f"{request.location} cannot be imported now: that needs the event loop of its worker, "
            "which stands still until the callback that loads it returns",
            expected="a module that can be imported at once",
            received="one with a top-level await, or that is being imported already",
            where=request.location,
            remedy="load it before the call, or make the callback an async function",
        ) from error
    except RemoteCallError as error:
        raise LibraryLoadError(
            f"importing {request.location} failed: {error}",
            where=_place(error) or request.location,
            remedy=_REMEDIES.get(str(error.extra.get("code"))),
        ) from error
    except WorkerCrashedError as error:
        error.add_note(f"while {request.location} was imported")
        raise
    except DeadlineExceededError as error:
        raise DeadlineExceededError(
            f"{request.location} was not imported before the deadline",
            received=error.received,
            where=request.location,
            remedy="allow more time with noodle.deadline(seconds)",
        ) from error


def _place(error: RemoteCallError) -> str | None:
    """Return where a syntax error is, which may be in a file that the module imports."""
    if not isinstance(error, SyntaxError) or not error.frames:
        return None
    file, line, column, _ = error.frames[-1]
    return f"{file}:{line}:{column}" if file and line and column else None


def _version(request: LoadRequest, found: _Found, module: Any) -> str | None:
    if request.kind == "builtin":
        runtime = module.pool.worker().runtime
        return runtime.version if runtime else None
    version = found.manifest.get("version")
    return version if isinstance(version, str) else None
