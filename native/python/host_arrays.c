/* Arrays: the host's arena, its memory as a Python object, and what is lent to workers. */
#include "host.h"

#include <stdlib.h>
#include <unistd.h>

noodle_arena *host_arena;

static PyTypeObject *memory_type;
static PyTypeObject *loan_type;

/* ------------------------------------------------------------------------------------- Memory
 * The exporter on which a lease hangs: views of it keep it alive, and with it the segment.  Never a
 * memoryview, whose finalizer runs while arrays made from it still live. */

typedef struct {
    PyObject_HEAD
    noodle_lease lease;       /* segment NULL: private memory */
    unsigned char *address;
    Py_ssize_t bytes;
    bool read_only;
    PyObject *weak_references;
} Memory;

static Memory *
new_memory(noodle_lease lease, unsigned char *address, uint64_t bytes, bool read_only)
{
    Memory *self = (Memory *)memory_type->tp_alloc(memory_type, 0);
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
    return self;
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

/* -------------------------------------------------------------------------------------- Loans
 * How often a segment was lent to a worker that has not let it go. */

typedef struct {
    PyObject_HEAD
    noodle_lease lease;
    uint64_t times;
} Loan;

static void
loan_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    noodle_lease_release(((Loan *)self)->lease);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot loan_slots[] = {
    {Py_tp_dealloc, loan_dealloc},
    {0, NULL},
};

static PyType_Spec loan_spec = {
    .name = "noodle._host.Loan",
    .basicsize = sizeof(Loan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = loan_slots,
};

static int
note_loan(Link *link, noodle_lease lease)
{
    PyObject *key = PyLong_FromUnsignedLongLong(noodle_lease_segment(lease));
    Loan *loan = key != NULL ? (Loan *)PyDict_GetItemWithError(link->loans, key) : NULL;
    int result = -1;
    if (loan != NULL) {
        loan->times++;
        result = 0;
    } else if (!PyErr_Occurred() && (loan = PyObject_New(Loan, loan_type)) != NULL) {
        loan->lease = noodle_lease_retain(lease);
        loan->times = 1;
        result = PyDict_SetItem(link->loans, key, (PyObject *)loan);
        Py_DECREF(loan);
    }
    Py_XDECREF(key);
    return result;
}

void
host_loan_return(Link *link, uint64_t segment, uint64_t times)
{
    PyObject *key = PyLong_FromUnsignedLongLong(segment);
    Loan *loan = key != NULL ? (Loan *)PyDict_GetItemWithError(link->loans, key) : NULL;
    if (loan != NULL) {
        loan->times -= times < loan->times ? times : loan->times;
        if (loan->times == 0)
            PyDict_DelItem(link->loans, key);
    }
    Py_XDECREF(key);
    PyErr_Clear();
}

void
host_loans_clear(Link *link)
{
    if (link->loans != NULL)
        PyDict_Clear(link->loans);
}

int
host_lend(Link *link, host_message *message, noodle_lease lease, bool read_only)
{
    const uint64_t number = noodle_lease_segment(lease);
    const noodle_status status = noodle_arena_grant(host_arena, lease, link->worker,
                                                    noodle_link_socket(link->core), read_only);
    if (status == NOODLE_REFUSED)
        return 1;
    if (status == NOODLE_PEER_DEAD)
        return host_raise(POLICY_CRASHED, "OO", link, Py_None);
    if (status != NOODLE_OK)
        return host_raise(POLICY_REFUSED, "OOsi", link, Py_None, noodle_status_name(status), errno);
    if (note_loan(link, lease) < 0)
        return -1;
    if (message != NULL && host_message_note(message, number, false) < 0) {
        host_loan_return(link, number, 1);
        return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------ Writing */

/* Writes a copy in C order into a segment of the worker's own. */
static int
write_copy(host_message *message, wire_writer *writer, const Py_buffer *view,
           const wire_array *described)
{
    Link *const link = message->link;
    wire_array array = *described;
    noodle_lease lease;
    const noodle_status status =
        noodle_arena_allocate(host_arena, array.memory_length, link->worker, 0, &lease);
    if (status != NOODLE_OK)
        return host_raise(POLICY_REFUSED, "OOsi", link, Py_None, noodle_status_name(status), errno);
    int result = PyBuffer_ToContiguous(noodle_lease_address(lease), view, view->len, 'C');
    if (result == 0)
        result = host_lend(link, message, lease, false);
    if (result == 0) {
        array.placement = WIRE_SEGMENT;
        array.flags = 0;
        array.segment = noodle_lease_segment(lease);
        array.offset = 0;
        wire_array_set_c_order(&array);
        wire_write_array(writer, &array, NULL);
        link->copied_bytes += array.memory_length;
        link->copies++;
    } else if (result > 0) {
        PyErr_SetString(PyExc_MemoryError, "a new segment was refused to its worker");
    }
    noodle_lease_release(lease);
    return result == 0 ? 1 : -1;
}

/* Returns 1 written, 0 not possible without a copy, -1. */
static int
write_in_place(host_message *message, wire_writer *writer, const Py_buffer *view,
               const wire_array *described, noodle_lease lease)
{
    wire_array array = *described;
    array.placement = WIRE_SEGMENT;
    array.segment = noodle_lease_segment(lease);
    array.offset = (uint64_t)((unsigned char *)view->buf - (unsigned char *)noodle_lease_address(lease));
    if (wire_array_check(&array, noodle_lease_bytes(lease), UINT64_MAX) != WIRE_OK
        || (array.flags & WIRE_ARRAY_READONLY))
        return 0;
    const int lent = host_lend(message->link, message, lease, false);
    if (lent != 0)
        return lent < 0 ? -1 : 0;
    array.flags = described->flags;
    wire_write_array(writer, &array, NULL);
    message->link->shared_bytes += described->memory_length;
    return 1;
}

int
host_write_array(void *context, wire_writer *writer, PyObject *object, const Py_buffer *view,
                 const wire_array *array)
{
    host_message *const message = context;
    int written = 0;
    (void)object;
    if (array->elements > 0 && !view->readonly) {
        noodle_lease lease = noodle_arena_find(host_arena, view->buf);
        if (lease.segment != NULL) {
            written = write_in_place(message, writer, view, array, lease);
            noodle_lease_release(lease);
        }
    }
    if (written == 0 && array->memory_length >= NOODLE_SEGMENT_LEAST)
        written = write_copy(message, writer, view, array);
    return written;
}

/* ------------------------------------------------------------------------------------ Reading */

/* A segment that the worker made: its descriptor came over the socket before the record. */
static int
take_own_segments(Link *link, uint64_t number, noodle_lease *lease)
{
    for (;;) {
        noodle_message message;
        int fd;
        PyObject *key = PyLong_FromUnsignedLongLong(number);
        Loan *known = key != NULL ? (Loan *)PyDict_GetItemWithError(link->own_segments, key) : NULL;
        if (known != NULL) {
            *lease = noodle_lease_retain(known->lease);
            PyDict_DelItem(link->own_segments, key);
        }
        Py_XDECREF(key);
        if (known != NULL || PyErr_Occurred())
            return known != NULL ? 0 : -1;
        if (noodle_receive_segment(noodle_link_socket(link->core), false, &message, &fd) != NOODLE_OK)
            break;
        if (message.kind != NOODLE_MESSAGE_SEGMENT || message.number < NOODLE_OWN_SEGMENT) {
            close(fd);
            break;
        }
        noodle_lease taken;
        if (noodle_arena_adopt(host_arena, fd, message.bytes, &taken) != NOODLE_OK)
            break;
        Loan *kept = PyObject_New(Loan, loan_type);
        if (kept == NULL) {
            noodle_lease_release(taken);
            return -1;
        }
        kept->lease = taken;
        kept->times = 1;
        key = PyLong_FromUnsignedLongLong(message.number);
        /* A number is never used again: so the arena's limit bounds this, whatever the worker sends. */
        const int repeated = key == NULL ? -1 : PyDict_Contains(link->own_segments, key);
        const int result =
            repeated != 0 ? -1 : PyDict_SetItem(link->own_segments, key, (PyObject *)kept);
        Py_XDECREF(key);
        Py_DECREF(kept);
        if (repeated > 0)
            break;
        if (result < 0)
            return -1;
    }
    PyErr_SetString(PyExc_ValueError, "a segment is named that was not sent");
    return -1;
}

int
host_find_segment(Link *link, uint64_t number, noodle_lease *lease)
{
    if (number >= NOODLE_OWN_SEGMENT)
        return take_own_segments(link, number, lease);
    if (noodle_arena_lookup(host_arena, link->worker, number, lease) == NOODLE_OK)
        return 0;
    PyErr_SetString(PyExc_ValueError, "a segment is named that was not lent");
    return -1;
}

static PyObject *
integers(const int64_t *values, unsigned count)
{
    PyObject *tuple = PyTuple_New(count);
    for (unsigned i = 0; i < count && tuple != NULL; i++) {
        PyObject *value = PyLong_FromLongLong(values[i]);
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, value);
    }
    return tuple;
}

/* Makes the array over a memory, which this takes. */
static PyObject *
make_array(Memory *memory, const wire_array *array, bool read_only)
{
    PyObject *shape = integers(array->shape, array->dimensions);
    PyObject *strides = shape != NULL ? integers(array->strides, array->dimensions) : NULL;
    PyObject *made = NULL;
    if (strides != NULL)
        made = PyObject_CallFunction(host_policy[POLICY_ARRAY], "OBIBHOOKO", (PyObject *)memory,
                                     array->dtype, array->item_size, array->time_unit,
                                     array->time_unit_count, shape, strides,
                                     (unsigned long long)array->offset,
                                     read_only ? Py_True : Py_False);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    Py_DECREF(memory);
    return made;
}

/* An array over a private copy of `bytes` at `from`, of which the array knows the offset. */
static PyObject *
make_private(Link *link, const wire_array *array, const void *from, uint64_t bytes)
{
    unsigned char *copy = malloc(bytes + 1);
    if (copy == NULL)
        return PyErr_NoMemory();
    memcpy(copy, from, bytes);
    if (!wire_items_valid(array->dtype, copy + array->offset,
                          array->c_contiguous ? array->elements * array->item_size : 0)) {
        free(copy);
        PyErr_SetString(PyExc_ValueError, "an array has items that its dtype does not know");
        return NULL;
    }
    link->copied_bytes += bytes;
    link->copies++;
    Memory *memory = new_memory((noodle_lease){NULL, 0}, copy, bytes, false);
    return memory == NULL ? NULL : make_array(memory, array, (array->flags & WIRE_ARRAY_READONLY) != 0);
}

static PyObject *
read_shared(Link *link, wire_array *array)
{
    noodle_lease lease;
    if (host_find_segment(link, array->segment, &lease) < 0)
        return NULL;
    const uint64_t bytes = noodle_lease_bytes(lease);
    const bool fixed = noodle_lease_is_read_only(lease);
    if (wire_array_check(array, bytes, wire_default_limits().elements) != WIRE_OK) {
        noodle_lease_release(lease);
        PyErr_SetString(PyExc_ValueError, "an array leaves its segment");
        return NULL;
    }
    if (!link->trusted && !fixed) {
        PyObject *made = make_private(link, array, noodle_lease_address(lease), bytes);
        noodle_lease_release(lease);
        return made;
    }
    Memory *memory = new_memory(lease, noodle_lease_address(lease), bytes, fixed);
    if (memory == NULL)
        return NULL;
    link->shared_bytes += array->elements * array->item_size;
    return make_array(memory, array, fixed || (array->flags & WIRE_ARRAY_READONLY));
}

PyObject *
host_read_array(void *context, const wire_array *array)
{
    wire_array own = *array;
    if (array->placement == WIRE_INLINE)
        return make_private(context, array, array->memory, array->memory_length);
    return read_shared(context, &own);
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
    return (PyObject *)new_memory(lease, noodle_lease_address(lease), noodle_lease_bytes(lease), false);
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

static PyMethodDef array_methods[] = {
    {"allocate", module_allocate, METH_VARARGS,
     "allocate(bytes, zeroed=False)\n--\n\nLease a segment of the arena as writable memory."},
    {"is_shared", module_is_shared, METH_O,
     "is_shared(array)\n--\n\nReturn whether an array lies in a segment of the arena."},
    {"arena_statistics", module_arena_statistics, METH_NOARGS,
     "arena_statistics()\n--\n\nReturn the arena's counters by name."},
    {"trim", module_trim, METH_NOARGS, "trim()\n--\n\nDrop every free segment."},
    {NULL, NULL, 0, NULL},
};

int
host_arrays_init(PyObject *module)
{
    const noodle_arena_options options = {0};
    if (host_arena == NULL && noodle_arena_create(&options, &host_arena) != NOODLE_OK) {
        PyErr_NoMemory();
        return -1;
    }
    loan_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &loan_spec, NULL);
    memory_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &memory_spec, NULL);
    if (loan_type == NULL || memory_type == NULL
        || PyModule_AddObjectRef(module, "Memory", (PyObject *)memory_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, array_methods);
}
