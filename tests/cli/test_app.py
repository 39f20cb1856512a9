"""The command line: help, versions, mistakes in it."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import noodle as package
from noodle.cli.app import app
from tests.cli.conftest import Command

COMMANDS = ("run", "check", "explain", "repl", "bridges", "sync")
ENV_COMMANDS = ("env list", "env show", "env prune")


def shown(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(arguments), prog_name="noodle", env={"NO_COLOR": "1"})
    return result.exit_code, " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_the_help_lists_every_command(option: str):
    code, text = shown(option)
    assert code == 0
    for command in (*COMMANDS, "env"):
        assert re.search(rf"\b{command} [A-Z]", text), command
    assert "--version" in text
    assert "70 a defect in Noodle" in text


@pytest.mark.parametrize("command", [*COMMANDS, *ENV_COMMANDS])
def test_every_command_explains_itself_and_its_options(command: str):
    code, text = shown(*command.split(), "--help")
    assert code == 0
    assert f"Usage: noodle {command}" in text
    assert "--debug" in text


@pytest.mark.parametrize("command", [*COMMANDS, *ENV_COMMANDS])
def test_every_command_and_option_is_documented(command: str, repository: Path):
    page = (repository / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"`noodle {command}" in page
    assert f"## `noodle {command.split()[0]}" in page
    _, text = shown(*command.split(), "--help")
    for option in re.findall(r"--[a-z]+", text):
        assert option in page, option


def test_the_version_names_noodle_language_and_python():
    code, text = shown("--version")
    assert code == 0
    pattern = rf"noodle {re.escape(package.__version__)} \(language \d+\.\d+, \w+ (.*)\)"
    assert re.fullmatch(pattern, text)[1] == platform.python_version()


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["rnu", "x.noodle"], "Did you mean 'run'?"),
        (["hello.noodle"], "Did you mean 'noodle run hello.noodle'?"),
        (["help"], "Did you mean 'noodle --help'?"),
        (["version"], "Did you mean 'noodle --version'?"),
        (["run"], "FILE"),
        (["run", "--confg", "x", "y.noodle"], "--config"),
        (["run", "a.noodle", "b.noodle"], "b.noodle"),
        (["check"], "FILE"),
        (["bridges", "--config", "nosuch.toml"], "nosuch.toml"),
    ],
)
def test_a_wrong_command_line_ends_with_2_and_a_hint(arguments: list[str], hint: str):
    code, text = shown(*arguments)
    assert code == 2
    assert hint in text


def test_mistakes_go_to_standard_error(noodle: Command):
    result = noodle("rnu")
    assert (result.returncode, result.stdout) == (2, "")
    assert "No such command 'rnu'" in result.stderr


def test_the_shell_can_complete_commands(noodle: Command):
    variables = {
        "_NOODLE_COMPLETE": "complete_bash",
        "COMP_WORDS": "noodle ex",
        "COMP_CWORD": "1",
    }
    assert noodle(variables=variables).stdout.strip() == "explain"
