"""Writes the function that a warm natural call jumps to: conversions, memory, checks, results.

It is compiled for one signature, as ``functions.adapted`` is: only places, quoted names and names
that this module makes enter the text. Everything else lies in the function's scope.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from noodle.bridges.native.argument_rules import Converter
from noodle.bridges.native.natural_outs import ERRNO, allocate_here, capacity, memories, taken
from noodle.bridges.native.natural_plans import NaturalPlan, Out
from noodle.bridges.native.pointers import own

__all__ = ["CallParts", "write_call"]

_FILE = os.path.join(os.path.dirname(__file__), "<natural call>")
"""Within the package, so that tracebacks of programs leave it out."""


@dataclass(slots=True)
class CallParts:
    """What a natural call is written from.

    Args:
        plan: What is done around the call.
        entry: What is called: cffi's callable, or that of a worker.
        sources: The parameters that the call gives: the Python text of each by place.
        parameters: The parameters of the function that is written, in Python.
        converters: What makes each given argument ready, by place.
        claims: The places of given arguments that the function releases.
        owners: The places of given arguments that results may belong to.
        returns_outs: Whether the outs are left out and become results.
        in_worker: Whether the entry runs in a worker, which allocates the outs itself.
        shared: The places whose converter gives the argument's own memory; the entry of a worker
            takes that itself.
        measurable: The places of given arguments whose length is known.
        measures: What gives the bytes of arguments that are, or lead to, structures, by place.
        counted: What makes shared memory ready that must have so many items, by place.
        result: What converts the function's own result, given it and the owners; None for nothing.
        outs: What converts each out, given it and the owners; None for nothing.
        failure: The condition under which the call has failed, in Python; ``""`` for none.
        failed: Returns what to raise for a failed call, given the result, errno, the arguments and
            the outs.
        judge: Returns what to raise for a result, the arguments and the outs, or None; None where
            no function of the program's judges.
        needs_errno: Whether errno is read.
        unequal: Returns the error for arrays of different lengths.
        short: Returns the error for an array that is shorter than its length parameter says.
        function: The function's name in messages.
    """

    plan: NaturalPlan
    entry: Callable[..., Any]
    sources: Mapping[int, str]
    parameters: str
    converters: Mapping[int, Converter | None]
    claims: Sequence[int]
    owners: Sequence[int]
    returns_outs: bool
    in_worker: bool
    shared: frozenset[int]
    measurable: frozenset[int]
    measures: Mapping[int, Callable[[Any], int]]
    counted: Mapping[int, Callable[[Any, int], Any]]
    result: Callable[..., Any] | None
    outs: Mapping[int, Callable[..., Any] | None]
    failure: str
    failed: Callable[..., BaseException]
    judge: Callable[..., Any] | None
    needs_errno: bool
    unequal: Callable[..., BaseException]
    short: Callable[..., BaseException]
    function: str


def write_call(parts: CallParts) -> Callable[..., Any]:
    """Return the function that makes a natural call.

    Args:
        parts: What it is written from.
    """
    return _Writer(parts).function()


class _Writer:
    """Puts the lines together, in the order in which they run."""

    def __init__(self, parts: CallParts) -> None:
        self._parts = parts
        self._plan = parts.plan
        self._labels = parts.plan.labels
        self._lines: list[str] = []
        self._scope: dict[str, Any] = {"entry": parts.entry, "E": ERRNO, "own": own}
        self._outs = list(parts.plan.outs) if parts.returns_outs else []
        self._ready: dict[int, str] = {}

    def function(self) -> Callable[..., Any]:
        """Return the function."""
        self._convert()
        self._measure()
        self._allocate()
        self._call()
        self._check()
        self._return()
        body = "\n    ".join(self._lines)
        text = f"def natural({self._parts.parameters}):\n    {body}"
        exec(compile(text, _FILE, "exec"), self._scope)
        made: Callable[..., Any] = self._scope["natural"]
        return made

    def _add(self, line: str) -> None:
        self._lines.append(line)

    def _named(self, name: str, value: Any) -> str:
        self._scope[name] = value
        return name

    def _convert(self) -> None:
        """Make the arguments ready.

        Memory is made ready within the call itself: a local variable that holds it could become
        part of a cycle with an exception's traceback, and CPython cannot collect a view that has
        an export there.
        """
        for index, source in self._parts.sources.items():
            converter = self._parts.converters[index]
            if index in self._parts.claims:
                continue
            ready = f"{self._named(f'c{index}', converter)}({source})" if converter else source
            if index in self._parts.shared:
                self._ready[index] = source if self._parts.in_worker else ready
            else:
                self._add(f"v{index} = {ready}")

    def _size(self, index: int) -> str:
        """Return the text of how many items an array has."""
        size = self._plan.item_size(index)
        length = f"len(v{index})"
        if index in self._parts.measures:
            measure = self._named(f"z{index}", self._parts.measures[index])
            length = f"{measure}({self._parts.sources[index]})"
        elif index in self._parts.shared:
            length = f"{self._named('memory', memoryview)}({self._parts.sources[index]}).nbytes"
        return length + (f" // {size}" if size > 1 else "")

    def _measure(self) -> None:
        for length, arrays in self._plan.lengths.items():
            known = [array for array in arrays if array in self._parts.measurable]
            if length not in self._parts.sources:
                self._fill(length, known)
            elif length not in self._plan.trusted:
                self._check_given(length, known)

    def _check_given(self, length: int, arrays: Sequence[int]) -> None:
        for array in arrays:
            if array in self._parts.counted:
                counted = self._named(f"l{array}", self._parts.counted[array])
                self._ready[array] = f"{counted}({self._parts.sources[array]}, v{length})"
                continue
            short = self._named("short", self._parts.short)
            self._add(f"if v{length} > {self._size(array)}:")
            described = f"{array}, {self._parts.sources[array]}, {self._size(array)}"
            self._add(f"    raise {short}({described}, {length}, v{length})")

    def _fill(self, length: int, arrays: Sequence[int]) -> None:
        if not arrays:
            self._add(f"v{length} = 0")
            return
        self._add(f"v{length} = {self._size(arrays[0])}")
        for array in arrays[1:]:
            unequal = self._named("unequal", self._parts.unequal)
            self._add(f"if {self._size(array)} != v{length}:")
            described = f"{array}, {self._parts.sources[array]}, {self._size(array)}"
            first = f"{arrays[0]}, {self._parts.sources[arrays[0]]}, v{length}"
            self._add(f"    raise {unequal}({first}, {described})")

    def _allocate(self) -> None:
        types = memories(self._outs)
        for out in self._outs:
            if out.kind == "buffer":
                self._buffer(out)
            elif not self._parts.in_worker:
                self._named(f"t{out.index}", types[out.index])
                first = f", [v{out.index}]" if out.inout else ""
                self._add(f"v{out.index} = {self._named('new', ERRNO.new)}(t{out.index}{first})")

    def _buffer(self, out: Out) -> None:
        buffers = self._plan.annotations.buffers or {}
        size = buffers[self._labels[out.index]].size
        count = f"n{out.index}"
        given = f"v{out.length}"
        if out.length not in self._parts.sources:
            name = self._named(f"s{out.index}", size)
            given = f"{name}({self._arguments()})" if callable(size) else name
        label = self._labels[out.length]
        said = (out, label, self._parts.function)
        self._add(f"{count} = {self._named(f'm{out.index}', capacity(*said))}({given})")
        if self._parts.in_worker:
            self._add(f"v{out.length} = {count}")
            return
        self._add(f"v{out.index} = {self._named(f'b{out.index}', allocate_here(*said))}({count})")
        counter = count
        if out.counter:
            kind = self._named(f"k{out.index}", ERRNO.typeof(f"{out.counter}[1]"))
            counter = f"{self._named('new', ERRNO.new)}({kind}, [{count}])"
        self._add(f"v{out.length} = {counter}")

    def _arguments(self, *others: str) -> str:
        given = [f"{self._labels[i]!r}: {source}" for i, source in self._parts.sources.items()]
        given += [
            f"{self._labels[length]!r}: v{length}"
            for length in self._plan.lengths
            if length not in self._parts.sources
        ]
        return f"{{{', '.join([*given, *others])}}}"

    def _call(self) -> None:
        if self._parts.needs_errno and not self._parts.in_worker:
            self._add("E.errno = 0")
        for index in self._parts.claims:
            converter = self._named(f"c{index}", self._parts.converters[index])
            self._add(f"v{index} = {converter}({self._parts.sources[index]})")
        sent = (self._ready.get(index, f"v{index}") for index in self._sent())
        call = f"entry({', '.join(sent)})"
        if not self._parts.claims:
            self._add(f"r = {call}")
        else:
            self._add("try:")
            self._add(f"    r = {call}")
            self._add("except (TypeError, ValueError, OverflowError):")
            self._give_back("    ")
            self._add("    raise")
        if self._parts.in_worker and (self._outs or self._parts.needs_errno):
            self._add("r, x, e = r")
        elif self._parts.needs_errno:
            self._add("e = E.errno")

    def _sent(self) -> list[int]:
        allocated = [out.index for out in self._outs if not out.inout and self._parts.in_worker]
        count = len(self._plan.declaration.parameters)
        return [index for index in range(count) if index not in allocated]

    def _give_back(self, indent: str) -> None:
        for index in self._parts.claims:
            self._add(f"{indent}own({self._parts.sources[index]}, 'ownership').give_back()")

    def _raw(self, position: int, out: Out) -> str:
        """Return the text of what an out-parameter holds after the call."""
        if self._parts.in_worker:
            return f"x[{position}]"
        if out.kind != "buffer":
            return f"v{out.index}[0]"
        written = self._named("taken", taken)
        return f"{written}({self._named(f'o{out.index}', out)}, v{out.index}, v{out.length}, r)"

    def _owners(self) -> str:
        sources = [self._parts.sources[index] for index in self._parts.owners]
        return f"({', '.join(sources)}{',' * (len(sources) == 1)})"

    def _check(self) -> None:
        if self._parts.failure:
            failed = self._named("failed", self._parts.failed)
            self._add(f"if {self._parts.failure}:")
            self._give_back("    ")
            errno = "e" if self._parts.needs_errno else "0"
            self._add(f"    raise {failed}(r, {errno}, {self._arguments()}, {self._left()})")

    def _left(self) -> str:
        """Return the text of what a call has left in its outs: pointers, and texts not yet read."""
        kinds = ("pointer",) if self._parts.in_worker else ("pointer", "text")
        left = [
            f"{out.index}: {self._raw(position, out)}"
            for position, out in enumerate(self._outs)
            if out.kind in kinds
        ]
        return f"{{{', '.join(left)}}}"

    def _return(self) -> None:
        owners = self._owners()
        own = "r"
        if self._parts.result:
            own = f"{self._named('result', self._parts.result)}(r, {owners})"
        if self._parts.judge:
            self._judged(own)
            own = "r"
        values = [own] if self._plan.keeps_result else []
        if self._plan.free and not values and not self._parts.judge:
            self._add(own)
        values += [self._out(position, out, owners) for position, out in enumerate(self._outs)]
        values += ["e"] * bool(self._plan.annotations.errno)
        if values:
            self._add(f"return {', '.join(values)}")

    def _judged(self, own: str) -> None:
        self._add(f"r = {own}")
        arguments = self._arguments(*["'errno': e"] * self._parts.needs_errno)
        judge = self._named("judge", self._parts.judge)
        self._add(f"wrong = {judge}(r, {arguments}, {self._left()})")
        self._add("if wrong is not None:")
        self._give_back("    ")
        self._add("    raise wrong")

    def _out(self, position: int, out: Out, owners: str) -> str:
        converter = self._parts.outs.get(out.index)
        raw = self._raw(position, out)
        if converter is None:
            return raw
        return f"{self._named(f'p{out.index}', converter)}({raw}, {owners})"
