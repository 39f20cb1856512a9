/* Waits for the host's answers, and the calls of their chains that come meanwhile. */
#define _GNU_SOURCE
#include "worker_requests_internal.h"

#include <stdlib.h>

/* How long a blocked request sleeps at most before it looks around. */
#define SLICE_NS UINT64_C(50000000)

/* ------------------------------------------------------------------------------------ Chains */

void
worker_request_wake(request *open)
{
    if (open->lock == NULL)
        return;
    PyThread_acquire_lock(open->lock, NOWAIT_LOCK);
    PyThread_release_lock(open->lock);
}

/* The innermost request of a chain that a thread is blocked in; NULL: there is none. */
static request *
find_blocked(uint64_t chain)
{
    request *innermost = NULL;
    for (unsigned i = 0; i < WORKER_REQUEST_BUCKETS; i++)
        for (request *at = worker_open_requests[i]; at != NULL; at = at->next)
            if (at->thread != NULL && at->chain == chain && !at->answered
                && (innermost == NULL || innermost->id < at->id))
                innermost = at;
    return innermost;
}

bool
worker_give_to_chain(worker_thread *thread, worker_lane *lane, const noodle_record *record,
                     const unsigned char *payload, bool *own)
{
    request *const blocked = find_blocked(record->chain_id);
    *own = blocked != NULL && blocked->thread == thread;
    if (blocked == NULL || *own)
        return *own;
    if (blocked->lock == NULL)   /* that thread takes its records itself */
        return false;
    if (!worker_errands_add(&blocked->inbox, lane, record, payload))
        worker_condemn("there is no memory for a call");
    worker_request_wake(blocked);
    return true;
}

bool
worker_wake_requests(const worker_call *call)
{
    for (unsigned i = 0; i < WORKER_REQUEST_BUCKETS; i++)
        for (request *at = worker_open_requests[i]; at != NULL; at = at->next)
            if (at->thread == call->thread && at->call == call && !at->answered) {
                worker_request_wake(at);
                return true;
            }
    return false;
}

bool
worker_requests_hold_errands(uint64_t count)
{
    for (unsigned i = 0; i < WORKER_REQUEST_BUCKETS; i++)
        for (const request *at = worker_open_requests[i]; at != NULL; at = at->next)
            if (at->inbox.first != NULL && at->inbox.first->number <= count)
                return true;
    return false;
}

/* ----------------------------------------------------------------------------------- Waiting */

static int
check_on(const request *wanted, noodle_status status)
{
    if (wanted->answered)
        return 0;
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (wanted->call != NULL && wanted->call->cancelled && wanted->call->thread == wanted->thread) {
        PyErr_SetNone(worker.functions[WORKER_CANCELLED]);
        return -1;
    }
    if (status == NOODLE_TIMEOUT
        || (wanted->deadline_ns != 0 && noodle_now() >= wanted->deadline_ns)) {
        PyErr_SetString(worker.functions[WORKER_OVERDUE],
                        "the deadline of the call passed while the host was asked for something");
        return -1;
    }
    return 0;
}

/* The wait of a lane's own thread: serves the lane. */
static int
wait_on_lane(request *wanted, worker_lane *lane)
{
    int result = 0;
    worker_lane_return(lane);
    while (!wanted->answered && result == 0) {
        noodle_status status = NOODLE_READY;
        if (worker_take(wanted->thread, lane))
            continue;
        if (wanted->call == NULL || !wanted->call->cancelled)
            status = worker_wait(lane, wanted->deadline_ns, SLICE_NS);
        if (status != NOODLE_READY || (wanted->call != NULL && wanted->call->cancelled))
            result = check_on(wanted, status);
    }
    worker_lane_leave(lane);
    return result;
}

/* The wait of any other thread: runs the calls that it is given. */
static int
wait_for_lock(request *wanted)
{
    int result = 0;
    while (!wanted->answered && result == 0) {
        worker_errand *const errand = worker_errands_take(&wanted->inbox);
        if (errand != NULL) {
            worker_run_errand(wanted->thread, errand);
            continue;
        }
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock_timed(wanted->lock, SLICE_NS / 1000, 1);
        Py_END_ALLOW_THREADS
        result = check_on(wanted, NOODLE_SLICE);
    }
    /* What is left belongs to the chain of a request that is over. */
    for (worker_errand *errand; (errand = worker_errands_take(&wanted->inbox)) != NULL; free(errand))
        worker_give_errand(errand->lane, &errand->record, errand->payload, true);
    return result;
}

int
worker_request_wait(request *wanted)
{
    const uint64_t begin_ns = noodle_now();
    int result;
    if (wanted->thread->lane == wanted->lane) {
        result = wait_on_lane(wanted, wanted->lane);
    } else {
        wanted->lock = PyThread_allocate_lock();
        if (wanted->lock == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        PyThread_acquire_lock(wanted->lock, WAIT_LOCK);
        result = wait_for_lock(wanted);
        PyThread_acquire_lock(wanted->lock, NOWAIT_LOCK);
        PyThread_release_lock(wanted->lock);
        PyThread_free_lock(wanted->lock);
        wanted->lock = NULL;
    }
    worker.counts.blocked_ns += noodle_now() - begin_ns;
    return result;
}
