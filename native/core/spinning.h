/* How a thread of a worker spins for its host: the rules under "Spinning" and "Processors" in channel.h,
 * for the core's own use.  Inline, because they lie between two calls. */
#ifndef NOODLE_CORE_SPINNING_H
#define NOODLE_CORE_SPINNING_H

#include <sched.h>

#include "waiting.h"

/* Spins that a wake-up of the host may take: measured, 40 us across the processors of a virtual
 * machine, and twice that beside other work. */
#define NOODLE_WAKE_UPS 8
/* Chosen: a move costs some 20 us, so at worst 2 % of the time, and soon next to nothing. */
#define NOODLE_MOVE_PAUSE_LEAST_NS UINT64_C(1000000)
#define NOODLE_MOVE_PAUSE_MOST_NS UINT64_C(32000000)
#define NOODLE_JOIN_PAUSE_NS UINT64_C(1000000)
/* Chosen: so many answers without a sleep say that a move was worth while. */
#define NOODLE_STREAK 64

/* Who spins, for whom, and what ends it. */
typedef struct noodle_spinner {
    noodle_presence *own;
    const noodle_presence *host;
    noodle_pace *pace;
    bool (*is_ready)(const void *context);
    const void *context;
} noodle_spinner;

static inline uint32_t
noodle_host_state(const noodle_spinner *spinner)
{
    return atomic_load_explicit(&spinner->host->state, memory_order_relaxed);
}

/* Is the next call to be expected within a time? */
static inline bool
noodle_is_hot(const noodle_spinner *spinner, uint64_t within_ns)
{
    const uint32_t gap = atomic_load_explicit(&spinner->host->gap_ns, memory_order_relaxed);
    return gap != 0 && gap < within_ns && noodle_host_state(spinner) != NOODLE_PARKED;
}

/* The first microseconds, in which nearly every hot call comes: no clock, no system call. */
static inline bool
noodle_spin_blindly(const noodle_spinner *spinner)
{
    for (int i = 0; i < NOODLE_PAUSES; i++) {
        if (spinner->is_ready(spinner->context))
            return true;
        noodle_pause();
    }
    return false;
}

/* Spins until `spin_ns` after `begin`, or after the host was seen waking up, which may take as long as
 * WAKE_UPS of the usual spins. */
static inline bool
noodle_spin_by_the_clock(const noodle_spinner *spinner, uint64_t begin, uint64_t spin_ns)
{
    const uint64_t waking_ns = NOODLE_WAKE_UPS * spinner->pace->spin_ns;
    uint64_t until = begin + spin_ns;
    bool found = false;
    noodle_processors_check(begin);
    for (uint64_t now = begin; !found && now < until; now = noodle_now()) {
        const uint32_t host = noodle_host_state(spinner);
        if (host == NOODLE_PARKED)
            break;
        if (host == NOODLE_WAKING && now < begin + waking_ns)
            until = now + spin_ns;
        if (now - begin >= NOODLE_YIELD_AFTER_NS) {
            noodle_show_state(spinner->own, NOODLE_SPINNING);
            sched_yield();
        }
        found = noodle_spin_blindly(spinner);
    }
    noodle_show_state(spinner->own, NOODLE_RUNNING);
    return found;
}

/* Does the host have a processor to itself, after a move perhaps? */
static inline bool
noodle_is_apart(const noodle_spinner *spinner)
{
    noodle_pace *const pace = spinner->pace;
    uint64_t now;
    if (!noodle_shares_processor(spinner->own, spinner->host))
        return true;
    now = noodle_now();
    if (now < pace->move_after_ns)
        return false;
    if (pace->streak >= NOODLE_STREAK || pace->move_pause_ns == 0)
        pace->move_pause_ns = NOODLE_MOVE_PAUSE_LEAST_NS;
    else if (pace->move_pause_ns < NOODLE_MOVE_PAUSE_MOST_NS)
        pace->move_pause_ns *= 2;
    pace->move_after_ns = now + pace->move_pause_ns;
    pace->streak = 0;
    noodle_leave_processor();
    noodle_show_processor(spinner->own);
    return !noodle_shares_processor(spinner->own, spinner->host);
}

/* Where nobody may spin each side sleeps while the other works: then a wake-up on the same processor
 * is a switch of context, and one on another an interrupt, which in a virtual machine takes long. */
static inline void
noodle_come_together(const noodle_spinner *spinner)
{
    const uint32_t there = atomic_load_explicit(&spinner->host->processor, memory_order_relaxed);
    uint64_t now;
    if (there == 0 || noodle_shares_processor(spinner->own, spinner->host))
        return;
    now = noodle_now();
    if (now < spinner->pace->move_after_ns)
        return;
    spinner->pace->move_after_ns = now + NOODLE_JOIN_PAUSE_NS;
    noodle_join_processor(there - 1);
}

/* Takes a place among the spinners, as noodle_spin_begin() does. */
static inline bool
noodle_may_spin(const noodle_spinner *spinner)
{
    const bool may = noodle_spin_begin();
    if (!may)
        noodle_come_together(spinner);
    return may;
}

static inline void
noodle_note_found(noodle_pace *pace)
{
    if (pace->streak < NOODLE_STREAK)
        pace->streak++;
}

#endif
