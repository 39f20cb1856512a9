/* Serving: what a worker asks of the host, on the thread that waits for its chain. */
#include "host.h"

#include <stdlib.h>

/* Chosen: releases that wait for an answer to be read; more than a worker has of the host. */
#define NOTICES_MOST 1000000

/* ------------------------------------------------------------------------------------ Answers */

static int
send_value(host_thread *thread, host_lane *lane, const noodle_record *request, uint16_t kind,
           PyObject *value)
{
    host_message message;
    noodle_record record = {
        .kind = kind, .call_id = request->call_id, .chain_id = request->chain_id};
    int result;
    host_message_init(&message, lane->link);
    result = host_message_write(&message, value);
    if (result == 0)
        result = host_message_send(thread, lane, &message, &record, NULL);
    host_message_end(&message, result == 0);
    return result;
}

/* A worker that lets an exception through gives it back as it is: see returned() in policies.py. */
static void
note_failure(host_thread *thread, host_lane *lane, uint64_t chain, PyObject *exception)
{
    for (host_call *call = thread->calls; call != NULL; call = call->outer)
        if (call->chain == chain) {
            Py_XSETREF(call->failure, Py_NewRef(exception));
            return;
        }
    if (lane->futures != NULL)
        host_future_note_failure(lane, chain, exception);
}

/* Answers with the exception that is set.  Returns -1, with it set again, where it is for the host
 * itself: an interrupt, or the end of the worker. */
static int
send_failure(host_thread *thread, host_lane *lane, const noodle_record *request)
{
    PyObject *exception = take_exception();
    note_failure(thread, lane, request->chain_id, exception);
    const bool for_host = !PyErr_GivenExceptionMatches(exception, PyExc_Exception);
    int result = send_value(thread, lane, request, NOODLE_KIND_ERROR, exception);
    if (result < 0 && !link_is_dead(lane->link)) {
        /* Its text could not be written: any answer is better than none. */
        PyErr_Clear();
        PyObject *plain = PyObject_CallFunction(PyExc_RuntimeError, "s", Py_TYPE(exception)->tp_name);
        result = plain == NULL ? -1
                               : send_value(thread, lane, request, NOODLE_KIND_ERROR, plain);
        Py_XDECREF(plain);
    }
    if (result == 0 && for_host) {
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
        result = -1;
    }
    Py_DECREF(exception);
    return result;
}

int
host_answer(host_thread *thread, host_lane *lane, const noodle_record *request, PyObject *result)
{
    if (link_is_forked(lane->link))
        return host_raise(POLICY_FORKED, "OO", lane->link, Py_None);
    if (result != NULL && send_value(thread, lane, request, NOODLE_KIND_REPLY, result) == 0)
        return 0;
    if (link_is_dead(lane->link) && PyErr_Occurred() == NULL)
        return 0;
    return send_failure(thread, lane, request);
}

/* ----------------------------------------------------------------------------------- Requests */

/* Lends a fresh segment to the worker that asks. */
static PyObject *
perform_segment(Link *link, PyObject *request)
{
    noodle_lease lease;
    const unsigned long long bytes =
        PyList_GET_SIZE(request) == 3 ? PyLong_AsUnsignedLongLong(PyList_GET_ITEM(request, 2)) : 0;
    if (PyErr_Occurred())
        return NULL;
    if (host_loan_check(link, bytes) < 0)
        return NULL;
    if (bytes == 0
        || noodle_arena_allocate(host_arena, bytes, link->worker, 0, &lease) != NOODLE_OK) {
        PyErr_Format(PyExc_MemoryError, "no segment of %llu bytes", bytes);
        return NULL;
    }
    const int lent = host_lend(link, NULL, lease, false);
    const uint64_t number = noodle_lease_segment(lease);
    noodle_lease_release(lease);
    if (lent != 0)
        return lent > 0 ? PyErr_NoMemory() : NULL;
    return PyLong_FromUnsignedLongLong(number);
}

