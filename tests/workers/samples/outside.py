"""Callbacks in code that belongs to no call: tasks that are begun in a context of their own."""

import asyncio
import contextvars
import inspect
import os
import threading

given = []
tasks = []
called = []


async def note(function, arguments):
    try:
        result = function(*arguments)
        called.append(function)
        given.append(await result if inspect.isawaitable(result) else result)
    except BaseException as error:
        given.append(type(error).__name__)


def begin(function, arguments):
    tasks.append(asyncio.ensure_future(note(function, arguments)))


def pid():
    return os.getpid()


def add(a, b):
    return a + b


async def spin():
    while True:
        pass


class Thing:
    pass


def thing():
    return Thing()


def take():
    found = given[:]
    del given[: len(found)]
    return found


async def start(function, *arguments):
    loop = asyncio.get_running_loop()
    loop.call_soon(begin, function, arguments, context=contextvars.Context())


async def startAll(function, count):
    for number in range(count):
        await start(function, number)


async def startAndAbort(function, aborted=False):
    del tasks[:], called[:]
    await start(function)
    while aborted and not called:
        await asyncio.sleep(0)
    if aborted:
        await abort()


async def abort():
    while tasks:
        tasks.pop().cancel()


def standStill(function):
    threading.Thread(target=lambda: given.append(function(add))).start()
