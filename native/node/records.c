/* Records of the host: taken from the rings, sorted, put aside while JavaScript is blocked. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* Chosen: what may pile up while JavaScript is blocked in a request. */
#define DEFERRED_MOST (UINT64_C(64) << 20)

/* ------------------------------------------------------------------------------ Cancellation */

/* Takes a call that has not begun yet out of those that wait.  Returns whether it was there. */
static bool
cancel_deferred(uint64_t id)
{
    addon_deferred **at = &addon.deferred;
    addon_deferred *item;
    while (*at != NULL && ((*at)->record.kind != NOODLE_KIND_CALL || (*at)->record.call_id != id))
        at = &(*at)->next;
    item = *at;
    if (item == NULL)
        return false;
    *at = item->next;
    if (item->next == NULL)
        addon.deferred_end = at;
    addon.deferred_bytes -= item->record.length;
    const addon_call call = {.channel = item->channel, .id = id, .chain = item->record.chain_id};
    addon_throw("AbortError", "NOODLE_CANCELLED", "the caller gave up before the call began");
    addon_answer_error(&call, addon_take_exception());
    free(item);
    return true;
}

/* Its promise is not settled: it takes no time, so it must not cost the worker its life. */
static COLD void
tell_pending(const addon_call *call)
{
    const addon_call none = {.channel = call->channel};
    addon_message message;
    addon_message_begin(&message, call->channel);
    wire_enter_list(&message.writer, 2);
    wire_write_int(&message.writer, NOODLE_SUBJECT_PENDING);
    wire_write_uint(&message.writer, call->id);
    wire_leave(&message.writer);
    addon_message_send(&message, &none, NOODLE_KIND_CONTROL);
}

static void
cancel(uint64_t id)
{
    addon_call *call = addon_find_call(id);
    napi_value argument;
    if (call == NULL) {
        cancel_deferred(id);
        return;
    }
    if (call->cancelled)
        return;
    call->cancelled = true;
    addon_abandon_requests(id);
    if (call->watched) {
        argument = addon_number((double)id);
        if (addon_call_function(ADDON_CANCELLED, &argument, 1) == NULL)
            addon_take_exception();
        call = addon_find_call(id);   /* that may have answered it */
    }
    if (call != NULL && call->waits)
        tell_pending(call);
}

/* ---------------------------------------------------------------------------- Other records */

static void
take_control(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list;
    uint64_t subject, number;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count < 1
        || wire_descend(&reader) != WIRE_OK || !addon_read_natural(&reader, &subject))
        return;
    if (subject == NOODLE_SUBJECT_STOP) {
        addon.stopping = true;
        addon_loop_nudge();
    }
    if (subject == NOODLE_SUBJECT_DROPPED)
        for (uint32_t i = 1; i < list.count && addon_read_natural(&reader, &number); i++)
            addon_drop_segment(number);
}

static void
take_releases(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list, pair;
    uint64_t id, sent;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST
        || wire_descend(&reader) != WIRE_OK)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        if (wire_read(&reader, &pair) != WIRE_OK || pair.kind != WIRE_LIST || pair.count != 2
            || wire_descend(&reader) != WIRE_OK || !addon_read_natural(&reader, &id)
            || !addon_read_natural(&reader, &sent))
            return;
        wire_ascend(&reader);
        addon_object_release(id, (uint32_t)sent);
    }
}

/* Finds the bytes of a record: behind its header, or in a segment that the host lent for it. */
static bool
locate(const noodle_record *record, const unsigned char **bytes, size_t *length, uint64_t *segment)
{
    noodle_span span;
    const addon_segment *found;
    *segment = 0;
    *length = record->length;
    if (LIKELY(!(record->flags & NOODLE_IN_SEGMENT)))
        return true;
    if (record->length != sizeof span)
        return false;
    memcpy(&span, *bytes, sizeof span);
    found = addon_find_segment(span.segment);
    if (found == NULL || span.offset > found->bytes || span.length > found->bytes - span.offset)
        return false;
    *segment = span.segment;
    *bytes = found->address + span.offset;
    *length = span.length;
    return true;
}

