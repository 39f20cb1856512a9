/* What only Python has: tuples, slices, complex numbers and the like, between two Pythons. */

#include "wire_python_internal.h"

/* ------------------------------------------------------------------------------------ Writing */

int
wire_python_open_own(wire_python_encoder *to, wire_python_kind kind, Py_ssize_t size, size_t *start)
{
    wire_enter_extension(to->writer, WIRE_PYTHON, start);
    wire_enter_list(to->writer, (size_t)size + 1);
    wire_write_int(to->writer, kind);
    return wire_python_failed(to) ? -1 : 0;
}

void
wire_python_close_own(wire_python_encoder *to, size_t start)
{
    wire_leave(to->writer);
    wire_leave_extension(to->writer, start);
}

static int
encode_own_tuple(wire_python_encoder *to, PyObject *tuple)
{
    Py_ssize_t size = TUPLE_SIZE(tuple);
    size_t start;

    if (wire_python_open_own(to, WIRE_PYTHON_TUPLE, size, &start) < 0)
        return wire_python_climb(to, tuple);
    for (Py_ssize_t index = 0; index < size; index++)
        if (UNLIKELY(wire_python_encode(to, TUPLE_ITEM(tuple, index)) < 0) || wire_python_failed(to))
            return wire_python_climb(to, tuple);
    wire_python_close_own(to, start);
    return 0;
}

/* Its members cannot change, and cannot contain it. An overridden iteration is not asked. */
static int
encode_frozenset(wire_python_encoder *to, PyObject *set)
{
    PyObject *iterator = PyObject_CallMethod((PyObject *)&PyFrozenSet_Type, "__iter__", "O", set);
    PyObject *member;
    size_t start;
    int result = iterator != NULL ? wire_python_open_own(to, WIRE_PYTHON_FROZENSET, PySet_Size(set), &start) : -1;

    while (result == 0 && (member = PyIter_Next(iterator)) != NULL) {
        result = wire_python_encode(to, member);
        Py_DECREF(member);
    }
    Py_XDECREF(iterator);
    if (result < 0 || PyErr_Occurred() || wire_python_failed(to))
        return wire_python_climb(to, set);
    wire_python_close_own(to, start);
    return 0;
}

static int
encode_slice(wire_python_encoder *to, PyObject *slice)
{
    static const char *const parts[] = {"start", "stop", "step"};
    size_t start;

    if (wire_python_open_own(to, WIRE_PYTHON_SLICE, 3, &start) < 0)
        return wire_python_climb(to, slice);
    for (int index = 0; index < 3; index++) {
        PyObject *part = PyObject_GetAttrString(slice, parts[index]);
        int result = part != NULL ? wire_python_encode(to, part) : -1;
        Py_XDECREF(part);
        if (result < 0 || wire_python_failed(to))
            return wire_python_climb(to, slice);
    }
    wire_python_close_own(to, start);
    return 0;
}

static int
encode_complex(wire_python_encoder *to, PyObject *number)
{
    size_t start;

    if (wire_python_open_own(to, WIRE_PYTHON_COMPLEX, 2, &start) < 0)
        return -1;
    wire_write_float(to->writer, PyComplex_RealAsDouble(number));
    wire_write_float(to->writer, PyComplex_ImagAsDouble(number));
    wire_python_close_own(to, start);
    return 0;
}

/* Borrowed; NULL without an exception where no class of that name is built in. */
static PyObject *
built_in_class(PyObject *name)
{
    PyObject *builtins = PyImport_AddModule("builtins");
    PyObject *found = builtins != NULL ? PyDict_GetItem(PyModule_GetDict(builtins), name) : NULL;

    PyErr_Clear();
    return found != NULL && PyType_Check(found) ? found : NULL;
}

/* Classes that a program has made are objects of its process, also those that it calls built in. */
static int
encode_class(wire_python_encoder *to, PyObject *class)
{
    PyObject *name = NULL;
    int result = 1;
    size_t start;

    if ((PyType_GetFlags((PyTypeObject *)class) & Py_TPFLAGS_HEAPTYPE) == 0)
        name = PyObject_GetAttrString(class, "__name__");
    if (name != NULL && built_in_class(name) == class) {
        result = wire_python_open_own(to, WIRE_PYTHON_CLASS, 1, &start);
        if (result == 0)
            result = wire_python_encode_text(to, name);
        if (result == 0)
            wire_python_close_own(to, start);
    }
    Py_XDECREF(name);
    return result;
}

