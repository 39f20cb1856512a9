"""What uv reports when something cannot be had, as Noodle's errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from noodle.distribution_names import DISTRIBUTION_NAMES, normalized_name
from noodle.errors import (
    InstallationError,
    MissingPackageError,
    MissingToolError,
    NoodleError,
    VersionError,
)
from noodle.installation.tool import FREE_SPACE, ToolRun

__all__ = ["uv_error", "without_wheels"]

_NETWORK = re.compile(
    r"error sending request|client error \(Connect\)|dns error|Connection refused|timed out"
    r"|Could not connect|Network is unreachable|HTTP status (?:server|5)"
)


def uv_error(target: str, run: ToolRun, folder: Path, *, offline: bool = False) -> NoodleError:
    """Return the error for a run of uv that failed.

    Args:
        target: What is being installed.
        run: The run.
        folder: Where it worked, which concerns nobody.
        offline: Whether it did without the network, and so saw only a part of what there is.
    """
    told = _words(run).replace(f"{folder}/", "")
    unwrapped = " ".join(told.split())
    for pattern, make in _KINDS:
        if re.search(pattern, unwrapped):
            unsure = offline and make in _OF_THE_INDEX
            return (_offline_error if unsure else make)(target, f"uv: {told}")
    return InstallationError(
        f"{target} cannot be installed",
        received=f"uv: {told}",
        where=target,
        remedy="do what uv says; if its cache is damaged: uv cache clean",
    )


def _words(run: ToolRun) -> str:
    """Return what uv said, without what concerns only its own command line."""
    text = run.errors.strip() or run.output.strip()
    if not text:
        return f"ended by signal {-run.status}" if run.status < 0 else f"exit code {run.status}"
    lines = [
        line for line in text.splitlines() if not re.match(r"Using |Resolved |Prepared ", line)
    ]
    text = "\n".join(lines)
    text = re.sub(r" for split\s\(.*?\)(?=:?$)", "", text, flags=re.MULTILINE | re.DOTALL)
    text = re.sub(r"\n*hint: Wheels are required.*", "", text, flags=re.DOTALL)
    text = text.replace("your project's requirements", "these requirements")
    text = text.replace("your project", "this target")
    # Older versions of uv draw a tree of causes.
    text = re.sub(r"^ *[│ ]*╰─▶ ", "  cause: ", text.lstrip(" ×"), flags=re.MULTILINE)
    return text.removeprefix("error: ")[-_LONGEST:]


_LONGEST = 3000  # chosen: an explanation of uv, or the end of a build's output


def _offline_error(target: str, told: str) -> NoodleError:
    return InstallationError(
        f"{target} cannot be installed without the network",
        expected="packages in uv's cache",
        received=told,
        where=target,
        remedy="noodle sync, without --offline",
    )


def _full_disk(target: str, told: str) -> NoodleError:
    return InstallationError(
        f"{target} cannot be installed: the disk is full",
        received=told,
        where=target,
        remedy=f"{FREE_SPACE}, and for uv's own cache in UV_CACHE_DIR",
    )


def _other_content(target: str, told: str) -> NoodleError:
    return InstallationError(
        f"a package of {target} is not the one that was locked",
        expected="the hash in noodle.lock",
        received=told,
        where=target,
        remedy="find out why it changed; if you trust it, delete the table from noodle.lock",
    )


def _no_network(target: str, told: str) -> NoodleError:
    return InstallationError(
        f"{target} cannot be downloaded: the package index cannot be reached",
        expected="a network, or the packages in uv's cache",
        received=told,
        where=target,
        remedy="what has been installed once needs no network; otherwise check the proxy and the "
        "index: UV_DEFAULT_INDEX, uv.toml or pip config list",
    )


def _forbidden(target: str, told: str) -> NoodleError:
    return InstallationError(
        f"the package index refuses {target}",
        expected="credentials that may read the package",
        received=told,
        where=target,
        remedy="check the credentials of the index: uv auth login, a netrc file, or the index's "
        "address",
    )


def _failed_build(target: str, told: str) -> NoodleError:
    return InstallationError(
        f"a package of {target} cannot be built from source",
        expected="a build that succeeds",
        received=told,
        where=target,
        remedy="install what its build needs, or choose a version that has wheels",
    )


def _no_package(target: str, told: str) -> NoodleError:
    return MissingPackageError(
        f"there is no Python package for {target}, or for something that it needs",
        expected="a package of the index",
        received=told,
        where=target,
        remedy=_other_name(told),
    )


def _other_name(told: str) -> str:
    """Return what to do about a name that the index does not have."""
    missing = re.search(r"(?:Because|\band)\s+([\w.-]+)\s+was\s+not\s+found", told)
    name = missing[1] if missing else ""
    known = {*DISTRIBUTION_NAMES.values(), *_installed_names()} - {name}
    similar = get_close_matches(name, sorted(known), 1, cutoff=0.8)
    return f"did you mean {similar[0]}?" if similar else "check the name, and which index is used"


def _installed_names() -> Iterator[str]:
    from importlib import metadata

    return (normalized_name(one.name) for one in metadata.distributions() if one.name)


def _no_wheel(target: str, told: str) -> NoodleError:
    named = re.search(
        r"(?:Because|\band)\s+([\w.-]+?)(?:[=<>!~]\S*)?\s+has\s+no\s+(?:usable\s+)?wheels", told
    )
    return without_wheels(target, named[1] if named else "NAME", told)


def without_wheels(target: str, package: str, told: str) -> VersionError:
    """Return the error for a package that could only be built.

    Args:
        target: What is being installed.
        package: The package's name.
        told: What speaks against it.
    """
    return VersionError(
        f"{target} has no wheels that can be used here",
        expected="a built distribution for this machine and one of its versions of Python",
        received=told,
        where=target,
        remedy="choose another version of the package or of Python, or let it be built: "
        f'from_source=["{package}"]',
    )


def _contradiction(target: str, told: str) -> NoodleError:
    return VersionError(
        f"no versions satisfy {target}",
        expected="requirements that published versions satisfy together",
        received=told,
        where=target,
        remedy="ask for versions that exist and need nothing contradictory, or leave them open",
    )


def _old_uv(target: str, told: str) -> NoodleError:
    return MissingToolError(
        "uv is too old",
        expected="uv 0.8 or later",
        received=told,
        where=target,
        remedy="python -m pip install --upgrade uv",
    )


_KINDS = (
    (r"^(?:unexpected argument|unrecognized subcommand|invalid value) '", _old_uv),
    (r"network was disabled|Network connectivity is disabled|offline", _offline_error),
    (r"No space left on device|os error 28|os error 27|File too large|signal 25", _full_disk),
    (r"Hash mismatch", _other_content),
    (r"[Ff]ailed to build|build backend|Call to `\S+\.build", _failed_build),
    (r"HTTP status client error \(40[13]|40[13] (?:Unauthorized|Forbidden)", _forbidden),
    (_NETWORK.pattern, _no_network),
    (r"was not found in the package registry|was not found in the provided", _no_package),
    (r"no usable wheels|no wheels|doesn't have (?:a )?(?:source distribution|wheel)", _no_wheel),
    (r"No solution found", _contradiction),
)
"""What uv's words mean, the more special first."""

_OF_THE_INDEX = (_no_package, _no_wheel, _contradiction)
"""What can be said for sure only by somebody who sees the whole index."""
