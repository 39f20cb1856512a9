/* The arena: the host's pool of shared memory for arrays.  Version 1.
 *
 * Words.  A segment is one memfd with one array (arrays below 64 KiB travel inside records).  A
 * lease keeps a segment alive and its bytes unchanged by recycling.  A holder is a worker that a
 * segment was sent to; it is taken to keep its mapping until it ends.
 *
 * Guarantees.
 *   - Every segment is sealed SHRINK|GROW|SEAL before anybody else sees it: no access to it can
 *     raise SIGBUS.
 *   - The table, the counts and the holders are private memory of the host.  A worker names a
 *     segment by number, and the number is looked up among what was granted to that worker.
 *   - Memory is never unmapped while a lease on it lives: not by trimming, not when a worker dies,
 *     not by noodle_arena_destroy().
 *   - A recycled segment shows no worker what it has not been shown before: it goes to workers
 *     that held it, or it is zeroed first.  What was leased for one worker may be passed on to
 *     another, after the bytes behind those that were asked for were zeroed.  One that a hostile worker holds goes to exactly that
 *     worker or to nobody, as its old mapping would show it everything new.  One that a killed
 *     worker held is never used again.
 *   - In a child of fork() leases stay readable, and their release does nothing.
 *
 * Read-only is real twice over: a descriptor for reading only stops a worker that is correct or
 * sandboxed; NOODLE_SEGMENT_FROZEN stops everybody, as the kernel refuses any later writable
 * mapping (a process of the same user may otherwise reopen /proc/self/fd/N for writing).
 *
 * Threads.  Every function may be called from any thread.  Retaining and releasing a lease is
 * atomic and takes a lock only for the last one; everything else takes the arena's lock.
 *
 * Ownership.  The arena owns descriptors and mappings.  A lease is owned by whoever holds it.
 */
#ifndef NOODLE_ARENA_H
#define NOODLE_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "noodle/status.h"

#define NOODLE_ARENA_ABI 1u
#define NOODLE_SEGMENT_LEAST (UINT64_C(64) << 10)
#define NOODLE_ARENA_WORKERS 256u
#define NOODLE_DIMENSIONS 64u
#define NOODLE_ANY_WORKER UINT32_MAX

/* A lease's share of its segment.  Copying the struct makes no new lease: retain does. */
typedef struct noodle_segment noodle_segment;
typedef struct noodle_arena noodle_arena;

typedef struct noodle_lease {
    noodle_segment *segment;   /* NULL: none */
    uint32_t generation;
} noodle_lease;

typedef struct noodle_arena_options {
    uint64_t most_bytes;         /* of all segments together; 0: no limit */
    uint64_t high_water_bytes;   /* free segments above it are dropped at once; 0: 1 GiB */
    uint64_t idle_ns;            /* free segments are dropped after so long without use; 0: 5 s */
    uint32_t most_segments;      /* descriptors; 0: a quarter of RLIMIT_NOFILE */
} noodle_arena_options;

typedef struct noodle_arena_stats {
    uint64_t leased_bytes;
    uint64_t free_bytes;
    uint64_t leased_segments;
    uint64_t free_segments;
    uint64_t created;        /* segments made since the beginning */
    uint64_t recycled;       /* allocations that were served by a free segment */
    uint64_t zeroed;         /* of these, the ones that had to be zeroed */
    uint64_t dropped;        /* segments unmapped and closed */
    uint64_t copied_in;      /* segments of hostile workers that had to be copied */
} noodle_arena_stats;

/* Called, under no lock, for each dropped segment that workers still map, so that they can be told
 * to unmap it.  `workers` has NOODLE_ARENA_WORKERS bits. */
typedef void (*noodle_arena_dropped)(void *context, uint64_t segment, const uint64_t *workers);

noodle_status noodle_arena_create(const noodle_arena_options *options, noodle_arena **arena);

/* Drops all free segments; those with leases go with their last lease. */
void noodle_arena_destroy(noodle_arena *arena);

noodle_arena_stats noodle_arena_statistics(noodle_arena *arena);

/* ---------------------------------------------------------------------------------- Workers */

/* Numbers a worker for the holders' bitmaps.  Returns OK, or LIMIT. */
noodle_status noodle_arena_add_worker(noodle_arena *arena, bool trusted, uint32_t *worker);

/* The worker has ended.  Its segments lose it as a holder; `killed` says that it ended in the
 * middle of something, so none of them is used again. */
void noodle_arena_remove_worker(noodle_arena *arena, uint32_t worker, bool killed);

/* --------------------------------------------------------------------------------- Segments */

enum noodle_segment_flag {
    NOODLE_SEGMENT_ZEROED = 1,   /* all bytes are zero */
    NOODLE_SEGMENT_FROZEN = 2    /* only this process ever writes to it; never recycled */
};

/* Leases a segment of at least `bytes`, page-aligned, writable here.
 *
 * `worker` is who it is for, or NOODLE_ANY_WORKER: then it can be granted to every worker that
 * exists now.  Contents are undefined without NOODLE_SEGMENT_ZEROED.
 *
 * Returns OK, LIMIT, FORKED, INVALID or SYSTEM. */
noodle_status noodle_arena_allocate(noodle_arena *arena, uint64_t bytes, uint32_t worker,
                                    unsigned flags, noodle_lease *lease);

/* Takes a memfd that a hostile worker made, of which it says that `bytes` matter.
 *
 * The result is readable only, and nobody can change it: the memfd itself if the kernel accepts
 * F_SEAL_WRITE (the worker has unmapped it), else a private copy.  The descriptor is taken in any
 * case.
 *
 * Returns OK, PROTOCOL (no memfd, too short, or not sealed against shrinking), LIMIT or SYSTEM. */
