from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.bridges.python_imports import import_file, version_of
from noodle.errors import LibraryLoadError, MissingPackageError, VersionError
from noodle.libraries import library_of
from noodle.runtime.engine import default_engine


def run_file(directory: Path, source: str, name: str = "own_file.py") -> ModuleType:
    (directory / name).write_text(source)
    return import_file(directory / name)


def test_a_file_may_hold_dataclasses_and_have_its_objects_pickled(tmp_path: Path) -> None:
    library = run_file(
        tmp_path,
        "from __future__ import annotations\n"
        "from dataclasses import dataclass\n"
        "@dataclass\n"
        "class Point:\n"
        "    x: int\n"
        "def point() -> Point: return Point(3)\n",
    )
    assert library.point() == pickle.loads(pickle.dumps(library.point()))
    assert "<class 'own_file.Point'>" == repr(library.Point)


def test_a_file_hides_no_module_of_its_name(tmp_path: Path) -> None:
    assert 5 == run_file(tmp_path, "def dumps(): return 5", "json.py").dumps()
    assert sys.modules.get("json") is json
    assert "[5]" == json.dumps([5])


def test_a_file_that_fails_leaves_no_module_behind(tmp_path: Path) -> None:
    for failure in ("1 / 0", "import sys; sys.exit(3)"):
        with pytest.raises(LibraryLoadError, match=r"running own_file\.py failed"):
            run_file(tmp_path, failure)
        assert "own_file" not in sys.modules


def test_a_directory_with_an_init_file_is_a_package(tmp_path: Path) -> None:
    package = tmp_path / "own_package"
    package.mkdir()
    (package / "__init__.py").write_text("from .inner import one\n__version__ = '3.1'\n")
    (package / "inner.py").write_text("def one(): return 1\n")
    (package / "later.py").write_text("def two(): return 2\n")
    library = default_engine().load("./own_package", directory=tmp_path)
    assert (1, 1, 2) == (library.one(), library.inner.one(), library.later.two())
    assert "./own_package==3.1" == str(library_of(library))


def test_files_of_one_name_are_modules_of_their_own(tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    one, two = (run_file(tmp_path / name, f"who = {name!r}") for name in ("one", "two"))
    assert ("one", "two") == (one.who, two.who)
    assert (one, two) == (sys.modules[one.__name__], sys.modules[two.__name__])
    assert "own_file" == one.__name__ != two.__name__
    again = run_file(tmp_path / "two", "who = 'again'")
    assert two.__name__ == again.__name__
    del sys.modules[two.__name__]


def test_a_file_that_is_not_there_is_missing(tmp_path: Path) -> None:
    for path in (tmp_path / "own_absent.py", tmp_path):
        with pytest.raises(MissingPackageError, match="no Python file"):
            import_file(path)


def test_a_distribution_tells_the_version_of_its_module_and_the_standard_library_has_none() -> None:
    import numpy

    assert (numpy.__version__, None) == (version_of("numpy"), version_of("math"))
    assert version_of("noodle_no_such_package") is None


def test_another_version_of_python_is_refused_in_this_process() -> None:
    with pytest.raises(VersionError) as caught:
        noodle.load("json; python=3.9", placement="inprocess")
    running = f"Python {sys.version_info.major}.{sys.version_info.minor}"
    assert "Python ==3.9.*" == caught.value.expected
    assert str(caught.value.received).startswith(running)
    assert "{}" == noodle.load("json; python>=3.11").dumps({})
