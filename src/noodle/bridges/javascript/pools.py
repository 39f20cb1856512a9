"""The worker processes that JavaScript libraries of this process share.

Libraries that are loaded with the same options share the workers of one pool. A package's own
``node_modules`` folder keeps versions apart, so that two versions of a package share one as well.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from noodle.bridges.javascript.node import NodeRuntime
from noodle.bridges.javascript.options import JavaScriptOptions
from noodle.bridges.remote.pools import SharedPools
from noodle.workers.pool import Pool
from noodle.workers.program import Program
from noodle.workers.variables import kept_variables, working_directory

__all__ = ["pool_for"]

_NODE_VARIABLES = ("NODE_ENV", "NODE_EXTRA_CA_CERTS", "NODE_OPTIONS")

_RESERVED_BYTES = 1 << 30
"""Measured: V8 maps 0.6 GB as data at its start, of which it uses 10 MB."""

_HEAP_SHARE = 0.75
"""Chosen: the share of the memory limit that is for JavaScript's old objects. The rest is for young
ones, buffers, code and Node.js itself; a full heap is reported by V8 with its own words."""


def pool_for(runtime: NodeRuntime, options: JavaScriptOptions) -> Pool:
    """Return the workers for a library, started when they are first needed.

    Args:
        runtime: The Node.js that they run.
        options: The options of the load.
    """
    key = (
        runtime.node,
        options.int64,
        options.readonly,
        options.environment,
        options.memory,
        options.shared_memory,
    )
    return _pools.pool_for(
        key, partial(_program, runtime, options), options.workers, options.idle_seconds
    )


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
        environment={**kept_variables(_NODE_VARIABLES), **dict(options.environment)},
        directory=working_directory(),
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


_pools = SharedPools()
