/* Records of the host, sorted: to the calls, the requests, the objects and the segments that they are
 * about; and calls that another thread runs than the one that took them. */
#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Chosen: threads for calls whose lane is busy.  More calls than that wait for one another. */
#define HELPERS_MOST 32
#define HELPER_IDLE_SECONDS 5

/* ------------------------------------------------------------------------------------ Notices */

bool
worker_read_natural(wire_reader *reader, uint64_t *number)
{
    wire_token token;
    if (wire_read(reader, &token) != WIRE_OK)
        return false;
    *number = token.natural;
    return token.kind == WIRE_UINT || (token.kind == WIRE_INT && token.integer >= 0);
}

static COLD void
take_control(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list;
    uint64_t subject, number;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count < 1
        || wire_descend(&reader) != WIRE_OK || !worker_read_natural(&reader, &subject))
        return;
    if (subject == NOODLE_SUBJECT_STOP) {
        worker.stopping = true;
        worker_nudge();
    }
    if (subject == NOODLE_SUBJECT_DROPPED)
        for (uint32_t i = 1; i < list.count && worker_read_natural(&reader, &number); i++)
            worker_drop_segment(number);
}

static COLD void
take_releases(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list, pair;
    uint64_t id, sent;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST
        || wire_descend(&reader) != WIRE_OK)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        if (wire_read(&reader, &pair) != WIRE_OK || pair.kind != WIRE_LIST || pair.count != 2
            || wire_descend(&reader) != WIRE_OK || !worker_read_natural(&reader, &id)
            || !worker_read_natural(&reader, &sent))
            return;
        wire_ascend(&reader);
        worker_object_release(id, (uint32_t)sent);
    }
}

/* ------------------------------------------------------------------------------------ Errands */

static worker_errands waiting;
static sem_t queued_posts;   /* zero at first, as static memory is: a semaphore of this process */
static unsigned queued, helpers, idle_helpers;

bool
worker_errands_add(worker_errands *errands, worker_lane *lane, const noodle_record *record,
                   const unsigned char *payload)
{
    worker_errand *const errand = malloc(sizeof *errand + record->length);
    if (errand == NULL)
        return false;
    errand->next = NULL;
    errand->lane = lane;
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

COLD void
worker_cancel_errand(uint64_t id)
{
    for (worker_errand *at = waiting.first; at != NULL; at = at->next)
        if (at->record.call_id == id)
            at->record.deadline_ns = 1;
}

void
worker_run_errand(worker_thread *thread, worker_errand *errand)
{
    worker_handle(thread, errand->lane, &errand->record, errand->payload, true);
    free(errand);
}

static void
start_helper(void)
{
    PyObject *started;
    helpers++;
    started = PyObject_CallFunctionObjArgs(worker.functions[WORKER_START_HELPER], NULL);
    if (started != NULL) {
        Py_DECREF(started);
        return;
    }
    if (--helpers == 0)
        worker_condemn("a thread for a call could not be started");
    worker_complain("the start of a helper");
}

COLD void
worker_give_to_helper(worker_lane *lane, const noodle_record *record, const unsigned char *payload)
{
    if (!worker_errands_add(&waiting, lane, record, payload))
        worker_condemn("there is no memory for a call");
    worker.counts.errands++;
    queued++;
    sem_post(&queued_posts);
    if (queued > idle_helpers && helpers < HELPERS_MOST)
        start_helper();
}

/* Waits for an errand; NULL: there was none for long.  Each one has its post. */
static worker_errand *
next_errand(void)
{
    struct timespec until;
    if (sem_trywait(&queued_posts) != 0) {
        idle_helpers++;
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += HELPER_IDLE_SECONDS;
        int result;
        Py_BEGIN_ALLOW_THREADS
        do
            result = sem_timedwait(&queued_posts, &until);
        while (result != 0 && errno == EINTR);
        Py_END_ALLOW_THREADS
        idle_helpers--;
        if (result != 0 && sem_trywait(&queued_posts) != 0)
            return NULL;
    }
    queued--;
    return worker_errands_take(&waiting);
}

/* help() */
PyObject *
worker_help(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    worker_thread thread;
    worker_errand *errand;
    worker_thread_begin(&thread, NULL);
    while ((errand = next_errand()) != NULL)
        worker_run_errand(&thread, errand);
    worker_thread_end(&thread);
    helpers--;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------- Sorting */

/* Finds the bytes of a record: behind its header, or in a segment that the host lent for it. */
static bool
locate(const noodle_record *record, const unsigned char **bytes, size_t *length, uint64_t *segment)
{
    noodle_span span;
    const worker_segment *found;
    *segment = 0;
    *length = record->length;
    if (LIKELY(!(record->flags & NOODLE_IN_SEGMENT)))
        return true;
    if (record->length != sizeof span)
        return false;
    memcpy(&span, *bytes, sizeof span);
    found = worker_find_segment(span.segment);
    if (found == NULL || span.offset > found->bytes || span.length > found->bytes - span.offset)
        return false;
    *segment = span.segment;
    *bytes = found->address + span.offset;
    *length = span.length;
    return true;
}

/* A call that this thread does not run, because it is busy or the keeper. */
static COLD bool
give_away(worker_thread *thread, worker_lane *lane, const noodle_record *record,
          const unsigned char *bytes, bool here)
{
    bool own = false;
    if (here && (thread == NULL || thread->innermost == NULL))
        return false;
    if (worker_give_to_chain(thread, lane, record, bytes, &own))
        return !own;
    worker_give_to_helper(lane, record, bytes);
    return true;
}

void
worker_handle(worker_thread *thread, worker_lane *lane, const noodle_record *record,
              const unsigned char *bytes, bool here)
{
    uint64_t segment;
    size_t length;
    if (record->kind == NOODLE_KIND_CALL && UNLIKELY(!here || thread->innermost != NULL)
        && give_away(thread, lane, record, bytes, here))
        return;
    if (UNLIKELY(!locate(record, &bytes, &length, &segment)))
        worker_condemn("a payload lies in a segment that was not sent");
    switch (record->kind) {
    case NOODLE_KIND_CALL:
        worker_serve(thread, lane, record, bytes, length);
        break;
    case NOODLE_KIND_REPLY:
    case NOODLE_KIND_ERROR:
        worker_take_reply(record, bytes, length);
        break;
    case NOODLE_KIND_CANCEL:
        worker_cancel(record->call_id);
        break;
    case NOODLE_KIND_RELEASE:
        take_releases(bytes, length);
        break;
    case NOODLE_KIND_CONTROL:
        take_control(bytes, length);
        break;
    default:
        worker_condemn("a record has an unknown kind");
    }
    if (UNLIKELY(segment != 0))
        worker_return_loans(segment, 1);
}