static PyObject *
perform_other(Link *link, long operation, PyObject *object, PyObject *request)
{
    PyObject *args = PyList_GetSlice(request, 2, PyList_GET_SIZE(request));
    PyObject *result = NULL;
    if (args != NULL)
        result = PyObject_CallFunction(host_policy[POLICY_PERFORM], "OlON", (PyObject *)link,
                                       operation, object, args);
    return result;
}

bool
host_is_awaitable(PyObject *result)
{
    return Py_TYPE(result)->tp_as_async != NULL && Py_TYPE(result)->tp_as_async->am_await != NULL
           && !PyObject_TypeCheck(result, host_reference_type);
}

/* Awaits a result, which is stolen, on this thread. */
static PyObject *
settle(Link *link, const noodle_record *record, PyObject *result)
{
    return PyObject_CallFunction(host_policy[POLICY_SETTLE], "OKN", (PyObject *)link,
                                 (unsigned long long)record->call_id, result);
}

PyObject *
host_perform(Link *link, PyObject *request)
{
    if (!PyList_Check(request) || PyList_GET_SIZE(request) < 2) {
        PyErr_SetString(PyExc_ValueError, "a request is a list [operation, id, argument...]");
        return NULL;
    }
    const long operation = PyLong_AsLong(PyList_GET_ITEM(request, 0));
    const uint64_t id = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(PyList_GET_ITEM(request, 1));
    if (PyErr_Occurred())
        return NULL;
    if (operation == NOODLE_OP_SEGMENT)
        return perform_segment(link, request);
    PyObject *object = host_export_object(link, id);
    if (object == NULL) {
        PyErr_Format(PyExc_ReferenceError, "the host has no object %llu for this worker",
                     (unsigned long long)id);
        return NULL;
    }
    Py_INCREF(object);
    PyObject *result = operation == NOODLE_OP_CALL ? host_call_back(link, object, request)
                                                   : perform_other(link, operation, object, request);
    Py_DECREF(object);
    return result;
}

/* What is awaited elsewhere keeps nobody here: `*later` says so, and the result is nothing to answer with. */
static PyObject *
settled_later(host_lane *lane, const noodle_record *record, PyObject *request, PyObject *awaitable,
              const host_chain_scope *scope, bool *later)
{
    *later = host_answer_later(lane, record, request, awaitable, scope->chain) == 0;
    Py_DECREF(awaitable);
    return *later ? Py_NewRef(Py_None) : NULL;
}

static PyObject *
perform_record(host_lane *lane, const noodle_record *record, const unsigned char *payload,
               const host_chain_scope *scope, bool *later)
{
    Link *const link = lane->link;
    PyObject *request = host_read(link, record->flags, payload, record->length);
    PyObject *result = request != NULL ? host_perform(link, request) : NULL;
    if (result != NULL && host_is_awaitable(result))
        result = lane->owner->serves == link
                     ? settled_later(lane, record, request, result, scope, later)
                     : settle(link, record, result);
    if (UNLIKELY(result == NULL) && request != NULL)
        host_note_unexpected(link, request, record->chain_id);
    Py_XDECREF(request);
    return result;
}

bool
host_prefer_lane(host_lane *lane)
{
    const bool before = lane->takes_calls;
    host_lane **at = &lane->owner->lanes;
    while (*at != lane)
        at = &(*at)->next_of_thread;
    *at = lane->next_of_thread;
    lane->next_of_thread = lane->owner->lanes;
    lane->owner->lanes = lane;
    lane->takes_calls = true;
    return before;
}

void
host_serving_begin(host_serving *serving, Link *link, const noodle_record *record)
{
    *serving = (host_serving){.next = link->serving,
                              .chain = record->chain_id,
                              .since_ns = noodle_now(),
                              .blocks = (record->flags & NOODLE_BLOCKING) != 0};
    link->serving = serving;
    link->callbacks++;
}

void
host_serving_end(host_serving *serving, Link *link)
{
    for (host_serving **at = &link->serving; *at != NULL; at = &(*at)->next)
        if (*at == serving) {
            *at = serving->next;
            break;
        }
}

