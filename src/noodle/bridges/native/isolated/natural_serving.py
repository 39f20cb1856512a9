"""The worker's half of natural calls: out-parameters are allocated and read next to the library."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.natural_outs import ERRNO, allocate, memories, owned_content, taken
from noodle.bridges.native.natural_plans import NaturalPlan, Out

__all__ = ["ServedCall", "pack_plan"]


def pack_plan(plan: NaturalPlan) -> list[Any]:
    """Return what the worker needs of a plan, as plain lists.

    Args:
        plan: What is done around the calls of a function.
    """
    return [plan.declaration.pack(), [out.pack() for out in plan.outs], plan.free]


class ServedCall:
    """The calls of one annotated function, in the worker.

    Args:
        entry: cffi's callable.
        packed: The plan, as ``pack_plan`` has it.
        release: Gives the callable of a destructor.
        place_of: Turns an address into what the host is sent for it.
    """

    def __init__(
        self,
        entry: Callable[..., Any],
        packed: Sequence[Any],
        release: Callable[[str], Callable[[Any], Any]],
        place_of: Callable[[Any], Any],
    ) -> None:
        declaration, outs, free = packed
        self.declaration = Declaration.unpack(declaration)
        self.outs = [Out.unpack(out) for out in outs]
        self.entry = entry
        self._place_of = place_of
        self._types = memories(self.outs)
        self._buffers = {out.index: allocate(out) for out in self.outs if out.kind == "buffer"}
        self._texts = {
            out.index: owned_content(release(out.free) if out.free else None)
            for out in self.outs
            if out.kind == "text"
        }
        self._text = owned_content(release(free) if free else None)

    @property
    def sent(self) -> list[int]:
        """The places of the parameters that the host sends where outs are left out."""
        allocated = {out.index for out in self.outs if not out.inout}
        return [i for i in range(len(self.declaration.parameters)) if i not in allocated]

    @property
    def numbers(self) -> set[int]:
        """The places of the parameters for whose pointer a number is sent then."""
        counters = {out.length for out in self.outs if out.counter}
        return counters | {out.index for out in self.outs if out.inout}

    def result(self, raw: Any) -> Any:
        """Return what the host is sent for the function's own result."""
        kind = self.declaration.result.type.name
        if kind in ("str", "bytes"):
            return self._text(raw)
        return self._place_of(raw) if kind == "ptr" else raw

    def checked(self, *ready: Any) -> list[Any]:
        """Call the function with all that C declares; return its result, no outs, and errno."""
        ERRNO.errno = 0
        raw = self.entry(*ready)
        errno = ERRNO.errno
        return [self.result(raw), [], errno]

    def natural(self, *ready: Any) -> list[Any]:
        """Call the function without its outs; return its result, the outs, and errno."""
        memory = self._memory(dict(zip(self.sent, ready, strict=True)))
        ERRNO.errno = 0
        raw = self.entry(*(memory[index] for index in range(len(memory))))
        errno = ERRNO.errno
        return [self.result(raw), list(self._read(memory, raw)), errno]

    def _memory(self, given: dict[int, Any]) -> dict[int, Any]:
        memory = dict(given)
        for out in self.outs:
            if out.kind != "buffer":
                first = [[given[out.index]]] if out.inout else []
                memory[out.index] = ERRNO.new(self._types[out.index], *first)
                continue
            size = given[out.length]
            memory[out.index] = self._buffers[out.index](size)
            if out.counter:
                memory[out.length] = ERRNO.new(f"{out.counter}[1]", [size])
        return memory

    def _read(self, memory: Mapping[int, Any], raw: Any) -> Iterator[Any]:
        for out in self.outs:
            held = memory[out.index]
            if out.kind == "buffer":
                yield taken(out, held, memory[out.length], raw)
            elif out.kind == "text":
                yield self._texts[out.index](held[0])
            else:
                yield self._place_of(held[0]) if out.kind == "pointer" else held[0]
