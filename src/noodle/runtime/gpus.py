"""Which GPU a library may use on this machine, or why there is none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["GpuDriver", "gpu_note"]


@dataclass(frozen=True, slots=True)
class GpuDriver:
    """A kind of GPU driver, and what a program needs of it.

    Args:
        name: Whose it is.
        pattern: Its device files, relative to the root.
        library: The shared library that comes with the driver; None where libraries bring theirs.
        variable: The environment variable that hides devices, if there is one.
    """

    name: str
    pattern: str
    library: str | None = None
    variable: str | None = None


DRIVERS = (
    GpuDriver("NVIDIA", "dev/nvidia[0-9]*", "libcuda.so.1", "CUDA_VISIBLE_DEVICES"),
    GpuDriver("AMD", "dev/kfd", variable="HIP_VISIBLE_DEVICES"),
    GpuDriver("the kernel", "dev/dri/renderD*"),
)


def gpu_note(
    *,
    root: Path = Path("/"),
    environment: Mapping[str, str] | None = None,
    has_library: Callable[[str], bool] | None = None,
) -> str:
    """Return what ``explain`` tells of ``gpu_support``: the GPU, or the CPU and why.

    Args:
        root: Where device files are looked for.
        environment: The variables that hide devices; None for those of this process.
        has_library: Says whether a shared library of a driver is installed; None asks the linker.
    """
    variables = os.environ if environment is None else environment
    reasons = []
    for driver in DRIVERS:
        devices = sorted(root.glob(driver.pattern))
        if not devices:
            continue
        lacking = next(_lacking(driver, devices, variables, has_library or _is_installed), None)
        if lacking is None:
            found = ", ".join(f"/{device.relative_to(root)}" for device in devices)
            return f"gpu_support: {found} ({driver.name}'s driver), used as the library decides"
        reasons.append(lacking)
    looked_for = ", ".join(f"/{driver.pattern}" for driver in DRIVERS)
    return f"gpu_support: runs on the CPU, because {'; '.join(reasons) or _none(looked_for)}"


def _none(looked_for: str) -> str:
    return f"this machine shows no GPU (no {looked_for})"


def _lacking(
    driver: GpuDriver,
    devices: list[Path],
    variables: Mapping[str, str],
    has_library: Callable[[str], bool],
) -> Iterator[str]:
    """Yield why the devices of a driver cannot be used."""
    if driver.variable and variables.get(driver.variable, "0").strip() in ("", "-1"):
        yield f"{driver.variable} hides the GPU"
    if driver.library and not has_library(driver.library):
        yield f"the library {driver.library} of {driver.name}'s driver is not installed"
    if not any(_may_open(device) for device in devices):
        yield f"this user may not open the devices of {driver.name}'s driver"


def _is_installed(library: str) -> bool:
    from noodle.bridges.native.linker import find_library
    from noodle.errors import NoodleError

    try:
        find_library(library, Path("/"))
    except NoodleError:
        return False
    return True


def _may_open(device: Path) -> bool:
    return os.access(device, os.R_OK | os.W_OK, effective_ids=True)
