"""Requirements: one form for everything that means the same, and nothing that is nonsense."""

from __future__ import annotations

import pytest

from noodle.errors import NoodleError, SettingsError
from noodle.workers.environments import Requirements, missing_here


@pytest.mark.parametrize(
    ("requirements", "title"),
    [
        (Requirements.of("numpy", "==1.21.0", python="==3.9.*"), "numpy==1.21.0; python=3.9"),
        (Requirements.of("numpy", "1.21.0"), "numpy==1.21.0"),
        (Requirements.of("numpy"), "numpy"),
        (Requirements.of("pkg", ">= 2, < 3", python=">=3.9"), "pkg>=2,<3; python>=3.9"),
        (Requirements.of("pkg", python="==3.9.18"), "pkg; python=3.9.18"),
        (Requirements.of("sklearn.svm", "==1.0"), "scikit-learn==1.0"),
        (
            Requirements.of("numpy", "1.21.0", dependencies=["scipy >= 1.7", "numpy"]),
            "numpy==1.21.0 + scipy>=1.7",
        ),
        (
            Requirements.of("a", dependencies=["requests [use, socks]>=2", "b"]),
            "a + b + requests[socks,use]>=2",
        ),
        (Requirements.of("a", from_source=["B_b", "a"]), "a; source a b-b"),
        (Requirements.of("json", python="==3.8.*"), "standard library; python=3.8"),
    ],
)
def test_the_lock_file_names_them_and_reads_them_again(
    requirements: Requirements, title: str
) -> None:
    assert title == requirements.title
    assert requirements == Requirements.parse(title)


def test_the_order_and_spelling_of_dependencies_do_not_matter() -> None:
    one = Requirements.of("a", dependencies=["x>=1", "y"])
    assert one == Requirements.of("a", dependencies=["y", "x >=1", "y"])


@pytest.mark.parametrize(
    "text",
    ["a b", "=1", "x @ https://example.org/x", "x; python_version > '3'", "x + y", "-r file", ""],
)
def test_what_is_no_name_with_a_version_is_refused(text: str) -> None:
    with pytest.raises(NoodleError):
        Requirements.of("a", dependencies=[text])


@pytest.mark.parametrize("title", ["a b", "; python=3.9", "a; python=3.9; other", "-r x", ""])
def test_a_table_of_another_name_is_refused(title: str) -> None:
    with pytest.raises(SettingsError):
        Requirements.parse(title)


def test_what_this_interpreter_lacks() -> None:
    assert ["pytest>=999", "nosuch"] == missing_here(["pytest", "pytest>=999", "nosuch"])
