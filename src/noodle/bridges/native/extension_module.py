"""The part of a compiled extension that is the same for all: a module that knows its items by key.

It links nothing. It opens the library by the absolute path that it is given, for itself alone.
"""

from __future__ import annotations

__all__ = ["ITEM_TYPE", "MODULE"]

ITEM_TYPE = """
struct noodle_item { const char *key; int number, check; const char *text; };
"""
"""What the table ``noodle_items`` consists of, sorted by key."""

MODULE = r"""
struct noodle_integer { unsigned long long value; int negative; };
struct noodle_text { const char *start; size_t size; };
#if NOODLE_FACTS
extern const unsigned char noodle_agrees[];
extern const struct noodle_integer noodle_integers[];
extern const double noodle_reals[];
extern const struct noodle_text noodle_texts[];
extern long long noodle_layout[];
void noodle_probe(void);
#else
static const unsigned char noodle_agrees[1];
static const struct noodle_integer noodle_integers[1];
static const double noodle_reals[1];
static const struct noodle_text noodle_texts[1];
static long long noodle_layout[1];
static void noodle_probe(void) {}
#endif

#if NOODLE_HALVES > 1
extern PyMethodDef noodle_shapes_1[];
void noodle_report_1(const unsigned int *count, void *taker);
void noodle_adopt_1(void **exports, void **types);
#define noodle_shape(i) \
    ((i) < NOODLE_FIRST ? &noodle_shapes_0[i] : &noodle_shapes_1[(i) - NOODLE_FIRST])
#else
#define noodle_shape(i) (&noodle_shapes_0[i])
#endif

static void *noodle_library;

/* Lets what calls functions look for the failures that the library reports. */
static void noodle_watch(void)
{
#if NOODLE_REPORTS
    const unsigned int *count = dlsym(noodle_library, "noodle_failures");
    void *taker = dlsym(noodle_library, "noodle_take_failure");
    if (count == NULL || taker == NULL)
        return;
    noodle_report_0(count, taker);
#if NOODLE_HALVES > 1
    noodle_report_1(count, taker);
#endif
#endif
}

static PyObject *noodle_open(PyObject *self, PyObject *path)
{
    (void)self;
    if (noodle_library == NULL) {
        noodle_library = dlopen(PyBytes_AsString(path), RTLD_NOW | RTLD_LOCAL);
        if (noodle_library == NULL)
            return PyUnicode_DecodeLocale(dlerror(), "surrogateescape");
        noodle_watch();
    }
    Py_RETURN_NONE;
}

static PyObject *noodle_entry(PyObject *self, PyObject *args)
{
    (void)self;
    const char *symbol;
    int shape;
    if (!PyArg_ParseTuple(args, "si", &symbol, &shape))
        return NULL;
    if (shape < 0 || shape >= NOODLE_SHAPES)
        return PyErr_Format(PyExc_IndexError, "no shape %d", shape);
    void *address = dlsym(noodle_library, symbol);
    if (address == NULL)
        return PyErr_Format(PyExc_AttributeError, "%s", symbol);
    NoodleAddress *owner = PyObject_New(NoodleAddress, &noodle_address_type);
    if (owner == NULL)
        return NULL;
    owner->address = address;
    PyObject *entry = PyCFunction_New(noodle_shape(shape), (PyObject *)owner);
    Py_DECREF(owner);
    return entry;
}

/* Returns the item of a key, or NULL. */
static const struct noodle_item *noodle_item_of(const char *key)
{
    int low = 0, high = NOODLE_ITEMS;
    while (low < high) {
        int middle = (low + high) / 2, order = strcmp(key, noodle_items[middle].key);
        if (order == 0)
            return &noodle_items[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static int noodle_is_so(const struct noodle_item *item)
{
    return item->check < 0 || noodle_agrees[item->check];
}

static PyObject *noodle_find(PyObject *self, PyObject *key)
{
    (void)self;
    const char *text = PyUnicode_AsUTF8(key);
    if (text == NULL)
        return NULL;
    const struct noodle_item *item = noodle_item_of(text);
    if (item == NULL || !noodle_is_so(item))
        Py_RETURN_NONE;
    return Py_BuildValue("(is)", item->number, item->text);
}

static PyObject *noodle_keys(PyObject *self, PyObject *agreeing)
{
    (void)self;
    PyObject *keys = PyList_New(0);
    for (int i = 0; keys != NULL && i < NOODLE_ITEMS; i++) {
        if (noodle_is_so(&noodle_items[i]) != (agreeing == Py_True))
            continue;
        PyObject *key = PyUnicode_FromString(noodle_items[i].key);
        if (key == NULL || PyList_Append(keys, key) < 0)
            Py_CLEAR(keys);
        Py_XDECREF(key);
    }
    return keys;
}

static PyObject *noodle_constant(PyObject *self, PyObject *args)
{
    (void)self;
    int kind, index;
    if (!PyArg_ParseTuple(args, "Ci", &kind, &index))
        return NULL;
    if (kind == 'd')
        return PyFloat_FromDouble(noodle_reals[index]);
    if (kind == 't')
        return PyBytes_FromStringAndSize(noodle_texts[index].start, noodle_texts[index].size);
    if (noodle_integers[index].negative)
        return PyLong_FromLongLong((long long)noodle_integers[index].value);
    return PyLong_FromUnsignedLongLong(noodle_integers[index].value);
}

static PyObject *noodle_layout_of(PyObject *self, PyObject *args)
{
    (void)self;
    int start, count;
    if (!PyArg_ParseTuple(args, "ii", &start, &count))
        return NULL;
    PyObject *numbers = PyList_New(count);
    for (int i = 0; numbers != NULL && i < count; i++) {
        PyObject *number = PyLong_FromLongLong(noodle_layout[start + i]);
        if (number == NULL)
            Py_CLEAR(numbers);
        else
            PyList_SET_ITEM(numbers, i, number);
    }
    return numbers;
}

static PyMethodDef noodle_methods[] = {
    {"open", noodle_open, METH_O, NULL},
    {"entry", noodle_entry, METH_VARARGS, NULL},
    {"find", noodle_find, METH_O, NULL},
    {"keys", noodle_keys, METH_O, NULL},
    {"constant", noodle_constant, METH_VARARGS, NULL},
    {"layout", noodle_layout_of, METH_VARARGS, NULL},
    {NULL, NULL, 0, NULL},
};

static int noodle_fill(PyObject *module)
{
    noodle_probe();
    PyObject *library = PyObject_GetAttrString(module, "lib");
    PyObject *realised = library ? PyObject_GetAttrString(library, "noodle_pointers") : NULL;
    Py_XDECREF(library);
    Py_XDECREF(realised);
#if NOODLE_HALVES > 1
    if (realised != NULL)
        noodle_adopt_1(_cffi_exports, _cffi_types);
#endif
    return realised == NULL || PyType_Ready(&noodle_address_type) < 0
        || PyModule_AddFunctions(module, noodle_methods) < 0 ? -1 : 0;
}

__attribute__((visibility("default"))) PyObject *NOODLE_INIT(void)
{
    PyObject *module = _cffi_init(NOODLE_NAME, 0x2601, &noodle_types);
    if (module != NULL && noodle_fill(module) < 0)
        Py_CLEAR(module);
    return module;
}
"""
"""The functions of the module."""
