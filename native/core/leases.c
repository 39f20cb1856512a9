/* Leases, and granting them to workers. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "arena_table.h"

/* ----------------------------------------------------------------------------------- Leases */

void *
noodle_lease_address(noodle_lease lease)
{
    return lease.segment->address;
}

uint64_t
noodle_lease_bytes(noodle_lease lease)
{
    return lease.segment->bytes;
}

uint64_t
noodle_lease_segment(noodle_lease lease)
{
    return lease.segment->number;
}

bool
noodle_lease_is_read_only(noodle_lease lease)
{
    return lease.segment->read_only;
}

noodle_lease
noodle_lease_retain(noodle_lease lease)
{
    if (lease.segment != NULL && lease.generation == noodle_process_generation())
        atomic_fetch_add_explicit(&lease.segment->leases, 1, memory_order_relaxed);
    return lease;
}

/* Retires a segment without leases: it becomes free, or a victim. */
static void
retire(noodle_arena *arena, noodle_segment *segment, noodle_segment **victims)
{
    arena->stats.leased_bytes -= segment->bytes;
    arena->stats.leased_segments--;
    arena->active_at = segment->freed_at = noodle_now();
    if (segment->condemned || segment->frozen || arena->destroyed) {
        noodle_arena_leave(arena, segment);
        segment->older = *victims;
        *victims = segment;
        return;
    }
    arena->stats.free_bytes += segment->bytes;
    arena->stats.free_segments++;
    noodle_free_list_add(&arena->free_list, segment);
    noodle_arena_pick_above(arena, arena->options.high_water_bytes, victims);
}

void
noodle_lease_release(noodle_lease lease)
{
    noodle_segment *const segment = lease.segment;
    noodle_segment *victims = NULL;
    noodle_arena *arena;
    uint64_t leases;
    if (segment == NULL || lease.generation != noodle_process_generation())
        return;
    arena = segment->arena;
    /* The last lease goes under the lock: otherwise the segment could be found, leased, released
     * and retired in between, and then a second time here. */
    leases = atomic_load_explicit(&segment->leases, memory_order_relaxed);
    while (leases > 1)
        if (atomic_compare_exchange_weak_explicit(&segment->leases, &leases, leases - 1,
                                                  memory_order_release, memory_order_relaxed))
            return;
    pthread_mutex_lock(&arena->lock);
    if (atomic_fetch_sub_explicit(&segment->leases, 1, memory_order_acq_rel) == 1)
        retire(arena, segment, &victims);
    pthread_mutex_unlock(&arena->lock);
    noodle_arena_close_victims(arena, victims);
}

/* Leases what others may be releasing; under the arena's lock it cannot go away. */
static bool
lease_if_live(noodle_segment *segment, noodle_lease *lease)
{
    if (atomic_load_explicit(&segment->leases, memory_order_relaxed) == 0)
        return false;
    atomic_fetch_add_explicit(&segment->leases, 1, memory_order_relaxed);
    *lease = noodle_lease_of(segment);
    return true;
}

noodle_lease
noodle_arena_find(noodle_arena *arena, const void *address)
{
    noodle_lease lease = {0};
    uint32_t place;
    if (noodle_arena_is_forked(arena))
        return lease;
    pthread_mutex_lock(&arena->lock);
    place = noodle_arena_place_of(arena, address);
    if (place > 0) {
        noodle_segment *const segment = arena->by_address[place - 1];
        if ((uintptr_t)address - (uintptr_t)segment->address < segment->bytes)
            lease_if_live(segment, &lease);
    }
    pthread_mutex_unlock(&arena->lock);
    return lease;
}

