/* Plans, and the epoch that says which of them are valid. */
#include "handle.h"

PyTypeObject *handle_epoch_type;
PyTypeObject *handle_plan_type;

/* ------------------------------------------------------------------------------------- Epoch */

static PyObject *
epoch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Epoch", keywords))
        return NULL;
    return type->tp_alloc(type, 0);
}

static void
epoch_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
epoch_advance(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ((Epoch *)self)->value++;
    Py_RETURN_NONE;
}

static PyObject *
epoch_get_value(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(((Epoch *)self)->value);
}

static PyMethodDef epoch_methods[] = {
    {"advance", epoch_advance, METH_NOARGS,
     "advance()\n--\n\nInvalidate every plan; takes effect on the next call of each handle."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef epoch_getset[] = {
    {"value", epoch_get_value, NULL, "How often the epoch was advanced.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot epoch_slots[] = {
    {Py_tp_doc, "Epoch()\n--\n\nThe number that says which plans are still valid."},
    {Py_tp_new, epoch_new},
    {Py_tp_dealloc, epoch_dealloc},
    {Py_tp_methods, epoch_methods},
    {Py_tp_getset, epoch_getset},
    {0, NULL},
};

PyType_Spec handle_epoch_spec = {
    .name = "noodle._handle.Epoch",
    .basicsize = sizeof(Epoch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = epoch_slots,
};

/* -------------------------------------------------------------------------------------- Plan */

static int
plan_traverse(PyObject *self, visitproc visit, void *arg)
{
    Plan *plan = (Plan *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(plan->callable);
    Py_VISIT(plan->translate);
    Py_VISIT(plan->keyword_names);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++)
        Py_VISIT(plan->types[i]);
    return 0;
}

static void
plan_dealloc(PyObject *self)
{
    Plan *plan = (Plan *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(plan->callable);
    Py_XDECREF(plan->translate);
    Py_XDECREF(plan->keyword_names);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++)
        Py_XDECREF(plan->types[i]);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* Without tp_clear: a cycle through a plan always passes a handle, which clears it. */
static PyType_Slot plan_slots[] = {
    {Py_tp_traverse, plan_traverse},
    {Py_tp_dealloc, plan_dealloc},
    {0, NULL},
};

PyType_Spec handle_plan_spec = {
    .name = "noodle._handle.Plan",
    .basicsize = offsetof(Plan, types),
    .itemsize = sizeof(PyTypeObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = plan_slots,
};

/* The guard of a plan that is not decided yet, and is unknown to the collector until it is. */
Plan *
handle_new_plan(int64_t epoch, PyObject *const *args, Py_ssize_t positional, PyObject *keyword_names)
{
    Py_ssize_t count = positional + (keyword_names ? PyTuple_GET_SIZE(keyword_names) : 0);
    Plan *plan = PyObject_GC_NewVar(Plan, handle_plan_type, count);
    if (plan == NULL)
        return NULL;
    plan->callable = NULL;
    plan->translate = NULL;
    plan->keyword_names = Py_XNewRef(keyword_names);
    plan->positional = positional;
    plan->epoch = epoch;
    plan->generic = false;
    plan->any_types = false;
    for (Py_ssize_t i = 0; i < count; i++)
        plan->types[i] = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(args[i]));
    return plan;
}

int
handle_decide_plan(Plan *plan, PyObject *decision)
{
    if (!PyTuple_Check(decision) || PyTuple_GET_SIZE(decision) != 3
        || !PyCallable_Check(PyTuple_GET_ITEM(decision, 0))) {
        PyErr_SetString(PyExc_TypeError, "binding.plan must return (callable, translate, generic)");
        return -1;
    }
    int generic = PyObject_IsTrue(PyTuple_GET_ITEM(decision, 2));
    if (generic < 0)
        return -1;
    PyObject *translate = PyTuple_GET_ITEM(decision, 1);
    plan->callable = Py_NewRef(PyTuple_GET_ITEM(decision, 0));
    plan->translate = translate == Py_None ? NULL : Py_NewRef(translate);
    plan->generic = generic;
    PyObject_GC_Track((PyObject *)plan);
    return 0;
}
