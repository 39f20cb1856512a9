"""What may be said of functions, where, and how a mistake is answered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.bridges.native.annotation_files import LibraryAnnotations
from noodle.bridges.native.annotation_tables import AnnotationTable
from noodle.bridges.native.c_parser import parse_c
from noodle.bridges.native.contents import DeclaredContents
from noodle.bridges.native.libraries import NativeLibrary
from noodle.bridges.native.natural_plans import NaturalPlan
from noodle.errors import FunctionFailedError, SettingsError
from tests.bridges.native.conftest import Load, compile_to

PROTOTYPES = """
typedef struct thing thing; typedef struct part part;
int thing_open(const char *name, thing **made); int thing_close(thing *thing);
int thing_close_v2(thing *thing); thing *thing_owner(part *part); thing *thing_new(void);
part *part_new(thing *thing); void part_free(part *part); void part_destroy(part *part);
int thing_write(thing *thing, const void *data, int size); int read_all(char *to, size_t *length);
int copy(const void *from, size_t size, size_t count); unsigned flags(void); const char *name(void);
int compare(const char *one, const char *other, size_t n); int place(int *x, const double *y);
double mean(const double *values, int stride); void *raw(void); double number(void);
"""


def plans_of(*layers: tuple[str, Any], prototypes: str = PROTOTYPES) -> dict[str, NaturalPlan]:
    declarations = parse_c(prototypes)
    table = AnnotationTable(DeclaredContents(declarations), LibraryAnnotations(layers))
    return {d.name: plan for d in declarations.functions if (plan := table.plan(d))}


def plans(**said: Any) -> dict[str, NaturalPlan]:
    return plans_of(("the options", said))


def refused(**said: Any) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        plans(**said)
    return caught.value


class TestMistakes:
    def test_an_unknown_function_has_the_nearest(self) -> None:
        error = refused(functions={"thing_opn": {"out": "made"}})
        assert ("thing_opn", "thing_open") == (error.received, str(error.remedy).split(" ")[0])

    def test_a_pattern_that_fits_nothing_is_refused(self) -> None:
        assert refused(functions={"widget_*": {}}).received == "widget_*"

    def test_an_unknown_annotation_has_the_nearest(self) -> None:
        error = refused(functions={"thing_open": {"outs": ["made"]}})
        assert ("outs", "out") == (error.received, str(error.remedy).split(" ")[0])
        assert "thing_open" in str(error.where)

    def test_an_unknown_parameter_has_the_nearest_and_the_prototype(self) -> None:
        error = refused(functions={"thing_open": {"out": ["mad"]}})
        assert "int thing_open(const char *name, thing **made)" in str(error.expected)
        assert error.remedy == "made"

    def test_underscores_before_a_parameters_name_may_be_left_out(self) -> None:
        text = "int sum(const int *__s, int __count, int _n, int __n);"
        said = {"functions": {"sum": {"lengths": {"s": "count"}, "nullable": ["__s"]}}}
        (plan,) = plans_of(("the options", said), prototypes=text).values()
        assert plan.lengths == {1: (0,)}
        assert plan.annotations.lengths == {"__s": "__count"}
        wrong = {"functions": {"sum": {"lengths": {"s": "n"}}}}
        with pytest.raises(SettingsError, match="lengths") as caught:
            plans_of(("the options", wrong), prototypes=text)
        assert caught.value.received == "'n'"

    def test_what_single_functions_say_is_no_option_of_the_library(self) -> None:
        error = refused(errors={"name": "null"})
        assert error.remedy == "functions={'name': {'errors': 'null'}}"
        assert refused(errors={"nobody": "null"}).remedy is None

    def test_an_unknown_destructor_has_the_nearest(self) -> None:
        assert refused(free="thing_clse").remedy.startswith("thing_close")  # type: ignore[union-attr]
        error = refused(functions={"thing_open": {"free": "thing_clse"}})
        assert str(error.remedy).startswith("thing_close")

    @pytest.mark.parametrize(
        ("function", "said"),
        [
            ("thing_open", {"out": "name"}),
            ("place", {"out": "y"}),
            ("place", {"inout": "y"}),
            ("thing_open", {"inout": "made"}),
            ("place", {"out": "x", "inout": "x"}),
            ("place", {"out": 5}),
            ("thing_write", {"lengths": {"data": "thing"}}),
            ("thing_write", {"lengths": {"size": "size"}}),
            ("thing_write", {"lengths": ["data"]}),
            ("thing_write", {"buffers": {"data": "size"}}),
            ("read_all", {"buffers": {"to": "to"}}),
            ("read_all", {"buffers": {"to": {"length": "length", "size": -1}}}),
            ("read_all", {"buffers": {"to": {"length": "length", "room": 1}}}),
            ("read_all", {"buffers": {"to": {"length": "length", "cut": "end"}}}),
            ("copy", {"buffers": {"from": {"length": "size", "cut": "length"}}}),
            ("thing_open", {"encoding": "klingon"}),
            ("thing_open", {"encoding": "utf-16"}),
            ("thing_open", {"encoding": {"nome": "utf-8"}}),
            ("thing_open", {"errors": "non-zero"}),
            ("thing_open", {"errors": "null"}),
            ("flags", {"errors": "negative"}),
            ("flags", {"errors": "errno"}),
            ("name", {"errors": "nonzero"}),
            ("thing_open", {"ok": "100"}),
            ("thing_open", {"message": "nome"}),
            ("number", {"free": "thing_close"}),
            ("number", {"free": {"result": "thing_close"}}),
            ("thing_open", {"free_on_failure": 1}),
            ("thing_open", {"nullable": ["nome"]}),
            ("thing_open", {"borrowed": "yes"}),
            ("thing_open", {"errno": "EINTR"}),
            ("thing_open", ["made"]),
        ],
    )
    def test_what_does_not_fit_is_refused_with_what_would(self, function: str, said: Any) -> None:
        error = refused(functions={function: said})
        assert error.expected
        assert function in str(error.where)

    @pytest.mark.parametrize(
        "said",
        [
            {"functions": ["thing_open"]},
            {"errors": "sometimes"},
            {"free": 5},
            {"free": [5]},
            {"free": {"thing": ["thing_close"]}},
            {"free": ["copy"]},
            {"free": {"part": "thing_close"}},
            {"infer": "no"},
        ],
    )
    def test_so_it_is_for_the_whole_library(self, said: Any) -> None:
        assert refused(**said).expected

    @pytest.mark.parametrize("codes", [5, [5], {"A": "1"}, {1: 1}])
    def test_codes_are_names_and_numbers(self, codes: Any) -> None:
        with pytest.raises(SettingsError, match="names and their numbers"):
            plans(codes=codes)

    def test_codes_of_constants_need_a_header(self) -> None:
        error = refused(codes=["THING_*"])
        assert (error.received, error.remedy) == ("'THING_*'", 'state header="…" as well')


class TestInference:
    def test_the_last_pointer_to_an_object_is_an_out(self) -> None:
        found = plans()
        assert found["thing_open"].annotations.out == ("made",)
        assert "place" not in found

    def test_a_length_follows_memory_that_is_only_read(self) -> None:
        found = plans()
        assert found["thing_write"].annotations.lengths == {"data": "size"}
        assert found["compare"].annotations.lengths == {"other": "n"}
        assert not {"copy", "mean"} & {n for n, p in found.items() if p.annotations.lengths}

    def test_of_two_lengths_the_one_that_has_the_arrays_name_is_its_own(self) -> None:
        declared = parse_c("double at(const double *values, size_t values_len, size_t n);")
        table = AnnotationTable(DeclaredContents(declared), LibraryAnnotations(()))
        plan = table.plan(declared.functions[0])
        assert plan is not None
        assert plan.annotations.lengths == {"values": "values_len"}

    def test_a_length_of_text_is_not_compared(self) -> None:
        assert plans()["compare"].trusted == {2}
        assert not plans()["thing_write"].trusted

    def test_one_destructor_is_inferred_and_of_two_none(self) -> None:
        found = plans()
        assert found["thing_new"].free == "thing_close"
        assert found["thing_close_v2"].annotations.frees == ("thing",)
        assert found["part_new"].free == ""

    def test_only_what_makes_an_object_owns_it(self) -> None:
        assert plans()["thing_owner"].free == plans(free="thing_close")["thing_owner"].free == ""

    def test_no_inference_says_nothing(self) -> None:
        named = {name for name, plan in plans(infer=False).items() if plan.annotations.said()}
        assert named == set()

    def test_explain_says_what_was_inferred_and_how_to_turn_it_off(self) -> None:
        notes = "\n".join(plans()["thing_open"].notes)
        assert "out: made (inferred; infer=False turns that off)" in notes
        assert 'free="thing_close" also for what is dropped' in notes
        stated = plans(functions={"thing_open": {"out": "made"}})["thing_open"].notes
        assert "out: made" in stated

    def test_an_empty_list_turns_one_off(self) -> None:
        assert plans(functions={"thing_open": {"out": []}})["thing_open"].outs == ()


class TestPrecedence:
    def test_a_shorthand_holds_where_it_fits(self) -> None:
        found = plans(errors="nonzero")
        assert found["thing_close"].annotations.errors == "nonzero"
        assert "name" not in found

    def test_a_name_goes_before_a_pattern_and_that_before_the_library(self) -> None:
        found = plans(
            errors="nonzero",
            functions={"thing_*": {"errors": "negative"}, "thing_close": {"errors": None}},
        )
        assert (found["thing_write"].annotations.errors, found["copy"].annotations.errors) == (
            "negative",
            "nonzero",
        )
        assert found["thing_close"].annotations.errors == ""

    def test_the_options_go_before_the_file(self) -> None:
        file = {"errors": "negative", "functions": {"place": {"out": "x", "errors": "nonzero"}}}
        options = {"errors": "nonzero", "functions": {"place": {"errors": "negative"}}}
        found = plans_of(("the options", options), ("thing.toml", file))
        assert found["copy"].annotations.errors == "nonzero"
        assert found["place"].annotations.errors == "negative"
        assert found["place"].annotations.out == ("x",)


SOURCE = "int half(int x, int *out) { *out = x / 2; return x % 2; }"
DECLARED = "int half(int x, int *out);"
FILE = 'errors = "nonzero"\n[functions.half]\nout = ["out"]\n'


class TestFiles:
    @pytest.fixture
    def source(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A source whose functions a file beside it may annotate."""
        monkeypatch.chdir(tmp_path)
        (tmp_path / "halves.c").write_text(SOURCE)
        return tmp_path

    def test_the_file_of_the_librarys_name_holds(self, load: Load, source: Path) -> None:
        (source / "halves.toml").write_text(FILE)
        library = load("./halves.c", DECLARED, directory=str(source))
        assert library.member("half").raw(8) == 4

    def test_a_file_may_be_named_or_left_out(self, load: Load, source: Path) -> None:
        (source / "halves.toml").write_text("nonsense")
        (source / "other.toml").write_text(FILE)
        named = load("./halves.c", DECLARED, options={"annotations": "other.toml"})
        assert named.member("half").raw(8) == 4
        without = load("./halves.c", DECLARED, options={"annotations": False})
        assert str(without.member("half").prototype) == "half(x: i32, out: ptr<i32>): i32"

    @pytest.mark.parametrize(
        ("text", "word"), [("nonsense", "cannot be read"), ("functons = 1", "unknown key")]
    )
    def test_a_wrong_file_is_named(self, load: Load, source: Path, text: str, word: str) -> None:
        (source / "halves.toml").write_text(text)
        with pytest.raises(SettingsError, match=word) as caught:
            load("./halves.c", DECLARED, directory=str(source))
        assert caught.value.where == "halves.toml"

    def test_a_named_file_must_be_there(self, load: Load, source: Path) -> None:
        with pytest.raises(SettingsError, match="No such file"):
            load("./halves.c", DECLARED, options={"annotations": "none.toml"})


