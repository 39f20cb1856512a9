"""Libraries that report failures beside their results, whatever their extension consists of."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from noodle.bridges.native.libraries import NativeLibrary
from noodle.errors import RemoteCallError
from tests.bridges.native.conftest import Load, compile_to
from tests.bridges.native.headers.conftest import LoadHeader, load_header

__all__ = ["load_header"]

REPORTS = """
unsigned noodle_failures;
const char *noodle_take_failure(void) { noodle_failures = 0; return "error\\nk.c:3:4\\nno luck"; }
"""

KINDS = ("char", "short", "int", "long", "float", "double")


def _functions() -> dict[str, str]:
    """Return declarations of more shapes than one file of an extension has, by name."""
    return {
        f"f_{first}_{second}": f"{first} f_{first}_{second}({second} x)"
        for first, second in product(KINDS, repeat=2)
    }


@pytest.fixture
def reporting(tmp_path: Path) -> Path:
    bodies = [f"{text} {{ noodle_failures = x > 1; return 5; }}" for text in _functions().values()]
    return compile_to(tmp_path / "reporting.so", REPORTS + "\n".join(bodies))


def _refuses_each(library: NativeLibrary) -> None:
    for name in _functions():
        called = library.member(name).raw
        with pytest.raises(RemoteCallError, match=f"{name} failed: no luck"):
            called(2)
        assert called(1) == 5


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
@pytest.mark.parametrize("mode", ["api", "abi"])
def test_functions_of_every_shape_report(
    load: Load, reporting: Path, mode: str, placement: str
) -> None:
    prototypes = "; ".join([*_functions().values(), ""])
    options = {"mode": mode}
    _refuses_each(load(reporting, prototypes=prototypes, options=options, placement=placement))


def test_functions_of_a_header_report(
    load_header: LoadHeader, reporting: Path, tmp_path: Path
) -> None:
    tmp_path.joinpath("k.h").write_text("; ".join([*_functions().values(), ""]))
    _refuses_each(load_header(reporting, "./k.h"))
