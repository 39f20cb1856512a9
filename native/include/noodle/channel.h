/* The channel: calls to a worker through shared memory.  Version 3.
 *
 * Words.  The host is the process that loads foreign code elsewhere; a worker is the child process
 * in which it runs.  A link is the host's end of the memory shared with one worker, and a
 * noodle_worker the worker's end.  Each link has up to 64 channels; a channel is two byte rings,
 * one each way, and belongs to one thread of the host at a time.
 *
 * Memory.  One memfd a worker, made and sealed (SHRINK, GROW, SEAL) by the host before the worker
 * sees it, so that no truncation can raise SIGBUS here:
 *
 *     offset 0                     noodle_control_block, one page
 *     4096 + i * channel_bytes     noodle_channel_block i, one page, then
 *                                  ring_bytes host -> worker, then ring_bytes worker -> host
 *
 * Every word that two processes write or poll has 128 bytes for itself (two cache lines, as
 * processors fetch them in pairs).
 *
 * Rings.  A cursor counts bytes since the beginning and never wraps; its place in the ring is the
 * cursor modulo ring_bytes.  A record is a 32-byte header and a payload, padded to 32 bytes; a
 * header never crosses the end of the ring, a payload may.  The producer owns the head, the
 * consumer the tail.  The cursors that count are private to each side; those in shared memory are
 * hints that are checked against them.
 *
 * Trust.  The peer may write anything at any time.  This side never reads or writes outside a
 * ring, never loops because of what the peer wrote, reads each header word once, and copies a
 * record out before anything looks at it.  A hint or a length that cannot be is NOODLE_PROTOCOL
 * and condemns the ring: every later use returns NOODLE_PROTOCOL.  What a caller encodes straight
 * into a ring it must never read back.
 *
 * Waiting.  Each side that can sleep has a state word.  The waker publishes, passes a seq_cst
 * fence and reads the peer's state; the sleeper stores PARKED, passes a seq_cst fence and looks
 * again.  So either the waker sees PARKED or the sleeper sees the record; weaker orders lose
 * wake-ups.
 *
 * Spinning.  A side spins only while its peer is awake and last waited on another processor, and a
 * worker only if its last caller's own time between an answer and the next call is below its limit.
 * The caller measures that itself, from when it was woken: seen from the worker, the time until the
 * next call contains the wake-up of a caller that slept, which may be longer than any spin, and two
 * processes would park for ever because they park.  For the same reason a worker that has just woken
 * its caller spins until that is awake, within bounds.
 *
 * Processors.  The kernel may wake both sides on one processor and leave them there.  A worker that
 * would spin if it were elsewhere then moves itself, by taking the processor out of its affinity and
 * putting it back.  If no run of answers without a sleep follows, other work holds the other
 * processors, and it waits twice as long before it tries again.  Where spinning is not allowed it
 * joins its caller's processor instead.
 *
 * Threads.  A channel, with both its rings, is used by one thread at a time; a link's functions
 * may be called from any thread, and so may noodle_link_mark_dead() while others wait.  A
 * noodle_worker belongs to the worker's serving thread; only beat and progress may be raised from
 * elsewhere.
 *
 * Ownership.  A link owns its descriptors, its mapping and its channels.  noodle_link_destroy()
 * needs all channels closed.  In a child of fork() every function of a link returns NOODLE_FORKED.
 */
#ifndef NOODLE_CHANNEL_H
#define NOODLE_CHANNEL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

#include "noodle/process.h"
#include "noodle/status.h"

#define NOODLE_CHANNEL_ABI 3u
#define NOODLE_CONTROL_MAGIC UINT64_C(0x314c4f52544e4f43)  /* "CONTROL1" in memory */
#define NOODLE_LINE 128
#define NOODLE_PAGE 4096u
#define NOODLE_CHANNELS 64u
#define NOODLE_RING_LEAST 4096u
#define NOODLE_RING_MOST (16u << 20)
#define NOODLE_RING_DEFAULT (64u << 10)

