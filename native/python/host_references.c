/* References: objects of a worker that stand here, and how they are read. */
#include "host_references_internal.h"

#include <stdlib.h>

PyTypeObject *host_reference_type;

/* ---------------------------------------------------------------------------------- Reference */

/* Lets the worker's object go: the next call tells it.  Any thread, no Python code. */
void
host_reference_let_go(Reference *self)
{
    Link *const link = self->link;
    host_release *entry;
    if (link == NULL)
        return;
    self->link = NULL;
    PyObject *known = host_number_get(link->proxies, self->id);
    if (known != NULL && PyLong_AsVoidPtr(known) == (void *)self)
        host_number_delete(link->proxies, self->id);
    entry = self->id == 0 ? NULL : malloc(sizeof *entry);
    if (entry != NULL && !link_is_dead(link)
        && link->generation == noodle_process_generation()) {
        entry->id = self->id;
        entry->sent = self->sent;
        entry->next = atomic_load_explicit(&link->releases, memory_order_relaxed);
        while (!atomic_compare_exchange_weak(&link->releases, &entry->next, entry)) {
        }
    } else {
        free(entry);
    }
    Py_DECREF(link);
}

static void
reference_dealloc(PyObject *object)
{
    Reference *const self = (Reference *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject *error_type, *value, *traceback;
    PyErr_Fetch(&error_type, &value, &traceback);
    PyObject_GC_UnTrack(object);
    if (self->weak_references != NULL)
        PyObject_ClearWeakRefs(object);
    host_reference_let_go(self);
    Py_XDECREF(self->name);
    PyErr_Restore(error_type, value, traceback);
    type->tp_free(object);
    Py_DECREF(type);
}

static int
reference_traverse(PyObject *self, visitproc visit, void *arg)
{
    Py_VISIT(Py_TYPE(self));
    return 0;
}

Link *
host_reference_link(Reference *self)
{
    if (UNLIKELY(self->link == NULL))
        host_raise(POLICY_RELEASED, "Os", self->name, "it was released");
    else if (UNLIKELY(self->id != 0 && link_is_dead(self->link)
                      && self->link->generation == noodle_process_generation())) {
        host_raise(POLICY_RELEASED, "Os", self->name, "its worker has ended");
        return NULL;
    }
    return self->link;
}

static PyObject *
reference_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Reference *const self = (Reference *)object;
    Link *const link = host_reference_link(self);
    PyObject *const name = self->name;
    PyObject *result;
    if (link == NULL)
        return NULL;
    Py_INCREF(link);
    Py_INCREF(name);   /* it may be renamed meanwhile */
    result = host_call_worker(link, self->kind == WIRE_KIND_CLASS ? NOODLE_OP_NEW : NOODLE_OP_CALL,
                              self->id, name, args, PyVectorcall_NARGS(nargsf), names, &self->pace);
    Py_DECREF(name);
    Py_DECREF(link);
    return result;
}

static PyMemberDef reference_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Reference, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Reference, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot reference_slots[] = {
    {Py_tp_doc, "An object that lives in a worker."},
    {Py_tp_dealloc, reference_dealloc},
    {Py_tp_traverse, reference_traverse},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, reference_members},
    {0, NULL},
};

static PyType_Spec reference_spec = {
    .name = "noodle._host.Reference",
    .basicsize = sizeof(Reference),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = reference_slots,
};

/* ------------------------------------------------------------------------------------ Reading */

static PyObject *
known_proxy(Link *link, const wire_reference *reference)
{
    PyObject *address = host_number_get(link->proxies, reference->id);
    Reference *known = address != NULL ? PyLong_AsVoidPtr(address) : NULL;
    /* With a count of 0 it is on its way out, and what it releases is older than this sending. */
    if (known == NULL || Py_REFCNT(known) == 0)
        return NULL;
    known->sent += reference->sent;
    return Py_NewRef((PyObject *)known);
}

Py_ssize_t
host_count_held(const Link *link)
{
    PyObject *key, *address;
    Py_ssize_t position = 0, held = 0;
    while (PyDict_Next(link->proxies, &position, &key, &address)) {
        const Reference *const proxy = PyLong_AsVoidPtr(address);
        held += proxy != NULL && proxy->sent > proxy->found;
    }
    return held;
}

static PyObject *
new_proxy_of(PyTypeObject *type, Link *link, const wire_reference *reference)
{
    Reference *proxy = (Reference *)type->tp_alloc(type, 0);
    if (proxy == NULL)
        return NULL;
    proxy->vectorcall = reference_vectorcall;
    proxy->id = reference->id;
    proxy->incarnation = reference->incarnation;
    proxy->sent = reference->sent;
    proxy->kind = reference->kind;
    proxy->name = PyUnicode_DecodeUTF8(reference->name, (Py_ssize_t)reference->name_length, "replace");
    PyObject *address = PyLong_FromVoidPtr(proxy);
    if (proxy->name == NULL || address == NULL
        || host_number_set(link->proxies, proxy->id, address) < 0)
        Py_CLEAR(proxy);
    else
        proxy->link = (Link *)Py_NewRef((PyObject *)link);
    Py_XDECREF(address);
    return (PyObject *)proxy;
}

static PyObject *
new_proxy(Link *link, const wire_reference *reference)
{
    PyObject *const own = link->reference_types;
    PyObject *const types =
        own != NULL && PyTuple_Check(own) ? own : host_policy[POLICY_REFERENCE_TYPES];
    if (reference->kind >= PyTuple_GET_SIZE(types)) {
        PyErr_Format(PyExc_ValueError, "a reference of unknown kind %d", reference->kind);
        return NULL;
    }
    PyTypeObject *const type = (PyTypeObject *)PyTuple_GET_ITEM(types, reference->kind);
    if (!PyType_Check(type) || !PyType_IsSubtype(type, host_reference_type)) {
        PyErr_SetString(PyExc_TypeError, "the class of a proxy is a subclass of Reference");
        return NULL;
    }
    return new_proxy_of(type, link, reference);
}

PyObject *
host_read_reference(void *context, const wire_reference *reference)
{
    Link *const link = context;
    if (reference->owner == WIRE_OWNER_HOST) {
        PyObject *object = host_export_object(link, reference->id);
        if (object == NULL)
            PyErr_Format(PyExc_ReferenceError, "the worker refers to object %llu, which it released",
                         (unsigned long long)reference->id);
        return Py_XNewRef(object);
    }
    if (reference->incarnation != link->incarnation) {
        PyErr_SetString(PyExc_ReferenceError, "the worker refers to an object of another one");
        return NULL;
    }
    PyObject *known = known_proxy(link, reference);
    return known != NULL ? known : new_proxy(link, reference);
}

/* ------------------------------------------------------------------------------------- Module */

int
host_references_init(PyObject *module)
{
    host_reference_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &reference_spec, NULL);
    if (host_reference_type == NULL
        || PyModule_AddObjectRef(module, "Reference", (PyObject *)host_reference_type) < 0
        || host_by_reference_init(module) < 0)
        return -1;
    return host_reference_functions_init(module);
}
