from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from noodle.bridges.registry import BridgeRegistry
from noodle.calls import LoadedLibrary, LoadRequest, Preparation
from noodle.errors import (
    LibraryLoadError,
    MissingLibraryError,
    MissingToolError,
    PlacementError,
    SettingsError,
    TargetError,
    UnknownBridgeError,
)
from noodle.ffi_dispatcher import FfiDispatcher
from noodle.library_requests import LoadDefaults
from noodle.planner import Planner
from noodle.preparer import Preparer
from noodle.stubs.model import StubModule
from noodle.targets import Target

COSINE = "double cos(double x);"
QUESTIONS = ("prepare", "lock", "needs", "describe")


class Shelf:
    """A configuration of one name, ``chosen``, with defaults for it."""

    names = ("chosen",)

    def __init__(self, target: str, **defaults: Any) -> None:
        self._target = target
        self._defaults = LoadDefaults(**defaults)

    def target(self, name: str) -> str | None:
        return self._target if name in self.names else None

    def defaults(self, name: str, target: Target) -> LoadDefaults:
        return self._defaults if name in self.names else LoadDefaults()


class TellingBridge:
    """A bridge written against the public protocol: it tells what it was asked, and loads nothing.

    Args:
        lacks: What it says that it lacks.
    """

    name = "telling"
    option_names = frozenset({"speed"})
    placements = ("inprocess", "isolated")

    def __init__(self, lacks: str | None = None) -> None:
        self._lacks = lacks

    def missing(self) -> str | None:
        return self._lacks

    def usual_placement(self, request: LoadRequest) -> str:
        return "isolated" if request.requirement else "inprocess"

    def load(self, request: LoadRequest) -> LoadedLibrary:
        raise LibraryLoadError(f"{request.library} was loaded")

    def prepare(self, request: LoadRequest) -> Preparation:
        return Preparation(repr(request), Path(request.directory), "telling", request.location)

    def needs(self, request: LoadRequest) -> str:
        return f"{request.library} {request.placement} {request.options}"

    def describe(self, request: LoadRequest, *, run: bool) -> StubModule:
        return StubModule(request.library, source="its code" if run else "its text")


def preparer(configuration: Shelf | None = None, **parts: Any) -> Preparer:
    registry = BridgeRegistry(entry_points=False)
    registry.register("telling", parts.pop("bridge", TellingBridge()))
    return Preparer(registry, configuration=configuration, **parts)


def needs(made: Preparer, text: str, **options: Any) -> str:
    answer = made.needs(text, **options)
    assert answer is not None
    return answer


def ask(made: Preparer, question: str, text: Any, **options: Any) -> Any:
    return getattr(made, question)(text, **options)


def test_a_library_of_the_system_is_found_and_named_for_the_lock_file() -> None:
    made = preparer()
    prepared = made.prepare("libm.so.6", prototypes=COSINE)
    assert prepared is not None
    assert prepared.path.is_file()
    assert ("libm.so.6", {"build"}) == (prepared.target, prepared.facts.keys())
    assert prepared == made.lock("libm.so.6", prototypes=COSINE)


def test_what_a_library_declares_is_told_without_loading_it(tmp_path: Path) -> None:
    (tmp_path / "unloaded_module.py").write_text("def half(x: float) -> float: return x / 2\n")
    dispatcher = FfiDispatcher(BridgeRegistry(entry_points=False), Planner())
    cosine = dispatcher.describe("libm.so.6", prototypes=COSINE)
    module = dispatcher.describe("./unloaded_module.py", directory=tmp_path)
    assert cosine is not None
    assert module is not None
    assert (["cos"], ["half"]) == (cosine.names, module.names)
    assert [] == dispatcher.libraries()
    assert "unloaded_module" not in sys.modules


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_bridge_without_an_answer_gives_none(question: str) -> None:
    assert ask(preparer(), question, "loopback:nothing_provided") is None


@pytest.mark.parametrize("question", QUESTIONS)
class TestRefused:
    """What a load would refuse, a question refuses, even where the bridge has no answer."""

    def test_an_unknown_option(self, question: str) -> None:
        for text in ("telling:one", "loopback:one"):
            with pytest.raises(SettingsError, match="has no option 'sped'"):
                ask(preparer(), question, text, sped=1)

    def test_what_is_no_text(self, question: str) -> None:
        for text in (["math"], None, 3, {}):
            with pytest.raises(TargetError, match="a target is a text"):
                ask(preparer(), question, text)

    def test_a_bridge_that_lacks_something(self, question: str) -> None:
        made = preparer(bridge=TellingBridge("no interpreter; type: apt install telling"))
        with pytest.raises(MissingToolError, match="apt install telling") as caught:
            ask(made, question, "telling:one")
        assert "telling:one" == caught.value.received


def test_a_bridge_that_nobody_knows_is_refused() -> None:
    with pytest.raises(UnknownBridgeError) as caught:
        preparer().needs("tellin:one")
    assert "telling" in str(caught.value)


def test_a_library_that_is_not_there_is_refused() -> None:
    with pytest.raises(MissingLibraryError, match="noodle_no_such_library"):
        preparer().prepare("libnoodle_no_such_library.so.1", prototypes=COSINE)


class TestPlacement:
    """Where a library would run: the caller says it, else the configuration, else the bridge."""

    def test_the_bridge_decides_by_what_is_wanted(self) -> None:
        assert "one inprocess {}" == needs(preparer(), "telling:one")
        assert "one isolated {}" == needs(preparer(), "telling:one", version="2")

    @pytest.mark.parametrize(
        ("options", "placement"),
        [({}, "isolated"), ({"placement": "inprocess"}, "inprocess")],
    )
    def test_the_caller_wins_over_the_configuration(
        self, options: Mapping[str, str], placement: str
    ) -> None:
        made = preparer(Shelf("telling:one", placement="isolated"))
        assert f"chosen {placement} {{}}" == needs(made, "chosen", **options)

    def test_one_that_the_bridge_does_not_have_is_refused(self) -> None:
        with pytest.raises(PlacementError, match="one cannot run elsewhere"):
            preparer().needs("telling:one", placement="elsewhere")


def test_options_of_the_configuration_hold_where_the_caller_says_nothing_else() -> None:
    made = preparer(Shelf("telling:one", options={"speed": 1}))
    assert "chosen inprocess {'speed': 1}" == needs(made, "chosen")
    assert "chosen inprocess {'speed': 2}" == needs(made, "chosen", speed=2)
    assert "one inprocess {}" == needs(made, "telling:one")


def test_the_configurations_notes_are_told_of_a_name_and_of_nothing_else() -> None:
    made = preparer(Shelf("telling:one", notes=("runs slowly",)))
    assert (("runs slowly",), ()) == (made.notes("chosen"), made.notes("telling:one"))


def test_code_that_may_run_to_describe_a_library_is_admitted_first() -> None:
    asked = []

    def admit(library: str, placement: str) -> None:
        asked.append((library, placement))
        raise PlacementError(f"{library} may not run")

    made = preparer(Shelf("telling:one"), admit=admit)
    for question in QUESTIONS:
        ask(made, question, "chosen")
    assert [] == asked
    with pytest.raises(PlacementError, match="chosen may not run"):
        made.describe("chosen", run=True, placement="isolated")
    assert [("chosen", "isolated")] == asked


def test_whoever_is_admitted_may_run_code_to_describe_a_library() -> None:
    made = preparer(admit=lambda library, placement: None)
    told = [made.describe("telling:one", run=run) for run in (False, True)]
    assert ["its text", "its code"] == [stub.source for stub in told if stub]
