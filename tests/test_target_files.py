import os
from pathlib import Path

import pytest

from noodle.errors import AmbiguousTargetError, TargetError
from noodle.targets import parse

FILES = ["tool.c", "tool.mjs", "only.ts", "kernel.c", "lib.so", "libx.so.2", "helpers.py"]
FILES += ["fast.rs", "math.cpp", "x.h", "archive.a", "plain", "other.noodle", "sub/kernel.c"]
FILES += ["crate/Cargo.toml", "node/package.json", "python/__init__.py", "both/Cargo.toml"]
FILES += ["both/package.json", "mixed/Cargo.toml", "mixed.c", "built/kernel.o", "built.c"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    for name in FILES:
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).touch()
    (root / "empty").mkdir()
    os.mkfifo(root / "pipe.so")
    (root / "loop.c").symlink_to("loop.c")
    return root


@pytest.mark.parametrize(
    ("written", "bridge", "kind", "location", "canonical"),
    [
        ("./helpers.py", "python", "file", "./helpers.py", "./helpers.py"),
        ("./tool.mjs", "javascript", "file", "./tool.mjs", "./tool.mjs"),
        ("./only.ts", "javascript", "file", "./only.ts", "./only.ts"),
        ("./lib.so", "native", "file", "./lib.so", "./lib.so"),
        ("./libx.so.2", "native", "file", "./libx.so.2", "./libx.so.2"),
        ("./kernel.c", "native", "source", "./kernel.c", "./kernel.c"),
        ("./math.cpp", "native", "source", "./math.cpp", "./math.cpp"),
        ("./fast.rs", "native", "source", "./fast.rs", "./fast.rs"),
        ("sub/kernel.c", "native", "source", "./sub/kernel.c", "./sub/kernel.c"),
        (".//sub/./kernel.c", "native", "source", "./sub/kernel.c", "./sub/kernel.c"),
        ("./sub/../kernel.c", "native", "source", "./sub/../kernel.c", "./sub/../kernel.c"),
        ("./crate", "native", "crate", "./crate", "./crate/Cargo.toml"),
        ("./crate/", "native", "crate", "./crate", "./crate/Cargo.toml"),
        ("./node", "javascript", "directory", "./node", "./node/package.json"),
        ("./python", "python", "directory", "./python", "./python/__init__.py"),
        ("./both/package.json", "javascript", "directory", "./both", "./both/package.json"),
        ("./mixed/", "native", "crate", "./mixed", "./mixed/Cargo.toml"),
    ],
)
def test_a_path_goes_to_the_bridge_of_its_content(
    directory, written, bridge, kind, location, canonical
):
    target = parse(written, directory=directory)
    assert (target.bridge, target.kind, target.location) == (bridge, kind, location)
    assert str(target) == canonical
    assert target.is_path
    assert parse(canonical, directory=directory) == target


@pytest.mark.parametrize(
    ("written", "found"), [("./only", "./only.ts"), ("./sub/kernel", "./sub/kernel.c")]
)
def test_a_missing_suffix_is_filled_in_where_one_file_fits(directory, written, found):
    assert str(parse(written, directory=directory)) == found


def test_a_directory_that_no_bridge_loads_leaves_the_file_of_that_name(directory):
    assert str(parse("./built", directory=directory)) == "./built.c"


def test_absolute_paths_and_the_directory_itself_are_targets(directory):
    assert parse(str(directory / "lib.so")).location == str(directory / "lib.so")
    inside = parse(".", directory=directory / "crate")
    assert (inside.kind, inside.location, str(inside)) == ("crate", ".", "./Cargo.toml")
    beside = parse("../lib.so", directory=directory / "sub")
    assert (beside.kind, beside.location) == ("file", "../lib.so")


@pytest.mark.parametrize(
    ("written", "candidates"),
    [
        ("./tool", "./tool.mjs or ./tool.c"),
        ("./both", "./both/Cargo.toml or ./both/package.json"),
        ("./mixed", "./mixed/Cargo.toml or ./mixed.c"),
    ],
)
def test_several_files_that_fit_are_listed_and_each_can_be_named(directory, written, candidates):
    with pytest.raises(AmbiguousTargetError) as raised:
        parse(written, directory=directory)
    assert raised.value.remedy == candidates
    for candidate in candidates.split(" or "):
        assert str(parse(candidate, directory=directory)) == candidate


@pytest.mark.parametrize(
    ("written", "summary", "remedy"),
    [
        ("./kernl.c", "there is no file ./kernl.c", "./kernel.c"),
        ("./sub/kernel.cc", "there is no file ./sub/kernel.cc", "./sub/kernel.c"),
        ("./nowhere/x.c", "there is no directory ./nowhere", "check the name"),
        ("./lib.so/x.c", "there is no directory ./lib.so", "check the name"),
        ("~/x.c", "there is no directory ./~", "in full"),
        ("./empty", "holds none of Cargo.toml, package.json, __init__.py", "name a file"),
        ("./x.h", "no bridge loads a .h file", "header="),
        ("./archive.a", "no bridge loads a .a file", "shared library"),
        ("./other.noodle", "no bridge loads a .noodle file", "without ffi"),
        ("./plain", "no bridge loads a file without a suffix", ""),
        ("./pipe.so", "neither a regular file nor a directory", ""),
        ("./loop.c", "cannot be used: Too many levels of symbolic links", ""),
        (f"./{'x' * 300}.c", "cannot be used: File name too long", ""),
        ("./libx.dylib", "another operating system", "./libx.so"),
    ],
)
def test_a_path_that_cannot_be_used_says_why_and_what_is_near(directory, written, summary, remedy):
    with pytest.raises(TargetError) as raised:
        parse(written, directory=directory)
    assert summary in raised.value.summary
    assert remedy in (raised.value.remedy or "")
    assert str(directory) not in str(raised.value)


def test_a_file_name_that_is_not_utf8_is_not_offered_as_a_remedy(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/kernel\xff.c")).touch()
    with pytest.raises(TargetError) as raised:
        parse("./kernel.c", directory=tmp_path)
    assert "check the name" in str(raised.value.remedy)
    str(raised.value).encode("utf-8")
