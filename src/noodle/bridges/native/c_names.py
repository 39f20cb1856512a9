"""The names of types in C that are known without a declaration."""

from __future__ import annotations

import platform

__all__ = ["OPAQUE_TYPEDEFS", "OTHER_TYPEDEFS", "STANDARD_TYPEDEFS", "WORDS_TO_TYPE"]

# Noodle runs on LP64 systems: long and pointers have 64 bits.
_CHAR_IS_SIGNED = platform.machine() in ("x86_64", "i686", "i386", "AMD64")

WORDS_TO_TYPE = {
    "signed char": "i8",
    "unsigned char": "u8",
    "char": "i8" if _CHAR_IS_SIGNED else "u8",
    "short": "i16",
    "unsigned short": "u16",
    "int": "i32",
    "unsigned int": "u32",
    "long": "i64",
    "unsigned long": "u64",
    "long long": "i64",
    "unsigned long long": "u64",
    "float": "f32",
    "double": "f64",
    "_Bool": "bool",
    "void": "void",
}
STANDARD_TYPEDEFS = {
    "bool": "bool",
    "size_t": "u64",
    "ssize_t": "i64",
    "ptrdiff_t": "i64",
    "intptr_t": "i64",
    "uintptr_t": "u64",
    "intmax_t": "i64",
    "uintmax_t": "u64",
    "off_t": "i64",
    "time_t": "i64",
    "clock_t": "i64",
    "pid_t": "i32",
    "uid_t": "u32",
    "gid_t": "u32",
    "mode_t": "u32",
    "uint": "u32",
    "ulong": "u64",
    **{f"{'u' * (s == 'u')}int{b}_t": f"{s}{b}" for b in (8, 16, 32, 64) for s in "iu"},
}
OPAQUE_TYPEDEFS = ("FILE", "DIR", "va_list", "__builtin_va_list", "__gnuc_va_list")
OTHER_TYPEDEFS = tuple(f"_Float{kind}" for kind in ("16", "32", "32x", "64", "64x", "128", "128x"))
"""Types of compilers that the parser does not know; functions with them are refused."""
