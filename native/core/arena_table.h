/* What the parts of the arena share, for the core's own use.
 *
 * Everything here is called under the arena's lock, but for is_forked, close_victims, free and
 * free_dropped.
 */
#ifndef NOODLE_CORE_ARENA_TABLE_H
#define NOODLE_CORE_ARENA_TABLE_H

#include <pthread.h>

#include "noodle/arena.h"
#include "noodle/process.h"
#include "segments.h"

#define NOODLE_SLOT_BITS 20   /* of a segment's number; the rest counts the slot's uses */
#define NOODLE_MOST_SLOTS (1u << NOODLE_SLOT_BITS)

struct noodle_arena {
    pthread_mutex_t lock;
    noodle_arena_options options;
    noodle_arena_stats stats;
    uint32_t generation;
    bool destroyed;
    uint32_t references;                 /* the owner's, and one for each segment until closed */
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

static inline bool
noodle_arena_is_forked(const noodle_arena *arena)
{
    return arena->generation != noodle_process_generation();
}

static inline noodle_lease
noodle_lease_of(noodle_segment *segment)
{
    return (noodle_lease){.segment = segment, .generation = noodle_process_generation()};
}

/* How many segments begin at or below an address: the last of them may hold it. */
uint32_t noodle_arena_place_of(const noodle_arena *arena, const void *address);

/* Gives a segment its number and its place in the table.  Returns OK or LIMIT. */
noodle_status noodle_arena_enter(noodle_arena *arena, noodle_segment *segment);
void noodle_arena_leave(noodle_arena *arena, noodle_segment *segment);

/* Victims are unlinked under the lock, and closed without it: unmapping a gigabyte takes long. */
void noodle_arena_pick_victim(noodle_arena *arena, noodle_segment *segment,
                              noodle_segment **victims);

/* Picks the oldest free segments until there is room for another one.  Returns OK or LIMIT. */
noodle_status noodle_arena_make_room(noodle_arena *arena, uint64_t bytes,
                                     noodle_segment **victims);

/* Picks the oldest free segments until no more than so many bytes are free. */
void noodle_arena_pick_above(noodle_arena *arena, uint64_t most_free, noodle_segment **victims);

/* Closes the victims, which are remembered until their holders can be told.  The arena goes with
 * the last one after its destruction. */
void noodle_arena_close_victims(noodle_arena *arena, noodle_segment *victims);

void noodle_free_dropped(noodle_segment *dropped);
void noodle_arena_free(noodle_arena *arena);

#endif
