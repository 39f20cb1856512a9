/* Messages: written into memory of their own, then copied into the ring, in order.
 *
 * Not straight into the ring: writing a value may run Python code, and with it other threads, which
 * send on the same lane.  What has no space in a ring waits, and everything after it. */
#define _GNU_SOURCE
#include "worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CAUSES_MOST 32

/* A record that waits for space.  Its payload is owned. */
struct worker_outgoing {
    worker_outgoing *next;
    noodle_record record;
    unsigned char payload[];
};

static uint64_t own_segments;

/* ----------------------------------------------------------------------------------- Writing */

static bool
grow(wire_writer *writer, size_t used, size_t needed)
{
    worker_message *const message = writer->context;
    const size_t capacity = needed + needed / 2 + 256;
    unsigned char *const heap = realloc(message->heap, capacity);
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
    worker_message *const message = context;
    PyObject *fields;
    size_t start;
    int result = -1;
    fields = PyObject_CallFunctionObjArgs(worker.functions[WORKER_DESCRIBE], exception,
                                          message->causes < CAUSES_MOST ? Py_True : Py_False, NULL);
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
worker_message_begin(worker_message *message, worker_lane *lane)
{
    wire_writer_init(&message->writer, message->small, sizeof message->small,
                     wire_default_limits());
    message->writer.grow = grow;
    message->writer.context = message;
    message->hooks = (wire_python_hooks){
        .context = message,
        .write_reference = worker_write_reference,
        .write_array = worker_write_array,
        .write_error = write_error,
        .keeps_python = true,
    };
    message->lane = lane;
    message->flags = 0;
    message->causes = 0;
    message->heap = NULL;
    message->sent = message->borrowed = NULL;
    message->sent_count = message->sent_capacity = 0;
    message->borrowed_count = message->borrowed_capacity = 0;
}

int
worker_message_write(worker_message *message, PyObject *value)
{
    return wire_encode_object(&message->writer, value, &message->hooks);
}

/* Appends to a list of numbers.  Returns false without memory. */
static bool
append_number(uint64_t **numbers, uint32_t *count, uint32_t *capacity, uint64_t number)
{
    if (*count == *capacity) {
        const uint32_t wanted = 2 * *capacity + 8;
        uint64_t *const grown = realloc(*numbers, wanted * sizeof *grown);
        if (grown == NULL)
            return false;
        *numbers = grown;
        *capacity = wanted;
    }
    (*numbers)[(*count)++] = number;
    return true;
}

bool
worker_message_note(worker_message *message, uint64_t id)
{
    return append_number(&message->sent, &message->sent_count, &message->sent_capacity, id);
}

bool
worker_message_borrow(worker_message *message, uint64_t segment)
{
    return append_number(&message->borrowed, &message->borrowed_count,
                         &message->borrowed_capacity, segment);
}

static COLD void
close_message(worker_message *message)
{
    free(message->heap);
    free(message->sent);
    for (uint32_t i = 0; i < message->borrowed_count; i++)
        worker_return_loans(message->borrowed[i], 1);
    free(message->borrowed);
}

/* What it refers to may end with it, and run code: keeps the exception that is set. */
COLD void
worker_message_drop(worker_message *message)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    for (uint32_t i = 0; i < message->sent_count; i++)
        worker_object_unsend(message->sent[i]);
    close_message(message);
    PyErr_Restore(type, value, traceback);
}

void
worker_message_send(worker_message *message, const worker_call *call, enum noodle_kind kind)
{
    noodle_record record = {
        .kind = (uint16_t)kind,
        .flags = message->flags,
        .call_id = call->id,
        .chain_id = call->chain,
        .deadline_ns = call->deadline_ns,
    };
    worker_send(message->lane, &record, message->writer.buffer, message->writer.length);
    if (UNLIKELY(message->heap != NULL || message->sent != NULL || message->borrowed != NULL))
        close_message(message);
}

/* ----------------------------------------------------------------------------------- Sending */

