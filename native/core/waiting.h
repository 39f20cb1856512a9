/* One sleep, for the core's own use. */
#ifndef NOODLE_CORE_WAITING_H
#define NOODLE_CORE_WAITING_H

#include <poll.h>
#include <stdint.h>

#include "noodle/channel.h"

/* While a producer lacks space it looks again this often.  The consumer's wake-up has no fence of
 * its own on the hot path, so in a narrow window it comes only with the consumer's next step. */
#define NOODLE_SPACE_SLICE_NS UINT64_C(1000000)

/* Wake-ups without a record after which a wait returns SLICE: a peer may write events for ever. */
#define NOODLE_EMPTY_WAKES 64

/* Between looks at the clock; chosen so that they cost less than the pauses. */
#define NOODLE_PAUSES 32
#define NOODLE_YIELD_AFTER_NS UINT64_C(2000)

/* Shows where this side runs.  The word is written only when that has changed. */
void noodle_show_processor(noodle_presence *own);

/* Would spinning keep the peer from running? */
static inline bool
noodle_shares_processor(const noodle_presence *own, const noodle_presence *peer)
{
    return atomic_load_explicit(&own->processor, memory_order_relaxed)
           == atomic_load_explicit(&peer->processor, memory_order_relaxed);
}

static inline void
noodle_show_state(noodle_presence *own, enum noodle_state state)
{
    atomic_store_explicit(&own->state, (uint32_t)state, memory_order_relaxed);
}

/* The earlier of two times, of which 0 is never. */
static inline uint64_t
noodle_earlier(uint64_t left, uint64_t right)
{
    if (left == 0 || right == 0)
        return left == 0 ? right : left;
    return left < right ? left : right;
}

/* Polls until `until_ns` (0: for ever).  Returns as poll() does. */
int noodle_poll_until(struct pollfd *polled, nfds_t count, uint64_t until_ns);

/* A worker's sleep on an event and the lifeline.  Returns NOT_YET (woken), SLICE (time is over, or a
 * signal), PEER_DEAD or SYSTEM. */
noodle_status noodle_sleep_on(const noodle_event *event, int lifeline_fd, uint64_t until_ns);

/* What a wait returns that has ended without a record. */
noodle_status noodle_end_of_wait(noodle_status status, uint64_t deadline_ns);

static inline void
noodle_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

#endif
