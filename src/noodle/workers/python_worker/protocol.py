"""The numbers of ``noodle/protocol.h`` and ``noodle/wire.h`` that the Python half needs."""

from __future__ import annotations

CALL = 0
CALL_NAMED = 1
METHOD = 2
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
COLLECT = 23
