"""Modules: found by the name of a module, a distribution or a file, and imported."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
from types import ModuleType
from typing import Any

__all__ = ["distribution_of", "is_submodule", "load"]


def load(specifier: str, directory: str) -> ModuleType:
    """Import a module by its name or its distribution's, or run a file as one.

    Args:
        specifier: A name, or a path, which contains a slash.
        directory: Where a relative path starts.
    """
    if "/" not in specifier:
        return importlib.import_module(import_name(specifier))
    return run_file(os.path.join(directory, specifier))


def import_name(name: str) -> str:
    """Return the name of a module for what may be that of a distribution (``scikit-learn``)."""
    if all(part.isidentifier() for part in name.split(".")) and exists(name.partition(".")[0]):
        return name
    from importlib import metadata

    try:
        files = metadata.distribution(name).read_text("top_level.txt") or ""
    except (metadata.PackageNotFoundError, ValueError):
        return name
    candidates = [*files.split(), name.replace("-", "_")]
    return next((c for c in candidates if not c.startswith("_") and exists(c)), name)


def exists(name: str) -> bool:
    """Return whether there is a module of that name."""
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def is_submodule(module: ModuleType, name: str) -> bool:
    """Return whether a package has a module of that name, imported or not."""
    if name.startswith("_") or not hasattr(module, "__path__"):
        return False
    return exists(f"{module.__name__}.{name}")


def run_file(path: str) -> ModuleType:
    """Run a ``.py`` file, or a directory with ``__init__.py``, as a module, once."""
    path = os.path.abspath(path)
    with _locks.setdefault(path, threading.RLock()):
        name = module_name(path)
        return sys.modules[name] if name in sys.modules else _run(name, path)


_locks: dict[str, Any] = {}
"""By path: a file that one thread runs is awaited by others."""


def _run(name: str, path: str) -> ModuleType:
    is_package = os.path.isdir(path)
    file = os.path.join(path, "__init__.py") if is_package else path
    spec = importlib.util.spec_from_file_location(
        name, file, submodule_search_locations=[path] if is_package else None
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"no Python file: {path}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def module_name(path: str) -> str:
    """Return the stem of a file, made unique where it would hide another module."""
    name = os.path.splitext(os.path.basename(path))[0]
    if name not in sys.modules and not exists(name):
        return name
    if getattr(sys.modules.get(name), "__file__", None) in (
        path,
        os.path.join(path, "__init__.py"),
    ):
        return name
    import hashlib

    return f"{name}_{hashlib.blake2b(os.fsencode(path), digest_size=4).hexdigest()}"


def distribution_of(module: str) -> tuple[str | None, str | None]:
    """Return name and version of the distribution that a module belongs to, or None for each."""
    from importlib import metadata

    top = module.partition(".")[0]
    for candidate in (top, top.replace("_", "-")):
        try:
            return candidate, metadata.version(candidate)
        except (metadata.PackageNotFoundError, ValueError):
            continue
    for distribution in metadata.distributions():
        if top in (distribution.read_text("top_level.txt") or "").split():
            return distribution.metadata["Name"], distribution.version
    return None, None
