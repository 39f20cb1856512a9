"""Resolution: requirements become exact versions with hashes, for one series of Python.

``uv lock`` is asked, and not ``uv pip compile``, because only it can be told the one series of
Python, and the platforms, that the result has to hold for. ``uv pip compile --universal`` knows a
lowest version alone: it would look for versions that also suit every later Python, and fail for a
package like SciPy 1.7, which has none.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from noodle.lock_file import Packages
from noodle.workers.environments.interpreters import Interpreter
from noodle.workers.environments.locked_packages import locked_table, needed_here
from noodle.workers.environments.requirements import Requirements
from noodle.workers.environments.uv import Uv
from noodle.workers.environments.uv_failures import without_wheels

__all__ = ["resolve"]


def resolve(
    uv: Uv, requirements: Requirements, interpreter: Interpreter, folder: Path, target: str
) -> Packages:
    """Return the table of the lock file for requirements.

    Wheels must exist for the interpreter's series on this machine; packages that are to be built
    are excepted.

    Args:
        uv: uv.
        requirements: What is wanted.
        interpreter: Its series is what the result holds for.
        folder: An empty folder to work in.
        target: What is being resolved, for messages.

    Raises:
        MissingPackageError, VersionError, InstallationError, DeadlineExceededError: As ``Uv.run``.
    """
    import tomllib

    (folder / "pyproject.toml").write_text(_project(requirements, interpreter), encoding="utf-8")
    python = ("--python", interpreter.path)
    uv.run(["lock", *python], folder=folder, target=target)
    exported = uv.run(
        [
            *("export", "--frozen", "--no-emit-project", "--no-header", "--no-annotate"),
            *("--format", "requirements-txt", *python),
        ],
        folder=folder,
        target=target,
    )
    content = tomllib.loads((folder / "uv.lock").read_text(encoding="utf-8"))
    built = requirements.from_source
    sources = frozenset(
        str(package["sdist"]["hash"]).removeprefix("sha256:")
        for package in content["package"]
        if "hash" in package.get("sdist", {}) and package["name"] not in built
    )
    files = _digests_of_files(content["package"], built, folder)
    table = locked_table(interpreter.series, exported, sources, files)
    wheels = {
        f"{package['name']}=={package.get('version')}": package.get("wheels", ())
        for package in content["package"]
    }
    for name in needed_here(table, interpreter):
        if name.partition("==")[0] not in built and not _has_wheel(wheels[name], interpreter):
            told = f"{name} has no wheel for Python {interpreter.series} on this machine"
            raise without_wheels(target, name.partition("==")[0], told)
    return table


def _digests_of_files(
    packages: Iterable[Mapping[str, Any]], built: Iterable[str], folder: Path
) -> dict[str, set[str]]:
    """Return the digests of files in folders, for which uv writes none, by ``name==version``."""
    found: dict[str, set[str]] = {}
    for package in packages:
        source = [package["sdist"]] if package["name"] in built and "sdist" in package else []
        for file in (*package.get("wheels", ()), *source):
            if "path" in file and "hash" not in file:
                digest = hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest()
                found.setdefault(f"{package['name']}=={package['version']}", set()).add(digest)
    return found


def _has_wheel(wheels: Iterable[Mapping[str, Any]], interpreter: Interpreter) -> bool:
    """Return whether a wheel can be installed: uv takes a source for one if it need not build it.

    Source: the platform compatibility tags of the PyPA specifications, as packaging knows them.
    """
    from packaging import tags
    from packaging.utils import parse_wheel_filename

    version = interpreter.numbers[:2]
    here = {
        *tags.cpython_tags(version),
        *tags.compatible_tags(version, f"cp{version[0]}{version[1]}"),
    }
    for wheel in wheels:
        place = str(wheel.get("url") or wheel.get("path") or wheel.get("filename"))
        *_, fitting = parse_wheel_filename(unquote(place.rpartition("/")[2]))
        if fitting & here:
            return True
    return False


def _project(requirements: Requirements, interpreter: Interpreter) -> str:
    """Return the ``pyproject.toml`` of a project that has these requirements and nothing else."""
    linux = "sys_platform == 'linux'"
    here = f"{linux} and platform_machine == '{os.uname().machine}'"
    settings = {
        "package": False,
        "environments": [linux],
        "required-environments": [here],
        "no-build": True,
        "no-binary-package": list(requirements.from_source),
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
    return "\n".join(
        [
            "[project]",
            'name = "noodle-environment"',
            'version = "0"',
            f'requires-python = "=={interpreter.series}.*"',
            f"dependencies = {json.dumps(requirements.packages)}",
            "[tool.uv]",
            *lines,
            "[tool.uv.workspace]",  # no workspace of a folder above counts
            "",
        ]
    )
