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


def pool_for(runtime: NodeRuntime, options: JavaScriptOptions) -> Pool:
    """Return the workers for a library, started when they are first needed.

    Args:
        runtime: The Node.js that they run.
        options: The options of the load.
    """
    key = (runtime.node, options.workers, options.int64, options.readonly, options.environment)
    return _pools.pool_for(key, partial(_program, runtime, options), options.workers)


def _program(runtime: NodeRuntime, options: JavaScriptOptions) -> Program:
    from noodle import workers

    script = Path(workers.__file__).with_name("worker.mjs")
    settings = {
        "mapReadOnly": options.readonly == "map",
        "int64Numbers": options.int64 == "number",
    }
    return Program(
        "node",
        (runtime.node, "--experimental-import-meta-resolve", script, json.dumps(settings)),
        environment={**kept_variables(_NODE_VARIABLES), **dict(options.environment)},
        directory=working_directory(),
    )


_pools = SharedPools()
