"""What is compiled: once for a key, one process at a time, in a folder of the user's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import noodle
from noodle.bridges.native import NativeBridge
from noodle.bridges.native.compilers import Compiler, find_compiler, find_ziglang
from noodle.bridges.native.functions import NativeFunction
from noodle.calls import LoadRequest
from noodle.errors import (
    ArgumentRangeError,
    CompilationError,
    MissingLibraryError,
    MissingToolError,
)
from tests.bridges.native.conftest import system_compiler

KERNEL = "double kernel(double x);"


class Workshop:
    """A folder with a logging compiler in front of the system's, and a cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.log = folder / "compiler.log"
        self.log.touch()
        script = folder / "logging-cc"
        real = " ".join(system_compiler().command)
        script.write_text(f'#!/bin/sh\necho "$*" >> {self.log}\nexec {real} "$@"\n')
        script.chmod(0o755)
        self.compiler = find_compiler({"CC": str(script), "PATH": os.environ["PATH"]})
        self.bridge = NativeBridge(compiler=self.compiler, cache_directory=self.cache)

    def runs(self) -> int:
        return len(self.log.read_text().splitlines())

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(text, encoding="utf-8")

    def load(
        self, location: str = "./kernel.c", text: str = KERNEL, **options: str
    ) -> NativeFunction:
        request = LoadRequest(
            "kernel", location, prototypes=text, directory=str(self.folder), options=options
        )
        return self.bridge.load(request).member(text.split("(")[0].split()[-1])

    def in_new_process(self, statement: str = "") -> subprocess.Popen[str]:
        assert self.compiler is not None
        program = f"""
import sys
from pathlib import Path
from noodle.bridges.native import NativeBridge
from noodle.bridges.native.compilers import Compiler
from noodle.calls import LoadRequest
compiler = {self.compiler!r}
bridge = NativeBridge(compiler=compiler, cache_directory=Path({str(self.cache)!r}))
request = LoadRequest("k", "./kernel.c", prototypes={KERNEL!r}, directory={str(self.folder)!r})
library = bridge.load(request)
print(library.member("kernel").raw(2.0), "subprocess" in sys.modules, "cffi" in sys.modules)
{statement}
"""
        command = [sys.executable, "-c", program]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    made = Workshop(tmp_path)
    made.write("kernel.c", "#include <math.h>\ndouble kernel(double x) { return 2 * fabs(x); }\n")
    return made


