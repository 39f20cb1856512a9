"""Which values fit an annotation, as far as that is certain."""

from __future__ import annotations

import pytest

from noodle.stubs.annotations import kinds_of


@pytest.mark.parametrize(
    ("annotation", "kinds"),
    [
        ("int", {"int", "bool"}),
        ("float", {"float", "int", "bool"}),
        ("str | None", {"str", "null"}),
        ("Optional[list[int]]", {"list", "null"}),
        ("typing.Union[str, bytes]", {"str", "bytes"}),
        ("Literal['a', 1, None]", {"str", "int", "null"}),
        ("dict[str, int]", {"map"}),
        ("Callable[[int], str]", {"function"}),
        ("SupportsFloat | SupportsIndex", {"float", "int", "bool"}),
        ("Any", None),
        ("numpy.ndarray", None),
        ("int | decimal.Decimal", None),
        ("", None),
        ("no annotation", None),
        ("(" * 500, None),
    ],
)
def test_the_types_that_fit_are_those_of_noodle(annotation: str, kinds: set[str] | None):
    assert kinds_of(annotation) == kinds
