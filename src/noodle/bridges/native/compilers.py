"""The C compiler: which one there is, what tells it from others, and how it is run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from noodle.errors import CompilationError

__all__ = ["COMPILER_REMEDY", "Compiler", "Part", "find_compiler"]

COMPILER_REMEDY = "apt install gcc, or pip install ziglang"
"""What to type where there is no compiler."""

_TIMEOUT = 300  # seconds; chosen: a first run of ziglang builds its own parts of libc
_LONGEST_REPORT = 8000  # characters of a compiler's diagnostics that a message keeps


@dataclass(frozen=True, slots=True)
class Part:
    """A C file that is compiled into a library together with others.

    Args:
        source: The file, relative to the compiler's directory.
        flags: Its own flags.
    """

    source: str
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compiler:
    """A C compiler that links shared libraries.

    Args:
        command: The program and its fixed arguments.
        name: Its name in messages and notes.
        identity: What changes when the compiler is replaced by another or a newer one.
    """

    command: tuple[str, ...]
    name: str
    identity: str

    @property
    def is_zig(self) -> bool:
        """Whether it is ziglang's."""
        return self.name == "ziglang"

    def shared_library(
        self,
        sources: Sequence[str],
        output: Path,
        *,
        directory: Path,
        flags: Sequence[str] = (),
        libraries: Sequence[str] = (),
    ) -> None:
        """Compile and link C files to a shared library, in a child process.

        Args:
            sources: The files, as they should appear in diagnostics.
            output: The file to write.
            directory: The child's working directory, against which ``sources`` are resolved.
            flags: Further flags for the compiler.
            libraries: Flags of libraries to link, after the sources.

        Raises:
            CompilationError: The compiler rejected the sources; its diagnostics are in the message.
        """
        own = ["-fno-sanitize=undefined"] if self.is_zig else []
        linking = ["-shared", "-fPIC", "-Wl,--build-id=sha1", "-o", str(output)]
        arguments = [*flags, *own, *linking, *sources, *libraries]
        self.run(arguments, sources[0], output.parent, directory)

    def shared_library_of_parts(
        self, parts: Sequence[Part], output: Path, *, directory: Path
    ) -> None:
        """Compile C files side by side, each with its own flags, and link them.

        Args:
            parts: The files.
            output: The file to write.
            directory: The child's working directory; object files are written there.

        Raises:
            CompilationError: The compiler rejected a file; its diagnostics are in the message.
        """
        from concurrent.futures import ThreadPoolExecutor

        own = ["-fno-sanitize=undefined"] if self.is_zig else []

        def compile_part(part: Part) -> str:
            made = f"{part.source}.o"
            arguments = [*part.flags, *own, "-fPIC", "-c", part.source, "-o", made]
            self.run(arguments, part.source, output.parent, directory)
            return made

        if len(parts) == 1:
            flags = parts[0].flags
            return self.shared_library([parts[0].source], output, directory=directory, flags=flags)
        with ThreadPoolExecutor(len(parts)) as pool:
            objects = list(pool.map(compile_part, parts))
        self.shared_library(objects, output, directory=directory)
        return None

    def run(self, arguments: Sequence[str], source: str, private: Path, directory: Path) -> bytes:
        """Run the compiler in a child process and return its output.

        Args:
            arguments: The arguments after the fixed ones.
            source: The file to name in an error.
            private: A folder for the compiler's scratch files.
            directory: The child's working directory.

        Raises:
            CompilationError: It did not run, or reported errors; they are in the message.
        """
        import subprocess

        try:
            result = subprocess.run(
                [*self.command, *arguments],
                cwd=directory,
                env=_environment(private),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            reason = error.strerror if isinstance(error, OSError) else f"no end after {_TIMEOUT} s"
            raise CompilationError(f"the compiler {self.name} did not run: {reason}") from error
        if result.returncode:
            raise CompilationError(
                f"{self.name} did not compile {source}",
                expected="a source without errors",
                received=_report(result.stderr, private),
                where=source,
            )
        return result.stdout


def _environment(private: Path) -> dict[str, str]:
    # Diagnostics in English and without colours; scratch files and ziglang's cache out of the way.
    return {
        **os.environ,
        "LC_ALL": "C.UTF-8",
        "NO_COLOR": "1",
        "TMPDIR": str(private),
        "ZIG_GLOBAL_CACHE_DIR": os.environ.get("ZIG_GLOBAL_CACHE_DIR", str(private.parent / "zig")),
        "ZIG_LOCAL_CACHE_DIR": str(private / "zig"),
    }


def _report(stderr: bytes, private: Path) -> str:
    text = stderr.decode("utf-8", "replace").strip().replace(f"{private}{os.sep}", "")
    return "\n" + (text if len(text) <= _LONGEST_REPORT else text[:_LONGEST_REPORT] + "\n…")


def find_compiler(environment: Mapping[str, str] = os.environ) -> Compiler | None:
    """Return the first of ``$CC``, ``cc``, ``gcc``, ``clang`` and ziglang that there is, or None.

    Args:
        environment: Where ``CC`` and ``PATH`` are looked up.
    """
    for words in filter(None, [_words(environment.get("CC", "")), ["cc"], ["gcc"], ["clang"]]):
        program = _program(words[0], environment.get("PATH", os.defpath))
        if program:
            return _compiler((str(program), *words[1:]), program.name, program)
    return find_ziglang()


def _words(command: str) -> list[str]:
    if not set(command) & set("'\"\\"):
        return command.split()
    import shlex

    return shlex.split(command)


def _program(name: str, search_path: str) -> Path | None:
    # What shutil.which does; importing shutil would cost a third of a warm load.
    folders = [""] if "/" in name else search_path.split(os.pathsep)
    for candidate in (Path(folder, name).absolute() for folder in folders):
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None


@cache
def find_ziglang() -> Compiler | None:
    """Return the compiler of the package ``ziglang``, or None when it is not installed."""
    import importlib.util

    found = importlib.util.find_spec("ziglang")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "zig"
    # Run directly: `python -m ziglang` would import modules from the folder of the user's source.
    return _compiler((str(program), "cc"), "ziglang", program) if os.path.isfile(program) else None


def _compiler(command: tuple[str, ...], name: str, program: Path) -> Compiler:
    # Size and time tell a replaced compiler from the old one without running it.
    real = program.resolve()
    facts = real.stat()
    return Compiler(
        command, name, f"{' '.join(command)} {real} {facts.st_size} {facts.st_mtime_ns}"
    )
