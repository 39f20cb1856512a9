"""What uv reports, as errors that say what to do; the words are those of real runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from noodle.errors import (
    InstallationError,
    MissingPackageError,
    MissingToolError,
    NoodleError,
    VersionError,
)
from noodle.installation.tool import ToolRun
from noodle.workers.environments.uv_failures import uv_error

FOLDER = Path("/home/me/.cache/noodle/python/build-x")


def error(words: str, status: int = 1, *, offline: bool = False) -> NoodleError:
    return uv_error("numpy==1.21.0", ToolRun(status, "", words), FOLDER, offline=offline)


@pytest.mark.parametrize(
    ("words", "kind", "told"),
    [
        (
            "error: No solution found when resolving dependencies\n  cause: Because x was not "
            "found in the package registry and your project depends on x, we can conclude",
            MissingPackageError,
            "there is no Python package",
        ),
        (
            "error: No solution found\n  cause: Because a==1 has no usable wheels and your project",
            VersionError,
            "no wheels that can be used here",
        ),
        (
            "error: No solution found\n  cause: Because there is no version of numpy==99 and",
            VersionError,
            "no versions satisfy",
        ),
        (
            "error: No solution found\n  cause: Because six was not found in the cache\n\nhint: "
            "Packages were unavailable because the network was disabled.",
            InstallationError,
            "without the network",
        ),
        (
            "error: Failed to download `six==1.16.0`\n  cause: Hash mismatch for `six==1.16.0`",
            InstallationError,
            "is not the one that was locked",
        ),
        (
            "error: Failed to\n   fetch: http://x\n  cause: tcp connect error\n  cause: "
            "Connection\n  refused (os error 111)",
            InstallationError,
            "the package index cannot be reached",
        ),
        (
            "error: Failed to fetch\n  cause: HTTP status client error (401 Unauthorized) for url",
            InstallationError,
            "the package index refuses",
        ),
        (
            "error: Failed to build `rough==1.0`\n  cause: Call to `own.build_wheel` failed",
            InstallationError,
            "cannot be built from source",
        ),
        (
            "error: failed to write\n  cause: No space left on device (os error 28)",
            InstallationError,
            "the disk is full",
        ),
        (
            "error: unexpected argument '--relocatable' found\n\n  tip: a similar argument",
            MissingToolError,
            "uv is too old",
        ),
        ("error: something else", InstallationError, "numpy==1.21.0 cannot be installed"),
    ],
)
def test_a_failure_has_its_own_error(words: str, kind: type[NoodleError], told: str) -> None:
    found = error(words)
    assert kind is type(found)
    assert told in found.summary
    assert str(found.received).startswith("uv: ")
    assert found.remedy


def test_the_package_without_wheels_is_named_in_the_remedy() -> None:
    found = error(
        "error: No solution\n  cause: Because\n  docopt==0.6.2 has no usable\n  wheels and"
    )
    assert 'from_source=["docopt"]' in str(found.remedy)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("pytset", "did you mean pytest?"),
        ("opencv-pyton", "did you mean opencv-python?"),
        ("qqqqqqqq", "check the name, and which index is used"),
    ],
)
def test_a_name_that_the_index_does_not_have_may_be_a_slip(name: str, remedy: str) -> None:
    words = (
        f"error: No solution found\n  cause: Because {name} was not found in the package registry"
    )
    assert remedy == error(words).remedy


@pytest.mark.parametrize(
    "words",
    [
        "error: No solution found\n  cause: Because there is no version of numpy==99 and",
        "error: No solution found\n  cause: Because a==1 has no usable wheels and your project",
        "error: No solution found\n  cause: Because x was not found in the package registry",
    ],
)
def test_what_is_missing_without_the_network_may_only_be_missing_in_the_cache(words: str) -> None:
    found = error(words, offline=True)
    assert InstallationError is type(found)
    assert "without the network" in found.summary
    assert "noodle sync, without --offline" == found.remedy


def test_its_words_are_those_of_the_target() -> None:
    found = error(
        "Using CPython 3.9\nerror: No solution found when resolving dependencies for split "
        "(markers: sys_platform == 'linux')\n  cause: Because your project depends on b, your "
        "project's requirements are unsatisfiable.\n\nhint: Wheels are required for `b` because"
    )
    assert (
        "uv: No solution found when resolving dependencies\n"
        "  cause: Because this target depends on b, these requirements are unsatisfiable."
    ) == found.received


def test_where_it_worked_concerns_nobody() -> None:
    assert str(FOLDER) not in str(error(f"error: cannot read {FOLDER}/pyproject.toml"))


def test_a_signal_that_ended_it_is_told() -> None:
    assert "uv: ended by signal 9" == error("", -9).received
    assert "the disk is full" in error("", -25).summary  # SIGXFSZ
