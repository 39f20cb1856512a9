"""What ``gpu_support`` comes to on a machine, and why (conformance S8)."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from noodle.runtime.gpus import gpu_note

NOBODY = 65534


@pytest.fixture
def machine() -> Iterator[Path]:
    """The root of a machine, which every user may look into."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        root.chmod(0o755)
        (root / "dev" / "dri").mkdir(parents=True)
        yield root


def note(machine: Path, *libraries: str, **environment: str) -> str:
    return gpu_note(root=machine, environment=environment, has_library=lambda n: n in libraries)


def test_a_machine_without_devices_runs_on_the_cpu(machine: Path) -> None:
    (machine / "dev" / "nvidiactl").touch()  # of the driver, and no GPU
    assert note(machine) == (
        "gpu_support: runs on the CPU, because this machine shows no GPU "
        "(no /dev/nvidia[0-9]*, /dev/kfd, /dev/dri/renderD*)"
    )


def test_devices_are_named(machine: Path) -> None:
    for name in ("nvidia0", "nvidia1"):
        (machine / "dev" / name).touch()
    found = "gpu_support: /dev/nvidia0, /dev/nvidia1 (NVIDIA's driver), used as the library decides"
    assert found == note(machine, "libcuda.so.1")
    assert found == note(machine, "libcuda.so.1", CUDA_VISIBLE_DEVICES="1")


def test_a_driver_without_its_library_is_no_use(machine: Path) -> None:
    (machine / "dev" / "nvidia0").touch()
    assert note(machine) == (
        "gpu_support: runs on the CPU, because the library libcuda.so.1 of NVIDIA's driver is not "
        "installed"
    )


@pytest.mark.parametrize("hidden", ["", "-1"])
def test_a_hidden_gpu_is_not_used(machine: Path, hidden: str) -> None:
    (machine / "dev" / "nvidia0").touch()
    told = note(machine, "libcuda.so.1", CUDA_VISIBLE_DEVICES=hidden)
    assert told == "gpu_support: runs on the CPU, because CUDA_VISIBLE_DEVICES hides the GPU"


def test_another_driver_serves_where_the_first_does_not(machine: Path) -> None:
    for name in ("nvidia0", "kfd", "dri/renderD128"):
        (machine / "dev" / name).touch()
    assert "/dev/kfd (AMD's driver)" in note(machine)
    assert "/dev/dri/renderD128 (the kernel's driver)" in note(machine, HIP_VISIBLE_DEVICES="")


def test_a_device_that_the_user_may_not_open_is_not_used(machine: Path) -> None:
    device = machine / "dev" / "kfd"
    device.touch()
    device.chmod(0)
    with _ordinary_user():
        told = note(machine)
    assert told.endswith("because this user may not open the devices of AMD's driver")


@contextmanager
def _ordinary_user() -> Iterator[None]:
    """Take the rights of an ordinary user for a while."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
