/* Threads and their lanes: one channel a thread and worker, taken at its first call, given back when the
 * thread ends or when others queue for it. */
#include "host.h"

#include <pthread.h>
#include <stdlib.h>

#define QUEUE_SLICE_US 50000

__thread host_thread *host_this_thread;

static pthread_key_t ended_key;
static pthread_t main_thread;
static _Atomic(host_thread *) ended;
static uint64_t last_id;

uint64_t
host_next_id(void)
{
    return ++last_id;
}

/* ------------------------------------------------------------------------------------ Threads */

/* Runs as the thread ends, without the GIL. */
static void
thread_ended(void *self)
{
    host_thread *thread = self;
    host_thread *next = atomic_load_explicit(&ended, memory_order_relaxed);
    do
        thread->next_ended = next;
    while (!atomic_compare_exchange_weak(&ended, &next, thread));
}

/* The thread that forked is the child's only one; what it held belongs to the parent. */
static void
forget_threads(void)
{
    host_this_thread = NULL;
    main_thread = pthread_self();
    atomic_store(&ended, NULL);
    pthread_setspecific(ended_key, NULL);
}

host_thread *
host_thread_new(void)
{
    host_thread *thread = calloc(1, sizeof *thread);
    if (thread == NULL || noodle_waiter_create(&thread->waiter) != NOODLE_OK
        || pthread_setspecific(ended_key, thread) != 0) {
        if (thread != NULL && thread->waiter != NULL)
            noodle_waiter_destroy(thread->waiter);
        free(thread);
        PyErr_NoMemory();
        return NULL;
    }
    thread->is_main = pthread_equal(pthread_self(), main_thread);
    host_this_thread = thread;
    return thread;
}

void
host_reap_threads(void)
{
    host_thread *thread = atomic_load_explicit(&ended, memory_order_relaxed);
    if (LIKELY(thread == NULL))
        return;
    thread = atomic_exchange(&ended, NULL);
    while (thread != NULL) {
        host_thread *const next = thread->next_ended;
        if (thread->serves != NULL)
            thread->serves->server = NULL;
        while (thread->lanes != NULL)
            host_lane_drop(thread->lanes);
        noodle_waiter_destroy(thread->waiter);
        free(thread);
        thread = next;
    }
}

void
host_thread_settle(host_thread *thread)
{
    host_lane *lane = thread->lanes;
    while (lane != NULL)
        if (lane->takes_calls && lane->open == 0
            && (lane->retired_count > 0 || lane->link->turns != NULL || link_is_dead(lane->link))) {
            host_lane_drop(lane);
            /* The end of its link may have run finalizers, which call: any lane may have gone. */
            lane = thread->lanes;
        } else {
            lane = lane->next_of_thread;
        }
}

/* -------------------------------------------------------------------------------------- Lanes */

host_lane *
host_lane_new(host_thread *thread, Link *link, noodle_channel *core)
{
    host_lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL || noodle_waiter_add(thread->waiter, core) != NOODLE_OK) {
        free(lane);
        noodle_link_close(core);
        PyErr_NoMemory();
        return NULL;
    }
    lane->core = core;
    lane->link = (Link *)Py_NewRef((PyObject *)link);
    lane->owner = thread;
    lane->takes_calls = true;
    lane->next_of_thread = thread->lanes;
    thread->lanes = lane;
    lane->next_of_link = link->lanes;
    link->lanes = lane;
    return lane;
}

static void
leave_thread(host_lane *lane)
{
    if (lane->owner == NULL)
        return;
    for (host_lane **at = &lane->owner->lanes; *at != NULL; at = &(*at)->next_of_thread)
        if (*at == lane) {
            *at = lane->next_of_thread;
            break;
        }
    noodle_waiter_remove(lane->owner->waiter, lane->core);
    lane->owner = NULL;
    lane->next_of_thread = NULL;
}

static void
leave_link(host_lane *lane)
{
    for (host_lane **at = &lane->link->lanes; *at != NULL; at = &(*at)->next_of_link)
        if (*at == lane) {
            *at = lane->next_of_link;
            return;
        }
}

static void
grant_turn(Link *link)
{
    host_turn *const turn = link->turns;
    if (turn == NULL)
        return;
    link->turns = turn->next;
    PyThread_release_lock(turn->lock);
}

