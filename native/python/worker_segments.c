/* Memory shared with the host: received, mapped once, leased to arrays, given back. */
#define _GNU_SOURCE
#include "worker.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static worker_segment **segments;   /* by address */
static uint32_t count;
static uint32_t capacity;
static uint64_t mapped_bytes;

void worker_lane_opened(worker_lane *lane);

uint32_t
worker_segment_count(uint64_t *bytes)
{
    *bytes = mapped_bytes;
    return count;
}

/* ------------------------------------------------------------------------------------- Finding */

static worker_segment *
find(uint64_t number)
{
    for (uint32_t i = 0; i < count; i++)
        if (segments[i]->number == number && !segments[i]->dropped)
            return segments[i];
    return NULL;
}

uint64_t
worker_segment_bytes(uint64_t number)
{
    const worker_segment *const segment = find(number);
    return segment != NULL ? segment->bytes : 0;
}

/* How many segments begin at or below an address. */
static uint32_t
place_of(const unsigned char *address)
{
    uint32_t low = 0, high = count;
    while (low < high) {
        const uint32_t middle = (low + high) / 2;
        if (segments[middle]->address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

worker_segment *
worker_segment_of(const unsigned char *memory, uint64_t bytes)
{
    const uint32_t place = place_of(memory);
    worker_segment *const segment = place == 0 ? NULL : segments[place - 1];
    if (segment == NULL || segment->dropped
        || (uint64_t)(memory - segment->address) > segment->bytes
        || bytes > segment->bytes - (uint64_t)(memory - segment->address))
        return NULL;
    return segment;
}

worker_segment *
worker_find_segment(uint64_t number)
{
    worker_segment *segment = find(number);
    if (LIKELY(segment != NULL))
        return segment;
    worker_drain_socket();
    return find(number);
}

/* ------------------------------------------------------------------------- Coming and going */

static void
remove_segment(worker_segment *segment)
{
    const uint32_t place = place_of(segment->address) - 1;
    count--;
    memmove(segments + place, segments + place + 1, (count - place) * sizeof *segments);
    mapped_bytes -= segment->bytes;
    munmap(segment->address, segment->bytes);
    free(segment);
}

static void
drop(worker_segment *segment)
{
    segment->dropped = true;
    if (segment->leases == 0)
        remove_segment(segment);
}

void
worker_drop_segment(uint64_t number)
{
    worker_segment *const segment = find(number);
    if (segment != NULL)
        drop(segment);
}

static bool
make_room(void)
{
    worker_segment **grown;
    if (count < capacity)
        return true;
    capacity = 2 * capacity + 64;
    grown = realloc(segments, capacity * sizeof *segments);
    segments = grown != NULL ? grown : segments;
    return grown != NULL;
}

static void
add_segment(const noodle_message *message, int fd)
{
    worker_segment *const before = find(message->number);
    worker_segment *const segment = calloc(1, sizeof *segment);
    void *address;
    if (segment == NULL || !make_room()
        || noodle_segment_map(message, fd, &address) != NOODLE_OK)
        worker_condemn("a segment of the host could not be mapped");
    /* It comes once more when a reader becomes a writer. */
    if (before != NULL)
        drop(before);
    segment->number = message->number;
    segment->bytes = message->bytes;
    segment->address = address;
    segment->read_only = message->flags & NOODLE_MESSAGE_READ_ONLY;
    const uint32_t place = place_of(address);
    memmove(segments + place + 1, segments + place, (count - place) * sizeof *segments);
    segments[place] = segment;
    count++;
    mapped_bytes += segment->bytes;
}

static void
take_event(const noodle_message *message, int fd)
{
    const uint32_t index = (uint32_t)message->number;
    const int moved = worker_move_descriptor(fd);
    noodle_status status = NOODLE_INVALID;
    if (message->number < worker.core.channel_count && message->kind == NOODLE_MESSAGE_EVENT)
        status = noodle_worker_set_event(&worker.core, index, moved);
    else if (message->number < worker.core.channel_count && message->number != 0)
        status = noodle_worker_set_own_event(&worker.core, index, moved);
    if (status != NOODLE_OK)
        close(moved);
    else if (message->kind == NOODLE_MESSAGE_OWN_EVENT)
        worker_lane_opened(&worker.lanes[index]);
}

void
worker_drain_socket(void)
{
    noodle_message message;
    int fd;
    if (worker_is_forked())
        return;
    for (;;) {
        const noodle_status status = noodle_receive_segment(worker.socket, false, &message, &fd);
        if (status == NOODLE_EMPTY)
            return;
        if (status == NOODLE_SLICE)
            continue;
        if (status != NOODLE_OK)
            worker_condemn("the host's socket has ended, or a library closed it");
        if (message.kind == NOODLE_MESSAGE_SEGMENT)
            add_segment(&message, fd);
        else
            take_event(&message, fd);
    }
}

/* -------------------------------------------------------------------------------------- Leases
 * A lease hangs on the object that exports a segment's memory.  When that goes, which is after every
 * view of it, the loan is given back. */

typedef struct Lease {
    PyObject_HEAD
    worker_segment *segment;
} Lease;

static PyTypeObject *lease_type;

static void
lease_dealloc(PyObject *object)
{
    worker_segment *const segment = ((Lease *)object)->segment;
    PyTypeObject *const type = Py_TYPE(object);
    freefunc const release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    if (segment != NULL) {
        worker_return_loans(segment->number, 1);
        if (--segment->leases == 0 && segment->dropped)
            remove_segment(segment);
    }
    release(object);
    Py_DECREF(type);
}

static PyType_Slot lease_slots[] = {
    {Py_tp_doc, "Keeps memory of the host."},
    {Py_tp_dealloc, lease_dealloc},
    {0, NULL},
};

static PyType_Spec lease_spec = {
    .name = "noodle.Lease",
    .basicsize = sizeof(Lease),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = lease_slots,
};

static PyObject *
new_lease(worker_segment *segment)
{
    Lease *const lease = (Lease *)PyType_GenericAlloc(lease_type, 0);
    if (lease == NULL)
        return NULL;
    lease->segment = segment;
    segment->leases++;
    return (PyObject *)lease;
}

int
worker_leases_init(PyObject *module)
{
    lease_type = (PyTypeObject *)PyType_FromSpec(&lease_spec);
    if (lease_type == NULL)
        return -1;
    return PyModule_AddObject(module, "Lease", (PyObject *)lease_type);
}

/* ------------------------------------------------------------------------ Arrays from the host */

static PyObject *
integers(const int64_t *values, unsigned length)
{
    PyObject *tuple = PyTuple_New(length);
    for (unsigned i = 0; i < length && tuple != NULL; i++) {
        PyObject *value = PyLong_FromLongLong(values[i]);
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SetItem(tuple, i, value);
    }
    return tuple;
}

/* Makes the array over memory; `lease` keeps that, or is None: then the memory is copied. */
static PyObject *
make_array(const wire_array *array, const unsigned char *memory, uint64_t bytes, PyObject *lease,
           bool read_only)
{
    PyObject *shape = integers(array->shape, array->dimensions);
    PyObject *strides = shape != NULL ? integers(array->strides, array->dimensions) : NULL;
    PyObject *made = NULL;
    if (strides != NULL)
        made = PyObject_CallFunction(
            worker.functions[WORKER_MAKE_ARRAY], "KKOiIiiOOKO", (unsigned long long)(uintptr_t)memory,
            (unsigned long long)bytes, lease, array->dtype, array->item_size, array->time_unit,
            array->time_unit_count, shape, strides, (unsigned long long)array->offset,
            read_only ? Py_True : Py_False);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    return made;
}

static PyObject *
read_shared(const wire_array *array)
{
    wire_array checked = *array;
    worker_segment *const segment = worker_find_segment(array->segment);
    PyObject *lease, *made;
    if (segment == NULL
        || wire_array_check(&checked, segment->bytes, wire_default_limits().elements) != WIRE_OK) {
        wire_raise(WIRE_BAD_ARRAY, segment == NULL ? "in a segment that was not sent" : NULL);
        return NULL;
    }
    lease = new_lease(segment);
    if (lease == NULL)
        return NULL;
    made = make_array(&checked, segment->address, segment->bytes, lease,
                      segment->read_only || (checked.flags & WIRE_ARRAY_READONLY));
    Py_DECREF(lease);
    worker.counts.views += made != NULL;
    return made;
}

PyObject *
worker_read_array(void *context, const wire_array *array)
{
    (void)context;
    if (array->placement != WIRE_INLINE)
        return read_shared(array);
    worker.counts.copies_in++;
    worker.counts.copied_in_bytes += array->memory_length;
    return make_array(array, array->memory, array->memory_length, Py_None,
                      array->flags & WIRE_ARRAY_READONLY);
}

/* ---------------------------------------------------------------------------- Arrays to the host */

/* Borrows memory of the host for an array that lies elsewhere.  NULL: there is none. */
static worker_segment *
borrow(uint64_t bytes)
{
    PyObject *const wanted = PyLong_FromUnsignedLongLong(bytes);
    PyObject *const answer =
        wanted != NULL ? worker_request(NOODLE_OP_SEGMENT, 0, NULL, &wanted, 1) : NULL;
    const uint64_t number = answer != NULL ? PyLong_AsUnsignedLongLong(answer) : 0;
    worker_segment *segment = NULL;
    Py_XDECREF(wanted);
    if (answer != NULL && !PyErr_Occurred())
        segment = worker_find_segment(number);
    Py_XDECREF(answer);
    PyErr_Clear();
    return segment != NULL && segment->bytes >= bytes && !segment->read_only ? segment : NULL;
}

static int
write_descriptor(wire_writer *writer, const wire_array *array, const worker_segment *segment,
                 uint64_t offset)
{
    wire_array placed = *array;
    placed.placement = WIRE_SEGMENT;
    placed.segment = segment->number;
    placed.offset = offset;
    if (segment->read_only)
        placed.flags |= WIRE_ARRAY_READONLY;
    if (wire_array_check(&placed, segment->bytes, UINT64_MAX) != WIRE_OK)
        return 0;
    wire_write_array(writer, &placed, NULL);
    worker.counts.shared_out++;
    return 1;
}

/* A copy in the order of its memory if it is contiguous, else in C order. */
static int
write_copy(worker_message *message, wire_writer *writer, const Py_buffer *view,
           const wire_array *array)
{
    worker_segment *const segment = borrow(array->memory_length);
    wire_array placed = *array;
    if (segment == NULL)
        return 0;
    if (array->c_contiguous || (array->flags & WIRE_ARRAY_FORTRAN)) {
        memcpy(segment->address, view->buf, array->memory_length);
    } else {
        wire_array_pack(array, view->buf, segment->address);
        wire_array_set_c_order(&placed);
    }
    if (!worker_message_borrow(message, segment->number))
        return 0;
    placed.placement = WIRE_SEGMENT;
    placed.segment = segment->number;
    placed.offset = 0;
    placed.flags &= (uint8_t)~WIRE_ARRAY_READONLY;
    wire_write_array(writer, &placed, NULL);
    return 1;
}

int
worker_write_array(void *context, wire_writer *writer, PyObject *object, const Py_buffer *view,
                   const wire_array *array)
{
    worker_message *const message = context;
    const worker_segment *const segment = worker_segment_of(view->buf, array->item_size);
    (void)object;
    if (array->memory_length == 0)
        return 0;
    if (segment != NULL
        && write_descriptor(writer, array, segment,
                            (uint64_t)((const unsigned char *)view->buf - segment->address)))
        return 1;
    worker.counts.copies_out++;
    worker.counts.copied_out_bytes += array->memory_length;
    return array->memory_length < NOODLE_SEGMENT_LEAST ? 0
                                                       : write_copy(message, writer, view, array);
}
