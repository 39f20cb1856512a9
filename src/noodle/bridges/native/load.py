"""One load: from the request to the library with its functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from noodle._callbacks import PendingCall
from noodle.bridges.native.annotation_tables import AnnotationTable
from noodle.bridges.native.compilers import COMPILER_REMEDY, Compiler
from noodle.bridges.native.contents import Contents, DeclaredContents
from noodle.bridges.native.declarations import (
    Declaration,
    Declarations,
    concerns_types,
)
from noodle.bridges.native.elf import ElfFile, read_library
from noodle.bridges.native.exports import Exports, missing_symbols
from noodle.bridges.native.failures import checked, reports_failures
from noodle.bridges.native.functions import NativeFunction, NativeFunctions
from noodle.bridges.native.libraries import NativeLibrary, Variables, VariablesHere
from noodle.bridges.native.library_files import LibraryFile, not_written
from noodle.bridges.native.natural_functions import NaturalFunction
from noodle.bridges.native.natural_load import LibraryCompanions, annotations_of
from noodle.bridges.native.opened_library import (
    START_ANEW,
    LoadedFile,
    OpenedLibrary,
    note_opened,
    refuse_replaced,
)
from noodle.bridges.native.options import NativeOptions
from noodle.bridges.native.packages import install_command
from noodle.bridges.native.sources import is_source, unescaped
from noodle.bridges.native.vectorized_loops import LoopOptions, loop_options
from noodle.bridges.native.vectorized_running import LocalLoop
from noodle.build_cache import BuildCache
from noodle.calls import LoadRequest
from noodle.errors import (
    CompilationError,
    MissingToolError,
    SettingsError,
    UsageError,
    VersionError,
)

if TYPE_CHECKING:
    from noodle.bridges.native.library_types import LibraryTypes

__all__ = ["COMPILED", "THROUGH_LIBFFI", "Load", "notes_of_call"]

COMPILED = "compiled call (cffi API mode)"
THROUGH_LIBFFI = "call through libffi (cffi ABI mode)"

_NO_COMPILER = "there is no C compiler"


class Load:
    """What is known while a library is being loaded.

    Args:
        request: What was asked for.
        library_paths: The bridge's own directories to search.
        compiler: The C compiler, or None.
        cache_directory: Where compiled files are kept, unless the options say another place.
    """

    def __init__(
        self,
        request: LoadRequest,
        *,
        library_paths: Sequence[str],
        compiler: Compiler | None,
        cache_directory: Path,
    ) -> None:
        self._request = request
        self._shown = request.location
        self._directory = Path(request.directory).absolute()
        self._options = NativeOptions.read(request.options)
        self._compiler = compiler
        chosen = self._options.cache_directory
        self._cache = BuildCache.at(Path(chosen) / "native" if chosen else cache_directory)
        self._notes: list[str] = [self._cache.note] if self._cache.note else []
        self._file = LibraryFile(
            request, self._options, library_paths, compiler, self._cache, self._directory
        )
        self._notes += self._file.notes
        self._header_files: tuple[str, ...] = ()
        self._path = self._file.path
        self._elf: ElfFile = read_library(self._path, self._shown)
        self._identity = self._elf.identity()
        self._opened: OpenedLibrary | None = None
        self._known_types: LibraryTypes | None = None

    def library(self) -> NativeLibrary:
        """Return the library. Everything is checked before a function is made."""
        refuse_replaced(self._path, self._identity, self._shown)
        self._check_version()
        functions = self._functions()
        return NativeLibrary(
            self._shown,
            functions,
            exports=lambda: self._open().exports,
            version=self._version,
            notes=tuple(self._notes),
            left_out=self._left_out,
            variables=self._variables(),
            types=lambda: self._types(functions.contents),
            file=self._own_file(START_ANEW),
            sources=self._file.sources,
        )

    def _own_file(self, remedy: str) -> LoadedFile | None:
        """Return the library's file, where it is the program's own.

        What the system has, and what is compiled from a source, stays as it was loaded.
        """
        location = self._request.location
        if "/" not in location or is_source(location, self._directory):
            return None
        return LoadedFile(self._path, self._identity, self._shown, remedy)

    def _types(self, contents: Contents) -> LibraryTypes:
        """Return the types of the library, always the same."""
        if self._known_types is None:
            from noodle.bridges.native.library_types import LibraryTypes

            self._known_types = LibraryTypes(self._request.library, contents, self._checked)
        return self._known_types

    def _checked(self, entry: Callable[..., Any]) -> Callable[..., Any]:
        """Return cffi's callable with a look at what the library reports behind it."""
        opened = self._opened_here()
        return checked(entry, opened.address_of, opened.exports)

    @property
    def _left_out(self) -> Mapping[str, str]:
        """Why functions and variables of a source cannot be used, by their names."""
        interface = self._file.interface
        left_out = interface.left_out if interface else ()
        return {one.name: f"{one.reason} ({one.where})" for one in left_out}

    def _variables(self) -> Variables:
        return VariablesHere(lambda name: self._opened_here().address_of(name))

    def _open(self) -> Exports:
        """Return what the library exports, once it is known that it can be loaded."""
        return self._opened_here()

    def _opened_here(self) -> OpenedLibrary:
        if self._opened is None:
            self._opened = OpenedLibrary(self._path, self._elf, self._shown)
        return self._opened

    def _version(self) -> str | None:
        if not is_source(self._shown, self._directory):
            return self._own_version()
        from noodle.bridges.native.sources.rust_crates import version_of_crate

        return version_of_crate(self._directory / self._shown)

    def _own_version(self) -> str | None:
        from noodle.bridges.native.versions import version_of

        return version_of(self._path, self._opened_here().handle)

    def _check_version(self) -> None:
        requirement = self._request.requirement.strip()
        if not requirement:
            return
        from noodle.bridges.native.versions import satisfies

        version = self._version()
        enough = satisfies(version or "", requirement)
        if enough is None:
            told = f"only {version}" if version else "none"
            self._notes.append(f"version {requirement} was asked for; the library tells {told}")
        elif not enough:
            raise VersionError(
                f"{self._shown!r} has a version that was not asked for",
                expected=requirement,
                received=version,
                where=self._shown,
                remedy=install_command([self._shown, *self._options.dependencies])
                or "install a version that fits, or name its directory: library_paths=[…]",
            )

    def _functions(self) -> NativeFunctions:
        if self._options.header:
            return self._header_functions()
        if not self._file.prototypes:
            self._refuse_further_arguments()
            return self._no_functions()
        if self._options.mode == "abi":
            return self._libffi_functions()
        try:
            return self._compiled_functions()
        except (CompilationError, MissingToolError) as error:
            if self._options.mode == "api":
                raise
            remedy = f" ({error.remedy})" if error.remedy else ""
            self._notes.append(f"called through libffi, which is slower: {error.summary}{remedy}")
        return self._libffi_functions()

    def _header_functions(self) -> NativeFunctions:
        from noodle.bridges.native.headers.load import header_extension

        if self._request.prototypes:
            raise SettingsError(
                "a library is declared by its header or by prototypes, not by both",
                expected="header or prototypes",
                received="both",
                where=self._shown,
                remedy="leave the prototypes out; what is lacking goes into a header of your own",
            )
        extension = header_extension(
            self._options,
            self._path,
            self._identity,
            self._compiler,
            self._cache,
            location=self._request.location,
            directory=self._directory,
            exports=lambda: self._open().exports,
        )
        self._header_files = extension.headers
        return self._compiled_with(lambda: (extension.key, extension.file))

    def _refuse_further_arguments(self) -> None:
        """Refuse types of further arguments where no C declares a function that takes such."""
        if self._options.variadic:
            from noodle.bridges.native.further_arguments import FurtherArguments

            FurtherArguments(self._options.variadic).declarations()

    def _no_functions(self) -> NativeFunctions:
        self._open()
        return NativeFunctions(DeclaredContents())

    def _declarations(self) -> Declarations:
        """Return the declarations, after checking that the library has all that they name."""
        prototypes = self._file.prototypes or ()
        if isinstance(prototypes, str):
            from noodle.bridges.native.c_parser import parse_c

            declarations = parse_c(prototypes, self._options.variadic)
        else:
            from noodle.bridges.native.noodle_prototypes import from_prototypes

            self._refuse_further_arguments()
            declarations = from_prototypes(prototypes)
        if self._file.interface:
            functions = tuple(replace(d, name=unescaped(d.name)) for d in declarations.functions)
            variables = tuple(replace(v, name=unescaped(v.name)) for v in declarations.variables)
            return replace(declarations, functions=functions, variables=variables)
        self._refuse_missing(declarations)
        return declarations

    def _refuse_missing(self, declarations: Declarations) -> None:
        opened = self._open()
        exported = dict.fromkeys(d.exported for d in declarations.functions)
        functions = [name for name in exported if not opened.is_function(name)]
        names = [variable.name for variable in declarations.variables]
        variables = [name for name in names if not opened.is_variable(name)]
        if functions or variables:
            raise missing_symbols(self._shown, functions, variables, opened.exports)

    def _compiled_functions(self) -> NativeFunctions:
        from noodle.bridges.native.compiled_contents import items_of
        from noodle.bridges.native.extensions import (
            ExtensionParts,
            compile_extension,
            extension_key,
        )

        compiler = self._compiler
        if compiler is None:
            raise MissingToolError(
                _NO_COMPILER,
                expected="$CC, cc, gcc, clang or the package ziglang",
                received="none of them",
                where=self._shown,
                remedy=f"{COMPILER_REMEDY}; or leave mode='api' out"
                if self._options.mode == "api"
                else COMPILER_REMEDY,
            )
        text = _text_of(self._file.prototypes, self._options.variadic)
        key = extension_key(text, self._path, self._identity, compiler.identity)

        def describe(_: Path) -> ExtensionParts:
            items, shapes = items_of(self._declarations(), checked=False)
            reports = reports_failures(self._open().exports)
            return ExtensionParts(items, shapes, reports_failures=reports)

        return self._compiled_with(
            lambda: (key, compile_extension(key, describe, self._cache, compiler))
        )

    def _compiled_with(self, extension: Callable[[], tuple[str, Path]]) -> NativeFunctions:
        try:
            return self._extension_functions(*extension())
        except (UsageError, CompilationError):
            raise
        except OSError as error:
            raise CompilationError(not_written(error)) from error
        except ImportError as error:
            # When the library itself is at fault, opening it says so; else it is the extension.
            self._open()
            raise CompilationError(
                "what was compiled does not load", received=str(error)
            ) from error

    def _extension_functions(self, key: str, compiled: Path) -> NativeFunctions:
        from noodle.bridges.native.extensions import open_extension

        extension = open_extension(key, compiled, self._path)
        note_opened(self._path, self._identity)
        return self._bind(extension.contents, extension.entry, compiled=True)

    def _libffi_functions(self) -> NativeFunctions:
        from noodle.bridges.native.libffi import entry

        opened = self._opened_here()

        def called(declaration: Declaration) -> Callable[..., Any]:
            return self._checked(entry(declaration, opened.address_of(declaration.exported)))

        return self._bind(DeclaredContents(self._declarations()), called, compiled=False)

    def _bind(
        self,
        contents: Contents,
        entry: Callable[[Declaration], Callable[..., Any]],
        *,
        compiled: bool,
    ) -> NativeFunctions:
        library = self._request.library
        table = self._annotations(contents)
        options = self._loop_options(contents)
        calls_back = contents.calls_back
        companions = LibraryCompanions(contents, entry, table)

        def make(declaration: Declaration) -> NativeFunction:
            plan = table.plan(declaration)
            types = self._types(contents) if plan or concerns_types(declaration) else None
            called = (
                self._types(contents).entry(declaration, self._address(declaration))
                if declaration.by_libffi
                else entry(declaration)
            )
            called = PendingCall(called) if calls_back or declaration.calls_back else called
            loop = LocalLoop(declaration, lambda: self._address(declaration), options)
            checks = compiled and not declaration.by_libffi
            notes = notes_of_call(declaration, compiled=compiled)
            given: Any = {"compiled": checks, "notes": notes, "loop": loop, "types": types}
            if plan:
                return NaturalFunction(library, plan, called, companions, **given)
            return NativeFunction(library, declaration, called, **given)

        functions = companions.functions = NativeFunctions(contents, make, library)
        return functions

    def _annotations(self, contents: Contents) -> AnnotationTable:
        """Return all that is said of the functions, checked."""
        return AnnotationTable(
            contents, annotations_of(self._options, self._shown, self._directory)
        )

    def _address(self, declaration: Declaration) -> int:
        return self._opened_here().address_of(declaration.exported)

    def _loop_options(self, contents: Contents) -> LoopOptions:
        compiler, cache, source = self._compiler, self._cache, self._file.loop_source()
        return loop_options(self._options, contents, self._shown, compiler, cache, source)


def notes_of_call(declaration: Declaration, *, compiled: bool) -> tuple[str, ...]:
    """Return what ``explain`` should tell about how a function is called.

    Args:
        declaration: The function.
        compiled: Whether there is a compiled extension.
    """
    if declaration.late:
        return (f"{THROUGH_LIBFFI}: its further types were declared after the load",)
    return (COMPILED if compiled else THROUGH_LIBFFI,)


def _text_of(prototypes: Any, variadic: Sequence[tuple[str, str]]) -> str:
    """Return a text that is another one wherever the declarations are others."""
    if isinstance(prototypes, str):
        return "\0".join([f"C {prototypes}", *map("=".join, variadic)])
    return "Noodle " + "; ".join(map(str, prototypes))
