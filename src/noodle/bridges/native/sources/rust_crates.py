"""Rust crates, built by cargo without the network."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from noodle.bridges.native.sources.builds import Language, Source
from noodle.bridges.native.sources.guarding_rustc import CRATE, SHOWN
from noodle.bridges.native.sources.interfaces import Interface
from noodle.bridges.native.sources.rust_compilers import RUST_LEVELS, RustTool
from noodle.bridges.native.sources.rust_guards import is_guarded
from noodle.bridges.native.sources.rust_interfaces import rust_interface
from noodle.bridges.native.sources.rust_signatures import read_rust
from noodle.bridges.native.sources.rust_sources import unguarded_notes
from noodle.build_cache import digest
from noodle.errors import CompilationError, MissingPackageError, NoodleError

__all__ = ["CrateLanguage", "is_crate", "version_of_crate"]

_MANIFEST = "Cargo.toml"
_BESIDE = (
    *(_MANIFEST, "Cargo.lock", "build.rs", "rust-toolchain", "rust-toolchain.toml"),
    *(".cargo/config.toml", ".cargo/config"),
)
"""Files of a crate that count, whether they are there or not."""

_OFFLINE = re.compile(rb"--offline|offline mode|failed to download|no matching package|vendor")


def is_crate(path: Path) -> bool:
    """Return whether a folder is a Rust crate."""
    return os.path.isfile(path / _MANIFEST)


def version_of_crate(path: Path) -> str | None:
    """Return the version that the manifest of a crate states, or None.

    Args:
        path: The folder of the crate, or any other source.
    """
    import tomllib

    try:
        package = tomllib.loads((path / _MANIFEST).read_text("utf-8")).get("package", {})
    except (OSError, ValueError):
        return None
    version = package.get("version") if isinstance(package, dict) else None
    return version if isinstance(version, str) else None  # a table where the workspace states it


class CrateLanguage(Language):
    """Rust crates.

    Args:
        cargo: What builds them.
        optimization: The compiler level, such as ``O2``; None leaves it to the crate.
        kept: A folder for what cargo keeps from one build to the next.
    """

    def __init__(self, cargo: RustTool, optimization: str | None, kept: Path) -> None:
        self._cargo = cargo
        self._level = RUST_LEVELS[optimization] if optimization else None
        self._kept = kept
        self._artifact = Path()
        self._root: Path | None = None
        self._started = 0

    @property
    def identity(self) -> str:
        """The toolchain's, with the level."""
        return f"{self._cargo.identity} {self._level} {os.environ.get('RUSTFLAGS', '')}"

    def files(self, source: Source, private: Path) -> Sequence[str]:
        """Build the crate; return its sources, those of crates beside it, and what cargo reads."""
        self._started = time.time_ns()
        done = self._cargo.run(
            self._arguments(source),
            source.location,
            private,
            source.path,  # where cargo looks for its configuration
            self._variables(source),
        )
        if done.returncode:
            raise self._refused(source, done.stderr, private)
        self._read_messages(source, done.stdout)
        return list(dict.fromkeys(self._found(source)))

    def compile(self, source: Source, output: Path) -> None:
        """Copy the library that was built."""
        shutil.copyfile(self._artifact, output)
        files = [file for file in self._found(source) if not file.endswith("Cargo.lock")]
        times = (_changed_at(source.directory / file) for file in files)  # cargo makes the lock
        if any(moment > self._started for moment in times):
            raise CompilationError(
                f"{source.location!r} changed while it was compiled",
                where=source.location,
                remedy="load it again",
            )

    def interface(self, source: Source, private: Path, exports: Mapping[str, bool]) -> Interface:
        """Return what the signatures of exported functions say."""
        assert self._root is not None
        program = read_rust(self._root)
        folder = os.path.relpath(self._root.parent, source.path.resolve())
        return rust_interface(
            program,
            exports,
            is_guarded(program, exports),
            lambda f: (
                f"{os.path.normpath(os.path.join(source.location, folder, f.file.name))}"
                f":{f.file.line(f.start)}"
            ),
        )

    def notes(self, source: Source, exports: Collection[str]) -> Sequence[str]:
        """Return how it was built, and what panics do."""
        level = f", opt-level {self._level}" if self._level else ""
        built = f"built from {source.location} with {self._cargo.name} --release{level}"
        assert self._root is not None
        return [built, *unguarded_notes(read_rust(self._root), exports)]

    # ------------------------------------------------------------------------------ cargo

    def _arguments(self, source: Source) -> list[str]:
        locked = ["--locked"] if (source.path / "Cargo.lock").is_file() else []
        target = self._kept / digest(str(source.path.resolve()), self.identity)
        return [
            *("rustc", "--quiet", "--lib", "--crate-type", "cdylib", "--release", "--offline"),
            *locked,
            *("--manifest-path", _MANIFEST),
            *("--target-dir", str(target), "--message-format=json-render-diagnostics"),
            *("--", "-C", "link-arg=-Wl,--build-id=sha1"),
        ]

    def _variables(self, source: Source) -> dict[str, str]:
        level = {"CARGO_PROFILE_RELEASE_OPT_LEVEL": self._level} if self._level else {}
        crate = {CRATE: str(source.path.resolve()), SHOWN: source.location}
        return level | crate | {"RUSTC_WORKSPACE_WRAPPER": str(self._wrapper())}

    def _wrapper(self) -> Path:
        """Return the program that puts guards around functions; its path counts for cargo."""
        packages = Path(__file__).parents[4]
        started = f"import sys; sys.path.insert(0, {str(packages)!r}); "
        started += "from noodle.bridges.native.sources import guarding_rustc as g; "
        started += "g.main(sys.argv[1:])"
        command = shlex.join([sys.executable, "-I", "-c", started])
        text = f'#!/bin/sh\nexec {command} "$@"\n'
        place = self._kept / f"rustc-{digest(text)}"
        if not place.exists():
            self._kept.mkdir(mode=0o700, parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=self._kept, delete=False) as file:
                file.write(text)
            os.chmod(file.name, 0o700)
            os.rename(file.name, place)
        return place

    def _read_messages(self, source: Source, output: bytes) -> None:
        manifest = (source.path / _MANIFEST).resolve()
        for line in output.splitlines():
            message = _message(line)
            if message.get("reason") != "compiler-artifact":
                continue
            libraries = [name for name in message["filenames"] if name.endswith(".so")]
            if libraries and Path(message["manifest_path"]).resolve() == manifest:
                self._artifact = Path(libraries[0])
                self._root = Path(message["target"]["src_path"])
                return
        raise CompilationError(
            f"{self._cargo.name} built no shared library of {source.location}",
            expected="a crate with a library, src/lib.rs",
            where=source.location,
        )

    def _found(self, source: Source) -> Iterator[str]:
        yield from (os.path.join(source.location, name) for name in _BESIDE)
        listed = self._artifact.with_suffix(".d").read_text("utf-8").partition(": ")[2]
        own = source.path.resolve()
        folders = dict.fromkeys([own.parent, *own.parent.parents])
        for written in re.findall(r"(?:\\.|[^\s\\])+", listed):
            file = Path(re.sub(r"\\(.)", r"\1", written))
            yield str(file)
            if not file.is_relative_to(own):
                folders |= dict.fromkeys(file.parents)
        for folder in folders:
            if is_crate(folder):
                yield from (str(folder / name) for name in _BESIDE[:2])

    def _refused(self, source: Source, stderr: bytes, private: Path) -> NoodleError:
        refused = self._cargo.refused(stderr, source.location, private)
        manifest = os.path.join(source.location, _MANIFEST)
        if b"lock file" in stderr and b"--locked" in stderr:
            refused.remedy = f"cargo generate-lockfile --manifest-path {manifest}"
        elif _OFFLINE.search(stderr):
            return MissingPackageError(
                f"dependencies of {source.location!r} are not on this machine",
                expected="crates that were fetched or vendored: nothing is downloaded here",
                received=refused.received,
                where=manifest,
                remedy=f"cargo fetch --manifest-path {manifest}",
            )
        return refused


def _message(line: bytes) -> dict[str, Any]:
    try:
        message = json.loads(line)
    except ValueError:
        return {}
    return message if isinstance(message, dict) else {}


def _changed_at(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
