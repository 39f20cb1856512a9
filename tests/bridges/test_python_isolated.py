"""Python libraries in worker processes, in this interpreter and in others."""

from __future__ import annotations

import os
import sys
import traceback
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.errors import (
    LibraryLoadError,
    MissingPackageError,
    NameNotFoundError,
    SettingsError,
    VersionError,
    WorkerCrashedError,
)
from noodle.libraries import library_of
from tests.bridges.python_conformance import SOURCE, PythonConformance
from tests.workers.pythons import require_python


class TestIsolatedPython(PythonConformance):
    placement = "isolated"
    other_placements = frozenset({"inprocess"})
    load_options = {"placement": "isolated"}  # noqa: RUF012

    def test_it_runs_in_another_process(self) -> None:
        own = noodle.load("os", placement="isolated")
        assert os.getpid() != own.getpid()
        assert os.getcwd() == own.getcwd()

    def test_explain_names_the_interpreter(self, library: ModuleType) -> None:
        assert f"in workers of {sys.executable}" in str(library.add.explain(1.0, 2.0))

    def test_the_remote_frames_are_shown(self, library: ModuleType) -> None:
        with pytest.raises(ValueError, match="no") as caught:
            library.fail("no")
        shown = "".join(traceback.format_exception(caught.value))
        assert shown.index("test_python_isolated.py") < shown.index("own_library.py")

    def test_an_index_of_several_dimensions_stays_one(self, numpy: ModuleType) -> None:
        table = numpy.ma.masked_array([[1, 2], [3, 4]], mask=[[False, True], [False, False]])
        assert (1, 4) == (table[0, 0], table[1, 1])
        assert [2, 4] == table[:, 1].data.tolist()
        assert (2, 2) == table.shape


class TestOtherInterpreters:
    def test_the_option_interpreter_names_another_python(self) -> None:
        interpreter = require_python("3.8")
        platform = noodle.load("platform", placement="isolated", interpreter=str(interpreter))
        assert platform.python_version().startswith("3.8.")
        assert f"in workers of {interpreter}" in str(platform.python_version.explain())

    def test_two_of_them_pass_objects_to_each_other(self, tmp_path: Path) -> None:
        (tmp_path / "own_library.py").write_text(SOURCE)
        old, new = (
            noodle.load(
                f"{tmp_path}/own_library.py",
                placement="isolated",
                interpreter=str(require_python(version)),
            )
            for version in ("3.8", "3.13")
        )
        functools = noodle.load(
            "functools", placement="isolated", interpreter=str(require_python("3.8"))
        )
        assert 6.0 == functools.reduce(new.add, [1.0, 2.0, 3.0])
        assert 4.0 == old.twice(new.twice(1.0))

    def test_an_interpreter_that_is_not_there_is_refused(self) -> None:
        for path in ("/nowhere/python", "python3"):
            with pytest.raises(SettingsError, match="interpreter"):
                noodle.load("json", placement="isolated", interpreter=path)

    def test_its_version_is_checked(self) -> None:
        with pytest.raises(VersionError, match="another version of Python"):
            noodle.load(
                "json; python<3",
                placement="isolated",
                interpreter=str(require_python("3.8")),
            )


class TestLoading:
    def test_a_missing_package_names_the_command(self) -> None:
        with pytest.raises(MissingPackageError) as caught:
            noodle.load("no_such_package", placement="isolated")
        assert f"{sys.executable} -m pip install no_such_package" in str(caught.value)

    def test_an_import_that_fails_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "broken.py").write_text("1 / 0\n")
        with pytest.raises(LibraryLoadError, match="ZeroDivisionError"):
            noodle.load(f"{tmp_path}/broken.py", placement="isolated")
        (tmp_path / "needs.py").write_text("import no_such_module\n")
        with pytest.raises(LibraryLoadError, match="it needs no_such_module"):
            noodle.load(f"{tmp_path}/needs.py", placement="isolated")

    def test_an_import_that_ends_the_process_is_reported(self, tmp_path: Path) -> None:
        (tmp_path / "deadly.py").write_text("import os; os._exit(3)\n")
        with pytest.raises(WorkerCrashedError, match="exit code 3") as caught:
            noodle.load(
                f"{tmp_path}/deadly.py", placement="isolated", environment={"OWN": str(tmp_path)}
            )
        assert "was imported" in "".join(caught.value.__notes__)

    def test_the_version_of_a_package_is_known(self) -> None:
        import numpy

        assert numpy.__version__ == library_of(noodle.load("numpy", placement="isolated")).version

    def test_a_distribution_may_be_named_instead_of_its_module(self) -> None:
        assert noodle.load("prompt-toolkit", placement="isolated").__name__

    def test_an_unknown_name_has_near_ones(self) -> None:
        with pytest.raises(NameNotFoundError, match="hypot"):
            _ = noodle.load("math", placement="isolated").hypott

    def test_options_of_workers_are_refused_in_this_process(self) -> None:
        with pytest.raises(SettingsError, match="is for libraries in workers"):
            noodle.load("json", workers=2)

    def test_the_options_are_checked(self) -> None:
        for options in ({"workers": 0}, {"environment": {"A=": "b"}}, {"interpreter": 5}):
            with pytest.raises(SettingsError):
                noodle.load("json", placement="isolated", **options)
