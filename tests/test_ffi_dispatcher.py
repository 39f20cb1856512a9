from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.bridges.registry import BridgeRegistry
from noodle.errors import (
    AmbiguousTargetError,
    InstanceUnavailableError,
    MissingPackageError,
    NoMatchingSignatureError,
    PrototypeError,
    SettingsError,
    TargetError,
    UnknownBridgeError,
)
from noodle.ffi_dispatcher import FfiDispatcher
from noodle.library_requests import LoadDefaults
from noodle.planner import Planner
from noodle.targets import Target
from tests.process_bridge import ProcessBridge


class Preference:
    """A configuration that only states an order."""

    def __init__(self, *names: str, targets: dict[str, str] | None = None) -> None:
        self.names = names
        self._targets = targets or {}

    def target(self, name: str) -> str | None:
        return self._targets.get(name)

    def defaults(self, name: str, target: Target) -> LoadDefaults:
        return LoadDefaults()


def dispatcher(*preferred: str, targets: dict[str, str] | None = None) -> FfiDispatcher:
    configuration = Preference(*preferred, targets=targets)
    return FfiDispatcher(BridgeRegistry(entry_points=False), Planner(), configuration=configuration)


def provide(dispatcher: FfiDispatcher, name: str, **members: Any) -> Any:
    dispatcher.registry.get("loopback").provide(name, members)  # type: ignore[attr-defined]
    return dispatcher.load(f"loopback:{name}")


def dot_of_lists(a: list[float], b: list[float]) -> str:
    return "lists"


def dot_of_arrays(a: Any, b: Any) -> str:
    return "arrays"


@pytest.fixture
def dot() -> FfiDispatcher:
    """A dispatcher whose ``dot`` is offered for lists, arrays, tensors and ``double*``."""
    made = dispatcher()
    lists = provide(made, "lists", dot=dot_of_lists)
    arrays = provide(made, "arrays", dot=dot_of_arrays)
    made.register("dot", lists)
    made.register("dot", arrays, prototype="dot(a: array<f64>, b: array<f64>)")
    tensors = provide(made, "tensors", product=lambda a, b: "tensors")
    made.register("dot", tensors, operation="product", prototype="dot(a: tensor, b: tensor)")
    return made


def test_dispatch_picks_the_bridge_whose_signature_accepts_the_arguments(
    dot: FfiDispatcher,
) -> None:
    import numpy as np

    assert "lists" == dot.dispatch("dot", [1.0], [2.0])
    assert "arrays" == dot.dispatch("dot", np.array([1.0]), np.array([2.0]))
    assert "arrays" == dot.dispatch("dot", a=np.array([1.0]), b=np.array([2.0]))


SUM_IN_C = """
double total(const double *values, int count)
{
    double sum = 0;
    for (int i = 0; i < count; i++)
        sum += values[i];
    return sum;
}
"""


def test_a_c_function_an_array_a_tensor_and_a_list_are_told_apart(tmp_path: Path) -> None:
    """S1: list, ndarray, tensor and ``double*``, each offered by a real library of its bridge."""
    import numpy as np

    made = dispatcher("./total.c")
    (tmp_path / "total.c").write_text(SUM_IN_C)
    prototypes = "double total(const double *values, int count);"
    native = made.load("./total.c", directory=tmp_path, prototypes=prototypes)
    made.register(
        "total",
        provide(made, "lists", total=lambda x, n: f"list of {n}"),
        prototype="total(values: list, count: int)",
    )
    made.register(
        "total",
        provide(made, "tensors", total=lambda x, n: "tensor"),
        prototype="total(values: tensor, count: int)",
    )
    made.register("total", "numpy", operation="take", prototype="take(a: ndarray, indices: int)")
    made.register("total", native)
    values = np.array([1.5, 2.0, 4.0])
    assert 7.5 == made.dispatch("total", values, 3)
    assert 1 == noodle.stats(native.total).calls
    assert 4.0 == made.dispatch("total", values.astype(np.float32), 2)
    assert 2 == made.dispatch("total", np.array([[1, 9], [2, 9]], order="F"), 2)
    assert "list of 3" == made.dispatch("total", [1.5, 2.0, 4.0], 3)
    assert 1 == noodle.stats(native.total).calls
    with pytest.raises(NoMatchingSignatureError) as caught:
        made.dispatch("total", b"bytes", 3)
    assert 4 == str(caught.value).count("got bytes b'bytes'")
    assert "./total.c.total(values: ptr<f64>): f64" in str(caught.value)


def test_dispatch_lists_every_signature_and_why_it_was_refused(dot: FfiDispatcher) -> None:
    with pytest.raises(NoMatchingSignatureError) as caught:
        dot.dispatch("dot", "text", 3)
    text = str(caught.value)
    assert "lists.dot(a: list, b: list)" in text
    assert "arrays.dot(a: array<f64>, b: array<f64>)" in text
    assert "tensors.dot(a: tensor, b: tensor)" in text
    assert 3 == text.count("got str 'text'")
    assert isinstance(caught.value, TypeError)


