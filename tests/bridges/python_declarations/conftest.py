"""Type checkers read the stubs of Python libraries too."""

from __future__ import annotations

from tests.stubs.conftest import check_types

__all__ = ["check_types"]
