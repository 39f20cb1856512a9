/* Dedicated channels: the wait of a worker's thread that serves one channel and nothing else. */
#define _GNU_SOURCE
#include "ends.h"
#include "spinning.h"

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

static bool
is_ready(const void *channel)
{
    return noodle_ring_filled(&((const noodle_channel *)channel)->in);
}

static inline noodle_spinner
spinner_of(noodle_channel *channel, noodle_pace *pace)
{
    return (noodle_spinner){channel->own, channel->peer, pace, is_ready, channel};
}

noodle_status
noodle_dedicated_hold(noodle_channel *channel, noodle_pace *pace, uint64_t held_ns)
{
    const noodle_spinner spinner = spinner_of(channel, pace);
    bool found = false;
    if (is_ready(channel))
        return NOODLE_READY;
    noodle_show_processor(channel->own);
    if (pace->spin_ns == 0 || !noodle_is_hot(&spinner, held_ns) || !noodle_may_spin(&spinner))
        return NOODLE_NOT_YET;
    if (noodle_is_apart(&spinner)) {
        found = noodle_spin_blindly(&spinner)
                || noodle_spin_by_the_clock(&spinner, noodle_now(), held_ns / 2);
    }
    noodle_spin_end();
    if (!found)
        return NOODLE_NOT_YET;
    noodle_note_found(pace);
    return NOODLE_READY;
}

noodle_status
noodle_dedicated_spin(noodle_channel *channel, noodle_pace *pace)
{
    const noodle_spinner spinner = spinner_of(channel, pace);
    bool found = false;
    if (is_ready(channel))
        return NOODLE_READY;
    noodle_show_processor(channel->own);
    if (!noodle_is_hot(&spinner, pace->spin_ns) || !noodle_may_spin(&spinner))
        return NOODLE_NOT_YET;
    if (noodle_is_apart(&spinner))
        found = noodle_spin_blindly(&spinner)
                || noodle_spin_by_the_clock(&spinner, noodle_now(), pace->spin_ns);
    noodle_spin_end();
    if (!found)
        return NOODLE_NOT_YET;
    noodle_note_found(pace);
    return NOODLE_READY;
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
noodle_dedicated_block(const noodle_worker *worker, noodle_channel *channel, uint64_t deadline_ns,
                       uint64_t slice_ns)
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
        if (is_ready(channel))
            break;
        wake_who_lacks_space(channel);
        status = noodle_sleep_on(&channel->own_event, worker->lifeline_fd, until);
    }
    noodle_show_state(channel->own, NOODLE_RUNNING);
    return is_ready(channel) ? NOODLE_READY : noodle_end_of_wait(status, deadline_ns);
}

noodle_status
noodle_dedicated_wait(const noodle_worker *worker, noodle_channel *channel, noodle_pace *pace,
                      uint64_t deadline_ns, uint64_t slice_ns)
{
    const noodle_status status = noodle_dedicated_spin(channel, pace);
    return status == NOODLE_READY
               ? status
               : noodle_dedicated_block(worker, channel, deadline_ns, slice_ns);
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
