/* The arena: who gets which segment, who holds it, and when it goes. */
#define _GNU_SOURCE
#include "noodle/arena.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "memory_file.h"
#include "noodle/process.h"
#include "segments.h"

#define SLOT_BITS 20                    /* of a segment's number; the rest counts the slot's uses */
#define MOST_SLOTS (1u << SLOT_BITS)
#define DEFAULT_HIGH_WATER (UINT64_C(1) << 30)
#define DEFAULT_IDLE_NS UINT64_C(5000000000)
/* Free segments of one size that are looked at before one is zeroed instead. */
#define MOST_LOOKED_AT 32

struct noodle_arena {
    pthread_mutex_t lock;
    noodle_arena_options options;
    noodle_arena_stats stats;
    uint32_t generation;
    bool destroyed;
    uint32_t references;                 /* the owner's, and one for each segment until it is closed */
    uint64_t active_at;
    noodle_segment **slots;
    uint64_t *uses;                      /* of each slot */
    uint32_t slot_count;
    uint32_t next_slot;
    noodle_segment **by_address;         /* sorted */
    uint32_t segment_count;
    noodle_free_list free_list;
    noodle_segment *dropped;             /* closed; their holders have not been told yet */
    noodle_workers workers;
    noodle_workers untrusted;
    pthread_mutex_t sending[NOODLE_ARENA_WORKERS];   /* held from sending to being a holder */
};

static bool
is_forked(const noodle_arena *arena)
{
    return arena->generation != noodle_process_generation();
}

/* -------------------------------------------------------------------------------- The arena */

static uint32_t
descriptor_budget(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 256;
    return limit.rlim_cur / 4 < MOST_SLOTS ? (uint32_t)(limit.rlim_cur / 4) : MOST_SLOTS;
}

noodle_status
noodle_arena_create(const noodle_arena_options *options, noodle_arena **result)
{
    noodle_arena *const arena = calloc(1, sizeof *arena);
    *result = NULL;
    if (arena == NULL)
        return NOODLE_SYSTEM;
    arena->options = *options;
    if (arena->options.high_water_bytes == 0)
        arena->options.high_water_bytes = DEFAULT_HIGH_WATER;
    if (arena->options.idle_ns == 0)
        arena->options.idle_ns = DEFAULT_IDLE_NS;
    if (arena->options.most_segments == 0)
        arena->options.most_segments = descriptor_budget();
    if (arena->options.most_segments > MOST_SLOTS)
        arena->options.most_segments = MOST_SLOTS;
    arena->generation = noodle_process_generation();
    arena->references = 1;
    arena->active_at = noodle_now();
    pthread_mutex_init(&arena->lock, NULL);
    for (uint32_t i = 0; i < NOODLE_ARENA_WORKERS; i++)
        pthread_mutex_init(&arena->sending[i], NULL);
    *result = arena;
    return NOODLE_OK;
}

static void
free_dropped(noodle_segment *dropped)
{
    while (dropped != NULL) {
        noodle_segment *const next = dropped->older;
        free(dropped);
        dropped = next;
    }
}

static void
free_arena(noodle_arena *arena)
{
    free_dropped(arena->dropped);
    pthread_mutex_destroy(&arena->lock);
    for (uint32_t i = 0; i < NOODLE_ARENA_WORKERS; i++)
        pthread_mutex_destroy(&arena->sending[i]);
    free(arena->slots);
    free(arena->uses);
    free(arena->by_address);
    free(arena);
}

noodle_arena_stats
noodle_arena_statistics(noodle_arena *arena)
{
    noodle_arena_stats stats;
    if (is_forked(arena))
        return (noodle_arena_stats){0};
    pthread_mutex_lock(&arena->lock);
    stats = arena->stats;
    pthread_mutex_unlock(&arena->lock);
    return stats;
}

/* -------------------------------------------------------------------------------- The table */

