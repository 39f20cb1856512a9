/* Errands: calls that another thread runs than the one that took them, and the helpers that do.
 *
 * The calls of a lane start in the order in which they came, so one thread at a time starts them: the
 * lane's runner.  It is the lane's own thread, until that is blocked, or one call has run for a tick;
 * then the turn passes to a helper, and from one that is as slow to the next.  A thread that is not the
 * runner any more ends its call and no more; the lane's own asks for its turn. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Chosen: more calls than that, which all take long, wait for one another. */
#define HELPERS_MOST 32
#define HELPER_IDLE_SECONDS 5
#define ASK_US 500000

/* Lanes that wait for a helper; each has its post. */
static worker_lane *assigned[HELPERS_MOST];
static unsigned first, waiting;
static sem_t posts;             /* zero at first, as static memory is: a semaphore of this process */
static unsigned busy;           /* helpers that have a lane, or are to get one */
static unsigned threads, idle;

/* -------------------------------------------------------------------------------------- Queues */

bool
worker_errands_add(worker_errands *errands, worker_lane *lane, const noodle_record *record,
                   const unsigned char *payload)
{
    worker_errand *const errand = malloc(sizeof *errand + record->length);
    if (errand == NULL)
        return false;
    errand->next = NULL;
    errand->lane = lane;
    errand->number = ++worker.counts.errands;
    errand->record = *record;
    memcpy(errand->payload, payload, record->length);
    if (errands->first == NULL)
        errands->end = &errands->first;
    *errands->end = errand;
    errands->end = &errand->next;
    return true;
}

worker_errand *
worker_errands_take(worker_errands *errands)
{
    worker_errand *const errand = errands->first;
    if (errand != NULL)
        errands->first = errand->next;
    return errand;
}

bool
worker_errands_before(uint64_t count)
{
    for (uint32_t i = 0; i < worker.core.channel_count; i++)
        if (worker.lanes[i].errands.first != NULL && worker.lanes[i].errands.first->number <= count)
            return true;
    return worker_requests_hold_errands(count);
}

COLD void
worker_cancel_errand(uint64_t id)
{
    for (uint32_t i = 0; i < worker.core.channel_count; i++)
        for (worker_errand *at = worker.lanes[i].errands.first; at != NULL; at = at->next)
            if (at->record.call_id == id)
                at->record.deadline_ns = 1;
}

/* ------------------------------------------------------------------------------------- Running */

void
worker_run_errand(worker_thread *thread, worker_errand *errand)
{
    worker_handle(thread, errand->lane, &errand->record, errand->payload, true);
    free(errand);
}

bool
worker_run_errand_of(worker_thread *thread, worker_lane *lane)
{
    worker_errand *const errand = worker_errands_take(&lane->errands);
    if (errand == NULL)
        return false;
    atomic_fetch_sub_explicit(&lane->waiting, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&lane->turn, 2, memory_order_relaxed);
    worker_run_errand(thread, errand);
    return true;
}

/* ------------------------------------------------------------------------------------- Helpers */

static void
start_thread(void)
{
    PyObject *started;
    threads++;
    started = PyObject_CallFunctionObjArgs(worker.functions[WORKER_START_HELPER], NULL);
    if (started != NULL) {
        Py_DECREF(started);
        return;
    }
    if (--threads == 0)
        worker_condemn("a thread for a call could not be started");
    worker_complain("the start of a helper");
}

/* Returns false when there are helpers enough. */
static bool
assign_helper(worker_lane *lane)
{
    if (busy == HELPERS_MOST)
        return false;
    busy++;
    lane->runner = WORKER_ON_ITS_WAY;
    assigned[(first + waiting++) % HELPERS_MOST] = lane;
    sem_post(&posts);
    if (waiting > idle)
        start_thread();
    return true;
}

static void
give_back(worker_lane *lane)
{
    lane->runner = lane->thread;
    PyThread_release_lock(lane->asking);
}

void
worker_pass_on(worker_lane *lane)
{
    if (lane->runner == WORKER_ON_ITS_WAY)
        return;
    if (lane->asking != NULL && lane->runner == lane->thread)
        return;   /* it has its turn and is about to see it */
    if (lane->asking != NULL)
        give_back(lane);
    else
        assign_helper(lane);
}

COLD void
worker_give_errand(worker_lane *lane, const noodle_record *record, const unsigned char *payload,
                   bool at_once)
{
    if (!worker_errands_add(&lane->errands, lane, record, payload))
        worker_condemn("there is no memory for a call");
    atomic_fetch_add_explicit(&lane->waiting, 1, memory_order_relaxed);
    if (at_once && (lane->runner == NULL || lane->runner == lane->thread))
        assign_helper(lane);
}

COLD void
worker_ask_for_turn(worker_thread *thread, worker_lane *lane)
{
    if (lane->runner == NULL || lane->runner == WORKER_ON_ITS_WAY) {
        lane->runner = thread;
        return;
    }
    lane->asking = PyThread_allocate_lock();
    if (lane->asking == NULL)
        worker_condemn("there is no memory for a lock");
    PyThread_acquire_lock(lane->asking, WAIT_LOCK);
    worker_lane_leave(lane);
    while (lane->runner != thread) {
        Py_BEGIN_ALLOW_THREADS
        PyThread_acquire_lock_timed(lane->asking, ASK_US, 1);
        Py_END_ALLOW_THREADS
        if (thread->is_main && PyErr_CheckSignals() < 0)
            worker_complain("a signal handler, outside of any call");
    }
    worker_lane_return(lane);
    PyThread_free_lock(lane->asking);
    lane->asking = NULL;
}

/* Waits for a lane; NULL: there was none for long. */
static worker_lane *
next_lane(void)
{
    struct timespec until;
    int result;
    if (sem_trywait(&posts) != 0) {
        idle++;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += HELPER_IDLE_SECONDS;
        Py_BEGIN_ALLOW_THREADS
        do
            result = sem_timedwait(&posts, &until);
        while (result != 0 && errno == EINTR);
        Py_END_ALLOW_THREADS
        idle--;
        if (result != 0 && sem_trywait(&posts) != 0)
            return NULL;
    }
    worker_lane *const lane = assigned[first++ % HELPERS_MOST];
    waiting--;
    return lane;
}

/* Starts the calls of a lane for as long as it is this thread's turn. */
static void
run_errands(worker_thread *thread, worker_lane *lane)
{
    if (lane->runner != WORKER_ON_ITS_WAY)
        return;   /* the lane's own thread was quicker */
    lane->runner = thread;
    while (lane->runner == thread && lane->asking == NULL && worker_run_errand_of(thread, lane))
        continue;
    if (lane->runner != thread)
        return;
    if (lane->asking != NULL)
        give_back(lane);
    else
        lane->runner = NULL;
}

/* help() */
PyObject *
worker_help(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    worker_thread thread;
    worker_lane *lane;
    worker_thread_begin(&thread, NULL);
    while ((lane = next_lane()) != NULL) {
        run_errands(&thread, lane);
        busy--;
    }
    worker_thread_end(&thread);
    threads--;
    Py_RETURN_NONE;
}
