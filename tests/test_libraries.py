from __future__ import annotations

import sys
import threading
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle._handle import Handle
from noodle.errors import (
    ArgumentError,
    ArityError,
    NameNotFoundError,
    PermissionDeniedError,
    UnknownBridgeError,
)
from noodle.libraries import Library, library_of
from noodle.settings import resolve


def operation(a: int, b: int = 10, *, scale: int = 1) -> tuple[int, int, int]:
    return a, b, scale


@pytest.fixture
def module() -> ModuleType:
    return noodle.provide(
        "box",
        {
            "operation": operation,
            "keywords": lambda **named: named,
            "unreadable": max,
            "inner": {"double": lambda x: 2 * x},
            "constant": 3,
            "_private": lambda: "secret",
        },
        version="2.0",
    )


@pytest.fixture
def library(module: ModuleType) -> Library:
    return library_of(module)


def test_is_what_the_specification_calls_a_bridge(library: Library) -> None:
    assert ("box", "box 2.0", "2.0") == (library.name, str(library), library.version)
    assert "<library box 2.0 (loopback, inprocess)>" == repr(library)
    assert ["box/inprocess"] == [instance.name for instance in library.instances()]


def test_functions_are_kept_in_the_namespace_and_values_are_not(module: ModuleType) -> None:
    assert type(module.operation) is Handle
    assert {"operation", "inner"} >= {n for n in vars(module) if not n.startswith("__")}
    assert 3 == module.constant
    assert "constant" not in vars(module)


def test_a_submodule_is_a_namespace_of_handles(module: ModuleType) -> None:
    assert isinstance(module.inner, ModuleType)
    assert module.inner is module.inner
    assert "<function box.inner.double of box 2.0>" == repr(module.inner.double)


def test_a_handle_is_made_once_when_threads_look_it_up_at_the_same_time() -> None:
    members = {f"f{n}": (lambda n=n: n) for n in range(200)}
    module = noodle.provide("crowded", members)
    start = threading.Barrier(4)
    seen: list[dict[str, Any]] = []

    def look_up() -> None:
        start.wait()
        seen.append({name: getattr(module, name) for name in members})

    threads = [threading.Thread(target=look_up) for _ in range(4)]
    previous = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    finally:
        sys.setswitchinterval(previous)
    assert all(found[name] is seen[0][name] for found in seen for name in members)


@pytest.mark.parametrize(
    ("data", "result"),
    [
        ({"a": 1}, (1, 10, 1)),
        ({"b": 2, "a": 1}, (1, 2, 1)),
        ({"a": 1, "scale": 5}, (1, 10, 5)),
        ({"x": 1, "y": 2}, (1, 2, 1)),
        ({1: 7, 2: 8}, (7, 8, 1)),
        ([1, 2], (1, 2, 1)),
        ((1,), (1, 10, 1)),
        (5, (5, 10, 1)),
        ("text", ("text", 10, 1)),
        (None, (None, 10, 1)),
    ],
)
def test_execute_passes_a_dict_by_keyword_or_position_a_sequence_by_position_else_one(
    library: Library, data: Any, result: Any
) -> None:
    assert result == library.execute("operation", data)


def test_execute_finds_positional_only_parameters_by_their_names() -> None:
    assert 8.0 == noodle.bridge("math").execute("pow", {"y": 3, "x": 2})
    assert 8.0 == noodle.bridge("math").execute("pow", {"base": 2, "exponent": 3})


def test_execute_by_position_when_the_signature_cannot_be_read(library: Library) -> None:
    assert 3 == library.execute("unreadable", {"a": 1, "b": 3})


def test_execute_gives_any_keyword_to_a_function_that_takes_any(library: Library) -> None:
    assert {"p": 1, "q": 2} == library.execute("keywords", {"p": 1, "q": 2})
    assert {} == library.execute("keywords", {})


def test_execute_refuses_a_mixture_of_parameters_and_other_keys(library: Library) -> None:
    with pytest.raises(ArityError, match=r"some keys for box\.operation"):
        library.execute("operation", {"a": 1, "c": 2})
    bridge = noodle.bridge("statistics")
    with pytest.raises(ArityError) as caught:
        bridge.execute("mean", {"data": [1, 2], "weight": 3})
    assert "data (known) and weight (unknown)" == caught.value.received
    assert "data" in str(caught.value.expected)


def test_execute_resolves_dotted_operations(library: Library) -> None:
    assert 8 == library.execute("inner.double", 4)
    assert [2.0] == noodle.bridge("numpy").execute("linalg.solve", [[[1.0]], [2.0]]).tolist()


@pytest.mark.parametrize(
    "name",
    ["_private", "inner._x", "__class__", "operation.__self__", "", ".", "inner.", "..inner"],
)
def test_execute_refuses_private_and_empty_names(library: Library, name: str) -> None:
    with pytest.raises(NameNotFoundError, match="not an operation"):
        library.execute(name, 1)


def test_execute_refuses_what_is_no_function(library: Library) -> None:
    with pytest.raises(ArgumentError, match="constant cannot be called"):
        library.execute("constant", 1)
    with pytest.raises(ArgumentError, match="inner cannot be called"):
        library.execute("inner", 1)
    with pytest.raises(NameNotFoundError, match="operation"):
        library.execute("operatoin", 1)


def test_executed_calls_are_counted_by_the_functions_handle(
    module: ModuleType, library: Library
) -> None:
    before = noodle.stats(module.operation).calls
    library.execute("operation", [1])
    assert before + 1 == noodle.stats(module.operation).calls


def test_execute_constructs_a_class_too() -> None:
    assert "1.50" == str(noodle.bridge("decimal").execute("Decimal", "1.50"))


def test_an_attribute_that_a_function_lacks_is_a_name_that_was_not_found() -> None:
    with pytest.raises(NameNotFoundError, match=r"numpy has no 'add\.reduc'") as caught:
        noodle.bridge("numpy").execute("add.reduc", [[1, 2]])
    assert "reduce" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("library", "operation", "data"),
    [
        ("decimal", "Decimal", "1.50"),
        ("numpy", "add.reduce", [[1, 2]]),
        ("decimal", "Decimal.from_float", 1.5),
    ],
)
def test_what_has_no_handle_in_the_namespace_passes_the_call_path_too(
    library: str, operation: str, data: Any
) -> None:
    """Classes and methods that are named by data are authorised like functions."""
    roles = {"user_roles": {"admin": ["json"]}, "bridge_permissions": {library: ["system"]}}
    settings = resolve(arguments={"security": {"authorization": roles}}, environment={})
    bridge = noodle.Engine(settings).bridge(library)
    with pytest.raises(PermissionDeniedError, match=f"may not call {library}"):
        bridge.execute(operation, data)
    assert noodle.Engine(resolve(environment={})).bridge(library).execute(operation, data)


def test_only_a_loaded_namespace_has_a_library() -> None:
    for stranger in (sys, 3, None, object()):
        with pytest.raises(UnknownBridgeError, match="not a loaded library"):
            library_of(stranger)
