"""What can be loaded: modules of Node.js, files of every kind, folders, and real npm packages."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import traceback
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import noodle
from noodle import _host
from noodle.bridges.remote.functions import reference_of
from noodle.errors import (
    InstallationError,
    LibraryLoadError,
    MissingToolError,
    PlacementError,
    SettingsError,
    TargetError,
)
from noodle.libraries import library_of
from noodle.runtime.engine import default_engine

HERE = Path(__file__).parent
SAMPLES = HERE / "samples"


def package(target: str) -> ModuleType:
    """Load an npm package as the lock file of this folder has it."""
    return default_engine().load(target, directory=HERE)


# ------------------------------------------------------------------------------ Node's modules


def test_a_module_of_node() -> None:
    crypto = noodle.load("node:crypto")
    digest = crypto.createHash("sha256").update("noodle").digest("hex")
    assert re.fullmatch("[0-9a-f]{64}", digest)
    assert re.fullmatch(r"v?\d+\.\d+\.\d+", str(library_of(crypto).version))
    assert "a/b" == noodle.load("node:path").posix.join("a", "b")


def test_a_module_that_node_does_not_have() -> None:
    with pytest.raises(LibraryLoadError, match="crypt"):
        noodle.load("node:crypt")


# --------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("suffix", [".js", ".cjs"])
def test_a_commonjs_file_whose_export_is_a_function(tmp_path: Path, suffix: str) -> None:
    shutil.copy(SAMPLES / "common.cjs", tmp_path / f"common{suffix}")
    common = noodle.load(str(tmp_path / f"common{suffix}"))
    assert ("1+2", "cba", "7") == (common.default("1", "2"), common.reverse("abc"), common.version)


def test_a_typescript_file() -> None:
    typed = noodle.load(str(SAMPLES / "typed.ts"))
    assert 7.5 == typed.total([{"price": 2.5, "count": 3}])
    assert ["items"] == [p.name for p in typed.total.explain([]).prototype.parameters]


def test_an_error_in_typescript_tells_its_own_line() -> None:
    with pytest.raises(TypeError, match="no") as caught:
        noodle.load(str(SAMPLES / "typed.ts")).fail("no")
    assert re.search(r"typed\.ts\", line 9, in", "".join(traceback.format_exception(caught.value)))


def test_a_folder_with_a_package() -> None:
    pack = noodle.load(str(SAMPLES / "pack"))
    assert "pack" == pack.where()
    assert "3.1.4" == library_of(pack).version
    assert "A package of this folder." == pack.__doc__


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("broken.mjs", "this file cannot be loaded"),
        ("unreadable.mjs", "SyntaxError"),
        ("needy.mjs", "no-such-package-anywhere"),
    ],
)
def test_a_file_that_does_not_load_says_why(name: str, told: str) -> None:
    with pytest.raises(LibraryLoadError, match=told):
        noodle.load(str(SAMPLES / name))


@pytest.mark.parametrize(
    ("name", "text", "place", "told"),
    [
        ("a.mjs", "export const a = 1;\n\nexport const b = {;\n", "a.mjs:3:19", "token ';'"),
        ("a.mjs", "import './b.mjs';\nimport './wrong.mjs';\n", "wrong.mjs:2:3", "token '}'"),
        ("a.mjs", "import { nothing } from './b.mjs';", "a.mjs:1:10", "export named 'nothing'"),
        ("a.cjs", "exports.a = 1;\nexports.b = {;\n", "a.cjs:2:14", "token ';'"),
        ("a.mjs", "import './c.cjs';\n", "c.cjs:1:14", "token ';'"),
        ("a.ts", "export const a: number = 1;\nlet b: = 1;", "a.ts:2:8", "Expected an identifier"),
    ],
)
def test_a_syntax_error_is_told_with_its_place(
    tmp_path: Path, name: str, text: str, place: str, told: str
) -> None:
    """Node.js tells no place in an ES module, though it may be in any file that is imported."""
    (tmp_path / "b.mjs").write_text("export const b = 1;")
    (tmp_path / "c.cjs").write_text("exports.c = {;")
    (tmp_path / "wrong.mjs").write_text("// comment\n  }\n")
    (tmp_path / name).write_text(text)
    with pytest.raises(LibraryLoadError, match=told) as caught:
        noodle.load(str(tmp_path / name))
    assert str(tmp_path / place) == caught.value.where


# ------------------------------------------------------------------------------------ packages


def test_lodash() -> None:
    lodash = package("npm:lodash@4")
    assert [[1, 2], [3]] == lodash.chunk([1, 2, 3], 2)
    assert {"a": 1, "b": [1, {"c": 2}]} == lodash.merge({"a": 1}, {"b": [1, {"c": 2}]})
    assert [2, 4] == lodash.map([1, 2], lambda n: 2 * n)
    assert "4.18.1" == lodash.VERSION == library_of(lodash).version


def test_a_package_whose_export_is_a_function() -> None:
    ms = package("npm:ms@2")
    assert (172_800_000, "1m") == (ms.default("2 days"), ms.default(60_000))


def test_a_package_whose_export_is_a_function_with_members() -> None:
    dayjs = package("npm:dayjs@1")
    date = dayjs.default("2024-02-28").add(2, "day")
    assert "2024-03-01" == date.format("YYYY-MM-DD")
    assert dayjs.isDayjs(date) is True


def test_a_package_with_a_class_and_with_what_it_needs() -> None:
    ajv = package("npm:ajv@8")
    validate = ajv.Ajv({"allErrors": True}).compile(
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    assert (True, False) == (validate({"n": 1}), validate({"n": "x"}))
    assert "must be integer" == validate.errors[0]["message"]


def test_a_package_of_es_modules_only() -> None:
    nanoid = package("npm:nanoid@5")
    assert 10 == len(nanoid.nanoid(10))
    assert re.fullmatch("[ab]{5}", nanoid.customAlphabet("ab", 5)())


def test_a_package_with_both_kinds_of_modules() -> None:
    uuid = package("npm:uuid@11")
    assert uuid.validate(uuid.v4()) is True
    assert 4 == uuid.version(uuid.v4())


def worker_of(function: Any) -> object:
    return _host.facts(reference_of(noodle.raw(function)))[0]


def test_packages_share_one_worker() -> None:
    functions = (
        package("npm:lodash@4").chunk,
        package("npm:ms@2").default,
        package("npm:uuid@11").v4,
        noodle.load("node:path").join,
    )
    assert 1 == len({worker_of(function) for function in functions})


def test_the_lock_of_this_folder_is_used(tmp_path: Path) -> None:
    text = (HERE / "noodle.lock").read_text()
    assert "4.18.1" == library_of(package("npm:lodash@4")).version
    assert text == (HERE / "noodle.lock").read_text()


def test_two_versions_live_side_by_side(
    registry: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("1.0.0", "2.0.0"):
        registry.publish("twin", version, {"index.js": f"exports.which = () => '{version}'"})
    engine = noodle.configure(cache_directory=str(tmp_path / "cache"))
    one, two = (engine.load(f"npm:twin@{n}", directory=tmp_path) for n in (1, 2))
    assert ("1.0.0", "2.0.0") == (one.which(), two.which())
    assert worker_of(one.which) is worker_of(two.which)
    assert (tmp_path / "noodle.lock").is_file()
    assert ["cache", "noodle.lock"] == sorted(path.name for path in tmp_path.iterdir())


def test_the_lock_lies_beside_the_configuration(registry: Any, tmp_path: Path) -> None:
    registry.publish("small", "1.0.0", {"index.js": "exports.one = () => 1"})
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "noodle.toml").write_text("sample_every = 7\n")
    engine = noodle.configure(cache_directory=str(tmp_path / "cache"))
    assert 1 == engine.load("npm:small@1", directory=tmp_path / "deep" / "er").one()
    assert (tmp_path / "noodle.lock").is_file()
    assert [] == list((tmp_path / "deep" / "er").iterdir())


def test_a_scoped_package(registry: Any, tmp_path: Path) -> None:
    registry.publish("@team/tool", "1.0.0", {"index.js": "exports.one = () => 1"})
    engine = noodle.configure(cache_directory=str(tmp_path / "cache"))
    assert 1 == engine.load("npm:@team/tool@1", directory=tmp_path).one()


def test_a_package_that_cannot_be_installed_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("npm_config_registry", "http://127.0.0.1:9/")
    engine = noodle.configure(cache_directory=str(tmp_path / "cache"))
    with pytest.raises(InstallationError):
        engine.load("npm:small@1", directory=tmp_path)
    assert ["cache"] == [path.name for path in tmp_path.iterdir()]


# --------------------------------------------------------------------------------- what is refused


def test_it_never_runs_in_this_process() -> None:
    with pytest.raises(PlacementError, match="its runtime is a process of its own"):
        noodle.load("node:path", placement="inprocess")


def test_prototypes_are_refused() -> None:
    with pytest.raises(TargetError, match="declares its functions itself"):
        noodle.load("node:path", prototypes="int join(void);")


@pytest.mark.parametrize(
    "options",
    [
        {"workers": 0},
        {"workers": 1.5},
        {"workers": True},
        {"workers": 1000},
        {"int64": "float"},
        {"int64": []},
        {"readonly": True},
        {"allow_scripts": "esbuild"},
        {"allow_scripts": [1]},
        {"environment": {"A=B": "c"}},
        {"environment": {"A": 1}},
        {"environment": ["A"]},
        {"cache_directory": 5},
    ],
)
def test_a_wrong_option_is_named(options: dict[str, Any]) -> None:
    (name,) = options
    with pytest.raises(SettingsError, match=name):
        noodle.load("node:path", **options)


def test_without_node_the_command_is_told(tmp_path: Path) -> None:
    program = "import noodle; noodle.load('node:path')"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NOODLE_NODE": str(tmp_path / "node")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert MissingToolError.__name__ in result.stderr
    assert "NOODLE_NODE names no program" in result.stderr


def test_a_program_that_is_not_node_is_told(tmp_path: Path) -> None:
    (tmp_path / "node").write_text("#!/bin/sh\necho 'no node' >&2; exit 3\n")
    (tmp_path / "node").chmod(0o755)
    program = "import noodle; noodle.load('node:path')"
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"NOODLE_NODE": str(tmp_path / "node")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "no node" in result.stderr
    assert "WorkerCrashedError" in result.stderr
