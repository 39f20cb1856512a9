"""Loading: what is found, what is refused and with which message, and that nothing is half done."""

from __future__ import annotations

import ctypes
import inspect
import pydoc
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import noodle
from noodle.bridges.native import NativeBridge
from noodle.calls import LoadRequest
from noodle.errors import (
    LibraryLoadError,
    MissingLibraryError,
    MissingSymbolError,
    NameNotFoundError,
    PrototypeError,
    SettingsError,
    TargetError,
    VersionError,
)
from noodle.prototypes import Parameter, Prototype
from noodle.values import VOID, parse_type
from tests.bridges.native.conftest import PROTOTYPES, Load, compile_to

ADD = "double add(double x, double y);"


def prototype(name: str, *types: str, returns: str = "void") -> Prototype:
    parameters = [Parameter(f"p{index}", parse_type(text)) for index, text in enumerate(types)]
    return Prototype(name, tuple(parameters), parse_type(returns))


class TestLocations:
    @pytest.mark.parametrize("location", ["libm.so.6", "libm.so", "m", "c:m"])
    def test_a_system_library_is_found_by_each_of_its_names(
        self, load: Load, location: str
    ) -> None:
        assert 1.0 == load(location, "double cos(double x);").member("cos").raw(0.0)

    def test_a_relative_path_begins_at_the_requests_directory(
        self, load: Load, sample: Path
    ) -> None:
        library = load(f"./{sample.name}", ADD, directory=str(sample.parent))
        assert 3.0 == library.member("add").raw(1.0, 2.0)

    @pytest.mark.parametrize("name", ["with space.so", 'quote"s\\n.so', "ünïcode ☃.so", "%s.so"])
    def test_a_path_may_hold_any_character(
        self, load: Load, sample: Path, tmp_path: Path, name: str
    ) -> None:
        folder = tmp_path / name.removesuffix(".so")
        folder.mkdir()
        shutil.copy(sample, folder / name)
        assert 3.0 == load(folder / name, ADD).member("add").raw(1.0, 2.0)

    def test_library_paths_and_the_environment_are_searched(
        self, load: Load, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shutil.copy(sample, tmp_path / "libfindme.so.3.1")
        with pytest.raises(MissingLibraryError):
            load("libfindme.so", ADD)
        options = {"library_paths": [str(tmp_path)]}
        assert "3.1" == load("libfindme.so", ADD, options=options).version
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))
        assert load("libfindme.so", ADD).names() == ["add"]

    def test_a_missing_library_says_where_it_was_looked_for(
        self, load: Load, tmp_path: Path
    ) -> None:
        with pytest.raises(MissingLibraryError) as caught:
            load("libnowhere.so", ADD, options={"library_paths": [str(tmp_path)]})
        assert str(tmp_path) in str(caught.value.received)
        assert "/etc/ld.so.cache" in str(caught.value.received)

    def test_a_missing_library_says_which_package_has_it(self, load: Load) -> None:
        with pytest.raises(MissingLibraryError, match="apt install libfftw3-dev"):
            load("libfftw3.so.99", ADD)
        with pytest.raises(MissingLibraryError, match="apt install libopenblas-dev"):
            load("libnowhere.so", ADD, options={"dependencies": ["blas-devel"]})

    @pytest.mark.parametrize(
        "location",
        [
            "",
            ".",
            "./",
            "/",
            "c:",
            "a\0b",
            "./a\0.so",
            "x" * 5000,
            "./x.c",
            "lib*.so",
            "--libs",
            "@z",
        ],
        ids=repr,
    )
    def test_a_strange_name_is_only_missing(
        self, load: Load, tmp_path: Path, location: str
    ) -> None:
        with pytest.raises(MissingLibraryError):
            load(location, ADD, directory=str(tmp_path))

    def test_a_file_beside_the_program_needs_a_slash(self, load: Load, sample: Path) -> None:
        with pytest.raises(MissingLibraryError, match=r"'\./libsample\.so'"):
            load("libsample.so", ADD, directory=str(sample.parent))


