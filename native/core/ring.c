/* The rings' slow paths: reading the peer's hints, and records that cross the end. */
#define _GNU_SOURCE
#include "noodle/channel.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------------- Writer */

noodle_status
noodle_ring_refresh_free(noodle_ring_writer *ring, uint64_t *free_bytes)
{
    const uint64_t tail = atomic_load_explicit(&ring->tail->position, memory_order_acquire);
    if (ring->condemned || tail - ring->taken > ring->position - ring->taken
        || tail % NOODLE_RECORD_BYTES != 0) {
        ring->condemned = true;
        return NOODLE_PROTOCOL;
    }
    ring->taken = tail;
    *free_bytes = ring->mask + 1 - (ring->position - tail);
    return NOODLE_OK;
}

/* Asks the consumer for a wake-up, and looks again: the consumer may have gone on in between. */
static noodle_status
want_space(noodle_ring_writer *ring, uint64_t span, uint64_t *free_bytes)
{
    ring->missing = span;
    atomic_store_explicit(&ring->head->wanted, 1, memory_order_relaxed);
    noodle_fence();
    return noodle_ring_refresh_free(ring, free_bytes);
}

noodle_status
noodle_ring_reserve_slowly(noodle_ring_writer *ring, uint64_t least, unsigned char **payload,
                           uint64_t *capacity)
{
    const uint64_t size = ring->mask + 1;
    const uint64_t begin = (ring->position & ring->mask) + NOODLE_RECORD_BYTES;
    uint64_t free_bytes, room;
    noodle_status status;
    ring->reserved = NULL;
    if (least > noodle_ring_most(size))
        return NOODLE_TOO_LARGE;
    status = noodle_ring_refresh_free(ring, &free_bytes);
    if (status == NOODLE_OK && free_bytes < noodle_record_span(least))
        status = want_space(ring, noodle_record_span(least), &free_bytes);
    if (status != NOODLE_OK)
        return status;
    if (free_bytes < noodle_record_span(least))
        return NOODLE_FULL;
    room = free_bytes - NOODLE_RECORD_BYTES;
    if (size - begin >= least) {
        ring->reserved = ring->data + begin;
        room = room < size - begin ? room : size - begin;
    } else {
        if (ring->scratch == NULL)
            ring->scratch = malloc(size);
        if (ring->scratch == NULL)
            return NOODLE_SYSTEM;
        ring->reserved = ring->scratch;
    }
    ring->reserved_bytes = room;
    *payload = ring->reserved;
    *capacity = room;
    return NOODLE_OK;
}

void
noodle_ring_copy_scratch(noodle_ring_writer *ring, uint64_t length)
{
    const uint64_t begin = (ring->position & ring->mask) + NOODLE_RECORD_BYTES;
    const uint64_t straight = ring->mask + 1 - begin;
    const uint64_t first = length < straight ? length : straight;
    memcpy(ring->data + begin, ring->scratch, first);
    memcpy(ring->data, ring->scratch + first, length - first);
}

void
noodle_ring_satisfied(noodle_ring_writer *ring)
{
    ring->missing = 0;
    atomic_store_explicit(&ring->head->wanted, 0, memory_order_relaxed);
}

/* --------------------------------------------------------------------------------------- Reader */

noodle_status
noodle_ring_condemn(noodle_ring_reader *ring)
{
    ring->condemned = true;
    /* A condemned ring counts as filled, so that a waiting thread comes to see it. */
    ring->published = ring->position + 1;
    return NOODLE_PROTOCOL;
}

noodle_status
noodle_ring_refresh_filled(noodle_ring_reader *ring)
{
    const uint64_t head = atomic_load_explicit(&ring->head->position, memory_order_acquire);
    const uint64_t filled = head - ring->position;
    if (ring->condemned)
        return NOODLE_PROTOCOL;
    if (filled == 0)
        return NOODLE_EMPTY;
    if (filled > ring->mask + 1 || filled % NOODLE_RECORD_BYTES != 0)
        return noodle_ring_condemn(ring);
    ring->published = head;
    return NOODLE_OK;
}

void
noodle_ring_copy_out(const noodle_ring_reader *ring, void *buffer, uint64_t length)
{
    const uint64_t begin = (ring->position & ring->mask) + NOODLE_RECORD_BYTES;
    const uint64_t straight = ring->mask + 1 - begin;
    const uint64_t first = length < straight ? length : straight;
    memcpy(buffer, ring->data + begin, first);
    memcpy((unsigned char *)buffer + first, ring->data, length - first);
}

/* -------------------------------------------------------------------------------------- Channel */

noodle_status
noodle_channel_send(noodle_channel *channel, const noodle_record *record, const void *payload)
{
    unsigned char *place;
    uint64_t capacity;
    const noodle_status status =
        noodle_channel_reserve(channel, record->length, &place, &capacity);
    if (status != NOODLE_OK)
        return status;
    if (record->length != 0)
        memcpy(place, payload, record->length);
    return noodle_channel_commit(channel, record);
}

bool
noodle_channel_has_space(noodle_channel *channel)
{
    uint64_t free_bytes;
    return noodle_ring_refresh_free(&channel->out, &free_bytes) != NOODLE_OK
           || free_bytes >= channel->out.missing;
}