static int
serve_callback(host_thread *thread, host_lane *lane, const noodle_record *record,
               const unsigned char *payload)
{
    Link *const link = lane->link;
    const uint64_t chain = thread->chain, deadline_ns = thread->deadline_ns;
    host_serving serving;
    host_chain_scope scope;
    const bool took_calls = host_prefer_lane(lane);
    PyObject *result = NULL;
    bool later = false;
    int status = 0;
    host_serving_begin(&serving, link, record);
    thread->chain = record->chain_id;
    if (record->deadline_ns != 0)
        thread->deadline_ns = record->deadline_ns;
    thread->depth++;
    lane->open++;
    if (thread->depth > HOST_DEPTH_MAX) {
        host_raise(POLICY_TOO_DEEP, "OOI", link, Py_None, thread->depth);
    } else if (host_chain_enter(&scope, record->chain_id, thread->serves != link) == 0) {
        result = perform_record(lane, record, payload, &scope, &later);
        host_chain_leave(&scope, !later);
    }
    /* The callback may have run an event loop of its own: the waiter is this wait's again. */
    if (UNLIKELY(thread->parked))
        host_loop_unpark(thread);
    if (!later)
        status = host_answer(thread, lane, record, result);
    Py_XDECREF(result);
    lane->open--;
    lane->takes_calls = took_calls;
    thread->depth--;
    thread->chain = chain;
    thread->deadline_ns = deadline_ns;
    host_serving_end(&serving, link);
    return status;
}

/* ------------------------------------------------------------------------- Releases, subjects */

static int
read_pair(PyObject *pair, uint64_t *first, uint64_t *second)
{
    if (!PyList_Check(pair) || PyList_GET_SIZE(pair) != 2) {
        PyErr_SetString(PyExc_ValueError, "a pair of numbers was expected");
        return -1;
    }
    *first = PyLong_AsUnsignedLongLong(PyList_GET_ITEM(pair, 0));
    *second = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(PyList_GET_ITEM(pair, 1));
    return PyErr_Occurred() ? -1 : 0;
}

static int
apply(Link *link, const host_notice *notice)
{
    if (!notice->is_loan)
        return host_export_release(link, notice->number, (uint32_t)notice->count);
    host_loan_return(link, notice->number, notice->count);
    return 0;
}

/* May run finalizers: keeps the exception that is set. */
void
host_apply_notices(Link *link)
{
    PyObject *type, *value, *traceback;
    host_notice *const notices = link->notices;
    const size_t count = link->notice_count;
    bool sound = true;
    link->notices = NULL;
    link->notice_count = link->notice_capacity = 0;
    PyErr_Fetch(&type, &value, &traceback);
    for (size_t i = 0; i < count && sound; i++)
        sound = apply(link, &notices[i]) == 0;
    free(notices);
    if (!sound) {
        PyErr_Clear();
        host_link_condemn(link, "it released what it did not have");
    }
    PyErr_Restore(type, value, traceback);
}

static int
keep_notice(Link *link, const host_notice *notice)
{
    if (link->notice_count == NOTICES_MOST) {
        PyErr_SetString(PyExc_ValueError, "it releases more than it can have");
        return -1;
    }
    if (link->notice_count == link->notice_capacity) {
        const size_t capacity = 2 * link->notice_capacity + 64;
        host_notice *const grown = realloc(link->notices, capacity * sizeof *grown);
        if (grown == NULL) {
            PyErr_NoMemory();
            return -1;
        }
        link->notices = grown;
        link->notice_capacity = capacity;
    }
    link->notices[link->notice_count++] = *notice;
    return 0;
}

/* In order: also behind those that were kept. */
static int
let_go(Link *link, PyObject *pair, bool is_loan)
{
    host_notice notice = {.is_loan = is_loan};
    if (read_pair(pair, &notice.number, &notice.count) < 0)
        return -1;
    return link->undecoded == 0 && link->notice_count == 0 ? apply(link, &notice)
                                                           : keep_notice(link, &notice);
}

