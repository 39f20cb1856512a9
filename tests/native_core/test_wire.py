"""The wire codec's C core: its unit tests, sanitizers, stack bound, stable ABI and fuzz target."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.native_core.wire_peers import (
    SANITIZED,
    STRICT,
    codec_sources,
    compile_c,
    compiler,
    node_flags,
    node_sources,
    python_flags,
    python_sources,
)


def run(program: Path, *arguments: str) -> str:
    result = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def compile_core_test(repository: Path, output: Path, name: str, *flags: str) -> Path:
    sources = [*codec_sources(repository), repository / "native" / "tests" / name]
    return compile_c(output, sources, f"-I{repository / 'native' / 'include'}", "-pthread", *flags)


@pytest.mark.parametrize("flags", [["-O2", "-Wpedantic"], SANITIZED], ids=["plain", "sanitized"])
def test_the_unit_tests_of_the_core_pass(repository: Path, tmp_path: Path, flags: list[str]):
    program = compile_core_test(repository, tmp_path / "test_wire", "test_wire.c", *flags)
    assert run(program).splitlines() == ["0 failures"]


@pytest.mark.slow
def test_valgrind_finds_nothing_in_the_core(repository: Path, tmp_path: Path):
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        pytest.skip("valgrind is not installed")
    program = compile_core_test(repository, tmp_path / "test_wire", "test_wire.c", "-O1", "-g")
    checks = ["-q", "--error-exitcode=9", "--leak-check=full"]
    assert "0 failures" in run(Path(valgrind), *checks, str(program))


def test_mutated_messages_keep_the_reader_in_bounds(repository: Path, tmp_path: Path):
    """The seed is fixed, so a failure comes again; `make test-slow` runs far more."""
    program = compile_core_test(
        repository, tmp_path / "fuzz_wire", "fuzz_wire.c", "-DSTANDALONE", *SANITIZED
    )
    assert run(program, "2024", "100000") == "done\n"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_many_mutated_messages_keep_the_reader_in_bounds(
    repository: Path, tmp_path: Path, seed: int
):
    program = compile_core_test(
        repository, tmp_path / "fuzz_wire", "fuzz_wire.c", "-DSTANDALONE", *SANITIZED
    )
    assert run(program, str(seed), "5000000") == "done\n"


@pytest.mark.slow
def test_libfuzzer_finds_nothing_in_two_minutes(repository: Path, tmp_path: Path):
    clang = shutil.which("clang")
    if clang is None:
        pytest.skip("clang is not installed")
    sources = [
        *codec_sources(repository),
        repository / "native" / "tests" / "fuzz_wire.c",
    ]
    program = tmp_path / "fuzz_wire"
    flags = ["-fsanitize=fuzzer,address,undefined", "-g", "-O1"]
    include = f"-I{repository / 'native' / 'include'}"
    command = [clang, "-std=c11", *flags, include, *sources, "-o", program]
    subprocess.run(command, check=True, capture_output=True)
    run(program, "-max_total_time=120", "-seed=7", "-print_final_stats=1")


@pytest.fixture(scope="module")
def frame_sizes(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[str, int]]:
    """Bytes of stack that each function of each adapter takes at most."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not installed")
    adapters = {
        "python": (python_sources(repository), python_flags(repository)),
        "node": (node_sources(repository), node_flags(repository)),
    }
    return {
        name: measure_frames([gcc, *STRICT, *flags], sources, tmp_path_factory.mktemp(name))
        for name, (sources, flags) in adapters.items()
    }


def measure_frames(command: list[str], sources: list[Path], directory: Path) -> dict[str, int]:
    for source in sources:
        compile_one = [*command, "-O2", "-fPIC", "-fstack-usage", "-c", source]
        subprocess.run(compile_one, cwd=directory, check=True)
    lines = [line for path in directory.glob("*.su") for line in path.read_text().splitlines()]
    pattern = re.compile(r".*:(\w+)[.\w]*\t(\d+)\t.*")
    return {match[1]: int(match[2]) for line in lines if (match := pattern.fullmatch(line))}


