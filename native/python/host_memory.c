/* Memory: what arrays lie in, as a Python object, and the arena that it comes from. */
#include "host.h"

#include <stdlib.h>

noodle_arena *host_arena;
PyTypeObject *host_memory_type;

/* How often memory was released by hand: while it is 0 nothing has to be looked for. */
static uint64_t released;

/* The exporter on which a lease hangs: views of it keep it alive, and with it the segment.  Never a
 * memoryview, whose finalizer runs while arrays made from it still live. */
typedef struct {
    PyObject_HEAD
    noodle_lease lease;       /* segment NULL: private memory */
    unsigned char *address;
    Py_ssize_t bytes;
    bool read_only;
    bool released;            /* given up by hand: no call takes it any more */
    PyObject *weak_references;
} Memory;

PyObject *
host_memory_new(noodle_lease lease, unsigned char *address, uint64_t bytes, bool read_only)
{
    Memory *self = (Memory *)host_memory_type->tp_alloc(host_memory_type, 0);
    if (self == NULL) {
        if (lease.segment != NULL)
            noodle_lease_release(lease);
        else
            free(address);
        return NULL;
    }
    self->lease = lease;
    self->address = address;
    self->bytes = (Py_ssize_t)bytes;
    self->read_only = read_only;
    return (PyObject *)self;
}

unsigned char *
host_memory_address(PyObject *memory, uint64_t *bytes, bool *read_only)
{
    const Memory *const self = (Memory *)memory;
    *bytes = (uint64_t)self->bytes;
    *read_only = self->read_only;
    return self->address;
}

static void
memory_dealloc(PyObject *object)
{
    Memory *const self = (Memory *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (self->weak_references != NULL)
        PyObject_ClearWeakRefs(object);
    if (self->lease.segment != NULL)
        noodle_lease_release(self->lease);
    else
        free(self->address);
    released -= self->released;
    type->tp_free(object);
    Py_DECREF(type);
}

static int
memory_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    Memory *const self = (Memory *)object;
    return PyBuffer_FillInfo(view, object, self->address, self->bytes, self->read_only, flags);
}

static Py_ssize_t
memory_length(PyObject *self)
{
    return ((Memory *)self)->bytes;
}

static PyObject *
memory_get_segment(PyObject *object, void *Py_UNUSED(closure))
{
    const Memory *const self = (Memory *)object;
    if (self->lease.segment == NULL)
        Py_RETURN_NONE;
    return PyLong_FromUnsignedLongLong(noodle_lease_segment(self->lease));
}

static PyGetSetDef memory_getset[] = {
    {"segment", memory_get_segment, NULL, "The number of its segment; None: private memory.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef memory_members[] = {
    {"released", T_BOOL, offsetof(Memory, released), READONLY, "Whether it was given up by hand."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Memory, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot memory_slots[] = {
    {Py_tp_doc, "Memory that arrays lie in: a leased segment of the arena, or private."},
    {Py_tp_dealloc, memory_dealloc},
    {Py_tp_getset, memory_getset},
    {Py_tp_members, memory_members},
    {Py_bf_getbuffer, memory_get_buffer},
    {Py_sq_length, memory_length},
    {0, NULL},
};

static PyType_Spec memory_spec = {
    .name = "noodle._host.Memory",
    .basicsize = sizeof(Memory),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = memory_slots,
};

/* ----------------------------------------------------------------------------------- Releases */

/* What a view was made of: an ndarray's `base`, a memoryview's `obj`.  A new reference, or NULL. */
static PyObject *
base_of(PyObject *view)
{
    PyObject *base = PyObject_GetAttrString(view, PyMemoryView_Check(view) ? "obj" : "base");
    if (base == Py_None)
        Py_CLEAR(base);
    PyErr_Clear();
    return base;
}

PyObject *
host_memory_of(PyObject *object)
{
    PyObject *at = Py_NewRef(object);
    for (int depth = 0; at != NULL && depth < HOST_DEPTH_MAX; depth++) {
        if (Py_TYPE(at) == host_memory_type)
            return at;
        PyObject *base = Py_TYPE(at) == host_array_type ? host_array_memory(at) : base_of(at);
        Py_SETREF(at, base);
    }
    Py_XDECREF(at);
    return NULL;
}

int
host_memory_check(PyObject *object)
{
    if (LIKELY(released == 0))
        return 0;
    PyObject *memory = host_memory_of(object);
    const bool is_released = memory != NULL && ((Memory *)memory)->released;
    Py_XDECREF(memory);
    if (!is_released)
        return 0;
    PyObject *name = PyUnicode_FromString("an array");
    if (name != NULL)
        host_raise(POLICY_RELEASED, "Os", name, "it was released");
    Py_XDECREF(name);
    return -1;
}

/* Gives up the memory of an array: no call takes it any more, and the segment goes back to the arena
 * with the last view.  Returns whether the array has such memory. */
static PyObject *
module_release_memory(PyObject *Py_UNUSED(module), PyObject *object)
{
    PyObject *found = host_memory_of(object);
    Memory *const memory = (Memory *)found;
    if (memory == NULL)
        Py_RETURN_FALSE;
    released += !memory->released;
    memory->released = true;
    if (Py_TYPE(object) == host_array_type)
        host_array_release(object);
    Py_DECREF(found);
    Py_RETURN_TRUE;
}

static PyObject *
module_memory_of(PyObject *Py_UNUSED(module), PyObject *object)
{
    if (host_memory_check(object) < 0)
        return NULL;
    PyObject *memory = host_memory_of(object);
    return memory != NULL ? memory : Py_NewRef(Py_None);
}

static PyObject *
module_address_of(PyObject *Py_UNUSED(module), PyObject *object)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_STRIDED_RO) < 0)
        return NULL;
    PyObject *address = PyLong_FromVoidPtr(view.buf);
    PyBuffer_Release(&view);
    return address;
}