/* Takes a lane from its thread and its link, which still counts it. */
static void
leave(host_lane *lane)
{
    if (lane->loop_channel != NULL)
        host_loop_forget(lane->loop_channel);
    if (lane->of_loop)
        lane->owner->loop_lanes--;
    lane->of_loop = false;
    leave_thread(lane);
    leave_link(lane);
}

static void
close_lane(host_lane *lane)
{
    Link *const link = lane->link;
    noodle_link_close(lane->core);
    free(lane->retired);
    free(lane);
    grant_turn(link);
    host_link_settle_end(link);
    Py_DECREF(link);
}

void
host_lane_give_back(host_lane *lane)
{
    leave(lane);
    close_lane(lane);
}

void
host_lane_drop(host_lane *lane)
{
    Link *const link = lane->link;
    leave(lane);
    const bool awaits_answer = lane->retired_count > 0 || (lane->unsettled > 0 && link->turns == NULL);
    if (!awaits_answer || link_is_dead(link)) {
        close_lane(lane);
        return;
    }
    lane->next_of_link = link->orphans;
    link->orphans = lane;
}

int
host_lane_retire(host_lane *lane, host_retired retired)
{
    if (lane->retired_count == lane->retired_capacity) {
        const uint32_t capacity = lane->retired_capacity == 0 ? 4 : 2 * lane->retired_capacity;
        host_retired *grown = realloc(lane->retired, capacity * sizeof *grown);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        lane->retired = grown;
        lane->retired_capacity = capacity;
    }
    lane->retired[lane->retired_count++] = retired;
    lane->untold += retired.untold;
    return 0;
}

bool
host_lane_forget(host_lane *lane, uint64_t call_id)
{
    for (uint32_t i = 0; i < lane->retired_count; i++)
        if (lane->retired[i].call_id == call_id) {
            lane->untold -= lane->retired[i].untold;
            lane->retired[i] = lane->retired[--lane->retired_count];
            return true;
        }
    return false;
}

COLD void
host_lane_tell(host_lane *lane)
{
    for (uint32_t i = 0; lane->untold > 0 && i < lane->retired_count; i++) {
        host_retired *const retired = &lane->retired[i];
        const noodle_record record = {.kind = NOODLE_KIND_CANCEL, .call_id = retired->call_id};
        if (!retired->untold)
            continue;
        if (noodle_channel_send(lane->core, &record, "") != NOODLE_OK)
            return;
        retired->untold = false;
        lane->untold--;
    }
}

/* ------------------------------------------------------------------------------------ Opening */

static host_lane *
idle_lane_of_another(const Link *link)
{
    for (host_lane *lane = link->lanes; lane != NULL; lane = lane->next_of_link)
        if (lane->owner != NULL && lane->owner->depth == 0 && lane->takes_calls
            && lane->open == 0)
            return lane;
    return NULL;
}

static void
leave_queue(Link *link, host_turn *turn)
{
    for (host_turn **at = &link->turns; *at != NULL; at = &(*at)->next)
        if (*at == turn) {
            *at = turn->next;
            return;
        }
    /* It was granted already: to the next one. */
    grant_turn(link);
}

/* One slice of a wait for a turn.  Returns 1 when it is granted, 0 when it is not yet, -1. */
static int
await_turn(host_thread *thread, Link *link, PyObject *name, host_turn *turn, uint64_t begin_ns,
           uint64_t deadline_ns)
{
    PyLockStatus got;
    Py_BEGIN_ALLOW_THREADS
    got = PyThread_acquire_lock_timed(turn->lock, QUEUE_SLICE_US, thread->is_main);
    Py_END_ALLOW_THREADS
    if (got == PY_LOCK_ACQUIRED)
        return 1;
    const uint64_t now = noodle_now();
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (link_is_dead(link))
        return host_raise(POLICY_CRASHED, "OO", link, name);
    if (deadline_ns != 0 && now >= deadline_ns)
        return host_raise(POLICY_OVERDUE, "OOd", link, name, (double)(now - begin_ns) / 1e9);
    return host_raise(POLICY_STUCK, "OOKd", link, name,
                      (unsigned long long)host_chain_here(thread),
                      (double)(now - begin_ns) / 1e9);
}

