"""The worker processes that JavaScript libraries of this process share.

Libraries that are loaded with the same options share the workers of one pool. A package's own
``node_modules`` folder keeps versions apart, so that two versions of a package share one as well.
"""

from __future__ import annotations

import json
import os
import threading
import weakref
from pathlib import Path

from noodle.bridges.javascript.node import NodeRuntime
from noodle.bridges.javascript.options import JavaScriptOptions
from noodle.workers.pool import Pool
from noodle.workers.program import Program

__all__ = ["enter", "leave", "pool_for"]

_KEPT_VARIABLES = (
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_ENV",
    "NODE_EXTRA_CA_CERTS",
    "NODE_OPTIONS",
    "NO_COLOR",
    "NO_PROXY",
    "PATH",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "http_proxy",
    "https_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "no_proxy",
)
"""What a worker gets of the host's environment, beside ``LC_…``; secrets are not among it."""

_RESERVED_BYTES = 1 << 30
"""Measured: V8 maps 0.6 GB as data at its start, of which it uses 10 MB."""

_HEAP_SHARE = 0.75
"""Chosen: the share of the memory limit that is for JavaScript's old objects. The rest is for young
ones, buffers, code and Node.js itself; a full heap is reported by V8 with its own words."""

_Key = tuple[object, ...]


def pool_for(runtime: NodeRuntime, options: JavaScriptOptions) -> Pool:
    """Return the workers for a library, started when they are first needed.

    Args:
        runtime: The Node.js that they run.
        options: The options of the load.
    """
    key = (
        runtime.node,
        options.workers,
        options.int64,
        options.readonly,
        options.environment,
        options.memory,
        options.shared_memory,
    )
    with _lock:
        if key not in _pools:
            _pools[key] = Pool(_program(runtime, options), options.workers)
        return _pools[key]


def enter(library: object, pool: Pool) -> None:
    """Note that a loaded library runs in a pool."""
    _users[library] = pool


def leave(library: object, pool: Pool) -> None:
    """Note that a library was unloaded; the pool is closed with the last one that runs in it."""
    with _lock:
        _users.pop(library, None)
        if pool in _users.values():
            return
        for key in [key for key, known in _pools.items() if known is pool]:
            del _pools[key]
    pool.close()


def _program(runtime: NodeRuntime, options: JavaScriptOptions) -> Program:
    from noodle import workers

    script = Path(workers.__file__).with_name("worker.mjs")
    settings = {
        "mapReadOnly": options.readonly == "map",
        "int64Numbers": options.int64 == "number",
    }
    return Program(
        "node",
        (runtime.node, *_flags(options), script, json.dumps(settings)),
        environment={**_environment(), **dict(options.environment)},
        directory=_working_directory(),
        memory_bytes=options.memory,
        reserved_bytes=_RESERVED_BYTES,
        shared_bytes=options.shared_memory,
        map_read_only=options.readonly == "map",
    )


def _flags(options: JavaScriptOptions) -> list[str]:
    flags = ["--experimental-import-meta-resolve"]
    if options.memory is not None:
        flags.append(f"--max-old-space-size={int(options.memory * _HEAP_SHARE) >> 20}")
    return flags


def _working_directory() -> str:
    """Return the host's working directory, or the root where it has been removed."""
    try:
        return os.getcwd()
    except FileNotFoundError:
        return "/"


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT_VARIABLES or name.startswith("LC_")
    }


_pools: dict[_Key, Pool] = {}
_users: weakref.WeakKeyDictionary[object, Pool] = weakref.WeakKeyDictionary()
"""The pool of each loaded library."""

_lock = threading.Lock()


def _forget() -> None:
    """In the child of a fork: the parent's workers stay the parent's."""
    global _lock
    _lock = threading.Lock()
    _pools.clear()
    _users.clear()


os.register_at_fork(after_in_child=_forget)