static uint32_t
place_of(const noodle_arena *arena, const void *address)
{
    uint32_t low = 0, high = arena->segment_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if ((uintptr_t)arena->by_address[middle]->address <= (uintptr_t)address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static noodle_status
grow_table(noodle_arena *arena)
{
    const uint32_t count = arena->slot_count == 0 ? 64 : 2 * arena->slot_count;
    noodle_segment **const slots = realloc(arena->slots, count * sizeof *slots);
    noodle_segment **by_address;
    uint64_t *uses;
    if (slots == NULL)
        return NOODLE_LIMIT;
    arena->slots = slots;
    uses = realloc(arena->uses, count * sizeof *uses);
    if (uses == NULL)
        return NOODLE_LIMIT;
    arena->uses = uses;
    by_address = realloc(arena->by_address, count * sizeof *by_address);
    if (by_address == NULL)
        return NOODLE_LIMIT;
    arena->by_address = by_address;
    memset(slots + arena->slot_count, 0, (count - arena->slot_count) * sizeof *slots);
    memset(uses + arena->slot_count, 0, (count - arena->slot_count) * sizeof *uses);
    arena->next_slot = arena->slot_count;
    arena->slot_count = count;
    return NOODLE_OK;
}

static noodle_status
enter(noodle_arena *arena, noodle_segment *segment)
{
    const uint32_t place = place_of(arena, segment->address);
    if (arena->segment_count == arena->slot_count && grow_table(arena) != NOODLE_OK)
        return NOODLE_LIMIT;
    while (arena->slots[arena->next_slot] != NULL)
        arena->next_slot = (arena->next_slot + 1) % arena->slot_count;
    arena->slots[arena->next_slot] = segment;
    segment->arena = arena;
    segment->number = ++arena->uses[arena->next_slot] << SLOT_BITS | arena->next_slot;
    memmove(arena->by_address + place + 1, arena->by_address + place,
            (arena->segment_count - place) * sizeof *arena->by_address);
    arena->by_address[place] = segment;
    arena->segment_count++;
    arena->references++;
    return NOODLE_OK;
}

static void
leave(noodle_arena *arena, noodle_segment *segment)
{
    const uint32_t place = place_of(arena, segment->address) - 1;
    arena->slots[segment->number % MOST_SLOTS] = NULL;
    arena->segment_count--;
    memmove(arena->by_address + place, arena->by_address + place + 1,
            (arena->segment_count - place) * sizeof *arena->by_address);
    arena->stats.dropped++;
}

/* ---------------------------------------------------------------------------------- Dropping
 * Victims are unlinked under the lock, and closed without it: unmapping a gigabyte takes long. */

static void
pick_victim(noodle_arena *arena, noodle_segment *segment, noodle_segment **victims)
{
    noodle_free_list_remove(&arena->free_list, segment);
    arena->stats.free_bytes -= segment->bytes;
    arena->stats.free_segments--;
    leave(arena, segment);
    segment->older = *victims;
    *victims = segment;
}

static bool
is_above_limits(const noodle_arena *arena, uint64_t bytes, uint32_t segments)
{
    const noodle_arena_options *const options = &arena->options;
    const noodle_arena_stats *const stats = &arena->stats;
    return arena->segment_count + segments > options->most_segments
           || (options->most_bytes != 0
               && (bytes > options->most_bytes
                   || stats->leased_bytes + stats->free_bytes > options->most_bytes - bytes));
}

/* Picks the oldest free segments until there is room for another one. */
static noodle_status
make_room(noodle_arena *arena, uint64_t bytes, noodle_segment **victims)
{
    while (is_above_limits(arena, bytes, 1)) {
        noodle_segment *const oldest = noodle_free_list_oldest(&arena->free_list);
        if (oldest == NULL)
            return NOODLE_LIMIT;
        pick_victim(arena, oldest, victims);
    }
    return NOODLE_OK;
}

static void
pick_above(noodle_arena *arena, uint64_t most_free, noodle_segment **victims)
{
    while (arena->stats.free_bytes > most_free)
        pick_victim(arena, noodle_free_list_oldest(&arena->free_list), victims);
}

/* Closes the victims, which are remembered until their holders can be told.  The arena goes with the
 * last one after its destruction. */
static void
close_victims(noodle_arena *arena, noodle_segment *victims)
{
    while (victims != NULL) {
        noodle_segment *const segment = victims;
        bool is_last;
        victims = segment->older;
        noodle_segment_close(segment);
        pthread_mutex_lock(&arena->lock);
        segment->older = arena->dropped;
        arena->dropped = segment;
        is_last = --arena->references == 0;
        pthread_mutex_unlock(&arena->lock);
        if (is_last) {
            free_arena(arena);
            return;
        }
    }
}

static void
tell_dropped(noodle_arena *arena, noodle_arena_dropped dropped, void *context)
{
    noodle_segment *first;
    pthread_mutex_lock(&arena->lock);
    first = arena->dropped;
    arena->dropped = NULL;
    pthread_mutex_unlock(&arena->lock);
    for (noodle_segment *at = first; at != NULL && dropped != NULL; at = at->older) {
        static const noodle_workers nobody;
        if (memcmp(&at->holders, &nobody, sizeof nobody) != 0)
            dropped(context, at->number, at->holders.bits);
    }
    free_dropped(first);
}

static void
trim_to(noodle_arena *arena, uint64_t most_free, noodle_arena_dropped dropped, void *context)
{
    noodle_segment *victims = NULL;
    pthread_mutex_lock(&arena->lock);
    pick_above(arena, most_free, &victims);
    pthread_mutex_unlock(&arena->lock);
    close_victims(arena, victims);
    tell_dropped(arena, dropped, context);
}

void
noodle_arena_trim(noodle_arena *arena, uint64_t now_ns, noodle_arena_dropped dropped, void *context)
{
    uint64_t active_at;
    if (is_forked(arena))
        return;
    pthread_mutex_lock(&arena->lock);
    active_at = arena->active_at;
    pthread_mutex_unlock(&arena->lock);
    trim_to(arena,
            now_ns >= active_at + arena->options.idle_ns ? 0 : arena->options.high_water_bytes,
            dropped, context);
}

void
noodle_arena_trim_all(noodle_arena *arena, noodle_arena_dropped dropped, void *context)
{
    if (!is_forked(arena))
        trim_to(arena, 0, dropped, context);
}

/* ---------------------------------------------------------------------------------- Workers */

noodle_status
noodle_arena_add_worker(noodle_arena *arena, bool trusted, uint32_t *worker)
{
    noodle_status status = NOODLE_LIMIT;
    if (is_forked(arena))
        return NOODLE_FORKED;
    pthread_mutex_lock(&arena->lock);
    for (uint32_t i = 0; i < NOODLE_ARENA_WORKERS; i++)
        if (!noodle_workers_has(&arena->workers, i)) {
            noodle_workers_set(&arena->workers, i, true);
            noodle_workers_set(&arena->untrusted, i, !trusted);
            *worker = i;
            status = NOODLE_OK;
            break;
        }
    pthread_mutex_unlock(&arena->lock);
    return status;
}

static void
forget_holder(noodle_segment *segment, uint32_t worker, bool killed)
{
    if (!noodle_workers_has(&segment->holders, worker))
        return;
    noodle_workers_set(&segment->holders, worker, false);
    noodle_workers_set(&segment->writers, worker, false);
    segment->condemned |= killed;
}

void
noodle_arena_remove_worker(noodle_arena *arena, uint32_t worker, bool killed)
{
    noodle_segment *victims = NULL;
    if (is_forked(arena) || worker >= NOODLE_ARENA_WORKERS)
        return;
    pthread_mutex_lock(&arena->lock);
    for (uint32_t i = arena->segment_count; i-- > 0;) {
        noodle_segment *const segment = arena->by_address[i];
        forget_holder(segment, worker, killed);
        if (segment->condemned
            && atomic_load_explicit(&segment->leases, memory_order_relaxed) == 0)
            pick_victim(arena, segment, &victims);
    }
    for (noodle_segment *at = arena->dropped; at != NULL; at = at->older)
        noodle_workers_set(&at->holders, worker, false);
    noodle_workers_set(&arena->workers, worker, false);
    noodle_workers_set(&arena->untrusted, worker, false);
    pthread_mutex_unlock(&arena->lock);
    close_victims(arena, victims);
}

/* -------------------------------------------------------------------------------- Allocating */

typedef enum fitness { UNFIT, FIT_ZEROED, FIT } fitness;

static fitness
fits(const noodle_arena *arena, const noodle_segment *segment, const noodle_workers *wanted)
{
    bool hostile = false, same = true, held = true;
    for (size_t i = 0; i < NOODLE_WORKER_WORDS; i++) {
        hostile |= (segment->holders.bits[i] & arena->untrusted.bits[i]) != 0;
        same &= segment->holders.bits[i] == wanted->bits[i];
        held &= (wanted->bits[i] & ~segment->holders.bits[i]) == 0;
    }
    if (hostile)
        return same ? FIT : UNFIT;
    return held ? FIT : FIT_ZEROED;
}

static noodle_segment *
find_free(const noodle_arena *arena, unsigned size_class, const noodle_workers *wanted,
          fitness *found)
{
    noodle_segment *best = NULL;
    noodle_segment *at = arena->free_list.newest[size_class];
    *found = UNFIT;
    for (int i = 0; at != NULL && *found != FIT && i < MOST_LOOKED_AT; i++, at = at->older) {
        const fitness here = fits(arena, at, wanted);
        if (here > *found) {
            *found = here;
            best = at;
        }
    }
    return best;
}

static noodle_workers
wanted_by(const noodle_arena *arena, uint32_t worker)
{
    noodle_workers wanted = {{0}};
    if (worker == NOODLE_ANY_WORKER)
        return arena->workers;
    noodle_workers_set(&wanted, worker, true);
    return wanted;
}

static void
count_leased(noodle_arena *arena, noodle_segment *segment)
{
    arena->stats.leased_bytes += segment->bytes;
    arena->stats.leased_segments++;
    arena->active_at = noodle_now();
    atomic_store_explicit(&segment->leases, 1, memory_order_relaxed);
}

static noodle_segment *
recycle(noodle_arena *arena, unsigned size_class, uint32_t worker, bool *needs_zeroing)
{
    const noodle_workers wanted = wanted_by(arena, worker);
    fitness found;
    noodle_segment *const segment = find_free(arena, size_class, &wanted, &found);
    if (segment == NULL)
        return NULL;
    noodle_free_list_remove(&arena->free_list, segment);
    arena->stats.free_bytes -= segment->bytes;
    arena->stats.free_segments--;
    arena->stats.recycled++;
    *needs_zeroing |= found == FIT_ZEROED;
    arena->stats.zeroed += *needs_zeroing;
    segment->stale = !*needs_zeroing;
    count_leased(arena, segment);
    return segment;
}

static noodle_status
enter_leased(noodle_arena *arena, noodle_segment *segment)
{
    noodle_status status;
    pthread_mutex_lock(&arena->lock);
    status = enter(arena, segment);
    if (status == NOODLE_OK) {
        arena->stats.created++;
        count_leased(arena, segment);
    }
    pthread_mutex_unlock(&arena->lock);
    if (status != NOODLE_OK) {
        noodle_segment_close(segment);
        free(segment);
    }
    return status;
}

static noodle_status
create(noodle_arena *arena, uint64_t bytes, bool frozen, noodle_segment **segment)
{
    noodle_segment *victims = NULL;
    noodle_status status;
    pthread_mutex_lock(&arena->lock);
    status = make_room(arena, bytes, &victims);
    pthread_mutex_unlock(&arena->lock);
    close_victims(arena, victims);
    if (status != NOODLE_OK)
        return status;
    status = noodle_segment_create(bytes, frozen, segment);
    if (status == NOODLE_LIMIT) {
        /* Others use descriptors too: give back all that are not in use, and try once more. */
        victims = NULL;
        pthread_mutex_lock(&arena->lock);
        pick_above(arena, 0, &victims);
        pthread_mutex_unlock(&arena->lock);
        close_victims(arena, victims);
        status = noodle_segment_create(bytes, frozen, segment);
    }
    return status == NOODLE_OK ? enter_leased(arena, *segment) : status;
}

static noodle_lease
lease_of(noodle_segment *segment)
{
    return (noodle_lease){.segment = segment, .generation = noodle_process_generation()};
}

noodle_status
noodle_arena_allocate(noodle_arena *arena, uint64_t bytes, uint32_t worker, unsigned flags,
                      noodle_lease *lease)
{
    const unsigned size_class = noodle_size_class(bytes);
    bool needs_zeroing = flags & NOODLE_SEGMENT_ZEROED;
    noodle_segment *segment = NULL;
    noodle_status status = NOODLE_OK;
    *lease = (noodle_lease){0};
    if (is_forked(arena))
        return NOODLE_FORKED;
    if (worker != NOODLE_ANY_WORKER && worker >= NOODLE_ARENA_WORKERS)
        return NOODLE_INVALID;
    if (size_class == NOODLE_SIZE_CLASSES)
        return NOODLE_LIMIT;
    if (!(flags & NOODLE_SEGMENT_FROZEN)) {
        pthread_mutex_lock(&arena->lock);
        segment = recycle(arena, size_class, worker, &needs_zeroing);
        pthread_mutex_unlock(&arena->lock);
    }
    if (segment == NULL)
        status = create(arena, noodle_class_bytes(size_class), flags & NOODLE_SEGMENT_FROZEN,
                        &segment);
    else if (needs_zeroing)
        memset(segment->address, 0, segment->bytes);
    if (status == NOODLE_OK)
        *lease = lease_of(segment);
    return status;
}

noodle_status
noodle_arena_adopt(noodle_arena *arena, int fd, uint64_t bytes, noodle_lease *lease)
{
    noodle_segment *victims = NULL, *segment;
    uint64_t actual = 0;
    bool copied = false;
    noodle_status status;
    *lease = (noodle_lease){0};
    status = is_forked(arena) ? NOODLE_FORKED : noodle_memory_check(fd, &actual);
    if (status == NOODLE_OK && (bytes == 0 || bytes > actual))
        status = NOODLE_PROTOCOL;
    if (status == NOODLE_OK) {
        pthread_mutex_lock(&arena->lock);
        status = make_room(arena, bytes, &victims);
        pthread_mutex_unlock(&arena->lock);
        close_victims(arena, victims);
    }
    if (status != NOODLE_OK) {
        noodle_close(&fd);
        return status;
    }
    status = noodle_segment_take(fd, bytes, &segment, &copied);
    if (status == NOODLE_OK)
        status = enter_leased(arena, segment);
    if (status != NOODLE_OK)
        return status;
    pthread_mutex_lock(&arena->lock);
    arena->stats.copied_in += copied;
    pthread_mutex_unlock(&arena->lock);
    *lease = lease_of(segment);
    return NOODLE_OK;
}

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
        leave(arena, segment);
        segment->older = *victims;
        *victims = segment;
        return;
    }
    arena->stats.free_bytes += segment->bytes;
    arena->stats.free_segments++;
    noodle_free_list_add(&arena->free_list, segment);
    pick_above(arena, arena->options.high_water_bytes, victims);
}

