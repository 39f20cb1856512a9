"""What a request asks of an object: the numbers of ``noodle/protocol.h``."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Operation"]


class Operation(IntEnum):
    """The operations of ``enum noodle_operation``; the tests compare them with the header."""

    CALL = 0
    CALL_NAMED = 1
    METHOD = 2
    NEW = 3
    GET = 4
    SET = 5
    DELETE = 6
    HAS = 7
    NAMES = 8
    ITEM = 9
    SET_ITEM = 10
    LENGTH = 11
    ITERATE = 12
    NEXT = 13
    AWAIT = 14
    TEXT = 15
    VALUE = 16
    IMPORT = 17
    DESCRIBE = 18
    STATISTICS = 19
    BATCH = 20
    CLOSE = 21
    SEGMENT = 22
    COLLECT = 23
