import timeit
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noodle.errors import AmbiguousTargetError, TargetError, UnknownBridgeError
from noodle.targets import MAX_LENGTH, Target, parse

FORMS = [
    # written, bridge, location, requirement, interpreter, kind, canonical
    ("numpy", "python", "numpy", "", "", "package", "numpy"),
    ("  numpy ", "python", "numpy", "", "", "package", "numpy"),
    ("numpy==1.21.0", "python", "numpy", "==1.21.0", "", "package", "numpy==1.21.0"),
    ("pkg>=2; python=3.10", "python", "pkg", ">=2", "==3.10.*", "package", "pkg>=2; python=3.10"),
    ("pkg;python==3.10", "python", "pkg", "", "==3.10.*", "package", "pkg; python=3.10"),
    ("pkg; python=3.10.4", "python", "pkg", "", "==3.10.4", "package", "pkg; python=3.10.4"),
    ("pkg; python = 3", "python", "pkg", "", "==3.*", "package", "pkg; python=3"),
    (
        "pkg >= 2, < 3 ; python >= 3.9, <3.12",
        "python",
        "pkg",
        ">=2,<3",
        ">=3.9,<3.12",
        "package",
        "pkg>=2,<3; python>=3.9,<3.12",
    ),
    ("scipy.linalg", "python", "scipy.linalg", "", "", "package", "scipy.linalg"),
    ("scikit-learn~=1.4", "python", "scikit-learn", "~=1.4", "", "package", "scikit-learn~=1.4"),
    ("_thread", "python", "_thread", "", "", "package", "_thread"),
    ("größe", "python", "größe", "", "", "package", "größe"),
    ("python:json", "python", "json", "", "", "package", "json"),
    ("python:discord.py", "python", "discord.py", "", "", "package", "python:discord.py"),
    ("npm:lodash", "javascript", "lodash", "", "", "package", "npm:lodash"),
    ("npm:lodash@4", "javascript", "lodash", "4", "", "package", "npm:lodash@4"),
    ("npm:@scope/pkg@^1", "javascript", "@scope/pkg", "^1", "", "package", "npm:@scope/pkg@^1"),
    ("npm:x@latest", "javascript", "x", "latest", "", "package", "npm:x@latest"),
    (
        "npm:x@ >= 1  <3||1.0.0 - 1.2",
        "javascript",
        "x",
        ">=1 <3 || 1.0.0 - 1.2",
        "",
        "package",
        "npm:x@>=1 <3 || 1.0.0 - 1.2",
    ),
    ("node:crypto", "javascript", "crypto", "", "", "builtin", "node:crypto"),
    ("node:fs/promises", "javascript", "fs/promises", "", "", "builtin", "node:fs/promises"),
    ("libm.so.6", "native", "libm.so.6", "", "", "library", "libm.so.6"),
    ("libstdc++.so", "native", "libstdc++.so", "", "", "library", "libstdc++.so"),
    ("c:z", "native", "z", "", "", "library", "c:z"),
    ("native:z", "native", "z", "", "", "library", "c:z"),
    ("c:libm.so.6", "native", "libm.so.6", "", "", "library", "libm.so.6"),
    ("r:stats >= 4", "r", "stats >= 4", "", "", "plugin", "r:stats >= 4"),
]


@pytest.mark.parametrize(
    ("written", "bridge", "location", "requirement", "interpreter", "kind", "canonical"), FORMS
)
def test_each_form_is_read_into_its_parts(
    written, bridge, location, requirement, interpreter, kind, canonical
):
    target = parse(written, schemes=["r"])
    assert target == Target(written, bridge, location, requirement, interpreter, kind)
    assert target.text == written
    assert str(target) == canonical


def test_targets_that_name_the_same_are_equal_however_they_are_written():
    assert parse("pkg >= 2;python==3.10") == parse("pkg>=2; python=3.10")
    assert hash(parse("c:libm.so.6")) == hash(parse("libm.so.6"))


