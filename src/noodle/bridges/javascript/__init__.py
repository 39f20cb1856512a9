"""The JavaScript bridge: built-in modules of Node.js, npm packages and files, in worker processes.

========================  =======================================================================
:mod:`~.bridge`           loads a target: finds or installs it, and imports it in a worker
:mod:`~.library`          a loaded module: its functions, classes, namespaces and values
:mod:`~.functions`        a function or class of a module
:mod:`~.packages`         npm packages: resolved into the lock file, installed into the cache
:mod:`~.npm`              npm itself, and its failures
:mod:`~.node`             where Node.js and npm are
:mod:`~.pools`            the worker processes that libraries share
:mod:`~.options`          the options of a load
========================  =======================================================================
"""

from noodle.bridges.javascript.bridge import JavaScriptBridge

__all__ = ["JavaScriptBridge"]
