"""What a name that is not there is answered with: what to write instead."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.errors import NameNotFoundError, TargetError

CPLUSPLUS = """
struct pair { int x, y; };
union number { int i; float f; };
int mangled(int x) { return x; }
extern "C" int sum(const pair *p, const number *n) { return p->x + n->i; }
extern "C" int added(int x, int y = (1, 2), const char *text = ")") { return x + y; }
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    """A library of C++."""
    source = tmp_path_factory.mktemp("named") / "named.cpp"
    source.write_text(CPLUSPLUS)
    return noodle.load(str(source))


def remedy_of(library: ModuleType, name: str) -> str:
    with pytest.raises(NameNotFoundError) as caught:
        getattr(library, name)
    return str(caught.value.remedy)


def test_the_name_of_a_structure_is_answered_with_how_to_get_it(library: ModuleType):
    assert remedy_of(library, "pair") == "library.struct('pair')"
    assert remedy_of(library, "number") == "library.union('number')"
    with pytest.raises(NameNotFoundError) as caught:
        library.struct("number")
    assert caught.value.remedy == "library.union('number')"
    with pytest.raises(NameNotFoundError) as caught:
        library.union("pair")
    assert caught.value.remedy == "library.struct('pair')"


def test_a_mangled_function_is_answered_with_what_it_lacks(library: ModuleType):
    assert remedy_of(library, "mangled").startswith('extern "C" before mangled')
    assert "_Z" not in remedy_of(library, "mangle")


def test_values_by_default_do_not_keep_a_function_from_being_called(library: ModuleType):
    assert library.added(1, 2, "text") == 3


def test_what_the_headers_do_not_declare_is_answered_with_a_header(tmp_path: Path):
    (tmp_path / "own.h").write_text("int one(void);")
    (tmp_path / "own.c").write_text("int one(void) { return 1; } int two(void) { return 2; }")
    library = noodle.load(str(tmp_path / "own.c"), header=str(tmp_path / "own.h"))
    assert remedy_of(library, "two").startswith(f'header=["{tmp_path / "own.h"}", "…"]')


def test_a_header_as_a_target_is_answered_with_where_it_goes(tmp_path: Path):
    (tmp_path / "own.h").write_text("int one(void);")
    with pytest.raises(TargetError) as caught:
        noodle.load(str(tmp_path / "own.h"))
    assert "header=" in str(caught.value.remedy)


def test_a_level_may_be_written_as_the_compiler_has_it(tmp_path: Path):
    (tmp_path / "own.c").write_text("int one(void) { return 1; }")
    assert noodle.load(str(tmp_path / "own.c"), optimization="-O3").one() == 1
