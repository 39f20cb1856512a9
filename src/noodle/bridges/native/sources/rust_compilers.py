"""rustc and cargo: where they are, what tells one from another, how they are run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess

from noodle.bridges.native.compilers import find_program, report_of, run_compiler
from noodle.errors import CompilationError, MissingToolError

__all__ = ["RUST_LEVELS", "RustTool", "find_rust_tool"]

RUST_LEVELS = {"O0": "0", "O1": "1", "O2": "2", "O3": "3", "Os": "s"}
"""What rustc calls the compiler levels."""

_TIMEOUT = 1800  # seconds; chosen: a crate may have hundreds of dependencies
_REMEDY = "apt install {}, or see https://rustup.rs"


@dataclass(frozen=True, slots=True)
class RustTool:
    """A program of the Rust toolchain.

    Args:
        name: ``rustc`` or ``cargo``.
        path: Where it is.
        identity: What changes when the toolchain is replaced by another or a newer one.
    """

    name: str
    path: Path
    identity: str

    def run(
        self,
        arguments: Sequence[str],
        source: str,
        private: Path,
        directory: Path,
        variables: Mapping[str, str] | None = None,
    ) -> CompletedProcess[bytes]:
        """Run the program in a child process.

        Args:
            arguments: Its arguments.
            source: The source to name in an error.
            private: A folder for scratch files.
            directory: The child's working directory.
            variables: Further environment variables.

        Raises:
            CompilationError: It did not run.
            MissingToolError: It needs a linker, and there is none.
        """
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "CARGO_TERM_COLOR": "never"}
        environment |= {"TMPDIR": str(private), **(variables or {})}
        command = [str(self.path), *arguments]
        done = run_compiler(self.name, command, directory, environment, seconds=_TIMEOUT)
        if done.returncode and b"linker `cc` not found" in done.stderr:
            raise MissingToolError(
                f"{self.name} needs a C compiler to link {source}",
                expected="cc",
                where=source,
                remedy="apt install gcc",
            )
        return done

    def version(self, private: Path, directory: Path) -> str:
        """Return its name and version, as in ``rustc 1.85.0``."""
        done = self.run(["--version"], self.name, private, directory)
        words = done.stdout.decode("utf-8", "replace").split()
        return " ".join(words[:2]) or self.name

    def refused(self, stderr: bytes, source: str, private: Path) -> CompilationError:
        """Return the error for a source that it rejected.

        Args:
            stderr: What it printed.
            source: The source, as the user wrote it.
            private: The folder of its scratch files, which is not shown.
        """
        return CompilationError(
            f"{self.name} did not compile {source}",
            expected="a source without errors",
            received=report_of(stderr, private),
            where=source,
        )


def find_rust_tool(
    name: str, location: str, environment: Mapping[str, str] = os.environ
) -> RustTool:
    """Return rustc or cargo: of ``$RUSTC`` or ``$CARGO``, else on the path, else rustup's.

    Args:
        name: ``rustc`` or ``cargo``.
        location: The source that needs it.
        environment: Where variables are looked up.

    Raises:
        MissingToolError: There is none.
    """
    stated = environment.get(name.upper(), "")
    home = environment.get("CARGO_HOME") or os.path.join(environment.get("HOME", ""), ".cargo")
    search_path = os.pathsep.join([environment.get("PATH", os.defpath), os.path.join(home, "bin")])
    path = find_program(stated or name, search_path)
    if path is None:
        raise MissingToolError(
            f"{name} is needed for {location!r}",
            expected=stated or name,
            received="no such program",
            where=location,
            remedy=_REMEDY.format("cargo" if name == "cargo" else "rustc"),
        )
    return RustTool(name, path, _identity(path, environment))


def _identity(path: Path, environment: Mapping[str, str]) -> str:
    """Return what tells a toolchain from another without running it; rustup's have one program."""
    rustup = environment.get("RUSTUP_HOME") or os.path.join(environment.get("HOME", ""), ".rustup")
    settings = Path(rustup, "settings.toml")
    hashes = sorted(Path(rustup, "update-hashes").glob("*"))
    stamps = [_stamp(place) for place in (path.resolve(), settings, *hashes)]
    return " ".join([str(path), environment.get("RUSTUP_TOOLCHAIN", ""), *stamps])


def _stamp(path: Path) -> str:
    try:
        facts = path.stat()
    except OSError:
        return ""
    return f"{path.name}:{facts.st_size}:{facts.st_mtime_ns}"
