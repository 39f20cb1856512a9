"""What every test shares: the rule about skips, Hypothesis' profiles, the installed command."""

from __future__ import annotations

import gc
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest

# A shell ignores interrupts in what it runs in the background, and so would every child.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

DESCRIPTORS = 20_000
"""What the processes that run tests may have: libraries that stay loaded keep their workers."""


def _allow_descriptors() -> None:
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = DESCRIPTORS if most == resource.RLIM_INFINITY else min(DESCRIPTORS, most)
    if allowed != resource.RLIM_INFINITY and allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


_allow_descriptors()

REQUIRE_ALL = os.environ.get("REQUIRE_ALL_TESTS") == "1"

ALLOWED_SKIPS = {
    "there is no CPython ": "the worker is for many versions, of which a machine has some",
    "no other CPython on this machine": "only the person who runs the tests can install one",
}
"""What a skip's reason may begin with although every test must run, and why that is right."""

REPETITIONS = [
    pytest.param(count, marks=[pytest.mark.repeated, *([pytest.mark.slow] if count > 1 else [])])
    for count in range(1, 51)
]

hypothesis.settings.register_profile("default", deadline=None, print_blob=True)
hypothesis.settings.register_profile(
    "thorough", parent=hypothesis.settings.get_profile("default"), max_examples=2_000
)
hypothesis.settings.load_profile("default")


def _fail_forbidden_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Turn a skip into a failure where every test must run and the reason is not allowed."""
    if not (REQUIRE_ALL and report.skipped) or hasattr(report, "wasxfail"):
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    reason = reason.removeprefix("Skipped: ")
    if not reason.startswith(tuple(ALLOWED_SKIPS)):
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} must run here, and was skipped: {reason}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--repeat", type=int, default=1, help="run every test so many times")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each run, so that its name tells which one failed."""
    runs = metafunc.config.getoption("--repeat")
    if runs > 1:
        metafunc.fixturenames.append("_run")
        metafunc.parametrize("_run", range(1, runs + 1), ids=lambda run: f"run {run}")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what downloads hundreds of megabytes, unless the expression of marks names it."""
    if "large" in config.getoption("markexpr"):
        return
    large = [item for item in items if item.get_closest_marker("large")]
    if large:
        config.hook.pytest_deselected(items=large)
        items[:] = [item for item in items if item not in large]


def pytest_collection_finish() -> None:
    """Spare the collector what lives as long as the session: ten thousand tests are a large heap.

    Hundreds of tests collect garbage, which takes half a second each with it.
    """
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _fail_forbidden_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _fail_forbidden_skip(report)
    return report


@pytest.fixture(params=REPETITIONS)
def repetition(request: pytest.FixtureRequest) -> int:
    """For tests of faults: every test once, and in the slow tests 50 times in a row."""
    return int(request.param)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def noodle_command() -> list[str]:
    """The start of a command line that runs the installed ``noodle``."""
    script = Path(sys.executable).with_name("noodle")
    return [str(script)] if script.exists() else [sys.executable, "-m", "noodle"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 3 MB where this may be made; else a folder."""
    place = tmp_path / "disk"
    place.mkdir(mode=0o700)
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m,mode=700", "tmpfs", str(place)]
    mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    yield place
    if mounted:
        subprocess.run(["umount", "--lazy", str(place)], check=True)
