/* A host of few words, for tests of the Node worker: every record is the test's to write and to read.
 *
 * Loaded by ctypes; one thread at a time. Statuses are those of noodle/status.h. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../core/ends.h"
#include "noodle/arena.h"
#include "noodle/channel.h"

#define EXPORT __attribute__((visibility("default")))
#define CHANNELS 8

typedef struct driver {
    noodle_link *link;
    noodle_waiter *waiter;
    noodle_channel *channels[CHANNELS];
    noodle_arena *arena;
    uint32_t worker;
    uint64_t spin_ns;
} driver;

EXPORT driver *
driver_create(int *descriptors, uint32_t ring_bytes, uint64_t spin_ns)
{
    const noodle_link_options options = {CHANNELS, ring_bytes, true};
    const noodle_arena_options defaults = {0};
    driver *const made = calloc(1, sizeof *made);
    if (made == NULL || noodle_link_create(&options, &made->link) != NOODLE_OK
        || noodle_waiter_create(&made->waiter) != NOODLE_OK
        || noodle_arena_create(&defaults, &made->arena) != NOODLE_OK
        || noodle_arena_add_worker(made->arena, true, &made->worker) != NOODLE_OK)
        return NULL;
    const noodle_worker_descriptors ends = noodle_link_worker_descriptors(made->link);
    descriptors[0] = ends.control;
    descriptors[1] = ends.socket;
    descriptors[2] = ends.event;
    descriptors[3] = ends.lifeline;
    made->spin_ns = spin_ns;
    return made;
}

EXPORT int
driver_started(driver *driver, int pidfd)
{
    return noodle_link_started(driver->link, pidfd);
}

/* Opens the next channel; they are numbered in the order in which they are opened. */
EXPORT int
driver_open(driver *driver, uint32_t *index)
{
    noodle_channel *channel;
    noodle_status status = noodle_link_open(driver->link, false, &channel);
    if (status != NOODLE_OK)
        return status;
    *index = channel->index;
    driver->channels[channel->index] = channel;
    return noodle_waiter_add(driver->waiter, channel);
}

EXPORT int
driver_send(driver *driver, uint32_t index, const noodle_record *record, const void *payload)
{
    return noodle_channel_send(driver->channels[index], record, payload);
}

/* Waits up to `timeout_ns` for a record on any channel. */
EXPORT int
driver_take(driver *driver, uint64_t timeout_ns, uint32_t *index, noodle_record *record,
            void *buffer, uint64_t capacity)
{
    const uint64_t deadline = noodle_now() + timeout_ns;
    for (;;) {
        noodle_channel *const channel = noodle_waiter_next(driver->waiter);
        if (channel != NULL) {
            const noodle_status status = noodle_channel_take(channel, record, buffer, capacity);
            *index = channel->index;
            if (status != NOODLE_EMPTY)
                return status;
        }
        const noodle_status status =
            noodle_channel_wait(driver->channels[0], deadline, 0, driver->spin_ns);
        if (status != NOODLE_READY && status != NOODLE_SLICE)
            return status;
        /* Ready may be the space that a sender lacked. */
        if (noodle_now() >= deadline)
            return NOODLE_TIMEOUT;
    }
}

static int
compare(const void *left, const void *right)
{
    const double difference = *(const double *)left - *(const double *)right;
    return (difference > 0) - (difference < 0);
}

/* Calls `count` times, one after the other, and sorts the times, in microseconds.  Between calls it
 * waits until the worker has parked if `parked` is set. */
EXPORT int
driver_measure(driver *driver, const void *payload, uint32_t length, uint64_t count, int parked,
               double *microseconds)
{
    noodle_channel *const channel = driver->channels[0];
    unsigned char answer[4096];
    noodle_record record = {.length = length, .kind = NOODLE_KIND_CALL, .chain_id = 1};
    noodle_record reply;
    for (uint64_t i = 0; i < count; i++) {
        noodle_status status = NOODLE_OK;
        uint64_t begin;
        while (parked && noodle_link_worker_state(driver->link) != NOODLE_PARKED)
            continue;
        record.call_id = (UINT64_C(1) << 40) + i;
        begin = noodle_now();
        status = noodle_channel_send(channel, &record, payload);
        while (status == NOODLE_OK) {
            status = noodle_channel_take(channel, &reply, answer, sizeof answer);
            if (status != NOODLE_EMPTY)
                break;
            status = noodle_channel_wait(channel, 0, 0, parked ? 0 : driver->spin_ns);
            status = status == NOODLE_READY || status == NOODLE_SLICE ? NOODLE_OK : status;
        }
        if (status != NOODLE_OK)
            return status;
        if (reply.kind != NOODLE_KIND_REPLY || reply.call_id != record.call_id)
            return NOODLE_PROTOCOL;
        microseconds[i] = (double)(noodle_now() - begin) / 1e3;
    }
    qsort(microseconds, count, sizeof *microseconds, compare);
    return NOODLE_OK;
}

/* ------------------------------------------------------------------------------------ Segments */

EXPORT int
driver_allocate(driver *driver, uint64_t bytes, noodle_lease *lease, uint64_t *number,
                void **address)
{
    const noodle_status status =
        noodle_arena_allocate(driver->arena, bytes, driver->worker, NOODLE_SEGMENT_ZEROED, lease);
    if (status == NOODLE_OK) {
        *number = noodle_lease_segment(*lease);
        *address = noodle_lease_address(*lease);
    }
    return status;
}

EXPORT int
driver_grant(driver *driver, const noodle_lease *lease, int read_only)
{
    return noodle_arena_grant(driver->arena, *lease, driver->worker,
                              noodle_link_socket(driver->link), read_only != 0);
}

EXPORT void
driver_release(noodle_lease *lease)
{
    noodle_lease_release(*lease);
}

/* Takes a segment that the worker made. */
EXPORT int
driver_adopt(driver *driver, noodle_lease *lease, uint64_t *number, void **address)
{
    noodle_message message;
    int fd;
    noodle_status status =
        noodle_receive_segment(noodle_link_socket(driver->link), false, &message, &fd);
    if (status != NOODLE_OK)
        return status;
    status = noodle_arena_adopt(driver->arena, fd, message.bytes, lease);
    if (status == NOODLE_OK) {
        *number = message.number;
        *address = noodle_lease_address(*lease);
    }
    return status;
}

EXPORT uint64_t
driver_beat(const driver *driver)
{
    return noodle_link_beat(driver->link);
}

EXPORT uint64_t
driver_progress(const driver *driver)
{
    return noodle_link_progress(driver->link);
}

EXPORT int
driver_state(const driver *driver)
{
    return (int)noodle_link_worker_state(driver->link);
}

/* Ends the lifeline, as the death of a host does. */
EXPORT void
driver_cut(driver *driver)
{
    close(driver->link->lifeline);
    driver->link->lifeline = -1;
}

EXPORT uint64_t
driver_now(void)
{
    return noodle_now();
}

EXPORT void
driver_destroy(driver *driver)
{
    for (uint32_t i = 0; i < CHANNELS; i++)
        if (driver->channels[i] != NULL)
            noodle_link_close(driver->channels[i]);
    noodle_waiter_destroy(driver->waiter);
    noodle_link_destroy(driver->link);
    noodle_arena_destroy(driver->arena);
    free(driver);
}
