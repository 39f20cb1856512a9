"""Where libraries run: by the configuration, by load and by call, for Python and native ones."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.errors import PlacementError, SettingsError
from noodle.runtime.engine import Engine, default_engine, use
from noodle.settings import resolve

PYTHON_SOURCE = "import os\n\ndef process() -> int:\n    return os.getpid()\n"
NATIVE_SOURCE = """
#include <unistd.h>
long process(void) { return getpid(); }
"""
PROTOTYPES = "long process(void);"

Load = Callable[..., ModuleType]


@pytest.fixture(autouse=True)
def own_engine(tmp_path: Path) -> Iterator[None]:
    """Let each test have an engine of its own, made from its own settings."""
    before = default_engine()
    configure(tmp_path, "")
    yield
    use(before)


@pytest.fixture(params=["python", "native"])
def library(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, dict[str, Any]]:
    """Target and options of a library whose ``process`` says in which process it runs."""
    if request.param == "python":
        (tmp_path / "own_place.py").write_text(PYTHON_SOURCE)
        return "./own_place.py", {"directory": str(tmp_path)}
    (tmp_path / "place.c").write_text(NATIVE_SOURCE)
    return "./place.c", {"directory": str(tmp_path), "prototypes": PROTOTYPES}


def load(library: tuple[str, dict[str, Any]], **options: Any) -> ModuleType:
    target, own = library
    return default_engine().load(target, **own, **options)


def is_here(library: ModuleType) -> bool:
    return bool(os.getpid() == library.process())


def configure(tmp_path: Path, text: str, environment: dict[str, str] | None = None) -> None:
    """Take the settings from a ``noodle.toml`` and from variables."""
    (tmp_path / "noodle.toml").write_text(text)
    cache = {"NOODLE_CACHE_DIR": str(tmp_path.parent / "cache")}
    use(Engine(resolve(start_directory=tmp_path, environment={**cache, **(environment or {})})))


class TestConfiguration:
    def test_without_any_a_library_runs_in_this_process(self, library: Any) -> None:
        assert is_here(load(library))

    def test_the_setting_holds_for_every_library(self, library: Any, tmp_path: Path) -> None:
        configure(tmp_path, 'placement = "isolated"\n')
        assert not is_here(load(library))

    def test_the_variable_wins_over_the_file(self, library: Any, tmp_path: Path) -> None:
        configure(tmp_path, 'placement = "isolated"\n', {"NOODLE_PLACEMENT": "inprocess"})
        assert is_here(load(library))

    def test_a_configured_library_has_its_own(self, library: Any, tmp_path: Path) -> None:
        target, options = library
        placed = f'[ffi.bridges.placed]\npath = "{target}"\nplacement = "isolated"\n'
        configure(tmp_path, f'placement = "inprocess"\n{placed}')
        assert not is_here(load(("placed", options)))
        assert is_here(load(library))

    def test_configure_sets_it(self, library: Any) -> None:
        noodle.configure(placement="isolated")
        assert not is_here(load(library))

    def test_a_wrong_word_is_an_error_with_the_right_one(self, tmp_path: Path) -> None:
        with pytest.raises(SettingsError, match="isolated") as caught:
            configure(tmp_path, 'placement = "isolatd"\n')
        assert (caught.value.where, caught.value.remedy) == ("noodle.toml:1", "isolated")


class TestLoad:
    @pytest.mark.parametrize("setting", ["isolated", "inprocess", "auto"])
    def test_the_load_wins_over_the_configuration(
        self, library: Any, tmp_path: Path, setting: str
    ) -> None:
        configure(tmp_path, f'placement = "{setting}"\n')
        assert is_here(load(library, placement="inprocess"))
        assert not is_here(load(library, placement="isolated"))

    def test_auto_leaves_it_to_the_target(self, library: Any, tmp_path: Path) -> None:
        configure(tmp_path, 'placement = "isolated"\n')
        assert is_here(load(library, placement="auto"))

    def test_both_placements_can_be_loaded_beside_each_other(self, library: Any) -> None:
        here, there = load(library), load(library, placement="isolated")
        assert [True, False, True] == [is_here(one) for one in (here, there, here)]

    @pytest.mark.parametrize(
        ("placement", "remedy"),
        [
            ("isolatd", "isolated"),
            ("in-process", "inprocess"),
            ("remote", 'leave the placement out, or write "inprocess"'),
        ],
    )
    def test_one_that_cannot_be_had_is_refused(
        self, library: Any, placement: str, remedy: str
    ) -> None:
        with pytest.raises(PlacementError) as caught:
            load(library, placement=placement)
        assert "placement inprocess or isolated" == caught.value.expected
        assert remedy == caught.value.remedy

    def test_what_is_no_text_is_refused(self, library: Any) -> None:
        with pytest.raises(SettingsError, match="placement"):
            load(library, placement=True)

    def test_options_of_workers_need_a_worker(self, library: Any) -> None:
        with pytest.raises(SettingsError, match="memory") as caught:
            load(library, memory="1 GB")
        assert 'add placement="isolated"' == caught.value.remedy


class TestCall:
    def test_a_handle_with_another_placement_calls_there(self, library: Any) -> None:
        here = load(library)
        process = here.process.options(placement="isolated")
        assert os.getpid() != process()
        assert process() == process()
        assert is_here(here)
        plan = process.explain()
        assert ("isolated", "process") == (plan.placement, plan.function)

    def test_and_back_again(self, library: Any) -> None:
        there = load(library, placement="isolated").process
        assert os.getpid() == there.options(placement="inprocess")()
        assert os.getpid() != there.options(placement="inprocess").options(placement="isolated")()

    def test_auto_is_where_the_library_was_loaded(self, library: Any) -> None:
        there = load(library, placement="isolated").process
        assert there() == there.options(placement="auto")()

    def test_other_options_hold_there_too(self, library: Any) -> None:
        moved = load(library).process.options(deadline=60).options(placement="isolated")
        assert "60 s a call" in str(moved.explain())
        assert os.getpid() != moved()

    def test_it_shares_the_worker_with_a_load_of_that_placement(self, library: Any) -> None:
        moved = load(library).process.options(placement="isolated")
        assert moved() == load(library, placement="isolated").process()

    def test_it_has_no_name_of_its_own(self, library: Any) -> None:
        here = load(library)
        here.process.options(placement="isolated")()
        assert 1 == len(default_engine().dispatcher.libraries())

    @pytest.mark.parametrize("library", ["native"], indirect=True)
    def test_its_worker_ends_with_the_library(self, library: Any) -> None:
        here = load(library)
        process = here.process.options(placement="isolated")
        worker = process()
        default_engine().unload(here)
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)

    def test_one_that_cannot_be_had_is_refused(self, library: Any) -> None:
        process = load(library).process
        for placement, remedy in (("remote", "leave"), ("isolatd", "isolated"), (5, "inprocess")):
            with pytest.raises(PlacementError) as caught:
                process.options(placement=placement)
            assert remedy in str(caught.value.remedy)
        with pytest.raises(SettingsError, match="placment"):
            process.options(placment="isolated")
