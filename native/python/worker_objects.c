/* Objects that cross by reference: ours, which the host holds by number, and the host's, for which
 * references stand here. */
#define _GNU_SOURCE
#include "worker.h"

#include <stdlib.h>
#include <string.h>

/* An id is a place in the table and, above it, how often the place was used: so an id is never used
 * again, and finding one takes no search. */
#define PLACE_BITS 24
#define PLACES_MOST (UINT32_C(1) << PLACE_BITS)
#define USES_MOST (((UINT64_C(1) << 53) - 1) >> PLACE_BITS)
#define CO_COROUTINE 0x0080
#define NAME_MOST 60

static worker_object *table;
static uint32_t used;        /* places that were ever used; place 0 is the worker itself */
static uint32_t capacity;
static uint32_t first_free;  /* 0: none */
static uint32_t live;
static uint32_t *buckets;    /* `capacity` of them, by address; 0: empty */

uint32_t
worker_object_count(void)
{
    return live;
}

worker_object *
worker_find_object(uint64_t id)
{
    const uint32_t place = (uint32_t)(id & (PLACES_MOST - 1));
    if (UNLIKELY(place == 0 || place >= used || table[place].id != id || table[place].value == NULL))
        return NULL;
    return &table[place];
}

/* ------------------------------------------------------------------------------ Our own objects */

static uint32_t *
bucket_of(const PyObject *value)
{
    return &buckets[((uintptr_t)value >> 4) * UINT64_C(0x9e3779b97f4a7c15) >> 32 & (capacity - 1)];
}

static bool
grow(void)
{
    const uint32_t wanted = capacity == 0 ? 256 : 2 * capacity;
    worker_object *grown;
    if (wanted > PLACES_MOST)
        return false;
    grown = realloc(table, wanted * sizeof *table);
    if (grown == NULL)
        return false;
    table = grown;
    uint32_t *const fresh = calloc(wanted, sizeof *fresh);
    if (fresh == NULL)
        return false;
    free(buckets);
    buckets = fresh;
    capacity = wanted;
    if (used == 0)
        table[used++] = (worker_object){0};
    for (uint32_t place = 1; place < used; place++)
        if (table[place].value != NULL) {
            uint32_t *const bucket = bucket_of(table[place].value);
            table[place].next = *bucket;
            *bucket = place;
        }
    return true;
}

/* Returns a free place with a new id, or NULL. */
static worker_object *
take_place(void)
{
    worker_object *object;
    if (first_free != 0) {
        object = &table[first_free];
        first_free = object->next;
        *object = (worker_object){.id = object->id + PLACES_MOST};
        return object;
    }
    if (used >= capacity && !grow())
        return NULL;
    object = &table[used];
    *object = (worker_object){.id = used++};
    return object;
}

/* The end of the object may run code, which may send others. */
static void
free_place(worker_object *object)
{
    PyObject *const value = object->value;
    const uint32_t place = (uint32_t)(object->id & (PLACES_MOST - 1));
    uint32_t *at = bucket_of(value);
    while (*at != place)
        at = &table[*at].next;
    *at = object->next;
    object->value = NULL;
    live--;
    if (object->id >> PLACE_BITS < USES_MOST) {
        object->next = first_free;
        first_free = place;
    }
    Py_DECREF(value);
}

/* Lets an object go once all its sendings are let go. */
void
worker_object_release(uint64_t id, uint32_t sent)
{
    worker_object *const object = worker_find_object(id);
    if (object == NULL)
        return;
    object->sent -= sent < object->sent ? sent : object->sent;
    if (object->sent == 0)
        free_place(object);
}

void
worker_object_unsend(uint64_t id)
{
    worker_object *const object = worker_find_object(id);
    if (object != NULL && --object->sent == 0)
        free_place(object);
}

static bool
has_special(PyObject *value, const char *name)
{
    return PyObject_HasAttrString((PyObject *)Py_TYPE(value), name);
}

static bool
is_one_of(PyObject *value, PyObject *types)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(types); i++)
        if ((PyObject *)Py_TYPE(value) == PyTuple_GetItem(types, i))
            return true;
    return false;
}

static bool
is_coroutine_function(PyObject *function)
{
    PyObject *const code = PyObject_GetAttrString(function, "__code__");
    PyObject *const flags = code != NULL ? PyObject_GetAttrString(code, "co_flags") : NULL;
    const long bits = flags != NULL ? PyLong_AsLong(flags) : 0;
    Py_XDECREF(flags);
    Py_XDECREF(code);
    PyErr_Clear();
    return (bits & CO_COROUTINE) != 0;
}

static uint8_t
kind_of(PyObject *value)
{
    if (PyType_Check(value))
        return WIRE_KIND_CLASS;
    if (PyModule_Check(value))
        return WIRE_KIND_MODULE;
    if (is_one_of(value, worker.functions[WORKER_FUNCTION_TYPES]))
        return is_coroutine_function(value) ? WIRE_KIND_ASYNC_FUNCTION : WIRE_KIND_FUNCTION;
    if (PyIter_Check(value))
        return WIRE_KIND_ITERATOR;
    if (has_special(value, "__anext__"))
        return WIRE_KIND_ASYNC_ITERATOR;
    if (has_special(value, "__await__"))
        return WIRE_KIND_AWAITABLE;
    return PyCallable_Check(value) ? WIRE_KIND_FUNCTION : WIRE_KIND_OBJECT;
}

