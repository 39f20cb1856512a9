"""Calls to workers that asyncio awaits: thousands in flight, one wake-up for many replies."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Mapping
from contextvars import Context
from functools import partial
from typing import Any

from noodle import _host
from noodle.errors import ReferenceReleasedError
from noodle.workers import callback_tasks, deadlocks, registry
from noodle.workers.operations import Operation

__all__ = ["CallFuture", "call", "channel_for", "fail_channels", "request"]


class CallFuture(asyncio.Future[Any]):
    """The result of a call; cancelling it tells the worker."""

    __slots__ = ("call_id", "chain", "channel", "failure", "function", "since")

    channel: LoopChannel
    call_id: int
    function: str
    chain: int
    """The chain of nested calls that it belongs to; set where a callback has made it."""
    failure: BaseException
    """What the last callback that failed during the call has raised; set by then."""
    since: float
    """When it was first seen to wait, on the clock of ``time.monotonic``; set by then."""

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel it here, and tell the worker that nobody waits any more."""
        self.channel.cancel(self.call_id)
        return super().cancel(msg)

    def give_up(self, error: BaseException) -> None:
        """Fail with this error, and tell the worker that nobody waits any more."""
        self.channel.cancel(self.call_id)
        self.set_exception(error)


class LoopChannel(_host.LoopChannel):
    """The channel of one event loop to one worker."""

    link: _host.Link

    def answer_later(
        self,
        awaitable: Awaitable[Any],
        call_id: int,
        chain_id: int,
        chain: _host.Chain,
        blocks: bool,
    ) -> None:
        """Await what an asynchronous callback gave in a task of the loop, and answer when it ends.

        Args:
            awaitable: A coroutine, a future, or whatever else can be awaited.
            call_id: What to answer.
            chain_id: The chain that it belongs to.
            chain: What carries that in the running context; it ends with the task.
            blocks: Whether the worker stands still until then, and serves no other chain.
        """
        task = self.loop.create_task(self._run(awaitable, call_id, chain_id))
        _callbacks.add(task)
        task.add_done_callback(_callbacks.discard)
        task.add_done_callback(lambda _: chain.end())
        if blocks:
            task.add_done_callback(deadlocks.callback_begins(self.link, chain_id))

    async def _run(self, awaitable: Awaitable[Any], call_id: int, chain_id: int) -> None:
        try:
            with callback_tasks.cancellable(self.link, call_id, awaitable):
                result = await awaitable
        except asyncio.CancelledError:
            self.answer(call_id, chain_id, None, callback_tasks.cancelled())
            raise
        except BaseException as error:
            self.answer(call_id, chain_id, None, error)
            if not isinstance(error, Exception):
                raise
        else:
            self.answer(call_id, chain_id, result, None)

    def fail_stuck(self) -> None:
        """Settle what cannot go on, because of other calls that wait; see ``deadlocks``."""
        now = time.monotonic()
        for future in self.futures():
            since = getattr(future, "since", None)
            if since is None:
                future.since = since = now
            chain = getattr(future, "chain", 0)
            error = deadlocks.stuck(self.link, future.function, chain, now - since)
            if error is not None:
                future.give_up(error)

    def shut(self) -> None:
        """Take the channel from its loop and give it back."""
        descriptor = self.descriptor
        if descriptor >= 0 and not self.loop.is_closed():
            self.loop.remove_reader(descriptor)
        self.close()


_callbacks: set[asyncio.Task[None]] = set()
"""Asynchronous callbacks that run: a loop itself holds its tasks only weakly."""

_channels: dict[asyncio.AbstractEventLoop, dict[_host.Link, LoopChannel]] = {}


def _forget_closed_loops() -> None:
    """Give back the channels of loops that were closed: a channel keeps its loop alive."""
    for loop in [loop for loop in _channels if loop.is_closed()]:
        for channel in _channels.pop(loop).values():
            channel.shut()


