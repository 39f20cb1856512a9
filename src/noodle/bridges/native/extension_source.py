"""The C text of compiled extensions.

Functions that take and give the same types at the machine's level share one wrapper: a library of a
thousand functions has some two hundred of these *shapes*. A callable of Python is a wrapper with
the address of its function and what its pointers point to, so a call costs what one of cffi's own
wrappers costs. Many shapes are split into two files, which are compiled side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.extension_conversions import CONVERSIONS
from noodle.bridges.native.extension_module import ITEM_TYPE, MODULE
from noodle.bridges.native.failures import C_CHECKS

__all__ = ["Item", "Shape", "c_string", "extension_texts", "shape_of"]

_MOST_TOGETHER = 32
"""Measured: with more shapes than these, two files side by side are compiled sooner than one."""

_MOST_INLINE = 2
"""Chosen: wrappers of more parameters convert them in a loop, which is shorter to compile."""

Shape = tuple[str, ...]
"""The types of a function at the machine's level, in C: of the result, then of the parameters, with
``...`` where the fixed ones end."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that an extension knows by its key.

    Args:
        key: The kind of thing as one letter, and its name: ``f deflate``.
        text: What is known of it, as JSON.
        number: Where more is known of it: in the shapes or in the tables of a header's facts.
        check: Where the compiler has told whether it is what was read; None where it was not asked.
    """

    key: str
    text: str = ""
    number: int = 0
    check: int | None = None


def shape_of(declaration: Declaration) -> Shape:
    """Return what the function takes and gives at the machine's level."""
    types = [p.type.binary for p in declaration.parameters]
    if declaration.fixed:
        types.insert(declaration.fixed, "...")
    return (declaration.result.binary, *types)


def extension_texts(
    name: str,
    items: Sequence[Item],
    shapes: Sequence[Shape],
    *,
    facts: bool,
    reports_failures: bool = False,
) -> list[str]:
    """Return the C files of an extension, without that of a header's facts.

    Only types of a fixed list enter the code; names are in texts.

    Args:
        name: The module's name.
        items: What the extension knows.
        shapes: The shapes of its functions, by the number that their items have.
        facts: Whether the facts of a header are compiled into it.
        reports_failures: Whether the library reports failures; see ``failures.py``.
    """
    # The first file has the items too.
    half = len(shapes) * 2 // 5 if len(shapes) > _MOST_TOGETHER else len(shapes)
    first = [*shapes[:half]]
    texts = [
        "\n".join(
            [
                *_calls(first, 0, reports_failures),
                f"#define NOODLE_FIRST {len(first)}",
                f"#define NOODLE_SHAPES {len(shapes)}",
                f"#define NOODLE_HALVES {1 + (half < len(shapes))}",
                f"#define NOODLE_FACTS {int(facts)}",
                f"#define NOODLE_REPORTS {int(reports_failures)}",
                ITEM_TYPE,
                *_table(items),
                f"#define NOODLE_INIT PyInit_{name}",
                f'#define NOODLE_NAME "{name}"',
                MODULE,
            ]
        )
    ]
    if half < len(shapes):
        texts.append("\n".join(_calls(shapes[half:], 1, reports_failures)))
    return texts


def _table(items: Sequence[Item]) -> Iterable[str]:
    yield "static const struct noodle_item noodle_items[] = {"
    for item in sorted(items, key=lambda item: item.key.encode()):
        check = -1 if item.check is None else item.check
        yield f"{{{c_string(item.key)}, {item.number}, {check}, {c_string(item.text)}}},"
    yield "{NULL, 0, -1, NULL}};"
    yield f"#define NOODLE_ITEMS {len(items)}"


def _calls(shapes: Sequence[Shape], half: int, reports_failures: bool) -> Iterable[str]:
    yield CONVERSIONS
    yield C_CHECKS if reports_failures else ""
    after = "    if (noodle_failed())\n        return NULL;" if reports_failures else ""
    yield from (_wrapper(index, shape, after) for index, shape in enumerate(shapes))
    yield "#define NOODLE_CALL(call) (PyCFunction)(void (*)(void))call, METH_FASTCALL, NULL"
    yield f"PyMethodDef noodle_shapes_{half}[] = {{"
    for index in range(len(shapes)):
        yield f'    {{"native function", NOODLE_CALL(noodle_call_{index})}},'
    yield "    {NULL, NULL, 0, NULL},"
    yield "};"
    if reports_failures:
        yield f"""
void noodle_report_{half}(const unsigned int *count, void *taker)
{{
    noodle_failure_count = count;
    noodle_failure_taker = (const char *(*)(void))taker;
}}"""
    yield f"""
void noodle_adopt_{half}(void **exports, void **types)
{{
    memcpy(_cffi_exports, exports, sizeof _cffi_exports);
    memcpy(_cffi_types, types, sizeof _cffi_types);
}}"""


