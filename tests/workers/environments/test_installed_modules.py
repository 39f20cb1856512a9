"""Which distributions and modules an environment turned out to hold."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest
from tests.workers.environments.package_index import make_wheel

from noodle.workers.environments.installed_modules import installed_modules, installed_versions


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """Wheels as an installer lays them out."""
    wheels = [
        make_wheel("scikit-learn", "1.0", {"sklearn/__init__.py": "", "sklearn/svm.py": ""}),
        make_wheel("Single.Module", "2.0.post1", {"single.py": "", "data/readme.txt": ""}),
        make_wheel("native", "3.0", {"_native.cpython-39-x86_64-linux-gnu.so": ""}),
        make_wheel("stable", "3.0", {"_stable.abi3.so": "", "plain.so": ""}),
        make_wheel("space-name", "1.0", {"space/name/__init__.py": ""}),
        make_wheel("nothing", "1.0", {"nothing.pth": ""}),
    ]
    place = tmp_path / "lib" / "python3.9" / "site-packages"
    place.mkdir(parents=True)
    for wheel in wheels:
        zipfile.ZipFile(io.BytesIO(wheel)).extractall(place)
    return tmp_path


def test_the_versions(environment: Path) -> None:
    versions = installed_versions(environment)
    assert ("1.0", "2.0.post1") == (versions["scikit-learn"], versions["single-module"])


def test_the_modules(environment: Path) -> None:
    assert {
        "sklearn": "scikit-learn",
        "single": "single-module",
        "_native": "native",
        "_stable": "stable",
        "plain": "stable",
        "space": "space-name",
    } == installed_modules(environment)
