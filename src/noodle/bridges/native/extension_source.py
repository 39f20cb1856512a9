"""The C text of compiled extensions.

Functions that take and give the same types at the machine's level share one wrapper: a library of a
thousand functions has some two hundred of these *shapes*. A callable of Python is a wrapper with
the address of its function, so a call costs what one of cffi's own wrappers costs. Many shapes are
split into two files, which are compiled side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.extension_module import ITEM_TYPE, MODULE

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


# cffi's own conversions round; these refuse a number that the C type does not hold.
_CONVERSIONS = r"""
#define _CFFI_NO_LIMITED_API
#include "_cffi_include.h"
#include <dlfcn.h>
#include <float.h>
#include <stdint.h>

/* Whether a float is the number that it was made from; a float as small as this one always is. */
static int noodle_holds(PyObject *number, double value)
{
    if (!PyLong_Check(number) || (-16777216.0 < value && value < 16777216.0))
        return 1;
    PyObject *back = PyLong_FromDouble(value);
    int same = back ? PyObject_RichCompareBool(back, number, Py_EQ) : -1;
    Py_XDECREF(back);
    return same;
}

static int noodle_refuse(PyObject *number, const char *type)
{
    if (!PyErr_Occurred())
        PyErr_Format(PyExc_OverflowError, "%R does not fit %s", number, type);
    return 0;
}

/* These return whether the number fits; else an error is set. */
static inline int noodle_to_double(PyObject *number, double *value)
{
    if (PyFloat_CheckExact(number)) {
        *value = PyFloat_AS_DOUBLE(number);
        return 1;
    }
    *value = PyFloat_AsDouble(number);
    if (*value == -1.0 && PyErr_Occurred())
        return 0;
    return noodle_holds(number, *value) == 1 || noodle_refuse(number, "double");
}

static int noodle_to_float(PyObject *number, float *value)
{
    double exact = PyFloat_AsDouble(number);
    if (exact == -1.0 && PyErr_Occurred())
        return 0;
    double size = exact < 0 ? -exact : exact;
    *value = (float)exact;
    if (size >= 0x1.ffffffp+127 && size <= DBL_MAX)
        return noodle_refuse(number, "float");
    return noodle_holds(number, *value) == 1 || noodle_refuse(number, "float");
}

#define NOODLE_INTEGER(type)                                                    \
    static PyObject *noodle_from_##type(type value)                             \
    {                                                                           \
        return _cffi_from_c_int(value, type);                                   \
    }                                                                           \
    static int noodle_to_##type(PyObject *number, type *value)                  \
    {                                                                           \
        *value = _cffi_to_c_int(number, type);                                  \
        return *value != (type)-1 || !PyErr_Occurred();                         \
    }

NOODLE_INTEGER(int8_t)
NOODLE_INTEGER(int16_t)
NOODLE_INTEGER(int32_t)
NOODLE_INTEGER(int64_t)
NOODLE_INTEGER(uint8_t)
NOODLE_INTEGER(uint16_t)
NOODLE_INTEGER(uint32_t)
NOODLE_INTEGER(uint64_t)

static int noodle_to__Bool(PyObject *number, _Bool *value)
{
    int found = _cffi_to_c__Bool(number);
    *value = found == 1;
    return found >= 0 || !PyErr_Occurred();
}

/* cffi's table of types: void *(char *), char *, void *. */
static void *_cffi_types[] = {
    _CFFI_OP(_CFFI_OP_FUNCTION, 3),
    _CFFI_OP(_CFFI_OP_POINTER, 4),
    _CFFI_OP(_CFFI_OP_FUNCTION_END, 0),
    _CFFI_OP(_CFFI_OP_POINTER, 5),
    _CFFI_OP(_CFFI_OP_PRIMITIVE, 2),
    _CFFI_OP(_CFFI_OP_PRIMITIVE, 0),
};
enum { NOODLE_TEXT = 1, NOODLE_POINTER = 3 };

static void *noodle_pointers(char *text) { return text; }

static PyObject *noodle_pointers_of(PyObject *self, PyObject *text)
{
    (void)self;
    return Py_NewRef(text);
}