MISTAKES = [
    # written, what the message holds, the remedy
    ("", "empty", None),
    ("   ", "empty", None),
    ("a\0b", "character 2", None),
    ("num\npy", "U+000A", None),
    ("num\u202epy", "U+202E", None),
    ("num\ud800py", "U+D800", None),
    ("a" * (MAX_LENGTH + 1), f"at most {MAX_LENGTH} characters", None),
    ("lodash@4", "npm", "npm:lodash@4"),
    ("@scope/pkg@1", "scope", "npm:@scope/pkg@1"),
    ("numpy=1.21", "==", "numpy==1.21"),
    ("numpy 1.21", "==", "numpy==1.21"),
    ("numpy>=x", "'>=x'", None),
    ("numpy>=1 0", "'>=1 0'", None),
    ("numpy^1.2", "'^1.2'", None),
    ("numpy pandas", "'pandas'", None),
    ("requests[socks]>=1", "extras", 'dependencies = ["requests[socks]>=1"]'),
    ("pkg;", "pkg; python=3.10", None),
    ("pkg; os=linux", "pkg; python=3.10", None),
    ("pkg; python=pypy", "'=pypy'", None),
    ("pkg; python=", "pkg; python=3.10", None),
    ("pkg>=2; python3.10", "pkg>=2; python=3.10", None),
    (".numpy", "not a target", None),
    ("numpy.", "not a target", None),
    ("naïve-name", "not a target", None),
    ("libz.dylib", "another operating system", "c:z"),
    ("libssl.3.dylib", "another operating system", "c:ssl"),
    ("ZLIB1.DLL", "another operating system", "c:ZLIB1"),
    ("C:/x/z.dll", "another operating system", "C:/x/libz.so"),
    ("lib\\x.so", "/", "lib/x.so"),
    ("npm:", "a name is missing", None),
    ("npm:lodash==4", "not an npm package", "npm:lodash@4"),
    ("npm:lodash@", "range", None),
    ("npm:lodash@>=", "range", None),
    ("npm:lodash@4 || ", "range", None),
    ("npm:a/b/c", "not an npm package", None),
    ("npm:.hidden", "not an npm package", None),
    ("node:Crypto!", "Node.js", None),
    ("node:lodash@4", "Node.js", "npm:lodash@4"),
    ("c:z>=1.2", "native library", 'version = "1.2"'),
    ("c:kernel.c", "./", "./kernel.c"),
    ("python:./helpers.py", "without a scheme", "./helpers.py"),
    ("c:/usr/lib/libz.so", "without a scheme", "/usr/lib/libz.so"),
]


@pytest.mark.parametrize(("written", "part", "remedy"), MISTAKES)
def test_each_mistake_has_one_clear_message(written, part, remedy):
    with pytest.raises(TargetError) as raised:
        parse(written)
    assert part in str(raised.value)
    assert (remedy or "") in (raised.value.remedy or "")
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("value", [None, 5, b"numpy", Path("numpy"), ["numpy"]])
def test_what_is_no_text_is_refused_with_its_type(value):
    with pytest.raises(TargetError, match=type(value).__name__):
        parse(value)


@pytest.mark.parametrize("name", ["kernel.c", "helpers.py", "tool.mjs"])
def test_a_bare_file_name_may_be_a_package_and_both_are_listed(name):
    with pytest.raises(AmbiguousTargetError) as raised:
        parse(name)
    assert raised.value.remedy == f"./{name} or python:{name}"


def test_an_unknown_scheme_is_answered_with_the_known_ones_and_the_nearest():
    with pytest.raises(UnknownBridgeError) as raised:
        parse("nmp:lodash", schemes=["r"])
    assert raised.value.remedy == "npm:"
    assert "python:, native:, c:, npm:, node:, r:" in str(raised.value)


def test_a_plugin_cannot_take_over_a_scheme_of_noodle():
    assert parse("npm:lodash", schemes=["npm"]).bridge == "javascript"


def test_a_plain_name_is_read_in_a_few_microseconds():
    best = min(timeit.repeat(lambda: parse("numpy"), number=1000, repeat=5))
    assert best / 1000 < 20e-6


PIECES = ["numpy", "a.b", "x-y", "==1.2", ">=2", " ", ";", "python", "=3.10", ",", "@", "^1"]
PIECES += ["npm:", "node:", "c:", "r:", "python:", "native:", "./", "../", "/", ".so", ".6", ".c"]
PIECES += [".py", "@s/p", "||", "-", "*", "v1", "[x]", "tool", "crate", "Cargo.toml", "~", "\\"]
PIECES += [":", ".dll", "é"]


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    root = tmp_path_factory.mktemp("targets")
    (root / "crate").mkdir()
    for name in ("crate/Cargo.toml", "tool.c", "tool.py", "a.b.so.6", "x-y.c"):
        (root / name).touch()
    return root


@given(text=st.text(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
def test_any_text_is_a_target_or_a_clear_error_and_the_canonical_text_reads_the_same(
    directory, text
):
    try:
        target = parse(text, directory=directory, schemes=["r"])
    except (TargetError, UnknownBridgeError) as error:
        refusal = error
    else:
        assert parse(str(target), directory=directory, schemes=["r"]) == target
        return
    assert refusal.received
    assert str(directory) not in str(refusal)
