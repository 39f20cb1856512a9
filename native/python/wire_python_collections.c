/* Named tuples, counters and ordered dicts, between two Pythons.
 *
 * The classes of named tuples are made anew where they are read, from names alone: nothing is imported
 * that a peer names. */

#include "wire_python_internal.h"

/* Classes of named tuples that are kept; beyond, all are made again. */
#define CLASSES_MOST 1024

static const char *const dict_classes[] = {"Counter", "OrderedDict"};

/* ------------------------------------------------------------------------------------ Writing */

/* The names of a tuple's items as a new text with spaces between; NULL without an exception where it has
 * none, or they are not one identifier for each item. */
static PyObject *
field_names(PyObject *tuple)
{
    static const char *const attributes[] = {"_fields", "__match_args__"};
    PyObject *fields = NULL;
    PyObject *text = NULL;

    for (int index = 0; index < 2 && fields == NULL; index++) {
        fields = PyObject_GetAttrString((PyObject *)Py_TYPE(tuple), attributes[index]);
        PyErr_Clear();
    }
    bool fit = fields != NULL && PyTuple_Check(fields) && TUPLE_SIZE(fields) == TUPLE_SIZE(tuple)
               && TUPLE_SIZE(fields) > 0;
    for (Py_ssize_t index = 0; fit && index < TUPLE_SIZE(fields); index++) {
        PyObject *name = TUPLE_ITEM(fields, index);
        fit = PyUnicode_Check(name) && PyUnicode_IsIdentifier(name) == 1;
    }
    if (fit) {
        PyObject *space = PyUnicode_FromString(" ");
        text = space != NULL ? PyUnicode_Join(space, fields) : NULL;
        Py_XDECREF(space);
    }
    Py_XDECREF(fields);
    PyErr_Clear();
    return text;
}

static int
encode_named(wire_python_encoder *to, PyObject *tuple, PyObject *name, PyObject *fields)
{
    const Py_ssize_t size = TUPLE_SIZE(tuple);
    size_t start;

    if (wire_python_open_own(to, WIRE_PYTHON_NAMED_TUPLE, size + 2, &start) < 0)
        return wire_python_climb(to, tuple);
    if (wire_python_encode_text(to, name) < 0 || wire_python_encode_text(to, fields) < 0)
        return -1;
    for (Py_ssize_t index = 0; index < size; index++)
        if (wire_python_encode(to, TUPLE_ITEM(tuple, index)) < 0 || wire_python_failed(to))
            return wire_python_climb(to, tuple);
    wire_python_close_own(to, start);
    return 0;
}

int
wire_python_encode_named_tuple(wire_python_encoder *to, PyObject *tuple)
{
    PyObject *fields = field_names(tuple);
    PyObject *name = NULL;
    int result = 1;

    if (fields == NULL)
        return 1;
    name = PyObject_GetAttrString((PyObject *)Py_TYPE(tuple), "__name__");
    if (name == NULL)
        PyErr_Clear();
    else if (PyUnicode_Check(name) && PyUnicode_IsIdentifier(name) == 1)
        result = encode_named(to, tuple, name, fields);
    Py_XDECREF(name);
    Py_DECREF(fields);
    return result;
}

/* Borrowed from the module; NULL without an exception where nothing has imported it. */
static PyObject *
collections_class(const char *name)
{
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *module = modules != NULL ? PyDict_GetItemString(modules, "collections") : NULL;
    PyObject *class = module != NULL && PyModule_Check(module)
                          ? PyDict_GetItemString(PyModule_GetDict(module), name)
                          : NULL;

    PyErr_Clear();
    return class;
}

int
wire_python_encode_dict_class(wire_python_encoder *to, PyObject *dict)
{
    const char *name = NULL;
    size_t start;

    for (size_t index = 0; index < sizeof dict_classes / sizeof *dict_classes; index++)
        if (collections_class(dict_classes[index]) == (PyObject *)Py_TYPE(dict))
            name = dict_classes[index];
    if (name == NULL)
        return 1;
    PyObject *text = PyUnicode_FromString(name);
    int result = text != NULL ? wire_python_open_own(to, WIRE_PYTHON_DICT_CLASS, 2, &start) : -1;
    if (result == 0)
        result = wire_python_encode_text(to, text);
    Py_XDECREF(text);
    if (result < 0 || wire_python_encode_dict(to, dict) < 0 || wire_python_failed(to))
        return wire_python_climb(to, dict);
    wire_python_close_own(to, start);
    return 0;
}