HEADER = """
#define E_ODD 1
#define E_TWICE 2
#define E_AGAIN 2
typedef enum state { STATE_FINE, STATE_ODD } state;
int half(int x, int *out);
state check(int x);
int fail(int code);
"""
BODIES = """
enum state { STATE_FINE, STATE_ODD };
int half(int x, int *out) { *out = x / 2; return x % 2; }
enum state check(int x) { return x % 2 ? STATE_ODD : STATE_FINE; }
int fail(int code) { return code; }
"""


class TestHeaders:
    @pytest.fixture(params=["inprocess", "isolated"])
    def halves(self, request: Any, load: Load, tmp_path: Path) -> NativeLibrary:
        """A library with a header, beside which a file has annotations."""
        (tmp_path / "include").mkdir()
        (tmp_path / "include" / "halves.h").write_text(HEADER)
        (tmp_path / "include" / "halves.toml").write_text(f'codes = "E_*"\n{FILE}')
        path = compile_to(tmp_path / "libhalves.so", BODIES)
        return load(
            path,
            directory=str(tmp_path),
            placement=request.param,
            options={"header": "halves.h", "include_paths": ["include"]},
        )

    def test_the_file_beside_the_header_holds(self, halves: NativeLibrary) -> None:
        assert halves.member("half").raw(8) == 4

    def test_numbers_have_the_names_of_the_headers_constants(self, halves: NativeLibrary) -> None:
        def constant(function: str, argument: int) -> str | None:
            with pytest.raises(FunctionFailedError) as caught:
                halves.member(function).raw(argument)
            return caught.value.constant

        assert (constant("half", 3), constant("fail", 7)) == ("E_ODD", None)
        assert constant("fail", 2) is None  # it has two names

    def test_a_pattern_that_fits_no_constant_is_refused(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "halves.h").write_text(HEADER)
        path = compile_to(tmp_path / "libhalves.so", BODIES)
        options = {"header": str(tmp_path / "halves.h"), "codes": ["E_*", "E_TWISE"]}
        with pytest.raises(SettingsError, match="'codes'") as caught:
            load(path, options=options)
        assert (caught.value.received, caught.value.remedy) == ("'E_TWISE'", "E_TWICE")

    def test_a_result_of_an_enumeration_has_its_members_name(
        self, load: Load, tmp_path: Path
    ) -> None:
        (tmp_path / "halves.h").write_text(HEADER)
        path = compile_to(tmp_path / "libhalves.so", BODIES)
        options = {"header": str(tmp_path / "halves.h"), "errors": "nonzero"}
        with pytest.raises(FunctionFailedError, match=r"STATE_ODD \(1\)"):
            load(path, options=options).member("check").raw(3)


def test_help_shows_the_natural_call_and_the_prototype() -> None:
    import inspect

    libz = noodle.load(
        "libz.so.1",
        prototypes="int uncompress(unsigned char *dest, unsigned long *destLen,"
        " const unsigned char *source, unsigned long sourceLen);",
        functions={"uncompress": {"buffers": {"dest": "destLen"}, "errors": "nonzero"}},
    )
    assert str(inspect.signature(libz.uncompress)) == (
        "(destLen, source, *, dest=None, sourceLen=None)"
    )
    lines = inspect.getdoc(libz.uncompress).splitlines()
    assert lines[0] == "uncompress(destLen: u64, source: ptr<u8>): bytes"
    assert lines[2].startswith("int uncompress(unsigned char *dest")
