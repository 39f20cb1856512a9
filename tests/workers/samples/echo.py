"""The functions of ``native/tests/echo_*.c``, in the words of Python 3.8."""

import asyncio
import builtins
import ctypes
import gc
import os
import signal
import sys
import threading
import time

_kept = None
_futures = []
_counts = {"cancels": 0, "releases": 0}


class Thing:
    def __call__(self):
        return "called"

    def __del__(self):
        _counts["releases"] += 1


def add(x, y):
    return x + y


def echo(value=None):
    return value


def fail(kind, text):
    raise getattr(builtins, kind, ValueError)(text)


def crash():
    print_("about to crash", file=sys.stderr)
    ctypes.string_at(8)


def exit(code):
    os._exit(code)


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)


def sleep(seconds):
    try:
        time.sleep(seconds)
    except KeyboardInterrupt:
        _counts["cancels"] += 1
        raise


def print(text):
    print_(text)


print_ = builtins.print


def call(function, *arguments):
    return function(*arguments)


def keep(function):
    global _kept
    _kept = function


def fire():
    threading.Thread(target=_kept).start()


def release():
    global _kept
    _kept = None


def object():
    return Thing()


def bytes(count):
    return b"\0" * int(count)


def fill(values, value):
    values[...] = value


def pass_on(values):
    return values


def make(count):
    """An array in memory of the host, which a result that was made here is not."""
    import numpy

    return numpy.arange(float(count))


async def later(value):
    future = asyncio.get_event_loop().create_future()
    _futures.append((future, value))
    try:
        return await future
    except asyncio.CancelledError:
        _counts["cancels"] += 1
        raise


async def settle():
    """Answer what ``later`` was asked, the last one first."""
    count = len(_futures)
    while _futures:
        future, value = _futures.pop()
        if not future.done():
            future.set_result(value)
    return count


def uncaught():
    def run():
        raise RuntimeError("nobody waited")

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def cancels():
    return _counts["cancels"]


def releases():
    gc.collect()
    return _counts["releases"]