void
noodle_lease_release(noodle_lease lease)
{
    noodle_segment *const segment = lease.segment;
    noodle_segment *victims = NULL;
    noodle_arena *arena;
    if (segment == NULL || lease.generation != noodle_process_generation())
        return;
    arena = segment->arena;
    /* The last lease goes under the lock: otherwise the segment could be found, leased, released and
     * retired in between, and then a second time here. */
    for (uint64_t leases = atomic_load_explicit(&segment->leases, memory_order_relaxed); leases > 1;)
        if (atomic_compare_exchange_weak_explicit(&segment->leases, &leases, leases - 1,
                                                  memory_order_release, memory_order_relaxed))
            return;
    pthread_mutex_lock(&arena->lock);
    if (atomic_fetch_sub_explicit(&segment->leases, 1, memory_order_acq_rel) == 1)
        retire(arena, segment, &victims);
    pthread_mutex_unlock(&arena->lock);
    close_victims(arena, victims);
}

/* Leases what others may be releasing; under the arena's lock it cannot go away. */
static bool
lease_if_live(noodle_segment *segment, noodle_lease *lease)
{
    if (atomic_load_explicit(&segment->leases, memory_order_relaxed) == 0)
        return false;
    atomic_fetch_add_explicit(&segment->leases, 1, memory_order_relaxed);
    *lease = lease_of(segment);
    return true;
}

