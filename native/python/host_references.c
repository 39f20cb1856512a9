/* References: how objects are written and read, and objects of a worker that stand here. */
#include "host.h"

#include <stdlib.h>

PyTypeObject *host_reference_type;
PyTypeObject *host_by_reference_type;

/* Types whose objects may stand for a RemoteFunction, and what says for which; NULL until they are set. */
static PyObject *stand_in_types, *stand_in_function;

/* ------------------------------------------------------------------------------------ Writing */

static uint8_t
kind_of(PyObject *object)
{
    const PyTypeObject *const type = Py_TYPE(object);
    /* An object of another worker is there what it is here. */
    if (PyObject_TypeCheck(object, host_reference_type))
        return ((Reference *)object)->kind;
    /* Subclasses of RemoteFunction stand for classes of a worker. */
    if (PyType_Check(object)
        || (PyObject_TypeCheck(object, host_function_type) && type != host_function_type))
        return WIRE_KIND_CLASS;
    if (PyModule_Check(object))
        return WIRE_KIND_MODULE;
    PyObject *function = PyMethod_Check(object) ? PyMethod_GET_FUNCTION(object) : object;
    if (PyFunction_Check(function)) {
        const PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
        return code->co_flags & CO_COROUTINE ? WIRE_KIND_ASYNC_FUNCTION : WIRE_KIND_FUNCTION;
    }
    if (type->tp_as_async != NULL && type->tp_as_async->am_await != NULL)
        return WIRE_KIND_AWAITABLE;
    if (type->tp_as_async != NULL && type->tp_as_async->am_anext != NULL)
        return WIRE_KIND_ASYNC_ITERATOR;
    if (PyCallable_Check(object))
        return WIRE_KIND_FUNCTION;
    return PyIter_Check(object) ? WIRE_KIND_ITERATOR : WIRE_KIND_OBJECT;
}

/* The name is for people: where there is none, or a long one, it is the type's, or shortened. */
static int
write_named(wire_writer *writer, wire_reference *reference, PyObject *object)
{
    PyObject *name = NULL;
    if (PyObject_TypeCheck(object, host_reference_type))
        name = Py_NewRef(((Reference *)object)->name);
    else if (PyFunction_Check(object) || PyType_Check(object) || PyCFunction_Check(object)
             || PyObject_TypeCheck(object, host_function_type))
        name = PyObject_GetAttrString(object, "__qualname__");
    PyErr_Clear();
    Py_ssize_t length = 0;
    reference->name = name != NULL && PyUnicode_Check(name)
                          ? PyUnicode_AsUTF8AndSize(name, &length)
                          : NULL;
    PyErr_Clear();
    if (reference->name == NULL) {
        reference->name = Py_TYPE(object)->tp_name;
        length = (Py_ssize_t)strlen(reference->name);
    }
    reference->name_length = (size_t)length;
    while (reference->name_length > WIRE_NAME_MAX
           || (reference->name_length < (size_t)length
               && (reference->name[reference->name_length] & 0xc0) == 0x80))
        reference->name_length--;
    wire_write_reference(writer, reference);
    Py_XDECREF(name);
    return 1;
}

static int
write_own(host_message *message, wire_writer *writer, const Reference *object)
{
    if (object->incarnation != message->link->incarnation)
        return host_raise(POLICY_RELEASED, "Os", object->name, "its worker has ended");
    const wire_reference reference = {
        .owner = WIRE_OWNER_WORKER,
        .kind = object->kind,
        .sent = 1,
        .id = object->id,
        .incarnation = object->incarnation,
        .name = "",
    };
    wire_write_reference(writer, &reference);
    return 1;
}

static int
write_export(host_message *message, wire_writer *writer, PyObject *object)
{
    uint64_t id;
    if (host_export_send(message->link, object, &id) < 0)
        return -1;
    if (host_message_note(message, id, true) < 0) {
        host_export_undo(message->link, id);
        return -1;
    }
    wire_reference reference = {
        .owner = WIRE_OWNER_HOST,
        .kind = kind_of(object),
        .sent = 1,
        .id = id,
        .incarnation = 1,
    };
    return write_named(writer, &reference, object);
}

typedef struct {
    PyObject_HEAD
    PyObject *object;
} ByReference;

