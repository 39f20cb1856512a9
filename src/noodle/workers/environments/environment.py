"""An environment: a complete virtual environment that nothing is written into any more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from noodle.distribution_names import DISTRIBUTION_NAMES, normalized_name
from noodle.installation.store import StoredPackages
from noodle.workers.environments.requirements import Requirements

__all__ = ["Environment"]

_SHOWN_PACKAGES = 3  # chosen: what fits a line


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment with locked packages.

    It is kept from being removed until this process ends.

    Args:
        key: What it is called in the cache.
        title: What it was asked for as, in the lock file and in messages.
        interpreter: The absolute path of its Python.
        version: The version of that Python, such as ``3.9.18``.
        packages: The version of each distribution, by its normalised name.
        modules: The normalised name of the distribution of each top-level module.
        wanted: The names of the distributions that were asked for, in that order.
        notes: What ``explain`` should tell beside the description.
    """

    key: str
    title: str
    interpreter: Path
    version: str
    packages: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    wanted: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @classmethod
    def of(
        cls, stored: StoredPackages, requirements: Requirements, notes: tuple[str, ...] = ()
    ) -> Environment:
        """Return an installation as an environment.

        Args:
            stored: The installation.
            requirements: What was asked for.
            notes: What ``explain`` should tell.
        """
        facts: Mapping[str, Any] = stored.facts
        return cls(
            stored.key,
            requirements.title,
            stored.directory / "bin" / "python",
            facts["python"],
            dict(package.split("==", 1) for package in facts["packages"]),
            facts["modules"],
            requirements.names,
            notes,
        )

    @property
    def description(self) -> str:
        """One line for ``explain``: Python, the packages asked for, how many more, the key."""
        named = [f"{name} {self.packages[name]}" for name in self.wanted if name in self.packages]
        named = named[:_SHOWN_PACKAGES]
        others = len(self.packages) - len(named)
        if others:
            named.append("1 more package" if others == 1 else f"{others} more packages")
        contents = f" with {', '.join(named)}" if named else " without packages"
        return f"environment {self.key[:8]}: Python {self.version}{contents}"

    def import_name(self, location: str) -> str:
        """Return the import name for what may be a distribution's name.

        Args:
            location: An import name (``scipy.linalg``) or a distribution's name
                (``scikit-learn``).
        """
        parts = location.split(".")
        if all(part.isidentifier() for part in parts) and parts[0] in self.modules:
            return location
        name = normalized_name(location)
        for module, distribution in DISTRIBUTION_NAMES.items():
            if normalized_name(distribution) == name:
                return module
        modules = [module for module, owner in self.modules.items() if owner == name]
        usual = name.replace("-", "_")
        if usual in modules or not modules:
            return location if not modules else usual
        return min(modules, key=lambda module: (module.startswith("_"), len(module), module))

    def how_to_add(self, package: str) -> str:
        """Return what to type so that it has a further package."""
        return f'dependencies=["{DISTRIBUTION_NAMES.get(package, package)}"]'