def test_a_wrong_dtype_is_refused_with_what_it_is(dot: FfiDispatcher) -> None:
    import numpy as np

    with pytest.raises(NoMatchingSignatureError, match="array<f32> with dtype float32"):
        dot.dispatch("dot", np.zeros(2, np.float32), np.zeros(2, np.float32))


def test_several_that_accept_are_tried_in_the_configured_order() -> None:
    for preferred in (("first", "second"), ("second", "first")):
        made = dispatcher(*preferred)
        made.register("which", provide(made, "first", which=lambda: "first"))
        made.register("which", provide(made, "second", which=lambda: "second"))
        assert preferred[0] == made.dispatch("which")


def test_without_a_configured_order_the_first_registered_is_taken() -> None:
    made = dispatcher()
    made.register("which", provide(made, "first", which=lambda: "first"))
    made.register("which", provide(made, "second", which=lambda: "second"))
    assert "first" == made.dispatch("which")


def test_a_function_of_a_loaded_library_needs_no_registration() -> None:
    made = dispatcher()
    provide(made, "calc", add=lambda x, y: x + y)
    assert 3 == made.dispatch("add", 1, 2)


def test_a_library_may_be_registered_by_a_name_that_is_loaded_when_needed() -> None:
    made = dispatcher()
    made.register("solve", "numpy", operation="linalg.solve")
    assert [2.0] == made.dispatch("solve", [[1.0]], [2.0]).tolist()


def test_a_registered_library_that_cannot_be_loaded_is_passed_over() -> None:
    made = dispatcher()
    made.register("add", "noodle_no_such_package", prototype="add(x: float, y: float)")
    assert "noodle_no_such_package" in str(made.candidates("add", (1.0, 2.0), {})[0])
    with pytest.raises(NoMatchingSignatureError, match="no Python package"):
        made.dispatch("add", 1.0, 2.0)
    made.register("add", provide(made, "calc", add=lambda x, y: x + y))
    assert 3.0 == made.dispatch("add", 1.0, 2.0)


def test_an_unknown_operation_names_the_nearest(dot: FfiDispatcher) -> None:
    with pytest.raises(UnknownBridgeError) as caught:
        dot.dispatch("dott", [1.0], [2.0])
    assert "dot" == caught.value.remedy


def test_a_prototype_that_cannot_be_read_is_refused_when_it_is_registered() -> None:
    made = dispatcher()
    for text in ("dot(", "dot(a: lst)", "dot(a: array<str>)"):
        with pytest.raises(PrototypeError):
            made.register("dot", "numpy", prototype=text)


def test_errors_of_the_chosen_function_are_not_taken_for_a_refusal() -> None:
    made = dispatcher()
    made.register("invert", provide(made, "one", invert=lambda x: 1 / x))
    made.register("invert", provide(made, "two", invert=lambda x: "never"))
    with pytest.raises(ZeroDivisionError):
        made.dispatch("invert", 0)


def test_dispatched_calls_are_counted_by_the_functions_handle() -> None:
    made = dispatcher()
    calc = provide(made, "calc", add=lambda x, y: x + y)
    made.register("add", calc)
    for _ in range(10):
        made.dispatch("add", 1, 2)
    assert 10 == noodle.stats(calc.add).calls


@pytest.fixture
def processes() -> Iterator[ProcessBridge]:
    bridge = ProcessBridge()
    yield bridge
    bridge.close()


def test_a_killed_instance_is_passed_over_and_the_next_one_takes_the_call(
    processes: ProcessBridge,
) -> None:
    """Node availability and failover: the chosen process is killed, the other one answers."""
    made = dispatcher()
    made.registry.register("process", processes)
    for name in ("one", "two"):
        made.register("total", made.load(f"process:{name}"))
    chosen, standby = processes.libraries
    assert (6, chosen.process.pid) == made.dispatch("total", [1, 2, 3])
    os.kill(chosen.process.pid, signal.SIGKILL)
    assert (6, standby.process.pid) == made.dispatch("total", [1, 2, 3])
    chosen.process.wait()
    verdicts = [candidate.refusal for candidate in made.candidates("total", ([1],), {})]
    assert ["its instance is unavailable", None] == verdicts
    os.kill(standby.process.pid, signal.SIGKILL)
    with pytest.raises(InstanceUnavailableError, match="total"):
        made.dispatch("total", [1, 2, 3])


def test_a_configured_name_wins_over_an_installed_package() -> None:
    made = dispatcher("numpy", targets={"numpy": "math"})
    assert 2.0 == made.load("numpy").sqrt(4)
    assert "math" == str(made.bridge("numpy")).partition("=")[0]
    assert "numpy" == made.bridge("numpy").name


