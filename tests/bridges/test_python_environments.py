"""When a Python library needs an environment of its own."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.bridges.python_environments import (
    describe_needs,
    environment_of,
    require_dependencies,
    requirements_of,
)
from noodle.calls import LoadRequest
from noodle.errors import MissingPackageError, SettingsError
from noodle.lock_file import LockFile

NUMPY = metadata.version("numpy")
OTHER = "==3.8.*" if sys.version_info[:2] != (3, 8) else "==3.9.*"


def request(location: str, requirement: str = "", **options: Any) -> LoadRequest:
    interpreter = options.pop("python", "")
    return LoadRequest(
        location, location, requirement, interpreter=interpreter, options=options, kind="package"
    )


@pytest.mark.parametrize(
    "wanted",
    [
        request("numpy"),
        request("noodle_no_such"),
        request("numpy", f"=={NUMPY}"),
        request("numpy", NUMPY, dependencies=["pytest>=1"]),
        request("json", python=">=3.11"),
        request("numpy", "==1.21.0", interpreter=sys.executable),
        LoadRequest("x", "./x.py", "==1", kind="file"),
    ],
    ids=lambda wanted: f"{wanted.location}{wanted.requirement}",
)
def test_what_this_interpreter_has_or_nobody_pins_needs_none(wanted: LoadRequest) -> None:
    assert requirements_of(wanted) is None
    assert environment_of(wanted) is None
    assert describe_needs(wanted) is None


@pytest.mark.parametrize(
    ("wanted", "title"),
    [
        (request("numpy", "==1.21.0"), "numpy==1.21.0"),
        (request("numpy", "1.21.0", dependencies=["scipy"]), "numpy==1.21.0 + scipy"),
        (request("numpy", python=OTHER), f"numpy; python={OTHER[2:5]}"),
        (request("json", python=OTHER), f"standard library; python={OTHER[2:5]}"),
        (request("math", dependencies=["noodle-no-such"]), "noodle-no-such"),
        (request("noodle_no_such", ">=1"), "noodle_no_such>=1"),
        (request("numpy", from_source=["numpy"]), "numpy; source numpy"),
    ],
)
def test_what_it_lacks_needs_one(wanted: LoadRequest, title: str) -> None:
    requirements = requirements_of(wanted)
    assert requirements is not None
    assert title == requirements.title


def test_what_is_needed_is_told_without_locking_anything(tmp_path: Path) -> None:
    wanted = LoadRequest("numpy", "numpy", "==1.21.0", directory=str(tmp_path))
    assert "environment of numpy==1.21.0: not locked yet; try noodle sync" == describe_needs(wanted)
    table = {"python": {"version": "3.9"}, "numpy==1.21.0": {"sha256": ["0" * 64]}}
    LockFile(tmp_path / "noodle.lock").add("pypi", "numpy==1.21.0", table)
    assert (
        "environment of Python 3.9 with numpy==1.21.0: not installed; try noodle sync"
        == describe_needs(wanted)
    )


def test_a_refusal_tells_what_this_interpreter_has(tmp_path: Path) -> None:
    with pytest.raises(MissingPackageError) as caught:
        noodle.load("numpy==1.21.0", install="never", cache_directory=str(tmp_path))
    assert f"this interpreter has numpy {NUMPY}" in str(caught.value.received)
    assert "noodle sync numpy==1.21.0" == caught.value.remedy


@pytest.mark.parametrize(
    "options",
    [{"dependencies": "scipy"}, {"from_source": [1]}, {"install": "perhaps"}, {"offline": 1}],
)
def test_an_option_with_a_wrong_value_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=next(iter(options))):
        noodle.load("numpy==1.21.0", **options)


def test_dependencies_in_this_process_must_be_installed() -> None:
    require_dependencies(request("math", dependencies=["pytest"]))
    with pytest.raises(MissingPackageError, match="not installed"):
        require_dependencies(request("math", dependencies=["pytest", "noodle-no-such"]))