/* ------------------------------------------------------------------------------------ Reading */

/* Call a function of collections; new. */
static PyObject *
call_collections(const char *name, PyObject *arguments, PyObject *keywords)
{
    PyObject *module = PyImport_ImportModule("collections");
    PyObject *function = module != NULL ? PyObject_GetAttrString(module, name) : NULL;
    PyObject *result = function != NULL ? PyObject_Call(function, arguments, keywords) : NULL;

    Py_XDECREF(function);
    Py_XDECREF(module);
    return result;
}

/* A new class; names that may not be are replaced by places. */
static PyObject *
make_class(PyObject *key)
{
    PyObject *keywords = Py_BuildValue("{s:O,s:s}", "rename", Py_True, "module", "noodle");
    PyObject *class = keywords != NULL ? call_collections("namedtuple", key, keywords) : NULL;

    Py_XDECREF(keywords);
    return class;
}

/* The class of named tuples of a name and fields, kept for the next ones; new. */
static PyObject *
class_of(PyObject *key)
{
    if (wire_state.named_tuples == NULL && (wire_state.named_tuples = PyDict_New()) == NULL)
        return NULL;
    PyObject *class = PyDict_GetItemWithError(wire_state.named_tuples, key);
    if (class != NULL) {
        Py_INCREF(class);
        return class;
    }
    if (PyErr_Occurred() || (class = make_class(key)) == NULL)
        return NULL;
    if (PyDict_Size(wire_state.named_tuples) >= CLASSES_MOST)
        PyDict_Clear(wire_state.named_tuples);
    if (PyDict_SetItem(wire_state.named_tuples, key, class) < 0)
        Py_CLEAR(class);
    return class;
}

/* What Python itself refuses about names and counts is the message's fault. */
static PyObject *
refused(PyObject *value)
{
    if (value == NULL && (PyErr_ExceptionMatches(PyExc_ValueError) || PyErr_ExceptionMatches(PyExc_TypeError)
                          || PyErr_ExceptionMatches(PyExc_SyntaxError))) {
        PyErr_Clear();
        return wire_python_raise(WIRE_BAD_EXTENSION);
    }
    return value;
}

PyObject *
wire_python_make_named_tuple(PyObject *items)
{
    const Py_ssize_t size = TUPLE_SIZE(items);

    if (size < 3 || !PyUnicode_Check(TUPLE_ITEM(items, 0)) || !PyUnicode_Check(TUPLE_ITEM(items, 1)))
        return wire_python_raise(WIRE_BAD_EXTENSION);
    PyObject *key = PyTuple_GetSlice(items, 0, 2);
    PyObject *class = key != NULL ? class_of(key) : NULL;
    PyObject *values = class != NULL ? PyTuple_GetSlice(items, 2, size) : NULL;
    PyObject *tuple = values != NULL ? PyObject_CallObject(class, values) : NULL;
    Py_XDECREF(values);
    Py_XDECREF(class);
    Py_XDECREF(key);
    return refused(tuple);
}

PyObject *
wire_python_make_dict_class(PyObject *items)
{
    PyObject *name = TUPLE_ITEM(items, 0);
    PyObject *arguments = NULL;
    PyObject *made = NULL;

    if (!PyUnicode_Check(name) || !PyDict_Check(TUPLE_ITEM(items, 1)))
        return wire_python_raise(WIRE_BAD_EXTENSION);
    for (size_t index = 0; index < sizeof dict_classes / sizeof *dict_classes && made == NULL; index++) {
        if (PyUnicode_CompareWithASCIIString(name, dict_classes[index]) != 0)
            continue;
        if ((arguments = PyTuple_GetSlice(items, 1, 2)) != NULL)
            made = call_collections(dict_classes[index], arguments, NULL);
        Py_XDECREF(arguments);
        return made;
    }
    return wire_python_raise(WIRE_BAD_EXTENSION);
}
