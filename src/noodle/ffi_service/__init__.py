"""The service: a program's functions, called over HTTP.

Nothing is installed while a service runs or starts. It listens on loopback addresses only.

========================  =======================================================================
:mod:`~.server`           loads the program, listens, and ends in order
:mod:`~.application`      the paths and what is answered on each
:mod:`~.functions`        which functions a program offers
:mod:`~.call_messages`    calls and results as JSON
:mod:`~.call_threads`     the threads that calls run on
:mod:`~.failures`         errors as status and JSON
:mod:`~.host_guard`       refuses requests that were meant for another host
========================  =======================================================================

Importing this package loads no web framework; ``serve`` does.
"""

from __future__ import annotations

from noodle.ffi_service.server import PORT, THREADS_MOST, serve

__all__ = ["PORT", "THREADS_MOST", "serve"]
