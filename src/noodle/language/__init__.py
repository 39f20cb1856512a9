"""The Noodle language: compiling, checking and running programs.

Everything is loaded when it is first used: running a program from the cache needs only a few small
modules, none of which imports the compiler.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from noodle.language.call_site import CallSite
    from noodle.language.compiler import call_sites, check_source, compile_source, imports
    from noodle.language.failures import Failure, describe_failure
    from noodle.language.foreign_imports import ForeignImport
    from noodle.language.host import Host
    from noodle.language.import_graph import CheckedFile, check_files
    from noodle.language.loader import ProgramLoader
    from noodle.language.printing import format_value
    from noodle.language.program import CompiledProgram
    from noodle.language.session import Session
    from noodle.language.source_files import read_source_file

LANGUAGE_VERSION = "0.1"
"""The version of the language; its second number grows with what the language can express."""

__all__ = [
    "LANGUAGE_VERSION",
    "CallSite",
    "CheckedFile",
    "CompiledProgram",
    "Failure",
    "ForeignImport",
    "Host",
    "ProgramLoader",
    "Session",
    "call_sites",
    "check_files",
    "check_source",
    "compile_source",
    "describe_failure",
    "format_value",
    "imports",
    "read_source_file",
]

_MODULES = {
    "CallSite": "call_site",
    "CheckedFile": "import_graph",
    "CompiledProgram": "program",
    "Failure": "failures",
    "ForeignImport": "foreign_imports",
    "Host": "host",
    "ProgramLoader": "loader",
    "Session": "session",
    "call_sites": "compiler",
    "check_files": "import_graph",
    "check_source": "compiler",
    "compile_source": "compiler",
    "describe_failure": "failures",
    "format_value": "printing",
    "imports": "compiler",
    "read_source_file": "source_files",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = f"{__name__}.{_MODULES[name]}"
    value = getattr(__import__(module, fromlist=[name]), name)
    globals()[name] = value
    return value
