"""The name of the distribution that a target's location means."""

from __future__ import annotations

import pytest

from noodle.distribution_names import distribution_name, normalized_name


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("numpy", "numpy"),
        ("sklearn", "scikit-learn"),
        ("sklearn.svm", "scikit-learn"),
        ("scikit-learn", "scikit-learn"),
        ("zope-interface", "zope-interface"),
    ],
)
def test_an_import_name_or_the_name_of_a_distribution(location: str, expected: str) -> None:
    assert expected == distribution_name(location)


def test_a_dotted_import_name_is_never_a_distribution_that_a_stranger_may_publish() -> None:
    assert "scipy" == distribution_name("scipy.linalg")


def test_names_are_compared_as_indexes_do() -> None:
    assert {"a-b"} == {normalized_name(name) for name in ("A.b", "a_B", "a--b")}
