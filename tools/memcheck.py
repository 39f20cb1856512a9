"""Run what the extensions do without a worker under valgrind, which must find nothing.

Valgrind knows no pidfd, so no worker can be started under it: the channels' core has C tests of
its own for that. Here the memory of arrays, their exporters, the wire codec and the call handle are
used and misused. CPython's allocator is replaced, so that every object is a block that valgrind
knows. Reads of what was never written are not looked for: the interpreter itself makes some.
"""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from typing import Any

INSIDE = "--inside"


def use_arrays() -> None:
    """Make, export, copy and release arrays, also ones that cannot be."""
    from noodle import _host
    from noodle.workers import policies
    from noodle.workers.arrays import Array

    assert policies.crashed is not None
    for dtype in ("?", "i1", "<u2", "f4", "f8", "c16", "S5", "U3", "<M8[ns]"):
        made = Array(_host.allocate(1 << 16, True), dtype, (10, 20), offset=64)
        assert made.nbytes == len(bytes(memoryview(made)))
        with suppress(BufferError):
            made.__dlpack__()
    made = Array(_host.allocate(1 << 17), "f8", (100,), (8,), 8, True)
    capsules = [made.__dlpack__(max_version=(1, 0)), made.__dlpack__(copy=True)]
    _host.release_memory(made)
    with suppress(ReferenceError):
        memoryview(made)
    capsules.clear()
    wrong: list[tuple[Any, ...]] = [("f8", (1 << 40,)), ("O", (1,)), ("f8", (-1,)), ("", ())]
    for arguments in wrong:
        with suppress(ValueError, TypeError):
            Array(_host.allocate(1 << 16), *arguments)
    del made
    _host.trim()


def use_codec() -> None:
    """Encode and decode values, then the same bytes with each one changed or cut."""
    from noodle import _wire

    value = [None, True, -(2**70), 2**64 - 1, 1.5, "Grüße \ud800", b"bytes", {"a": [1, {2}]}]
    encoded = _wire.encode(value)
    assert _wire.decode(encoded) == value
    for index in range(len(encoded)):
        with suppress(ValueError, TypeError, UnicodeError):
            _wire.decode(encoded[:index])
        for change in (0x00, 0x7F, 0xC1, 0xDF, 0xFF):
            with suppress(ValueError, TypeError, UnicodeError):
                _wire.decode(encoded[:index] + bytes([change]) + encoded[index + 1 :])
    for bad in (object(), (cycle := [])):
        cycle.append(cycle)
        with suppress(ValueError, TypeError):
            _wire.encode(bad)


def use_handles() -> None:
    """Call through handles, with errors and more signatures than a handle keeps."""
    import noodle

    module = noodle.load("colorsys")
    for arguments in ((1, 2, 3), (1.0, 2, 3), (1, 2.0, 3), (1.0, 2.0, 3.0), (True, 0, 0), ("", 1)):
        for _ in range(3):
            with suppress(TypeError):
                module.rgb_to_hsv(*arguments)
    noodle.unload("colorsys")


def main(arguments: list[str]) -> int:
    """Run the program under valgrind, or be that program; return the exit code."""
    if INSIDE in arguments:
        for use in (use_arrays, use_codec, use_handles):
            use()
            gc.collect()
        print("nothing was found")
        return 0
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        raise SystemExit("valgrind is not installed; try: apt install valgrind")
    checks = ["-q", "--error-exitcode=9", "--leak-check=no", "--undef-value-errors=no"]
    command = [valgrind, *checks, sys.executable, __file__, INSIDE]
    environment = os.environ | {"PYTHONMALLOC": "malloc"}
    return subprocess.run(command, env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
