/* Messages: written straight into a ring where they fit, and sent in order where they do not. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "addon.h"

#define LEAST_ROOM 32

/* A record that waits for space.  Its payload is owned. */
typedef struct outgoing {
    struct outgoing *next;
    noodle_record record;
    unsigned char payload[];
} outgoing;

typedef struct outbox {
    outgoing *first;
    outgoing **end;
} outbox;

static outbox outboxes[NOODLE_CHANNELS];
static uint64_t full_outboxes;   /* a bit for each that is not empty */
static uint64_t own_segments;

/* ----------------------------------------------------------------------------------- Writing */

/* Moves what is written so far out of the ring, or into more memory. */
static bool
move_to_heap(addon_message *message, size_t used, size_t needed)
{
    const size_t capacity = needed + needed / 2 + 256;
    unsigned char *const heap = realloc(message->heap, capacity);
    if (heap == NULL)
        return false;
    if (message->heap == NULL && used != 0)
        memcpy(heap, message->writer.buffer, used);
    message->heap = heap;
    message->writer.buffer = heap;
    message->writer.capacity = capacity;
    return true;
}

static bool
grow(wire_writer *writer, size_t used, size_t needed)
{
    return move_to_heap(writer->context, used, needed);
}

/* Takes a message out of the ring, because another one is about to be sent before it is complete. */
static void
leave_ring(addon_message *message)
{
    if (message->heap == NULL && message->writer.capacity != 0
        && !move_to_heap(message, message->writer.length, message->writer.length)) {
        message->writer.status = WIRE_NO_MEMORY;
        message->writer.capacity = 0;
    }
}

void
addon_message_begin(addon_message *message, noodle_channel *channel)
{
    unsigned char *payload = NULL;
    uint64_t capacity = 0;
    if (UNLIKELY(addon.messages != NULL))
        leave_ring(addon.messages);
    if (UNLIKELY(full_outboxes & channel->ready_bit)
        || noodle_channel_reserve(channel, LEAST_ROOM, &payload, &capacity) != NOODLE_OK)
        capacity = 0;
    wire_writer_init(&message->writer, payload, capacity, wire_default_limits());
    message->writer.grow = grow;
    message->writer.context = message;
    message->channel = channel;
    message->flags = 0;
    message->heap = NULL;
    message->sent = message->borrowed = NULL;
    message->sent_count = message->sent_capacity = 0;
    message->borrowed_count = message->borrowed_capacity = 0;
    message->outer = addon.messages;
    addon.messages = message;
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
addon_message_note(addon_message *message, uint64_t id)
{
    return append_number(&message->sent, &message->sent_count, &message->sent_capacity, id);
}

bool
addon_message_borrow(addon_message *message, uint64_t segment)
{
    return append_number(&message->borrowed, &message->borrowed_count,
                         &message->borrowed_capacity, segment);
}

static void
close_message(addon_message *message)
{
    free(message->heap);
    free(message->sent);
    for (uint32_t i = 0; i < message->borrowed_count; i++)
        addon_return_loans(message->borrowed[i], 1);
    free(message->borrowed);
}

void
addon_message_drop(addon_message *message)
{
    addon.messages = message->outer;
    for (uint32_t i = 0; i < message->sent_count; i++) {
        addon_object *const object = addon_find_object(message->sent[i]);
        if (object != NULL && --object->sent == 0)
            addon_object_release(object->id, 0);
    }
    close_message(message);
}

void
addon_message_send(addon_message *message, const addon_call *call, enum noodle_kind kind)
{
    noodle_record record = {
        .length = (uint32_t)message->writer.length,
        .kind = (uint16_t)kind,
        .flags = message->flags,
        .call_id = call->id,
        .chain_id = call->chain,
        .deadline_ns = call->deadline_ns,
    };
    addon.messages = message->outer;
    if (LIKELY(message->heap == NULL && message->writer.capacity != 0))
        noodle_channel_commit(message->channel, &record);
    else
        addon_send(message->channel, &record, message->heap, message->writer.length);
    if (UNLIKELY(message->heap != NULL || message->sent != NULL || message->borrowed != NULL))
        close_message(message);
}

/* ----------------------------------------------------------------------------------- Sending */

static void
enqueue(noodle_channel *channel, const noodle_record *record, const void *payload)
{
    outbox *const box = &outboxes[channel->index];
    outgoing *const item = malloc(sizeof *item + record->length);
    if (item == NULL)
        addon_condemn("there is no memory for an answer");
    item->next = NULL;
    item->record = *record;
    memcpy(item->payload, payload, record->length);
    if (box->first == NULL)
        box->end = &box->first;
    *box->end = item;
    box->end = &item->next;
    full_outboxes |= channel->ready_bit;
    addon_loop_nudge();
}

/* Puts a payload that no ring could hold into memory of its own, and the host in possession of it. */
static void
send_in_segment(noodle_channel *channel, noodle_record *record, const void *payload, size_t length)
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
        addon_condemn("there is no shared memory for a large answer");
    memcpy(address, payload, length);
    noodle_segment_unmap(&descriptor, address);
    const noodle_status status = noodle_send_segment(addon.socket, &descriptor, fd);
    close(fd);
    if (status != NOODLE_OK)
        addon_condemn("a large answer could not be sent");
    record->flags |= NOODLE_IN_SEGMENT;
    record->length = sizeof span;
    addon_send(channel, record, &span, sizeof span);
}

