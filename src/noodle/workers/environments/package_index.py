"""Where packages come from: what the user has configured for uv, else for pip.

uv reads its own configuration itself. Where that names no index, pip's is translated, so that a
machine whose pip finds packages needs nothing further. Nothing of it gets into the lock file.
"""

from __future__ import annotations

import configparser
import os
import shlex
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

__all__ = ["index_flags", "index_variables"]

_UV_VARIABLES = (
    "UV_CONFIG_FILE",
    "UV_DEFAULT_INDEX",
    "UV_EXTRA_INDEX_URL",
    "UV_FIND_LINKS",
    "UV_INDEX",
    "UV_INDEX_URL",
)
"""Variables that say where uv finds packages."""

_PIP_OPTIONS = ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "cert")


_MACHINE_FILE = Path("/etc/pip.conf")


def index_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that tell uv what pip is configured for; none where uv is configured.

    Args:
        environment: The environment variables of this process.
    """
    options = _options_for_uv(environment)
    variables = {
        "UV_DEFAULT_INDEX": options.get("index-url", ""),
        "UV_INDEX": _joined(options.get("extra-index-url"), " "),
        "UV_FIND_LINKS": _joined(options.get("find-links"), ","),
        "UV_INSECURE_HOST": _joined(options.get("trusted-host"), " "),
        "SSL_CERT_FILE": environment.get("SSL_CERT_FILE") or options.get("cert", ""),
    }
    if variables["UV_INDEX"]:
        # pip takes the best version of all indexes; uv alone would stop at the first that has any.
        variables["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return {name: value for name, value in variables.items() if value}


def index_flags(environment: Mapping[str, str]) -> list[str]:
    """Return what uv takes as an option alone: that pip is configured to use no index.

    Args:
        environment: The environment variables of this process.
    """
    no_index = _options_for_uv(environment).get("no-index", "").lower() in _TRUE
    return ["--no-index"] if no_index else []


_TRUE = ("1", "true", "yes", "on")


def _options_for_uv(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options, or none where uv is configured itself."""
    if any(environment.get(name) for name in _UV_VARIABLES) or _uv_is_configured(environment):
        return {}
    return _pip_options(environment)


def _joined(text: str | None, separator: str) -> str:
    return separator.join(shlex.split(text)) if text else ""


def _uv_is_configured(environment: Mapping[str, str]) -> bool:
    """Return whether a configuration file of the user or of the machine names an index for uv."""
    import tomllib

    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    places = [home, *environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep), "/etc"]
    for place in places:
        try:
            content = tomllib.loads(Path(place, "uv", "uv.toml").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        tables = (content, content.get("pip", {}))
        if any(key in table for table in tables for key in _UV_KEYS):
            return True
    return False


_UV_KEYS = ("index", "index-url", "extra-index-url", "find-links", "no-index")


def _pip_options(environment: Mapping[str, str]) -> dict[str, str]:
    """Return pip's options: variables win over files, nearer files over those farther away."""
    options: dict[str, str] = {}
    for path in _pip_files(environment):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                options.update(parser.items(section))
    for name in _PIP_OPTIONS:
        value = environment.get(f"PIP_{name.upper().replace('-', '_')}")
        if value:
            options[name] = value
    return options


def _pip_files(environment: Mapping[str, str]) -> Iterator[Path]:
    named = environment.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return
    for folder in environment.get("XDG_CONFIG_DIRS", "/etc/xdg").split(os.pathsep):
        yield Path(folder, "pip", "pip.conf")
    yield _MACHINE_FILE
    yield Path("~/.pip/pip.conf").expanduser()
    home = environment.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    yield Path(home, "pip", "pip.conf")
    yield Path(sys.prefix, "pip.conf")
    if named:
        yield Path(named)