class TestFilesThatAreNoLibraries:
    @pytest.mark.parametrize("content", [b"", b"text", b"\x7fELF", b"\x7fELF" + b"\xff" * 200])
    def test_a_file_that_is_no_library_is_refused(
        self, load: Load, tmp_path: Path, content: bytes
    ) -> None:
        (tmp_path / "libbad.so").write_bytes(content)
        with pytest.raises(LibraryLoadError) as caught:
            load(tmp_path / "libbad.so", ADD)
        assert isinstance(caught.value, ImportError)
        assert "name a shared library (.so), or a source" in str(caught.value.remedy)

    def test_a_static_library_is_told_from_a_shared_one(self, load: Load, tmp_path: Path) -> None:
        (tmp_path / "libbad.so").write_bytes(b"!<arch>\n")
        with pytest.raises(LibraryLoadError, match="it is a static library"):
            load(tmp_path / "libbad.so", ADD)

    def test_another_processor_is_named(self, load: Load, sample: Path, tmp_path: Path) -> None:
        content = bytearray(sample.read_bytes())
        content[18:20] = (22).to_bytes(2, "little")
        (tmp_path / "libother.so").write_bytes(content)
        with pytest.raises(LibraryLoadError, match="s390x"):
            load(tmp_path / "libother.so", ADD)
        with pytest.raises(LibraryLoadError, match="not for this processor"):
            load("libother.so", ADD, options={"library_paths": [str(tmp_path)]})

    def test_a_program_is_no_library(self, load: Load, tmp_path: Path) -> None:
        object_file = tmp_path / "object.so"
        source = tmp_path / "x.c"
        source.write_text("int x(void) { return 1; }")
        shared = compile_to(tmp_path / "libx.so", source)
        content = bytearray(shared.read_bytes())
        content[16:18] = (1).to_bytes(2, "little")
        object_file.write_bytes(content)
        with pytest.raises(LibraryLoadError, match="cc -shared"):
            load(object_file, "int x(void);")

    def test_a_missing_dependency_is_named(self, load: Load, tmp_path: Path) -> None:
        needed = compile_to(tmp_path / "libneeded.so", "int inner(void) { return 1; }")
        library = compile_to(
            tmp_path / "libouter.so",
            "int inner(void); int outer(void) { return inner(); }",
            "-Wl,--no-as-needed",
            str(needed),
            "-Wl,-soname,libouter.so",
        )
        needed.unlink()
        for mode in ("api", "abi"):
            with pytest.raises(LibraryLoadError, match=r"libneeded\.so, which was not found"):
                load(library, "int outer(void);", options={"mode": mode})

    def test_an_undefined_symbol_is_named(self, load: Load, tmp_path: Path) -> None:
        text = "int nowhere_to_be_found(void); int outer(void) { return nowhere_to_be_found(); }"
        library = compile_to(tmp_path / "libundefined.so", text)
        with pytest.raises(LibraryLoadError, match="nowhere_to_be_found"):
            load(library, "int outer(void);")

    def test_sources_of_other_languages_are_refused(self, load: Load, tmp_path: Path) -> None:
        for name, language in (("a.f90", "Fortran"), ("a.go", "Go")):
            (tmp_path / name).touch()
            with pytest.raises(TargetError, match=language):
                load(f"./{name}", ADD, directory=str(tmp_path))


class TestSymbols:
    @pytest.mark.parametrize("mode", ["api", "abi"])
    def test_all_missing_symbols_are_listed_with_the_nearest_names(
        self, load: Load, mode: str
    ) -> None:
        text = "double cso(double); double cos(double); double tanhh(double);"
        with pytest.raises(MissingSymbolError) as caught:
            load("libm.so.6", text, options={"mode": mode})
        assert re.match(
            r"cos\b.* instead of cso; tanh\b.* instead of tanhh", str(caught.value.remedy)
        )
        assert "cso, tanhh" in caught.value.summary

    def test_a_symbol_of_a_dependency_is_not_the_librarys(self, load: Load) -> None:
        with pytest.raises(MissingSymbolError):
            load("libm.so.6", "int getpid(void);")

    def test_a_variable_is_no_function(self, load: Load, sample: Path) -> None:
        with pytest.raises(MissingSymbolError, match="calls: a variable"):
            load(sample, "int calls(void);")

    def test_an_undeclared_function_says_how_to_declare_it(self, load: Load) -> None:
        library = load("libm.so.6", "double cos(double x);")
        with pytest.raises(NameNotFoundError) as caught:
            library.member("sin")
        assert "{ fn sin(x: f64): f64 }" in str(caught.value.remedy)
        with pytest.raises(NameNotFoundError, match="cos"):
            library.member("coss")

    def test_without_prototypes_there_are_no_functions(self, load: Load, sample: Path) -> None:
        for nothing in (None, "", (), "typedef int number;"):
            library = load(sample, nothing)
            assert [] == list(library.names())
            with pytest.raises(NameNotFoundError, match="no prototype"):
                library.member("add")
            with pytest.raises(NameNotFoundError, match="variable"):
                library.member("calls")

    @pytest.mark.parametrize("mode", ["api", "abi"])
    def test_a_function_may_be_called_like_a_keyword_or_macro_of_c(
        self, load: Load, sample: Path, mode: str
    ) -> None:
        names = ["double", "NULL", "printf_"]
        listed = [prototype(name, returns="i32") for name in names]
        library = load(sample, listed, options={"mode": mode})
        assert [41, 42, 43] == [library.member(name).raw() for name in names]

    @pytest.mark.parametrize("mode", ["api", "abi"])
    def test_standard_names_are_no_obstacle(self, load: Load, mode: str) -> None:
        text = "int abs(int n); size_t strlen(const char *s); int toupper(int c);"
        library = load("libc.so.6", text, options={"mode": mode})
        assert 3 == library.member("abs").raw(-3)

    @pytest.mark.parametrize("mode", ["api", "abi"])
    def test_five_hundred_functions(self, load: Load, tmp_path: Path, mode: str) -> None:
        numbers = range(500)
        text = "\n".join(f"int f{n}(int x) {{ return x + {n}; }}" for n in numbers)
        path = compile_to(tmp_path / "libmany.so", text)
        declared = "\n".join(f"int f{n}(int x);" for n in numbers)
        library = load(path, declared, options={"mode": mode})
        assert [n + 1 for n in numbers] == [library.member(f"f{n}").raw(1) for n in numbers]


