"""Compiling: text → tree → names and types → Python ``ast`` → bytecode."""

from __future__ import annotations

import warnings
from types import CodeType
from typing import NamedTuple

from noodle.errors import LanguageError, NoodleSyntaxError
from noodle.language import tree
from noodle.language.call_site import CallSite, find_call_sites
from noodle.language.checker import check
from noodle.language.declared import DeclaredLibraries, Describe
from noodle.language.foreign_imports import ForeignImport, to_plain
from noodle.language.limits import too_deep
from noodle.language.lowering import lower
from noodle.language.parser import parse
from noodle.language.program import CompiledProgram
from noodle.language.scopes import resolve
from noodle.language.source_text import SourceText, in_source_order, raise_errors
from noodle.language.types import Types
from noodle.language.variables import Earlier, Names

__all__ = [
    "Analysis",
    "analyse",
    "call_sites",
    "check_source",
    "compile_analysis",
    "compile_source",
    "errors_of",
    "imports",
]


class Analysis(NamedTuple):
    """All that is known of a program before it runs.

    Args:
        source: Its text.
        program: Its tree.
        names: What its names mean.
        types: The types that are known.
        errors: Every error, in no order.
        incomplete: Whether the only trouble is that the text ends too early.
    """

    source: SourceText
    program: tree.Program
    names: Names
    types: Types
    errors: list[LanguageError]
    incomplete: bool


def analyse(
    source: str, path: str, earlier: Earlier | None = None, *, describe: Describe | None = None
) -> Analysis:
    """Read and check a program.

    Args:
        source: Its text.
        path: The file name to show.
        earlier: What earlier snippets of a session have left.
        describe: Says what the libraries that it imports declare; calls of theirs are then checked.
    """
    text = SourceText(source, path)
    try:
        program, errors, incomplete = parse(text)
        names = resolve(text, program, earlier)
        types = Types(text, names, DeclaredLibraries(describe))
        types.read_imports(program)
        if not errors:
            shows_result = earlier is not None
            found = check(text, program, types, shows_result=shows_result)
            errors = [*names.errors, *found]
        return Analysis(text, program, names, types, errors, incomplete)
    except NoodleSyntaxError as error:
        empty = tree.Program(0, 0, [])
        return Analysis(text, empty, Names(), Types(text, Names()), [error], False)
    except RecursionError:
        empty = tree.Program(0, 0, [])
        return Analysis(text, empty, Names(), Types(text, Names()), [too_deep(text, 0)], False)


def compile_source(source: str, path: str) -> CompiledProgram:
    """Compile a program.

    Args:
        source: Its text.
        path: The file name that errors and tracebacks show.

    Raises:
        LanguageError: The first error in source order; ``others`` has the further ones.
    """
    analysis = analyse(source, path)
    raise_errors(analysis.errors)
    return compile_analysis(analysis)


def compile_analysis(analysis: Analysis, *, keep_result: bool = False) -> CompiledProgram:
    """Generate the bytecode of a program without errors.

    Args:
        analysis: The program.
        keep_result: Whether its last expression's value is kept for a session.

    Raises:
        NoodleSyntaxError: It is nested more deeply than CPython's compiler can follow.
    """
    source = analysis.source
    try:
        module = lower(
            source, analysis.program, analysis.names, analysis.types, keep_result=keep_result
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(module, source.path, "exec", dont_inherit=True)
    except (RecursionError, MemoryError):
        raise too_deep(source, 0) from None
    except SyntaxError as error:
        raise _refused_by_python(source, error) from None
    exports = {name: v.python_name for name, v in analysis.names.top_level.items()}
    requests = tuple(to_plain(request) for request in analysis.types.imports)
    return CompiledProgram(source.path, source.original, _with_plain_names(code), exports, requests)


def _refused_by_python(source: SourceText, error: SyntaxError) -> NoodleSyntaxError:
    """Return the error for the few names that CPython keeps for itself, such as ``__debug__``."""
    return source.error(
        NoodleSyntaxError,
        f"Python cannot run this: {error.msg}",
        source.offset(error.lineno or 1),
        expected="a name that Python does not keep for itself",
        received=error.msg,
        remedy="choose another name",
    )


def _with_plain_names(code: CodeType) -> CodeType:
    """Give functions the names that the program gave them, for tracebacks and ``print``."""
    constants = tuple(
        _with_plain_names(constant) if isinstance(constant, CodeType) else constant
        for constant in code.co_consts
    )
    parts = [
        _plain(part)
        for part in code.co_qualname.split(".<locals>.")
        if part[:1] != "'" or part[1:2].isdigit()
    ]
    return code.replace(
        co_consts=constants, co_name=_plain(code.co_name), co_qualname=".".join(parts) or "<fn>"
    )


def _plain(name: str) -> str:
    return "<fn>" if name == "<lambda>" else name.partition("'")[0] or "<fn>"


def check_source(source: str, path: str) -> tuple[LanguageError, ...]:
    """Return every error that can be found without running a program, in source order."""
    return errors_of(analyse(source, path))


def errors_of(analysis: Analysis) -> tuple[LanguageError, ...]:
    """Return every error of an analysed program, in source order."""
    if not analysis.errors:
        try:
            compile_analysis(analysis)
        except LanguageError as error:
            return (error,)
    return tuple(in_source_order(analysis.errors))


def call_sites(source: str, path: str) -> tuple[CallSite, ...]:
    """Return every call of a program, in source order, without running anything.

    Raises:
        LanguageError: The program has errors.
    """
    analysis = analyse(source, path)
    raise_errors(analysis.errors)
    return find_call_sites(analysis.source, analysis.program, analysis.types)


def imports(source: str, path: str) -> tuple[ForeignImport, ...]:
    """Return the foreign imports of a program, in source order, without running anything.

    Raises:
        LanguageError: The program has errors.
    """
    analysis = analyse(source, path)
    raise_errors(analysis.errors)
    return tuple(analysis.types.imports)