/* Descriptors of a worker after the launcher: fixed, so that nothing has to be told. */
enum noodle_worker_descriptor {
    NOODLE_FD_CONTROL = 3,   /* the control memfd */
    NOODLE_FD_SOCKET = 4,    /* a sequenced-packet Unix socket to the host, for descriptors */
    NOODLE_FD_EVENT = 5,     /* wakes the worker */
    NOODLE_FD_LIFELINE = 6   /* a pipe's read end; end of file: the host is gone */
};

/* --------------------------------------------------------------------------- Shared layout */

/* WAKING is what the waker makes of PARKED, so that one wake-up is written once.  The host takes it
 * for PARKED and blocks at once, as the wake-up costs more than a spin may; a worker takes it for
 * awake.  Were both to block, two processes that call without a pause would never get out of
 * parking. */
enum noodle_state {
    NOODLE_RUNNING = 0,
    NOODLE_SPINNING = 1,   /* shown after 2 us of spinning; the hot path leaves the word alone */
    NOODLE_PARKED = 2,
    NOODLE_WAKING = 3
};

/* One side that waits: what it does, and where. */
typedef struct noodle_presence {
    _Alignas(NOODLE_LINE) _Atomic uint32_t state;
    _Atomic uint32_t processor;   /* it ran on when it last began to wait, plus one; 0: not known */
    _Atomic uint32_t gap_ns;      /* of a host: from its last wake-up to its next record; 0: none yet */
} noodle_presence;

typedef struct noodle_control_block {
    /* Written by the host before the worker starts, and never again. */
    uint64_t magic;
    uint32_t abi;
    uint32_t channel_count;
    uint32_t ring_bytes;
    uint32_t channel_bytes;
    uint64_t total_bytes;
    /* The worker's serving thread, for every channel that is not dedicated. */
    noodle_presence worker;
    /* Bit i: the worker has to look at channel i.  Set by the host after publishing; cleared by the
     * worker before it looks one last time.  A set bit may stand for an empty channel. */
    _Alignas(NOODLE_LINE) _Atomic uint64_t ready;
    /* Raised by a native thread of the worker while the process lives and is scheduled. */
    _Alignas(NOODLE_LINE) _Atomic uint64_t beat;
    /* Raised by each turn of the worker's event loop or interpreter. */
    _Alignas(NOODLE_LINE) _Atomic uint64_t progress;
    /* The innermost call whose function the worker's event loop runs right now, by its id; 0: none, or
     * it has no event loop. */
    _Alignas(NOODLE_LINE) _Atomic uint64_t running;
} noodle_control_block;

typedef struct noodle_cursor {
    _Alignas(NOODLE_LINE) _Atomic uint64_t position;
    _Atomic uint32_t wanted;   /* beside a head: the producer lacks space and wants to be woken */
} noodle_cursor;

typedef struct noodle_channel_block {
    noodle_cursor to_worker_head;
    noodle_cursor to_worker_tail;
    noodle_cursor to_host_head;
    noodle_cursor to_host_tail;
    noodle_presence host;
    noodle_presence worker;   /* of a dedicated channel */
} noodle_channel_block;

/* What a record is for.  The channel itself gives these no meaning. */
enum noodle_kind {
    NOODLE_KIND_CONTROL = 0,
    NOODLE_KIND_CALL = 1,
    NOODLE_KIND_REPLY = 2,
    NOODLE_KIND_ERROR = 3,
    NOODLE_KIND_CALLBACK = 4,
    NOODLE_KIND_CANCEL = 5,
    NOODLE_KIND_RELEASE = 6
};

enum noodle_record_flag {
    NOODLE_IN_SEGMENT = 1,  /* the payload is a noodle_span: the real one lies in a segment */
    NOODLE_BLOCKING = 2     /* of a CALLBACK: its worker serves only this chain until the answer */
};

typedef struct noodle_record {
    uint32_t length;         /* bytes of payload */
    uint16_t kind;
    uint16_t flags;
    uint64_t call_id;
    uint64_t chain_id;
    uint64_t deadline_ns;    /* CLOCK_MONOTONIC; 0: none */
} noodle_record;

