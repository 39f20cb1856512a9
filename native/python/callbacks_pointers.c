/* Pointers: their fields, how numbers are read at them, and what makes them of addresses. */
#include "callbacks.h"

PyTypeObject *callbacks_pointer_base;
PyTypeObject *callbacks_pointer_maker;

/* ---- PointerBase --------------------------------------------------------------------------- */

/* Numbers are read by cffi's typed pointer; for anything else the method read_at is asked. */
static PyObject *
pointer_subscript(PyObject *object, PyObject *index)
{
    PointerBase *self = (PointerBase *)object;
    if (self->cdata != NULL && PyLong_CheckExact(index)) {
        PyObject *item = PyObject_GetItem(self->cdata, index);
        if (item != NULL || !PyErr_ExceptionMatches(PyExc_TypeError))
            return item;
        PyErr_Clear();
    }
    return PyObject_CallMethod(object, "read_at", "O", index);
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
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef pointer_members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PointerBase, weak_references), READONLY, NULL},
    {"cdata", T_OBJECT_EX, offsetof(PointerBase, cdata), 0, "The address, as cffi has it."},
    {"pointee", T_OBJECT_EX, offsetof(PointerBase, pointee), 0, "What lies there."},
    {"origin", T_OBJECT_EX, offsetof(PointerBase, origin), 0, "What gave it."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot pointer_slots[] = {
    {Py_tp_dealloc, pointer_dealloc},
    {Py_tp_members, pointer_members},
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

static PyObject *
maker_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    if (names != NULL || PyVectorcall_NARGS(nargsf) != 1) {
        PyErr_SetString(PyExc_TypeError, "expected one address");
        return NULL;
    }
    return make_pointer(object, args[0]);
}

static PyObject *
maker_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *made, *pointee, *origin;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "PointerMaker takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O!OO", &PyType_Type, &made, &pointee, &origin))
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
