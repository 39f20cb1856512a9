"""What cargo runs instead of rustc: the same, with guards around the functions of one crate.

Arguments and output are rustc's own. The crate is told by the environment; whatever else cargo
compiles, and a crate that does not compile with guards, goes to rustc as it is.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from noodle.bridges.native.sources.rust_guards import attempts, write_guarded
from noodle.bridges.native.sources.rust_signatures import read_rust

__all__ = ["CRATE", "SHOWN", "main"]

CRATE = "GUARDED_CRATE"
"""The variable with the folder of the crate."""

SHOWN = "GUARDED_CRATE_SHOWN"
"""The variable with the folder as messages should have it."""


def main(arguments: Sequence[str]) -> None:
    """Compile what cargo wants compiled, and end the process.

    Args:
        arguments: rustc and its arguments.
    """
    root = _root(arguments)
    if root is not None and _compiled_with_guards(arguments, root):
        sys.exit(0)
    os.execvp(arguments[0], list(arguments))


def _root(arguments: Sequence[str]) -> Path | None:
    """Return the root file, where it is a shared library of the crate that gets guards."""
    crate = os.environ.get(CRATE)
    files = [argument for argument in arguments[1:] if argument.endswith(".rs")]
    if not crate or len(files) != 1 or "cdylib" not in arguments:
        return None
    root = Path(files[0]).resolve()
    return root if root.is_relative_to(crate) else None


def _compiled_with_guards(arguments: Sequence[str], root: Path) -> bool:
    program = read_rust(root)
    told = [*_values(arguments, "--edition"), "2015"]
    aborts = "panic=abort" in arguments
    for attempt in attempts(program):
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place).resolve()
            if not write_guarded(
                program, root.parent, folder, attempt, edition=told[0], aborts=aborts
            ):
                return False
            if _run(arguments, root, folder):
                return True
    return False


def _run(arguments: Sequence[str], root: Path, folder: Path) -> bool:
    crate, shown = Path(os.environ[CRATE]), os.environ[SHOWN]
    told = os.path.normpath(os.path.join(shown, root.parent.relative_to(crate)))
    changed = [str(folder / root.name) if a.endswith(".rs") else a for a in arguments]
    changed += [f"--remap-path-prefix={folder}={told}", "--cap-lints=allow"]
    done = subprocess.run(changed, capture_output=True, check=False)
    if done.returncode:
        return False
    _correct_dependencies(arguments, root, folder)
    sys.stderr.buffer.write(done.stderr)
    sys.stdout.buffer.write(done.stdout)
    return True


def _correct_dependencies(arguments: Sequence[str], root: Path, folder: Path) -> None:
    """Name the crate's own files in what cargo reads to know when it must compile again."""
    name = [*_values(arguments, "--crate-name"), ""][0]
    extra = [
        v.partition("=")[2] for v in _values(arguments, "-C") if v.startswith("extra-filename")
    ]
    for directory in _values(arguments, "--out-dir"):
        listed = Path(directory, f"{name}{''.join(extra)}.d")
        guard = str(folder / "noodle_guard.rs")
        lines = [
            line.replace(f" {guard}", "").replace(f"{folder}{os.sep}", f"{root.parent}{os.sep}")
            for line in listed.read_text("utf-8").splitlines()
            if not line.startswith(guard)
        ]
        listed.write_text("\n".join([*lines, ""]), "utf-8")


def _values(arguments: Sequence[str], option: str) -> list[str]:
    """Return the values of an option that is written ``--option=value`` or ``--option value``."""
    found = [a.partition("=")[2] for a in arguments if a.startswith(f"{option}=")]
    return found + [value for name, value in pairwise(arguments) if name == option]
