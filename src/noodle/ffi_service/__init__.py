"""The service: a program's functions, called over HTTP.

Nothing is installed while a service runs or starts. It listens on loopback addresses only.

========================  =======================================================================
:mod:`~.server`           loads the program, listens, and ends in order
:mod:`~.application`      the paths and what is answered on each
:mod:`~.http_protocol`    connections that ask nothing are closed
:mod:`~.host_guard`       refuses requests that were meant for another host
:mod:`~.request_body`     the body of a request, within limits
:mod:`~.call_messages`    calls and results as JSON
:mod:`~.functions`        which functions a program offers
:mod:`~.call_threads`     the threads that calls run on
:mod:`~.failures`         errors as status and JSON
:mod:`~.service_log`      what is told to whoever runs the service
:mod:`~.options`          where it listens, and how it runs
:mod:`~.limits`           how much, how many and how long
========================  =======================================================================

Importing :mod:`~.server` loads no web framework; ``serve`` in it does.
"""