static const struct _cffi_global_s noodle_globals[] = {
    {"noodle_pointers", (void *)noodle_pointers_of, _CFFI_OP(_CFFI_OP_CPYTHON_BLTN_O, 0),
     (void *)noodle_pointers},
};

static const struct _cffi_type_context_s noodle_types = {
    .types = _cffi_types, .globals = noodle_globals, .num_globals = 1, .num_types = 6,
};

/* Returns whether a value is memory, whose address it then gives; else an error is set. */
static int noodle_to_pointer(PyObject *value, int type, char **pointer)
{
    if (PyBytes_CheckExact(value)) {
        *pointer = PyBytes_AS_STRING(value);
        return 1;
    }
    Py_ssize_t size = _cffi_prepare_pointer_call_argument(_cffi_type(type), value, pointer);
    if (size > 0)
        PyErr_SetString(PyExc_TypeError, "expected memory");
    return size == 0;
}

/* The address of a function, as the self of its wrapper. */
typedef struct {
    PyObject_HEAD
    void *address;
} NoodleAddress;

static void noodle_forget(PyObject *self) { PyObject_Free(self); }

static PyTypeObject noodle_address_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "noodle.FunctionAddress",
    .tp_basicsize = sizeof(NoodleAddress),
    .tp_dealloc = noodle_forget,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

/* Between these two, other threads of Python run. */
static PyThreadState *noodle_leave(void)
{
    PyThreadState *thread = PyEval_SaveThread();
    _cffi_restore_errno();
    return thread;
}

static void noodle_return(PyThreadState *thread)
{
    _cffi_save_errno();
    PyEval_RestoreThread(thread);
}

typedef union {
    int8_t int8_t_; int16_t int16_t_; int32_t int32_t_; int64_t int64_t_;
    uint8_t uint8_t_; uint16_t uint16_t_; uint32_t uint32_t_; uint64_t uint64_t_;
    float float_; double double_; _Bool _Bool_; char *pointer_;
} NoodleValue;

