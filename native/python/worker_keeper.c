/* The keeper: the thread for what belongs to no call.
 *
 * It takes the records of channel 0, receives descriptors, opens lanes, sends what had no space, and
 * stands in for lanes whose threads are busy for long.  It runs no code of libraries itself. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Chosen: how long a call runs until the keeper takes the records behind it. */
#define TICK_NS UINT64_C(20000000)
/* While nothing happens; each one shows that the interpreter's threads get their turn. */
#define IDLE_TICK_NS UINT64_C(100000000)
/* While calls wait behind one that takes long. */
#define QUEUE_TICK_NS UINT64_C(5000000)
/* While something has no space. */
#define SPACE_NS UINT64_C(1000000)

#define FIXED 4   /* the descriptors that are polled always */

/* What is seen without the GIL. */
typedef struct sight {
    uint64_t away;   /* a bit for each lane whose thread has been away since the last tick, or whose
                      * errands have waited as long */
    bool moved;      /* some lane's thread has done something since */
    bool queued;     /* errands wait */
} sight;

static int nudge_fd = -1;
static _Atomic bool is_nudged;
static sight seen;

void
worker_nudge(void)
{
    const uint64_t one = 1;
    if (nudge_fd >= 0 && !atomic_exchange(&is_nudged, true)
        && write(nudge_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        worker_condemn("its descriptors were closed by a library");
}

/* ------------------------------------------------------------------------------------ Opening */

bool worker_main_takes(worker_lane *lane);

/* Versions come first in READY, so that they can be compared whatever follows. */
static void
greet(void)
{
    const worker_call none = {.lane = &worker.lanes[0]};
    const char *const version = Py_GetVersion();
    const size_t length = strcspn(version, " ");
    worker_message message;
    worker_message_begin(&message, none.lane);
    wire_enter_list(&message.writer, 7);
    wire_write_int(&message.writer, NOODLE_SUBJECT_READY);
    wire_write_int(&message.writer, NOODLE_PROTOCOL_VERSION);
    wire_write_int(&message.writer, WIRE_VERSION);
    wire_write_int(&message.writer, NOODLE_CHANNEL_ABI);
    wire_write_text(&message.writer, "python", 6);
    wire_write_text(&message.writer, version, length);
    wire_write_uint(&message.writer, worker.incarnation);
    wire_leave(&message.writer);
    worker_message_send(&message, &none, NOODLE_KIND_CONTROL);
    worker.greeted = true;
}

/* A lane whose events have come gets a thread: the first one the main thread. */
void
worker_lane_opened(worker_lane *lane)
{
    PyObject *started;
    if (lane->is_open)
        return;
    lane->is_open = true;
    if (worker_main_takes(lane))
        return;
    started = PyObject_CallFunction(worker.functions[WORKER_START_LANE], "I",
                                    (unsigned)lane->core->index);
    if (started == NULL)
        worker_condemn("a thread for a caller could not be started");
    Py_DECREF(started);
}

/* ------------------------------------------------------------------------------- Standing in */

static sight
look_around(void)
{
    sight seen = {0};
    for (uint32_t i = 0; i < worker.core.channel_count; i++) {
        worker_lane *const lane = &worker.lanes[i];
        const uint64_t turn = atomic_load_explicit(&lane->turn, memory_order_relaxed);
        const bool queued = atomic_load_explicit(&lane->waiting, memory_order_relaxed) != 0;
        seen.queued |= queued;
        if (turn != lane->seen_turn)
            seen.moved = true;
        else if (turn % 2 == 1 || queued)
            seen.away |= UINT64_C(1) << i;
        lane->seen_turn = turn;
    }
    return seen;
}

/* With the GIL, which the lane's thread needs to come back. */
static void
stand_in(worker_lane *lane)
{
    lane->is_watched = true;
    noodle_dedicated_stand_in(lane->core, true);
    while (lane->is_watched && worker_take(NULL, lane))
        continue;
}

static void
look_after(worker_lane *lane, bool is_still)
{
    const uint64_t turn = atomic_load_explicit(&lane->turn, memory_order_relaxed);
    if (lane->is_watched || (is_still && lane->thread != NULL && turn % 2 == 1))
        stand_in(lane);
    if (is_still && lane->errands.first != NULL && turn == lane->seen_turn)
        worker_pass_on(lane);
}

/* ------------------------------------------------------------------------------------- Polling */

/* Polls without the GIL until there is something that needs it. */
static int
poll_all(struct pollfd *polled, nfds_t count, bool has_to_send)
{
    const bool is_watching = count > FIXED;
    int ready;
    Py_BEGIN_ALLOW_THREADS
    uint64_t wait_ns = has_to_send || seen.moved || is_watching ? TICK_NS : IDLE_TICK_NS;
    if (seen.queued)
        wait_ns = QUEUE_TICK_NS;
    if (worker.full_outboxes != 0)
        wait_ns = SPACE_NS;
    for (uint64_t until = noodle_now() + IDLE_TICK_NS;;) {
        const struct timespec wait = {.tv_nsec = (long)wait_ns};
        ready = ppoll(polled, count, &wait, NULL);
        seen = look_around();
        if (ready != 0 || seen.away != 0 || wait_ns < TICK_NS || has_to_send
            || noodle_now() >= until)
            break;
    }
    Py_END_ALLOW_THREADS
    return ready;
}

static nfds_t
list_descriptors(struct pollfd *polled)
{
    nfds_t count = FIXED;
    polled[0] = (struct pollfd){.fd = worker.core.event.wait_fd, .events = POLLIN};
    polled[1] = (struct pollfd){.fd = worker.socket, .events = POLLIN};
    polled[2] = (struct pollfd){.fd = nudge_fd, .events = POLLIN};
    polled[3] = (struct pollfd){.fd = worker.core.lifeline_fd, .events = POLLIN};
    for (uint32_t i = 1; i < worker.core.channel_count; i++)
        if (worker.lanes[i].is_watched)
            polled[count++] = (struct pollfd){.fd = worker.lanes[i].core->own_event.wait_fd,
                                              .events = POLLIN};
    return count;
}

static void
look_at(const struct pollfd *polled, nfds_t count)
{
    uint64_t content;
    for (nfds_t i = 0; i < count; i++)
        if (polled[i].revents & POLLNVAL)
            worker_condemn("its descriptors were closed by a library");
    if (polled[3].revents != 0)
        worker_condemn("its host has ended");
    if (polled[1].revents != 0)
        worker_drain_socket();
    if (polled[2].revents != 0 && read(nudge_fd, &content, sizeof content) > 0)
        atomic_store(&is_nudged, false);
    /* The event of a lane whose thread is back belongs to that thread. */
    for (uint32_t i = 1; i < worker.core.channel_count; i++)
        if (worker.lanes[i].is_watched)
            noodle_event_drain(&worker.lanes[i].core->own_event);
}

/* --------------------------------------------------------------------------------------- Turns */

static void
sleep_until_something(bool has_to_send)
{
    struct pollfd polled[FIXED + NOODLE_CHANNELS];
    const nfds_t count = list_descriptors(polled);
    if (noodle_worker_park(&worker.core) != NOODLE_OK)
        return;
    if (poll_all(polled, count, has_to_send) < 0 && errno != EINTR)
        worker_condemn("it cannot wait any more");
    noodle_worker_unpark(&worker.core);
    look_at(polled, count);
}

static void
take_turn(void)
{
    noodle_worker_progress(&worker.core);
    while (noodle_worker_next(&worker.core) != NULL)
        if (!worker_take(NULL, &worker.lanes[worker.core.last]))
            break;
    for (uint32_t i = 0; i < worker.core.channel_count; i++)
        look_after(&worker.lanes[i], seen.away >> i & 1);
    seen.away = 0;
    worker_flush();
}

/* keep() */
PyObject *
worker_keep(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    bool has_to_send;
    nudge_fd = worker_move_descriptor(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    for (;;) {
        if (!worker.greeted && worker.core.channels[0].peer_event.wake_fd >= 0)
            greet();
        take_turn();
        has_to_send = worker_flush_releases(NULL, false);
        sleep_until_something(worker_obey_releases() || has_to_send);
        if (worker.stopping)
            worker_main_wake();
    }
}
