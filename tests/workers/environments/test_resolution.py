"""Resolution: one lock for every Linux machine, and only what has wheels for this one."""

from __future__ import annotations

import os
import sys

import pytest
from tests.workers.environments.conftest import Project
from tests.workers.environments.package_index import PackageIndex

from noodle.errors import VersionError

MACHINE = os.uname().machine
OTHER_MACHINE = "aarch64" if MACHINE == "x86_64" else "x86_64"
SERIES = f"{sys.version_info.major}{sys.version_info.minor}"


def tag(machine: str) -> str:
    return f"cp{SERIES}-cp{SERIES}-manylinux_2_17_{machine}"


def test_the_hashes_of_other_machines_are_locked_too(index: PackageIndex, project: Project) -> None:
    hashes = {
        index.publish("fast", "1.0", tag=tag(machine)) for machine in (MACHINE, OTHER_MACHINE)
    }
    index.publish("fast", "1.0", tag="cp311-cp311-win_amd64")
    project.provide("fast", "1.0")
    table = project.lock_file.packages("pypi", "fast==1.0")
    assert table is not None
    assert hashes == set(table["fast==1.0"]["sha256"])


def test_what_only_another_machine_needs_has_a_marker_and_is_not_installed(
    index: PackageIndex, project: Project
) -> None:
    index.publish("here", "1.0")
    index.publish("there", "1.0", tag=f"py3-none-manylinux_2_17_{OTHER_MACHINE}")
    index.publish("windows", "1.0")
    needs = [
        f"here; platform_machine == '{MACHINE}'",
        f"there; platform_machine == '{OTHER_MACHINE}'",
        "windows; sys_platform == 'win32'",
    ]
    index.publish("top", "1.0", needs=needs)
    environment = project.provide("top", "1.0")
    assert {"top": "1.0", "here": "1.0"} == dict(environment.packages)
    table = project.lock_file.packages("pypi", "top==1.0")
    assert table is not None
    assert f"platform_machine == '{OTHER_MACHINE}'" == table["there==1.0"]["marker"]
    assert "windows==1.0" not in table


def test_a_newer_version_without_a_wheel_for_this_machine_is_passed_over(
    index: PackageIndex, project: Project
) -> None:
    index.publish("fast", "1.0", tag=tag(MACHINE))
    index.publish("fast", "2.0", tag=tag(OTHER_MACHINE))
    assert "1.0" == project.provide("fast").packages["fast"]


def test_a_source_does_not_stand_in_for_a_wheel(index: PackageIndex, project: Project) -> None:
    index.publish_source("rough", "1.0")
    index.publish("rough", "1.0", tag=tag(OTHER_MACHINE))
    with pytest.raises(VersionError, match="no wheel") as caught:
        project.provide("rough", "1.0")
    assert 'from_source=["rough"]' in str(caught.value.remedy)
    assert not project.lock_path.exists()


def test_another_version_of_python_is_taken_where_only_that_has_wheels(
    index: PackageIndex, project: Project
) -> None:
    usable = [one.series.replace(".", "") for one in project.interpreters() if not one.refusal()]
    others = [series for series in usable if series != SERIES]
    if not others:
        pytest.skip("no other CPython on this machine")
    other = others[-1]
    index.publish("old", "1.0", tag=f"cp{other}-cp{other}-manylinux_2_17_{MACHINE}")
    environment = project.provide("old", "1.0")
    assert other == "".join(environment.version.split(".")[:2])