noodle_lease
noodle_arena_find(noodle_arena *arena, const void *address)
{
    noodle_lease lease = {0};
    uint32_t place;
    if (is_forked(arena))
        return lease;
    pthread_mutex_lock(&arena->lock);
    place = place_of(arena, address);
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
    const uint64_t slot = number % MOST_SLOTS;
    noodle_status status = NOODLE_PROTOCOL;
    *lease = (noodle_lease){0};
    if (is_forked(arena))
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
    if (is_forked(arena))
        return NOODLE_FORKED;
    if (segment == NULL || segment->arena != arena || worker >= NOODLE_ARENA_WORKERS)
        return NOODLE_INVALID;
    read_only |= segment->frozen || segment->read_only;
    /* Sending can take long; meanwhile only grants to the same worker wait. */
    pthread_mutex_lock(&arena->sending[worker]);
    pthread_mutex_lock(&arena->lock);
    status = noodle_workers_has(&arena->workers, worker) ? plan_grant(segment, worker, read_only)
                                                         : NOODLE_INVALID;
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

/* --------------------------------------------------------------------------------- The end */

void
noodle_arena_destroy(noodle_arena *arena)
{
    bool is_last;
    if (is_forked(arena))
        return;
    noodle_arena_trim_all(arena, NULL, NULL);
    pthread_mutex_lock(&arena->lock);
    arena->destroyed = true;
    is_last = --arena->references == 0;
    pthread_mutex_unlock(&arena->lock);
    if (is_last)
        free_arena(arena);
}
