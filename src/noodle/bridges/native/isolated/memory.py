"""The memory that a function in a worker is given: shared where it can be, else there and back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from _cffi_backend import FFI

from noodle import _host
from noodle.bridges.native.argument_rules import Converter
from noodle.errors import ForeignError

__all__ = ["SharedArgument", "lending"]

_FFI = FFI()


@dataclass(frozen=True, slots=True)
class SharedArgument:
    """An argument of a call that is memory.

    Args:
        index: Its place among the arguments.
        converter: Checks a value and gives its memory, as an array of cffi's.
        writes: Whether the function may write to it.
    """

    index: int
    converter: Converter
    writes: bool


@dataclass(slots=True)
class _Memory:
    """The memory of one argument in one call.

    Args:
        argument: Which argument it is.
        content: Its bytes, where they lie.
        start: Their address.
    """

    argument: SharedArgument
    content: Any
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.content)


def lending(
    call: Callable[..., Any], arguments: Sequence[SharedArgument], function: str
) -> Callable[..., Any]:
    """Return what calls a function of a worker with memory among its arguments.

    What lies in a segment is sent as it is, and both sides see each other's changes. Anything else
    is copied, and what the function may write to is copied back when it has returned.

    Args:
        call: Calls it with what is sent.
        arguments: The arguments that are memory.
        function: The function's name in messages.
    """

    def lend(*values: Any) -> Any:
        loan = _Loan(values, arguments)
        return loan.settled(call(*loan.sent), function)

    return lend


class _Loan:
    """The memory of one call, and how what was written comes back.

    Args:
        values: The arguments.
        arguments: Those that are memory.
    """

    def __init__(self, values: Sequence[Any], arguments: Sequence[SharedArgument]) -> None:
        self.sent = list(values)
        self._returned: dict[int, Any] = {}
        self._staged: list[tuple[Any, memoryview]] = []
        memories = [_memory_of(values[one.index], one) for one in arguments]
        for group in _overlapping(memories):
            if len(group) > 1:
                self._stage(group)
            else:
                self._send(group[0])

    def settled(self, result: Any, function: str) -> Any:
        """Return the function's own result, once everything that it wrote is here."""
        for content, stage in self._staged:
            content[:] = stage
        if not self._returned:
            return result
        try:
            own, written = result
            # The worker gives them back in the order of the arguments.
            for index, copy in zip(sorted(self._returned), written, strict=True):
                self._returned[index][:] = copy
        except (TypeError, ValueError) as error:
            raise ForeignError(
                f"{function} gave back other memory than it was given", where=function
            ) from error
        return own

    def _send(self, memory: _Memory) -> None:
        index, content = memory.argument.index, memory.content
        if _host.is_shared(content):
            self.sent[index] = content
        elif len(content) < _host.SEGMENT_LEAST:
            self.sent[index] = content[:]
            if memory.argument.writes:
                self._returned[index] = content
        elif memory.argument.writes:
            self._stage([memory])
        else:
            self.sent[index] = content

    def _stage(self, group: Sequence[_Memory]) -> None:
        """Copy memory into a segment of its own, in which what overlaps goes on overlapping."""
        start = min(memory.start for memory in group)
        size = max(memory.end for memory in group) - start
        segment = memoryview(_host.allocate(size))
        for memory in group:
            stage = segment[memory.start - start : memory.end - start]
            stage[:] = memory.content
            self.sent[memory.argument.index] = stage
            if memory.argument.writes:
                self._staged.append((memory.content, stage))


def _memory_of(value: Any, argument: SharedArgument) -> _Memory:
    _host.memory_of(value)  # refuses what was released
    memory = argument.converter(value)
    return _Memory(argument, _FFI.buffer(memory), int(_FFI.cast("uintptr_t", memory)))


def _overlapping(memories: Sequence[_Memory]) -> list[list[_Memory]]:
    """Return the memories in groups: what one argument's function writes, another one reads.

    Arguments that are only read, and memory in segments, which stays the same memory in the worker,
    need no group.
    """
    if len(memories) == 1:
        return [list(memories)]
    groups: list[list[_Memory]] = []
    end = 0
    for memory in sorted(memories, key=lambda memory: memory.start):
        if groups and memory.start < end and not _host.is_shared(memory.content):
            groups[-1].append(memory)
        else:
            groups.append([memory])
        end = max(end, memory.end)
    return [part for group in groups for part in _divided(group)]


def _divided(group: list[_Memory]) -> list[list[_Memory]]:
    if any(memory.argument.writes for memory in group):
        return [group]
    return [[memory] for memory in group]
