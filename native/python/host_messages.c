/* Messages: written into memory of their own, then copied into the ring.
 *
 * Not straight into the ring: writing a value may run Python code, which may call on the same lane and
 * drop the reservation; and a copy of what most calls send takes 2 ns. */
#include "host.h"

#include <stdlib.h>

/* Chosen: longer chains are loops of retries, and the first causes are the ones that explain. */
#define CAUSES_MOST 32

/* ------------------------------------------------------------------------------------ Writing */

static bool
grow(wire_writer *writer, size_t used, size_t needed)
{
    host_message *const message = writer->context;
    size_t capacity = 2 * writer->capacity;
    unsigned char *heap;
    if (capacity < needed)
        capacity = needed;
    heap = realloc(message->heap, capacity);
    if (heap == NULL)
        return false;
    if (message->heap == NULL)
        memcpy(heap, message->small, used);
    message->heap = heap;
    writer->buffer = heap;
    writer->capacity = capacity;
    return true;
}

/* The fields come from Python code; an exception that it cannot describe goes as the codec has it. */
static COLD int
write_error(void *context, wire_writer *writer, PyObject *exception)
{
    host_message *const message = context;
    size_t start;
    int result = -1;
    PyObject *fields = PyObject_CallFunction(host_policy[POLICY_DESCRIBE], "OOO", (PyObject *)message->link,
                                             exception,
                                             message->causes < CAUSES_MOST ? Py_True : Py_False);
    if (fields == NULL) {
        PyErr_Clear();
        return 0;
    }
    message->causes++;
    if (wire_enter_extension(writer, WIRE_ERROR, &start) <= WIRE_FULL)
        result = wire_encode_object(writer, fields, &message->hooks);
    if (result == 0)
        wire_leave_extension(writer, start);
    Py_DECREF(fields);
    return result < 0 ? -1 : 1;
}

void
host_message_init(host_message *message, Link *link)
{
    wire_writer_init(&message->writer, message->small, sizeof message->small,
                     wire_default_limits());
    message->writer.grow = grow;
    message->writer.context = message;
    message->link = link;
    message->hooks = (wire_python_hooks){
        .context = message,
        .write_reference = host_write_reference,
        .write_array = host_write_array,
        .write_error = write_error,
        .undefined = host_policy[POLICY_UNDEFINED],
        .keeps_python = link->is_python,
        .refers_to_errors = !link->is_python,
    };
    message->heap = NULL;
    message->sendings = NULL;
    message->sendings_count = message->sendings_capacity = 0;
    message->causes = 0;
}

int
host_message_note(host_message *message, uint64_t number, bool is_object)
{
    if (message->sendings_count == message->sendings_capacity) {
        const uint32_t capacity = message->sendings_capacity == 0 ? 8 : 2 * message->sendings_capacity;
        host_sending *grown = realloc(message->sendings, capacity * sizeof *grown);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        message->sendings = grown;
        message->sendings_capacity = capacity;
    }
    message->sendings[message->sendings_count++] = (host_sending){number, is_object};
    return 0;
}

/* May run finalizers: keeps the exception that is set. */
static COLD void
take_back(host_message *message)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    for (uint32_t i = 0; i < message->sendings_count; i++)
        if (message->sendings[i].is_object)
            host_export_undo(message->link, message->sendings[i].number);
        else
            host_loan_return(message->link, message->sendings[i].number, 1);
    PyErr_Restore(type, value, traceback);
}

COLD void
host_message_end_slowly(host_message *message, bool sent)
{
    if (!sent)
        take_back(message);
    free(message->sendings);
    free(message->heap);
    message->sendings = NULL;
    message->heap = NULL;
}

/* ------------------------------------------------------------------------------------ Sending */