/* ------------------------------------------------------------------------------------- Module */

static PyObject *
module_allocate(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned long long bytes;
    int zeroed = 0;
    noodle_lease lease;
    noodle_status status;
    if (!PyArg_ParseTuple(args, "K|p:allocate", &bytes, &zeroed))
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    status = noodle_arena_allocate(host_arena, bytes, NOODLE_ANY_WORKER,
                                   zeroed ? NOODLE_SEGMENT_ZEROED : 0, &lease);
    Py_END_ALLOW_THREADS
    if (status != NOODLE_OK) {
        host_raise(POLICY_REFUSED, "OOsi", Py_None, Py_None, noodle_status_name(status), errno);
        return NULL;
    }
    return host_memory_new(lease, noodle_lease_address(lease), noodle_lease_bytes(lease), false);
}

static PyObject *
module_is_shared(PyObject *Py_UNUSED(module), PyObject *object)
{
    Py_buffer view;
    if (PyObject_GetBuffer(object, &view, PyBUF_STRIDED_RO) < 0)
        return NULL;
    noodle_lease lease = noodle_arena_find(host_arena, view.buf);
    PyBuffer_Release(&view);
    if (lease.segment == NULL)
        Py_RETURN_FALSE;
    noodle_lease_release(lease);
    Py_RETURN_TRUE;
}

static PyObject *
module_arena_statistics(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const noodle_arena_stats stats = noodle_arena_statistics(host_arena);
    return Py_BuildValue(
        "{sKsKsKsKsKsKsKsKsK}", "leased_bytes", (unsigned long long)stats.leased_bytes, "free_bytes",
        (unsigned long long)stats.free_bytes, "leased_segments",
        (unsigned long long)stats.leased_segments, "free_segments",
        (unsigned long long)stats.free_segments, "created", (unsigned long long)stats.created,
        "recycled", (unsigned long long)stats.recycled, "zeroed", (unsigned long long)stats.zeroed,
        "dropped", (unsigned long long)stats.dropped, "copied_in",
        (unsigned long long)stats.copied_in);
}

static PyObject *
module_trim(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    Py_BEGIN_ALLOW_THREADS
    noodle_arena_trim_all(host_arena, NULL, NULL);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

static PyMethodDef memory_functions[] = {
    {"allocate", module_allocate, METH_VARARGS,
     "allocate(bytes, zeroed=False)\n--\n\nLease a segment of the arena as writable memory."},
    {"is_shared", module_is_shared, METH_O,
     "is_shared(array)\n--\n\nReturn whether an array lies in a segment of the arena."},
    {"memory_of", module_memory_of, METH_O,
     "memory_of(array)\n--\n\nReturn the Memory that an array or view lies in, or None."},
    {"address_of", module_address_of, METH_O,
     "address_of(view)\n--\n\nReturn the address of a buffer's first item."},
    {"release_memory", module_release_memory, METH_O,
     "release_memory(array)\n--\n\nGive up an array's memory; return whether it has any of ours."},
    {"arena_statistics", module_arena_statistics, METH_NOARGS,
     "arena_statistics()\n--\n\nReturn the arena's counters by name."},
    {"trim", module_trim, METH_NOARGS, "trim()\n--\n\nDrop every free segment."},
    {NULL, NULL, 0, NULL},
};

int
host_memory_init(PyObject *module)
{
    const noodle_arena_options options = {0};
    if (host_arena == NULL && noodle_arena_create(&options, &host_arena) != NOODLE_OK) {
        PyErr_NoMemory();
        return -1;
    }
    host_memory_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &memory_spec, NULL);
    if (host_memory_type == NULL
        || PyModule_AddObjectRef(module, "Memory", (PyObject *)host_memory_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, memory_functions);
}
