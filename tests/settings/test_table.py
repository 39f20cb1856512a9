import dataclasses
import re

import pytest

from noodle.settings import (
    SETTINGS,
    AuthenticationSettings,
    BridgeSettings,
    OptimizationSettings,
    Settings,
    resolve,
)
from noodle.settings.table import dotted, find


def test_the_page_of_settings_shows_every_row_of_the_table(repository):
    rows = re.findall(
        r"^\| `([^`]+)` \| (.+?) \| (.+?) \| `([^`]+)` \| (.+) \|$",
        (repository / "docs/settings.md").read_text(),
        re.MULTILINE,
    )
    assert rows == [
        (setting.key, setting.type, setting.default, setting.variable, setting.description)
        for setting in SETTINGS
    ]


def test_the_file_that_the_page_shows_is_accepted(repository, tmp_path):
    page = (repository / "docs/settings.md").read_text()
    example = tmp_path / "noodle.toml"
    example.write_text(re.search(r"```toml\n(.*?)```", page, re.DOTALL)[1])
    settings = resolve(environment={}, config_file=example)
    assert settings.ffi.bridges["blas"].path == "libblas.so"
    assert settings.library_paths == (tmp_path / "lib",)
    assert settings.security.authorization.user_roles["admin"] == {"*"}


@pytest.mark.parametrize(
    ("table", "part"),
    [
        ("", Settings()),
        ("ffi.bridges.<name>.", BridgeSettings("numpy")),
        ("ffi.optimization.", OptimizationSettings()),
        ("security.authentication.", AuthenticationSettings()),
    ],
)
def test_every_field_is_in_the_table_with_its_default(table, part):
    for field in dataclasses.fields(part):
        if field.name in ("ffi", "security", "config_file", "places", "path", "options"):
            continue
        setting = next(row for row in SETTINGS if row.key == f"{table}{field.name}")
        value = getattr(part, field.name)
        if value in ((), "", None):
            assert setting.default in ("none", "auto", "any")
        elif field.name != "cache_directory":
            assert setting.default == str(value).lower() or setting.default == value


def test_each_key_and_variable_is_listed_once():
    assert len({setting.key for setting in SETTINGS}) == len(SETTINGS)
    assert len({setting.variable for setting in SETTINGS}) == len(SETTINGS)


def test_a_key_finds_its_row_its_table_or_nothing():
    assert find(("ffi", "bridges", "numpy", "path")).key == "ffi.bridges.<name>.path"
    assert "gpu_offload" in find(("ffi", "optimization"))
    assert find(("ffi", "optimisation")) is None
    assert find(("sample_every", "x")) is None


def test_an_unusual_name_is_quoted_in_a_key():
    assert dotted(("ffi", "bridges", "a.b", "path")) == "ffi.bridges.'a.b'.path"
