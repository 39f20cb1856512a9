"""Compilers of C and C++: which there are, what tells one from others, how they are run."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from noodle.errors import CompilationError

if TYPE_CHECKING:
    from subprocess import CompletedProcess

__all__ = [
    "COMPILER_REMEDY",
    "Compiler",
    "Part",
    "find_compiler",
    "find_cplusplus_compiler",
    "find_program",
    "find_ziglang",
    "report_of",
    "run_compiler",
]

COMPILER_REMEDY = "apt install gcc, or pip install ziglang"
"""What to type where there is no compiler of C."""

_TIMEOUT = 300  # seconds; chosen: a first run of ziglang builds its own parts of libc
_TIMEOUT_OF_LIBRARIES = 1800
"""Seconds; chosen: a first run of ziglang for C++ builds that language's libraries, which takes 90
seconds of a processor, and a busy machine has less than one."""
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
    """A compiler of C or C++ that links shared libraries.

    Args:
        command: The program and its fixed arguments.
        name: Its name in messages and notes.
        identity: What changes when the compiler is replaced by another or a newer one.
        variable: The environment variable that names it; ``""`` for none.
    """

    command: tuple[str, ...]
    name: str
    identity: str
    variable: str = ""

    @property
    def is_zig(self) -> bool:
        """Whether it is ziglang's."""
        return self.name == "ziglang"

    @property
    def seconds(self) -> float:
        """How long one run may take."""
        builds_libraries = self.is_zig and "c++" in self.command
        return _TIMEOUT_OF_LIBRARIES if builds_libraries else _TIMEOUT

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
        if not (directory / output).is_file():
            raise self._no_compiler("a program that wrote no library")

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
        command = [*self.command, *arguments]
        if self.variable and find_program(command[0], os.environ.get("PATH", os.defpath)) is None:
            raise self._no_compiler("no such program")
        result = run_compiler(
            f"the compiler {self.name}",
            command,
            directory,
            _environment(private),
            seconds=self.seconds,
        )
        if result.returncode:
            raise CompilationError(
                f"{self.name} did not compile {source}",
                expected="a source without errors",
                received=report_of(result.stderr, private),
                where=source,
            )
        if "-E" in arguments and "-P" not in arguments and not result.stdout:
            raise self._no_compiler("a program that wrote nothing")
        return result.stdout

    def _no_compiler(self, received: str) -> CompilationError:
        language = "C++" if self.variable == "CXX" else "C"
        told = f"{self.variable} names" if self.variable else "found"
        program = {"C": "gcc", "C++": "g++"}[language]
        return CompilationError(
            f"{told} {self.command[0]!r}, which is no {language} compiler",
            expected=f"a {language} compiler: its name or path",
            received=received,
            where=f"the environment variable {self.variable or 'PATH'}",
            remedy=f"unset {self.variable}, or {self.variable}={program}"
            if self.variable
            else COMPILER_REMEDY,
        )

    def include_paths(self, flags: Sequence[str], private: Path) -> list[str]:
        """Return the folders in which ``#include <…>`` looks for headers, in order.

        Args:
            flags: Further flags.
            private: A folder for the compiler's scratch files.
        """
        command = [*self.command, "-E", "-v", "-x", "c", *flags, os.devnull]
        name, environment = f"the compiler {self.name}", _environment(private)
        report = run_compiler(name, command, private, environment).stderr.decode("utf-8", "replace")
        _, _, listed = report.partition("#include <...> search starts here:\n")
        return [line.strip() for line in listed.partition("\nEnd of")[0].splitlines()]