def test_a_bridge_that_is_not_loaded_yet_is_loaded() -> None:
    made = dispatcher()
    assert 2.0 == made.bridge("math").execute("sqrt", 4)
    with pytest.raises(MissingPackageError):
        made.bridge("noodle_no_such_package")


def test_invalidating_makes_every_plan_anew() -> None:
    made = dispatcher()
    calc = provide(made, "calc", add=lambda x, y: x + y)
    calc.add(1, 2)
    calc.add(1, 2)
    assert 1 == noodle.stats(calc.add).plan_misses
    made.invalidate()
    calc.add(1, 2)
    assert 2 == noodle.stats(calc.add).plan_misses


COSINE = "double cos(double x);"
SINE = "double sin(double x);"


class TestSameLibrary:
    """Which loads give one namespace, and which do not."""

    def test_the_directory_matters_only_for_a_path(self, tmp_path: Path) -> None:
        made = dispatcher()
        for name, text in (("one", "who = 1"), ("two", "who = 2")):
            (tmp_path / name).mkdir()
            (tmp_path / name / "same_stem.py").write_text(text)
        one, two = (
            made.load("./same_stem.py", directory=tmp_path / name) for name in ("one", "two")
        )
        assert (1, 2) == (one.who, two.who)
        assert made.load("math", directory=tmp_path) is made.load("math", directory="/")
        assert made.load("libm.so.6", directory=tmp_path, prototypes=COSINE) is made.load(
            "libm.so.6", prototypes=COSINE
        )

    def test_spelling_does_not_matter(self, tmp_path: Path) -> None:
        made = dispatcher()
        assert made.load("python:math") is made.load("math") is made.load(" math ")
        assert made.load("numpy >= 1") is made.load("numpy>=1")

    @pytest.mark.parametrize("option", [{"x": [1, {2}]}, bytearray(b"x"), [[]], float("nan")])
    def test_an_option_of_any_value_is_no_obstacle_to_a_clear_error(self, option: Any) -> None:
        with pytest.raises(SettingsError, match="has no option 'speed'"):
            dispatcher().load("math", speed=option)

    @pytest.mark.parametrize("text", [["math"], None, 3, {}])
    def test_what_is_no_text_is_no_target(self, text: Any) -> None:
        with pytest.raises(TargetError, match="a target is a text"):
            dispatcher().load(text)

    def test_threads_that_load_at_once_get_one_namespace(self) -> None:
        made = dispatcher()
        start = threading.Barrier(4)
        seen: list[ModuleType] = []

        def load() -> None:
            start.wait()
            seen.extend(made.load(name) for name in ("math", "json", "cmath", "decimal"))
            made.register("sqrt", "math")
            made.candidates("sqrt", (4,), {})

        threads = [threading.Thread(target=load) for _ in range(4)]
        previous = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        finally:
            sys.setswitchinterval(previous)
        assert (16, 4) == (len(seen), len({id(module) for module in seen}))
        assert 4 == len(made.libraries()) == len(made.candidates("sqrt", (4,), {}))


class TestLibrariesOfOneName:
    """Two sets of prototypes for one C library make two libraries that are called the same."""

    def test_each_offers_what_it_was_registered_for(self) -> None:
        made = dispatcher()
        cosine = made.load("libm.so.6", prototypes=COSINE)
        sine = made.load("libm.so.6", prototypes=SINE)
        made.register("sin", sine)
        made.register("cos", cosine)
        assert (0.0, 1.0) == (made.dispatch("sin", 0.0), made.dispatch("cos", 0.0))

    def test_their_name_alone_is_refused_and_the_namespace_is_accepted(self) -> None:
        made = dispatcher()
        cosine = made.load("libm.so.6", prototypes=COSINE)
        assert 1.0 == made.bridge("libm.so.6").execute("cos", 0.0)
        sine = made.load("libm.so.6", prototypes=SINE)
        with pytest.raises(AmbiguousTargetError, match="2 loaded libraries are called"):
            made.bridge("libm.so.6")
        assert 1.0 == made.execute(cosine, "cos", 0.0)
        assert 0.0 == made.bridge(sine).execute("sin", [0.0])

    def test_a_version_beside_the_plain_name_is_no_obstacle(self) -> None:
        made = dispatcher()
        made.load("numpy>=1")
        plain = made.load("numpy")
        assert plain is made.bridge("numpy").module


def test_what_is_loaded_anew_takes_the_place_of_the_old_in_dispatch_too() -> None:
    made = dispatcher()
    old = provide(made, "calc", which=lambda: "old")
    made.register("which", old)
    made.registry.get("loopback").provide("calc", {"which": lambda: "new"})  # type: ignore[attr-defined]
    new = made.reload("loopback:calc")
    assert ("old", "new", "new") == (old.which(), new.which(), made.dispatch("which"))
    assert made.load("loopback:calc") is new
    assert [new] == [library.module for library in made.libraries()]
