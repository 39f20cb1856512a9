"""Which Debian package has a library, and which library a package of any distribution has."""

from __future__ import annotations

import re

__all__ = ["install_command", "libraries_of", "library_stem", "package_for"]

_PACKAGES = {
    "avcodec": "libavcodec-dev",
    "blas": "libopenblas-dev",
    "blosc": "libblosc-dev",
    "bz2": "libbz2-dev",
    "cairo": "libcairo2-dev",
    "cblas": "libopenblas-dev",
    "crypto": "libssl-dev",
    "curl": "libcurl4-openssl-dev",
    "expat": "libexpat1-dev",
    "ffi": "libffi-dev",
    "fftw3": "libfftw3-dev",
    "freetype": "libfreetype-dev",
    "gmp": "libgmp-dev",
    "gsl": "libgsl-dev",
    "hdf5": "libhdf5-dev",
    "jpeg": "libjpeg-dev",
    "lapack": "liblapack-dev",
    "lz4": "liblz4-dev",
    "lzma": "liblzma-dev",
    "mpfr": "libmpfr-dev",
    "ncurses": "libncurses-dev",
    "openblas": "libopenblas-dev",
    "openssl": "libssl-dev",
    "pcre2-8": "libpcre2-dev",
    "png": "libpng-dev",
    "png16": "libpng-dev",
    "pq": "libpq-dev",
    "readline": "libreadline-dev",
    "sodium": "libsodium-dev",
    "sqlite": "libsqlite3-dev",
    "sqlite3": "libsqlite3-dev",
    "ssl": "libssl-dev",
    "tiff": "libtiff-dev",
    "usb-1.0": "libusb-1.0-0-dev",
    "uv": "libuv1-dev",
    "webp": "libwebp-dev",
    "xml2": "libxml2-dev",
    "yaml": "libyaml-dev",
    "z": "zlib1g-dev",
    "zlib": "zlib1g-dev",
    "zmq": "libzmq3-dev",
    "zstd": "libzstd-dev",
}
"""The Debian package of each known library."""

_OTHER_NAMES = {
    "atlas": "blas",
    "bzip2": "bz2",
    "ffmpeg": "avcodec",
    "fftw": "fftw3",
    "jpeg-turbo": "jpeg",
    "pcre2": "pcre2-8",
    "postgresql": "pq",
    "usb1": "usb-1.0",
    "usbx": "usb-1.0",
    "xz": "lzma",
    "zeromq": "zmq",
}
"""The library of packages that are called otherwise, mostly RPM's."""

_FILES = {
    "blas": ("blas", "openblas"),
    "cblas": ("blas", "openblas"),
    "hdf5": ("hdf5", "hdf5_serial"),
    "lapack": ("lapack", "openblas"),
    "ncurses": ("ncurses", "ncursesw"),
    "openssl": ("ssl",),
    "png": ("png", "png16"),
    "sqlite": ("sqlite3",),
    "zlib": ("z",),
}
"""The libraries of which one has to be there, where that is not the one of the same name."""


def library_stem(name: str) -> str:
    """Return the bare name: ``z`` for ``libz.so.1``, ``blas`` for ``blas-devel``."""
    stem = re.sub(r"\.so(\.[\d.]+)?$|\.(a|dylib|dll)$", "", name.rsplit("/", 1)[-1])
    stem = re.sub(r"-(devel|dev)$", "", stem)
    return stem.removeprefix("lib") or stem


def package_for(name: str) -> str | None:
    """Return the Debian package that has a library, or None when it is not known.

    Args:
        name: A library (``libz.so``, ``z``) or a package of another distribution (``blas-devel``).
    """
    if name.startswith("lib") and name.endswith("-dev"):
        return name
    known = _known_library(name)
    return _PACKAGES[known] if known else None


def libraries_of(name: str) -> tuple[str, ...]:
    """Return the file names of libraries of which one shows that a package is installed.

    Args:
        name: A package of any distribution, or a library.

    Returns:
        None of them where it is not known what the package has.
    """
    known = _known_library(name)
    stems = _FILES.get(known, (known,)) if known else ()
    return tuple(f"lib{stem}.so" for stem in stems)


def _known_library(name: str) -> str | None:
    """Return the known library that a library or package is named after, or None."""
    for library, package in _PACKAGES.items():
        if name == package:
            return library
    stem = library_stem(name)
    for candidate in (stem, stem.lower()):
        candidate = _OTHER_NAMES.get(candidate, candidate)
        if candidate in _PACKAGES:
            return candidate
    return None


def install_command(names: list[str]) -> str | None:
    """Return the command that installs these libraries, or None when no package is known."""
    known = sorted({package for name in names if (package := package_for(name))})
    return f"apt install {' '.join(known)}" if known else None