def run_compiler(
    name: str,
    command: Sequence[str],
    directory: Path,
    environment: Mapping[str, str],
    *,
    seconds: float = _TIMEOUT,
) -> CompletedProcess[bytes]:
    """Run a compiler of any language in a child process, to its end.

    Args:
        name: Its name in messages.
        command: The program and its arguments.
        directory: The child's working directory.
        environment: All of the child's environment variables.
        seconds: How long it may take.

    Raises:
        CompilationError: It did not run, or not to its end in time.
    """
    import subprocess

    try:
        return subprocess.run(
            command,
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = error.strerror if isinstance(error, OSError) else f"no end after {seconds:g} s"
        raise CompilationError(f"{name} did not run: {reason}") from error


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


def report_of(stderr: bytes, private: Path) -> str:
    """Return a compiler's diagnostics as a message has them.

    Args:
        stderr: What it printed.
        private: The folder of its scratch files, which is not shown.
    """
    text = stderr.decode("utf-8", "replace").strip().replace(f"{private}{os.sep}", "")
    return "\n" + (text if len(text) <= _LONGEST_REPORT else text[:_LONGEST_REPORT] + "\n…")


def find_compiler(environment: Mapping[str, str] = os.environ) -> Compiler | None:
    """Return ``$CC``, else the first of ``cc``, ``gcc``, ``clang`` and ziglang, or None.

    Where ``CC`` names no program, what is returned says so when it is to compile.

    Args:
        environment: Where ``CC`` and ``PATH`` are looked up.
    """
    return _first(environment, "CC", ("cc", "gcc", "clang")) or find_ziglang()


def find_cplusplus_compiler(environment: Mapping[str, str] = os.environ) -> Compiler | None:
    """Return ``$CXX``, else the first of ``c++``, ``g++``, ``clang++`` and ziglang, or None.

    Where ``CXX`` names no program, what is returned says so when it is to compile.

    Args:
        environment: Where ``CXX`` and ``PATH`` are looked up.
    """
    return _first(environment, "CXX", ("c++", "g++", "clang++")) or find_ziglang("c++")


def _first(environment: Mapping[str, str], variable: str, names: Sequence[str]) -> Compiler | None:
    search_path = environment.get("PATH", os.defpath)
    words = _words(environment.get(variable, ""))
    if words:
        program = find_program(words[0], search_path)
        if program is None:
            return Compiler(tuple(words), words[0], f"no program {words[0]}", variable)
        return _compiler((str(program), *words[1:]), program.name, program, variable)
    found = next(filter(None, (find_program(name, search_path) for name in names)), None)
    return _compiler((str(found),), found.name, found) if found else None


def _words(command: str) -> list[str]:
    if not set(command) & set("'\"\\"):
        return command.split()
    import shlex

    try:
        return shlex.split(command)
    except ValueError:  # a quotation that does not end: no program of that name will be found
        return [command]


def find_program(name: str, search_path: str) -> Path | None:
    """Return the program of that name on a search path, or None.

    Args:
        name: Its name or path.
        search_path: Folders, as in ``$PATH``.
    """
    # What shutil.which does; importing shutil would cost a third of a warm load.
    folders = [""] if "/" in name else search_path.split(os.pathsep)
    for candidate in (Path(folder, name).absolute() for folder in folders):
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None


@cache
def find_ziglang(language: str = "cc") -> Compiler | None:
    """Return the compiler of the package ``ziglang``, or None when it is not installed.

    Args:
        language: ``cc`` or ``c++``.
    """
    import importlib.util

    found = importlib.util.find_spec("ziglang")
    if found is None or found.origin is None:
        return None
    program = Path(found.origin).parent / "zig"
    # Run directly: `python -m ziglang` would import modules from the folder of the user's source.
    found_one = os.path.isfile(program)
    return _compiler((str(program), language), "ziglang", program) if found_one else None


def _compiler(command: tuple[str, ...], name: str, program: Path, variable: str = "") -> Compiler:
    # Size and time tell a replaced compiler from the old one without running it.
    real = program.resolve()
    facts = real.stat()
    identity = f"{' '.join(command)} {real} {facts.st_size} {facts.st_mtime_ns}"
    return Compiler(command, name, identity, variable)