static bool
handle(noodle_channel *channel, const noodle_record *record, const unsigned char *bytes)
{
    uint64_t segment;
    size_t length;
    bool later = false;
    if (!locate(record, &bytes, &length, &segment))
        addon_condemn("a payload in a segment that was not sent");
    switch (record->kind) {
    case NOODLE_KIND_CALL:
        later = addon_serve(channel, record, bytes, length);
        break;
    case NOODLE_KIND_REPLY:
    case NOODLE_KIND_ERROR:
        addon_take_reply(record, bytes, length);
        break;
    case NOODLE_KIND_CANCEL:
        cancel(record->call_id);
        break;
    case NOODLE_KIND_RELEASE:
        take_releases(bytes, length);
        break;
    case NOODLE_KIND_CONTROL:
        take_control(bytes, length);
        break;
    default:
        addon_condemn("a record of an unknown kind");
    }
    if (UNLIKELY(segment != 0))
        addon_return_loans(segment, 1);
    return later;
}

/* Keeps a call of another chain, and releases behind it, until JavaScript is not blocked any more. */
static COLD void
defer(noodle_channel *channel, const noodle_record *record, const unsigned char *bytes)
{
    addon_deferred *const item = malloc(sizeof *item + record->length);
    if (item == NULL && record->kind != NOODLE_KIND_CALL)
        return;   /* the objects stay, and nothing else happens */
    if (item == NULL
        || (addon.deferred_bytes > DEFERRED_MOST && record->kind == NOODLE_KIND_CALL)) {
        const addon_call call = {.channel = channel, .id = record->call_id,
                                 .chain = record->chain_id};
        free(item);
        addon_throw("RangeError", "NOODLE_LIMIT",
                    "the worker is blocked in a callback, and too many calls wait for it");
        addon_answer_error(&call, addon_take_exception());
        return;
    }
    *item = (addon_deferred){.channel = channel, .record = *record};
    memcpy(item->payload, bytes, record->length);
    if (addon.deferred == NULL)
        addon.deferred_end = &addon.deferred;
    *addon.deferred_end = item;
    addon.deferred_end = &item->next;
    addon.deferred_bytes += record->length;
    addon.counts.deferred++;
}

bool
addon_serve_deferred(void)
{
    addon_deferred *const item = addon.deferred;
    bool later;
    if (item == NULL)
        return false;
    addon.deferred = item->next;
    addon.deferred_bytes -= item->record.length;
    later = handle(item->channel, &item->record, item->payload);
    free(item);
    return later;
}

static unsigned char *
buffer_here(void)
{
    unsigned char **const buffer = &addon.buffers[addon.depth];
    if (UNLIKELY(*buffer == NULL)) {
        *buffer = malloc(addon.core.ring_bytes);
        if (*buffer == NULL)
            addon_condemn("there is no memory to receive anything");
    }
    return *buffer;
}

bool
addon_take(noodle_channel *channel, uint64_t chain)
{
    unsigned char *const buffer = buffer_here();
    noodle_record record;
    const noodle_status status =
        noodle_channel_take(channel, &record, buffer, addon.core.ring_bytes);
    if (status == NOODLE_EMPTY)
        return false;
    if (status != NOODLE_OK)
        addon_condemn(noodle_status_name(status));
    if (UNLIKELY(channel->peer_event.wake_fd < 0))
        addon_drain_socket();
    /* A release must not overtake a call that was put aside. */
    if (UNLIKELY(chain != 0
                 && ((record.kind == NOODLE_KIND_CALL && record.chain_id != chain)
                     || (record.kind == NOODLE_KIND_RELEASE && addon.deferred != NULL)))) {
        defer(channel, &record, buffer);
        return false;
    }
    return handle(channel, &record, buffer);
}
