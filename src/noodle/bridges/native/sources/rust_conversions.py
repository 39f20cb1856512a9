"""How Rust's types appear in C, and what has to be done where the two differ.

A type that C has too crosses as it is. Others cross where a guard around the function converts
them: a slice as pointer and length, a text as what a NUL ends, a ``Result`` as its value or error.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from noodle.bridges.native.sources.rust_program import RustFunction, RustProgram, RustStructure
from noodle.bridges.native.sources.rust_types import RustType

__all__ = [
    "GUARD",
    "NUMBERS",
    "CTypes",
    "Conversion",
    "Crossing",
    "UnfitError",
    "array_length",
    "c_name",
    "is_c_word",
]

GUARD = "crate::noodle_guard"

NUMBERS = {
    **{f"{s}{b}": f"{'u' * (s == 'u')}int{b}_t" for s in "iu" for b in (8, 16, 32, 64)},
    **{"isize": "intptr_t", "usize": "size_t", "f32": "float", "f64": "double", "bool": "bool"},
    **{"c_char": "char", "c_schar": "signed char", "c_uchar": "unsigned char"},
    **{"c_short": "short", "c_ushort": "unsigned short", "c_int": "int", "c_uint": "unsigned int"},
    **{"c_long": "long", "c_ulong": "unsigned long", "c_longlong": "long long"},
    **{"c_ulonglong": "unsigned long long", "c_float": "float", "c_double": "double"},
    **{"size_t": "size_t", "ssize_t": "ssize_t", "char": "uint32_t", "c_void": "void"},
}
_INTEGER_LAYOUTS = ("i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "isize", "usize")
_NULLABLE = ("Box", "NonNull")
_C_WORDS = set(
    "auto break case char const continue default do double else enum extern float for goto if "
    "inline int long register restrict return short signed sizeof static struct switch typedef "
    "union unsigned void volatile while bool size_t ssize_t uint ulong FILE DIR".split()
)


_RUST_WORDS = set(
    "as async await break const continue crate dyn else enum extern false fn for if impl in let "
    "loop match mod move mut pub ref return self static struct super trait true type unsafe use "
    "where while yield try box".split()
)


class UnfitError(Exception):
    """A type that cannot cross; the text says why."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """How one parameter crosses.

    Args:
        declared: Its declarations in C: two for a slice.
        taken: The parameters of a guard, as Rust has them.
        convert: What makes the function's argument of them in a guard, or ``""``.
        needs_guard: Whether it cannot cross without one.
    """

    declared: tuple[str, ...]
    taken: tuple[str, ...]
    convert: str = ""
    needs_guard: bool = False


@dataclass(frozen=True, slots=True)
class Crossing:
    """How a result crosses.

    Args:
        declared: Its type in C, with a place for the function's name.
        given: What a guard returns, as Rust has it; ``""`` for nothing.
        convert: What a guard makes of the result ``it``.
        needs_guard: Whether it cannot cross without one.
    """

    declared: str
    given: str
    convert: str = "it"
    needs_guard: bool = False


class CTypes:
    """The types of a program in C.

    Args:
        program: What it declares.
    """

    def __init__(self, program: RustProgram) -> None:
        self._program = program

    # ------------------------------------------------------------------------ Declarations

    def declare(self, rust: RustType, name: str) -> str:
        """Return the C declaration of something that has a type which C has as well.

        Args:
            rust: The type.
            name: Its name in C.

        Raises:
            UnfitError: C has no such type.
        """
        rust = self.resolved(rust)
        pointee = self._pointee(rust)
        if pointee is not None:
            return self._pointer(pointee, name)
        if rust.kind == "function":
            return self._function(rust, name)
        if rust.kind == "path" and rust.name == "Option" and rust.inner:
            inner = self.resolved(rust.inner[0])
            if inner.kind == "function":
                return self._function(inner, name)
            raise UnfitError(f"{rust.text} has no layout in C; write through a pointer instead")
        return f"{self._value(rust)} {name}".strip()

    def resolved(self, rust: RustType) -> RustType:
        """Return what a type stands for: behind aliases and transparent structures."""
        for _ in range(100):
            if rust.kind != "path":
                return rust
            if rust.name in self._program.aliases and rust.name not in NUMBERS:
                rust = self._program.aliases[rust.name]
                continue
            structure = self._program.structures.get(rust.name)
            if structure and "transparent" in structure.layout and structure.fields:
                rust = structure.fields[0][1]
            elif rust.name == "MaybeUninit" and rust.inner:
                rust = rust.inner[0]
            else:
                return rust
        raise UnfitError(f"{rust.text} is an alias of itself")

    def structure(self, rust: RustType) -> RustStructure | None:
        """Return the structure or enumeration that a type names, or None."""
        return self._program.structures.get(rust.name) if rust.kind == "path" else None

    def _pointee(self, rust: RustType) -> tuple[RustType, bool] | None:
        """Return what a thin pointer points to and whether it may write there, or None."""
        if rust.kind == "path" and rust.name == "Option" and rust.inner:
            inner = self.resolved(rust.inner[0])
            is_pointer = inner.kind == "reference" or inner.name in _NULLABLE
            return self._pointee(inner) if is_pointer else None
        if rust.kind in ("pointer", "reference"):
            return rust.inner[0], rust.mutable
        if rust.kind == "path" and rust.name in _NULLABLE and rust.inner:
            return rust.inner[0], True
        return None

    def _pointer(self, pointee: tuple[RustType, bool], name: str) -> str:
        rust, mutable = self.resolved(pointee[0]), pointee[1]
        if rust.kind in ("slice", "other", "function") or rust.name in ("str", "CStr", "String"):
            raise UnfitError(f"a pointer to {rust.text} has no layout in C")
        if rust.kind == "array":
            return self._pointer((rust.inner[0], mutable), name)
        if self._pointee(rust) is not None:
            return self.declare(rust, f"{'' if mutable else 'const '}*{name}")
        return f"{'' if mutable else 'const '}{self._named(rust)} *{name}"

    def _named(self, rust: RustType) -> str:
        """Return the C type that a pointer points to; what C does not know stays closed."""
        if rust.is_unit:
            return "void"
        if rust.kind == "path" and rust.name in NUMBERS:
            return NUMBERS[rust.name]
        structure = self.structure(rust)
        if structure and structure.kind == "enum" and structure.layout:
            return self._enumeration(structure)
        kind = "union" if structure and structure.kind == "union" else "struct"
        return f"{kind} {re.sub(r'[^A-Za-z0-9_]+', '_', rust.text.rpartition('::')[2]).strip('_')}"

    def _value(self, rust: RustType) -> str:
        if rust.is_unit:
            return "void"
        if rust.kind == "path" and rust.name in NUMBERS and not rust.inner:
            return NUMBERS[rust.name]
        structure = self.structure(rust)
        if structure is None:
            raise UnfitError(f"{rust.text} has no counterpart in C")
        if structure.kind == "enum":
            return self._enumeration(structure)
        if not structure.has_c_layout:
            raise UnfitError(f"{rust.text} has no layout of C; write #[repr(C)] above it")
        return self._named(rust)

    def _enumeration(self, structure: RustStructure) -> str:
        if structure.variants is None:
            raise UnfitError(f"{structure.name} is an enumeration with data, which C lacks")
        for layout in structure.layout:
            if layout in _INTEGER_LAYOUTS:
                return NUMBERS[layout]
        if "C" in structure.layout:
            return "int"
        raise UnfitError(f"{structure.name} has no fixed layout; write #[repr(i32)] above it")

    def _function(self, rust: RustType, name: str) -> str:
        if not rust.name.startswith(("C", "system")):
            raise UnfitError(f'{rust.text} has Rust\'s calling convention; write extern "C" fn')
        *parameters, result = rust.inner
        listed = ", ".join(self.declare(parameter, "") for parameter in parameters)
        return f"{self.declare(result, '')} (*{name})({listed or 'void'})"

    # ------------------------------------------------------------------------- Structures

    def definitions(self) -> str:
        """Return the structures that have C's layout, in an order in which C accepts them."""
        known: dict[str, str] = {}
        for structure in self._program.structures.values():
            self._define(structure, known)
        return "\n".join(known.values())

    def _define(self, structure: RustStructure, known: dict[str, str]) -> None:
        if structure.name in known or structure.kind == "enum":
            return
        if not structure.has_c_layout or not structure.fields:
            return
        known[structure.name] = ""
        try:
            fields = [self._field(name, rust, known) for name, rust in structure.fields]
        except UnfitError:
            del known[structure.name]
            return
        del known[structure.name]  # behind those that it contains
        known[structure.name] = f"{structure.kind} {structure.name} {{ {' '.join(fields)} }};"

    def _field(self, name: str, rust: RustType, known: dict[str, str]) -> str:
        rust = self.resolved(rust)
        if rust.kind == "array":
            return self._field(f"{name}[{array_length(rust)}]", rust.inner[0], known)
        contained = self.structure(rust)
        if contained:
            self._define(contained, known)
            if contained.kind != "enum" and not known.get(contained.name):
                raise UnfitError(f"{rust.text} has no known layout")
        return f"{self.declare(rust, c_name(name))};"

    # -------------------------------------------------------------------- Across a border

    def parameter(self, rust: RustType, name: str) -> Conversion:
        """Return how a parameter crosses.

        Args:
            rust: Its type.
            name: Its name in C.

        Raises:
            UnfitError: It cannot.
        """
        known = self.resolved(rust)
        if known.kind == "reference":
            return self._reference(known, name)
        if known.kind == "path" and known.name == "Box":
            return Conversion(
                (self.declare(known, name),),
                (f"{name}: *mut {known.inner[0].text}",),
                f'{GUARD}::owned({name}, "{name}")?',
            )
        if known.kind == "path" and known.name == "char":
            return Conversion(
                (f"uint32_t {name}",),
                (f"{name}: u32",),
                f'{GUARD}::character({name}, "{name}")?',
                needs_guard=True,
            )
        if known.kind == "function" or (known.kind == "path" and known.name == "NonNull"):
            return Conversion(
                (self.declare(known, name),),
                (f"{name}: Option<{rust.text}>",),
                f'{GUARD}::present({name}, "{name}")?',
            )
        structure = self.structure(known)
        if structure and structure.kind == "enum" and structure.variants:
            return self._choice(known, structure, name)
        return Conversion((self.declare(known, name),), (f"{name}: {rust.text}",))

    def _reference(self, rust: RustType, name: str) -> Conversion:
        inner = self.resolved(rust.inner[0])
        suffix, const = ("_mut", "mut") if rust.mutable else ("", "const")
        if inner.kind == "slice":
            item = RustType("pointer", "", inner=inner.inner, mutable=rust.mutable)
            return Conversion(
                (self.declare(item, name), f"size_t {name}_len"),
                (f"{name}: *{const} {inner.inner[0].text}", f"{name}_len: usize"),
                f'{GUARD}::slice{suffix}({name}, {name}_len, "{name}")?',
                needs_guard=True,
            )
        if inner.name in ("str", "CStr") and not rust.mutable:
            function = "text" if inner.name == "str" else "c_text"
            return Conversion(
                (f"const char *{name}",),
                (f"{name}: *const ::std::os::raw::c_char",),
                f'{GUARD}::{function}({name}, "{name}")?',
                needs_guard=True,
            )
        return Conversion(
            (self.declare(rust, name),),
            (f"{name}: *{const} {rust.inner[0].text}",),
            f'{GUARD}::reference{suffix}({name}, "{name}")?',
        )

    def _choice(self, rust: RustType, structure: RustStructure, name: str) -> Conversion:
        number = next((p for p in structure.layout if p in _INTEGER_LAYOUTS), "i32")
        arms = ", ".join(
            f"x if x == {rust.text}::{variant} as {number} => {rust.text}::{variant}"
            for variant in structure.variants or ()
        )
        refused = f'return Err({GUARD}::refused("{name}", "is no {structure.name}"))'
        return Conversion(
            (self.declare(rust, name),),
            (f"{name}: {number}",),
            f"match {name} {{ {arms}, _ => {refused} }}",
        )

    def result(self, rust: RustType) -> Crossing:
        """Return how a result crosses.

        Args:
            rust: Its type.

        Raises:
            UnfitError: It cannot.
        """
        known = self.resolved(rust)
        if known.kind == "path" and known.name == "Result" and known.inner:
            value = self.result(known.inner[0])
            fine = f"match it {{ Ok(it) => {value.convert}, Err(e) => return {GUARD}::told(e) }}"
            return Crossing(value.declared, value.given, fine, needs_guard=True)
        if known.is_unit:
            return Crossing("void", "")
        is_text = known.name == "String" or (
            known.kind == "reference" and self.resolved(known.inner[0]).name == "str"
        )
        if is_text:
            given = "*const ::std::os::raw::c_char"
            return Crossing("const char *", given, f"{GUARD}::kept(it)?", needs_guard=True)
        declared = self.declare(known, "")
        pointee = self._pointee(known)
        if pointee and (known.kind == "reference" or known.name == "Option"):
            const = "mut" if pointee[1] else "const"
            given = f"*{const} {pointee[0].text}"
            return Crossing(declared, given, "::core::mem::transmute(it)")
        return Crossing(declared, rust.text)

    def refuse(self, function: RustFunction) -> str | None:
        """Return why a function cannot be called whatever its types are, or None."""
        if function.is_method:
            return "it is a method; move it out of the impl"
        if function.symbol is None:
            return "its symbol is mangled; write #[no_mangle] above it"
        if not function.has_c_abi:
            return 'it has Rust\'s calling convention; write extern "C" fn'
        if function.is_generic:
            return "it is generic"
        return None


def array_length(rust: RustType) -> int:
    """Return the length of an array.

    Raises:
        UnfitError: It is not written as a number.
    """
    length = rust.name.replace("_", "").removesuffix("usize")
    if not length.isdigit():
        raise UnfitError(f"{rust.text} has a length that is no number")
    return int(length)


def c_name(name: str) -> str:
    """Return a name that C and Rust accept for a parameter or field."""
    plain, bracket, length = name.partition("[")
    return (f"{plain}_" if plain in _C_WORDS | _RUST_WORDS else plain) + bracket + length


def is_c_word(name: str) -> bool:
    """Return whether C could not declare a function of that name."""
    return name in _C_WORDS