class TestSources:
    def test_a_source_is_compiled_on_the_spot_and_only_once(self, workshop: Workshop) -> None:
        assert 5.0 == workshop.load().raw(-2.5)
        runs = workshop.runs()
        assert runs > 0
        assert 5.0 == workshop.load().raw(-2.5)
        assert runs == workshop.runs()

    def test_a_warm_load_starts_no_compiler_and_no_parser(self, workshop: Workshop) -> None:
        workshop.load()
        runs = workshop.runs()
        output, _ = workshop.in_new_process().communicate(timeout=60)
        assert ("4.0 False False\n", runs) == (output, workshop.runs())

    def test_an_edited_source_or_header_is_compiled_anew(self, workshop: Workshop) -> None:
        workshop.write("factor.h", "#define FACTOR 3")
        workshop.write(
            "kernel.c", '#include "factor.h"\ndouble kernel(double x) { return FACTOR * x; }'
        )
        results = [workshop.load().raw(1.0)]
        workshop.write("factor.h", "#define FACTOR 4")
        results.append(workshop.load().raw(1.0))
        workshop.write("kernel.c", "double kernel(double x) { return 5 * x; }")
        results.append(workshop.load().raw(1.0))
        assert [3.0, 4.0, 5.0] == results

    @pytest.mark.parametrize("placement", ["inprocess", "isolated"])
    @pytest.mark.parametrize("run", [1, 2, 3], ids=["preprocessed", "compiled", "read"])
    def test_a_source_that_changes_while_it_is_compiled_is_refused(
        self, tmp_path: Path, run: int, placement: str
    ) -> None:
        """The compiler itself is slow here, so that somebody saves the file meanwhile."""
        workshop = Workshop(tmp_path)
        script, real = tmp_path / "logging-cc", " ".join(system_compiler().command)
        saved = f"cp {tmp_path}/changed.c {tmp_path}/kernel.c"
        script.write_text(
            f'#!/bin/sh\necho "$*" >> {workshop.log}\n{real} "$@" || exit 1\n'
            f'[ "$(wc -l < {workshop.log})" != {run} ] || {saved}\n'
        )
        workshop.write("kernel.c", "double kernel(double x) { return 2 * x; }")
        workshop.write("changed.c", "int kernel(int x, int y) { return x + y; }")
        request = LoadRequest("k", "./kernel.c", directory=str(tmp_path), placement=placement)
        with pytest.raises(CompilationError, match="changed while it was compiled") as caught:
            workshop.bridge.load(request)
        assert caught.value.remedy == "load it again"
        assert workshop.bridge.load(request).member("kernel").raw(2, 3) == 5

    def test_the_compilers_diagnostics_are_shown_with_the_files_own_lines(
        self, workshop: Workshop
    ) -> None:
        workshop.write("kernel.c", "\ndouble kernel(double x) { return y; }\n")
        with pytest.raises(CompilationError) as caught:
            workshop.load()
        text = str(caught.value)
        assert "./kernel.c:2:" in text
        assert "return y;" in text
        assert str(workshop.cache) not in text
        assert [] == [path for path in workshop.cache.iterdir() if path.suffix == ".so"]

    def test_a_missing_header_is_shown(self, workshop: Workshop) -> None:
        workshop.write("kernel.c", '#include "nowhere.h"\n')
        with pytest.raises(CompilationError, match=r"nowhere\.h"):
            workshop.load()

    def test_an_undefined_function_is_found_when_it_is_compiled(self, workshop: Workshop) -> None:
        text = "double elsewhere(double); double kernel(double x) { return elsewhere(x); }"
        workshop.write("kernel.c", text)
        with pytest.raises(CompilationError, match="elsewhere"):
            workshop.load()

    def test_a_missing_source(self, workshop: Workshop) -> None:
        with pytest.raises(MissingLibraryError, match=r"nowhere\.c"):
            workshop.load("./nowhere.c")

    @pytest.mark.parametrize(
        "name", ["./with space.c", './quote"s.c', "./ünï☃.c", "-o.c", "@list.c", "./a$b.c"]
    )
    def test_a_source_may_have_any_name(self, workshop: Workshop, name: str) -> None:
        workshop.write(name, "double kernel(double x) { return x; }")
        assert 1.5 == workshop.load(name).raw(1.5)

    def test_the_optimization_level_reaches_the_compiler(self, workshop: Workshop) -> None:
        workshop.load(optimization="Os")
        started = workshop.log.read_text().splitlines()
        compiling = [line for line in started if "-shared" in line and "kernel.c" in line]
        assert compiling
        assert [True] * len(compiling) == ["-Os" in line for line in compiling]
        assert not any("fast" in line for line in compiling)

    def test_ziglang_compiles_sources(self, workshop: Workshop, cache_directory: Path) -> None:
        bridge = NativeBridge(compiler=find_ziglang(), cache_directory=cache_directory)
        request = LoadRequest("k", "./kernel.c", prototypes=KERNEL, directory=str(workshop.folder))
        assert 3.0 == bridge.load(request).member("kernel").raw(1.5)


