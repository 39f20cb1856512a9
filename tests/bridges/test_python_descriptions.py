"""What a Python worker says of modules and members: read where it is in order, else unknown."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from noodle.bridges.python_descriptions import read_declared, read_facts, read_names

POSITIONAL, KEYWORD_ONLY, VAR_KEYWORD = 1, 3, 4


def test_parameters_are_a_signature_and_a_prototype() -> None:
    declared = read_declared(
        {
            "parameters": [
                ["x", POSITIONAL, None, "float"],
                ["scale", KEYWORD_ONLY, "1.0", None],
                ["rest", VAR_KEYWORD, None, None],
            ],
            "result": "float",
        }
    )
    assert declared is not None
    assert "(x, *, scale=1.0, **rest)" == str(declared.signature)
    prototype = declared.prototype("scaled")
    assert ["x", "scale"] == [parameter.name for parameter in prototype.parameters]
    assert [False, True] == [parameter.optional for parameter in prototype.parameters]
    assert prototype.any_keyword
    assert not prototype.variadic


@pytest.mark.parametrize(
    "parameters",
    [
        None,
        "x",
        [["x", POSITIONAL, None]],
        [["x", "1", None, None]],
        [["x", True, None, None]],
        [["x", VAR_KEYWORD + 1, None, None]],
        [["x", -1, None, None]],
        [["not a name", POSITIONAL, None, None]],
        [["x", POSITIONAL, 1, None]],
        [["x", KEYWORD_ONLY, None, None], ["y", POSITIONAL, None, None]],
        [["x", POSITIONAL, None, None], ["x", POSITIONAL, None, None]],
    ],
)
def test_parameters_in_a_wrong_form_are_unknown(parameters: Any) -> None:
    assert read_declared({"parameters": parameters, "result": None}) is None


def test_a_default_is_shown_and_not_evaluated() -> None:
    declared = read_declared(
        {"parameters": [["x", POSITIONAL, "__import__('os')", None]], "result": 5}
    )
    assert declared is not None
    assert "(x=__import__('os'))" == str(declared.signature)
    assert declared.result is None
    assert not isinstance(declared.signature.parameters["x"].default, (str, inspect.Parameter))


def test_only_texts_are_names() -> None:
    assert ["ValueError", "Exception"] == read_names(["ValueError", 5, None, "Exception"])
    assert () == read_names("ValueError")


def test_facts_that_are_no_texts_are_unknown() -> None:
    facts = read_facts({"distribution": 1, "version": "2.0", "interpreter": ""}, "Docs.", "/python")
    assert (None, "2.0", "/python", "Docs.") == (
        facts.distribution,
        facts.version,
        facts.interpreter,
        facts.documentation,
    )
    assert "/python" == read_facts(None, None, "/python").interpreter
