"""Environments of Python packages for workers: locked, built by uv, shared by equal locks.

===========================  ====================================================================
:mod:`~.environments`        makes an environment, or finds it again
:mod:`~.environment`         a complete one: its interpreter, its packages
:mod:`~.requirements`        what an environment must have
:mod:`~.interpreters`        the versions of Python that this machine has
:mod:`~.interpreter_choice`  which of them may be used, or why none
:mod:`~.resolution`          from requirements to exact versions with hashes
:mod:`~.locked_packages`     a table of the lock file
:mod:`~.installed_modules`   what an environment turned out to hold
:mod:`~.uv`                  uv itself
:mod:`~.uv_failures`         what uv reports, as Noodle's errors
:mod:`~.package_index`       where packages come from
===========================  ====================================================================
"""

from noodle.workers.environments.environment import Environment
from noodle.workers.environments.environments import Environments
from noodle.workers.environments.requirements import Requirements, missing_here

__all__ = ["Environment", "Environments", "Requirements", "missing_here"]
