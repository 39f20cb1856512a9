/* The arena: who gets which segment, and when it goes. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "arena_table.h"
#include "memory_file.h"

#define DEFAULT_HIGH_WATER (UINT64_C(1) << 30)
#define DEFAULT_IDLE_NS UINT64_C(5000000000)
/* Free segments of one size that are looked at before one is zeroed instead. */
#define MOST_LOOKED_AT 32

/* -------------------------------------------------------------------------------- The arena */

static uint32_t
descriptor_budget(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return 256;
    limit.rlim_cur /= 4;
    return limit.rlim_cur < NOODLE_MOST_SLOTS ? (uint32_t)limit.rlim_cur : NOODLE_MOST_SLOTS;
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
    if (arena->options.most_segments > NOODLE_MOST_SLOTS)
        arena->options.most_segments = NOODLE_MOST_SLOTS;
    arena->generation = noodle_process_generation();
    arena->references = 1;
    arena->active_at = noodle_now();
    pthread_mutex_init(&arena->lock, NULL);
    for (uint32_t i = 0; i < NOODLE_ARENA_WORKERS; i++)
        pthread_mutex_init(&arena->sending[i], NULL);
    *result = arena;
    return NOODLE_OK;
}

noodle_arena_stats
noodle_arena_statistics(noodle_arena *arena)
{
    noodle_arena_stats stats;
    if (noodle_arena_is_forked(arena))
        return (noodle_arena_stats){0};
    pthread_mutex_lock(&arena->lock);
    stats = arena->stats;
    pthread_mutex_unlock(&arena->lock);
    return stats;
}

/* ---------------------------------------------------------------------------------- Workers */

noodle_status
noodle_arena_add_worker(noodle_arena *arena, bool trusted, uint32_t *worker)
{
    noodle_status status = NOODLE_LIMIT;
    if (noodle_arena_is_forked(arena))
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
    if (noodle_arena_is_forked(arena) || worker >= NOODLE_ARENA_WORKERS)
        return;
    pthread_mutex_lock(&arena->lock);
    for (uint32_t i = arena->segment_count; i-- > 0;) {
        noodle_segment *const segment = arena->by_address[i];
        forget_holder(segment, worker, killed);
        if (segment->condemned
            && atomic_load_explicit(&segment->leases, memory_order_relaxed) == 0)
            noodle_arena_pick_victim(arena, segment, &victims);
    }
    for (noodle_segment *at = arena->dropped; at != NULL; at = at->older)
        noodle_workers_set(&at->holders, worker, false);
    noodle_workers_set(&arena->workers, worker, false);
    noodle_workers_set(&arena->untrusted, worker, false);
    pthread_mutex_unlock(&arena->lock);
    noodle_arena_close_victims(arena, victims);
}

/* --------------------------------------------------------------------------------- Trimming */

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
    noodle_free_dropped(first);
}

static void
trim_to(noodle_arena *arena, uint64_t most_free, noodle_arena_dropped dropped, void *context)
{
    noodle_segment *victims = NULL;
    pthread_mutex_lock(&arena->lock);
    noodle_arena_pick_above(arena, most_free, &victims);
    pthread_mutex_unlock(&arena->lock);
    noodle_arena_close_victims(arena, victims);
    tell_dropped(arena, dropped, context);
}

void
noodle_arena_trim(noodle_arena *arena, uint64_t now_ns, noodle_arena_dropped dropped, void *context)
{
    uint64_t active_at;
    if (noodle_arena_is_forked(arena))
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
    if (!noodle_arena_is_forked(arena))
        trim_to(arena, 0, dropped, context);
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
    status = noodle_arena_enter(arena, segment);
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
    status = noodle_arena_make_room(arena, bytes, &victims);
    pthread_mutex_unlock(&arena->lock);
    noodle_arena_close_victims(arena, victims);
    if (status != NOODLE_OK)
        return status;
    status = noodle_segment_create(bytes, frozen, segment);
    if (status == NOODLE_LIMIT) {
        /* Others use descriptors too: give back all that are not in use, and try once more. */
        victims = NULL;
        pthread_mutex_lock(&arena->lock);
        noodle_arena_pick_above(arena, 0, &victims);
        pthread_mutex_unlock(&arena->lock);
        noodle_arena_close_victims(arena, victims);
        status = noodle_segment_create(bytes, frozen, segment);
    }
    return status == NOODLE_OK ? enter_leased(arena, *segment) : status;
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
    if (noodle_arena_is_forked(arena))
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
        /* Measured: 12 to 25 times as fast as giving the pages back and touching them again. */
        memset(segment->address, 0, segment->bytes);
    if (status == NOODLE_OK) {
        segment->used = worker == NOODLE_ANY_WORKER ? 0 : bytes;
        *lease = noodle_lease_of(segment);
    }
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
    status = noodle_arena_is_forked(arena) ? NOODLE_FORKED : noodle_memory_check(fd, &actual);
    if (status == NOODLE_OK && (bytes == 0 || bytes > actual))
        status = NOODLE_PROTOCOL;
    if (status == NOODLE_OK) {
        pthread_mutex_lock(&arena->lock);
        status = noodle_arena_make_room(arena, bytes, &victims);
        pthread_mutex_unlock(&arena->lock);
        noodle_arena_close_victims(arena, victims);
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
    *lease = noodle_lease_of(segment);
    return NOODLE_OK;
}

/* --------------------------------------------------------------------------------- The end */

void
noodle_arena_destroy(noodle_arena *arena)
{
    bool is_last;
    if (noodle_arena_is_forked(arena))
        return;
    noodle_arena_trim_all(arena, NULL, NULL);
    pthread_mutex_lock(&arena->lock);
    arena->destroyed = true;
    is_last = --arena->references == 0;
    pthread_mutex_unlock(&arena->lock);
    if (is_last)
        noodle_arena_free(arena);
}
