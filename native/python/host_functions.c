/* RemoteFunction: what a plan jumps to for a function of a worker. */
#include "host.h"

PyTypeObject *host_function_type;

/* Resolved anew when its worker has ended; with several workers, each call goes to the one with the
 * fewest calls in flight, and among equals to the one that was used last. */
typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *resolve;        /* (index) -> Reference */
    PyObject *name;
    uint64_t calls;
    host_pace pace;
    Py_ssize_t last;
    Py_ssize_t count;
    Reference **references;   /* `count` of them, each NULL or owned */
    PyObject *weak_references;
} RemoteFunction;

static inline bool
is_usable(const Reference *reference)
{
    return reference != NULL && reference->link != NULL && !link_is_dead(reference->link)
           && !reference->link->retires;
}

static COLD Reference *
resolve(RemoteFunction *self, Py_ssize_t index)
{
    PyObject *number = PyLong_FromSsize_t(index);
    PyObject *found = number != NULL ? PyObject_CallOneArg(self->resolve, number) : NULL;
    Py_XDECREF(number);
    if (found == NULL)
        return NULL;
    if (!PyObject_TypeCheck(found, host_reference_type)) {
        PyErr_Format(PyExc_TypeError, "%U was resolved to %.200s instead of a reference", self->name,
                     Py_TYPE(found)->tp_name);
        Py_DECREF(found);
        return NULL;
    }
    Reference *const before = self->references[index];
    self->references[index] = (Reference *)Py_NewRef(found);
    Py_XDECREF(before);
    return (Reference *)found;
}

/* Does a worker stand still in a callback of this chain?  It serves the chain's calls at once, and no
 * other worker's call may wait for one that stands still. */
static bool
waits_for(const Reference *reference, uint64_t chain)
{
    if (!is_usable(reference))
        return false;
    for (const host_serving *at = reference->link->serving; at != NULL; at = at->next)
        if (at->blocks && at->chain == chain)
            return true;
    return false;
}

static COLD Py_ssize_t
least_busy(RemoteFunction *self)
{
    const uint64_t chain = host_chain_here(host_this_thread);
    Py_ssize_t best = self->last;
    uint32_t fewest = UINT32_MAX;
    for (Py_ssize_t i = 0; i < self->count; i++) {
        const Py_ssize_t at = (self->last + i) % self->count;
        const Reference *const reference = self->references[at];
        if (chain != 0 && waits_for(reference, chain))
            return self->last = at;
        const uint32_t busy = is_usable(reference) ? reference->link->in_flight : 0;
        if (busy < fewest) {
            fewest = busy;
            best = at;
        }
    }
    return self->last = best;
}

static PyObject *
function_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    RemoteFunction *const self = (RemoteFunction *)object;
    const Py_ssize_t index = LIKELY(self->count == 1) ? 0 : least_busy(self);
    Reference *reference = self->references[index];
    PyObject *result;
    if (LIKELY(is_usable(reference)))
        Py_INCREF(reference);
    else if ((reference = resolve(self, index)) == NULL)
        return NULL;
    self->calls++;
    Link *const link = reference->link;
    if (UNLIKELY(link == NULL)) {
        host_raise(POLICY_RELEASED, "Os", self->name, "it was released");
        Py_DECREF(reference);
        return NULL;
    }
    Py_INCREF(link);
    result = host_call_worker(link,
                              reference->kind == WIRE_KIND_CLASS ? NOODLE_OP_NEW : NOODLE_OP_CALL,
                              reference->id, self->name, args, PyVectorcall_NARGS(nargsf), names,
                              &self->pace);
    Py_DECREF(link);
    Py_DECREF(reference);
    return result;
}

PyObject *
host_function_reference_in(PyObject *function, const Link *link)
{
    RemoteFunction *const self = (RemoteFunction *)function;
    for (Py_ssize_t i = 0; i < self->count; i++)
        if (is_usable(self->references[i]) && self->references[i]->link == link)
            return Py_NewRef((PyObject *)self->references[i]);
    for (Py_ssize_t i = 0; i < self->count; i++) {
        if (is_usable(self->references[i]))
            continue;
        Reference *const found = resolve(self, i);
        if (found == NULL || found->link == link)
            return (PyObject *)found;
        Py_DECREF(found);
    }
    return NULL;
}

