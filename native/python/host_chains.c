/* Chains: which calls within each other the running code belongs to.
 *
 * A thread knows the chain of the callback that it serves.  What the callback starts elsewhere (a task,
 * or work for a thread that runs in a copy of its context) finds the chain in a context variable, which
 * is what decides where both say something.  The variable holds a Chain, so that what outlives the
 * callback belongs to no chain any more. */
#include "host.h"

typedef struct Chain {
    PyObject_HEAD
    uint64_t id;
    PyObject *ended;           /* Py_True or Py_False */
} Chain;

bool host_chains_are_carried;

static PyTypeObject *chain_type;
static PyObject *variable;

/* The live chain of the running context: borrowed by it, or NULL. */
static Chain *
carried(void)
{
    PyObject *value = NULL;
    if (PyContextVar_Get(variable, NULL, &value) < 0) {
        PyErr_Clear();
        return NULL;
    }
    Chain *const chain = (Chain *)value;
    Py_XDECREF(value);         /* the context keeps it while it runs */
    return chain != NULL && chain->ended == Py_False ? chain : NULL;
}

COLD uint64_t
host_carried_chain(const host_thread *thread)
{
    const Chain *const chain = carried();
    if (chain != NULL)
        return chain->id;
    return thread != NULL ? thread->chain : 0;
}

static PyObject *
new_chain(uint64_t id)
{
    Chain *const made = PyObject_New(Chain, chain_type);
    if (made == NULL)
        return NULL;
    made->id = id;
    made->ended = Py_False;
    return (PyObject *)made;
}

int
host_chain_enter(host_chain_scope *scope, uint64_t id, bool shares)
{
    const Chain *const outer = shares && host_chains_are_carried ? carried() : NULL;
    *scope = (host_chain_scope){NULL, NULL};
    if (outer != NULL && outer->id == id)
        return 0;
    host_chains_are_carried = true;
    scope->chain = new_chain(id);
    scope->token = scope->chain != NULL ? PyContextVar_Set(variable, scope->chain) : NULL;
    if (scope->token != NULL)
        return 0;
    Py_CLEAR(scope->chain);
    return -1;
}

void
host_chain_leave(host_chain_scope *scope, bool ends)
{
    PyObject *type, *value, *traceback;
    if (scope->token == NULL)
        return;
    PyErr_Fetch(&type, &value, &traceback);
    if (ends)
        ((Chain *)scope->chain)->ended = Py_True;
    if (PyContextVar_Reset(variable, scope->token) < 0)
        PyErr_WriteUnraisable(scope->chain);
    Py_CLEAR(scope->token);
    Py_CLEAR(scope->chain);
    PyErr_Restore(type, value, traceback);
}

/* ------------------------------------------------------------------------------------- Python */

static PyObject *
chain_end(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ((Chain *)self)->ended = Py_True;
    Py_RETURN_NONE;
}

static void
chain_dealloc(PyObject *self)
{
    PyTypeObject *const type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(type);
}

static PyMethodDef chain_methods[] = {
    {"end", chain_end, METH_NOARGS,
     "end()\n--\n\nLet what still runs in its contexts belong to no chain any more."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef chain_members[] = {
    {"id", T_ULONGLONG, offsetof(Chain, id), READONLY, "Its number."},
    {"ended", T_OBJECT, offsetof(Chain, ended), READONLY, "Whether its callback has ended."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot chain_slots[] = {
    {Py_tp_doc, "A chain of nested calls, for as long as a callback of it runs."},
    {Py_tp_dealloc, chain_dealloc},
    {Py_tp_methods, chain_methods},
    {Py_tp_members, chain_members},
    {0, NULL},
};

static PyType_Spec chain_spec = {
    .name = "noodle._host.Chain",
    .basicsize = sizeof(Chain),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = chain_slots,
};

static PyObject *
module_current_chain(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromUnsignedLongLong(host_chain_here(host_this_thread));
}

static PyMethodDef module_methods[] = {
    {"current_chain", module_current_chain, METH_NOARGS,
     "current_chain()\n--\n\nReturn the chain of calls that the running code belongs to, or 0."},
    {NULL, NULL, 0, NULL},
};

int
host_chains_init(PyObject *module)
{
    variable = PyContextVar_New("noodle_chain", NULL);
    chain_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &chain_spec, NULL);
    if (variable == NULL || chain_type == NULL
        || PyModule_AddObjectRef(module, "Chain", (PyObject *)chain_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, module_methods);
}
