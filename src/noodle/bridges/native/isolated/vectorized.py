"""Loops over arrays in a worker: one message with the arrays, which are shared or copied once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from noodle import _host
from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.vectorized_arrays import dtypes_of
from noodle.bridges.native.vectorized_loops import LoopOptions, compile_loop
from noodle.errors import ForeignError

if TYPE_CHECKING:
    import numpy

    Array = numpy.ndarray[Any, Any]

__all__ = ["WorkerLoop"]


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
        self._remote = remote
        self._file = ""
        self.options = options

    def apply(self, arrays: list[Array], out: Array | None, threads: int) -> Array:
        """Call the function for each element; see ``ArrayLoop``.

        Results go into memory that both processes see, where there are enough of them to share it
        or ``out`` lies in such memory; else they are copied.
        """
        import numpy

        from noodle.workers.arrays import empty

        if not self._file:
            self._file = str(compile_loop(self._declaration, self.options))
        dtypes = dtypes_of(self._declaration)
        pairs = zip(arrays, dtypes[:-1], strict=True)
        sent = [array.astype(dtype, copy=False) for array, dtype in pairs]
        shape = numpy.broadcast_shapes(*(array.shape for array in sent))
        target = out if out is not None and _is_shared(out, sent) else None
        if target is None:
            target = empty(shape, numpy.dtype(dtypes[-1]))
        sent_out = target if _host.is_shared(target) else None
        answer = self._remote(self._declaration.name, self._file, dtypes, threads, sent_out, *sent)
        if sent_out is None:
            target[...] = _checked(answer, target, self._declaration.name)
        if out is None or out is target:
            return target
        out[...] = target
        return out


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
