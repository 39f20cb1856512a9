"""Loops over arrays in a worker, for asyncio."""

from __future__ import annotations

import asyncio
from typing import Any

from noodle.bridges.native.isolated.vectorized import MapCall, WorkerLoop
from noodle.bridges.native.vectorized import MappedFunction, given
from noodle.workers import event_loop

__all__ = ["AwaitedMap"]


class _Results(asyncio.Future[Any]):
    """The results of a call that a worker has not answered yet; cancelling them cancels the call.

    Args:
        answer: The future of the answer.
        call: The call.
    """

    def __init__(self, answer: Any, call: MapCall) -> None:
        super().__init__(loop=answer.get_loop())
        self._answer = answer
        self._call = call
        answer.add_done_callback(self._settle)

    def _settle(self, answer: asyncio.Future[Any]) -> None:
        if answer.cancelled():
            super().cancel()
            return
        error = answer.exception()
        if self.done():
            return
        try:
            if error is not None:
                raise error
            self.set_result(given(self._call.results(answer.result()), self._call.out))
        except Exception as error:
            self.set_exception(error)

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel it here, and the call."""
        self._answer.cancel(msg)
        return super().cancel(msg)

    def give_up(self, error: BaseException) -> None:
        """Fail with this error, and cancel the call."""
        self._answer.give_up(error)


class AwaitedMap(MappedFunction):
    """A map whose results are a future of the running event loop."""

    @classmethod
    def of(cls, mapped: MappedFunction) -> AwaitedMap:
        """Return the one for a function in a worker."""
        return cls(
            mapped._name,
            mapped._declaration,
            mapped._arguments,
            mapped._raw,
            mapped._match,
            mapped._loop,
        )

    def __call__(
        self, /, *args: Any, out: Any = None, parallel: bool | None = None, **kwargs: Any
    ) -> Any:
        """Return the future of what ``MappedFunction`` returns."""
        loop = self._loop
        assert isinstance(loop, WorkerLoop)
        arrays, threads = self.prepared(self.matched(args, kwargs), out, parallel)
        call = MapCall(loop, arrays, out)
        return _Results(event_loop.call(loop.remote, *loop.message(call, threads)), call)