static COLD void
enqueue(worker_lane *lane, const noodle_record *record, const void *payload)
{
    worker_outgoing *const item = malloc(sizeof *item + record->length);
    if (item == NULL)
        worker_condemn("there is no memory for an answer");
    item->next = NULL;
    item->record = *record;
    memcpy(item->payload, payload, record->length);
    if (lane->outbox == NULL)
        lane->outbox_end = &lane->outbox;
    *lane->outbox_end = item;
    lane->outbox_end = &item->next;
    worker.full_outboxes |= lane->core->ready_bit;
    worker_nudge();
}

/* Puts a payload that no ring could hold into memory of its own, and the host in possession of it. */
static COLD void
send_in_segment(worker_lane *lane, noodle_record *record, const void *payload, size_t length)
{
    const noodle_message descriptor = {
        .magic = NOODLE_MESSAGE_MAGIC,
        .kind = NOODLE_MESSAGE_SEGMENT,
        .number = NOODLE_OWN_SEGMENT + own_segments++,
        .bytes = length,
    };
    const noodle_span span = {descriptor.number, 0, length};
    void *address;
    int fd;
    if (noodle_segment_make(length, &fd, &address) != NOODLE_OK)
        worker_condemn("there is no shared memory for a large answer");
    memcpy(address, payload, length);
    noodle_segment_unmap(&descriptor, address);
    const noodle_status status = noodle_send_segment(worker.socket, &descriptor, fd);
    close(fd);
    if (status != NOODLE_OK)
        worker_condemn("a large answer could not be sent");
    record->flags |= NOODLE_IN_SEGMENT;
    worker_send(lane, record, &span, sizeof span);
}

void
worker_send(worker_lane *lane, noodle_record *record, const void *payload, size_t length)
{
    noodle_status status = NOODLE_FULL;
    if (UNLIKELY(length > noodle_ring_most(worker.core.ring_bytes))) {
        send_in_segment(lane, record, payload, length);
        return;
    }
    record->length = (uint32_t)length;
    if (LIKELY(lane->outbox == NULL)) {
        unsigned char *space;
        uint64_t capacity;
        status = noodle_channel_reserve(lane->core, length, &space, &capacity);
        if (LIKELY(status == NOODLE_OK)) {
            memcpy(space, payload, length);
            status = noodle_channel_commit(lane->core, record);
        }
    }
    if (status == NOODLE_FULL)
        enqueue(lane, record, payload);
    else if (UNLIKELY(status != NOODLE_OK))
        worker_condemn(noodle_status_name(status));
}

static void
flush_outbox(worker_lane *lane)
{
    while (lane->outbox != NULL) {
        worker_outgoing *const item = lane->outbox;
        const noodle_status status = noodle_channel_send(lane->core, &item->record, item->payload);
        if (status == NOODLE_FULL)
            return;
        if (status != NOODLE_OK)
            worker_condemn(noodle_status_name(status));
        lane->outbox = item->next;
        free(item);
    }
    worker.full_outboxes &= ~lane->core->ready_bit;
}

bool
worker_flush(void)
{
    for (uint64_t left = worker.full_outboxes; left != 0; left &= left - 1)
        flush_outbox(&worker.lanes[__builtin_ctzll(left)]);
    return worker.full_outboxes != 0;
}

/* ---------------------------------------------------------------------------------- Releases
 *
 * A release must not overtake a record that still names the object or the segment.  So it goes the
 * way of whatever the host has not taken yet; while that is more than one channel, it waits. */

typedef struct released {
    uint64_t number;
    uint64_t count;
} released;

typedef struct release_list {
    released *items;
    uint32_t count;
    uint32_t capacity;
} release_list;

/* Chosen: pairs of a record, so that one fits the smallest ring. */
#define RELEASES_A_RECORD 128

static release_list objects;
static release_list loans;