void
addon_send(noodle_channel *channel, noodle_record *record, const void *payload, size_t length)
{
    noodle_status status = NOODLE_FULL;
    if (length > noodle_ring_most(addon.core.ring_bytes)) {
        send_in_segment(channel, record, payload, length);
        return;
    }
    record->length = (uint32_t)length;
    if (addon.messages != NULL)
        leave_ring(addon.messages);
    if (!(full_outboxes & channel->ready_bit))
        status = noodle_channel_send(channel, record, payload);
    if (status == NOODLE_FULL)
        enqueue(channel, record, payload);
    else if (status != NOODLE_OK)
        addon_condemn(noodle_status_name(status));
}

static void
flush_box(noodle_channel *channel)
{
    outbox *const box = &outboxes[channel->index];
    while (box->first != NULL) {
        outgoing *const item = box->first;
        const noodle_status status = noodle_channel_send(channel, &item->record, item->payload);
        if (status == NOODLE_FULL)
            return;
        if (status != NOODLE_OK)
            addon_condemn(noodle_status_name(status));
        box->first = item->next;
        free(item);
    }
    full_outboxes &= ~channel->ready_bit;
}

bool
addon_flush(void)
{
    if (LIKELY(full_outboxes == 0))
        return false;
    if (addon.messages != NULL)
        leave_ring(addon.messages);
    for (uint64_t left = full_outboxes; left != 0; left &= left - 1)
        flush_box(&addon.core.channels[__builtin_ctzll(left)]);
    return full_outboxes != 0;
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

void
addon_release(uint64_t id, uint32_t sent)
{
    append(&objects, id, sent);
}

void
addon_return_loans(uint64_t segment, uint64_t times)
{
    if (loans.count != 0 && loans.items[loans.count - 1].number == segment)
        loans.items[loans.count - 1].count += times;
    else
        append(&loans, segment, times);
}

/* The channel on which a release follows all that was said before it; NULL: there is none now. */
static noodle_channel *
last_channel(void)
{
    noodle_channel *only = NULL;
    for (uint32_t i = 0; i < addon.core.channel_count; i++) {
        noodle_channel *const channel = &addon.core.channels[i];
        const uint64_t taken =
            atomic_load_explicit(&channel->out.tail->position, memory_order_acquire);
        if (taken == channel->out.position && !(full_outboxes & channel->ready_bit))
            continue;
        if (only != NULL)
            return NULL;
        only = channel;
    }
    return only != NULL ? only : &addon.core.channels[0];
}

/* Sends the first items of a list as one record: of an object that was sent again after its release, the
 * older release must come first. */
static void
send_releases(noodle_channel *channel, release_list *list, bool are_loans)
{
    const uint32_t count =
        list->count < RELEASES_A_RECORD ? list->count : RELEASES_A_RECORD;
    const addon_call none = {0};
    addon_message message;
    addon_message_begin(&message, channel);
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
    addon_message_send(&message, &none, are_loans ? NOODLE_KIND_CONTROL : NOODLE_KIND_RELEASE);
}

bool
addon_flush_releases(void)
{
    if (LIKELY((objects.count | loans.count) == 0))
        return false;
    noodle_channel *const channel = last_channel();
    if (channel == NULL)
        return true;
    while (objects.count != 0)
        send_releases(channel, &objects, false);
    while (loans.count != 0)
        send_releases(channel, &loans, true);
    return false;
}
