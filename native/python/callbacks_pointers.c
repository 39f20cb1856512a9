/* Pointers: their fields, how numbers are read at them, and what makes them of addresses. */
#include "callbacks.h"

PyTypeObject *callbacks_pointer_base;
PyTypeObject *callbacks_pointer_maker;

/* Chosen: items that are nearer to a pointer are read here; their places do not overflow. */
#define MOST_DIRECT (1L << (sizeof(long) * 8 - 16))

/* ---- PointerBase --------------------------------------------------------------------------- */

/* Returns cffi's address, borrowed; NULL where there is none, or with an exception. */
static PyObject *
pointer_cdata(PointerBase *self)
{
    if (self->cdata == NULL && self->address != NULL)
        self->cdata = callbacks_cffi.object_of_pointer(self->address, self->c_type);
    return self->cdata;
}

/* Numbers are read here or by cffi's typed pointer; for the rest the method read_at is asked. */
static PyObject *
pointer_subscript(PyObject *object, PyObject *index)
{
    PointerBase *self = (PointerBase *)object;
    if (self->letter && PyLong_CheckExact(index)) {
        int overflow;
        long number = PyLong_AsLongAndOverflow(index, &overflow);
        long size = (long)callbacks_number_size(self->letter);
        if (!overflow && -MOST_DIRECT < number && number < MOST_DIRECT)
            return callbacks_number_at(self->address + number * size, self->letter);
    }
    if (PyLong_CheckExact(index) && pointer_cdata(self) != NULL) {
        PyObject *item = PyObject_GetItem(self->cdata, index);
        if (item != NULL || !PyErr_ExceptionMatches(PyExc_TypeError))
            return item;
        PyErr_Clear();
    }
    if (PyErr_Occurred())
        return NULL;
    return PyObject_CallMethod(object, "read_at", "O", index);
}

static PyObject *
pointer_get_cdata(PyObject *object, void *unused)
{
    (void)unused;
    PyObject *cdata = pointer_cdata((PointerBase *)object);
    if (cdata == NULL && !PyErr_Occurred())
        PyErr_SetString(PyExc_AttributeError, "cdata");
    return Py_XNewRef(cdata);
}

static int
pointer_set_cdata(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    PointerBase *self = (PointerBase *)object;
    Py_XSETREF(self->cdata, Py_XNewRef(value));
    self->address = NULL;
    self->letter = 0;
    return 0;
}

