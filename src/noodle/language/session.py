"""A program that is typed piece by piece."""

from __future__ import annotations

import linecache
import os
from typing import Any

from noodle.language.compiler import analyse, compile_analysis
from noodle.language.completions import Completions
from noodle.language.declared import DeclaredLibraries, Describe
from noodle.language.host import Host
from noodle.language.loader import ProgramLoader
from noodle.language.lowering import RESULT_NAME
from noodle.language.prelude import PRELUDE_NAMES
from noodle.language.source_text import raise_errors
from noodle.language.tokens import KEYWORDS
from noodle.language.variables import Earlier

__all__ = ["Session"]


class Session:
    """Snippets that share one top level; a name may be declared again.

    Args:
        host: Loads foreign libraries, reads files, takes output.
        directory: The directory against which imports of Noodle files are resolved.
        cache_directory: Where bytecode of imported files is kept; see ``ProgramLoader``.
        describe: Says what the libraries of foreign imports declare, for completion.

    Not safe for use by several threads at once.
    """

    def __init__(
        self,
        host: Host,
        directory: str = ".",
        cache_directory: str | None = None,
        *,
        describe: Describe | None = None,
    ) -> None:
        self._completions = Completions(DeclaredLibraries(describe))
        self._loader = ProgramLoader(host, cache_directory)
        self._directory = directory
        self._earlier = Earlier()
        self._namespace: dict[str, Any] = {"__name__": "session"}
        self._count = 0

    def incomplete(self, text: str) -> bool:
        """Return whether a snippet only lacks further lines: an open bracket, a missing operand."""
        analysis = analyse(text, "<input>", self._copy_of_names())
        return analysis.incomplete

    def run(self, text: str) -> Any:
        """Run a snippet.

        Args:
            text: One or more statements.

        Returns:
            The value of the last statement when it is an expression, else None.

        Raises:
            LanguageError: It cannot be compiled; nothing was run.
        """
        names = self._copy_of_names()
        path = os.path.join(self._directory, f"<input {self._count + 1}>")
        analysis = analyse(text, path, names)
        raise_errors(analysis.errors)
        program = compile_analysis(analysis, keep_result=True)
        self._count += 1
        linecache.cache[path] = (len(text), None, text.splitlines(keepends=True), path)
        self._loader.prepare(self._namespace, path)
        self._namespace["'program"] = program
        self._namespace[RESULT_NAME] = None
        self._earlier.used = names.used
        try:
            program.execute(self._namespace)
        finally:
            for name, variable in analysis.names.top_level.items():
                if variable.python_name in self._namespace:
                    self._earlier.variables[name] = variable
                    self._completions.learn(name, analysis.types.imported_names().get(name))
        return self._namespace[RESULT_NAME]

    def _copy_of_names(self) -> Earlier:
        return Earlier(dict(self._earlier.variables), dict(self._earlier.used))

    @property
    def namespace(self) -> dict[str, Any]:
        """The values of the names that the session has declared."""
        return {
            name: self._namespace[variable.python_name]
            for name, variable in self._earlier.variables.items()
        }

    def names(self) -> list[str]:
        """Return every name and word that may be typed, for completion."""
        return sorted({*self._earlier.variables, *PRELUDE_NAMES, *KEYWORDS, "ffi"})

    def completions(self, text: str) -> list[str]:
        """Return what may stand where the last word of a text stands.

        Args:
            text: The line up to the cursor, for example ``np.lin``, or ``m.pow(2, y`` for the name
                of a parameter. Members are looked up only in names that the session has declared;
                no function is called.
        """
        return self._completions.names(text, self.names(), self.namespace)

    def meaning(self, text: str, name: str) -> str:
        """Return in one line what a completion is; ``""`` where that is not known.

        Args:
            text: The line up to the cursor.
            name: One of its completions.
        """
        return self._completions.meaning(text, name)
