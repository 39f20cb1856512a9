"""Code of the extension in Python."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any


def shout(text: str) -> dict[str, Any]:
    print(f"shouting {text}")
    return {"text": text.upper(), "pid": os.getpid()}


def each(items: list[Any], visit: Callable[[Any], Any]) -> None:
    for item in items:
        visit(item)