static int
write_any(host_message *message, wire_writer *writer, PyObject *object)
{
    if (Py_TYPE(object) == host_by_reference_type)
        object = ((ByReference *)object)->object;
    if (PyObject_TypeCheck(object, host_reference_type)) {
        const Reference *const own = (Reference *)object;
        if (own->link == NULL)
            return host_raise(POLICY_RELEASED, "Os", own->name, "it was released");
        if (own->link == message->link)
            return write_own(message, writer, own);
    }
    return write_export(message, writer, object);
}

/* What an object stands for here, such as the handle of a worker's function for that function: a new
 * reference, or NULL with an exception. */
static PyObject *
behind(PyObject *object)
{
    const Py_ssize_t count = stand_in_types != NULL ? PyTuple_GET_SIZE(stand_in_types) : 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyObject_TypeCheck(object, (PyTypeObject *)PyTuple_GET_ITEM(stand_in_types, i)))
            return PyObject_CallOneArg(stand_in_function, object);
    return Py_NewRef(object);
}

int
host_write_reference(void *context, wire_writer *writer, PyObject *object)
{
    host_message *const message = context;
    PyObject *resolved = NULL;
    /* One that was released exports no buffer any more. */
    if (Py_TYPE(object) == host_array_type && host_array_check(object) < 0)
        return -1;
    PyObject *const function = behind(object);
    if (function != NULL && PyObject_TypeCheck(function, host_function_type))
        resolved = host_function_reference_in(function, message->link);
    Py_XDECREF(function);
    if (resolved == NULL && PyErr_Occurred())
        return -1;
    const int written = write_any(message, writer, resolved != NULL ? resolved : object);
    Py_XDECREF(resolved);
    return written;
}

/* ---------------------------------------------------------------------------------- Reference */

/* Lets the worker's object go: the next call tells it.  Any thread, no Python code. */
static void
let_go(Reference *self)
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
    let_go(self);
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

static Link *
live_link(Reference *self)
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
    Link *const link = live_link(self);
    PyObject *result;
    if (link == NULL)
        return NULL;
    Py_INCREF(link);
    result = host_call_worker(link, self->kind == WIRE_KIND_CLASS ? NOODLE_OP_NEW : NOODLE_OP_CALL,
                              self->id, self->name, args, PyVectorcall_NARGS(nargsf), names,
                              &self->pace);
    Py_DECREF(link);
    return result;
}

static PyObject *
reference_release(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    let_go((Reference *)self);
    Py_RETURN_NONE;
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

/* -------------------------------------------------------------------------------- ByReference */

static void
by_reference_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((ByReference *)self)->object);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
by_reference_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"", NULL};
    PyObject *object;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:ByReference", keywords, &object))
        return NULL;
    ByReference *self = (ByReference *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->object = Py_NewRef(object);
    return (PyObject *)self;
}

static PyType_Slot by_reference_slots[] = {
    {Py_tp_doc, "ByReference(object, /)\n--\n\nAn argument that is to be sent by reference."},
    {Py_tp_new, by_reference_new},
    {Py_tp_dealloc, by_reference_dealloc},
    {0, NULL},
};

static PyType_Spec by_reference_spec = {
    .name = "noodle._host.ByReference",
    .basicsize = sizeof(ByReference),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = by_reference_slots,
};

/* ------------------------------------------------------------------------------------- Module */

static Reference *
as_reference(PyObject *object)
{
    if (!PyObject_TypeCheck(object, host_reference_type)) {
        PyErr_Format(PyExc_TypeError, "expected a reference, got %.200s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (Reference *)object;
}

static PyObject *
module_request(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "request() needs a reference and an operation");
        return NULL;
    }
    Reference *const self = as_reference(args[0]);
    const int operation = self == NULL ? -1 : (int)PyLong_AsLong(args[1]);
    Link *const link = PyErr_Occurred() ? NULL : live_link(self);
    PyObject *result;
    if (link == NULL)
        return NULL;
    /* What is asked of a module is about one of its members, which is what the program knows. */
    const bool names = self->kind == WIRE_KIND_MODULE && count > 2 && PyUnicode_Check(args[2]);
    Py_INCREF(link);
    result = host_call_worker(link, operation, self->id, names ? args[2] : self->name, args + 2,
                              count - 2, NULL, &self->pace);
    Py_DECREF(link);
    return result;
}

