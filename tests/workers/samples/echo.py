"""The functions of ``native/tests/echo_worker.c``, in Python."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time

_kept = None
_futures = []


class Thing:
    pass


def add(x, y):
    return x + y


def echo(value=None):
    return value


def fail(kind, text):
    raise {"RangeError": ValueError}.get(kind, getattr(__builtins__, kind, None) or TypeError)(text)


def crash():
    print("about to crash", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGSEGV)


def exit(code):
    os._exit(code)


def stop():
    os.kill(os.getpid(), signal.SIGSTOP)


def sleep(seconds):
    time.sleep(seconds)


def print_(text):
    print(text)


globals()["print_"].__name__ = "print"


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


def bytes_(count):
    return b"\0" * count


def fill(values, value):
    values[...] = value


def pass_on(values):
    return values


def make(count):
    import numpy

    return numpy.arange(float(count))


async def later(value):
    future = asyncio.get_event_loop().create_future()
    _futures.append((future, value))
    return await future


async def settle():
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