def channel_for(link: _host.Link) -> LoopChannel:
    """Return the running loop's channel to a worker, opened now if need be.

    Raises:
        RuntimeError: No event loop is running.
        WorkerCrashedError: The worker has ended.
    """
    loop = asyncio.get_running_loop()
    channels = _channels.get(loop)
    if channels is None:
        _forget_closed_loops()
        channels = _channels[loop] = {}
    channel = channels.get(link)
    if channel is None or channel.descriptor < 0:
        channel = channels[link] = LoopChannel(link, loop, CallFuture)
        channel.link = link
        # Callbacks that come this way belong to the chain and deadline of none who calls now.
        Context().run(loop.add_reader, channel.descriptor, channel.drain)
    return channel


def request(
    reference: _host.Reference, operation: Operation, *arguments: Any
) -> asyncio.Future[Any]:
    """Ask something of a worker's object, without blocking the running event loop.

    Args:
        reference: The object.
        operation: What to do with it.
        arguments: The arguments of the operation.

    Returns:
        A future of the running loop; cancelling it cancels the call.

    Raises:
        ReferenceReleasedError: The object was released.
    """
    link = _host.facts(reference)[0]
    if link is None:
        raise ReferenceReleasedError("an object of a worker was released before it was used")
    future: asyncio.Future[Any] = channel_for(link).call(reference, operation, *arguments)
    return future


def _call(function: _host.RemoteFunction | _host.Reference, *args: Any, **kwargs: Any) -> Any:
    reference = _found_at_once(function) if isinstance(function, _host.RemoteFunction) else function
    if reference is None:
        return _DelayedCall(asyncio.get_running_loop(), function, args, kwargs)
    link, _, kind, _, _ = _host.facts(reference)
    if link is None:
        raise ReferenceReleasedError("an object of a worker was released before it was called")
    operation = Operation.NEW if kind == 4 else Operation.CALL
    return channel_for(link).call(reference, operation, *args, **kwargs)


call = partial(_host.call_awaited, _call)
"""Call a worker's function for the running event loop, without blocking it; return a future."""


def _found_at_once(function: _host.RemoteFunction) -> _host.Reference | None:
    """Return the function in a worker, unless more than a quick question is needed to find it."""
    known = function.known()
    if known is None and getattr(function.resolve, "is_at_hand", bool)():
        return function.reference()
    return known


class _DelayedCall(asyncio.Future[Any]):
    """A call whose worker, or whose function in it, has to be found first: off the event loop."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        function: _host.RemoteFunction | _host.Reference,
        args: tuple[Any, ...],
        kwargs: Mapping[str, Any],
    ) -> None:
        super().__init__(loop=loop)

        async def run() -> Any:
            assert isinstance(function, _host.RemoteFunction)
            reference = await asyncio.to_thread(function.reference)
            return await call(reference, *args, **kwargs)

        self._task = loop.create_task(run())
        self._task.add_done_callback(self._settle)

    def _settle(self, task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            super().cancel()
            return
        error = task.exception()
        if self.done():
            return
        if error is not None:
            self.set_exception(error)
        else:
            self.set_result(task.result())

    def cancel(self, msg: Any | None = None) -> bool:
        """Cancel it here, and the call if that has begun."""
        self._task.cancel(msg)
        return super().cancel(msg)

    def give_up(self, error: BaseException) -> None:
        """Fail with this error, and cancel the call if that has begun."""
        self._task.cancel()
        self.set_exception(error)


def fail_channels(link: _host.Link) -> None:
    """Settle what every loop still awaits from a worker that has ended."""
    for loop, channels in list(_channels.items()):
        channel = channels.pop(link, None)
        if channel is not None and not loop.is_closed():
            loop.call_soon_threadsafe(_fail, channel)


def _fail(channel: LoopChannel) -> None:
    channel.fail()
    channel.shut()


def _waits(link: _host.Link) -> list[tuple[int, str, float]]:
    """Return the awaited calls to a worker, as ``Link.waits`` has those of threads."""
    futures = [
        future
        for channels in list(_channels.values())
        if link in channels
        for future in channels[link].futures()
    ]
    return [(getattr(future, "chain", 0), future.function, 0.0) for future in futures]


def _look_for_stuck(link: _host.Link) -> None:
    for loop, channels in list(_channels.items()):
        channel = channels.get(link)
        if channel is not None and channel.waiting and not loop.is_closed():
            loop.call_soon_threadsafe(channel.fail_stuck)


registry.when_ended(fail_channels)
deadlocks.watch_awaited(_waits, _look_for_stuck)
