/* Dedicated channels: the wait of a worker's thread that serves one channel and nothing else. */
#define _GNU_SOURCE
#include <sched.h>

#include "ends.h"
#include "waiting.h"

/* As for a worker's serving thread; see worker.c. */
#define BURST_GAP_NS 500
#define TRIAL_SPINS 4
#define GAP_SHARE 8

noodle_status
noodle_worker_set_own_event(noodle_worker *worker, uint32_t index, int wait_fd)
{
    noodle_channel *channel;
    if (index >= worker->channel_count)
        return NOODLE_INVALID;
    channel = &worker->channels[index];
    noodle_event_close(&channel->own_event);
    channel->own_event.wait_fd = wait_fd;
    channel->own = &noodle_channel_block_at(worker->control, worker->ring_bytes, index)->worker;
    return NOODLE_OK;
}

/* --------------------------------------------------------------------------------- Spinning */

static void
note_gap(noodle_pace *pace, uint64_t gap)
{
    const uint64_t most = GAP_SHARE * pace->spin_ns;
    pace->mean_gap_ns += (gap < most ? gap : most) / GAP_SHARE;
    pace->mean_gap_ns -= pace->mean_gap_ns / GAP_SHARE;
}

static bool
host_sleeps(const noodle_channel *channel)
{
    return atomic_load_explicit(&channel->peer->state, memory_order_relaxed) == NOODLE_PARKED;
}

/* How long to spin now; 0: not at all. */
static uint64_t
spin_limit(const noodle_channel *channel, const noodle_pace *pace)
{
    if (pace->spin_ns == 0 || host_sleeps(channel))
        return 0;
    if (pace->mean_gap_ns < pace->spin_ns && !noodle_shares_processor(channel->own, channel->peer))
        return pace->spin_ns;
    return noodle_is_trial() ? TRIAL_SPINS * pace->spin_ns : 0;
}

static bool
spin_blindly(const noodle_channel *channel)
{
    for (int i = 0; i < NOODLE_PAUSES; i++) {
        if (noodle_ring_filled(&channel->in))
            return true;
        noodle_pause();
    }
    return false;
}

noodle_status
noodle_dedicated_burst(noodle_channel *channel, noodle_pace *pace)
{
    bool found = noodle_ring_filled(&channel->in);
    if (!found) {
        noodle_show_processor(channel->own);
        if (pace->mean_gap_ns >= pace->spin_ns || host_sleeps(channel)
            || noodle_shares_processor(channel->own, channel->peer) || !noodle_spin_begin())
            return NOODLE_NOT_YET;
        found = spin_blindly(channel);
        noodle_spin_end();
    }
    if (found)
        note_gap(pace, BURST_GAP_NS);
    return found ? NOODLE_READY : NOODLE_NOT_YET;
}

static bool
spin_by_the_clock(noodle_channel *channel, noodle_pace *pace, uint64_t begin_ns, uint64_t spin_ns)
{
    bool found = false;
    uint64_t now = noodle_now();
    noodle_processors_check(now);
    while (!found && now - begin_ns < spin_ns && !host_sleeps(channel)) {
        if (now - begin_ns >= NOODLE_YIELD_AFTER_NS) {
            noodle_show_state(channel->own, NOODLE_SPINNING);
            sched_yield();
        }
        found = spin_blindly(channel);
        now = noodle_now();
    }
    noodle_show_state(channel->own, NOODLE_RUNNING);
    if (found)
        note_gap(pace, now - begin_ns);
    return found;
}

noodle_status
noodle_dedicated_spin(noodle_channel *channel, noodle_pace *pace, uint64_t begin_ns,
                      uint64_t most_ns)
{
    uint64_t spin_ns;
    bool found;
    if (noodle_ring_filled(&channel->in)) {
        note_gap(pace, noodle_now() - begin_ns);
        return NOODLE_READY;
    }
    noodle_show_processor(channel->own);
    spin_ns = spin_limit(channel, pace);
    if (spin_ns > most_ns)
        spin_ns = most_ns;
    if (spin_ns == 0 || !noodle_spin_begin())
        return NOODLE_NOT_YET;
    found = spin_by_the_clock(channel, pace, begin_ns, spin_ns);
    noodle_spin_end();
    return found ? NOODLE_READY : NOODLE_NOT_YET;
}

/* ---------------------------------------------------------------------------------- Parking */

/* The host may have begun to wait for space right after the last record was taken. */
static void
wake_who_lacks_space(noodle_channel *channel)
{
    if (atomic_load_explicit(&channel->in.head->wanted, memory_order_relaxed) != 0)
        noodle_channel_notify(channel);
}

noodle_status
noodle_dedicated_block(const noodle_worker *worker, noodle_channel *channel, noodle_pace *pace,
                       uint64_t begin_ns, uint64_t deadline_ns, uint64_t slice_ns)
{
    const uint64_t now = noodle_now();
    const uint64_t until = noodle_earlier(deadline_ns, slice_ns == 0 ? 0 : now + slice_ns);
    noodle_status status = NOODLE_NOT_YET;
    if (worker->generation != noodle_process_generation())
        return NOODLE_FORKED;
    noodle_processors_check(now);
    for (int i = 0; status == NOODLE_NOT_YET && i < NOODLE_EMPTY_WAKES; i++) {
        noodle_show_state(channel->own, NOODLE_PARKED);
        noodle_fence();
        if (noodle_ring_filled(&channel->in))
            break;
        wake_who_lacks_space(channel);
        status = noodle_sleep_on(&channel->own_event, worker->lifeline_fd, until);
    }
    noodle_show_state(channel->own, NOODLE_RUNNING);
    if (!noodle_ring_filled(&channel->in))
        return noodle_end_of_wait(status, deadline_ns);
    note_gap(pace, noodle_now() - begin_ns);
    return NOODLE_READY;
}

noodle_status
noodle_dedicated_wait(const noodle_worker *worker, noodle_channel *channel, noodle_pace *pace,
                      uint64_t deadline_ns, uint64_t slice_ns)
{
    uint64_t begin_ns;
    if (noodle_dedicated_burst(channel, pace) == NOODLE_READY)
        return NOODLE_READY;
    begin_ns = noodle_now();
    if (noodle_dedicated_spin(channel, pace, begin_ns, UINT64_MAX) == NOODLE_READY)
        return NOODLE_READY;
    return noodle_dedicated_block(worker, channel, pace, begin_ns, deadline_ns, slice_ns);
}

/* --------------------------------------------------------------------------------- Standing in */

bool
noodle_dedicated_pending(const noodle_channel *channel)
{
    return atomic_load_explicit(&channel->in.head->position, memory_order_acquire)
           != atomic_load_explicit(&channel->in.tail->position, memory_order_relaxed);
}

void
noodle_dedicated_stand_in(noodle_channel *channel, bool begins)
{
    noodle_show_state(channel->own, begins ? NOODLE_PARKED : NOODLE_RUNNING);
    noodle_fence();
}
