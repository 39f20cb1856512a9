"""Objects that have to be released: once, not too early, and not used afterwards."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.bridges.native.resources import Releasable
from noodle.errors import ArgumentTypeError, FunctionFailedError, ReferenceReleasedError
from tests.bridges.native.conftest import Functions, LoadFunctions, compile_to

PROTOTYPES = """
typedef struct box box;
int box_open(int value, box **made); int box_half_open(box **made);
box *box_new(int value); int box_close(box *box);
int box_value(const box *box); void box_set(box *box, int value); int *box_inside(box *box);
int read_int(const int *at); int boxes(void); const char *box_error(int code);
char *echo(const char *text); void forget(void *memory);
"""


@pytest.fixture(scope="session")
def natural(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library of ``natural.c``."""
    source = Path(__file__).with_name("natural.c")
    return compile_to(tmp_path_factory.mktemp("resources") / "libnatural.so", source)


@pytest.fixture
def lib(functions: LoadFunctions, natural: Path) -> Functions:
    """Its functions, with the destructor of boxes stated."""
    return functions(
        natural, PROTOTYPES, errors=None, free="box_close", functions={"box_close": FAILS}
    )


FAILS = {"errors": "nonzero", "message": "box_error"}


class TestRelease:
    def test_the_end_of_a_block_releases_it(self, lib: Functions) -> None:
        before = lib.boxes()
        with lib.box_new(5) as box:
            assert (5, before + 1) == (lib.box_value(box), lib.boxes())
        assert (before, True) == (lib.boxes(), box.released)
        box.close()
        assert before == lib.boxes()

    def test_the_librarys_own_function_releases_it(self, lib: Functions) -> None:
        before = lib.boxes()
        status, box = lib.box_open(5)
        lib.box_close(box)
        assert (0, True, before) == (status, box.released, lib.boxes())

    def test_a_use_afterwards_is_refused_before_the_call(self, lib: Functions) -> None:
        box = lib.box_new(5)
        lib.box_value(box)
        box.close()
        for use in (lib.box_value, lib.box_inside, lib.box_close, lambda b: lib.box_set(b, 1)):
            with pytest.raises(ReferenceReleasedError, match="box_close has released"):
                use(box)

    def test_what_is_dropped_is_released_once(self, lib: Functions) -> None:
        before = lib.boxes()
        boxes = [lib.box_new(n) for n in range(5)]
        boxes[0].close()
        assert before + 4 == lib.boxes()
        del boxes
        gc.collect()
        assert before == lib.boxes()

    def test_a_destructor_that_refuses_leaves_it_usable(self, lib: Functions) -> None:
        box = lib.box_new(13)
        with pytest.raises(FunctionFailedError, match="it is stuck"):
            box.close()
        assert (13, False) == (lib.box_value(box), box.released)
        lib.box_set(box, 1)
        box.close()
        assert box.released

    def test_a_refused_argument_of_the_destructor_releases_nothing(self, lib: Functions) -> None:
        with pytest.raises(ArgumentTypeError):
            lib.box_close(5)
        with pytest.raises(ArgumentTypeError, match="pointer to struct box"), lib.box_new(1) as box:
            lib.box_close(lib.box_inside(box))

    def test_of_two_threads_one_releases_it(self, lib: Functions) -> None:
        before = lib.boxes()
        for _ in range(20):
            box = lib.box_new(5)
            outcomes: list[str] = []

            def close(box: Any = box, outcomes: list[str] = outcomes) -> None:
                try:
                    lib.box_close(box)
                    outcomes.append("released")
                except ReferenceReleasedError:
                    outcomes.append("refused")

            threads = [threading.Thread(target=close) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert ["refused", "released"] == sorted(outcomes)
        assert before == lib.boxes()

    def test_null_is_none_and_owns_nothing(self, lib: Functions) -> None:
        assert (5, None) == lib.box_open(-1)

    def test_its_repr_says_what_and_whether(self, lib: Functions) -> None:
        box = lib.box_new(5)
        assert repr(box).startswith("<struct box at 0x")
        box.close()
        assert repr(box).endswith("libnatural.so.box_new, released>")


class TestOwners:
    def test_a_pointer_into_it_keeps_it_alive(self, lib: Functions) -> None:
        before = lib.boxes()
        inside = lib.box_inside(lib.box_new(7))
        gc.collect()
        assert (7, before + 1) == (lib.read_int(inside), lib.boxes())
        del inside
        gc.collect()
        assert before == lib.boxes()

    def test_a_borrowed_pointer_ends_with_its_owner(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        lib = functions(
            natural, PROTOTYPES, free="box_close", functions={"box_inside": {"borrowed": True}}
        )
        box = lib.box_new(7)
        inside = lib.box_inside(box)
        assert lib.read_int(inside) == 7
        box.close()
        with pytest.raises(ReferenceReleasedError, match="after its owner was released"):
            lib.read_int(inside)

    def test_pointers_are_compared_and_shown_also_after_they_have_ended(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        lib = functions(
            natural, PROTOTYPES, free="box_close", functions={"box_inside": {"borrowed": True}}
        )
        with lib.box_new(7) as box:
            inside = lib.box_inside(box)
            assert (box, hash(box)) == (inside, hash(inside))
        assert (box, hash(box)) == (inside, hash(inside))
        assert inside == box
        assert f"{inside.address:#x}" in repr(inside)


class TestInferred:
    def test_an_inferred_destructor_runs_only_when_asked_for(
        self, functions: LoadFunctions, natural: Path
    ) -> None:
        lib = functions(natural, PROTOTYPES)
        before = lib.boxes()
        with lib.box_new(1):
            assert before + 1 == lib.boxes()
        assert before == lib.boxes()
        lib.box_new(1)
        gc.collect()
        assert before + 1 == lib.boxes()

    def test_inference_may_be_turned_off(self, functions: LoadFunctions, natural: Path) -> None:
        lib = functions(natural, PROTOTYPES, infer=False)
        box = lib.box_new(1)
        assert not isinstance(box, Releasable)
        assert lib.box_close(box) == 0


def test_a_destructor_may_be_named_for_one_function(
    functions: LoadFunctions, natural: Path
) -> None:
    lib = functions(natural, PROTOTYPES, functions={"box_open": {"free": {"made": "box_close"}}})
    before = lib.boxes()
    lib.box_open(3)
    gc.collect()
    assert before == lib.boxes()


@pytest.mark.parametrize("released", [True, False])
@pytest.mark.parametrize("errors", ["nonzero", lambda code, said: OSError(code, "below zero")])
def test_what_a_failed_call_has_made_is_released_if_that_is_stated(
    functions: LoadFunctions, natural: Path, released: bool, errors: Any
) -> None:
    said = {**FAILS, "errors": errors, "free_on_failure": released}
    lib = functions(natural, PROTOTYPES, free="box_close", functions={"box_half_open": said})
    before = lib.boxes()
    with pytest.raises((FunctionFailedError, OSError), match="below zero"):
        lib.box_half_open()
    assert lib.boxes() - before == (0 if released else 1)


def test_only_its_own_thread_releases_what_is_bound_to_it(natural: Path) -> None:
    library = noodle.load(
        str(natural), prototypes=PROTOTYPES, free="box_close", functions={"box_*": SAME_THREAD}
    )
    before = library.boxes()
    boxes = [library.box_new(3)]
    thread = threading.Thread(target=boxes.clear)
    thread.start()
    thread.join()
    assert before + 1 == library.boxes()
    library.box_new(4).close()
    assert before == library.boxes()


SAME_THREAD = {"same_thread": True}


def test_a_forked_process_releases_nothing_of_its_parents(natural: Path) -> None:
    library = noodle.load(str(natural), prototypes=PROTOTYPES, free=["box_close"])
    box = library.box_new(3)
    before = library.boxes()
    child = os.fork()
    if child == 0:
        del box
        gc.collect()
        os._exit(library.boxes() != before)
    assert os.waitpid(child, 0)[1] == 0
    assert library.box_value(box) == 3


def test_what_ended_with_its_worker_is_refused_and_not_released(natural: Path) -> None:
    library = noodle.load(
        str(natural), prototypes=PROTOTYPES, placement="isolated", free="box_close"
    )
    box = library.box_new(3)
    noodle.unload(library)
    again = noodle.load(str(natural), prototypes=PROTOTYPES, placement="isolated", free="box_close")
    with pytest.raises(ReferenceReleasedError):
        again.box_value(box)
    del box
    gc.collect()
    assert again.boxes() == 0
    noodle.unload(again)
