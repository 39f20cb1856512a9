/* How threads of the host wait: spin at a worker that is awake, else park and be woken. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "ends.h"
#include "waiting.h"

#define POLLED 3   /* descriptors a channel */

int
noodle_poll_until(struct pollfd *polled, nfds_t count, uint64_t until_ns)
{
    struct timespec left = {0, 0};
    const uint64_t now = until_ns == 0 ? 0 : noodle_now();
    if (until_ns > now) {
        left.tv_sec = (time_t)((until_ns - now) / 1000000000u);
        left.tv_nsec = (long)((until_ns - now) % 1000000000u);
    }
    return ppoll(polled, count, until_ns == 0 ? NULL : &left, NULL);
}

void
noodle_channel_wake(noodle_channel *channel)
{
    uint32_t parked = NOODLE_PARKED;
    /* Of several wakers one writes. */
    if (atomic_compare_exchange_strong(&channel->peer->state, &parked, NOODLE_WAKING))
        noodle_event_wake(&channel->peer_event);
}

void
noodle_channel_show_gap(noodle_channel *channel)
{
    const uint64_t gap = noodle_now() - channel->woken_ns;
    channel->woken_ns = 0;
    atomic_store_explicit(&channel->own->gap_ns,
                          gap == 0 ? 1 : gap < UINT32_MAX ? (uint32_t)gap : UINT32_MAX,
                          memory_order_relaxed);
}

void
noodle_show_processor(noodle_presence *own)
{
    const uint32_t here = (uint32_t)sched_getcpu() + 1;
    if (atomic_load_explicit(&own->processor, memory_order_relaxed) != here)
        atomic_store_explicit(&own->processor, here, memory_order_relaxed);
}

/* ---------------------------------------------------------------------------------- Waiters */

noodle_status
noodle_waiter_create(noodle_waiter **waiter)
{
    *waiter = calloc(1, sizeof **waiter);
    if (*waiter == NULL)
        return NOODLE_SYSTEM;
    (*waiter)->generation = noodle_process_generation();
    (*waiter)->wakes = (noodle_event){-1, -1};
    return NOODLE_OK;
}

noodle_status
noodle_waiter_admit_wakes(noodle_waiter *waiter)
{
    return waiter->wakes.wait_fd >= 0 ? NOODLE_OK : noodle_event_create(true, &waiter->wakes);
}

void
noodle_waiter_wake(noodle_waiter *waiter)
{
    if (!atomic_exchange(&waiter->woken, true))
        noodle_event_wake(&waiter->wakes);
}

bool
noodle_waiter_woken(noodle_waiter *waiter)
{
    return atomic_load_explicit(&waiter->woken, memory_order_relaxed)
           && atomic_exchange(&waiter->woken, false);
}

void
noodle_waiter_end_wakes(noodle_waiter *waiter)
{
    noodle_event_close(&waiter->wakes);
    atomic_store(&waiter->woken, false);
}

void
noodle_waiter_destroy(noodle_waiter *waiter)
{
    for (uint32_t i = 0; i < waiter->count; i++)
        waiter->channels[i]->waiter = NULL;
    noodle_waiter_end_wakes(waiter);
    free(waiter->channels);
    free(waiter->polled);
    free(waiter);
}

static noodle_status
grow(noodle_waiter *waiter)
{
    const uint32_t capacity = waiter->capacity == 0 ? 4 : 2 * waiter->capacity;
    noodle_channel **const channels =
        realloc(waiter->channels, capacity * sizeof *waiter->channels);
    struct pollfd *polled;
    if (channels == NULL)
        return NOODLE_SYSTEM;
    waiter->channels = channels;
    polled = realloc(waiter->polled, (capacity * POLLED + 1) * sizeof *waiter->polled);
    if (polled == NULL)
        return NOODLE_SYSTEM;
    waiter->polled = polled;
    waiter->capacity = capacity;
    return NOODLE_OK;
}

static void
list_descriptors(noodle_waiter *waiter)
{
    for (uint32_t i = 0; i < waiter->count; i++) {
        const noodle_channel *const channel = waiter->channels[i];
        struct pollfd *const polled = &waiter->polled[i * POLLED];
        polled[0] = (struct pollfd){.fd = channel->own_event.wait_fd, .events = POLLIN};
        polled[1] = (struct pollfd){.fd = channel->link->death, .events = POLLIN};
        polled[2] = (struct pollfd){.fd = channel->link->pidfd, .events = POLLIN};
    }
    waiter->polled[waiter->count * POLLED] =
        (struct pollfd){.fd = waiter->wakes.wait_fd, .events = POLLIN};
}

