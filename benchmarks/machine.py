"""What a figure depends on besides the code: machine and versions, without names or paths."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

from noodle.bridges.javascript.node import find_node

DISTRIBUTIONS = (
    "cffi",
    "numpy",
    "javascript",
    "mini-racer",
    "pythonmonkey",
    "rpyc",
    "execnet",
    "appose",
)

_GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
_CPU = Path("/proc/cpuinfo")


def describe() -> dict[str, str]:
    """Return facts about the machine and the versions in use, by name."""
    facts = {
        "processor": _cpu_field("model name") or platform.machine(),
        "architecture": platform.machine(),
        "cores": str(os.cpu_count()),
        "virtual machine": "yes" if "hypervisor" in (_cpu_field("flags") or "").split() else "no",
        "frequency governor": _governor(),
        "system": platform.system(),
        "libc": " ".join(platform.libc_ver()),
        "Python": f"{platform.python_implementation()} {platform.python_version()}",
        "Python's compiler": platform.python_compiler(),
    }
    return facts | {"Node.js": _node_version()} | {name: _version(name) for name in DISTRIBUTIONS}


def load_average() -> str:
    """Return how many threads wanted to run at a time in the last minute."""
    return f"{os.getloadavg()[0]:.2f}"


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "absent"


def _node_version() -> str:
    command = [str(find_node().node), "--version"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _governor() -> str:
    return _GOVERNOR.read_text().strip() if _GOVERNOR.is_file() else "not visible"


def _cpu_field(name: str) -> str | None:
    """Return a field of the first processor in ``/proc/cpuinfo``, or None where there is none."""
    if not _CPU.is_file():
        return None
    for line in _CPU.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return None
