"""A bridge written against the public protocols: its libraries run in child processes of their own.

It serves the tests of node availability and failover, which need an instance that can be killed.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

from noodle.calls import BoundFunction, Call, Function, LoadRequest
from noodle.errors import InstanceUnavailableError, NameNotFoundError
from noodle.prototypes import Prototype, parse_prototype

SERVER = """
import json, sys
for line in sys.stdin:
    numbers = json.loads(line)
    print(json.dumps({"result": sum(numbers), "process": __import__("os").getpid()}), flush=True)
"""


class ProcessLibrary(Function):
    """One child process that offers ``total(numbers)``; it is library and function at once."""

    version = None
    notes: tuple[str, ...] = ()
    documentation = None
    prototype: Prototype = parse_prototype("total(numbers: list): float")  # type: ignore[assignment]

    def __init__(self, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def available(self) -> bool:
        return self.process.poll() is None

    def names(self) -> Sequence[str]:
        return ["total"]

    def member(self, name: str) -> Function:
        if name != "total":
            raise NameNotFoundError(f"no {name}")
        return self

    @property
    def raw(self) -> Callable[..., Any]:
        return self.total

    def bind(self, call: Call) -> BoundFunction:
        return BoundFunction(self.total)

    def total(self, numbers: list[float]) -> tuple[float, int]:
        """Return the sum, and the process that made it."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(json.dumps(numbers) + "\n")
            self.process.stdin.flush()
            reply = json.loads(self.process.stdout.readline())
        except (OSError, ValueError) as error:
            self.process.wait()
            raise InstanceUnavailableError(f"process of {self.name} ended") from error
        return reply["result"], reply["process"]

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            assert stream is not None
            try:
                stream.close()
            except BrokenPipeError:
                continue


class ProcessBridge:
    """Starts a process for each library."""

    name = "process"
    option_names: frozenset[str] = frozenset()

    def __init__(self) -> None:
        self.libraries: list[ProcessLibrary] = []

    def missing(self) -> str | None:
        return None

    def load(self, request: LoadRequest) -> ProcessLibrary:
        self.libraries.append(ProcessLibrary(request.location))
        return self.libraries[-1]

    def close(self) -> None:
        for library in self.libraries:
            library.close()