int
wire_python_encode_own(wire_python_encoder *to, PyObject *object)
{
    size_t start;
    int named;

    if (PyTuple_Check(object)) {
        named = Py_TYPE(object) != &PyTuple_Type ? wire_python_encode_named_tuple(to, object) : 1;
        return named <= 0 ? named : encode_own_tuple(to, object);
    }
    if (PyDict_Check(object))
        return Py_TYPE(object) != &PyDict_Type ? wire_python_encode_dict_class(to, object) : 1;
    if (PyFrozenSet_Check(object))
        return encode_frozenset(to, object);
    if (PySlice_Check(object))
        return encode_slice(to, object);
    if (PyComplex_Check(object))
        return encode_complex(to, object);
    if (Py_TYPE(object) == &PyType_Type)
        return encode_class(to, object);
    if (object != Py_Ellipsis)
        return 1;
    if (wire_python_open_own(to, WIRE_PYTHON_ELLIPSIS, 0, &start) < 0)
        return -1;
    wire_python_close_own(to, start);
    return 0;
}

/* ------------------------------------------------------------------------------------ Reading */

static PyObject *
make_complex(PyObject *items)
{
    PyObject *real = TUPLE_ITEM(items, 0);
    PyObject *imaginary = TUPLE_ITEM(items, 1);

    if (!PyFloat_Check(real) || !PyFloat_Check(imaginary))
        return wire_python_raise(WIRE_BAD_EXTENSION);
    return PyComplex_FromDoubles(FLOAT_VALUE(real), FLOAT_VALUE(imaginary));
}

static PyObject *
make_frozenset(PyObject *items)
{
    PyObject *set = PyFrozenSet_New(items);

    if (set == NULL && PyErr_ExceptionMatches(PyExc_TypeError)) {
        PyErr_Clear();
        wire_raise(WIRE_UNHASHABLE, "a member of a frozenset");
    }
    return set;
}

static PyObject *
find_class(PyObject *name)
{
    PyObject *class = PyUnicode_Check(name) ? built_in_class(name) : NULL;

    if (class == NULL)
        wire_raise(WIRE_UNREADABLE, "a class that is not built into this version of Python");
    else
        Py_INCREF(class);
    return class;
}

/* Makes the value of a kind from its items. */
static PyObject *
make_own(int64_t kind, PyObject *items)
{
    Py_ssize_t size = TUPLE_SIZE(items);

    if (kind == WIRE_PYTHON_TUPLE) {
        Py_INCREF(items);
        return items;
    }
    if (kind == WIRE_PYTHON_FROZENSET)
        return make_frozenset(items);
    if (kind == WIRE_PYTHON_SLICE && size == 3)
        return PySlice_New(TUPLE_ITEM(items, 0), TUPLE_ITEM(items, 1), TUPLE_ITEM(items, 2));
    if (kind == WIRE_PYTHON_COMPLEX && size == 2)
        return make_complex(items);
    if (kind == WIRE_PYTHON_NAMED_TUPLE)
        return wire_python_make_named_tuple(items);
    if (kind == WIRE_PYTHON_DICT_CLASS && size == 2)
        return wire_python_make_dict_class(items);
    if (kind == WIRE_PYTHON_CLASS && size == 1)
        return find_class(TUPLE_ITEM(items, 0));
    if (kind != WIRE_PYTHON_ELLIPSIS || size != 0)
        return wire_python_raise(WIRE_BAD_EXTENSION);
    Py_INCREF(Py_Ellipsis);
    return Py_Ellipsis;
}

static PyObject *
decode_items(wire_reader *reader, const wire_python_hooks *hooks, uint32_t count)
{
    PyObject *items = PyTuple_New((Py_ssize_t)count);

    for (uint32_t index = 0; items != NULL && index < count; index++) {
        PyObject *item = wire_python_decode(reader, hooks, false);
        if (item == NULL) {
            Py_DECREF(items);
            return NULL;
        }
        TUPLE_SET(items, (Py_ssize_t)index, item);
    }
    return items;
}

static PyObject *
decode_kind(wire_reader *reader, const wire_python_hooks *hooks)
{
    wire_token list, kind;

    if (wire_read(reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count == 0
        || wire_descend(reader) != WIRE_OK || wire_read(reader, &kind) != WIRE_OK
        || kind.kind != WIRE_INT)
        return wire_python_raise(reader->status != WIRE_OK ? reader->status : WIRE_BAD_EXTENSION);
    PyObject *items = decode_items(reader, hooks, list.count - 1);
    PyObject *value = items != NULL ? make_own(kind.integer, items) : NULL;
    Py_XDECREF(items);
    wire_ascend(reader);
    return value;
}

PyObject *
wire_python_decode_own(wire_reader *reader, const wire_token *token,
                       const wire_python_hooks *hooks)
{
    wire_reader inner;

    if (!hooks->keeps_python || wire_open(reader, token, &inner) != WIRE_OK)
        return wire_python_raise(reader->status != WIRE_OK ? reader->status : WIRE_BAD_EXTENSION);
    PyObject *value = decode_kind(&inner, hooks);
    if (value != NULL && wire_close(reader, &inner) != WIRE_OK) {
        Py_DECREF(value);
        return wire_python_raise(reader->status);
    }
    return value;
}