noodle_status
noodle_waiter_add(noodle_waiter *waiter, noodle_channel *channel)
{
    if (channel->waiter != NULL || channel->link == NULL)
        return NOODLE_INVALID;
    if (waiter->count == waiter->capacity && grow(waiter) != NOODLE_OK)
        return NOODLE_SYSTEM;
    waiter->channels[waiter->count++] = channel;
    channel->waiter = waiter;
    return NOODLE_OK;
}

void
noodle_waiter_remove(noodle_waiter *waiter, noodle_channel *channel)
{
    for (uint32_t i = 0; i < waiter->count; i++)
        if (waiter->channels[i] == channel) {
            waiter->channels[i] = waiter->channels[--waiter->count];
            channel->waiter = NULL;
            return;
        }
}

noodle_channel *
noodle_waiter_next(noodle_waiter *waiter)
{
    for (uint32_t i = 1; i <= waiter->count; i++) {
        const uint32_t index = (waiter->next + i) % waiter->count;
        if (noodle_channel_ready(waiter->channels[index])) {
            waiter->next = index;
            return waiter->channels[index];
        }
    }
    return NULL;
}

static bool
any_ready(const noodle_waiter *waiter)
{
    for (uint32_t i = 0; i < waiter->count; i++)
        if (noodle_channel_ready(waiter->channels[i]))
            return true;
    return atomic_load_explicit(&waiter->woken, memory_order_acquire);
}

static bool
any_dead(const noodle_waiter *waiter)
{
    for (uint32_t i = 0; i < waiter->count; i++)
        if (noodle_link_is_dead(waiter->channels[i]->link))
            return true;
    return false;
}

void
noodle_waiter_resumed(noodle_waiter *waiter)
{
    const uint64_t now = noodle_now();
    for (uint32_t i = 0; i < waiter->count; i++)
        waiter->channels[i]->woken_ns = now;
}

static void
show_state(const noodle_waiter *waiter, enum noodle_state state)
{
    for (uint32_t i = 0; i < waiter->count; i++)
        noodle_show_state(waiter->channels[i]->own, state);
}

/* --------------------------------------------------------------------------------- Spinning */

static bool
worker_sleeps(const noodle_channel *channel)
{
    const uint32_t state = atomic_load_explicit(&channel->peer->state, memory_order_relaxed);
    return state == NOODLE_PARKED || state == NOODLE_WAKING;
}

/* The first microseconds, in which nearly every hot reply comes: no clock, no system call. */
static noodle_status
spin_blindly(const noodle_waiter *waiter, const noodle_channel *channel)
{
    for (int i = 0; i < NOODLE_PAUSES; i++) {
        if (any_ready(waiter))
            return NOODLE_READY;
        noodle_pause();
    }
    return worker_sleeps(channel) ? NOODLE_PEER_PARKED : NOODLE_NOT_YET;
}

static noodle_status
spin_by_the_clock(const noodle_waiter *waiter, const noodle_channel *channel, uint64_t until_ns)
{
    const uint64_t begin = noodle_now();
    noodle_status status = NOODLE_NOT_YET;
    noodle_processors_check(begin);
    for (uint64_t now = begin; status == NOODLE_NOT_YET && now < until_ns; now = noodle_now()) {
        if (now - begin >= NOODLE_YIELD_AFTER_NS) {
            show_state(waiter, NOODLE_SPINNING);
            sched_yield();
        }
        if (any_dead(waiter))
            break;
        status = spin_blindly(waiter, channel);
    }
    show_state(waiter, NOODLE_RUNNING);
    return status;
}

bool
noodle_spin_is_vain(const noodle_channel *channel)
{
    return worker_sleeps(channel) || noodle_shares_processor(channel->own, channel->peer);
}

noodle_status
noodle_wait_spin(noodle_channel *channel, uint64_t until_ns)
{
    const noodle_waiter *const waiter = channel->waiter;
    noodle_status status;
    if (any_ready(waiter))
        return NOODLE_READY;
    noodle_show_processor(channel->own);
    if (noodle_spin_is_vain(channel) || !noodle_spin_begin())
        return NOODLE_PEER_PARKED;
    status = spin_blindly(waiter, channel);
    if (status == NOODLE_NOT_YET)
        status = spin_by_the_clock(waiter, channel, until_ns);
    noodle_spin_end();
    return status;
}

