/* The worker's end of the channel: attaching, finding the next call, waiting for it. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "ends.h"
#include "memory_file.h"
#include "spinning.h"

/* -------------------------------------------------------------------------------- Attaching */

static noodle_status
check_control(const noodle_control_block *control, uint64_t bytes)
{
    const uint32_t ring = control->ring_bytes;
    if (control->magic != NOODLE_CONTROL_MAGIC || control->abi != NOODLE_CHANNEL_ABI)
        return NOODLE_PROTOCOL;
    if (ring < NOODLE_RING_LEAST || ring > NOODLE_RING_MOST || (ring & (ring - 1)) != 0
        || control->channel_count < 1 || control->channel_count > NOODLE_CHANNELS
        || control->total_bytes != bytes
        || noodle_control_bytes(control->channel_count, ring) != bytes)
        return NOODLE_PROTOCOL;
    return NOODLE_OK;
}

static noodle_status
map_control(noodle_worker *worker, int control_fd)
{
    uint64_t bytes;
    void *address;
    noodle_status status = noodle_memory_check(control_fd, &bytes);
    if (status == NOODLE_OK && bytes < NOODLE_PAGE)
        status = NOODLE_PROTOCOL;
    if (status == NOODLE_OK)
        status = noodle_memory_map(control_fd, bytes, true, &address);
    if (status != NOODLE_OK)
        return status;
    worker->control = address;
    worker->control_bytes = bytes;
    return check_control(worker->control, bytes);
}

noodle_status
noodle_worker_attach(noodle_worker *worker, int control_fd, int event_fd, int lifeline_fd)
{
    noodle_status status;
    *worker = (noodle_worker){
        .event = {.wait_fd = event_fd, .wake_fd = -1},
        .lifeline_fd = lifeline_fd,
        .generation = noodle_process_generation(),
        .pace.spin_ns = NOODLE_SPIN_DEFAULT_NS,
    };
    status = map_control(worker, control_fd);
    noodle_close(&control_fd);
    if (status == NOODLE_OK) {
        worker->channel_count = worker->control->channel_count;
        worker->ring_bytes = worker->control->ring_bytes;
        worker->channels = calloc(worker->channel_count, sizeof *worker->channels);
        status = worker->channels == NULL ? NOODLE_SYSTEM : NOODLE_OK;
    }
    if (status != NOODLE_OK) {
        noodle_worker_detach(worker);
        return status;
    }
    for (uint32_t i = 0; i < worker->channel_count; i++)
        noodle_channel_attach(&worker->channels[i], worker->control, worker->ring_bytes, i, false);
    return NOODLE_OK;
}

static void
close_channel(noodle_channel *channel)
{
    noodle_event_close(&channel->own_event);
    noodle_event_close(&channel->peer_event);
    noodle_channel_detach(channel);
}

void
noodle_worker_detach(noodle_worker *worker)
{
    for (uint32_t i = 0; i < worker->channel_count && worker->channels != NULL; i++)
        close_channel(&worker->channels[i]);
    free(worker->channels);
    noodle_event_close(&worker->event);
    noodle_close(&worker->lifeline_fd);
    if (worker->control != NULL)
        munmap(worker->control, worker->control_bytes);
    *worker = (noodle_worker){.event = {-1, -1}, .lifeline_fd = -1};
}

noodle_status
noodle_worker_set_event(noodle_worker *worker, uint32_t index, int wake_fd)
{
    if (index >= worker->channel_count)
        return NOODLE_INVALID;
    noodle_event_close(&worker->channels[index].peer_event);
    worker->channels[index].peer_event.wake_fd = wake_fd;
    return NOODLE_OK;
}

/* ---------------------------------------------------------------------------------- Looking */

static uint64_t
ready_bits(const noodle_worker *worker)
{
    return atomic_load_explicit(&worker->control->ready, memory_order_acquire)
           & (UINT64_MAX >> (NOODLE_CHANNELS - worker->channel_count));
}

