/* Records of the host, sorted: to the calls, the requests, the objects and the segments that they are
 * about. */
#define _GNU_SOURCE
#include "worker.h"

#include <string.h>

/* ------------------------------------------------------------------------------------ Notices */

bool
worker_read_natural(wire_reader *reader, uint64_t *number)
{
    wire_token token;
    if (wire_read(reader, &token) != WIRE_OK)
        return false;
    *number = token.natural;
    return token.kind == WIRE_UINT || (token.kind == WIRE_INT && token.integer >= 0);
}

static COLD void
take_control(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list;
    uint64_t subject, number;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count < 1
        || wire_descend(&reader) != WIRE_OK || !worker_read_natural(&reader, &subject))
        return;
    if (subject == NOODLE_SUBJECT_STOP) {
        worker.stopping = true;
        worker_nudge();
    }
    if (subject == NOODLE_SUBJECT_DROPPED)
        for (uint32_t i = 1; i < list.count && worker_read_natural(&reader, &number); i++)
            worker_drop_segment(number);
}

/* ------------------------------------------------------------------------------------- Sorting */

/* Finds the bytes of a record: behind its header, or in a segment that the host lent for it. */
static bool
locate(const noodle_record *record, const unsigned char **bytes, size_t *length, uint64_t *segment)
{
    noodle_span span;
    const worker_segment *found;
    *segment = 0;
    *length = record->length;
    if (LIKELY(!(record->flags & NOODLE_IN_SEGMENT)))
        return true;
    if (record->length != sizeof span)
        return false;
    memcpy(&span, *bytes, sizeof span);
    found = worker_find_segment(span.segment);
    if (found == NULL || span.offset > found->bytes || span.length > found->bytes - span.offset)
        return false;
    *segment = span.segment;
    *bytes = found->address + span.offset;
    *length = span.length;
    return true;
}

/* A call that this thread does not run, because it is busy or the keeper. */
static COLD bool
give_away(worker_thread *thread, worker_lane *lane, const noodle_record *record,
          const unsigned char *bytes, bool here)
{
    bool own = false;
    if (here && (thread == NULL || thread->innermost == NULL))
        return false;
    if (worker_give_to_chain(thread, lane, record, bytes, &own))
        return !own;
    worker_give_errand(lane, record, bytes, here || lane->thread == NULL);
    return true;
}

void
worker_handle(worker_thread *thread, worker_lane *lane, const noodle_record *record,
              const unsigned char *bytes, bool here)
{
    uint64_t segment;
    size_t length;
    if (record->kind == NOODLE_KIND_CALL && UNLIKELY(!here || thread->innermost != NULL)
        && give_away(thread, lane, record, bytes, here))
        return;
    if (UNLIKELY(!locate(record, &bytes, &length, &segment)))
        worker_condemn("a payload lies in a segment that was not sent");
    switch (record->kind) {
    case NOODLE_KIND_CALL:
        worker_serve(thread, lane, record, bytes, length);
        break;
    case NOODLE_KIND_REPLY:
    case NOODLE_KIND_ERROR:
        worker_take_reply(record, bytes, length);
        break;
    case NOODLE_KIND_CANCEL:
        worker_cancel(record->call_id);
        break;
    case NOODLE_KIND_RELEASE:
        worker_take_releases(lane, bytes, length);
        break;
    case NOODLE_KIND_CONTROL:
        take_control(bytes, length);
        break;
    default:
        worker_condemn("a record has an unknown kind");
    }
    if (UNLIKELY(segment != 0))
        worker_return_loans(segment, 1);
}