noodle_status noodle_arena_adopt(noodle_arena *arena, int fd, uint64_t bytes, noodle_lease *lease);

void *noodle_lease_address(noodle_lease lease);
uint64_t noodle_lease_bytes(noodle_lease lease);     /* usable, at least what was asked for */
uint64_t noodle_lease_segment(noodle_lease lease);   /* its number, below 2^53, never used again */
bool noodle_lease_is_read_only(noodle_lease lease);

noodle_lease noodle_lease_retain(noodle_lease lease);
void noodle_lease_release(noodle_lease lease);

/* Leases the segment of which `address` is a part, for arrays that come back as plain memory.  Not
 * found: lease->segment is NULL. */
noodle_lease noodle_arena_find(noodle_arena *arena, const void *address);

/* Leases a segment by the number that a worker sent.  Returns OK, or PROTOCOL if it was not granted
 * to that worker or has no lease any more. */
noodle_status noodle_arena_lookup(noodle_arena *arena, uint32_t worker, uint64_t segment,
                                  noodle_lease *lease);

/* Drops what is free too long or too much (see the options).  To be called about once a second; the
 * pages are returned to the system even while workers still map them. */
void noodle_arena_trim(noodle_arena *arena, uint64_t now_ns, noodle_arena_dropped dropped,
                       void *context);

/* Drops every free segment now: under memory pressure, or when descriptors run out. */
void noodle_arena_trim_all(noodle_arena *arena, noodle_arena_dropped dropped, void *context);

/* ---------------------------------------------------------------------------------- Sending */

enum noodle_message_kind {
    NOODLE_MESSAGE_SEGMENT = 1,
    NOODLE_MESSAGE_EVENT = 2,      /* number: the channel whose host thread it wakes */
    NOODLE_MESSAGE_OWN_EVENT = 3   /* number: the dedicated channel whose worker thread it wakes */
};

enum noodle_message_flag {
    NOODLE_MESSAGE_READ_ONLY = 1
};

/* What travels beside a descriptor over the sequenced-packet socket. */
typedef struct noodle_message {
    uint32_t magic;
    uint16_t kind;
    uint16_t flags;
    uint64_t number;    /* of the segment or the channel */
    uint64_t bytes;     /* of the segment */
} noodle_message;

#define NOODLE_MESSAGE_MAGIC UINT32_C(0x31444646)

_Static_assert(sizeof(noodle_message) == 24, "a message has 24 bytes");

/* Makes a worker a holder of the leased segment; sends it the first time, and once more when a
 * reader becomes a writer.  When this returns OK, a record that names the segment may follow.
 *
 * Returns OK, REFUSED (recycled memory that this worker must not see, or a private copy: copy into
 * a segment of its own), TIMEOUT, PEER_DEAD, FORKED, INVALID or SYSTEM. */
noodle_status noodle_arena_grant(noodle_arena *arena, noodle_lease lease, uint32_t worker,
                                 int socket, bool read_only);

/* Sends one descriptor, waiting at most a second for a peer that does not read.  Returns OK,
 * TIMEOUT, PEER_DEAD or SYSTEM.  Segments of the arena are sent by noodle_arena_grant(). */
noodle_status noodle_send_segment(int socket, const noodle_message *message, int fd);

/* Receives one descriptor, close-on-exec.  A segment's has been checked: a memfd of exactly
 * message->bytes, sealed against shrinking and growing.
 *
 * Args: wait, false to return EMPTY at once if nothing is there.
 * Returns OK, EMPTY, SLICE (a signal came), PEER_DEAD (end of file), PROTOCOL (all that came was
 * closed) or SYSTEM. */
noodle_status noodle_receive_segment(int socket, bool wait, noodle_message *message, int *fd);

/* A worker's side: maps a received segment and closes the descriptor. */
noodle_status noodle_segment_map(const noodle_message *message, int fd, void **address);
void noodle_segment_unmap(const noodle_message *message, void *address);

/* A worker's side: makes a memfd that noodle_arena_adopt() will take, mapped writable here.  To
 * give it away: unmap it, then send the descriptor. */
noodle_status noodle_segment_make(uint64_t bytes, int *fd, void **address);

/* --------------------------------------------------------------------------- Array layouts */

/* An array inside a segment, as a peer describes it. */
typedef struct noodle_array {
    uint64_t offset;                       /* of element (0, 0, ...), in bytes */
    uint64_t itemsize;                     /* in bytes, at least 1 */
    uint32_t dimensions;                   /* 0: one element */
    uint64_t shape[NOODLE_DIMENSIONS];
    int64_t strides[NOODLE_DIMENSIONS];    /* in bytes, of either sign, or zero */
} noodle_array;

typedef struct noodle_extent {
    uint64_t first;        /* the lowest byte of any element, from the segment's start */
    uint64_t end;          /* one past the highest */
    uint64_t elements;     /* logical: a zero stride counts each time */
    bool contiguous;       /* in C order */
    bool read_only;        /* elements overlap, or could: writing would be ambiguous */
} noodle_extent;

/* Checks that every element lies inside the segment's `segment_bytes`, without overflow.
 *
 * The test for overlap is sufficient, not exact (the exact one is NP-hard): sorted by stride, each
 * dimension must step over all that the smaller ones span.  What fails it is read-only.
 *
 * Returns OK, PROTOCOL (outside, too many dimensions, no itemsize, overflow), or LIMIT (more than
 * most_elements; 0: no limit). */
noodle_status noodle_arena_check(uint64_t segment_bytes, const noodle_array *array,
                                 uint64_t most_elements, noodle_extent *extent);

#endif