class TestTwoLibraries:
    @pytest.mark.parametrize("mode", ["api", "abi"])
    def test_two_libraries_of_one_soname_stay_two(
        self, load: Load, tmp_path: Path, mode: str
    ) -> None:
        results = []
        for number in (1, 2):
            (tmp_path / f"{mode}{number}").mkdir()
            path = tmp_path / f"{mode}{number}" / "libone.so"
            text = f"int which(void) {{ return {number}; }}"
            compile_to(path, text, "-Wl,-soname,libone.so")
            library = load(path, "int which(void);", options={"mode": mode})
            results.append(library.member("which").raw)
        assert [1, 2, 1] == [results[0](), results[1](), results[0]()]

    @pytest.mark.parametrize("mode", ["api", "abi"])
    def test_equal_files_at_two_places_have_their_own_state(
        self, load: Load, sample: Path, tmp_path: Path, mode: str
    ) -> None:
        text = "void keep(const char *text); const char *recall(void);"
        libraries = []
        for name in ("left", "right"):
            shutil.copy(sample, tmp_path / f"{name}.so")
            library = load(tmp_path / f"{name}.so", text, options={"mode": mode})
            library.member("keep").raw(name)
            libraries.append(library)
        assert ["left", "right"] == [library.member("recall").raw() for library in libraries]

    def test_loading_twice_gives_one_state(self, load: Load, sample: Path) -> None:
        first, second = (load(sample, PROTOTYPES) for _ in range(2))
        first.member("keep").raw("shared")
        assert "shared" == second.member("recall").raw()
        assert "shared" == load(sample, "const char *recall(void);").member("recall").raw()

    @pytest.mark.parametrize("mode", ["api", "abi"])
    def test_a_file_replaced_while_loaded_is_refused(
        self, load: Load, tmp_path: Path, mode: str
    ) -> None:
        path = compile_to(tmp_path / "libit.so", "int which(void) { return 1; }")
        old = load(path, "int which(void);", options={"mode": mode}).member("which").raw
        newer = compile_to(tmp_path / "libnew.so", "int which(void) { return 2; }")
        newer.rename(path)
        with pytest.raises(LibraryLoadError, match="replaced while"):
            load(path, "int which(void);", options={"mode": mode})
        assert 1 == old()

    def test_a_file_overwritten_while_loaded_is_refused(
        self, tmp_path: Path, cache_directory: Path
    ) -> None:
        """In a process of its own, which ends without running the overwritten code."""
        compile_to(tmp_path / "libit.so", "int which(void) { return 1; }")
        compile_to(tmp_path / "libnew.so", "int which(void) { return 2; }")
        (tmp_path / "other.so").hardlink_to(tmp_path / "libit.so")
        program = f"""
import os
from pathlib import Path
from noodle.bridges.native import NativeBridge
from noodle.calls import LoadRequest
from noodle.errors import LibraryLoadError
here = Path({str(tmp_path)!r})
bridge = NativeBridge(cache_directory=Path({str(cache_directory)!r}))
bridge.load(LoadRequest("it", "./libit.so", directory=str(here)))
with open(here / "libit.so", "r+b") as file:
    file.write((here / "libnew.so").read_bytes())
try:
    bridge.load(LoadRequest("it", "./other.so", directory=str(here)))
except LibraryLoadError as error:
    print(error.summary, flush=True)
os._exit(0)
"""
        result = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        assert "'./other.so' was replaced while its old version is loaded\n" == result.stdout

    def test_loading_a_replaced_file_again_is_refused(self, tmp_path: Path) -> None:
        path = compile_to(tmp_path / "libagain.so", "int value(void) { return 1; }")
        content = path.read_bytes()

        def load_again() -> Any:
            return noodle.load(str(path), prototypes="int value(void);", mode="abi")

        library = load_again()
        path.unlink()
        path.write_bytes(content)
        assert load_again() is library
        path.unlink()
        compile_to(path, "int value(void) { return 2; }")
        with pytest.raises(LibraryLoadError, match="was replaced") as caught:
            load_again()
        assert "start the program anew" in str(caught.value.remedy)
        assert 1 == library.value()

    def test_a_file_that_never_loaded_may_be_replaced(self, load: Load, tmp_path: Path) -> None:
        path = compile_to(
            tmp_path / "libit.so", "int nowhere(void); int f(void) { return nowhere(); }"
        )
        with pytest.raises(LibraryLoadError, match="nowhere"):
            load(path, "int f(void);")
        compile_to(path, "int f(void) { return 3; }")
        assert 3 == load(path, "int f(void);").member("f").raw()

    def test_a_file_replaced_before_it_is_loaded_again_elsewhere_is_the_new_one(
        self, tmp_path: Path, cache_directory: Path
    ) -> None:
        program = f"""
from pathlib import Path
from noodle.bridges.native import NativeBridge
from noodle.calls import LoadRequest
bridge = NativeBridge(cache_directory=Path({str(cache_directory)!r}))
here = {str(tmp_path)!r}
request = LoadRequest("it", "./libit.so", prototypes="int which(void);", directory=here)
print(bridge.load(request).member("which").raw())
"""
        printed = []
        for number in (1, 2):
            compile_to(tmp_path / "libit.so", f"int which(void) {{ return {number}; }}")
            result = subprocess.run(
                [sys.executable, "-c", program], capture_output=True, text=True, check=True
            )
            printed.append(result.stdout)
        assert ["1\n", "2\n"] == printed