/* Runs in finalizers: allocates, but calls nothing of Python's. */
static void
append(release_list *list, uint64_t number, uint64_t count)
{
    if (list->count == list->capacity) {
        const uint32_t capacity = 2 * list->capacity + 64;
        released *const items = realloc(list->items, capacity * sizeof *items);
        if (items == NULL)
            return;   /* what is not released is kept: the host loses memory, and nothing else */
        list->items = items;
        list->capacity = capacity;
    }
    list->items[list->count++] = (released){number, count};
}

bool
worker_has_releases(void)
{
    return (objects.count | loans.count) != 0;
}

void
worker_release(uint64_t id, uint32_t sent)
{
    append(&objects, id, sent);
}

void
worker_return_loans(uint64_t segment, uint64_t times)
{
    if (loans.count != 0 && loans.items[loans.count - 1].number == segment)
        loans.items[loans.count - 1].count += times;
    else
        append(&loans, segment, times);
}

/* Memory that waits on the way of a caller until that calls again; beyond it the host's serving thread
 * is told, which listens always. */
#define LEFT_WITH_CALLER (UINT64_C(1) << 20)

static bool
are_small(void)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < loans.count && bytes <= LEFT_WITH_CALLER; i++)
        bytes += worker_segment_bytes(loans.items[i].number);
    return bytes <= LEFT_WITH_CALLER;
}

/* Where releases go when the host has taken everything: a caller that waits reads them on the way to its
 * answer, and one that calls without a pause gets them with its next call; both find their memory free. */
static worker_lane *
lane_for(worker_lane *caller, bool waits)
{
    const uint32_t gap =
        caller == NULL ? 0
                       : atomic_load_explicit(&caller->core->peer->gap_ns, memory_order_relaxed);
    return waits || (gap != 0 && gap < caller->pace.spin_ns && are_small()) ? caller
                                                                            : &worker.lanes[0];
}

/* The lane on which a release follows all that was said before it; NULL: there is none now. */
static worker_lane *
last_lane(worker_lane *caller, bool waits)
{
    worker_lane *only = NULL;
    for (uint32_t i = 0; i < worker.core.channel_count; i++) {
        worker_lane *const lane = &worker.lanes[i];
        const uint64_t taken =
            atomic_load_explicit(&lane->core->out.tail->position, memory_order_acquire);
        if (taken == lane->core->out.position && lane->outbox == NULL)
            continue;
        if (only != NULL)
            return NULL;
        only = lane;
    }
    return only != NULL ? only : lane_for(caller, waits);
}

/* Sends the first items of a list as one record: of an object that was sent again after its release, the
 * older release must come first. */
static void
send_releases(worker_lane *lane, release_list *list, bool are_loans)
{
    const uint32_t count = list->count < RELEASES_A_RECORD ? list->count : RELEASES_A_RECORD;
    const worker_call none = {0};
    worker_message message;
    worker_message_begin(&message, lane);
    wire_enter_list(&message.writer, count + are_loans);
    if (are_loans)
        wire_write_int(&message.writer, NOODLE_SUBJECT_RETURNED);
    for (uint32_t i = 0; i < count; i++) {
        const released *const item = &list->items[i];
        wire_enter_list(&message.writer, 2);
        wire_write_uint(&message.writer, item->number);
        wire_write_uint(&message.writer, item->count);
        wire_leave(&message.writer);
    }
    wire_leave(&message.writer);
    list->count -= count;
    memmove(list->items, list->items + count, list->count * sizeof *list->items);
    worker_message_send(&message, &none, are_loans ? NOODLE_KIND_CONTROL : NOODLE_KIND_RELEASE);
}

COLD bool
worker_flush_releases(worker_lane *caller, bool waits)
{
    if (!worker_has_releases() || worker_is_forked())
        return false;
    worker_lane *const lane = last_lane(caller, waits);
    if (lane == NULL)
        return true;
    while (objects.count != 0)
        send_releases(lane, &objects, false);
    while (loans.count != 0)
        send_releases(lane, &loans, true);
    return false;
}