/* Clears the bit of an empty channel, then looks once more: the host may have found the bit set. */
static bool
retire_bit(noodle_worker *worker, noodle_channel *channel)
{
    atomic_fetch_and_explicit(&worker->control->ready, ~channel->ready_bit, memory_order_seq_cst);
    noodle_fence();
    if (!noodle_channel_ready(channel))
        return false;
    atomic_fetch_or_explicit(&worker->control->ready, channel->ready_bit, memory_order_seq_cst);
    return true;
}

noodle_channel *
noodle_worker_next(noodle_worker *worker)
{
    const uint64_t bits = ready_bits(worker);
    const uint64_t after = worker->last == 63 ? 0 : bits & (UINT64_MAX << (worker->last + 1));
    /* First the channels after the last one, then from the beginning, so that none starves. */
    for (int half = 0; half < 2; half++)
        for (uint64_t left = half == 0 ? after : bits & ~after; left != 0; left &= left - 1) {
            const uint32_t index = (uint32_t)__builtin_ctzll(left);
            noodle_channel *const channel = &worker->channels[index];
            /* The bit of the channel in use stays: while calls follow one another neither side
             * writes to the bitmap. */
            if (noodle_channel_ready(channel)
                || (index != worker->last && retire_bit(worker, channel))) {
                worker->last = index;
                return channel;
            }
        }
    return NULL;
}

static bool
any_ready(const noodle_worker *worker)
{
    for (uint64_t left = ready_bits(worker); left != 0; left &= left - 1)
        if (noodle_channel_ready(&worker->channels[__builtin_ctzll(left)]))
            return true;
    return false;
}

/* --------------------------------------------------------------------------------- Spinning */

static bool
is_ready(const void *worker)
{
    return any_ready(worker);
}

noodle_status
noodle_worker_spin(noodle_worker *worker)
{
    /* Whoever called last is the one who will call next. */
    const noodle_spinner spinner = {
        &worker->control->worker, worker->channels[worker->last].peer, &worker->pace, is_ready, worker,
    };
    bool found = false;
    if (any_ready(worker))
        return NOODLE_READY;
    noodle_show_processor(spinner.own);
    if (!noodle_is_hot(&spinner, worker->pace.spin_ns) || !noodle_may_spin(&spinner))
        return NOODLE_NOT_YET;
    if (noodle_is_apart(&spinner))
        found = noodle_spin_blindly(&spinner)
                || noodle_spin_by_the_clock(&spinner, noodle_now(), worker->pace.spin_ns);
    noodle_spin_end();
    if (!found)
        return NOODLE_NOT_YET;
    noodle_note_found(&worker->pace);
    return NOODLE_READY;
}

/* ---------------------------------------------------------------------------------- Parking */

noodle_status
noodle_worker_park(noodle_worker *worker)
{
    noodle_show_state(&worker->control->worker, NOODLE_PARKED);
    noodle_fence();
    if (!any_ready(worker))
        return NOODLE_OK;
    noodle_show_state(&worker->control->worker, NOODLE_RUNNING);
    return NOODLE_READY;
}

void
noodle_worker_unpark(noodle_worker *worker)
{
    noodle_show_state(&worker->control->worker, NOODLE_RUNNING);
    noodle_event_drain(&worker->event);
}

noodle_status
noodle_sleep_on(const noodle_event *event, int lifeline_fd, uint64_t until_ns)
{
    struct pollfd polled[2] = {
        {.fd = event->wait_fd, .events = POLLIN},
        {.fd = lifeline_fd, .events = POLLIN},
    };
    const int count = noodle_poll_until(polled, 2, until_ns);
    if (count < 0)
        return errno == EINTR ? NOODLE_SLICE : NOODLE_SYSTEM;
    if (polled[1].revents != 0)
        return NOODLE_PEER_DEAD;
    if (polled[0].revents != 0)
        noodle_event_drain(event);
    return count == 0 ? NOODLE_SLICE : NOODLE_NOT_YET;
}

static bool
any_space_wanted(const noodle_worker *worker)
{
    for (uint32_t i = 0; i < worker->channel_count; i++)
        if (worker->channels[i].out.missing != 0)
            return true;
    return false;
}