COLD int
host_message_to_segment(host_message *message, noodle_record *record)
{
    Link *const link = message->link;
    noodle_lease lease;
    noodle_span span = {.length = message->writer.length};
    const noodle_status status =
        noodle_arena_allocate(host_arena, span.length, link->worker, 0, &lease);
    if (status != NOODLE_OK) {
        PyErr_Format(PyExc_MemoryError, "no segment of %llu bytes: %s",
                     (unsigned long long)span.length, noodle_status_name(status));
        return -1;
    }
    memcpy(noodle_lease_address(lease), message->writer.buffer, span.length);
    span.segment = noodle_lease_segment(lease);
    const int lent = host_lend(link, message, lease, false);
    noodle_lease_release(lease);
    if (lent != 0) {
        if (lent > 0)
            PyErr_SetString(PyExc_MemoryError, "a new segment was refused to its worker");
        return -1;
    }
    memcpy(message->writer.buffer, &span, sizeof span);
    message->writer.length = sizeof span;
    record->flags |= NOODLE_IN_SEGMENT;
    return 0;
}

static COLD int
raise_unsent(host_message *message, noodle_status status, host_call *call)
{
    PyObject *const name = call != NULL ? call->name : Py_None;
    if (status == NOODLE_PROTOCOL)
        host_link_condemn(message->link, "its cursor of a ring cannot be");
    if (status == NOODLE_PROTOCOL || status == NOODLE_PEER_DEAD)
        return host_raise(POLICY_CRASHED, "OO", message->link, name);
    return host_raise(POLICY_REFUSED, "OOsi", message->link, name, noodle_status_name(status), errno);
}

/* The ring is full: serves what comes until there is space. */
static COLD int
await_space(host_thread *thread, host_lane *lane, host_message *message, host_call *call,
            uint64_t deadline_ns)
{
    noodle_status status = host_block(thread, lane, deadline_ns, 50000000, 0);
    if (status == NOODLE_READY && deadline_ns != 0 && noodle_now() >= deadline_ns)
        status = NOODLE_TIMEOUT;
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (host_take_all(thread, call) < 0)
        return -1;
    if (status == NOODLE_TIMEOUT)
        return host_raise(POLICY_OVERDUE, "OOd", lane->link, call != NULL ? call->name : Py_None, 0.0);
    /* It may be another worker of this thread that has ended. */
    if (status == NOODLE_PEER_DEAD)
        host_drop_dead_lanes(thread, lane);
    if ((status == NOODLE_PEER_DEAD && link_is_dead(lane->link)) || status == NOODLE_FORKED
        || status == NOODLE_SYSTEM)
        return raise_unsent(message, status, call);
    return 0;
}

int
host_message_send(host_thread *thread, host_lane *lane, host_message *message,
                  noodle_record *record, host_call *call)
{
    for (;;) {
        unsigned char *payload;
        uint64_t capacity;
        noodle_status status =
            noodle_channel_reserve(lane->core, message->writer.length, &payload, &capacity);
        if (LIKELY(status == NOODLE_OK)) {
            memcpy(payload, message->writer.buffer, message->writer.length);
            record->length = (uint32_t)message->writer.length;
            status = noodle_channel_commit(lane->core, record);
            if (LIKELY(status == NOODLE_OK))
                return 0;
        }
        if (status == NOODLE_TOO_LARGE) {
            if (host_message_to_segment(message, record) < 0)
                return -1;
        } else if (status != NOODLE_FULL) {
            return raise_unsent(message, status, call);
        } else if (await_space(thread, lane, message, call, record->deadline_ns) < 0) {
            return -1;
        }
    }
}

/* ------------------------------------------------------------------------------------ Reading */

static PyObject *
read_error(void *context, PyObject *fields)
{
    Link *const link = context;
    return PyObject_CallFunctionObjArgs(host_policy[POLICY_REMOTE_ERROR], (PyObject *)link, fields,
                                        NULL);
}

static PyObject *
read_value(Link *link, const unsigned char *payload, size_t length, bool shared)
{
    const wire_python_hooks hooks = {
        .context = link,
        .read_reference = host_read_reference,
        .read_array = host_read_array,
        .read_error = read_error,
        .undefined = host_policy[POLICY_UNDEFINED],
        .keeps_python = link->is_python,
    };
    wire_reader reader;
    PyObject *value;
    if (wire_reader_init(&reader, payload, length, wire_default_limits(), shared) != WIRE_OK) {
        wire_raise(reader.status, NULL);
        return NULL;
    }
    value = wire_decode_object(&reader, &hooks);
    if (value != NULL && UNLIKELY(wire_finish(&reader) != WIRE_OK)) {
        Py_DECREF(value);
        wire_raise(reader.status, NULL);
        return NULL;
    }
    /* A function that returns nothing returns None; only inside of lists and objects does it
     * matter that JavaScript tells undefined from null. */
    if (UNLIKELY(value == host_policy[POLICY_UNDEFINED]))
        Py_SETREF(value, Py_NewRef(Py_None));
    return value;
}