static int
serve_release(Link *link, PyObject *pairs)
{
    for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs); i++)
        if (let_go(link, PyList_GET_ITEM(pairs, i), false) < 0)
            return -1;
    return 0;
}

static int
serve_pending(host_lane *lane, PyObject *details)
{
    for (Py_ssize_t i = 1; i < PyList_GET_SIZE(details); i++) {
        const uint64_t id = PyLong_AsUnsignedLongLong(PyList_GET_ITEM(details, i));
        if (PyErr_Occurred() || host_call_is_pending(lane, id) < 0)
            return -1;
    }
    return 0;
}

static int
serve_control(host_lane *lane, PyObject *details)
{
    Link *const link = lane->link;
    const long subject =
        PyList_GET_SIZE(details) > 0 ? PyLong_AsLong(PyList_GET_ITEM(details, 0)) : -1;
    if (subject == NOODLE_SUBJECT_RETURNED) {
        for (Py_ssize_t i = 1; i < PyList_GET_SIZE(details); i++)
            if (let_go(link, PyList_GET_ITEM(details, i), true) < 0)
                return -1;
        return 0;
    }
    if (subject == NOODLE_SUBJECT_PENDING)
        return serve_pending(lane, details);
    if (subject == NOODLE_SUBJECT_UNCAUGHT && PyList_GET_SIZE(details) == 2) {
        PyObject *done = PyObject_CallFunction(host_policy[POLICY_UNCAUGHT], "OO", (PyObject *)link,
                                               PyList_GET_ITEM(details, 1));
        if (done == NULL)
            PyErr_WriteUnraisable((PyObject *)link);
        Py_XDECREF(done);
        return 0;
    }
    PyErr_SetString(PyExc_ValueError, "a control record is about nothing known");
    return -1;
}

/* A record without an answer, whose payload is a list. */
static int
serve_notice(host_lane *lane, const noodle_record *record, const unsigned char *payload)
{
    Link *const link = lane->link;
    PyObject *content = host_read(link, record->flags, payload, record->length);
    int result = -1;
    if (content != NULL && PyList_Check(content))
        result = record->kind == NOODLE_KIND_RELEASE ? serve_release(link, content)
                                                     : serve_control(lane, content);
    Py_XDECREF(content);
    return result;
}

/* Of a callback.  A synchronous one cannot be stopped; its answer goes nowhere. */
static COLD void
cancel(Link *link, const noodle_record *record)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *done = PyObject_CallFunction(host_policy[POLICY_CANCEL], "OK", (PyObject *)link,
                                           (unsigned long long)record->call_id);
    if (done == NULL)
        PyErr_WriteUnraisable((PyObject *)link);
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback);
}

int
host_serve_record(host_thread *thread, host_lane *lane, const noodle_record *record,
                  const unsigned char *payload)
{
    PyObject *type, *value, *traceback;
    int result;
    switch (record->kind) {
    case NOODLE_KIND_CALLBACK:
        if (lane->futures != NULL)
            return host_loop_serve(thread, lane, record, payload);
        return serve_callback(thread, lane, record, payload);
    case NOODLE_KIND_CANCEL:
        cancel(lane->link, record);
        return 0;
    case NOODLE_KIND_RELEASE:
    case NOODLE_KIND_CONTROL:
        PyErr_Fetch(&type, &value, &traceback);
        result = serve_notice(lane, record, payload);
        if (result < 0) {
            PyErr_Clear();
            host_link_condemn(lane->link, "a notice of it could not be read");
            Py_XDECREF(type);
            Py_XDECREF(value);
            Py_XDECREF(traceback);
            return host_raise(POLICY_CRASHED, "OO", lane->link, Py_None);
        }
        PyErr_Restore(type, value, traceback);
        return 0;
    default:
        host_link_condemn(lane->link, "a record of it has an unknown kind");
        return host_raise(POLICY_CRASHED, "OO", lane->link, Py_None);
    }
}
