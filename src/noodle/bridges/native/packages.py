"""Which Debian package has a library: for messages that say what to install."""

from __future__ import annotations

import re

__all__ = ["install_command", "package_for"]

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
    stem = library_stem(name)
    if name.startswith("lib") and name.endswith("-dev"):
        return name
    return _PACKAGES.get(stem) or _PACKAGES.get(stem.lower())


def install_command(names: list[str]) -> str | None:
    """Return the command that installs these libraries, or None when no package is known."""
    known = sorted({package for name in names if (package := package_for(name))})
    return f"apt install {' '.join(known)}" if known else None
