"""The table of settings: each key with what it accepts, its default and its variable."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from noodle.settings import kinds
from noodle.settings.kinds import ValueKind

__all__ = [
    "CAPABILITIES",
    "INSTALL_POLICIES",
    "MODES",
    "PLACEMENTS",
    "SETTINGS",
    "TREE",
    "VARIABLE_PREFIX",
    "Key",
    "Setting",
    "dotted",
    "find",
]

CAPABILITIES = ("read", "write", "gpu", "system", "net")
"""What a bridge may be permitted to touch."""

INSTALL_POLICIES = ("auto", "always", "locked", "never")
"""When a load may install packages: in interactive use, always, only what is locked, never."""

MODES = ("off", "suggest", "optimize")
"""What the router may do at a call for which several arms are registered."""

PLACEMENTS = ("inprocess", "isolated", "remote")
"""Where a target may run."""

VARIABLE_PREFIX = "NOODLE_"
"""How the environment variables of settings begin."""

Key = tuple[str, ...]
"""A key, split at its dots."""

_BARE_NAME = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table of settings.

    Args:
        key: The dotted key; ``<name>`` stands for a name that the user chooses.
        kind: What it accepts.
        default: What holds where nothing is stated, in words.
        description: What it does, in one line.
        variable: The environment variable that states it.
    """

    key: str
    kind: ValueKind
    default: str
    description: str
    variable: str

    @property
    def type(self) -> str:
        """The type of its value, in words."""
        return self.kind.name


def _setting(key: str, kind: ValueKind, default: str, description: str) -> Setting:
    variable = VARIABLE_PREFIX + key.replace(".", "__").upper()
    return Setting(key, kind, default, description, variable.replace("DIRECTORY", "DIR"))


_placement = kinds.choice(*PLACEMENTS, unset="auto")
_lifetime = kinds.whole_number(kinds.MAX_SECONDS, "a whole number of seconds")

SETTINGS: tuple[Setting, ...] = (
    _setting(
        "sample_every",
        kinds.whole_number(kinds.MAX_SAMPLE_INTERVAL, "a whole number"),
        "64",
        "time one call in so many",
    ),
    _setting(
        "mode",
        kinds.choice(*MODES),
        "off",
        "what the router may do at a call for which several arms are registered",
    ),
    _setting("placement", _placement, "auto", "where targets run that state no placement"),
    _setting("deadline", kinds.seconds, "none", "how long a call may take"),
    _setting(
        "library_paths", kinds.directories, "none", "where native libraries are searched first"
    ),
    _setting("bridge_paths", kinds.directories, "none", "where plug-in bridges are searched"),
    _setting("cache_directory", kinds.directory, "~/.cache/noodle", "where compiled code is kept"),
    _setting(
        "install",
        kinds.choice(*INSTALL_POLICIES),
        "auto",
        "when a load may install packages",
    ),
    _setting("offline", kinds.flag, "false", "install without the network, from caches alone"),
    _setting(
        "ffi.bridges.<name>.path",
        kinds.target_path,
        "the bridge's name",
        "the target that the name stands for",
    ),
    _setting(
        "ffi.bridges.<name>.version",
        kinds.version,
        "any",
        "Python: an exact version or a specifier; native: the lowest version",
    ),
    _setting(
        "ffi.bridges.<name>.dependencies",
        kinds.texts,
        "none",
        "packages that the library needs beside itself",
    ),
    _setting("ffi.bridges.<name>.gpu_support", kinds.flag, "false", "use a GPU where there is one"),
    _setting(
        "ffi.bridges.<name>.optimization",
        kinds.choice("O0", "O1", "O2", "O3", "Os", unset="auto"),
        "auto",
        "the compiler's level for what Noodle compiles; auto is O2, for a crate its profile's",
    ),
    _setting("ffi.bridges.<name>.placement", _placement, "auto", "where the library runs"),
    _setting("ffi.bridges.<name>.prototypes", kinds.text, "none", "C prototypes of its functions"),
    _setting(
        "ffi.bridges.<name>.options.<option>",
        kinds.anything,
        "none",
        "an option of the runtime bridge, which checks it",
    ),
    _setting(
        "ffi.optimization.auto_vectorize",
        kinds.flag,
        "false",
        "loop scalar native functions over arrays in compiled code",
    ),
    _setting(
        "ffi.optimization.gpu_offload",
        kinds.flag,
        "false",
        "let the router use arms that run on a GPU",
    ),
    _setting(
        "ffi.optimization.parallel_execution",
        kinds.flag,
        "false",
        "let loops and independent calls use several cores",
    ),
    _setting(
        "security.authentication.jwt_secret", kinds.secret, "none", "the key that signs tokens"
    ),
    _setting(
        "security.authentication.token_expiry",
        _lifetime,
        "3600",
        "seconds that an access token is valid",
    ),
    _setting(
        "security.authentication.refresh_token_expiry",
        _lifetime,
        "86400",
        "seconds that a refresh token is valid",
    ),
    _setting(
        "security.authorization.bridge_permissions.<name>",
        kinds.names(*CAPABILITIES),
        "none",
        "what the bridge may touch",
    ),
    _setting(
        "security.authorization.user_roles.<role>",
        kinds.names(),
        "none",
        "the bridges that the role may call; '*' is all",
    ),
)
"""Every setting there is."""


def _tree() -> dict[str, Any]:
    root: dict[str, Any] = {}
    for setting in SETTINGS:
        *above, last = ("*" if part[0] == "<" else part for part in setting.key.split("."))
        table = root
        for part in above:
            table = table.setdefault(part, {})
        table[last] = setting
    return root


TREE: dict[str, Any] = _tree()
"""The settings as nested tables; ``*`` stands for a name that the user chooses."""


def find(key: Key) -> Setting | dict[str, Any] | None:
    """Return the setting or the table of a key, or None where there is none."""
    node: Setting | dict[str, Any] | None = TREE
    for part in key:
        node = node.get(part, node.get("*")) if isinstance(node, dict) else None
    return node


def dotted(key: Key) -> str:
    """Return a key as a configuration file writes it; unusual names stand in quotes."""
    return ".".join(part if _BARE_NAME.fullmatch(part) else repr(part) for part in key)