static worker_object *
introduce(PyObject *value)
{
    if (capacity != 0)
        for (uint32_t place = *bucket_of(value); place != 0; place = table[place].next)
            if (table[place].value == value)
                return &table[place];
    const uint8_t kind = kind_of(value);   /* may run code of the object's type */
    worker_object *const object = take_place();
    if (object == NULL) {
        PyErr_SetString(PyExc_MemoryError, "the host holds too many objects");
        return NULL;
    }
    Py_INCREF(value);
    object->value = value;
    object->kind = kind;
    uint32_t *const bucket = bucket_of(value);
    object->next = *bucket;
    *bucket = (uint32_t)(object->id & (PLACES_MOST - 1));
    live++;
    return object;
}

/* The name is for people: of a function, class or module its own, else that of the type. */
static PyObject *
name_of(PyObject *value, uint8_t kind)
{
    PyObject *name = NULL;
    if (kind == WIRE_KIND_MODULE)
        name = PyObject_GetAttrString(value, "__name__");
    else if (kind == WIRE_KIND_FUNCTION || kind == WIRE_KIND_ASYNC_FUNCTION || kind == WIRE_KIND_CLASS)
        name = PyObject_GetAttrString(value, "__qualname__");
    if (name == NULL || !PyUnicode_Check(name)) {
        Py_XDECREF(name);
        PyErr_Clear();
        name = PyObject_GetAttrString((PyObject *)Py_TYPE(value), "__qualname__");
    }
    PyObject *const bytes = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8String(name) : NULL;
    Py_XDECREF(name);
    PyErr_Clear();
    return bytes;
}

static size_t
shortened(const char *text, size_t length)
{
    if (length <= NAME_MOST)
        return length;
    for (length = NAME_MOST; length > 0 && (text[length] & 0xc0) == 0x80;)
        length--;
    return length;
}

static int
write_own(worker_message *message, wire_writer *writer, PyObject *value)
{
    worker_object *const object = introduce(value);
    if (object == NULL)
        return -1;
    if (!worker_message_note(message, object->id)) {
        PyErr_NoMemory();
        return -1;
    }
    object->sent++;
    wire_reference reference = {
        .owner = WIRE_OWNER_WORKER,
        .kind = object->kind,
        .sent = 1,
        .id = object->id,
        .incarnation = worker.incarnation,
        .name = "",
    };
    PyObject *const name = name_of(value, object->kind);
    if (name != NULL) {
        reference.name = PyBytes_AsString(name);
        reference.name_length = shortened(reference.name, (size_t)PyBytes_Size(name));
    }
    wire_write_reference(writer, &reference);
    Py_XDECREF(name);
    return 1;
}

/* ---------------------------------------------------------------------------- The host's objects */

typedef struct Reference {
    PyObject_HEAD
    uint64_t id;
    uint32_t sent;
    uint8_t kind;
    bool is_released;
    PyObject *name;
} Reference;

static PyTypeObject *reference_type;
static PyObject *proxies;     /* id -> address of the live Reference */

uint32_t
worker_proxy_count(void)
{
    return (uint32_t)PyDict_Size(proxies);
}

static Reference *
known_proxy(uint64_t id)
{
    PyObject *const key = PyLong_FromUnsignedLongLong(id);
    PyObject *const address = key != NULL ? PyDict_GetItem(proxies, key) : NULL;
    Reference *const known = address != NULL ? PyLong_AsVoidPtr(address) : NULL;
    Py_XDECREF(key);
    /* With a count of 0 it is on its way out, and what it releases is older than this sending. */
    return known != NULL && Py_REFCNT((PyObject *)known) != 0 ? known : NULL;
}

static void
forget_proxy(const Reference *self)
{
    PyObject *const key = PyLong_FromUnsignedLongLong(self->id);
    PyObject *const address = key != NULL ? PyDict_GetItem(proxies, key) : NULL;
    if (address != NULL && PyLong_AsVoidPtr(address) == (const void *)self)
        PyDict_DelItem(proxies, key);
    Py_XDECREF(key);
}

/* Writes to no ring: it may run at any moment. */
static void
reference_dealloc(PyObject *object)
{
    Reference *const self = (Reference *)object;
    PyTypeObject *const type = Py_TYPE(object);
    freefunc const release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    PyObject *error_type, *value, *traceback;
    PyErr_Fetch(&error_type, &value, &traceback);
    forget_proxy(self);
    if (!self->is_released)
        worker_release(self->id, self->sent);
    Py_XDECREF(self->name);
    PyErr_Restore(error_type, value, traceback);
    release(object);
    Py_DECREF(type);
}