@pytest.mark.parametrize(
    ("adapter", "level"),
    [
        ("python", "wire_python_encode encode encode_rare encode_list encode_dict encode_pair"),
        ("python", "encode encode_rare encode_set encode_tuple"),
        ("python", "wire_python_decode decode decode_list decode_tuple decode_map"),
        ("python", "decode decode_extension decode_set decode_members"),
        ("node", "wire_node_encode encode_object encode_array wire_node_encode_elements"),
        ("node", "wire_node_encode encode_object encode_plain_object encode_properties"),
        ("node", "wire_node_encode encode_special_object encode_map encode_entry"),
        ("node", "wire_node_decode wire_node_decode_token decode_list wire_node_decode_elements"),
        ("node", "wire_node_decode wire_node_decode_token decode_map read_pair read_value"),
        ("node", "wire_node_decode_token decode_extension decode_set wire_node_decode_elements"),
    ],
)
def test_nesting_to_the_limit_fits_a_quarter_of_a_megabyte_of_stack(
    repository: Path, frame_sizes: dict[str, dict[str, int]], adapter: str, level: str
):
    """A level takes at most these frames; a function without one was inlined into its caller."""
    sources = python_sources(repository) if adapter == "python" else node_sources(repository)
    text = "".join(source.read_text() for source in sources)
    assert [name for name in level.split() if f"\n{name}(" not in text] == []
    taken = [frame_sizes[adapter].get(name, 0) + 8 for name in level.split()]
    assert 100 < sum(taken) <= 256 * 1024 // 512


@pytest.mark.parametrize(
    ("adapter", "level"),
    [
        ("python", "wire_python_decode decode wire_python_decode_error decode_payload"),
        ("node", "wire_node_decode_error read_payload read_fields read_cause"),
    ],
)
def test_a_chain_of_causes_to_the_limit_fits_a_quarter_of_a_megabyte_of_stack(
    frame_sizes: dict[str, dict[str, int]], adapter: str, level: str
):
    """An error takes two levels: the extension, and the list in it."""
    taken = [frame_sizes[adapter].get(name, 0) + 8 for name in level.split()]
    assert sum(taken) > 100
    assert 512 // 2 * sum(taken) <= 256 * 1024


def headers_at_hand() -> list[Path]:
    """Folders with headers of CPython: the running one's, and the oldest of pyenv's from 3.8 on."""
    own = Path(sysconfig.get_paths()["include"])
    return [own, *sorted(Path.home().glob(".pyenv/versions/3.[89].*/include/python3.[89]"))[:1]]


def test_the_stable_abi_build_compiles_against_the_headers_of_the_oldest_version_at_hand(
    repository: Path, tmp_path: Path
):
    for headers in headers_at_hand():
        include = [f"-I{headers}", f"-I{repository / 'native' / 'include'}"]
        flags = ["-O1", "-fsyntax-only", "-DPy_LIMITED_API=0x03080000", *include]
        for source in python_sources(repository):
            command = [compiler(), *STRICT, *flags, source]
            result = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
            assert (0, b"") == (result.returncode, result.stderr), headers


def interpreters_at_hand() -> list[Path]:
    """The running Python, and the oldest and the newest of pyenv's from 3.8 on."""
    found = {
        int(match[1]): path
        for path in Path.home().glob(".pyenv/versions/3.*/bin/python")
        if (match := re.search(r"/3\.(\d+)[^/]*/bin", str(path))) and int(match[1]) >= 8
    }
    return [
        Path(sys.executable),
        *(found[minor] for minor in {*sorted(found)[:1], *sorted(found)[-1:]}),
    ]


def test_a_limited_api_build_works_where_it_was_not_built_for(repository: Path, tmp_path: Path):
    """The worker's build is one file for all versions: here it encodes and decodes in this one."""
    sources = [
        *codec_sources(repository),
        *python_sources(repository),
        repository / "native" / "tests" / "limited_wire.c",
    ]
    flags = ["-O1", "-fPIC", "-shared", "-DPy_LIMITED_API=0x03080000", *python_flags(repository)]
    compile_c(
        tmp_path / "limited_wire.so", sources, *flags, f"-I{repository / 'native' / 'python'}"
    )
    program = (
        "import limited_wire, datetime, array\n"
        "when = datetime.datetime(2024, 1, 1, 1, 1, 1, 5, datetime.timezone.utc)\n"
        "value = [1, -2**70, 2**64 - 1, 1.5, 'Gr\\xfc\\xdfe \\ud800', b'b', None, True]\n"
        "value += [{'a': {1}}, when]\n"
        "again = limited_wire.again(value)\n"
        "assert again == value, again\n"
        "assert limited_wire.again((1, {(2, 3): [frozenset([4])]})) == [1, {(2, 3): [{4}]}]\n"
        "cycle = []; cycle.append(cycle)\n"
        "for bad in (object(), cycle, array.array('d', [1])):\n"
        "    try: limited_wire.again(bad)\n"
        "    except ValueError as error: print(error.status)\n"
    )
    for interpreter in interpreters_at_hand():
        result = subprocess.run(
            [interpreter, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert ("12\n8\n15\n", "") == (result.stdout, result.stderr), interpreter
