"""Settings: what may be configured, where it is stated, and which statement wins.

From highest to lowest: the arguments of ``configure``, ``NOODLE_*`` variables, the nearest
``noodle.toml`` above the program (or the file that was named), the defaults. The precedence holds
key by key; a list that is stated replaces the one below it. A relative path is resolved against the
directory of the file that states it, and against the working directory elsewhere.
"""

from noodle.settings.config_file import find_config
from noodle.settings.parts import (
    AuthenticationSettings,
    AuthorizationSettings,
    BridgeSettings,
    FfiSettings,
    OptimizationSettings,
    SecuritySettings,
    Settings,
)
from noodle.settings.resolution import OTHER_VARIABLES, resolve
from noodle.settings.secret import Secret
from noodle.settings.table import (
    CAPABILITIES,
    INSTALL_POLICIES,
    MODES,
    PLACEMENTS,
    SETTINGS,
    Setting,
)

__all__ = [
    "CAPABILITIES",
    "INSTALL_POLICIES",
    "MODES",
    "OTHER_VARIABLES",
    "PLACEMENTS",
    "SETTINGS",
    "AuthenticationSettings",
    "AuthorizationSettings",
    "BridgeSettings",
    "FfiSettings",
    "OptimizationSettings",
    "Secret",
    "SecuritySettings",
    "Setting",
    "Settings",
    "find_config",
    "resolve",
]
