/* Releases of the host: obeyed once nothing that the host said before can still name the object.
 *
 * The host tells of a release on whatever channel it calls next.  On others, records that are older may
 * still lie unread, wait as errands, or be half read. */
#define _GNU_SOURCE
#include "worker.h"

#include <stdlib.h>

typedef struct released {
    uint64_t id;
    uint32_t sent;
} released;

/* What one record released, and what has to be read before. */
typedef struct batch {
    struct batch *next;
    uint64_t heads[NOODLE_CHANNELS];
    bool is_taken;         /* everything up to the heads is */
    uint64_t errands;      /* that were given until then */
    uint32_t count;
    released items[];
} batch;

static batch *batches;
static batch **batches_end = &batches;
static uint32_t readings;     /* records that are taken and not decoded yet */

void
worker_reading_begin(void)
{
    readings++;
}

void
worker_reading_end(void)
{
    readings--;
}

/* ------------------------------------------------------------------------------------ Reading */

static batch *
read_batch(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list, pair;
    batch *read;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST
        || wire_descend(&reader) != WIRE_OK)
        return NULL;
    read = malloc(sizeof *read + list.count * sizeof *read->items);
    if (read == NULL)
        return NULL;
    read->next = NULL;
    read->is_taken = false;
    for (read->count = 0; read->count < list.count; read->count++) {
        uint64_t id, sent;
        if (wire_read(&reader, &pair) != WIRE_OK || pair.kind != WIRE_LIST || pair.count != 2
            || wire_descend(&reader) != WIRE_OK || !worker_read_natural(&reader, &id)
            || !worker_read_natural(&reader, &sent))
            break;
        wire_ascend(&reader);
        read->items[read->count] = (released){id, (uint32_t)sent};
    }
    return read;
}

static void
note_what_is_older(batch *read, const worker_lane *source)
{
    for (uint32_t i = 0; i < worker.core.channel_count; i++) {
        const noodle_ring_reader *const in = &worker.core.channels[i].in;
        read->heads[i] = &worker.lanes[i] == source
                             ? in->position
                             : atomic_load_explicit(&in->head->position, memory_order_acquire);
    }
}

/* ------------------------------------------------------------------------------------ Obeying */

static bool
is_due(batch *held)
{
    for (uint32_t i = 0; i < worker.core.channel_count && !held->is_taken; i++)
        if (worker.core.channels[i].in.position < held->heads[i])
            return false;
    if (!held->is_taken)
        held->errands = worker.counts.errands;
    held->is_taken = true;
    return readings == 0 && !worker_errands_before(held->errands);
}

/* The end of an object may run code, and with it whatever else is here. */
bool
worker_obey_releases(void)
{
    while (batches != NULL && is_due(batches)) {
        batch *const held = batches;
        batches = held->next;
        if (batches == NULL)
            batches_end = &batches;
        for (uint32_t i = 0; i < held->count; i++)
            worker_object_release(held->items[i].id, held->items[i].sent);
        free(held);
    }
    return batches != NULL;
}

void
worker_take_releases(const worker_lane *source, const unsigned char *bytes, size_t length)
{
    batch *const read = read_batch(bytes, length);
    if (read == NULL)
        return;
    note_what_is_older(read, source);
    *batches_end = read;
    batches_end = &read->next;
    if (worker_obey_releases())
        worker_nudge();
}
