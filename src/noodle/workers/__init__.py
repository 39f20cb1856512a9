"""Workers: child processes that hold foreign code, and the calls that go to them.

========================  =======================================================================
:mod:`~.program`          what to run in a worker: command, environment, limits
:mod:`~.worker`           one process, from its start to its crash report
:mod:`~.pool`             workers of one program: start on demand, restart, quarantine, retirement
:mod:`~.modules`          what is loaded in the workers of a pool, and its functions
:mod:`~.references`       objects of a worker that stand here as proxies
:mod:`~.arrays`           arrays born in memory that workers share
:mod:`~.event_loop`       calls that asyncio awaits
========================  =======================================================================

The C extension ``noodle._host`` does what every call needs; what is decided rarely is decided here
and installed by :mod:`~.policies`.
"""
