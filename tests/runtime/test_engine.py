from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.calls import Call
from noodle.errors import PermissionDeniedError, PlacementError, SettingsError
from noodle.runtime import engine
from noodle.runtime.engine import default_engine, program_directory, use
from noodle.settings import resolve


@pytest.fixture(autouse=True)
def restored_engine() -> Any:
    """Give the other tests back the engine that they had."""
    kept = default_engine()
    yield
    use(kept)


def test_configure_makes_the_engine_that_load_uses() -> None:
    engine = noodle.configure(ffi={"bridges": {"mathematics": {"path": "math"}}})
    assert isinstance(engine, noodle.Engine)
    assert 2.0 == noodle.load("mathematics").sqrt(4)
    assert "mathematics" == noodle.bridge("mathematics").name


def test_handles_of_an_earlier_engine_keep_working() -> None:
    sqrt = noodle.load("math").sqrt
    noodle.configure(sample_every=7)
    assert 2.0 == sqrt(4)


def test_sampling_is_configured() -> None:
    noodle.configure(sample_every=2)
    sqrt = noodle.load("math").sqrt
    for _ in range(10):
        sqrt(4)
    assert 5 == noodle.stats(sqrt).timed_calls


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(SettingsError, match="sample_every"):
        noodle.configure(sample_evry=2)


def test_a_default_deadline_holds_for_every_handle() -> None:
    noodle.configure(deadline=30)
    assert "30 s a call" in str(noodle.load("math").sqrt.explain(4))


def test_the_mode_is_shown_by_explain() -> None:
    noodle.configure(mode="suggest")
    assert "suggest, no arms registered" in str(noodle.load("math").sqrt.explain(4))


def test_the_nearest_configuration_file_above_the_script_is_used(tmp_path: Path) -> None:
    """A script run from elsewhere gets the noodle.toml above itself, not that of the directory."""
    project = tmp_path / "project"
    scripts = project / "scripts"
    elsewhere = tmp_path / "elsewhere"
    scripts.mkdir(parents=True)
    elsewhere.mkdir()
    (project / "noodle.toml").write_text('[ffi.bridges.maths]\npath = "math"\n')
    (elsewhere / "noodle.toml").write_text('[ffi.bridges.maths]\npath = "cmath"\n')
    script = scripts / "main.py"
    script.write_text("import noodle\nprint(noodle.load('maths').sqrt(4))\n")
    run = subprocess.run(
        [sys.executable, str(script)], cwd=elsewhere, capture_output=True, text=True, check=True
    )
    assert "2.0\n" == run.stdout


def test_a_tool_in_the_scripts_directory_works_on_the_working_directory() -> None:
    """Under pytest, as under the noodle command, the program is what the user works on."""
    assert Path.cwd() == program_directory()


def test_relative_targets_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "helpers.py").write_text("def one(): return 1\n")
    monkeypatch.chdir(tmp_path)
    assert 1 == noodle.load("./helpers.py").one()
    assert 1 == noodle.configure().load("./helpers.py", directory=tmp_path).one()


def test_what_is_provided_again_replaces_what_was_provided_before() -> None:
    old = noodle.provide("answers", {"answer": lambda: 41}, version="1")
    new = noodle.provide("answers", {"answer": lambda: 42}, version="2")
    assert (41, 42) == (old.answer(), new.answer())
    assert noodle.load("loopback:answers") is new
    assert "answers 2" == str(noodle.bridge("answers"))


def test_two_engines_do_not_know_each_others_libraries() -> None:
    first = noodle.Engine(noodle.configure(sample_every=1).settings)
    second = noodle.Engine(noodle.configure(sample_every=10).settings)
    one, two = first.load("math").sqrt, second.load("math").sqrt
    for _ in range(20):
        assert one(4) == two(4) == 2.0
    assert (20, 2) == (noodle.stats(one).timed_calls, noodle.stats(two).timed_calls)
    first.dispatcher.invalidate()
    assert one(4) == two(4) == 2.0
    assert (2, 1) == (noodle.stats(one).plan_misses, noodle.stats(two).plan_misses)


SECURITY = {
    "authorization": {
        "bridge_permissions": {"math": ["read", "system"], "json": ["read", "write"]},
        "user_roles": {"admin": ["math", "json"], "analyst": []},
    }
}


def test_without_a_security_configuration_the_principal_is_an_unrestricted_admin() -> None:
    noodle.configure()
    plan = noodle.load("math").sqrt.explain(4)
    assert "principal local, role admin, unrestricted" in str(plan)


def test_a_library_without_the_system_permission_may_not_run_in_this_process() -> None:
    noodle.configure(security=SECURITY)
    assert 2.0 == noodle.load("math").sqrt(4)
    with pytest.raises(PlacementError, match="json may not run in this process"):
        noodle.load("json")
    with pytest.raises(PlacementError, match="permissions none"):
        noodle.load("decimal")


def test_a_library_that_the_role_may_not_call_is_refused_when_it_is_called() -> None:
    permissions = {"bridge_permissions": {"math": ["system"]}, "user_roles": {"admin": ["json"]}}
    noodle.configure(security={"authorization": permissions})
    with pytest.raises(PermissionDeniedError, match="role admin may not call math"):
        noodle.load("math").sqrt(4)


def test_a_caller_cannot_choose_the_name_that_permissions_are_looked_up_by() -> None:
    noodle.configure(security=SECURITY)
    with pytest.raises(SettingsError, match="has no option 'name'"):
        noodle.load("math", name="json")


def test_stages_may_be_given_in_place_of_noodles_own() -> None:
    class Doubling:
        """A stage that has work to do on every call."""

        name = "double"

        def admit(self, call: Call) -> None:
            return None

        def compile(self, call: Call, inner: Any) -> tuple[Any, str]:
            return (lambda *args: 2 * inner(*args)), "doubles the result"

    engine = noodle.Engine(noodle.configure().settings, stages=[Doubling()])
    sqrt = engine.load("math").sqrt
    assert 4.0 == sqrt(4)
    assert [("double", True)] == [(s.stage, s.active) for s in sqrt.explain(4).stages]


def test_a_configuration_in_the_environment_is_used() -> None:
    environment = {**os.environ, "NOODLE_SAMPLE_EVERY": "5"}
    script = "import noodle; print(noodle.configure().settings.sample_every)"
    run = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True
    )
    assert "5\n" == run.stdout


def test_a_pinned_setting_holds_whoever_configures_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_pins", {})
    engine.pin(install="never")
    assert "never" == noodle.configure(sample_every=8).settings.install
    assert "never" == noodle.configure(install="never").settings.install
    with pytest.raises(SettingsError, match="install cannot be changed in this process"):
        noodle.configure(install="always")
    with pytest.raises(SettingsError, match="install cannot be changed in this process"):
        engine.Engine(resolve(arguments={"install": "always"}, environment={}))
    engine.pin(sample_every=4)
    assert (4, "never") == (
        noodle.configure().settings.sample_every,
        noodle.configure().settings.install,
    )