static COLD PyObject *
read_from_segment(Link *link, const unsigned char *payload, size_t length)
{
    noodle_span span;
    noodle_lease lease;
    PyObject *value;
    if (length != sizeof span) {
        PyErr_SetString(PyExc_ValueError, "a span has 24 bytes");
        return NULL;
    }
    memcpy(&span, payload, sizeof span);
    if (host_find_segment(link, span.segment, &lease) < 0)
        return NULL;
    const uint64_t bytes = noodle_lease_bytes(lease);
    if (span.offset > bytes || span.length > bytes - span.offset) {
        noodle_lease_release(lease);
        PyErr_SetString(PyExc_ValueError, "a span leaves its segment");
        return NULL;
    }
    value = read_value(link, (const unsigned char *)noodle_lease_address(lease) + span.offset,
                       (size_t)span.length, true);
    noodle_lease_release(lease);
    return value;
}

PyObject *
host_read(Link *link, unsigned flags, const unsigned char *payload, size_t length)
{
    host_payload_taken(link);
    PyObject *value = UNLIKELY(flags & NOODLE_IN_SEGMENT)
                          ? read_from_segment(link, payload, length)
                          : read_value(link, payload, length, false);
    host_payload_read(link);
    return value;
}

/* ----------------------------------------------------------------------------------- Releases */

/* A release must not overtake a call that names the object on another channel, nor one that waits for
 * space: it goes once the worker has read what was sent before.  Returns whether there is one now. */
static bool
take_releases(Link *link)
{
    if (atomic_load_explicit(&link->releases, memory_order_relaxed) == NULL)
        return false;
    for (const host_lane *lane = link->lanes; lane != NULL; lane = lane->next_of_link)
        if (lane->loop_channel != NULL && host_loop_has_unsent(lane->loop_channel))
            return false;
    link->due = atomic_exchange(&link->releases, NULL);
    for (const host_lane *lane = link->lanes; lane != NULL; lane = lane->next_of_link)
        link->due_after[lane->core->index] = lane->core->out.position;
    return true;
}

/* A channel without a lane has no calls. */
static bool
all_is_read(const Link *link, const host_lane *own)
{
    for (const host_lane *lane = link->lanes; lane != NULL; lane = lane->next_of_link)
        if (lane != own
            && atomic_load_explicit(&lane->core->out.tail->position, memory_order_acquire)
                   < link->due_after[lane->core->index])
            return false;
    return true;
}

/* Few enough for a record of any ring. */
#define RELEASES_A_RECORD 64

static bool
send_some(host_lane *lane, host_release **first)
{
    unsigned char buffer[8 + RELEASES_A_RECORD * 16];
    noodle_record record = {.kind = NOODLE_KIND_RELEASE};
    wire_writer writer;
    uint32_t count = 0;
    for (const host_release *at = *first; at != NULL && count < RELEASES_A_RECORD; at = at->next)
        count++;
    wire_writer_init(&writer, buffer, sizeof buffer, wire_default_limits());
    wire_enter_list(&writer, count);
    host_release *at = *first;
    for (uint32_t i = 0; i < count; i++, at = at->next) {
        wire_enter_list(&writer, 2);
        wire_write_uint(&writer, at->id);
        wire_write_uint(&writer, at->sent);
        wire_leave(&writer);
    }
    record.length = (uint32_t)writer.length;
    if (writer.status != WIRE_OK || noodle_channel_send(lane->core, &record, buffer) != NOODLE_OK)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        at = *first;
        *first = at->next;
        free(at);
    }
    lane->link->sent_releases += count;
    return true;
}

/* Not while a request that came before still waits for space: it may name what was released. */
COLD void
host_send_releases(host_lane *lane)
{
    Link *const link = lane->link;
    while (link->due != NULL || take_releases(link)) {
        if (!all_is_read(link, lane))
            return;
        while (link->due != NULL)
            if (!send_some(lane, &link->due))
                return;
    }
}