static PyObject *
reference_call(PyObject *object, PyObject *arguments, PyObject *named)
{
    const Reference *const self = (Reference *)object;
    const Py_ssize_t count = PyTuple_Size(arguments);
    const bool has_names = named != NULL && PyDict_Size(named) > 0;
    PyObject *values[16];
    PyObject **const all = count <= 16 ? values : malloc((size_t)count * sizeof *all);
    PyObject *result;
    if (all == NULL)
        return PyErr_NoMemory();
    for (Py_ssize_t i = 0; i < count; i++)
        all[i] = PyTuple_GetItem(arguments, i);
    result = worker_request(has_names                       ? NOODLE_OP_CALL_NAMED
                            : self->kind == WIRE_KIND_CLASS ? NOODLE_OP_NEW
                                                            : NOODLE_OP_CALL,
                            self->id, has_names ? named : NULL, all, count);
    if (all != values)
        free(all);
    return result;
}

static PyObject *
get_id(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromUnsignedLongLong(((Reference *)self)->id);
}

static PyObject *
get_kind(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLong(((Reference *)self)->kind);
}

static PyObject *
get_name(PyObject *self, void *Py_UNUSED(closure))
{
    PyObject *const name = ((Reference *)self)->name;
    Py_INCREF(name);
    return name;
}

static PyGetSetDef reference_getset[] = {
    {"_noodle_id", get_id, NULL, "Its number on the host.", NULL},
    {"_noodle_kind", get_kind, NULL, "What it is, as in noodle/wire.h.", NULL},
    {"_noodle_name", get_name, NULL, "The name of its type, or its own.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot reference_slots[] = {
    {Py_tp_doc, "An object of the host."},
    {Py_tp_dealloc, reference_dealloc},
    {Py_tp_call, reference_call},
    {Py_tp_getset, reference_getset},
    {0, NULL},
};

static PyType_Spec reference_spec = {
    .name = "noodle.Reference",
    .basicsize = sizeof(Reference),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = reference_slots,
};

static PyObject *
new_proxy(const wire_reference *reference)
{
    PyObject *const types = worker.functions[WORKER_PROXY_TYPES];
    PyObject *name, *key, *address;
    if (reference->kind >= PyTuple_Size(types)) {
        PyErr_Format(PyExc_ValueError, "a reference of unknown kind %d", reference->kind);
        return NULL;
    }
    name = PyUnicode_DecodeUTF8(reference->name, (Py_ssize_t)reference->name_length, "replace");
    if (name == NULL)
        return NULL;
    PyTypeObject *const type = (PyTypeObject *)PyTuple_GetItem(types, reference->kind);
    Reference *proxy = (Reference *)PyType_GenericAlloc(type, 0);
    if (proxy == NULL) {
        Py_DECREF(name);
        return NULL;
    }
    proxy->id = reference->id;
    proxy->sent = reference->sent;
    proxy->kind = reference->kind;
    proxy->name = name;
    key = PyLong_FromUnsignedLongLong(proxy->id);
    address = PyLong_FromVoidPtr(proxy);
    if (key == NULL || address == NULL || PyDict_SetItem(proxies, key, address) < 0)
        Py_CLEAR(proxy);
    Py_XDECREF(key);
    Py_XDECREF(address);
    return (PyObject *)proxy;
}

static PyObject *
read_own(const wire_reference *reference)
{
    const worker_object *const object = worker_find_object(reference->id);
    if (reference->incarnation != worker.incarnation || object == NULL) {
        PyErr_Format(PyExc_ReferenceError,
                     "the object %llu was released, or belongs to a worker that has ended",
                     (unsigned long long)reference->id);
        return NULL;
    }
    Py_INCREF(object->value);
    return object->value;
}

PyObject *
worker_read_reference(void *context, const wire_reference *reference)
{
    (void)context;
    if (reference->owner == WIRE_OWNER_WORKER)
        return read_own(reference);
    worker.host_incarnation = reference->incarnation;
    Reference *const known = known_proxy(reference->id);
    if (known == NULL)
        return new_proxy(reference);
    known->sent += reference->sent;
    Py_INCREF(known);
    return (PyObject *)known;
}

int
worker_write_reference(void *context, wire_writer *writer, PyObject *value)
{
    if (!PyType_IsSubtype(Py_TYPE(value), reference_type))
        return write_own(context, writer, value);
    const wire_reference reference = {
        .owner = WIRE_OWNER_HOST,
        .kind = ((Reference *)value)->kind,
        .sent = 1,
        .id = ((Reference *)value)->id,
        .incarnation = worker.host_incarnation,
        .name = "",
    };
    wire_write_reference(writer, &reference);
    return 1;
}

int
worker_references_init(PyObject *module)
{
    proxies = PyDict_New();
    reference_type = (PyTypeObject *)PyType_FromSpec(&reference_spec);
    if (proxies == NULL || reference_type == NULL)
        return -1;
    return PyModule_AddObject(module, "Reference", (PyObject *)reference_type);
}