/* All channels are in use: first come, first served. */
static int
queue_for_lane(host_thread *thread, Link *link, PyObject *name)
{
    const uint64_t begin_ns = noodle_now();
    uint64_t deadline_ns;
    if (host_deadline(thread, &deadline_ns) < 0)
        return -1;
    host_turn turn = {.next = NULL, .lock = PyThread_allocate_lock()};
    host_turn **last = &link->turns;
    int result = 0;
    if (turn.lock == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    PyThread_acquire_lock(turn.lock, WAIT_LOCK);
    while (*last != NULL)
        last = &(*last)->next;
    *last = &turn;
    while (result == 0)
        result = await_turn(thread, link, name, &turn, begin_ns, deadline_ns);
    if (result < 0)
        leave_queue(link, &turn);
    else
        PyThread_release_lock(turn.lock);
    PyThread_free_lock(turn.lock);
    return result < 0 ? -1 : 0;
}

static host_lane *
existing_lane(host_thread *thread, const Link *link)
{
    for (host_lane **at = &thread->lanes; *at != NULL; at = &(*at)->next_of_thread) {
        host_lane *const lane = *at;
        if (lane->link == link && lane->takes_calls) {
            *at = lane->next_of_thread;
            lane->next_of_thread = thread->lanes;
            thread->lanes = lane;
            return lane;
        }
    }
    return NULL;
}

static COLD int
raise_unopened(Link *link, PyObject *name, noodle_status status)
{
    if (status == NOODLE_FORKED)
        return host_raise(POLICY_FORKED, "OO", link, name);
    if (status == NOODLE_PEER_DEAD)
        return host_raise(POLICY_CRASHED, "OO", link, name);
    return host_raise(POLICY_REFUSED, "OOsi", link, name, noodle_status_name(status), errno);
}

/* Opens a channel for this thread, once it is its turn. */
COLD noodle_channel *
host_channel_open(host_thread *thread, Link *link, PyObject *name)
{
    bool queued = false;
    host_reap_threads();
    for (;;) {
        noodle_channel *core;
        noodle_status status = NOODLE_LIMIT;
        if (link->core == NULL)
            status = NOODLE_PEER_DEAD;
        else if (link_is_forked(link))
            status = NOODLE_FORKED;   /* and its queue is the parent's */
        else if (queued || link->turns == NULL)
            status = noodle_link_open(link->core, link->dedicated && link->lanes != NULL, &core);
        if (status == NOODLE_OK)
            return core;
        if (status != NOODLE_LIMIT) {
            raise_unopened(link, name, status);
            return NULL;
        }
        host_lane *const idle = link->turns == NULL || queued ? idle_lane_of_another(link) : NULL;
        queued = true;
        if (idle != NULL)
            host_lane_drop(idle);
        else if (queue_for_lane(thread, link, name) < 0)
            return NULL;
    }
}

COLD host_lane *
host_lane_open(host_thread *thread, Link *link, PyObject *name)
{
    host_lane *const lane = existing_lane(thread, link);
    noodle_channel *const core = lane == NULL ? host_channel_open(thread, link, name) : NULL;
    if (core == NULL)
        return lane;
    return host_lane_new(thread, link, core);
}

/* -------------------------------------------------------------------------------------- Start */

int
host_threads_init(void)
{
    PyObject *threading = PyImport_ImportModule("threading");
    PyObject *main = threading ? PyObject_CallMethod(threading, "main_thread", NULL) : NULL;
    PyObject *ident = main ? PyObject_GetAttrString(main, "ident") : NULL;
    const unsigned long number = ident ? PyLong_AsUnsignedLong(ident) : 0;
    Py_XDECREF(ident);
    Py_XDECREF(main);
    Py_XDECREF(threading);
    if (PyErr_Occurred())
        return -1;
    main_thread = (pthread_t)number;
    if (pthread_key_create(&ended_key, thread_ended) != 0
        || pthread_atfork(NULL, NULL, forget_threads) != 0) {
        PyErr_SetString(PyExc_OSError, "no key for threads is left");
        return -1;
    }
    return 0;
}