#define NOODLE_CASE(kind, type)                            \
    case kind:                                             \
        if (!noodle_to_##type(*args, &values->type##_))    \
            return 0;                                      \
        break;

/* Returns whether all arguments fit their kinds, one letter each; else an error is set. */
static int noodle_to_values(PyObject *const *args, const char *kinds, NoodleValue *values)
{
    for (; *kinds != '\0'; kinds++, args++, values++)
        switch (*kinds) {
        NOODLE_CASE('b', int8_t) NOODLE_CASE('h', int16_t)
        NOODLE_CASE('i', int32_t) NOODLE_CASE('l', int64_t)
        NOODLE_CASE('B', uint8_t) NOODLE_CASE('H', uint16_t)
        NOODLE_CASE('I', uint32_t) NOODLE_CASE('L', uint64_t)
        NOODLE_CASE('f', float) NOODLE_CASE('d', double) NOODLE_CASE('?', _Bool)
        default:
            if (!noodle_to_pointer(*args, *kinds == 't' ? NOODLE_TEXT : NOODLE_POINTER,
                                   &values->pointer_))
                return 0;
        }
    return 1;
}

static PyObject *noodle_miscounted(Py_ssize_t count, int expected)
{
    return PyErr_Format(PyExc_TypeError, "expected %d arguments, got %zd", expected, count);
}
"""


def shape_of(declaration: Declaration) -> Shape:
    """Return what the function takes and gives at the machine's level."""
    types = [p.type.binary for p in declaration.parameters]
    if declaration.fixed:
        types.insert(declaration.fixed, "...")
    return (declaration.result.binary, *types)


def extension_texts(
    name: str, items: Sequence[Item], shapes: Sequence[Shape], *, facts: bool
) -> list[str]:
    """Return the C files of an extension, without that of a header's facts.

    Only types of a fixed list enter the code; names are in texts.

    Args:
        name: The module's name.
        items: What the extension knows.
        shapes: The shapes of its functions, by the number that their items have.
        facts: Whether the facts of a header are compiled into it.
    """
    # The first file has the items too.
    half = len(shapes) * 2 // 5 if len(shapes) > _MOST_TOGETHER else len(shapes)
    first = [*shapes[:half]]
    texts = [
        "\n".join(
            [
                *_calls(first, 0),
                f"#define NOODLE_FIRST {len(first)}",
                f"#define NOODLE_SHAPES {len(shapes)}",
                f"#define NOODLE_HALVES {1 + (half < len(shapes))}",
                f"#define NOODLE_FACTS {int(facts)}",
                ITEM_TYPE,
                *_table(items),
                f"#define NOODLE_INIT PyInit_{name}",
                f'#define NOODLE_NAME "{name}"',
                MODULE,
            ]
        )
    ]
    if half < len(shapes):
        texts.append("\n".join(_calls(shapes[half:], 1)))
    return texts


def _table(items: Sequence[Item]) -> Iterable[str]:
    yield "static const struct noodle_item noodle_items[] = {"
    for item in sorted(items, key=lambda item: item.key.encode()):
        check = -1 if item.check is None else item.check
        yield f"{{{c_string(item.key)}, {item.number}, {check}, {c_string(item.text)}}},"
    yield "{NULL, 0, -1, NULL}};"
    yield f"#define NOODLE_ITEMS {len(items)}"


def _calls(shapes: Sequence[Shape], half: int) -> Iterable[str]:
    yield _CONVERSIONS
    yield from (_wrapper(index, shape) for index, shape in enumerate(shapes))
    yield "#define NOODLE_CALL(call) (PyCFunction)(void (*)(void))call, METH_FASTCALL, NULL"
    yield f"PyMethodDef noodle_shapes_{half}[] = {{"
    for index in range(len(shapes)):
        yield f'    {{"native function", NOODLE_CALL(noodle_call_{index})}},'
    yield "    {NULL, NULL, 0, NULL},"
    yield "};"
    yield f"""
void noodle_adopt_{half}(void **exports, void **types)
{{
    memcpy(_cffi_exports, exports, sizeof _cffi_exports);
    memcpy(_cffi_types, types, sizeof _cffi_types);
}}"""


def _wrapper(index: int, shape: Shape) -> str:
    result, *kinds = shape
    parameters = [kind for kind in kinds if kind != "..."]
    count = len(parameters)
    together = count > _MOST_INLINE
    convert = _converted_together(parameters) if together else _converted_one_by_one(parameters)
    values = [f"a[{i}].{_member(k)}" if together else f"a{i}" for i, k in enumerate(parameters)]
    declared = kinds[: kinds.index("...") + 1] if "..." in kinds else parameters
    pointer = f"{result} (*)({', '.join(declared) or 'void'})"
    call = f"(({pointer})((NoodleAddress *)self)->address)({', '.join(values)});"
    return "\n".join(
        [
            f"static PyObject *noodle_call_{index}"
            "(PyObject *self, PyObject *const *args, Py_ssize_t count)",
            "{",
            f"    if (count != {count})",
            f"        return noodle_miscounted(count, {count});",
            *convert,
            "    PyThreadState *thread = noodle_leave();",
            f"    {call}" if result == "void" else f"    {result} result = {call}",
            "    noodle_return(thread);",
            f"    {_returned(result)}",
            "}",
        ]
    )


def _converted_one_by_one(parameters: Sequence[str]) -> Iterable[str]:
    for index, kind in enumerate(parameters):
        if kind in _POINTERS:
            yield f"    char *a{index};"
            converted = f"noodle_to_pointer(args[{index}], {_POINTERS[kind]}, &a{index})"
        else:
            yield f"    {kind} a{index};"
            converted = f"noodle_to_{kind}(args[{index}], &a{index})"
        yield f"    if (!{converted})"
        yield "        return NULL;"


def _converted_together(parameters: Sequence[str]) -> Iterable[str]:
    letters = "".join(_LETTERS[kind] for kind in parameters)
    yield f"    NoodleValue a[{len(parameters)}];"
    yield f'    if (!noodle_to_values(args, "{letters}", a))'
    yield "        return NULL;"


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
