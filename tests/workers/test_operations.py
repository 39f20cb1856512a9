"""The numbers of the protocol, here and in the header."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from noodle import _host
from noodle.errors import InternalError
from noodle.workers.operations import Operation
from noodle.workers.requests import perform


def test_operations_are_those_of_the_header(repository: Path):
    header = (repository / "native/include/noodle/protocol.h").read_text(encoding="utf-8")
    found = {name: int(number) for name, number in re.findall(r"NOODLE_OP_(\w+) = (\d+)", header)}
    assert found == {operation.name: operation.value for operation in Operation}


class Thing:
    """An object of the host, as a worker uses it."""

    def __init__(self) -> None:
        self.size = 3
        self._secret = 1

    def scaled(self, factor: int, *, extra: int = 0) -> int:
        return self.size * factor + extra


@pytest.mark.parametrize(
    ("operation", "target", "arguments", "expected"),
    [
        (Operation.CALL_NAMED, Thing().scaled, [{"extra": 1}, 2], 7),
        (Operation.METHOD, Thing(), ["scaled", 2], 6),
        (Operation.GET, Thing(), ["size"], 3),
        (Operation.HAS, Thing(), ["size"], True),
        (Operation.HAS, Thing(), ["_secret"], False),
        (Operation.NAMES, Thing(), [], ["scaled", "size"]),
        (Operation.ITEM, [5, 6], [1], 6),
        (Operation.LENGTH, [5, 6], [], 2),
        (Operation.NEXT, iter([1, 2, 3]), [2], [False, 1, 2]),
        (Operation.NEXT, iter([1]), [2], [True, 1]),
        (Operation.TEXT, 5, [], "5"),
        (Operation.NEW, list, [(1, 2)], [1, 2]),
    ],
)
def test_objects_of_the_host_do_what_workers_ask(
    operation: int, target: object, arguments: list[object], expected: object
):
    link = _host.Link("test")
    assert expected == perform(link, operation, target, arguments)


@pytest.mark.parametrize("operation", [Operation.GET, Operation.METHOD, Operation.SET])
def test_what_is_not_public_stays_here(operation: int):
    thing = Thing()
    with pytest.raises(AttributeError, match="not public"):
        perform(_host.Link("test"), operation, thing, ["_secret", 5][: 1 + (operation == 5)])
    assert 1 == thing._secret


def test_setting_and_deleting_change_the_object():
    thing, link = Thing(), _host.Link("test")
    perform(link, Operation.SET, thing, ["size", 8])
    assert 8 == thing.size
    perform(link, Operation.DELETE, thing, ["size"])
    assert not hasattr(thing, "size")


def test_an_unknown_operation_is_refused():
    with pytest.raises(InternalError, match="operation"):
        perform(_host.Link("test"), 999, None, [])
