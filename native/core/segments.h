/* Segments and where the free ones are kept, for the core's own use.  Under the arena's lock. */
#ifndef NOODLE_CORE_SEGMENTS_H
#define NOODLE_CORE_SEGMENTS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "noodle/arena.h"

#define NOODLE_WORKER_WORDS (NOODLE_ARENA_WORKERS / 64)
/* Four sizes a doubling, from 64 KiB to 128 TiB: at most a fifth of a segment is never used. */
#define NOODLE_SIZE_CLASSES 125

typedef struct noodle_workers {
    uint64_t bits[NOODLE_WORKER_WORDS];
} noodle_workers;

struct noodle_segment {
    noodle_arena *arena;
    void *address;
    uint64_t bytes;            /* mapped */
    uint64_t number;
    _Atomic uint64_t leases;
    int fd;                    /* -1: a private copy */
    int read_only_fd;          /* -1: not made yet */
    noodle_workers holders;    /* who was sent it */
    noodle_workers writers;    /* and may write to it */
    bool stale;                /* holds bytes of an earlier use: for its holders only */
    uint64_t used;             /* so many of its bytes are of this use; 0: unknown */
    bool condemned;            /* never to be used again */
    bool frozen;
    bool read_only;            /* here */
    noodle_segment *newer;     /* among the free ones of its size, or in a list of dropped ones */
    noodle_segment *older;
    uint64_t freed_at;
};

/* Free segments by size, the last used first: its pages are the likeliest to be in a cache. */
typedef struct noodle_free_list {
    noodle_segment *newest[NOODLE_SIZE_CLASSES];
    noodle_segment *oldest[NOODLE_SIZE_CLASSES];
} noodle_free_list;

/* The index of the smallest size that holds `bytes`, or NOODLE_SIZE_CLASSES if none does. */
unsigned noodle_size_class(uint64_t bytes);
uint64_t noodle_class_bytes(unsigned size_class);

void noodle_free_list_add(noodle_free_list *list, noodle_segment *segment);
void noodle_free_list_remove(noodle_free_list *list, noodle_segment *segment);
noodle_segment *noodle_free_list_oldest(const noodle_free_list *list);

/* Makes a mapped, sealed segment without an owner.  Returns OK, LIMIT (no memory or no descriptors)
 * or SYSTEM. */
noodle_status noodle_segment_create(uint64_t bytes, bool frozen, noodle_segment **segment);

/* Takes a hostile worker's memfd, sealed against writing, or copies it.  Returns as above. */
noodle_status noodle_segment_take(int fd, uint64_t bytes, noodle_segment **segment, bool *copied);

/* Returns the pages to the system, also those that workers still map, and frees mapping and
 * descriptors.  The struct stays. */
void noodle_segment_close(noodle_segment *segment);

static inline bool
noodle_workers_has(const noodle_workers *workers, uint32_t worker)
{
    return workers->bits[worker / 64] >> (worker % 64) & 1;
}

static inline void
noodle_workers_set(noodle_workers *workers, uint32_t worker, bool value)
{
    const uint64_t bit = UINT64_C(1) << (worker % 64);
    if (value)
        workers->bits[worker / 64] |= bit;
    else
        workers->bits[worker / 64] &= ~bit;
}

#endif
