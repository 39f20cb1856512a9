"""An environment: what it says of itself, and how what it holds is imported."""

from __future__ import annotations

from pathlib import Path

import pytest

from noodle.installation.store import StoredPackages
from noodle.workers.environments import Environment, Requirements

MODULES = {
    "sklearn": "scikit-learn",
    "single": "single-module",
    "_native": "native",
    "_stable": "stable",
    "plain": "stable",
    "zope": "zope-interface",
}


def environment(**facts: object) -> Environment:
    return Environment("0123456789", "t", Path("p"), "3.9.18", **facts)


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("sklearn", "sklearn"),
        ("sklearn.svm", "sklearn.svm"),
        ("scikit-learn", "sklearn"),
        ("Single-Module", "single"),
        ("stable", "plain"),
        ("native", "_native"),
        ("json", "json"),
        ("PyYAML", "yaml"),
    ],
)
def test_a_distribution_is_imported_by_the_name_of_its_module(location: str, expected: str) -> None:
    assert expected == environment(modules=MODULES).import_name(location)


def test_a_description_names_what_was_asked_for_and_counts_the_rest() -> None:
    packages = dict.fromkeys("abcdef", "1.0")
    found = environment(packages=packages, wanted=("c", "a"))
    assert (
        "environment 01234567: Python 3.9.18 with c 1.0, a 1.0, 4 more packages"
        == found.description
    )


@pytest.mark.parametrize(
    ("packages", "wanted", "told"),
    [
        ({}, (), "Python 3.9.18 without packages"),
        ({"a": "1", "b": "2"}, ("a",), "with a 1, 1 more package"),
        (dict.fromkeys("abcd", "1"), ("a", "b", "c", "d"), "with a 1, b 1, c 1, 1 more package"),
        ({"a": "1"}, ("gone",), "with 1 more package"),
    ],
)
def test_a_description_fits_a_line(
    packages: dict[str, str], wanted: tuple[str, ...], told: str
) -> None:
    assert environment(packages=packages, wanted=wanted).description.endswith(told)


def test_an_installation_becomes_one() -> None:
    facts = {"python": "3.9.18", "packages": ["small==1.0"], "modules": {"small": "small"}}
    stored = StoredPackages("key", Path("/cache/key"), facts)
    found = Environment.of(stored, Requirements.of("small", "1.0"), ("a note",))
    assert Path("/cache/key/bin/python") == found.interpreter
    assert ("key", "small==1.0", "3.9.18") == (found.key, found.title, found.version)
    assert {"small": "1.0"} == found.packages
    assert (("small",), ("a note",)) == (found.wanted, found.notes)


def test_a_further_package_is_added_as_a_dependency() -> None:
    assert 'dependencies=["scikit-learn"]' == environment().how_to_add("sklearn")
    assert 'dependencies=["scipy"]' == environment().how_to_add("scipy")