static PyObject *
module_facts(PyObject *Py_UNUSED(module), PyObject *object)
{
    const Reference *const self = as_reference(object);
    if (self == NULL)
        return NULL;
    return Py_BuildValue("(OKiOI)", self->link != NULL ? (PyObject *)self->link : Py_None,
                         (unsigned long long)self->id, self->kind, self->name,
                         (unsigned int)self->sent);
}

static PyObject *
module_note_found(PyObject *Py_UNUSED(module), PyObject *object)
{
    Reference *const self = as_reference(object);
    if (self == NULL)
        return NULL;
    self->found++;
    Py_RETURN_NONE;
}

static PyObject *
module_release(PyObject *Py_UNUSED(module), PyObject *object)
{
    Reference *const self = as_reference(object);
    return self == NULL ? NULL : reference_release((PyObject *)self, NULL);
}

/* The worker itself, which is never let go. */
static PyObject *
module_root(PyObject *Py_UNUSED(module), PyObject *object)
{
    Link *const link = (Link *)object;
    if (Py_TYPE(object) != host_link_type) {
        PyErr_Format(PyExc_TypeError, "expected a link, got %.200s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    const wire_reference reference = {
        .owner = WIRE_OWNER_WORKER,
        .kind = WIRE_KIND_OBJECT,
        .incarnation = link->incarnation,
        .name = "worker",
        .name_length = 6,
    };
    PyObject *known = known_proxy(link, &reference);
    return known != NULL ? known : new_proxy(link, &reference);
}

static PyObject *
module_set_engine(PyObject *Py_UNUSED(module), PyObject *engine)
{
    Py_XSETREF(host_engine, Py_NewRef(engine));
    Py_RETURN_NONE;
}

static PyObject *
module_set_stand_ins(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *types, *function;
    if (!PyArg_ParseTuple(args, "O!O:set_stand_ins", &PyTuple_Type, &types, &function))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(types); i++)
        if (!PyType_Check(PyTuple_GET_ITEM(types, i)))
            return PyErr_Format(PyExc_TypeError, "expected types");
    Py_XSETREF(stand_in_types, Py_NewRef(types));
    Py_XSETREF(stand_in_function, Py_NewRef(function));
    Py_RETURN_NONE;
}

static PyObject *
module_rename(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *object, *name;
    if (!PyArg_ParseTuple(args, "O!U:rename", host_reference_type, &object, &name))
        return NULL;
    Py_SETREF(((Reference *)object)->name, Py_NewRef(name));
    Py_RETURN_NONE;
}

static PyMethodDef reference_functions[] = {
    {"set_stand_ins", module_set_stand_ins, METH_VARARGS,
     "set_stand_ins(types, function)\n--\n\nSay what of these types is sent as another object: what "
     "function(object) returns."},
    {"rename", module_rename, METH_VARARGS,
     "rename(reference, name)\n--\n\nSet what a worker's object is called in messages."},
    {"request", (PyCFunction)(void (*)(void))module_request, METH_FASTCALL,
     "request(reference, operation, *arguments)\n--\n\nAsk something of a worker's object."},
    {"facts", module_facts, METH_O,
     "facts(reference)\n--\n\nReturn (link or None when released, id, kind, name, sendings)."},
    {"note_found", module_note_found, METH_O,
     "note_found(reference)\n--\n\nNote that its last sending was to somebody who can ask for it again."},
    {"release", module_release, METH_O,
     "release(reference)\n--\n\nLet a worker's object go; doing it twice is harmless."},
    {"root", module_root, METH_O, "root(link)\n--\n\nReturn the reference of the worker itself."},
    {"set_engine", module_set_engine, METH_O,
     "set_engine(object)\n--\n\nSet what workers reach under the id 0."},
    {NULL, NULL, 0, NULL},
};

int
host_references_init(PyObject *module)
{
    host_reference_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &reference_spec, NULL);
    host_by_reference_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &by_reference_spec, NULL);
    if (host_reference_type == NULL || host_by_reference_type == NULL
        || PyModule_AddObjectRef(module, "Reference", (PyObject *)host_reference_type) < 0
        || PyModule_AddObjectRef(module, "ByReference", (PyObject *)host_by_reference_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, reference_functions);
}
