"""What tests of Python workers call; in the words of Python 3.8."""

import asyncio
import contextlib
import sys
import threading
import time


def run(source):
    """Run a program; return its global ``result``."""
    names = {"__name__": "program"}
    exec(source, names)
    return names.get("result")


class Point:
    kinds = ("plain",)

    def __init__(self, x, y=0):
        self.x = x
        self.y = y

    @classmethod
    def origin(cls):
        return cls(0)

    @property
    def norm(self):
        return abs(self.x) + abs(self.y)

    def moved(self, x, *, y=0):
        return Point(self.x + x, self.y + y)

    def __eq__(self, other):
        return isinstance(other, Point) and (self.x, self.y) == (other.x, other.y)

    def __hash__(self):
        return hash((self.x, self.y))

    def __add__(self, other):
        if not isinstance(other, Point):
            return NotImplemented
        return Point(self.x + other.x, self.y + other.y)

    def __lt__(self, other):
        return self.norm < other.norm

    def __repr__(self):
        return f"Point({self.x}, {self.y})"

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (self.x, self.y)[index]

    def __setitem__(self, index, value):
        setattr(self, "xy"[index], value)

    def __contains__(self, value):
        return value in (self.x, self.y)

    def __call__(self, factor):
        return Point(factor * self.x, factor * self.y)


class SampleError(ValueError):
    def __init__(self, message, code):
        super().__init__(message, code)
        self.code = code

    def __str__(self):
        return self.args[0]


class SpecialError(SampleError):
    pass


def fail(code):
    try:
        raise KeyError("first")
    except KeyError as error:
        raise SpecialError("it failed", code) from error


def count(most):
    yield from range(most)


def count_and_fail(most):
    yield from range(most)
    raise SampleError("no more", most)


async def count_later(most):
    for number in range(most):
        await asyncio.sleep(0)
        yield number


async def later(value, seconds=0):
    await asyncio.sleep(seconds)
    return value


async def fail_later(code):
    await asyncio.sleep(0)
    raise SampleError("later", code)


async def call_later(function, *arguments):
    return await function(*arguments)


class Block:
    """A context manager that notes what it is told."""

    def __init__(self, swallow=False):
        self.told = []
        self.swallow = swallow

    def __enter__(self):
        self.told.append("entered")
        return self

    def __exit__(self, kind, error, traceback):
        self.told.append(None if kind is None else [kind.__name__, str(error)])
        return self.swallow


@contextlib.contextmanager
def notes(into):
    into.append("in")
    try:
        yield len(into)
    finally:
        into.append("out")


def raise_in_block(block):
    """Let a block of the worker be left by an exception."""
    with block:
        raise SampleError("inside", 1)


def catch(function):
    """Name the exception of a callback."""
    try:
        function()
    except Exception as error:
        return [type(error).__name__, str(error), isinstance(error, SampleError)]


def call(function, *arguments, **named):
    return function(*arguments, **named)


def in_thread(function, *arguments):
    """Call on a thread that belongs to no call."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    thread.join()
    return results[0]


_busy = []


def start_busy_thread():
    """Have a thread of the worker compute without end."""

    def compute():
        while _busy[0] == number:
            _busy[1] += 1

    number = time.monotonic()
    _busy[:] = [number, 0]
    threading.Thread(target=compute, daemon=True).start()


def busy_turns():
    return _busy[1]


def stop_busy_thread():
    _busy[0] = None


def thread_name():
    return threading.current_thread().name


def sleep(seconds):
    time.sleep(seconds)
    return seconds


_cancelled = []


def spin(seconds):
    """Compute in Python code for so long."""
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            sum(range(100))
    except KeyboardInterrupt as error:
        _cancelled.append(type(error).__name__)
        raise
    return seconds


def sleep_or_note(seconds):
    try:
        time.sleep(seconds)
    except KeyboardInterrupt as error:
        _cancelled.append(type(error).__name__)
        raise


def cancelled():
    return list(_cancelled)


def facts():
    import __main__ as main

    return {
        "argv": sys.argv,
        "main": sorted(name for name in vars(main) if not name.startswith("__")),
        "file": getattr(main, "__file__", None),
        "path": sys.path,
    }
