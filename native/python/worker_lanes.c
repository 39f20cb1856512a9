/* Lanes: the threads that serve channels, and how they wait. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

/* Held with the GIL; as on the host. */
#define HELD_NS UINT64_C(5000)
/* The main thread runs Python's signal handlers, and a signal may come right before it sleeps. */
#define MAIN_SLICE_NS UINT64_C(500000000)
/* A call of a C function runs nothing that would let other threads of the interpreter have their turn.
 * As long as CPython's own switch interval; looked at after so many calls. */
#define TURN_NS UINT64_C(5000000)
#define CALLS_A_LOOK 64

static __thread worker_thread *this_thread;

/* ------------------------------------------------------------------------------------ Threads */

worker_thread *
worker_this_thread(void)
{
    return this_thread;
}

void
worker_thread_begin(worker_thread *thread, worker_lane *lane)
{
    *thread = (worker_thread){
        .next = worker.threads,
        .lane = lane,
        .ident = PyThread_get_thread_ident(),
        .handle = pthread_self(),
    };
    worker.threads = thread;
    this_thread = thread;
    if (lane != NULL)
        lane->thread = thread;
}

void
worker_thread_end(worker_thread *thread)
{
    for (worker_thread **at = &worker.threads; *at != NULL; at = &(*at)->next)
        if (*at == thread) {
            *at = thread->next;
            break;
        }
    if (thread->lane != NULL) {
        thread->lane->thread = NULL;
        thread->lane->runner = NULL;
    }
    this_thread = NULL;
}

/* ------------------------------------------------------------------------------------- Taking */

static COLD bool
take_large(worker_thread *thread, worker_lane *lane, noodle_record *record, bool here)
{
    unsigned char *const buffer = malloc(record->length);
    if (buffer == NULL
        || noodle_channel_take(lane->core, record, buffer, record->length) != NOODLE_OK)
        worker_condemn("a record could not be taken");
    worker_handle(thread, lane, record, buffer, here);
    free(buffer);
    return true;
}

bool
worker_take(worker_thread *thread, worker_lane *lane)
{
    const bool here = thread != NULL && thread->lane == lane;
    unsigned char small[WORKER_SMALL_BYTES];
    noodle_record record;
    const noodle_status status = noodle_channel_take(lane->core, &record, small, sizeof small);
    if (status == NOODLE_EMPTY)
        return false;
    if (UNLIKELY(status == NOODLE_TOO_SMALL))
        return take_large(thread, lane, &record, here);
    if (UNLIKELY(status != NOODLE_OK))
        worker_condemn(noodle_status_name(status));
    worker_handle(thread, lane, &record, small, here);
    return true;
}

/* ------------------------------------------------------------------------------------ Waiting */

static COLD noodle_status
wait_without_gil(worker_lane *lane, uint64_t deadline_ns, uint64_t slice_ns)
{
    noodle_status status;
    Py_BEGIN_ALLOW_THREADS
    status = noodle_dedicated_wait(&worker.core, lane->core, &lane->pace, deadline_ns, slice_ns);
    Py_END_ALLOW_THREADS
    return status;
}

/* The descriptors that a library has closed are not those of another: nothing is left to poll. */
static COLD void
check_descriptors(noodle_status status)
{
    if (status == NOODLE_PEER_DEAD)
        worker_condemn("its descriptors were closed, by a library or by the end of its host");
    if (status == NOODLE_SYSTEM)
        worker_condemn("it cannot wait any more");
}

noodle_status
worker_wait(worker_lane *lane, uint64_t deadline_ns, uint64_t slice_ns)
{
    noodle_status status = noodle_dedicated_hold(lane->core, &lane->pace, HELD_NS);
    if (UNLIKELY(status != NOODLE_READY))
        status = wait_without_gil(lane, deadline_ns, slice_ns);
    if (UNLIKELY(status == NOODLE_PEER_DEAD || status == NOODLE_SYSTEM))
        check_descriptors(status);
    return status;
}