class TestCompilers:
    def test_the_environment_names_it_first(self, workshop: Workshop) -> None:
        assert workshop.compiler is not None
        assert "logging-cc" == workshop.compiler.name
        with_flags = find_compiler({"CC": "cc -m64", "PATH": os.environ["PATH"]})
        assert with_flags is not None
        assert "-m64" in with_flags.command

    @pytest.mark.parametrize(
        ("named", "received"),
        [
            ("/nowhere/cc", "no such program"),
            ("'", "no such program"),
            ("/bin/true", "a program that wrote n"),
        ],
    )
    def test_what_is_none_is_told_with_the_variable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: str, received: str
    ) -> None:
        monkeypatch.setenv("CC", named)
        (tmp_path / "kernel.c").write_text("double kernel(double x) { return 2 * x; }")
        (tmp_path / "m.h").write_text("double cos(double x);")
        bridge = NativeBridge(cache_directory=tmp_path / "cache")
        for request in (
            LoadRequest("k", "./kernel.c", prototypes=KERNEL, directory=str(tmp_path)),
            LoadRequest("k", "./kernel.c", directory=str(tmp_path)),
            LoadRequest("m", "libm.so.6", directory=str(tmp_path), options={"header": "m.h"}),
        ):
            with pytest.raises(CompilationError) as caught:
                bridge.load(request)
            assert f"CC names {named!r}, which is no C compiler" in str(caught.value)
            assert str(caught.value.received).startswith(received)
            assert caught.value.remedy == "unset CC, or CC=gcc"

    def test_where_none_is_needed_it_is_noted(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("CC", "/nowhere/cc")
        request = LoadRequest("m", "libm.so.6", prototypes="double cos(double x);")
        library = NativeBridge(cache_directory=tmp_path).load(request)
        assert library.member("cos").raw(0.0) == 1.0
        assert any("CC names '/nowhere/cc', which is no C" in note for note in library.notes)

    def test_ziglang_is_the_last(self, tmp_path: Path) -> None:
        found = find_compiler({"PATH": str(tmp_path)})
        assert found is not None
        assert found.is_zig

    def test_one_that_fails_leaves_libffi_and_a_note(self, workshop: Workshop) -> None:
        broken = Compiler(("/bin/false",), "broken", "broken")
        bridge = NativeBridge(compiler=broken, cache_directory=workshop.cache)
        library = bridge.load(LoadRequest("m", "libm.so.6", prototypes="double cos(double);"))
        assert 1.0 == library.member("cos").raw(0.0)
        assert any("libffi" in note and "broken" in note for note in library.notes)
        strict = LoadRequest(
            "m", "libm.so.6", prototypes="double cos(double);", options={"mode": "api"}
        )
        with pytest.raises(CompilationError, match="broken"):
            bridge.load(strict)

    def test_none_at_all_leaves_libffi_and_says_what_to_install(self, workshop: Workshop) -> None:
        program = f"""
import sys
sys.modules["ziglang"] = None
from noodle.bridges.native import NativeBridge
from noodle.calls import LoadRequest
from noodle.errors import MissingToolError
bridge = NativeBridge()
library = bridge.load(LoadRequest("m", "libm.so.6", prototypes="double cos(double);"))
print(library.member("cos").raw(0.0), *library.notes)
for location, options in (("./kernel.c", {{}}), ("libm.so.6", {{"mode": "api"}})):
    try:
        bridge.load(LoadRequest("k", location, prototypes="double cos(double);",
                    directory={str(workshop.folder)!r}, options=options))
    except MissingToolError as error:
        print(error.remedy)
"""
        environment = {"PATH": str(workshop.folder), "NOODLE_CACHE_DIR": str(workshop.cache)}
        result = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        remedy = "apt install gcc, or pip install ziglang"
        first, *others = result.stdout.splitlines()
        assert first.startswith("1.0 ")
        assert remedy in first
        assert [remedy, f"{remedy}; or leave mode='api' out"] == others


class TestCache:
    def test_processes_that_build_at_once_all_get_it(self, workshop: Workshop) -> None:
        processes = [workshop.in_new_process() for _ in range(4)]
        outputs = [process.communicate(timeout=100)[0].split()[0] for process in processes]
        assert ["4.0"] * 4 == outputs
        compiling = [line for line in workshop.log.read_text().splitlines() if "-shared" in line]
        assert 2 == len(compiling)
        assert [] == list(workshop.cache.glob("build-*"))

    @pytest.mark.parametrize("kind", ["others may write", "a file", "a link", "no folder"])
    def test_where_it_cannot_be_trusted_a_temporary_one_serves(
        self, tmp_path: Path, kind: str
    ) -> None:
        place = tmp_path / "cache"
        if kind == "others may write":
            place.mkdir()
            place.chmod(0o777)
        elif kind == "a file":
            place.touch()
        elif kind == "a link":
            (tmp_path / "real").mkdir()
            place.symlink_to(tmp_path / "real")
        else:
            place = Path("/proc/nowhere/cache")
        bridge = NativeBridge(cache_directory=place, compiler=system_compiler())
        request = LoadRequest(
            "m", "libm.so.6", prototypes="double cos(double);", options={"mode": "api"}
        )
        library = bridge.load(request)
        assert 1.0 == library.member("cos").raw(0.0)
        assert any("the cache cannot be used" in note for note in library.notes)


def test_a_forked_child_can_call_and_load(workshop: Workshop) -> None:
    statement = """
import os, sys
child = os.fork()
if child == 0:
    again = bridge.load(LoadRequest("m", "libm.so.6", prototypes="double cos(double);"))
    ok = library.member("kernel").raw(1.0) == 2.0 and again.member("cos").raw(0.0) == 1.0
    os._exit(0 if ok else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    output, _ = workshop.in_new_process(statement).communicate(timeout=60)
    assert ["4.0", "0"] == [line.split()[0] for line in output.splitlines()]


def test_a_compiler_is_needed_only_for_what_is_not_cached(workshop: Workshop) -> None:
    workshop.load()
    assert workshop.compiler is not None
    shutil.move(workshop.compiler.command[0], workshop.folder / "moved")
    assert 4.0 == workshop.load().raw(2.0)
    workshop.write("kernel.c", "double kernel(double x) { return x; }")
    with pytest.raises((CompilationError, MissingToolError)):
        workshop.load()


@pytest.mark.parametrize("level", ["O0", "O1", "O2", "O3", "Os"])
def test_numbers_are_checked_at_every_optimization_level(workshop: Workshop, level: str) -> None:
    same = workshop.load("libm.so.6", "float fabsf(float x);", optimization=level).raw
    assert (16777216.0, 0.5) == (same(-(2**24)), same(-0.5))
    for value in (2**24 + 1, 1e300):
        with pytest.raises(ArgumentRangeError):
            same(value)


def test_a_cache_that_was_removed_is_made_again(workshop: Workshop) -> None:
    assert 4.0 == workshop.load().raw(2.0)
    shutil.rmtree(workshop.cache)
    workshop.write("kernel.c", "double kernel(double x) { return -x; }")
    assert -2.0 == workshop.load().raw(2.0)


def test_threads_may_load_one_library_at_once(workshop: Workshop) -> None:
    results: list[float] = []
    together = threading.Barrier(6)

    def work() -> None:
        together.wait(30)
        results.append(workshop.load().raw(2.0))

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [4.0] * 6 == results


class TestThisProcess:
    """What compiling and loading leave as it was."""

    def test_compiling_does_not_change_the_working_directory(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Other threads open files meanwhile: it may not even change and be changed back."""

        def refuse(path: object) -> None:
            raise AssertionError(f"the working directory of the process was to become {path}")

        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        Path("twice.c").write_text("double twice(double x) { return 2 * x; }\n")
        monkeypatch.setattr(os, "chdir", refuse)
        monkeypatch.setattr(os, "fchdir", refuse)
        assert noodle.load("./twice.c").twice(2.5) == 5.0

    @pytest.mark.parametrize("optimization", ["O2", "O3"])
    def test_denormal_numbers_stay_what_they_are(self, tmp_path: Path, optimization: str) -> None:
        (tmp_path / "half.c").write_text("double half(double x) { return x / 2; }\n")
        half = noodle.load(str(tmp_path / "half.c"), optimization=optimization).half
        least = sys.float_info.min
        assert half(least) == least / 2 > 0.0
