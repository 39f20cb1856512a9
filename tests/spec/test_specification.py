"""The specification's blocks, run as they are written, and what they must do for real."""

from __future__ import annotations

import re
import subprocess
from importlib import metadata
from pathlib import Path

import pytest

import noodle
from tests.spec.blocks import BLOCKS, Block, specification

PRODUCT = [[19, 22], [43, 50]]
FLOW = {
    "Parse": "parse",
    "Type Analysis": "type analysis",
    "AI Optimization": "optimisation",
    "Bridge Routing": "bridge routing",
    "Result Return": "result",
}
"""The steps of the dispatch flow: in the specification, and in what `noodle explain` prints."""


@pytest.fixture
def program(block: Block, tmp_path: Path) -> Path:
    """The block's text in a file of its own."""
    path = tmp_path / "program.noodle"
    path.write_text(block.text, encoding="utf-8")
    return path


@specification("Basic FFI Usage")
def test_the_program_prints_the_product(block: Block, program: Path, noodle_command: list[str]):
    result = subprocess.run(
        [*noodle_command, "run", str(program)], capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr) == ("[[19 22]\n [43 50]]\n", "")
    assert result.returncode == 0


@specification("FFI Dispatch Flow")
def test_explain_shows_each_step_of_the_flow_for_each_call_site(
    block: Block, noodle_command: list[str], tmp_path: Path
):
    assert block.text.splitlines()[-1] == " → ".join(FLOW)
    program = tmp_path / "program.noodle"
    program.write_text(BLOCKS["Basic FFI Usage"].text, encoding="utf-8")
    result = subprocess.run(
        [*noodle_command, "explain", str(program)], capture_output=True, text=True, check=False
    )
    assert (result.returncode, result.stderr) == (0, "")

    step = re.compile(rf"^  ({'|'.join(FLOW.values())}) +(.*)$", re.MULTILINE)
    steps = step.findall(result.stdout)
    calls = [steps[start : start + len(FLOW)] for start in range(0, len(steps), len(FLOW))]
    assert [[name for name, _ in call] for call in calls] == [list(FLOW.values())] * 3
    parsed, analysed, optimised, routed, _ = zip(*calls, strict=True)
    assert [text.partition(" ")[2] for _, text in parsed] == [
        "call of np.array with 1 argument",
        "call of np.array with 1 argument",
        "call of np.matmul with 2 arguments",
    ]
    assert [text for _, text in analysed] == ["(list)", "(list)", "(unknown, unknown)"]
    assert {text for _, text in optimised} == {"off, no arms registered"}
    numpy = f"numpy=={metadata.version('numpy')}, python bridge, inprocess"
    assert {text for _, text in routed} == {numpy}


@specification("FFI Unit Testing")
def test_the_mocked_unit_test_runs_as_written(block: Block):
    namespace = block.execute()
    namespace["test_numpy_ffi_bridge"]()
    assert [name for name in namespace if name.startswith("test_")] == ["test_numpy_ffi_bridge"]


def test_the_real_numpy_bridge_gives_the_right_product():
    """The mock in the specification's unit test returns a wrong product; this is the true one."""
    data = {"a": [[1, 2], [3, 4]], "b": [[5, 6], [7, 8]]}
    assert noodle.bridge("numpy").execute("matmul", data).tolist() == PRODUCT