typedef struct noodle_span {
    uint64_t segment;
    uint64_t offset;
    uint64_t length;
} noodle_span;

#define NOODLE_RECORD_BYTES 32u

_Static_assert(sizeof(noodle_record) == NOODLE_RECORD_BYTES, "a record header has 32 bytes");
_Static_assert(sizeof(noodle_span) == 24, "a span has 24 bytes");
_Static_assert(offsetof(noodle_control_block, total_bytes) == 24, "layout of version 1");
_Static_assert(offsetof(noodle_control_block, worker) == 1 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_control_block, ready) == 2 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_control_block, beat) == 3 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_control_block, progress) == 4 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_control_block, running) == 5 * NOODLE_LINE, "own line");
_Static_assert(sizeof(noodle_control_block) <= NOODLE_PAGE, "the control block fits its page");
_Static_assert(offsetof(noodle_cursor, wanted) == 8, "layout of version 1");
_Static_assert(offsetof(noodle_channel_block, to_worker_tail) == 1 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_channel_block, to_host_head) == 2 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_channel_block, to_host_tail) == 3 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_channel_block, host) == 4 * NOODLE_LINE, "own line");
_Static_assert(offsetof(noodle_channel_block, worker) == 5 * NOODLE_LINE, "own line");
_Static_assert(sizeof(noodle_channel_block) <= NOODLE_PAGE, "the channel block fits its page");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2,
               "words shared between processes need lock-free atomics");

/* ------------------------------------------------------------------------------------ Rings */

typedef struct noodle_ring_writer {
    unsigned char *data;
    uint64_t mask;               /* ring_bytes - 1 */
    uint64_t position;           /* the head that counts */
    uint64_t taken;              /* the last tail that was checked */
    noodle_cursor *head;
    noodle_cursor *tail;
    unsigned char *scratch;      /* private, ring_bytes, made when first needed */
    unsigned char *reserved;     /* what the last reservation gave out; NULL: none is open */
    uint64_t reserved_bytes;
    uint64_t missing;            /* bytes the last reservation lacked; 0: none */
    bool condemned;
} noodle_ring_writer;

typedef struct noodle_ring_reader {
    const unsigned char *data;
    uint64_t mask;
    uint64_t position;           /* the tail that counts */
    uint64_t published;          /* the last head that was checked */
    noodle_cursor *head;
    noodle_cursor *tail;
    bool condemned;
} noodle_ring_reader;

/* The largest payload a ring can ever hold; more is NOODLE_TOO_LARGE. */
static inline uint64_t
noodle_ring_most(uint64_t ring_bytes)
{
    return ring_bytes - NOODLE_RECORD_BYTES;
}

static inline uint64_t
noodle_record_span(uint64_t length)
{
    return (NOODLE_RECORD_BYTES + length + NOODLE_RECORD_BYTES - 1)
           & ~(uint64_t)(NOODLE_RECORD_BYTES - 1);
}

