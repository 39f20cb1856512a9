"""Where packages come from: uv's own configuration, else pip's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from noodle.workers.environments import package_index
from noodle.workers.environments.package_index import index_flags, index_variables

PIP = """
[global]
index-url = https://mirror/simple
extra-index-url =
    https://one/simple
    https://two/simple
find-links = /wheels /more
trusted-host = mirror
cert = /certificates.pem
[install]
index-url = https://other/simple
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Variables of a user without any configuration."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "prefix", str(tmp_path / "prefix"))
    monkeypatch.setattr(package_index, "_MACHINE_FILE", tmp_path / "etc" / "pip.conf")
    return {"XDG_CONFIG_HOME": str(tmp_path / "config"), "XDG_CONFIG_DIRS": str(tmp_path / "etc")}


def configure(home: dict[str, str], name: str, text: str) -> None:
    path = Path(home["XDG_CONFIG_HOME"], name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_pips_configuration_is_used_where_uv_has_none(home: dict[str, str]) -> None:
    configure(home, "pip/pip.conf", PIP)
    assert {
        "UV_DEFAULT_INDEX": "https://other/simple",
        "UV_INDEX": "https://one/simple https://two/simple",
        "UV_INDEX_STRATEGY": "unsafe-best-match",
        "UV_FIND_LINKS": "/wheels,/more",
        "UV_INSECURE_HOST": "mirror",
        "SSL_CERT_FILE": "/certificates.pem",
    } == index_variables(home)


def test_pips_variables_win_over_its_files(home: dict[str, str]) -> None:
    configure(home, "pip/pip.conf", PIP)
    variables = index_variables({**home, "PIP_INDEX_URL": "https://v/simple", "PIP_NO_INDEX": "1"})
    assert "https://v/simple" == variables["UV_DEFAULT_INDEX"]
    assert ["--no-index"] == index_flags({**home, "PIP_NO_INDEX": "1"})


def test_pip_without_an_index_is_an_option_of_uv(home: dict[str, str]) -> None:
    assert [] == index_flags(home)
    configure(home, "pip/pip.conf", "[global]\nno-index = true\n")
    assert ["--no-index"] == index_flags(home)
    assert [] == index_flags({**home, "PIP_NO_INDEX": "0"})
    assert [] == index_flags({**home, "UV_INDEX": "x"})


def test_a_file_that_is_named_wins_over_those_that_are_found(
    home: dict[str, str], tmp_path: Path
) -> None:
    configure(home, "pip/pip.conf", PIP)
    named = tmp_path / "named.conf"
    named.write_text("[install]\nindex-url = https://named/simple\n")
    variables = index_variables({**home, "PIP_CONFIG_FILE": str(named)})
    assert "https://named/simple" == variables["UV_DEFAULT_INDEX"]
    assert {} == index_variables({**home, "PIP_CONFIG_FILE": "/dev/null"})


@pytest.mark.parametrize("variable", ["UV_INDEX", "UV_DEFAULT_INDEX", "UV_CONFIG_FILE"])
def test_uvs_variables_leave_pip_out(home: dict[str, str], variable: str) -> None:
    configure(home, "pip/pip.conf", PIP)
    assert {} == index_variables({**home, variable: "x"})


def test_an_index_in_uvs_file_leaves_pip_out(home: dict[str, str]) -> None:
    configure(home, "pip/pip.conf", PIP)
    configure(home, "uv/uv.toml", "offline = false\n")
    assert index_variables(home)
    configure(home, "uv/uv.toml", '[[index]]\nurl = "https://uv/simple"\n')
    assert {} == index_variables(home)


def test_damaged_files_are_passed_over(home: dict[str, str]) -> None:
    configure(home, "pip/pip.conf", "no section = 1\n")
    configure(home, "uv/uv.toml", "= =")
    assert {} == index_variables(home)
