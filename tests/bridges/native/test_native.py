"""The native bridge is a bridge like the others, in this process and in a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bridges.conformance import BridgeConformance as Conformance

PROTOTYPES = (
    "double add(double x, double y); double subtract(double x, double y); double twice(double x);"
)


@pytest.mark.parametrize("mode", ["api", "abi"])
class TestNative(Conformance):
    bridge_name = "native"
    other_placements = frozenset({"isolated"})

    @pytest.fixture
    def loading(
        self, mode: str, sample: Path, cache_directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> tuple[str, dict[str, Any]]:
        monkeypatch.setenv("NOODLE_CACHE_DIR", str(cache_directory.parent))
        return str(sample), {"prototypes": PROTOTYPES, "mode": mode, "placement": self.placement}


class TestIsolatedNative(TestNative):
    placement = "isolated"
    other_placements = frozenset({"inprocess"})
