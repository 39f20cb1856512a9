"""How a Python library is loaded."""

from __future__ import annotations

import sys

import pytest

from noodle.bridges.python_options import WORKER_OPTIONS, PythonOptions
from noodle.errors import SettingsError


def test_an_interpreter_is_an_absolute_path_of_a_file():
    assert sys.executable == PythonOptions.read({"interpreter": sys.executable}).interpreter
    assert PythonOptions.read({"interpreter": None}).interpreter is None
    for wrong in ("python3", "/nowhere/python", "/tmp", 5):
        with pytest.raises(SettingsError, match="option 'interpreter' has a wrong value"):
            PythonOptions.read({"interpreter": wrong})


def test_options_of_workers_are_among_those_of_libraries():
    assert WORKER_OPTIONS < PythonOptions.names()


def test_an_unknown_option_names_the_nearest():
    with pytest.raises(SettingsError, match="unknown option 'worker' for a Python library"):
        PythonOptions.read({"worker": 2})
