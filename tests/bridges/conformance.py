"""One suite for every bridge: what a library must do, whatever language it is written in.

A bridge's test derives from ``BridgeConformance`` and says how to load a small library that offers
``add(x, y)``, ``subtract(x, y)`` and ``twice(x)`` over floats.
"""

from __future__ import annotations

import asyncio
import inspect
import pydoc
import threading
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest

import noodle
from noodle._handle import Handle
from noodle.calls import Plan
from noodle.errors import (
    DeadlineExceededError,
    NameNotFoundError,
    PlacementError,
    SettingsError,
    UsageError,
)
from noodle.libraries import library_of


class BridgeConformance:
    """What every bridge must do."""

    bridge_name: ClassVar[str]
    placement: ClassVar[str] = "inprocess"
    other_placements: ClassVar[frozenset[str]] = frozenset()
    checks_arity: ClassVar[bool] = True

    @pytest.fixture
    def loading(self, tmp_path: Path) -> tuple[str, dict[str, Any]]:
        """Target and options of a library with ``add``, ``subtract`` and ``twice`` over floats."""
        raise NotImplementedError

    @pytest.fixture
    def library(self, loading: tuple[str, dict[str, Any]]) -> ModuleType:
        """The library, loaded."""
        target, options = loading
        return noodle.load(target, **options)

    def test_calls_a_function_and_returns_its_result(self, library: ModuleType) -> None:
        assert (3.75, 5.0) == (library.add(1.5, 2.25), library.twice(2.5))

    def test_a_function_is_one_handle_however_often_it_is_looked_up(
        self, library: ModuleType
    ) -> None:
        assert type(library.add) is Handle
        assert library.add is library.add

    def test_every_call_is_counted(self, library: ModuleType) -> None:
        before = noodle.stats(library.add).calls
        for _ in range(100):
            library.add(1.0, 2.0)
        assert 100 == noodle.stats(library.add).calls - before

    def test_arguments_by_keyword(self, library: ModuleType) -> None:
        assert 3.0 == library.add(x=1.0, y=2.0)
        assert 3.0 == library.add(1.0, y=2.0)
        assert -1.0 == library.subtract(y=2.0, x=1.0)

    def test_the_name_the_signature_and_the_docstring_are_the_functions_own(
        self, library: ModuleType
    ) -> None:
        assert "add" == library.add.__name__
        assert ["x", "y"] == list(inspect.signature(library.add).parameters)
        text = pydoc.render_doc(library.add, renderer=pydoc.plaintext)
        assert "add(" in text
        assert library.add.__doc__
        assert library.add.__doc__.splitlines()[0] in text

    def test_lists_its_names(self, library: ModuleType) -> None:
        assert {"add", "twice", "subtract"} <= set(dir(library))

    def test_an_unknown_name_says_which_are_near(self, library: ModuleType) -> None:
        with pytest.raises(NameNotFoundError, match="subtract") as caught:
            _ = library.substract
        assert isinstance(caught.value, AttributeError)

    @pytest.mark.parametrize("arguments", [(), (1.0,), (1.0, 2.0, 3.0)])
    def test_a_wrong_number_of_arguments_is_a_type_error(
        self, library: ModuleType, arguments: tuple[float, ...]
    ) -> None:
        if not self.checks_arity:
            assert library.add.explain(*arguments).prototype.refusal(arguments, {}) is None
            return
        with pytest.raises(TypeError):
            library.add(*arguments)

    def test_an_unknown_keyword_is_a_type_error(self, library: ModuleType) -> None:
        with pytest.raises(TypeError):
            library.add(1.0, z=2.0)

    def test_explain_shows_the_plan_without_calling(self, library: ModuleType) -> None:
        before = noodle.stats(library.add).calls
        plan = library.add.explain(1.0, 2.0)
        assert isinstance(plan, Plan)
        assert ("add", self.bridge_name) == (plan.function, plan.bridge)
        assert self.placement == plan.placement
        assert (float, float) == plan.signature.positional
        assert ["authorise", "optimisation", "deadline"] == [s.stage for s in plan.stages]
        assert "off, no arms registered" in str(plan)
        assert before == noodle.stats(library.add).calls

    def test_options_give_another_handle_of_the_same_function(self, library: ModuleType) -> None:
        limited = library.add.options(deadline=60)
        assert limited is not library.add
        assert (3.0, 1) == (limited(1.0, 2.0), noodle.stats(limited).calls)
        assert "60 s a call" in str(limited.explain(1.0, 2.0))

    @pytest.mark.parametrize(
        ("options", "error"),
        [
            ({"deadlin": 1}, SettingsError),
            ({"deadline": -1}, SettingsError),
            ({"placement": "elsewhere"}, PlacementError),
        ],
    )
    def test_options_that_cannot_be_had_are_refused(
        self, library: ModuleType, options: dict[str, Any], error: type[UsageError]
    ) -> None:
        with pytest.raises(error):
            library.add.options(**options)

    def test_a_deadline_that_has_passed_stops_the_call_before_it_starts(
        self, library: ModuleType
    ) -> None:
        library.add(1.0, 2.0)
        with noodle.deadline(1e-9), pytest.raises(DeadlineExceededError) as caught:
            library.add(1.0, 2.0)
        assert isinstance(caught.value, TimeoutError)
        assert 3.0 == library.add(1.0, 2.0)

    def test_aio_can_be_awaited(self, library: ModuleType) -> None:
        async def gather() -> list[float]:
            return await asyncio.gather(*(library.add.aio(float(n), 1.0) for n in range(20)))

        assert [n + 1.0 for n in range(20)] == asyncio.run(gather())

    def test_batch_calls_once_for_each_row(self, library: ModuleType) -> None:
        rows = [(1.0, 2.0), [3.0, 4.0], {"x": 5.0, "y": 6.0}]
        assert [3.0, 7.0, 11.0] == library.add.batch(rows)

    def test_map_goes_over_sequences(self, library: ModuleType) -> None:
        assert [2.0, 4.0] == library.twice.map([1.0, 2.0])

    def test_map_broadcasts_arrays(self, library: ModuleType) -> None:
        np = pytest.importorskip("numpy")
        result = library.add.map(np.array([[1.0], [2.0]]), np.array([10.0, 20.0]))
        assert [[11.0, 21.0], [12.0, 22.0]] == result.tolist()

    def test_threads_may_call_at_once(self, library: ModuleType) -> None:
        results: list[float] = []

        def work() -> None:
            results.extend(library.add(float(n), 1.0) for n in range(500))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert sorted([n + 1.0 for n in range(500)] * 4) == sorted(results)

    def test_the_raw_function_is_not_counted(self, library: ModuleType) -> None:
        before = noodle.stats(library.add).calls
        assert 3.0 == noodle.raw(library.add)(1.0, 2.0)
        assert before == noodle.stats(library.add).calls

    def test_execute_takes_arguments_as_data(self, library: ModuleType) -> None:
        bridge = library_of(library)
        assert 3.0 == bridge.execute("add", {"y": 2.0, "x": 1.0})
        assert -1.0 == bridge.execute("subtract", {"y": 2.0, "x": 1.0})
        assert -1.0 == bridge.execute("subtract", {"first": 1.0, "second": 2.0})
        assert 3.0 == bridge.execute("add", [1.0, 2.0])
        assert 3.0 == bridge.execute("add", (1.0, 2.0))
        assert 5.0 == bridge.execute("twice", 2.5)

    def test_execute_refuses_what_is_no_public_function(self, library: ModuleType) -> None:
        bridge = library_of(library)
        for operation in ("_add", "__class__", "", ".", "add.__self__", "no_such"):
            with pytest.raises(NameNotFoundError):
                bridge.execute(operation, [1.0, 2.0])

    def test_knows_its_instances(self, library: ModuleType) -> None:
        bridge = library_of(library)
        (instance,) = bridge.instances()
        assert instance.available()
        assert 3.0 == instance.execute("add", [1.0, 2.0])

    def test_an_unknown_option_names_the_nearest(self, loading: tuple[str, dict[str, Any]]) -> None:
        target, options = loading
        with pytest.raises(SettingsError, match="placement"):
            noodle.load(target, **{**options, "placment": "inprocess"})

    def test_loading_twice_gives_the_same_namespace(
        self, loading: tuple[str, dict[str, Any]]
    ) -> None:
        target, options = loading
        assert noodle.load(target, **options) is noodle.load(target, **options)

    def test_a_placement_that_cannot_be_had_is_refused(
        self, loading: tuple[str, dict[str, Any]]
    ) -> None:
        target, options = loading
        possible = {self.placement, *self.other_placements}
        for placement in {"inprocess", "isolated", "remote", "elsewhere"} - possible:
            with pytest.raises(PlacementError, match=placement):
                noodle.load(target, **{**options, "placement": placement})

    def test_the_placement_that_it_has_may_be_asked_for(self, library: ModuleType) -> None:
        assert self.placement == library_of(library).origin.placement
        assert 3.0 == library.add.options(placement=self.placement)(1.0, 2.0)
