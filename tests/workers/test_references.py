"""Proxies: identity, release, and what happens to them when their worker ends."""

from __future__ import annotations

import gc
import threading

import pytest
from tests.workers.echo import IN_C, Functions, reaches, statistics

import noodle
from noodle import _host
from noodle.errors import (
    ArgumentTypeError,
    DeadlineExceededError,
    ReferenceReleasedError,
    WorkerCrashedError,
)
from noodle.workers.pool import Pool
from noodle.workers.references import copy, ref, release, scope


def test_objects_are_released_without_a_call_of_their_own(pool: Pool, function: Functions):
    """The next call takes releases along, unless the worker's serving thread was quicker."""
    make, releases = function("object"), function("releases")
    before = releases()
    things = [make() for _ in range(200)]
    assert before == releases()
    del things
    gc.collect()
    assert reaches(before + 200, releases)


def test_finalizers_on_other_threads_write_to_no_ring(pool: Pool, function: Functions):
    make, releases = function("object"), function("releases")
    before = releases()
    things = [make() for _ in range(100)]

    def drop() -> None:
        while things:
            things.pop()

    threads = [threading.Thread(target=drop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 2 >= statistics(pool)["channels"]
    assert reaches(before + 100, releases)


def test_a_released_object_cannot_be_used(function: Functions):
    thing = function("object")()
    release(thing)
    release(thing)
    with pytest.raises(ReferenceReleasedError, match="Thing cannot be used any more"):
        thing()
    with pytest.raises(ReferenceReleasedError):
        function("echo")(thing)


def test_a_call_tells_what_its_object_was_called_when_it_began(pool: Pool, function: Functions):
    sleep, link = function("sleep").reference(), pool.worker().link
    first, second = (f"{name} {'name ' * 12}" for name in ("first", "second"))
    _host.rename(sleep, first)

    def rename() -> None:
        assert reaches(1, lambda: link.in_flight)
        _host.rename(sleep, second)

    thread = threading.Thread(target=rename)
    del first
    thread.start()
    with pytest.raises(DeadlineExceededError, match=r"first (name )+"), noodle.deadline(0.3):
        sleep(0.6)
    thread.join()
    assert second == _host.facts(sleep)[3]


def test_the_same_object_is_the_same_proxy(function: Functions):
    thing = function("object")()
    assert [thing] == function("echo")([thing])
    assert function("echo")(thing) is thing


def test_a_block_releases_what_it_keeps(function: Functions):
    with scope() as block:
        thing = block.keep(function("object")())
    with pytest.raises(ReferenceReleasedError):
        thing()


def test_a_proxy_is_a_context_manager(function: Functions):
    with function("object")() as thing:
        assert "Thing" in repr(thing)
    assert repr(thing).endswith("released>")


def test_a_proxy_of_an_ended_worker_is_refused(pool: Pool, function: Functions):
    thing = function("object")()
    with pytest.raises(WorkerCrashedError):
        function("crash")()
    with pytest.raises(ReferenceReleasedError, match="its worker has ended"):
        thing()
    releases = function("releases")
    before = releases()
    del thing
    assert before == releases()


def test_an_object_of_one_worker_reaches_another_as_an_object_of_the_host(
    pool: Pool, function: Functions
):
    thing = function("object")()
    with pytest.raises(WorkerCrashedError):
        function("crash")()
    function("keep")(thing)
    assert 1 == statistics(pool)["exported_objects"]
    assert function("echo")(thing) is thing


def test_a_list_goes_by_reference_where_it_is_asked_for(pool: Pool, function: Functions):
    values = [1, 2]
    assert function("echo")(ref(values)) is values
    assert function("echo")(values) is not values


def test_only_proxies_and_arrays_can_be_released():
    with pytest.raises(ArgumentTypeError):
        release([1])  # type: ignore[arg-type]


def test_values_are_their_own_copies():
    values = [1]
    assert copy(values) is values


def test_a_proxy_cannot_be_made_here():
    from noodle.workers.references import TYPES

    for kind in {_host.Reference, *TYPES}:
        with pytest.raises(TypeError):
            kind()


@IN_C
def test_a_release_does_not_overtake_an_answer_that_waits_to_be_read(
    pool: Pool, function: Functions
):
    """The outer call's answer comes while an inner call waits; then goes what it names."""
    hand_over, hand_back = function("hand_over"), function("hand_back")
    hand_back.reference()

    def named() -> str:
        return "named"

    def call_back() -> None:
        hand_back()

    assert named is hand_over(named, call_back)
    assert 1 == statistics(pool)["exported_objects"]  # call_back, which the worker keeps