static PyObject *
function_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"resolve", "name", "workers", NULL};
    PyObject *resolver, *name;
    Py_ssize_t workers = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OU|n:RemoteFunction", keywords, &resolver, &name,
                                     &workers))
        return NULL;
    if (workers < 1 || workers > (Py_ssize_t)NOODLE_ARENA_WORKERS) {
        PyErr_Format(PyExc_ValueError, "workers must be 1 to %u, got %zd", NOODLE_ARENA_WORKERS,
                     workers);
        return NULL;
    }
    RemoteFunction *self = (RemoteFunction *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = function_vectorcall;
    self->resolve = Py_NewRef(resolver);
    self->name = Py_NewRef(name);
    self->references = PyMem_Calloc((size_t)workers, sizeof *self->references);
    self->count = self->references != NULL ? workers : 0;
    if (self->references == NULL) {
        Py_DECREF(self);
        return PyErr_NoMemory();
    }
    return (PyObject *)self;
}

static int
function_traverse(PyObject *object, visitproc visit, void *arg)
{
    RemoteFunction *const self = (RemoteFunction *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->resolve);
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_VISIT(self->references[i]);
    return 0;
}

static int
function_clear(PyObject *object)
{
    RemoteFunction *const self = (RemoteFunction *)object;
    PyObject *before = self->resolve;
    self->resolve = Py_NewRef(Py_None);
    Py_XDECREF(before);
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_CLEAR(self->references[i]);
    return 0;
}

static void
function_dealloc(PyObject *object)
{
    RemoteFunction *const self = (RemoteFunction *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (self->weak_references != NULL)
        PyObject_ClearWeakRefs(object);
    Py_XDECREF(self->resolve);
    for (Py_ssize_t i = 0; i < self->count; i++)
        Py_XDECREF(self->references[i]);
    PyMem_Free(self->references);
    Py_XDECREF(self->name);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
function_repr(PyObject *object)
{
    return PyUnicode_FromFormat("<remote function %U>", ((RemoteFunction *)object)->name);
}

static PyObject *
function_get_name(PyObject *object, void *Py_UNUSED(closure))
{
    return Py_NewRef(((RemoteFunction *)object)->name);
}

static PyObject *
function_reference(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    RemoteFunction *const self = (RemoteFunction *)object;
    const Py_ssize_t index = self->count == 1 ? 0 : least_busy(self);
    if (is_usable(self->references[index]))
        return Py_NewRef((PyObject *)self->references[index]);
    return (PyObject *)resolve(self, index);
}

Reference *
host_function_known(PyObject *function)
{
    RemoteFunction *const self = (RemoteFunction *)function;
    const Py_ssize_t index = self->count == 1 ? 0 : least_busy(self);
    Reference *const reference = self->references[index];
    return is_usable(reference) ? (Reference *)Py_NewRef((PyObject *)reference) : NULL;
}

static PyObject *
function_known(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    PyObject *known = (PyObject *)host_function_known(object);
    return known != NULL ? known : Py_NewRef(Py_None);
}

static PyMethodDef function_methods[] = {
    {"known", function_known, METH_NOARGS,
     "known()\n--\n\nReturn what reference() would, or None where it would have to find it out first."},
    {"reference", function_reference, METH_NOARGS,
     "reference()\n--\n\nReturn the function's reference in the worker that a call would go to."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef function_getset[] = {
    {"__name__", function_get_name, NULL, "The function's name.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef function_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(RemoteFunction, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(RemoteFunction, weak_references), READONLY, NULL},
    {"calls", T_ULONGLONG, offsetof(RemoteFunction, calls), READONLY, "Calls made so far."},
    {"resolve", T_OBJECT, offsetof(RemoteFunction, resolve), READONLY, "What finds it in a worker."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot function_slots[] = {
    {Py_tp_doc, "RemoteFunction(resolve, name, workers=1)\n--\n\nA function that lives in workers."},
    {Py_tp_new, function_new},
    {Py_tp_dealloc, function_dealloc},
    {Py_tp_traverse, function_traverse},
    {Py_tp_clear, function_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_repr, function_repr},
    {Py_tp_methods, function_methods},
    {Py_tp_getset, function_getset},
    {Py_tp_members, function_members},
    {0, NULL},
};

static PyType_Spec function_spec = {
    .name = "noodle._host.RemoteFunction",
    .basicsize = sizeof(RemoteFunction),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = function_slots,
};

int
host_functions_init(PyObject *module)
{
    host_function_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &function_spec, NULL);
    if (host_function_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "RemoteFunction", (PyObject *)host_function_type);
}
