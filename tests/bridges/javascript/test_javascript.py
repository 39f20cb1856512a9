"""The JavaScript bridge is a bridge like the others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.bridges.conformance import BridgeConformance as Conformance

SAMPLES = Path(__file__).parent / "samples"


class TestJavaScript(Conformance):
    bridge_name = "javascript"
    placement = "isolated"
    checks_arity = False

    @pytest.fixture
    def loading(self) -> tuple[str, dict[str, Any]]:
        return str(SAMPLES / "calc.mjs"), {}
