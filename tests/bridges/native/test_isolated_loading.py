"""Loading native libraries into workers, and what is around the calls of their functions."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle.bridges.native.opened_library import LOAD_ANEW
from noodle.errors import (
    ArgumentRangeError,
    ArgumentTypeError,
    ArityError,
    InstanceUnavailableError,
    LibraryLoadError,
    MissingLibraryError,
    MissingSymbolError,
    NameNotFoundError,
    PrototypeError,
    SettingsError,
    VersionError,
    WorkerCrashedError,
)
from noodle.libraries import library_of
from tests.bridges.native.conftest import PROTOTYPES, compile_to
from tests.workers.echo import await_end

PROCESS = "long process(void);"
SOURCE = "#include <unistd.h>\nlong process(void) { return getpid(); }\n"


@pytest.fixture(autouse=True)
def kept_cache(cache_directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOODLE_CACHE_DIR", str(cache_directory.parent))


def load(target: str | Path, prototypes: str | None, **options: Any) -> ModuleType:
    return noodle.load(str(target), prototypes=prototypes, placement="isolated", **options)


@pytest.fixture
def library(sample: Path) -> Iterator[ModuleType]:
    loaded = load(sample, PROTOTYPES)
    yield loaded
    noodle.unload(loaded)


class TestTargets:
    @pytest.mark.parametrize("target", ["libm.so.6", "c:m"])
    def test_libraries_of_the_system(self, target: str) -> None:
        assert 1.0 == load(target, "double cos(double x);").cos(0.0)

    def test_a_c_source_is_compiled_here_and_runs_there(self, tmp_path: Path) -> None:
        (tmp_path / "place.c").write_text(SOURCE)
        library = load(tmp_path / "place.c", PROCESS)
        assert os.getpid() != library.process()
        assert "compiled from" in str(library.process.explain())

    def test_prototypes_of_a_program(self, sample: Path) -> None:
        from noodle.prototypes import parse_prototype

        prototypes = [parse_prototype("add(x: f64, y: f64): f64")]
        library = noodle.load(str(sample), prototypes=prototypes, placement="isolated")
        assert 3.0 == library.add(1.0, 2.0)

    def test_without_prototypes_the_names_are_known(self, sample: Path) -> None:
        with pytest.raises(NameNotFoundError, match="no prototype says what it takes"):
            _ = load(sample, None).add

    def test_explain_tells_the_way(self, library: ModuleType) -> None:
        shown = str(library.add.explain(1.0, 2.0))
        assert f"in a worker of {sys.executable}" in shown
        assert "compiled call (cffi API mode)" in shown
        memory = str(library.sum.explain(memoryview(b"12345678").cast("d"), 1))
        assert "values: copied to the worker, unless it lies in memory of noodle.empty" in memory

    def test_the_version_is_the_librarys(self) -> None:
        assert re.match(r"\d+\.\d+", str(library_of(load("libz.so.1", None)).version))


class TestRefusals:
    """What can be known without running the library is said before a worker is started."""

    def test_a_missing_library(self) -> None:
        with pytest.raises(MissingLibraryError):
            load("libnowhere.so", PROCESS)

    def test_a_missing_symbol_has_near_names(self, sample: Path) -> None:
        with pytest.raises(MissingSymbolError, match="twice") as caught:
            load(sample, "double twic(double x);")
        assert caught.value.received == "twic"

    def test_a_prototype_that_cannot_be_used(self, sample: Path) -> None:
        with pytest.raises(PrototypeError):
            load(sample, "int printf(const char *format, ...);")

    def test_a_version_that_is_too_old(self) -> None:
        with pytest.raises(VersionError, match="version"):
            load("libz.so.1", None, version="99")

    @pytest.mark.parametrize(
        ("options", "expected"),
        [
            ({"worker": "a b"}, "a name of letters"),
            ({"worker": 5}, "a name of letters"),
            ({"memory": "much"}, "memory"),
            ({"memory": "1 MB"}, "at least 64 MB"),
            ({"environment": {"A=": "b"}}, "names to texts"),
            ({"mode": "fast"}, "one of api, abi"),
            ({"wroker": "x"}, "worker"),
        ],
    )
    def test_options_that_are_wrong(
        self, sample: Path, options: dict[str, Any], expected: str
    ) -> None:
        with pytest.raises(SettingsError, match=expected):
            load(sample, PROTOTYPES, **options)


class TestOpening:
    def test_a_library_that_crashes_when_it_is_opened(self, tmp_path: Path) -> None:
        source = "__attribute__((constructor)) void start(void) { *(volatile int *)8 = 1; }\n"
        path = compile_to(tmp_path / "libdeadly.so", source + SOURCE)
        with pytest.raises(WorkerCrashedError, match="SIGSEGV") as caught:
            load(path, PROCESS)
        assert f"while {path} was opened" in "".join(caught.value.__notes__)

    def test_what_the_loader_refuses_is_told_as_in_this_process(self, tmp_path: Path) -> None:
        (tmp_path / "libbase.c").write_text("int base(void) { return 1; }")
        base = compile_to(tmp_path / "libbase.so", tmp_path / "libbase.c")
        source = "int base(void); int process(void) { return base(); }"
        needs = ["-L", str(tmp_path), "-lbase", "-Wl,--no-as-needed"]
        path = compile_to(tmp_path / "libneeds.so", source, *needs, str(base))
        base.unlink()
        errors = []
        for placement in ("isolated", "inprocess"):
            with pytest.raises(LibraryLoadError, match=r"needs .*libbase\.so") as caught:
                noodle.load(str(path), prototypes="int process(void);", placement=placement)
            errors.append((str(caught.value), type(caught.value)))
        assert errors[0] == errors[1]

    def test_a_file_that_was_replaced_is_not_opened_for_old_prototypes(
        self, tmp_path: Path
    ) -> None:
        path = compile_to(tmp_path / "libplace.so", SOURCE)
        library = load(path, PROCESS)
        process = library.process()
        path.unlink()
        compile_to(path, SOURCE + "int more(void) { return 1; }\n")
        assert process == library.process()
        library_of(library)._loaded._module.pool.stop()
        with pytest.raises(LibraryLoadError, match="was replaced") as caught:
            library.process()
        assert caught.value.remedy == LOAD_ANEW
        assert 1 == load(path, "int more(void);").more()

    def test_loading_a_replaced_file_again_is_refused_until_the_library_is_unloaded(
        self, tmp_path: Path
    ) -> None:
        path = compile_to(tmp_path / "libvalue.so", "int value(void) { return 1; }")
        library = load(path, "int value(void);")
        path.unlink()
        compile_to(path, "int value(void) { return 2; }")
        with pytest.raises(LibraryLoadError, match="was replaced") as caught:
            load(path, "int value(void);")
        assert "noodle.unload(library)" in str(caught.value.remedy)
        assert 1 == library.value()
        noodle.unload(library)
        assert 2 == load(path, "int value(void);").value()

    def test_a_source_that_was_edited_runs_beside_the_old_one(self, tmp_path: Path) -> None:
        source = tmp_path / "value.c"
        results = []
        libraries = []
        for value in (1, 2):
            source.write_text(f"int value(void) {{ return {value}; }}\n")
            libraries.append(
                noodle.runtime.engine.default_engine().dispatcher.reload(
                    str(source), prototypes="int value(void);", placement="isolated"
                )
            )
            results.append(libraries[-1].value())
        assert ([1, 2], 1) == (results, libraries[0].value())

    def test_the_worker_of_a_source_that_was_loaded_anew_ends(self, tmp_path: Path) -> None:
        source = tmp_path / "place.c"
        reload = noodle.runtime.engine.default_engine().dispatcher.reload
        libraries, processes = [], []
        for edit in ("", "/* edited */"):
            source.write_text(edit + SOURCE)
            libraries.append(reload(str(source), prototypes=PROCESS, placement="isolated"))
            processes.append(libraries[-1].process())
        assert await_end(processes[0])
        again = libraries[0].process()
        assert again not in processes
        assert await_end(again)
        assert processes[1] == libraries[1].process()


class TestWorkers:
    def test_a_crash_of_one_library_leaves_the_other(self, tmp_path: Path) -> None:
        ends = "#include <stdlib.h>\nvoid end(void) { abort(); }\n"
        first, second = (
            load(
                compile_to(tmp_path / f"lib{name}.so", SOURCE + ends), f"{PROCESS} void end(void);"
            )
            for name in ("first", "second")
        )
        process = second.process()
        with pytest.raises(WorkerCrashedError, match="libfirst"):
            first.end()
        assert process == second.process()
        assert first.process() not in (process, os.getpid())

    def test_other_prototypes_of_a_library_share_its_worker(self, tmp_path: Path) -> None:
        more = "static int kept; void keep(int x) { kept = x; } int kept_one(void) { return kept; }"
        path = compile_to(tmp_path / "libplace.so", SOURCE + more)
        load(path, "void keep(int x);").keep(5)
        assert 5 == load(path, "int kept_one(void);").kept_one()

    def test_unload_ends_the_worker(self, tmp_path: Path) -> None:
        library = load(compile_to(tmp_path / "libplace.so", SOURCE), PROCESS)
        process = library.process
        number = process()
        noodle.unload(library)
        assert await_end(number)
        with pytest.raises(InstanceUnavailableError, match="unloaded"):
            process()

    def test_the_environment_and_what_is_printed(
        self, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        source = '#include <stdio.h>\n#include <stdlib.h>\nvoid tell(void) { puts(getenv("OWN")); }'
        path = compile_to(tmp_path / "libtell.so", source)
        library = load(path, "void tell(void);", environment={"OWN": "from its variable"})
        library.tell()
        noodle.unload(library)
        assert "from its variable\n" == capfd.readouterr().out

    def test_a_fork_loads_workers_of_its_own(self, tmp_path: Path) -> None:
        path = compile_to(tmp_path / "libplace.so", SOURCE)
        parent = load(path, PROCESS).process()
        child = os.fork()
        if child == 0:
            own = load(path, PROCESS).process()
            os._exit(0 if own not in (parent, os.getpid()) else 1)
        assert 0 == os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        assert parent == load(path, PROCESS).process()


class TestCalls:
    def test_a_wrong_argument_does_not_reach_the_library(self, library: ModuleType) -> None:
        library.count_call(0)
        before = library.calls_made()
        link = library_of(library)._loaded._module.pool.worker().link
        calls = link.calls
        for arguments, error in (
            ((), ArityError),
            ((1.5,), ArgumentTypeError),
            (("1",), ArgumentTypeError),
        ):
            with pytest.raises(error):
                library.count_call(*arguments)
        assert calls == link.calls
        with pytest.raises(ArgumentRangeError):
            library.count_call(2**40)
        assert before == library.calls_made()

    def test_awaited_calls_have_the_same_errors(self, library: ModuleType) -> None:
        async def main(value: Any) -> None:
            await library.same_i32.aio(value)

        for value, error in ((2**40, ArgumentRangeError), ("x", ArgumentTypeError)):
            with pytest.raises(error, match="v of same_i32"):
                asyncio.run(main(value))

    def test_awaited_calls_of_texts_arrays_and_pointers(self, library: ModuleType) -> None:
        import numpy as np

        values = np.ones(10)

        async def main() -> list[Any]:
            await library.scale.aio(values, 10, 2.0)
            counter = await library.counter_new.aio(5)
            return [await library.greeting.aio(1), await library.counter_next.aio(counter)]

        assert ["naïve", 5] == asyncio.run(main())
        assert [2.0] * 10 == values.tolist()

    @pytest.mark.parametrize(
        ("rows", "error"),
        [
            ([(1,), (2**40,)], ArgumentRangeError),
            ([(1,), ("x",)], ArgumentTypeError),
            ([(1,), (1, 2)], ArityError),
            ([{"v": 1}, {"w": 1}], ArityError),
            ([(1,), 5], ArgumentTypeError),
        ],
    )
    def test_a_batch_has_the_same_errors(
        self, library: ModuleType, rows: list[Any], error: type[Exception]
    ) -> None:
        with pytest.raises(error):
            library.same_i32.batch(rows)

    def test_a_batch_takes_rows_of_several_types(self, library: ModuleType) -> None:
        import numpy as np

        rows = [(1,), (np.int8(2),), {"v": 3}, [True]]
        assert [1, 2, 3, 1] == library.same_i32.batch(rows)
        assert [3, 0] == library.length.batch([("abc",), {"text": None}])
        assert ["naïve", None] == library.greeting.batch([(1,), (0,)])

    def test_help_shows_the_prototype(self, library: ModuleType) -> None:
        assert "double add(double x, double y)" in str(library.add.__doc__)


def test_without_a_compiler_calls_go_through_libffi(
    sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from noodle.bridges.native import bridge, compilers
    from noodle.calls import LoadRequest

    monkeypatch.setattr(compilers, "find_compiler", lambda: None)
    copy = shutil.copy(sample, tmp_path / "libcopy.so")
    request = LoadRequest("copy", str(copy), prototypes=PROTOTYPES, placement="isolated")
    library = bridge.NativeBridge(cache_directory=tmp_path).load(request)
    assert 3.0 == library.member("add").raw(1.0, 2.0)
    assert any("called through libffi" in note for note in library.notes)
