"""Workers that libraries share."""

from __future__ import annotations

import os

from noodle.bridges.remote.pools import SharedPools
from noodle.workers.program import Program

PROGRAM = Program("true", ("/bin/true",))


def test_equal_keys_share_a_pool():
    pools = SharedPools()
    first = pools.pool_for(("a", 1), lambda: PROGRAM, 2)
    assert first is pools.pool_for(("a", 1), lambda: PROGRAM, 2)
    assert first is not pools.pool_for(("a", 2), lambda: PROGRAM, 2)
    assert (2, PROGRAM) == (first.size, first.program)


def test_the_child_of_a_fork_starts_with_none():
    pools = SharedPools()
    first = pools.pool_for("a", lambda: PROGRAM, 1)
    child = os.fork()
    if child == 0:
        os._exit(pools.pool_for("a", lambda: PROGRAM, 1) is first)
    assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert first is pools.pool_for("a", lambda: PROGRAM, 1)
