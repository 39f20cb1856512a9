from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.bridges.loopback import LoopbackBridge
from noodle.calls import LoadRequest
from noodle.errors import InstanceUnavailableError, MissingLibraryError, NameNotFoundError
from tests.bridges.conformance import BridgeConformance


def add(x: float, y: float) -> float:
    """Add two numbers."""
    return x + y


def subtract(x: float, y: float) -> float:
    """Subtract y from x."""
    return x - y


MEMBERS = {
    "add": add,
    "subtract": subtract,
    "twice": lambda x: 2 * x,
    "limit": 10,
    "inner": {"negate": lambda x: -x, "deep": {"one": 1}},
}


class TestLoopback(BridgeConformance):
    bridge_name = "loopback"

    @pytest.fixture
    def loading(self) -> tuple[str, dict[str, Any]]:
        noodle.provide("calc", MEMBERS, version="1.2")
        return "loopback:calc", {}

    def test_serves_values_and_submodules(self, library: ModuleType) -> None:
        assert (10, -3, 1) == (library.limit, library.inner.negate(3), library.inner.deep.one)

    def test_claims_the_version_that_it_was_given(self, library: ModuleType) -> None:
        assert "calc 1.2" == str(noodle.bridge("calc"))


def request(name: str) -> LoadRequest:
    return LoadRequest(library=name, location=name)


def test_a_library_that_was_not_provided_is_missing() -> None:
    bridge = LoopbackBridge()
    bridge.provide("calc", MEMBERS)
    with pytest.raises(MissingLibraryError, match="calc"):
        bridge.load(request("cal"))


def test_a_stopped_library_fails_like_a_lost_instance_until_it_is_started() -> None:
    engine = noodle.Engine(noodle.configure().settings)
    module = engine.provide("calc", MEMBERS)
    bridge = engine.registry.get("loopback")
    assert isinstance(bridge, LoopbackBridge)
    library = bridge.library("calc")
    assert 3 == module.add(1, 2)
    library.stop()
    with pytest.raises(InstanceUnavailableError):
        module.add(1, 2)
    with pytest.raises(InstanceUnavailableError):
        module.inner.negate(1)
    library.start()
    assert 3 == module.add(1, 2)


def test_an_unknown_member_lists_those_that_there_are() -> None:
    library = LoopbackBridge().provide("calc", MEMBERS)
    with pytest.raises(NameNotFoundError, match="limit"):
        library.member("limits")
