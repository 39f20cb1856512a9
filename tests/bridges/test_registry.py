from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

import noodle
from noodle.bridges.loopback import LoopbackBridge
from noodle.bridges.registry import BridgeRegistry, BridgeStatus, BridgeWarning
from noodle.errors import UnknownBridgeError

WORKING = """
from noodle.bridges.loopback import LoopbackBridge

def create_bridge():
    bridge = LoopbackBridge()
    bridge.provide("stats", {"mean": lambda *xs: sum(xs) / len(xs)})
    return bridge
"""


def test_noodles_own_bridges_are_known() -> None:
    assert {"javascript", "loopback", "native", "python"} <= set(BridgeRegistry().names())


def test_an_unknown_bridge_lists_the_known_ones_and_the_nearest() -> None:
    with pytest.raises(UnknownBridgeError) as caught:
        BridgeRegistry(entry_points=False).get("pyton")
    assert "javascript, loopback, native, python" == caught.value.expected.removeprefix("one of ")  # type: ignore[union-attr]
    assert "python" == caught.value.remedy


def test_a_registered_bridge_takes_the_place_of_any_other() -> None:
    registry = BridgeRegistry(entry_points=False)
    mine = LoopbackBridge()
    registry.register("python", mine)
    assert registry.get("python") is mine
    assert BridgeStatus("python", "registered", None) in registry.statuses()


def test_a_plugin_on_a_search_path_serves_its_scheme(tmp_path: Path) -> None:
    (tmp_path / "noodle_bridge_r.py").write_text(WORKING)
    engine = noodle.Engine(noodle.configure(bridge_paths=[str(tmp_path)]).settings)
    assert 2.0 == engine.load("r:stats").mean(1, 2, 3)
    assert BridgeStatus("r", "search path, noodle_bridge_r.py", None) in engine.bridges()


def test_a_plugin_of_an_installed_distribution_serves_its_scheme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r_plugin.py").write_text(WORKING)
    metadata = tmp_path / "r_plugin-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: r-plugin\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[noodle.bridges]\nr = r_plugin:create_bridge\n")
    monkeypatch.syspath_prepend(tmp_path)
    engine = noodle.Engine(noodle.configure().settings)
    assert 2.0 == engine.load("r:stats").mean(1, 2, 3)
    assert BridgeStatus("r", "entry point of r-plugin", None) in engine.bridges()
    sys.modules.pop("r_plugin", None)


@pytest.mark.parametrize(
    "source", ["1 / 0", "def create_bridge(): raise OSError('no R')", "x = 1", "("]
)
def test_a_broken_plugin_warns_once_and_stops_nothing(tmp_path: Path, source: str) -> None:
    (tmp_path / "noodle_bridge_r.py").write_text(source)
    registry = BridgeRegistry(search_paths=[tmp_path], entry_points=False)
    with pytest.warns(BridgeWarning, match="'r' is broken"), pytest.raises(UnknownBridgeError):
        registry.get("r")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(UnknownBridgeError):
            registry.get("r")
        problems = {status.name: status.problem for status in registry.statuses()}
        assert problems["r"]
        assert "python" == registry.get("python").name


def test_an_entry_point_wins_over_a_search_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "noodle_bridge_r.py").write_text("1 / 0")
    (tmp_path / "r_installed.py").write_text(WORKING)
    metadata = tmp_path / "r_installed-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: r-installed\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[noodle.bridges]\nr = r_installed:create_bridge\n")
    monkeypatch.syspath_prepend(tmp_path)
    registry = BridgeRegistry(search_paths=[tmp_path])
    with pytest.warns(BridgeWarning, match=r"noodle_bridge_r.py\) is hidden by .* r-installed"):
        assert registry.get("r").missing() is None
    assert BridgeStatus("r", "entry point of r-installed", None) in registry.statuses()
    sys.modules.pop("r_installed", None)


def test_a_plugin_cannot_take_the_place_of_noodles_own_bridge(tmp_path: Path) -> None:
    (tmp_path / "noodle_bridge_python.py").write_text(WORKING)
    registry = BridgeRegistry(search_paths=[tmp_path], entry_points=False)
    with pytest.warns(BridgeWarning, match="hidden by that of noodle"):
        statuses = registry.statuses()
    assert BridgeStatus("python", "noodle", None) in statuses


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("def create_bridge(): return None", "NoneType is no bridge: it has no name, option_names"),
        (WORKING + "    bridge.missing = lambda: 1 / 0\n    return bridge\n", "division by zero"),
    ],
)
def test_a_plugin_that_is_no_bridge_or_cannot_tell_what_it_needs_is_listed_with_its_problem(
    tmp_path: Path, source: str, problem: str
) -> None:
    (tmp_path / "noodle_bridge_r.py").write_text(source.replace("    return bridge\n", "", 1))
    registry = BridgeRegistry(search_paths=[tmp_path], entry_points=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BridgeWarning)
        problems = {status.name: status.problem for status in registry.statuses()}
    assert problem in str(problems["r"])
    assert problems["python"] is None
