"""Global variables that prototypes declare: read where they lie, and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.bridges.native.isolated.library import IsolatedLibrary
from noodle.bridges.native.libraries import NativeLibrary
from noodle.calls import LoadRequest
from noodle.errors import (
    ArgumentError,
    MissingSymbolError,
    NameNotFoundError,
    UsageError,
)
from tests.bridges.native.conftest import HERE, IN_A_WORKER, Load, compile_to

PROTOTYPES = """
extern int counter;
extern const double limit;
extern char label[];
extern const char *title;
extern void *place;
extern struct point { int x, y; } origin;
extern int numbers[3];
extern const char *words[2];
extern _Bool on;
extern int (*hook)(int x);
int count(void);
int *address(void);
"""

SOURCE = """
int counter = 3; const double limit = 2.5; char label[] = "label"; const char *title = "title";
void *place; struct point { int x, y; } origin = {1, 2}; int numbers[3] = {4, 5, 6}; _Bool on = 1;
const char *words[2] = {"one", "two"};
static int twice(int x) { return 2 * x; }
int (*hook)(int x) = twice;
int count(void) { return ++counter; }
int *address(void) { return numbers; }
"""

Made = Callable[..., NativeLibrary]


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library whose variables no test changes."""
    return compile_to(tmp_path_factory.mktemp("variables") / "libown.so", SOURCE)


@pytest.fixture(params=[*HERE[::2], *IN_A_WORKER])
def made(request: pytest.FixtureRequest, bridges: Any, tmp_path: Path) -> Iterator[Made]:
    """Load a library with prototypes, in each way and placement; one of its own where none is."""
    bridge, options = bridges[request.param.removeprefix("isolated ")]
    placement = "isolated" if request.param.startswith("isolated") else "inprocess"
    opened: list[NativeLibrary] = []

    def make(prototypes: str, library: Path | None = None) -> NativeLibrary:
        library = library or compile_to(tmp_path / "libown.so", SOURCE)
        request = LoadRequest(
            "own", str(library), prototypes=prototypes, options=options, placement=placement
        )
        loaded: NativeLibrary = bridge.load(request)
        opened.append(loaded)
        return loaded

    yield make
    for loaded in opened:
        if isinstance(loaded, IsolatedLibrary):
            loaded.close()


def test_variables_of_prototypes_are_read_and_written(made: Made) -> None:
    library = made(PROTOTYPES)
    names = ("counter", "limit", "label", "title", "place", "on")
    assert [library.member(name) for name in names] == [3, 2.5, "label", "title", None, True]
    assert library.assigns()
    library.assign("counter", 10)
    assert library.member("count").raw() == 11
    assert library.member("counter") == 11
    library.assign("place", library.member("address").raw())
    assert library.member("place") == library.member("numbers") == library.member("address").raw()
    library.assign("place", None)
    assert library.member("place") is None
    assert set(names) < set(library.names())
    assert "    extern int numbers[3]" in str(library.documentation).splitlines()


def test_structures_and_arrays_are_given_as_those_of_headers(made: Made) -> None:
    library = made(PROTOTYPES)
    library.member("origin").x += 41
    assert (library.member("origin").x, library.member("origin").y) == (42, 2)
    assert [library.member("numbers")[i] for i in range(3)] == [4, 5, 6]
    assert library.member("words")[1] == "two"


def test_a_function_pointer_is_a_function(load: Load, unchanged: Path) -> None:
    assert load(unchanged, PROTOTYPES).member("hook")(21) == 42


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("limit", 1.0, "declare it without const"),
        ("counter", 2**31, "i32"),
        ("counter", "3", "does not accept"),
        ("title", "text", "nobody would own"),
        ("numbers", None, "cannot be assigned"),
        ("origin", None, "cannot be assigned"),
        ("place", 4096, "a pointer to void, or None"),
        ("countre", 1, "counter"),
        ("count", 1, "no variable"),
    ],
)
def test_wrong_assignments_are_refused(
    made: Made, unchanged: Path, name: str, value: Any, message: str
) -> None:
    library = made(PROTOTYPES, unchanged)
    with pytest.raises(UsageError, match=message):
        library.assign(name, value)
    assert library.member("counter") == 3 or name != "counter"


def test_prototypes_of_variables_alone_are_enough(made: Made) -> None:
    library = made("extern int counter;")
    assert library.names() == ["counter"]
    library.assign("counter", 4)
    assert library.member("counter") == 4


def test_a_library_whose_variables_are_const_has_no_assignments(
    made: Made, unchanged: Path
) -> None:
    library = made("extern const double limit; int count(void);", unchanged)
    assert not library.assigns()
    assert library.member("limit") == 2.5


@pytest.mark.parametrize(
    ("prototypes", "received", "expected"),
    [
        ("extern int countre;", "countre", "one of its 10 exported variables"),
        ("extern int count;", "count: a function", "one of its 10 exported variables"),
        ("int counter(void);", "counter: a variable", "one of its 2 exported functions"),
        (
            "int counted(void); extern int countre;",
            "counted, countre",
            "one of its 2 exported functions or 10 exported variables",
        ),
    ],
)
def test_what_the_library_does_not_export_is_refused(
    made: Made, unchanged: Path, prototypes: str, received: str, expected: str
) -> None:
    with pytest.raises(MissingSymbolError) as caught:
        made(prototypes, unchanged)
    assert (caught.value.received, caught.value.expected) == (received, expected)
    assert ("counter instead of countre" in str(caught.value.remedy)) == ("countre" in prototypes)


def test_an_undeclared_variable_says_how_to_declare_it(load: Load, sample: Path) -> None:
    with pytest.raises(NameNotFoundError) as caught:
        load(sample, "int calls_made(void);").member("calls")
    assert 'prototypes="extern int calls;"' in str(caught.value.remedy)


def test_a_variable_of_each_thread_is_that_of_the_caller(load: Load, tmp_path: Path) -> None:
    from threading import Thread

    source = "_Thread_local int own = 1; int next(void) { return ++own; }"
    library = load(compile_to(tmp_path / "libown.so", source), "extern int own; int next(void);")
    library.assign("own", 5)
    found = list[int]()
    other = Thread(target=lambda: found.append(library.member("own")))
    other.start()
    other.join()
    assert (library.member("next").raw(), found) == (6, [1])


@pytest.mark.parametrize("placement", ["inprocess", "isolated"])
def test_attributes_of_a_library_are_its_variables(tmp_path: Path, placement: str) -> None:
    compile_to(tmp_path / "libown.so", SOURCE)
    library = noodle.load(str(tmp_path / "libown.so"), prototypes=PROTOTYPES, placement=placement)
    library.counter = 10
    assert (library.count(), library.counter) == (11, 11)
    with pytest.raises(ArgumentError):
        library.counter = "many"
    noodle.unload(library)