def _wrapper(index: int, shape: Shape, after: str) -> str:
    result, *kinds = shape
    parameters = [kind for kind in kinds if kind != "..."]
    count = len(parameters)
    pointers = sum(kind in _POINTERS for kind in parameters)
    refused = "return noodle_give_back(&lent), NULL;" if pointers else "return NULL;"
    together = count > _MOST_INLINE
    converted = _converted_together if together else _converted_one_by_one
    values = [f"a[{i}].{_member(k)}" if together else f"a{i}" for i, k in enumerate(parameters)]
    declared = kinds[: kinds.index("...") + 1] if "..." in kinds else parameters
    pointer = f"{result} (*)({', '.join(declared) or 'void'})"
    call = f"(({pointer})function->address)({', '.join(values)});"
    return "\n".join(
        [
            f"static PyObject *noodle_call_{index}"
            "(PyObject *self, PyObject *const *args, Py_ssize_t count)",
            "{",
            "    NoodleAddress *function = (NoodleAddress *)self;",
            f"    if (count != {count})",
            f"        return noodle_miscounted(count, {count});",
            *(_lent(pointers) if pointers else ()),
            *converted(parameters, refused),
            "    PyThreadState *thread = noodle_leave();",
            f"    {call}" if result == "void" else f"    {result} result = {call}",
            "    noodle_return(thread);",
            "    noodle_give_back(&lent);" if pointers else "",
            after,
            f"    {_returned(result)}",
            "}",
        ]
    )


def _lent(most: int) -> Iterable[str]:
    yield f"    Py_buffer views[{most}];"
    yield "    NoodleLent lent = {0, views};"


def _converted_one_by_one(parameters: Sequence[str], refused: str) -> Iterable[str]:
    for index, kind in enumerate(parameters):
        if kind in _POINTERS:
            yield f"    char *a{index};"
            given = f"{_POINTERS[kind]}, function->items[{index}], &lent"
            converted = f"noodle_to_pointer(args[{index}], {given}, &a{index})"
        else:
            yield f"    {kind} a{index};"
            converted = f"noodle_to_{kind}(args[{index}], &a{index})"
        yield f"    if (!{converted})"
        yield f"        {refused}"


def _converted_together(parameters: Sequence[str], refused: str) -> Iterable[str]:
    letters = "".join(_LETTERS[kind] for kind in parameters)
    lent = "&lent" if _POINTERS.keys() & set(parameters) else "NULL"
    yield f"    NoodleValue a[{len(parameters)}];"
    yield f'    if (!noodle_to_values(args, "{letters}", function->items, {lent}, a))'
    yield f"        {refused}"


def _member(kind: str) -> str:
    return "pointer_" if kind in _POINTERS else f"{kind}_"


_LETTERS = {
    **{f"{sign}int{bits}_t": letter for sign, letters in (("", "bhil"), ("u", "BHIL"))
       for bits, letter in zip((8, 16, 32, 64), letters, strict=True)},
    "float": "f",
    "double": "d",
    "_Bool": "?",
    "void *": "p",
    "char *": "t",
}  # fmt: skip
"""The letter of each kind in ``noodle_to_values``."""

_POINTERS = {"void *": "NOODLE_POINTER", "char *": "NOODLE_TEXT"}


def _returned(kind: str) -> str:
    if kind == "void":
        return "Py_RETURN_NONE;"
    if kind in _POINTERS:
        return f"return _cffi_from_c_pointer((char *)result, _cffi_type({_POINTERS[kind]}));"
    if kind in ("double", "float", "_Bool"):
        return f"return _cffi_from_c_{kind}(result);"
    return f"return noodle_from_{kind}(result);"


def c_string(text: str) -> str:
    """Return a text as C has it, in lines that every compiler takes."""
    lines = [text[start : start + 500] for start in range(0, len(text), 500)]
    return "\n".join(f'"{_escaped(line)}"' for line in lines) or '""'


def _escaped(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text.translate(_ESCAPES)
    return "".join(_octal(c) for c in text)


_ESCAPES = {ord('"'): '\\"', ord("\\"): "\\\\", ord("?"): "\\?"}


def _octal(character: str) -> str:
    return "".join(f"\\{byte:03o}" for byte in character.encode())
