"""The host: what programs load, read and print, and what goes wrong with it."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from noodle.errors import InternalError, MissingPackageError, SettingsError, SourceError
from noodle.language import ForeignImport
from noodle.prototypes import parse_prototype
from noodle.runtime.engine import default_engine, use
from noodle.runtime.host import EngineHost


@pytest.fixture(autouse=True)
def restored_engine() -> Iterator[None]:
    """Give the other tests back the engine that they had."""
    engine = default_engine()
    yield
    use(engine)


@pytest.fixture
def host(tmp_path: Path) -> EngineHost:
    return EngineHost(str(tmp_path))


def test_a_library_is_loaded_relative_to_the_file_that_imports_it(host: EngineHost, tmp_path: Path):
    (tmp_path / "sub").mkdir()
    program = tmp_path / "sub" / "program.noodle"
    program.write_text("")
    (tmp_path / "sub" / "helper.py").write_text("value = 5\n")
    request = ForeignImport("./helper.py", "h", path=str(program), line=1, column=1)
    assert host.load_foreign(request).value == 5


def test_input_without_a_file_belongs_to_the_hosts_directory(host: EngineHost, tmp_path: Path):
    (tmp_path / "helper.py").write_text("value = 6\n")
    request = ForeignImport("./helper.py", "h", path="<input 1>", line=1, column=1)
    assert host.load_foreign(request).value == 6


def test_prototypes_reach_the_library(host: EngineHost):
    prototypes = (parse_prototype("cos(x: f64): f64"),)
    m = host.load_foreign(ForeignImport("libm.so.6", "m", prototypes))
    assert m.cos(0) == 1.0


def test_an_error_keeps_its_type_and_tells_the_place_of_the_import(host: EngineHost):
    request = ForeignImport("no_such_package", "x", path="p.noodle", line=3, column=1)
    with pytest.raises(MissingPackageError) as caught:
        host.load_foreign(request)
    assert caught.value.where == "p.noodle:3:1"


def test_an_option_that_is_not_one_is_refused_before_anything_is_loaded(host: EngineHost):
    request = ForeignImport("colorsys", "c", options={"prototypes": "int f(void);"})
    with pytest.raises(SettingsError, match="no option 'prototypes'") as caught:
        host.load_foreign(request)
    assert "in braces" in str(caught.value.remedy)


def test_an_unexpected_failure_of_a_bridge_is_a_defect(host: EngineHost):
    class Broken:
        name = "broken"
        option_names: frozenset[str] = frozenset()

        def missing(self) -> None:
            return None

        def load(self, request: object) -> None:
            raise ZeroDivisionError("division by zero")

    host.engine.register("broken", Broken())
    with pytest.raises(InternalError, match="ZeroDivisionError: division by zero") as caught:
        host.load_foreign(ForeignImport("broken:x", "x", path="p.noodle", line=1, column=1))
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_the_engine_is_made_once_from_the_configuration_above_the_program(
    host: EngineHost, tmp_path: Path
):
    (tmp_path / "noodle.toml").write_text("sample_every = 7\n")
    assert host.engine is host.engine
    assert host.engine.settings.sample_every == 7


def test_a_named_configuration_wins(tmp_path: Path):
    (tmp_path / "noodle.toml").write_text("sample_every = 7\n")
    (tmp_path / "other.toml").write_text("sample_every = 8\n")
    host = EngineHost(str(tmp_path), config=tmp_path / "other.toml")
    assert host.engine.settings.sample_every == 8


def test_a_missing_program_names_those_near_it(host: EngineHost, tmp_path: Path):
    (tmp_path / "hello.noodle").write_text("")
    for name in ("helo.noodle", "hello"):
        with pytest.raises(SourceError) as caught:
            host.read_source(str(tmp_path / name))
        assert caught.value.remedy == str(tmp_path / "hello.noodle")
    with pytest.raises(SourceError) as caught:
        host.read_source(str(tmp_path))
    assert caught.value.remedy == str(tmp_path / "hello.noodle")


def test_output_goes_where_standard_output_is_now(
    host: EngineHost, monkeypatch: pytest.MonkeyPatch
):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    host.write("text")
    assert stream.getvalue() == "text"


def test_without_standard_output_printing_does_nothing(
    host: EngineHost, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "stdout", None)
    host.write("text")
