"""What is installed in an environment: distributions, and the modules that each one brings."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from noodle.distribution_names import normalized_name

__all__ = ["installed_modules", "installed_versions", "site_packages"]

_INFORMATION = re.compile(r"(?P<name>.+)-(?P<version>[^-]+)\.dist-info")
_EXTENSION = re.compile(r"\.(?:cpython-\w+(?:-[\w-]+)?|abi3)?\.?so|\.py")


def site_packages(environment: Path) -> Path:
    """Return the folder of an environment in which packages lie."""
    return next((environment / "lib").glob("python3*/site-packages"))


def installed_versions(environment: Path) -> dict[str, str]:
    """Return the version of each installed distribution, by its normalised name.

    Args:
        environment: The environment's folder.
    """
    return {name: version for name, version, _ in _distributions(environment)}


def installed_modules(environment: Path) -> dict[str, str]:
    """Return the normalised name of the distribution of each top-level module.

    Args:
        environment: The environment's folder.
    """
    return {
        module: name
        for name, _, folder in sorted(_distributions(environment))
        for module in sorted(_top_level(folder))
    }


def _distributions(environment: Path) -> Iterator[tuple[str, str, Path]]:
    for folder in site_packages(environment).glob("*.dist-info"):
        match = _INFORMATION.fullmatch(folder.name)
        if match:
            yield normalized_name(match["name"]), match["version"], folder


def _top_level(information: Path) -> Iterator[str]:
    """Yield the top-level modules of a distribution, from the list of its files (PEP 376)."""
    with (information / "RECORD").open(encoding="utf-8", newline="") as file:
        for row in csv.reader(file):
            path = row[0] if row else ""
            top, _, below = path.partition("/")
            name = top if below else _EXTENSION.sub("", top) if _EXTENSION.search(top) else ""
            if name.isidentifier() and (below or name != top) and _is_code(path):
                yield name


def _is_code(path: str) -> bool:
    return path.endswith((".py", ".so"))
