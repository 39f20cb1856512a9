/* Arrays: written in place where a worker may see the memory, else copied; read as views or copies. */
#include "host.h"

#include <stdlib.h>

/* Longer copies let other threads have the GIL. */
#define LONG_COPY (UINT64_C(1) << 20)

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
    link->lacks_memory |= status == NOODLE_LIMIT;
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
    const bool read_only = view->readonly != 0;
    if (wire_array_check(&array, noodle_lease_bytes(lease), UINT64_MAX) != WIRE_OK
        || (!read_only && (array.flags & WIRE_ARRAY_READONLY)))
        return 0;
    const int lent = host_lend(message->link, message, lease, read_only);
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
    if (host_memory_check(object) < 0)
        return -1;
    if (array->elements > 0 && (!view->readonly || message->link->maps_read_only)) {
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
make_array(PyObject *memory, const wire_array *array, bool read_only)
{
    PyObject *shape = integers(array->shape, array->dimensions);
    PyObject *strides = shape != NULL ? integers(array->strides, array->dimensions) : NULL;
    PyObject *made = NULL;
    if (strides != NULL)
        made = PyObject_CallFunction(host_policy[POLICY_ARRAY], "OBIBHOOKO", memory,
                                     array->dtype, array->item_size, array->time_unit,
                                     array->time_unit_count, shape, strides,
                                     (unsigned long long)array->offset,
                                     read_only ? Py_True : Py_False);
    Py_XDECREF(shape);
    Py_XDECREF(strides);
    Py_DECREF(memory);
    return made;
}

/* The bytes that the items of a checked array span. */
static uint64_t
span_of(const wire_array *array, uint64_t *first)
{
    uint64_t end = array->offset + array->item_size;
    *first = array->offset;
    for (unsigned i = 0; i < array->dimensions; i++) {
        const int64_t reach = (array->shape[i] - 1) * array->strides[i];
        if (reach < 0)
            *first += (uint64_t)reach;
        else
            end += (uint64_t)reach;
    }
    return end - *first;
}

/* What of an array has to be copied. */
typedef struct copy_plan {
    wire_array items;     /* what is copied item by item; elements 0: all bytes between are */
    uint64_t first;       /* byte of the memory */
    uint64_t bytes;       /* of the copy */
} copy_plan;

/* Without gaps and repetitions where that is less than what lies between the first item and the last:
 * the copy is never larger than what the worker was granted, whatever it says. */
static copy_plan
plan_copy(const wire_array *array)
{
    copy_plan plan = {.items = *array};
    const uint64_t spanned = array->elements == 0 ? 0 : span_of(array, &plan.first);
    for (unsigned i = 0; i < array->dimensions; i++)
        if (array->strides[i] == 0 && plan.items.shape[i] > 1)
            plan.items.shape[i] = 1;
    plan.items.elements = 0;
    plan.bytes = spanned;
    if (spanned == 0 || array->c_contiguous || (array->flags & WIRE_ARRAY_FORTRAN))
        return plan;
    wire_array packed = plan.items;
    if (wire_array_set_c_order(&packed) == WIRE_OK && packed.elements * packed.item_size <= spanned) {
        plan.items.elements = packed.elements;
        plan.bytes = packed.elements * packed.item_size;
    }
    return plan;
}

static void
perform_copy(const copy_plan *plan, const wire_array *array, const unsigned char *from,
             unsigned char *to)
{
    if (plan->items.elements != 0)
        wire_array_pack(&plan->items, from + array->offset, to);
    else
        memcpy(to, from + plan->first, plan->bytes);
}

/* Describes the array as it lies in its copy. */
static wire_array
in_copy(const copy_plan *plan, const wire_array *array)
{
    wire_array copied = *array;
    wire_array packed = plan->items;
    copied.offset = array->elements == 0 ? 0 : array->offset - plan->first;
    if (plan->items.elements == 0)
        return copied;
    copied.offset = 0;
    wire_array_set_c_order(&packed);
    for (unsigned i = 0; i < array->dimensions; i++)
        copied.strides[i] = array->strides[i] == 0 ? 0 : packed.strides[i];
    return copied;
}

/* Texts that overlap at odd places cannot be checked one by one in bounded time, and nobody sends
 * them. */
static bool
copy_is_valid(const wire_array *copied, const unsigned char *copy, uint64_t bytes)
{
    bool even = copied->offset % 4 == 0;
    for (unsigned i = 0; i < copied->dimensions; i++)
        even &= copied->strides[i] % 4 == 0;
    return (copied->dtype != WIRE_DTYPE_TEXT || even)
           && wire_items_valid(copied->dtype, copy, bytes);
}

/* Makes the array over a private copy of what it needs of the memory at `from`. */
static PyObject *
make_private(Link *link, const wire_array *array, const unsigned char *from)
{
    const copy_plan plan = plan_copy(array);
    const wire_array copied = in_copy(&plan, array);
    unsigned char *copy = malloc(plan.bytes + 1);
    if (copy == NULL)
        return PyErr_NoMemory();
    if (plan.bytes >= LONG_COPY) {
        Py_BEGIN_ALLOW_THREADS
        perform_copy(&plan, array, from, copy);
        Py_END_ALLOW_THREADS
    } else if (plan.bytes > 0) {
        perform_copy(&plan, array, from, copy);
    }
    if (!copy_is_valid(&copied, copy, plan.bytes)) {
        free(copy);
        PyErr_SetString(PyExc_ValueError, "an array has items that its dtype does not know");
        return NULL;
    }
    link->copied_bytes += plan.bytes;
    link->copies++;
    PyObject *memory = host_memory_new((noodle_lease){NULL, 0}, copy, plan.bytes, false);
    return memory == NULL ? NULL
                          : make_array(memory, &copied, (array->flags & WIRE_ARRAY_READONLY) != 0);
}

/* Whether an array over memory that nobody can change any more may be given to NumPy as it is. */
static bool
is_sound(const wire_array *array, const unsigned char *memory)
{
    uint64_t first;
    if (array->dtype != WIRE_DTYPE_BOOL && array->dtype != WIRE_DTYPE_TEXT)
        return true;
    if (array->elements == 0)
        return true;
    const uint64_t bytes = span_of(array, &first);
    return (array->c_contiguous || (array->flags & WIRE_ARRAY_FORTRAN))
           && wire_items_valid(array->dtype, memory + first, bytes);
}

/* Items that do not repeat are as many as the segment has bytes at most; more would cost whoever reads
 * them more than the worker has. */
static uint64_t
most_elements(uint64_t bytes)
{
    const uint64_t usual = wire_default_limits().elements;
    return bytes > usual ? bytes : usual;
}

static PyObject *
read_shared(Link *link, wire_array *array)
{
    noodle_lease lease;
    if (host_find_segment(link, array->segment, &lease) < 0)
        return NULL;
    const uint64_t bytes = noodle_lease_bytes(lease);
    const bool fixed = noodle_lease_is_read_only(lease);
    unsigned char *const address = noodle_lease_address(lease);
    if (wire_array_check(array, bytes, most_elements(bytes)) != WIRE_OK) {
        noodle_lease_release(lease);
        PyErr_SetString(PyExc_ValueError, "an array leaves its segment");
        return NULL;
    }
    /* A trusted worker shares; what another one has sealed is shared if it holds nothing wrong. */
    if (!link->trusted && !(fixed && is_sound(array, address))) {
        PyObject *made = make_private(link, array, address);
        noodle_lease_release(lease);
        return made;
    }
    PyObject *memory = host_memory_new(lease, address, bytes, fixed);
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
        return make_private(context, array, array->memory);
    return read_shared(context, &own);
}