noodle_status
noodle_arena_lookup(noodle_arena *arena, uint32_t worker, uint64_t number, noodle_lease *lease)
{
    const uint64_t slot = number % NOODLE_MOST_SLOTS;
    noodle_status status = NOODLE_PROTOCOL;
    *lease = (noodle_lease){0};
    if (noodle_arena_is_forked(arena))
        return NOODLE_FORKED;
    if (worker >= NOODLE_ARENA_WORKERS)
        return NOODLE_INVALID;
    pthread_mutex_lock(&arena->lock);
    if (slot < arena->slot_count && arena->slots[slot] != NULL) {
        noodle_segment *const segment = arena->slots[slot];
        if (segment->number == number && noodle_workers_has(&segment->holders, worker)
            && lease_if_live(segment, lease))
            status = NOODLE_OK;
    }
    pthread_mutex_unlock(&arena->lock);
    return status;
}

/* --------------------------------------------------------------------------------- Granting */

/* What has to be sent before the worker may use the segment.  Returns OK (send), READY (it has it),
 * or REFUSED. */
static noodle_status
plan_grant(const noodle_segment *segment, uint32_t worker, bool read_only)
{
    const bool holds = noodle_workers_has(&segment->holders, worker);
    if (segment->fd < 0 || (segment->stale && !holds))
        return NOODLE_REFUSED;
    if (holds && (read_only || noodle_workers_has(&segment->writers, worker)))
        return NOODLE_READY;
    return NOODLE_OK;
}

/* Memory that was leased for one worker has that worker's bytes, which may be passed on; behind them
 * lie those of an earlier use. */
static void
clear_rest(noodle_segment *segment, uint32_t worker)
{
    if (!segment->stale || segment->used == 0 || noodle_workers_has(&segment->holders, worker))
        return;
    memset((unsigned char *)segment->address + segment->used, 0, segment->bytes - segment->used);
    segment->stale = false;
}

/* A descriptor of its own open file description, which only reads. */
static int
read_only_descriptor(noodle_segment *segment)
{
    char path[64];
    if (segment->read_only_fd < 0) {
        snprintf(path, sizeof path, "/proc/self/fd/%d", segment->fd);
        segment->read_only_fd = open(path, O_RDONLY | O_CLOEXEC);
    }
    return segment->read_only_fd;
}

static noodle_status
send_grant(noodle_segment *segment, int socket, bool read_only)
{
    const noodle_message message = {
        .magic = NOODLE_MESSAGE_MAGIC,
        .kind = NOODLE_MESSAGE_SEGMENT,
        .flags = read_only ? NOODLE_MESSAGE_READ_ONLY : 0,
        .number = segment->number,
        .bytes = segment->bytes,
    };
    const int fd = read_only ? read_only_descriptor(segment) : segment->fd;
    return fd < 0 ? NOODLE_SYSTEM : noodle_send_segment(socket, &message, fd);
}

noodle_status
noodle_arena_grant(noodle_arena *arena, noodle_lease lease, uint32_t worker, int socket,
                   bool read_only)
{
    noodle_segment *const segment = lease.segment;
    noodle_status status;
    if (noodle_arena_is_forked(arena))
        return NOODLE_FORKED;
    if (segment == NULL || segment->arena != arena || worker >= NOODLE_ARENA_WORKERS)
        return NOODLE_INVALID;
    read_only |= segment->frozen || segment->read_only;
    /* Sending can take long; meanwhile only grants to the same worker wait. */
    pthread_mutex_lock(&arena->sending[worker]);
    pthread_mutex_lock(&arena->lock);
    status = NOODLE_INVALID;
    if (noodle_workers_has(&arena->workers, worker)) {
        clear_rest(segment, worker);
        status = plan_grant(segment, worker, read_only);
    }
    if (status == NOODLE_OK && read_only && read_only_descriptor(segment) < 0)
        status = NOODLE_SYSTEM;
    pthread_mutex_unlock(&arena->lock);
    if (status == NOODLE_OK) {
        status = send_grant(segment, socket, read_only);
        pthread_mutex_lock(&arena->lock);
        if (status == NOODLE_OK) {
            noodle_workers_set(&segment->holders, worker, true);
            if (!read_only)
                noodle_workers_set(&segment->writers, worker, true);
        }
        pthread_mutex_unlock(&arena->lock);
    }
    pthread_mutex_unlock(&arena->sending[worker]);
    return status == NOODLE_READY ? NOODLE_OK : status;
}
