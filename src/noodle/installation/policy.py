"""When packages may be installed: only where somebody has asked for it or can see it happen."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass

from noodle.errors import MissingPackageError

__all__ = ["InstallPolicy", "is_interactive"]


@dataclass(frozen=True, slots=True)
class InstallPolicy:
    """What a load, or ``noodle sync``, may do about packages that are not there.

    Args:
        mode: ``auto`` installs in interactive use, ``always`` everywhere, ``locked`` only what the
            lock file names, ``never`` nothing.
        offline: Whether to do without the network, from the package managers' caches.
    """

    mode: str = "auto"
    offline: bool = False

    def require_locking(self, target: str, lock_file: str) -> None:
        """Refuse a target that the lock file does not name, unless it may be resolved now.

        Args:
            target: The target, for the message.
            lock_file: The lock file's name.

        Raises:
            MissingPackageError: It may not.
        """
        if self.mode == "locked":
            raise MissingPackageError(
                f"{target} is not in {lock_file}, which may not be changed now",
                expected="a target that is locked",
                received="the policy locked (--frozen)",
                where=target,
                remedy=f"noodle sync, without --frozen, and keep {lock_file} under version control",
            )
        self._require(
            target,
            f"{target} is not in {lock_file}, and may not be resolved now",
            f"noodle sync {shlex.quote(target)}",
        )

    def require_installing(self, target: str) -> None:
        """Refuse packages that are not installed, unless they may be installed now.

        Args:
            target: The target, for the message.

        Raises:
            MissingPackageError: They may not.
        """
        self._require(target, f"the packages of {target} are not installed", "noodle sync")

    def _require(self, target: str, summary: str, command: str) -> None:
        if self.mode == "never" or (self.mode == "auto" and not is_interactive()):
            asked = self.mode == "never"
            raise MissingPackageError(
                summary,
                expected="packages that noodle sync has installed",
                received="the policy never, which installs nothing"
                if asked
                else "no terminal or notebook, so nothing is installed without being asked for",
                where=target,
                remedy=command if asked else f"{command}, or set NOODLE_INSTALL=always",
            )


def is_interactive() -> bool:
    """Return whether a person sees what this process does: a terminal, a prompt or a notebook."""
    if hasattr(sys, "ps1") or sys.flags.interactive or _in_notebook():
        return True
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it is closed
        return False


def _in_notebook() -> bool:
    shell = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return shell is not None and shell() is not None
