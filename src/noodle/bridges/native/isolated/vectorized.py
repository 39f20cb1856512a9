"""Loops over arrays in a worker: one message with the arrays, which are shared or copied once."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from noodle import _host
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.vectorized_arrays import dtypes_of
from noodle.bridges.native.vectorized_loops import LoopOptions, compile_loop
from noodle.errors import ForeignError

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["MapCall", "WorkerLoop"]


class WorkerLoop:
    """Calls a function of a library in a worker for the elements of arrays.

    Args:
        declaration: What the function takes and gives.
        remote: Calls the worker's ``map_arrays``.
        options: How loops are made.
    """

    def __init__(
        self, declaration: Declaration, remote: _host.RemoteFunction, options: LoopOptions
    ) -> None:
        self._declaration = declaration
        self.remote = remote
        self._file = ""
        self.name = declaration.name
        self.options = options

    @cached_property
    def dtypes(self) -> list[str]:
        """NumPy's codes of the parameters' types and, last, of the result's."""
        return dtypes_of(self._declaration)

    def apply(self, arrays: list[Array], out: Array | None, threads: int) -> Array:
        """Call the function for each element; see ``ArrayLoop``.

        Results go into memory that both processes see, where there are enough of them to share it
        or ``out`` lies in such memory; else they are copied.
        """
        call = MapCall(self, arrays, out)
        return call.results(self.remote(*self.message(call, threads)))

    def message(self, call: MapCall, threads: int) -> list[Any]:
        """Return what the worker is sent for a call."""
        if not self._file:
            self._file = str(compile_loop(self._declaration, self.options))
        return [self.name, self._file, self.dtypes, threads, call.sent_out, *call.sent]


class MapCall:
    """The arrays of one call.

    Args:
        loop: What is called.
        arrays: One for each parameter.
        out: Where the results go; None to make an array.
    """

    def __init__(self, loop: WorkerLoop, arrays: list[Array], out: Array | None) -> None:
        import numpy

        from noodle.workers.arrays import empty

        self._name = loop.name
        pairs = zip(arrays, loop.dtypes[:-1], strict=True)
        self.sent = [array.astype(dtype, copy=False) for array, dtype in pairs]
        self.out = out
        if out is not None and _is_shared(out, self.sent):
            self._target = out
        else:
            shape = numpy.broadcast_shapes(*(array.shape for array in self.sent))
            self._target = empty(shape, numpy.dtype(loop.dtypes[-1]))
        self.sent_out = self._target if _host.is_shared(self._target) else None

    def results(self, answer: Any) -> Array:
        """Return the array that the caller gets.

        Args:
            answer: What the worker has sent.
        """
        target = self._target
        if self.sent_out is None:
            target[...] = _checked(answer, target, self._name)
        if self.out is None or self.out is target:
            return target
        self.out[...] = target
        return self.out


def _is_shared(out: Array, arrays: list[Array]) -> bool:
    """Return whether a worker can write to an array itself, and reads none of it at once."""
    import numpy

    overlaps = any(numpy.may_share_memory(out, array) for array in arrays)
    return out.size > 0 and _host.is_shared(out) and not overlaps


def _checked(answer: Any, target: Array, name: str) -> Array:
    """Return the results that a worker has sent, which are those of another program."""
    import numpy

    if (
        isinstance(answer, numpy.ndarray)
        and answer.shape == target.shape
        and answer.dtype == target.dtype
    ):
        return answer
    raise ForeignError(
        f"the results of {name} came in a form that cannot be read", where=f"map of {name}"
    )