/* A seq_cst fence.  The thread sanitizer knows no fences, but it knows this. */
static inline void
noodle_fence(void)
{
#if defined(__SANITIZE_THREAD__)
    static _Atomic uint32_t order;
    atomic_fetch_add_explicit(&order, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Reads the consumer's hint and returns the bytes that are free, or condemns the ring. */
noodle_status noodle_ring_refresh_free(noodle_ring_writer *ring, uint64_t *free_bytes);

/* Opens a reservation where it would cross the end of the ring, or returns FULL or TOO_LARGE. */
noodle_status noodle_ring_reserve_slowly(noodle_ring_writer *ring, uint64_t least,
                                         unsigned char **payload, uint64_t *capacity);

/* Reserves space for one payload of at least `least` bytes.
 *
 * `*capacity` becomes what may be written at `*payload`, at least `least`.  The memory is the ring
 * itself where it is in one piece there, else a scratch that noodle_ring_commit() copies.  A
 * reservation is dropped by making another one.
 *
 * Returns OK, FULL (wait, then try again), TOO_LARGE, PROTOCOL, or SYSTEM without memory. */
static inline noodle_status
noodle_ring_reserve(noodle_ring_writer *ring, uint64_t least, unsigned char **payload,
                    uint64_t *capacity)
{
    const uint64_t size = ring->mask + 1;
    const uint64_t used = ring->position - ring->taken;
    const uint64_t begin = (ring->position & ring->mask) + NOODLE_RECORD_BYTES;
    const uint64_t free_bytes = size - used;
    uint64_t room;
    if (__builtin_expect(ring->condemned || free_bytes < NOODLE_RECORD_BYTES, 0))
        return noodle_ring_reserve_slowly(ring, least, payload, capacity);
    room = size - begin;
    if (room > free_bytes - NOODLE_RECORD_BYTES)
        room = free_bytes - NOODLE_RECORD_BYTES;
    if (__builtin_expect(room < least, 0))
        return noodle_ring_reserve_slowly(ring, least, payload, capacity);
    ring->reserved = ring->data + begin;
    ring->reserved_bytes = room;
    *payload = ring->reserved;
    *capacity = room;
    return NOODLE_OK;
}

void noodle_ring_copy_scratch(noodle_ring_writer *ring, uint64_t length);
void noodle_ring_satisfied(noodle_ring_writer *ring);

/* Publishes the reserved payload, of which record->length bytes count, under the given header.  The
 * peer is not woken: that is noodle_channel_notify().
 *
 * Returns OK, or INVALID without a reservation that is large enough. */
static inline noodle_status
noodle_ring_commit(noodle_ring_writer *ring, const noodle_record *record)
{
    if (ring->reserved == NULL || record->length > ring->reserved_bytes)
        return NOODLE_INVALID;
    if (__builtin_expect(ring->reserved == ring->scratch, 0))
        noodle_ring_copy_scratch(ring, record->length);
    if (__builtin_expect(ring->missing != 0, 0))
        noodle_ring_satisfied(ring);
    memcpy(ring->data + (ring->position & ring->mask), record, NOODLE_RECORD_BYTES);
    ring->position += noodle_record_span(record->length);
    ring->reserved = NULL;
    atomic_store_explicit(&ring->head->position, ring->position, memory_order_release);
    return NOODLE_OK;
}

/* Is there a record, or a hint that has to be refused?  Only a hint: noodle_ring_take() decides. */
static inline bool
noodle_ring_filled(const noodle_ring_reader *ring)
{
    return ring->published != ring->position
           || atomic_load_explicit(&ring->head->position, memory_order_acquire) != ring->position;
}

noodle_status noodle_ring_refresh_filled(noodle_ring_reader *ring);
noodle_status noodle_ring_condemn(noodle_ring_reader *ring);
void noodle_ring_copy_out(const noodle_ring_reader *ring, void *buffer, uint64_t length);

/* Takes the next record: copies its header to `*record` and its payload to `buffer`.
 *
 * Returns OK, EMPTY, TOO_SMALL (record->length is what is needed; nothing was taken; a buffer of
 * noodle_ring_most() bytes is always enough) or PROTOCOL. */
static inline noodle_status
noodle_ring_take(noodle_ring_reader *ring, noodle_record *record, void *buffer, uint64_t capacity)
{
    const uint64_t begin = ring->position & ring->mask;
    uint64_t words[4];
    uint64_t span;
    if (ring->published == ring->position || __builtin_expect(ring->condemned, 0)) {
        const noodle_status status = noodle_ring_refresh_filled(ring);
        if (status != NOODLE_OK)
            return status;
    }
    /* Atomic, so that no compiler reads a word of the peer's memory twice. */
    for (size_t i = 0; i < 4; i++)
        words[i] = atomic_load_explicit((const _Atomic uint64_t *)(ring->data + begin) + i,
                                        memory_order_relaxed);
    memcpy(record, words, sizeof words);
    span = noodle_record_span(record->length);
    if (__builtin_expect(span > ring->published - ring->position, 0))
        return noodle_ring_condemn(ring);
    if (record->length > capacity)
        return NOODLE_TOO_SMALL;
    if (__builtin_expect(begin + NOODLE_RECORD_BYTES + record->length > ring->mask + 1, 0))
        noodle_ring_copy_out(ring, buffer, record->length);
    else if (record->length != 0)   /* else there may be no buffer */
        memcpy(buffer, ring->data + begin + NOODLE_RECORD_BYTES, record->length);
    /* What is decoded is the copy, whatever happens to the ring from here on. */
    __asm__ __volatile__("" ::: "memory");
    ring->position += span;
    atomic_store_explicit(&ring->tail->position, ring->position, memory_order_release);
    return NOODLE_OK;
}

/* ----------------------------------------------------------------------------------- Events
 *
 * What a sleeper polls, and what its waker writes.  Between processes that trust each other it is
 * one eventfd.  A hostile peer could make that block its waker (fill it, then clear O_NONBLOCK,
 * which belongs to the shared open file description), so towards a sandboxed worker it is a pipe:
 * each side has an end, and flags, of its own. */
typedef struct noodle_event {
    int wait_fd;   /* polled and drained by the sleeper; -1: not on this side */
    int wake_fd;   /* written by the waker; -1: not on this side */
} noodle_event;

/* Makes an event, non-blocking and close-on-exec.  Returns OK or SYSTEM. */
noodle_status noodle_event_create(bool peer_is_trusted, noodle_event *event);
void noodle_event_close(noodle_event *event);
void noodle_event_wake(const noodle_event *event);
void noodle_event_drain(const noodle_event *event);

/* --------------------------------------------------------------------------------- Channels */

struct noodle_link;
struct noodle_waiter;

typedef struct noodle_channel {
    noodle_ring_writer out;
    noodle_ring_reader in;
    noodle_presence *own;
    noodle_presence *peer;
    _Atomic uint64_t *ready;        /* the host's end of a served channel: the bitmap; else NULL */
    uint64_t ready_bit;
    noodle_event own_event;         /* wait_fd wakes the thread that uses this end */
    noodle_event peer_event;        /* wake_fd wakes the peer */
    struct noodle_link *link;       /* on the host; NULL in a worker */
    struct noodle_waiter *waiter;   /* on the host; NULL until added to one */
    uint64_t woken_ns;              /* on the host: when its thread was woken; 0: it has sent since */
    uint32_t index;
} noodle_channel;

/* Writes the peer's event if the peer is still parked. */
void noodle_channel_wake(noodle_channel *channel);

/* Tells the peer of everything that has been committed: once after a batch is enough. */
static inline void
noodle_channel_notify(noodle_channel *channel)
{
    noodle_fence();
    if (channel->ready != NULL
        && !(atomic_load_explicit(channel->ready, memory_order_relaxed) & channel->ready_bit))
        atomic_fetch_or_explicit(channel->ready, channel->ready_bit, memory_order_seq_cst);
    if (atomic_load_explicit(&channel->peer->state, memory_order_seq_cst) == NOODLE_PARKED)
        noodle_channel_wake(channel);
}

/* noodle_ring_reserve() towards the peer. */
static inline noodle_status
noodle_channel_reserve(noodle_channel *channel, uint64_t least, unsigned char **payload,
                       uint64_t *capacity)
{
    return noodle_ring_reserve(&channel->out, least, payload, capacity);
}

/* Shows the worker how long after its wake-up the host sends. */
void noodle_channel_show_gap(noodle_channel *channel);

/* Publishes the reserved payload and tells the peer. */
static inline noodle_status
noodle_channel_commit(noodle_channel *channel, const noodle_record *record)
{
    if (__builtin_expect(channel->woken_ns != 0, 0))
        noodle_channel_show_gap(channel);
    const noodle_status status = noodle_ring_commit(&channel->out, record);
    if (status == NOODLE_OK)
        noodle_channel_notify(channel);
    return status;
}

/* Sends a payload that lies somewhere else.  Returns as noodle_ring_reserve() does. */
noodle_status noodle_channel_send(noodle_channel *channel, const noodle_record *record,
                                  const void *payload);

/* Takes the next record from the peer, and wakes it if it waits for space. */
static inline noodle_status
noodle_channel_take(noodle_channel *channel, noodle_record *record, void *buffer,
                    uint64_t capacity)
{
    const noodle_status status = noodle_ring_take(&channel->in, record, buffer, capacity);
    if (status == NOODLE_OK
        && __builtin_expect(
            atomic_load_explicit(&channel->in.head->wanted, memory_order_relaxed) != 0, 0))
        noodle_channel_notify(channel);
    return status;
}

/* Does the last reservation, which was FULL, have its space now? */
bool noodle_channel_has_space(noodle_channel *channel);

/* Is there a record to take, or the space that the last reservation lacked? */
static inline bool
noodle_channel_ready(noodle_channel *channel)
{
    return noodle_ring_filled(&channel->in)
           || (__builtin_expect(channel->out.missing != 0, 0) && noodle_channel_has_space(channel));
}

/* ----------------------------------------------------------------------------- Host: a link */

typedef struct noodle_link_options {
    uint32_t channel_count;    /* 1 to 64 */
    uint32_t ring_bytes;       /* a power of two, 4 KiB to 16 MiB */
    bool trusted;              /* isolated; false: sandboxed, that is hostile */
} noodle_link_options;

/* What the launcher hands to the worker as descriptors 3 to 6.  Owned by the link. */
typedef struct noodle_worker_descriptors {
    int control;
    int socket;
    int event;
    int lifeline;
} noodle_worker_descriptors;

typedef struct noodle_link noodle_link;

/* Makes the shared memory, the events and the socket.  Returns OK, INVALID or SYSTEM. */
noodle_status noodle_link_create(const noodle_link_options *options, noodle_link **link);

/* The worker's ends, until noodle_link_started() closes them on this side. */
noodle_worker_descriptors noodle_link_worker_descriptors(const noodle_link *link);

/* Says that the worker runs.  The link takes the pidfd, on whose end every waiter of the link
 * returns PEER_DEAD. */
noodle_status noodle_link_started(noodle_link *link, int pidfd);

/* Gives a channel to the calling thread: a new one, whose event is sent to the worker first, or one
 * that was closed.  A dedicated channel is served by a thread of the worker that does nothing else;
 * the choice is made when the channel is first opened and stays with its index.
 *
 * Returns OK, LIMIT (all are in use: queue), PEER_DEAD, FORKED or SYSTEM. */
noodle_status noodle_link_open(noodle_link *link, bool dedicated, noodle_channel **channel);

/* Gives a channel back.  The caller has taken the replies to all its calls; a channel that is
 * condemned stays out of use. */
void noodle_link_close(noodle_channel *channel);

/* Sets the flag of death and wakes every thread that waits for this worker.  Thread-safe against
 * every wait. */
void noodle_link_mark_dead(noodle_link *link);
bool noodle_link_is_dead(const noodle_link *link);

/* The Unix socket over which segments are sent; see arena.h. */
int noodle_link_socket(const noodle_link *link);

/* Signs of life that the worker shows: hints, as the worker writes them. */
uint64_t noodle_link_beat(const noodle_link *link);
uint64_t noodle_link_progress(const noodle_link *link);
uint64_t noodle_link_running(const noodle_link *link);
enum noodle_state noodle_link_worker_state(const noodle_link *link);

/* Unmaps and closes everything; the end of the lifeline ends a worker that still runs. */
void noodle_link_destroy(noodle_link *link);

/* ---------------------------------------------------------------------------- Host: waiting
 *
 * A waiter stands for one thread (or one event loop) and the channels it owns: it serves every
 * chain of its thread, so a record on any of them ends its waits.  Which one it is, the caller
 * sees from noodle_channel_ready() or noodle_waiter_next(). */
typedef struct noodle_waiter noodle_waiter;

noodle_status noodle_waiter_create(noodle_waiter **waiter);
noodle_status noodle_waiter_add(noodle_waiter *waiter, noodle_channel *channel);
void noodle_waiter_remove(noodle_waiter *waiter, noodle_channel *channel);
void noodle_waiter_destroy(noodle_waiter *waiter);

/* The next channel that is ready, in turn, or NULL. */
noodle_channel *noodle_waiter_next(noodle_waiter *waiter);

/* Spins until a channel of the waiter that `channel` belongs to is ready, at most until `until_ns`,
 * while the worker of `channel` is awake.  Makes no system call in the first 2 us, and yields the
 * processor after them.
 *
 * Returns READY, NOT_YET, or PEER_PARKED: only sleeping helps, because the worker sleeps, or runs on
 * this processor, or nobody may spin. */
noodle_status noodle_wait_spin(noodle_channel *channel, uint64_t until_ns);

/* Does the worker sleep, or did it run on this thread's processor last?  A hint. */
bool noodle_spin_is_vain(const noodle_channel *channel);

/* Parks until a channel of the waiter is ready.
 *
 * Args: deadline_ns, CLOCK_MONOTONIC, 0 for none; slice_ns, after which to return anyway, 0 for
 * none. Returns READY, TIMEOUT, SLICE (over, or a signal came), PEER_DEAD (the worker of any
 * channel of the waiter; ready channels come first), FORKED or SYSTEM.  A caller that has to wait
 * for something else before it can go on then calls noodle_waiter_resumed(). */
noodle_status noodle_wait_block(noodle_channel *channel, uint64_t deadline_ns, uint64_t slice_ns);

/* The thread goes on now: what passed since its wake-up is not its own time.  See "Spinning". */
void noodle_waiter_resumed(noodle_waiter *waiter);

/* For what other threads of this process have to tell the waiter's.  A wake ends the wait that goes on,
 * or the next one, which returns READY with or without a ready channel; so does every further one until
 * noodle_waiter_woken() was asked, which says whether there was a wake since it was last asked.
 *
 * The waiter's own thread admits wakes, which costs a descriptor and returns OK or SYSTEM, asks for them
 * and ends them; in between any thread may wake it. */
noodle_status noodle_waiter_admit_wakes(noodle_waiter *waiter);
void noodle_waiter_wake(noodle_waiter *waiter);
bool noodle_waiter_woken(noodle_waiter *waiter);
void noodle_waiter_end_wakes(noodle_waiter *waiter);

/* Spins for at most `spin_ns`, then parks: both of the above. */
noodle_status noodle_channel_wait(noodle_channel *channel, uint64_t deadline_ns, uint64_t slice_ns,
                                  uint64_t spin_ns);

/* For a waiter under somebody else's poll (asyncio): poll own_event.wait_fd of each of its
 * channels. noodle_waiter_park() before polling returns READY if it must not sleep;
 * noodle_waiter_unpark() after it drains the events.  Between them nothing else of the waiter is
 * used. */
noodle_status noodle_waiter_park(noodle_waiter *waiter);
void noodle_waiter_unpark(noodle_waiter *waiter);

/* ----------------------------------------------------------------------------------- Worker */

#define NOODLE_SPIN_DEFAULT_NS UINT64_C(15000)

/* How a thread of a worker spins. */
typedef struct noodle_pace {
    uint64_t spin_ns;               /* 0: never */
    uint64_t move_after_ns;         /* when it may move to another processor again */
    uint64_t move_pause_ns;         /* how long it waits between two moves */
    uint32_t streak;                /* of records found by spinning since it last moved */
} noodle_pace;

typedef struct noodle_worker {
    noodle_control_block *control;
    size_t control_bytes;
    noodle_channel *channels;       /* control->channel_count of them */
    uint32_t channel_count;
    uint32_t ring_bytes;
    uint32_t last;                  /* the channel that was served last */
    uint32_t generation;
    noodle_event event;
    int lifeline_fd;
    noodle_pace pace;
} noodle_worker;

/* Maps and checks the control memory: its seals, sizes, magic and ABI.  The worker takes the
 * descriptors; the mapping keeps the memory, so control_fd is closed.
 *
 * Returns OK, PROTOCOL (not a control memory of this version) or SYSTEM. */
noodle_status noodle_worker_attach(noodle_worker *worker, int control_fd, int event_fd,
                                   int lifeline_fd);
void noodle_worker_detach(noodle_worker *worker);

/* Gives a channel the event that wakes its host thread, as received over the socket.  The host
 * sends it before the first record; until it is here the channel must not be served. */
noodle_status noodle_worker_set_event(noodle_worker *worker, uint32_t index, int wake_fd);

/* The next channel that is ready, in turn, or NULL. */
noodle_channel *noodle_worker_next(noodle_worker *worker);

/* Waits until a channel is ready: spins if the last caller's gap is below spin_ns, then parks.  Returns
 * as noodle_wait_block() does; PEER_DEAD is the end of the lifeline. */
noodle_status noodle_worker_wait(noodle_worker *worker, uint64_t deadline_ns, uint64_t slice_ns);

/* The two parts of it, for a worker that must release an interpreter's lock between them. */
noodle_status noodle_worker_spin(noodle_worker *worker);
noodle_status noodle_worker_block(noodle_worker *worker, uint64_t deadline_ns, uint64_t slice_ns);

/* For a worker under somebody else's poll (libuv): poll event.wait_fd.  noodle_worker_park() before
 * polling returns READY if it must not sleep, else OK; noodle_worker_unpark() after it drains the
 * event.  Calling unpark() without park() is harmless. */
noodle_status noodle_worker_park(noodle_worker *worker);
void noodle_worker_unpark(noodle_worker *worker);

/* Dedicated channels.  One thread of the worker takes the records of one channel.  The event that
 * wakes it comes over the socket after the one that wakes the channel's host thread. */
noodle_status noodle_worker_set_own_event(noodle_worker *worker, uint32_t index, int wait_fd);

/* The parts of a wait for a record, for a thread that holds an interpreter's lock in the first.
 *
 * noodle_dedicated_hold() lasts about 2 us while the host's gap is below `held_ns`, extended to that
 * time if the host is awake; else it only looks.  A spin lasts as long as noodle_worker_spin().  Both
 * return READY or NOT_YET.  A block sleeps and returns as noodle_wait_block() does; PEER_DEAD is the end
 * of the lifeline. */
noodle_status noodle_dedicated_hold(noodle_channel *channel, noodle_pace *pace, uint64_t held_ns);
noodle_status noodle_dedicated_spin(noodle_channel *channel, noodle_pace *pace);
noodle_status noodle_dedicated_block(const noodle_worker *worker, noodle_channel *channel,
                                     uint64_t deadline_ns, uint64_t slice_ns);
/* A spin, then a block. */
noodle_status noodle_dedicated_wait(const noodle_worker *worker, noodle_channel *channel,
                                    noodle_pace *pace, uint64_t deadline_ns, uint64_t slice_ns);

/* Another thread may take the records while the channel's own does not look at them: that the two
 * are never at it at once is for the worker to see to.  While somebody stands in the host's waker
 * writes the event, which both may poll.  Any thread may ask whether something is there: a hint. */
void noodle_dedicated_stand_in(noodle_channel *channel, bool begins);
bool noodle_dedicated_pending(const noodle_channel *channel);

static inline void
noodle_worker_progress(noodle_worker *worker)
{
    atomic_fetch_add_explicit(&worker->control->progress, 1, memory_order_relaxed);
}

static inline void
noodle_worker_runs(noodle_worker *worker, uint64_t call_id)
{
    atomic_store_explicit(&worker->control->running, call_id, memory_order_relaxed);
}

/* Starts the native thread that raises the beat every `beat_ms` and, when the host is gone, kills
 * the worker's whole process group: the launcher has given it one of its own.  When the descriptors
 * were closed here, it writes so to standard error first. */
noodle_status noodle_worker_watch(noodle_worker *worker, int beat_ms);

/* Ends a worker that cannot go on: with exit code 70, and when its host is gone with its whole process
 * group, which nobody else would end then. */
_Noreturn void noodle_worker_exit(const noodle_worker *worker);

#endif
