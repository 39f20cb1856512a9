"""What tests of calls across several workers call, in the words of Python 3.8."""

import os


class FarError(ValueError):
    def __init__(self, text, number):
        super().__init__(text, number)
        self.number = number

    def __str__(self):
        return self.args[0]


class Point:
    def __init__(self, x, y=0):
        self.x = x
        self.y = y

    def up(self, by=1):
        self.x += by
        return self.x

    def __iter__(self):
        return iter((self.x, self.y))

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return (self.x, self.y)[index]


def call(function, *arguments):
    return function(*arguments)


def add(a, b):
    return a + b


def same(a, b):
    return a is b


_held = [None]


def keep(value):
    _held[0] = value


def kept():
    return _held[0]


def kind(value):
    return type(value).__name__


def attribute(value, name, *default):
    return getattr(value, name, *default)


def set_attribute(value, name, new):
    setattr(value, name, new)


def method(value, name, *arguments):
    return getattr(value, name)(*arguments)


def listed(value):
    return list(value)


def item(value, key):
    return value[key]


def make_adder(n):
    return lambda m: n + m


def fail(text):
    raise FarError(text, 7)


_told = {}


def relay(function, *arguments):
    """Let the error of a callback through, and note it."""
    try:
        return function(*arguments)
    except Exception as error:
        _told.update(
            kinds=[kind.__name__ for kind in type(error).__mro__],
            is_own=isinstance(error, FarError),
            text=str(error),
            language=getattr(error, "language", None),
            attributes={"number": getattr(error, "number", None)},
            functions=[frame[3] for frame in getattr(error, "frames", ())],
        )
        raise


def handle(function, *arguments):
    try:
        return function(*arguments)
    except ValueError as error:
        return "handled " + type(error).__name__


def last_told():
    return dict(_told)


def fill(values, value):
    """Write to every item of an array, with or without NumPy."""
    for place in range(len(values)):
        values[place] = value
    return values


def total(values):
    return sum(values)


def end():
    os._exit(3)