class TestVersions:
    def test_a_library_tells_its_version(self, load: Load) -> None:
        libc = ctypes.CDLL(None)
        libc.gnu_get_libc_version.restype = ctypes.c_char_p
        assert libc.gnu_get_libc_version().decode() == load("libm.so.6").version

    @pytest.mark.parametrize("requirement", ["2.0", ">=2.0", ">2,<1000", "!=1.0", "~=2.1", "2"])
    def test_a_version_that_is_enough(self, load: Load, requirement: str) -> None:
        assert load("libm.so.6", requirement=requirement).names() == []

    @pytest.mark.parametrize("requirement", ["99", ">=99.1", "<2", "==1.0"])
    def test_a_version_that_is_not(self, load: Load, requirement: str) -> None:
        with pytest.raises(VersionError) as caught:
            load("libm.so.6", requirement=requirement)
        assert requirement == caught.value.expected
        assert re.fullmatch(r"\d+\.\d+", str(caught.value.received))

    def test_an_unknown_version_is_accepted_with_a_note(self, load: Load, sample: Path) -> None:
        library = load(sample, ADD, requirement="3.0")
        assert library.version is None
        assert any("3.0" in note for note in library.notes)

    def test_a_requirement_that_cannot_be_read(self, load: Load, sample: Path) -> None:
        for requirement in ("new", ">=", "1.0;2"):
            with pytest.raises(VersionError, match="cannot be read"):
                load(sample, ADD, requirement=requirement)


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"optimisation": "O3"}, "optimization"),
            ({"optimization": "O9"}, "O0, O1, O2, O3, Os"),
            ({"optimization": "Ofast"}, "denormal"),
            ({"mode": "fast"}, "api, abi"),
            ({"library_paths": 3}, "list of texts"),
            ({"cache_directory": 3}, "a directory"),
            ({"header": 3}, "list of texts"),
            ({"header": "<z.h>"}, "the name of a header"),
            ({"defines": {"A B": 1}}, "macros and their values"),
            ({"variadic": ["printf"]}, "C types by function"),
        ],
    )
    def test_wrong_options_are_refused(
        self, load: Load, options: dict[str, Any], message: str
    ) -> None:
        with pytest.raises(SettingsError, match=message):
            load("libm.so.6", options=options)

    def test_every_option_is_listed(self) -> None:
        of_libraries = {
            "mode",
            "optimization",
            "library_paths",
            "dependencies",
            "auto_vectorize",
            "parallel_execution",
            "thread_safe",
            "cache_directory",
        }
        of_workers = {"worker", "prewarm", "idle_seconds", "environment"}
        of_workers |= {"memory", "shared_memory"}
        of_headers = {"header", "include_paths", "defines", "variadic"}
        of_functions = {"functions", "errors", "encoding", "message", "free", "nullable"}
        of_functions |= {"codes", "infer", "annotations"}
        known = of_libraries | of_headers | of_functions | of_workers
        assert known == NativeBridge().option_names
        assert NativeBridge().missing() is None


