/* Handle: the type, whose attributes are the function's and the binding's. */
#include "handle.h"

PyTypeObject *handle_type;

/* -------------------------------------------------------------------------------------- Life */

static PyObject *
handle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"function", "binding", "epoch", "sample_every", NULL};
    PyObject *function, *binding, *epoch;
    long sample_every = 64;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!|l:Handle", keywords, &function, &binding,
                                     handle_epoch_type, &epoch, &sample_every))
        return NULL;
    if (!PyCallable_Check(function)) {
        PyErr_Format(PyExc_TypeError, "a handle needs a callable, got %.200s",
                     Py_TYPE(function)->tp_name);
        return NULL;
    }
    if (sample_every < 0 || sample_every > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "sample_every must be 0 to %d, got %ld", INT32_MAX,
                     sample_every);
        return NULL;
    }
    Handle *handle = (Handle *)type->tp_alloc(type, 0);
    if (handle == NULL)
        return NULL;
    handle->vectorcall = handle_vectorcall;
    handle->function = Py_NewRef(function);
    handle->binding = Py_NewRef(binding);
    handle->epoch = (Epoch *)Py_NewRef(epoch);
    handle->sample_every = (uint32_t)sample_every;
    handle->until_sample = (uint32_t)sample_every;
    return (PyObject *)handle;
}

static int
handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    Handle *handle = (Handle *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(handle->function);
    Py_VISIT(handle->binding);
    Py_VISIT(handle->epoch);
    for (int i = 0; i < PLAN_SLOTS; i++)
        Py_VISIT(handle->plans[i]);
    return 0;
}

/* Only the plans and the binding are cleared: the function stays for attribute access by whatever
 * the collector still runs, and a call then fails with the AttributeError of None. */
static int
handle_clear(PyObject *self)
{
    Handle *handle = (Handle *)self;
    for (int i = 0; i < PLAN_SLOTS; i++)
        Py_CLEAR(handle->plans[i]);
    PyObject *binding = handle->binding;
    handle->binding = Py_NewRef(Py_None);
    Py_XDECREF(binding);
    return 0;
}

static void
handle_dealloc(PyObject *self)
{
    Handle *handle = (Handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (handle->weak_references != NULL)
        PyObject_ClearWeakRefs(self);
    for (int i = 0; i < PLAN_SLOTS; i++)
        Py_CLEAR(handle->plans[i]);
    Py_CLEAR(handle->function);
    Py_CLEAR(handle->binding);
    Py_CLEAR(handle->epoch);
    type->tp_free(self);
    Py_DECREF(type);
}

/* -------------------------------------------------------------------------------- Attributes */

static PyObject *
handle_getattro(PyObject *self, PyObject *name)
{
    Handle *handle = (Handle *)self;
    int own = PySet_Contains(handle_binding_names, name);
    if (own > 0)
        return PyObject_GetAttr(handle->binding, name);
    if (own == 0)
        own = PySet_Contains(handle_type_names, name);
    if (own < 0)
        return NULL;
    if (own > 0)
        return PyObject_GenericGetAttr(self, name);
    if (PyUnicode_Compare(name, handle_name_wrapped) == 0)
        return Py_NewRef(handle->function);
    return PyObject_GetAttr(handle->function, name);
}

static int
handle_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    Handle *handle = (Handle *)self;
    int own = PySet_Contains(handle_binding_names, name);
    if (own == 0)
        own = PySet_Contains(handle_type_names, name);
    if (own > 0) {
        PyErr_Format(PyExc_AttributeError, "attribute %R of a handle cannot be set", name);
        return -1;
    }
    if (own < 0)
        return -1;
    return PyObject_SetAttr(handle->function, name, value);
}

static PyObject *
handle_repr(PyObject *self)
{
    return PyObject_Repr(((Handle *)self)->binding);
}

/* Bind as a method where the function itself would. */
static PyObject *
handle_descr_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    Handle *handle = (Handle *)self;
    if (instance == NULL || instance == Py_None || Py_TYPE(handle->function)->tp_descr_get == NULL)
        return Py_NewRef(self);
    return PyMethod_New(self, instance);
}

static PyObject *
handle_dir(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *names = PyObject_Dir(((Handle *)self)->function);
    PyObject *own = names ? PySequence_List(handle_binding_names) : NULL;
    if (own == NULL || PyList_SetSlice(names, PyList_GET_SIZE(names), PyList_GET_SIZE(names), own) < 0)
        Py_CLEAR(names);
    Py_XDECREF(own);
    return names;
}

/* Like a function, a handle is copied by reference. */
static PyObject *
handle_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

/* Called for each base of a class statement that is no class. */
static PyObject *
handle_mro_entries(PyObject *self, PyObject *Py_UNUSED(bases))
{
    return PyObject_CallMethod(((Handle *)self)->binding, "refuse_subclass", NULL);
}

static PyMethodDef handle_methods[] = {
    {"__dir__", handle_dir, METH_NOARGS, NULL},
    {"__mro_entries__", handle_mro_entries, METH_O, NULL},
    {"__copy__", handle_copy, METH_NOARGS, NULL},
    {"__deepcopy__", handle_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* `object.__getattribute__(handle, "__doc__")` is how `inspect.getdoc` asks, so that the docstring
 * has to be a descriptor of the type as well; the type itself therefore has none. */
static PyObject *
handle_get_doc(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(((Handle *)self)->function, "__doc__");
}

static PyGetSetDef handle_getset[] = {
    {"__doc__", handle_get_doc, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef handle_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Handle, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Handle, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

/* -------------------------------------------------------------------------------------- Type */

static PyType_Slot handle_slots[] = {
    {Py_tp_new, handle_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_getattro, handle_getattro},
    {Py_tp_setattro, handle_setattro},
    {Py_tp_descr_get, handle_descr_get},
    {Py_tp_repr, handle_repr},
    {Py_tp_methods, handle_methods},
    {Py_tp_members, handle_members},
    {Py_tp_getset, handle_getset},
    {0, NULL},
};

PyType_Spec handle_spec = {
    .name = "noodle._handle.Handle",
    .basicsize = sizeof(Handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = handle_slots,
};
