from __future__ import annotations

import noodle
from noodle.candidates import UNAVAILABLE, Candidate, Offer, nobody_accepts
from noodle.errors import InstanceUnavailableError, NoMatchingSignatureError
from noodle.prototypes import parse_prototype

DOT = parse_prototype("dot(a: list, b: list)")


def candidate(library: str, refusal: str | None) -> Candidate:
    return Candidate(library, DOT, max, refusal)


def test_an_offer_knows_its_librarys_name_before_and_after_it_is_loaded() -> None:
    assert "math" == Offer("math", "sqrt").library_name
    assert "math" == Offer(noodle.bridge("math"), "sqrt").library_name


def test_a_candidate_says_why_it_is_refused() -> None:
    assert "box.dot(a: list, b: list): too few" == str(candidate("box", "too few"))
    assert "box.dot(a: list, b: list): accepts the arguments" == str(candidate("box", None))


def test_refused_arguments_are_the_callers_mistake() -> None:
    error = nobody_accepts("dot", [candidate("one", "too few"), candidate("two", "no list")], [])
    assert isinstance(error, NoMatchingSignatureError)
    assert "one.dot(a: list, b: list) or two.dot(a: list, b: list)" == error.expected
    assert "two.dot(a: list, b: list): no list" in str(error.received)


def test_lost_or_unavailable_instances_are_not() -> None:
    lost = nobody_accepts("dot", [candidate("one", None)], ["one: gone"])
    stopped = nobody_accepts("dot", [candidate("one", UNAVAILABLE)], [])
    assert isinstance(lost, InstanceUnavailableError)
    assert "one: gone" == lost.received
    assert isinstance(stopped, InstanceUnavailableError)