class TestNoodlePrototypes:
    def test_they_are_called_like_c_prototypes(self, load: Load, sample: Path) -> None:
        library = load(
            sample,
            [
                prototype("add", "f64", "f64", returns="f64"),
                prototype("length", "str", returns="u64"),
                prototype("total", "bytes", "u64", returns="u64"),
                prototype("sum", "array<f64>", "u64", returns="f64"),
                prototype("counter_new", "i32", returns="ptr<void>"),
                prototype("latin1", returns="bytes"),
                prototype("keep", "str"),
            ],
        )
        assert 3.0 == library.member("add").raw(1, p1=2)
        assert 5 == library.member("length").raw("five!")
        assert 6 == library.member("total").raw(memoryview(b"\1\2\3"), 3)
        assert b"na\xefve" == library.member("latin1").raw()
        assert library.member("keep").raw("x") is None
        for name, value in (("length", b"x"), ("length", None), ("total", "x"), ("sum", b"x" * 8)):
            with pytest.raises(TypeError):
                library.member(name).raw(value, *([1] if name != "length" else []))

    def test_all_that_cannot_be_native_are_listed(self, load: Load, sample: Path) -> None:
        bad = [
            prototype("a", "int"),
            prototype("b", returns="array<f64>"),
            Prototype("c", (Parameter("x", parse_type("f64"), optional=True),), VOID),
            Prototype("d", variadic=True),
            Prototype("it's", ()),
        ]
        with pytest.raises(PrototypeError) as caught:
            load(sample, bad)
        text = str(caught.value)
        expected = ["i32 or i64", "ptr<T>", "optional", "further arguments", "it's: its name"]
        assert [] == [words for words in expected if words not in text]


def test_help_shows_the_c_prototype(load: Load) -> None:
    ldexp = load("libm.so.6", "double ldexp(double x, int exponent);").member("ldexp").raw
    text = pydoc.render_doc(ldexp, renderer=pydoc.plaintext)
    assert "ldexp(x: float, exponent: int) -> float" in text
    assert "double ldexp(double x, int exponent)" in text
    assert "ldexp" == ldexp.__name__ == ldexp.__qualname__


def test_parameters_without_names_are_positional_only(load: Load) -> None:
    pow_ = load("libm.so.6", "double pow(double, double exponent);").member("pow")
    assert 8.0 == pow_.raw(2.0, exponent=3.0)
    kinds = [p.kind.name for p in inspect.signature(pow_.raw).parameters.values()]
    assert ["POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD"] == kinds
    with pytest.raises(TypeError):
        pow_.raw(exponent=3.0, argument_1=2.0)


def test_parameters_may_be_called_like_keywords_of_python(load: Load) -> None:
    function = load("libm.so.6", "double pow(double from, double lambda);").member("pow").raw
    assert 8.0 == function(**{"lambda": 3.0, "from": 2.0})
    assert len(inspect.signature(function).parameters) == 2


def test_the_bridge_itself_is_light() -> None:
    program = (
        "import sys, noodle.bridges.native as native\n"
        "print(native.NativeBridge().option_names, *sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    heavy = {"cffi", "_cffi_backend", "pycparser", "ctypes", "subprocess", "numpy"}
    assert set() == heavy & set(result.stdout.split())


def test_a_request_is_served_by_name_and_documented(load: Load) -> None:
    library = load("libm.so.6", "double cos(double x);")
    assert ("libm.so.6", ["cos"]) == (library.name, list(library.names()))
    assert "double cos(double x)" in str(library.documentation)
    assert "native" == NativeBridge().name
    assert LoadRequest("m", "m").prototypes is None
