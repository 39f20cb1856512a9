/* The arena's table of segments, and how they leave it. */
#define _GNU_SOURCE
#include "arena_table.h"

#include <stdlib.h>
#include <string.h>

/* -------------------------------------------------------------------------------- The table */

uint32_t
noodle_arena_place_of(const noodle_arena *arena, const void *address)
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

noodle_status
noodle_arena_enter(noodle_arena *arena, noodle_segment *segment)
{
    const uint32_t place = noodle_arena_place_of(arena, segment->address);
    if (arena->segment_count == arena->slot_count && grow_table(arena) != NOODLE_OK)
        return NOODLE_LIMIT;
    while (arena->slots[arena->next_slot] != NULL)
        arena->next_slot = (arena->next_slot + 1) % arena->slot_count;
    arena->slots[arena->next_slot] = segment;
    segment->arena = arena;
    segment->number = ++arena->uses[arena->next_slot] << NOODLE_SLOT_BITS | arena->next_slot;
    memmove(arena->by_address + place + 1, arena->by_address + place,
            (arena->segment_count - place) * sizeof *arena->by_address);
    arena->by_address[place] = segment;
    arena->segment_count++;
    arena->references++;
    return NOODLE_OK;
}

void
noodle_arena_leave(noodle_arena *arena, noodle_segment *segment)
{
    const uint32_t place = noodle_arena_place_of(arena, segment->address) - 1;
    arena->slots[segment->number % NOODLE_MOST_SLOTS] = NULL;
    arena->segment_count--;
    memmove(arena->by_address + place, arena->by_address + place + 1,
            (arena->segment_count - place) * sizeof *arena->by_address);
    arena->stats.dropped++;
}

/* -------------------------------------------------------------------------------- Dropping */

void
noodle_arena_pick_victim(noodle_arena *arena, noodle_segment *segment, noodle_segment **victims)
{
    noodle_free_list_remove(&arena->free_list, segment);
    arena->stats.free_bytes -= segment->bytes;
    arena->stats.free_segments--;
    noodle_arena_leave(arena, segment);
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

noodle_status
noodle_arena_make_room(noodle_arena *arena, uint64_t bytes, noodle_segment **victims)
{
    while (is_above_limits(arena, bytes, 1)) {
        noodle_segment *const oldest = noodle_free_list_oldest(&arena->free_list);
        if (oldest == NULL)
            return NOODLE_LIMIT;
        noodle_arena_pick_victim(arena, oldest, victims);
    }
    return NOODLE_OK;
}

void
noodle_arena_pick_above(noodle_arena *arena, uint64_t most_free, noodle_segment **victims)
{
    while (arena->stats.free_bytes > most_free)
        noodle_arena_pick_victim(arena, noodle_free_list_oldest(&arena->free_list), victims);
}

void
noodle_arena_close_victims(noodle_arena *arena, noodle_segment *victims)
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
            noodle_arena_free(arena);
            return;
        }
    }
}

/* ---------------------------------------------------------------------------------- The end */

void
noodle_free_dropped(noodle_segment *dropped)
{
    while (dropped != NULL) {
        noodle_segment *const next = dropped->older;
        free(dropped);
        dropped = next;
    }
}

void
noodle_arena_free(noodle_arena *arena)
{
    noodle_free_dropped(arena->dropped);
    pthread_mutex_destroy(&arena->lock);
    for (uint32_t i = 0; i < NOODLE_ARENA_WORKERS; i++)
        pthread_mutex_destroy(&arena->sending[i]);
    free(arena->slots);
    free(arena->uses);
    free(arena->by_address);
    free(arena);
}