static void
pointer_dealloc(PyObject *object)
{
    PointerBase *self = (PointerBase *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->weak_references != NULL)
        PyObject_ClearWeakRefs(object);
    Py_XDECREF(self->cdata);
    Py_XDECREF(self->pointee);
    Py_XDECREF(self->origin);
    Py_XDECREF(self->c_type);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyGetSetDef pointer_accessors[] = {
    {"cdata", pointer_get_cdata, pointer_set_cdata, "The address, as cffi has it.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef pointer_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PointerBase, weak_references), READONLY, NULL},
    {"pointee", T_OBJECT_EX, offsetof(PointerBase, pointee), 0, "What lies there."},
    {"origin", T_OBJECT_EX, offsetof(PointerBase, origin), 0, "What gave it."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot pointer_slots[] = {
    {Py_tp_dealloc, pointer_dealloc},
    {Py_tp_members, pointer_members},
    {Py_tp_getset, pointer_accessors},
    {Py_mp_subscript, pointer_subscript},
    {Py_tp_doc, "The fields of a pointer, and how numbers are read at it."},
    {0, NULL},
};

PyType_Spec callbacks_pointer_base_spec = {
    .name = "noodle._callbacks.PointerBase",
    .basicsize = sizeof(PointerBase),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = pointer_slots,
};

/* ---- PointerMaker -------------------------------------------------------------------------- */

/* Returns a pointer without an address, or NULL with an exception. */
static PointerBase *
new_pointer(PointerMaker *self)
{
    PointerBase *made = (PointerBase *)self->made->tp_alloc(self->made, 0);
    if (made == NULL)
        return NULL;
    made->pointee = Py_NewRef(self->pointee);
    made->origin = Py_NewRef(self->origin);
    made->c_type = Py_NewRef(self->c_type);
    return made;
}

PyObject *
callbacks_pointer(PyObject *maker, PyObject *cdata)
{
    int known = PyObject_IsTrue(cdata); /* cffi's null is false */
    if (known < 0)
        return NULL;
    if (!known)
        Py_RETURN_NONE;
    PointerBase *made = new_pointer((PointerMaker *)maker);
    if (made != NULL)
        made->cdata = Py_NewRef(cdata);
    return (PyObject *)made;
}

PyObject *
callbacks_pointer_at(PyObject *maker, char *address)
{
    PointerMaker *self = (PointerMaker *)maker;
    if (address == NULL)
        Py_RETURN_NONE;
    PointerBase *made = self->spares ? self->spare[--self->spares] : new_pointer(self);
    if (made == NULL)
        return NULL;
    made->address = address;
    made->letter = self->letter;
    return (PyObject *)made;
}

/* Whether nobody else has a reference to a pointer, nor has changed anything but its address. */
static int
is_spare(PointerMaker *self, PyObject *object)
{
    PointerBase *pointer = (PointerBase *)object;
    return Py_REFCNT(object) == 1 && Py_TYPE(object) == self->made
        && self->made->tp_basicsize == sizeof(PointerBase) && pointer->weak_references == NULL
        && pointer->pointee == self->pointee && pointer->origin == self->origin;
}

void
callbacks_pointer_done(PyObject *maker, PyObject *pointer)
{
    PointerMaker *self = (PointerMaker *)maker;
    if (pointer != Py_None && self->spares < MOST_SPARE && is_spare(self, pointer)) {
        Py_CLEAR(((PointerBase *)pointer)->cdata);
        self->spare[self->spares++] = (PointerBase *)pointer;
    } else {
        Py_DECREF(pointer);
    }
}

static PyObject *
maker_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    if (names != NULL || PyVectorcall_NARGS(nargsf) != 1) {
        PyErr_SetString(PyExc_TypeError, "expected one address");
        return NULL;
    }
    return callbacks_pointer(object, args[0]);
}

static PyObject *
maker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *made, *pointee, *origin, *c_type;
    const char *letter;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "PointerMaker takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!OOOs", &PyType_Type, &made, &pointee, &origin, &c_type, &letter))
        return NULL;
    if (!PyType_IsSubtype((PyTypeObject *)made, callbacks_pointer_base)) {
        PyErr_SetString(PyExc_TypeError, "expected a class of pointers");
        return NULL;
    }
    PointerMaker *self = (PointerMaker *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = maker_vectorcall;
    self->made = (PyTypeObject *)Py_NewRef(made);
    self->pointee = Py_NewRef(pointee);
    self->origin = Py_NewRef(origin);
    self->c_type = Py_NewRef(c_type);
    self->letter = callbacks_number_size(*letter) ? *letter : 0;
    return (PyObject *)self;
}

static void
maker_dealloc(PyObject *object)
{
    PointerMaker *self = (PointerMaker *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->made);
    Py_XDECREF(self->pointee);
    Py_XDECREF(self->origin);
    Py_XDECREF(self->c_type);
    while (self->spares)
        Py_DECREF(self->spare[--self->spares]);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef maker_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PointerMaker, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot maker_slots[] = {
    {Py_tp_new, maker_new},
    {Py_tp_dealloc, maker_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, maker_members},
    {Py_tp_doc, "Makes pointers of one kind from addresses, and None from null."},
    {0, NULL},
};

PyType_Spec callbacks_pointer_maker_spec = {
    .name = "noodle._callbacks.PointerMaker",
    .basicsize = sizeof(PointerMaker),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = maker_slots,
};
