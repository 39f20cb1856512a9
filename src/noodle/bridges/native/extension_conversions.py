"""The part of a compiled extension that every file of it begins with: what wrappers convert with.

cffi's own conversions round; these refuse a number that the C type does not hold.
"""

from __future__ import annotations

__all__ = ["CONVERSIONS"]

CONVERSIONS = r"""
#define PY_SSIZE_T_CLEAN
#define _CFFI_NO_LIMITED_API
#include "_cffi_include.h"
#include <dlfcn.h>
#include <float.h>
#include <stdint.h>

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define NOODLE_NATIVE_ORDER "@=<"
#else
#define NOODLE_NATIVE_ORDER "@=>!"
#endif

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

/* Gives the UTF-8 of a text, which lives as long as the text; else an error is set. */
static int noodle_to_text(PyObject *value, char **pointer)
{
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(value, &size);
    if (text == NULL)
        return 0;
    if (strlen(text) != (size_t)size) {
        PyErr_SetString(PyExc_ValueError, "expected text without NUL");
        return 0;
    }
    *pointer = (char *)text;
    return 1;
}

/* What the memory of an argument may consist of: kind 'v' is anything, 'b' truth values, 'i', 'u'
 * and 'f' numbers; 0 where no buffer is taken. */
typedef struct {
    char kind;
    unsigned char size, writes;
} NoodleItems;

/* A function, as the self of its wrapper: its address, and the items of each of its parameters. */
typedef struct {
    PyObject_VAR_HEAD
    void *address;
    NoodleItems items[];
} NoodleAddress;

static void noodle_forget(PyObject *self) { PyObject_Free(self); }

static PyTypeObject noodle_address_type = {
    PyVarObject_HEAD_INIT(NULL, 0)
    .tp_name = "noodle.FunctionAddress",
    .tp_basicsize = sizeof(NoodleAddress),
    .tp_itemsize = sizeof(NoodleItems),
    .tp_dealloc = noodle_forget,
    .tp_flags = Py_TPFLAGS_DEFAULT,
};

/* The memory of arguments, lent for the time of a call: nobody may free or move it meanwhile. */
typedef struct {
    int count;
    Py_buffer *views;
} NoodleLent;

static void noodle_give_back(NoodleLent *lent)
{
    while (lent->count > 0)
        PyBuffer_Release(&lent->views[--lent->count]);
}

/* The kind of a format of one letter (PEP 3118) in the machine's own order, or 0. */
static char noodle_kind_of(const char *format)
{
    while (*format != '\0' && strchr(NOODLE_NATIVE_ORDER, *format) != NULL)
        format++;
    if (format[0] == '\0' || format[1] != '\0')
        return 0;
    if (*format == '?')
        return 'b';
    return strchr("bhilqn", *format) ? 'i' : strchr("cBHILQN", *format) ? 'u'
         : strchr("fd", *format) ? 'f' : 0;
}

/* Returns whether a value is memory of such items, whose address it then gives; else an error is
 * set. */
static int noodle_to_memory(PyObject *value, NoodleItems items, NoodleLent *lent, char **pointer)
{
    Py_buffer *view = &lent->views[lent->count];
    int flags = PyBUF_C_CONTIGUOUS | PyBUF_FORMAT | (items.writes ? PyBUF_WRITABLE : 0);
    if (PyObject_GetBuffer(value, view, flags) < 0)
        return 0;
    lent->count++;
    if (items.kind != 'v'
        && (view->itemsize != items.size || noodle_kind_of(view->format) != items.kind)) {
        PyErr_SetString(PyExc_TypeError, "expected memory of other items");
        return 0;
    }
    *pointer = view->buf;
    return 1;
}

/* Returns whether a value is a pointer, or memory that has one; else an error is set. */
static int noodle_to_pointer(PyObject *value, int type, NoodleItems items, NoodleLent *lent,
                             char **pointer)
{
    if (PyBytes_CheckExact(value)) {
        *pointer = PyBytes_AS_STRING(value);
        return 1;
    }
    if (type == NOODLE_TEXT && PyUnicode_Check(value))
        return noodle_to_text(value, pointer);
    if (items.kind != 0 && PyObject_CheckBuffer(value))
        return noodle_to_memory(value, items, lent, pointer);
    Py_ssize_t size = _cffi_prepare_pointer_call_argument(_cffi_type(type), value, pointer);
    if (size > 0)
        PyErr_SetString(PyExc_TypeError, "expected memory");
    return size == 0;
}

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
static int noodle_to_values(PyObject *const *args, const char *kinds, const NoodleItems *items,
                            NoodleLent *lent, NoodleValue *values)
{
    for (; *kinds != '\0'; kinds++, args++, items++, values++)
        switch (*kinds) {
        NOODLE_CASE('b', int8_t) NOODLE_CASE('h', int16_t)
        NOODLE_CASE('i', int32_t) NOODLE_CASE('l', int64_t)
        NOODLE_CASE('B', uint8_t) NOODLE_CASE('H', uint16_t)
        NOODLE_CASE('I', uint32_t) NOODLE_CASE('L', uint64_t)
        NOODLE_CASE('f', float) NOODLE_CASE('d', double) NOODLE_CASE('?', _Bool)
        default:
            if (!noodle_to_pointer(*args, *kinds == 't' ? NOODLE_TEXT : NOODLE_POINTER, *items,
                                   lent, &values->pointer_))
                return 0;
        }
    return 1;
}

static PyObject *noodle_miscounted(Py_ssize_t count, int expected)
{
    return PyErr_Format(PyExc_TypeError, "expected %d arguments, got %zd", expected, count);
}
"""
"""What wrappers call, in C."""