COLD void
worker_lane_unwatch(worker_lane *lane)
{
    lane->is_watched = false;
    noodle_dedicated_stand_in(lane->core, false);
}

/* ------------------------------------------------------------------------------------ Serving */

/* Others of the interpreter's threads that want to run do so now, if their turn has come. */
static COLD void
let_others_run(uint64_t *turn_ns)
{
    const uint64_t now = noodle_now();
    if (now - *turn_ns < TURN_NS)
        return;
    Py_BEGIN_ALLOW_THREADS
    Py_END_ALLOW_THREADS
    *turn_ns = noodle_now();
}

/* Signal handlers of the program may raise; outside of calls there is nobody to tell. */
static COLD void
run_signal_handlers(void)
{
    if (PyErr_CheckSignals() < 0)
        worker_complain("a signal handler, outside of any call");
}

static bool
has_reason_to_end(const worker_thread *thread)
{
    if (!thread->is_main || !worker.stopping || worker_open_calls() != 0)
        return false;
    for (const worker_thread *at = worker.threads; at != NULL; at = at->next)
        if (at->innermost != NULL)
            return false;
    return true;
}

static void
serve(worker_thread *thread, worker_lane *lane)
{
    uint64_t turn_ns = noodle_now();
    unsigned taken = 0;
    while (!UNLIKELY(has_reason_to_end(thread))) {
        if (UNLIKELY(lane->runner != thread))
            worker_ask_for_turn(thread, lane);
        if (worker_run_errand_of(thread, lane) || worker_take(thread, lane)) {
            if (UNLIKELY(++taken % CALLS_A_LOOK == 0))
                let_others_run(&turn_ns);
            continue;
        }
        noodle_worker_progress(&worker.core);
        if (worker_wait(lane, 0, thread->is_main ? MAIN_SLICE_NS : 0) != NOODLE_READY
            && thread->is_main)
            run_signal_handlers();
    }
}

/* serve_lane(index) */
PyObject *
worker_serve_lane(PyObject *Py_UNUSED(module), PyObject *index)
{
    const unsigned long number = PyLong_AsUnsignedLong(index);
    worker_thread thread;
    if (PyErr_Occurred())
        return NULL;
    if (number >= worker.core.channel_count || !worker.lanes[number].is_open
        || worker.lanes[number].thread != NULL) {
        PyErr_SetString(PyExc_ValueError, "this lane cannot be served");
        return NULL;
    }
    worker_thread_begin(&thread, &worker.lanes[number]);
    serve(&thread, thread.lane);
    worker_thread_end(&thread);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------- Main thread */

static PyThread_type_lock main_lock;   /* released when there is something new for the main thread */
static worker_lane *main_lane;

bool
worker_main_takes(worker_lane *lane)
{
    if (main_lane != NULL)
        return false;
    main_lane = lane;
    worker_main_wake();
    return true;
}

void
worker_main_wake(void)
{
    if (main_lock != NULL) {
        PyThread_acquire_lock(main_lock, NOWAIT_LOCK);
        PyThread_release_lock(main_lock);
    }
    for (const worker_thread *at = worker.threads; at != NULL; at = at->next)
        if (at->is_main)
            pthread_kill(at->handle, WORKER_SIGNAL);
}

static worker_lane *
await_main_lane(void)
{
    while (main_lane == NULL && !worker.stopping) {
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock_timed(main_lock, MAIN_SLICE_NS / 1000, 1);
        Py_END_ALLOW_THREADS
        run_signal_handlers();
    }
    return main_lane;
}

/* serve_main() */
PyObject *
worker_serve_main(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    worker_thread thread;
    worker_lane *lane;
    main_lock = PyThread_allocate_lock();
    if (main_lock == NULL)
        return PyErr_NoMemory();
    PyThread_acquire_lock(main_lock, WAIT_LOCK);
    lane = await_main_lane();
    if (lane == NULL)
        Py_RETURN_NONE;
    worker_thread_begin(&thread, lane);
    thread.is_main = true;
    serve(&thread, lane);
    worker_thread_end(&thread);
    Py_RETURN_NONE;
}