/* ---------------------------------------------------------------------------------- Parking */

noodle_status
noodle_waiter_park(noodle_waiter *waiter)
{
    show_state(waiter, NOODLE_PARKED);
    noodle_fence();
    if (!any_ready(waiter) && !any_dead(waiter))
        return NOODLE_OK;
    show_state(waiter, NOODLE_RUNNING);
    return NOODLE_READY;
}

void
noodle_waiter_unpark(noodle_waiter *waiter)
{
    show_state(waiter, NOODLE_RUNNING);
    for (uint32_t i = 0; i < waiter->count; i++)
        noodle_event_drain(&waiter->channels[i]->own_event);
    noodle_waiter_resumed(waiter);
}

/* Looks at what poll() said: drains events, notes deaths. */
static void
note_wake(noodle_waiter *waiter)
{
    for (uint32_t i = 0; i < waiter->count; i++) {
        const struct pollfd *const polled = &waiter->polled[i * POLLED];
        noodle_channel *const channel = waiter->channels[i];
        if (polled[0].revents & POLLIN)
            noodle_event_drain(&channel->own_event);
        else if (polled[0].revents != 0)
            /* A worker that closes its end without dying would keep the poll from ever sleeping. */
            noodle_ring_condemn(&channel->in);
        if (polled[2].revents != 0)
            noodle_link_mark_dead(channel->link);
    }
    if (waiter->polled[waiter->count * POLLED].revents != 0)
        noodle_event_drain(&waiter->wakes);
}

static bool
any_space_wanted(const noodle_waiter *waiter)
{
    for (uint32_t i = 0; i < waiter->count; i++)
        if (waiter->channels[i]->out.missing != 0)
            return true;
    return false;
}

/* One sleep.  Returns READY, NOT_YET (woken for nothing), SLICE (time is over) or SYSTEM. */
static noodle_status
sleep_once(noodle_waiter *waiter, uint64_t until_ns)
{
    uint64_t soon = until_ns;
    int count;
    if (any_space_wanted(waiter))
        soon = noodle_earlier(until_ns, noodle_now() + NOODLE_SPACE_SLICE_NS);
    count = noodle_poll_until(waiter->polled, waiter->count * POLLED + 1, soon);
    show_state(waiter, NOODLE_RUNNING);
    if (count < 0 && errno != EINTR)
        return NOODLE_SYSTEM;
    if (count > 0)
        note_wake(waiter);
    if (any_ready(waiter)) {
        noodle_waiter_resumed(waiter);
        return NOODLE_READY;
    }
    return count < 0 || (count == 0 && soon == until_ns) ? NOODLE_SLICE : NOODLE_NOT_YET;
}

noodle_status
noodle_wait_block(noodle_channel *channel, uint64_t deadline_ns, uint64_t slice_ns)
{
    noodle_waiter *const waiter = channel->waiter;
    const uint64_t begin = noodle_now();
    const uint64_t until =
        noodle_earlier(deadline_ns, slice_ns == 0 ? 0 : begin + slice_ns);
    noodle_status status = NOODLE_NOT_YET;
    if (waiter->generation != noodle_process_generation())
        return NOODLE_FORKED;
    noodle_processors_check(begin);
    noodle_show_processor(channel->own);
    list_descriptors(waiter);
    for (int i = 0; status == NOODLE_NOT_YET && i < NOODLE_EMPTY_WAKES; i++) {
        if (noodle_waiter_park(waiter) != NOODLE_OK)
            return any_ready(waiter) ? NOODLE_READY : NOODLE_PEER_DEAD;
        status = sleep_once(waiter, until);
    }
    if (status == NOODLE_READY || status == NOODLE_SYSTEM)
        return status;
    if (any_dead(waiter))
        return NOODLE_PEER_DEAD;
    return deadline_ns != 0 && noodle_now() >= deadline_ns ? NOODLE_TIMEOUT : NOODLE_SLICE;
}

noodle_status
noodle_channel_wait(noodle_channel *channel, uint64_t deadline_ns, uint64_t slice_ns,
                    uint64_t spin_ns)
{
    if (spin_ns != 0 && noodle_wait_spin(channel, noodle_now() + spin_ns) == NOODLE_READY)
        return NOODLE_READY;
    return noodle_wait_block(channel, deadline_ns, slice_ns);
}