noodle_status
noodle_end_of_wait(noodle_status status, uint64_t deadline_ns)
{
    if (status == NOODLE_SLICE && deadline_ns != 0 && noodle_now() >= deadline_ns)
        return NOODLE_TIMEOUT;
    return status == NOODLE_NOT_YET ? NOODLE_SLICE : status;
}

noodle_status
noodle_worker_block(noodle_worker *worker, uint64_t deadline_ns, uint64_t slice_ns)
{
    const uint64_t begin = noodle_now();
    const uint64_t until = noodle_earlier(deadline_ns, slice_ns == 0 ? 0 : begin + slice_ns);
    noodle_status status = NOODLE_NOT_YET;
    if (worker->generation != noodle_process_generation())
        return NOODLE_FORKED;
    noodle_processors_check(begin);
    for (int i = 0; status == NOODLE_NOT_YET && i < NOODLE_EMPTY_WAKES; i++) {
        uint64_t soon = until;
        if (noodle_worker_park(worker) != NOODLE_OK)
            break;
        if (any_space_wanted(worker))
            soon = noodle_earlier(until, noodle_now() + NOODLE_SPACE_SLICE_NS);
        status = noodle_sleep_on(&worker->event, worker->lifeline_fd, soon);
        noodle_show_state(&worker->control->worker, NOODLE_RUNNING);
        if (status == NOODLE_SLICE && soon != until)
            status = NOODLE_NOT_YET;
    }
    return any_ready(worker) ? NOODLE_READY : noodle_end_of_wait(status, deadline_ns);
}

noodle_status
noodle_worker_wait(noodle_worker *worker, uint64_t deadline_ns, uint64_t slice_ns)
{
    const noodle_status status = noodle_worker_spin(worker);
    return status == NOODLE_READY ? status : noodle_worker_block(worker, deadline_ns, slice_ns);
}

/* --------------------------------------------------------------------------------- Watching */

typedef struct watch {
    _Atomic uint64_t *beat;
    int lifeline_fd;
    int beat_ms;
} watch;

/* With everything that the worker has started; a group of someone else's is left alone. */
static void
kill_group(void)
{
    kill(getpgrp() == getpid() ? 0 : getpid(), SIGKILL);
}

_Noreturn void
noodle_worker_exit(const noodle_worker *worker)
{
    struct pollfd polled = {.fd = worker->lifeline_fd, .events = POLLIN};
    if (poll(&polled, 1, 0) > 0 && !(polled.revents & POLLNVAL))
        kill_group();
    _exit(70);
}

static void *
watch_host(void *argument)
{
    const watch given = *(watch *)argument;
    struct pollfd polled = {.fd = given.lifeline_fd, .events = POLLIN};
    free(argument);
    for (;;) {
        const int count = poll(&polled, 1, given.beat_ms);
        if (count > 0)
            break;
        atomic_fetch_add_explicit(given.beat, 1, memory_order_relaxed);
    }
    if (polled.revents & POLLNVAL)
        dprintf(STDERR_FILENO, "noodle: the worker ends: its descriptors were closed by a library\n");
    kill_group();
    return NULL;
}

noodle_status
noodle_worker_watch(noodle_worker *worker, int beat_ms)
{
    pthread_t thread;
    sigset_t all, kept;
    int failure;
    watch *const given = malloc(sizeof *given);
    if (given == NULL)
        return NOODLE_SYSTEM;
    *given = (watch){&worker->control->beat, worker->lifeline_fd, beat_ms};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    failure = pthread_create(&thread, NULL, watch_host, given);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (failure != 0) {
        free(given);
        errno = failure;
        return NOODLE_SYSTEM;
    }
    pthread_detach(thread);
    /* The launcher has set SIGKILL, which would come before the watch could end what the worker has
     * started.  This one lets a worker that was stopped see the end of its host. */
    prctl(PR_SET_PDEATHSIG, SIGCONT);
    return NOODLE_OK;
}
