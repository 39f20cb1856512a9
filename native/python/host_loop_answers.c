/* Answers that an event loop takes, and callbacks that it serves meanwhile. */
#include "host_calls_internal.h"
#include "host_loops_internal.h"

/* Chosen: so many answers before the loop runs what waits for them. */
#define LOOP_BATCH 1024

/* ------------------------------------------------------------------------------------- Futures */

PyObject *
host_future_pop(host_lane *lane, uint64_t id)
{
    PyObject *key = PyLong_FromUnsignedLongLong(id);
    PyObject *future = key != NULL ? PyDict_GetItemWithError(lane->futures, key) : NULL;
    Py_XINCREF(future);
    if (future != NULL)
        PyDict_DelItem(lane->futures, key);
    Py_XDECREF(key);
    return future;
}

static bool
is_done(PyObject *future)
{
    PyObject *done = PyObject_CallMethodNoArgs(future, host_name_done);
    const bool result = done == Py_True;
    Py_XDECREF(done);
    return result;
}

/* Settles a future with a value, or with the exception that is set. */
void
host_future_settle(PyObject *future, PyObject *value)
{
    PyObject *error = value == NULL ? take_exception() : NULL;
    PyObject *settled = NULL;
    if (is_done(future))
        settled = Py_NewRef(Py_None);
    else if (value != NULL)
        settled = PyObject_CallMethodOneArg(future, host_name_set_result, value);
    else
        settled = PyObject_CallMethodOneArg(future, host_name_set_exception, error);
    if (settled == NULL)
        PyErr_WriteUnraisable(future);
    Py_XDECREF(settled);
    Py_XDECREF(error);
}

/* A worker that lets a callback's exception through gives it back: its call is to raise that itself. */
COLD void
host_future_note_failure(host_lane *lane, uint64_t chain, PyObject *exception)
{
    Py_ssize_t position = 0;
    PyObject *key, *future;
    while (PyDict_Next(lane->futures, &position, &key, &future)) {
        PyObject *led = PyObject_GetAttr(future, host_name_chain);
        const bool its_own = PyLong_AsUnsignedLongLong(key) == chain
                             || (led != NULL && PyLong_AsUnsignedLongLong(led) == chain);
        Py_XDECREF(led);
        PyErr_Clear();
        if (its_own) {
            if (PyObject_SetAttr(future, host_name_failure, exception) < 0)
                PyErr_Clear();
            return;
        }
    }
}

/* Raises what a call was answered with, which is stolen, or the failure of a callback if that is it. */
static COLD void
raise_answer(Link *link, PyObject *future, PyObject *error)
{
    PyObject *failure = PyObject_GetAttr(future, host_name_failure);
    if (failure == NULL)
        PyErr_Clear();
    host_raise_answer(link, error, failure == Py_None ? NULL : failure);
    Py_XDECREF(failure);
}

int
host_future_answered(host_lane *lane, const noodle_record *record, const unsigned char *payload)
{
    Link *const link = lane->link;
    PyObject *future = host_future_pop(lane, record->call_id);
    if (future == NULL)
        return PyErr_Occurred() ? -1 : 0;
    link->in_flight--;
    PyObject *value = host_read(link, record->flags, payload, record->length);
    if (value == NULL) {
        host_unreadable(link, Py_None);
    } else if (record->kind == NOODLE_KIND_ERROR) {
        raise_answer(link, future, value);
        value = NULL;
    }
    host_future_settle(future, value);
    Py_XDECREF(value);
    Py_DECREF(future);
    return 1;
}

/* ----------------------------------------------------------------------------------- Callbacks */

/* After a callback, in which the channel may have been closed, or its last user have gone. */
static void
let_channel_go(LoopChannel *channel)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (channel->closing && channel->lane != NULL && channel->lane->open == 0)
        host_lane_drop(channel->lane);
    Py_DECREF(channel);
    PyErr_Restore(type, value, traceback);
}

/* Awaits what a callback gave, in a task of the loop that carries its chain. */
static PyObject *
answer_later(host_lane *lane, const noodle_record *record, PyObject *awaitable,
             const host_chain_scope *scope)
{
    return PyObject_CallMethod((PyObject *)lane->loop_channel, "answer_later", "OKKOO", awaitable,
                               (unsigned long long)record->call_id,
                               (unsigned long long)record->chain_id, scope->chain,
                               record->flags & NOODLE_BLOCKING ? Py_True : Py_False);
}

int
host_loop_serve(host_thread *thread, host_lane *lane, const noodle_record *record,
                const unsigned char *payload)
{
    Link *const link = lane->link;
    const uint64_t chain = thread->chain, deadline_ns = thread->deadline_ns;
    PyObject *request, *result = NULL;
    host_serving serving;
    host_chain_scope scope;
    const bool took_calls = host_prefer_lane(lane);
    LoopChannel *const channel = (LoopChannel *)Py_XNewRef((PyObject *)lane->loop_channel);
    bool later = false;
    int status = 0;
    lane->open++;
    host_serving_begin(&serving, link, record);
    thread->chain = record->chain_id;
    if (record->deadline_ns != 0)
        thread->deadline_ns = record->deadline_ns;
    thread->depth++;
    if (thread->depth > HOST_DEPTH_MAX) {
        host_raise(POLICY_TOO_DEEP, "OOI", link, Py_None, thread->depth);
    } else if (host_chain_enter(&scope, record->chain_id, false) == 0) {
        request = host_read(link, record->flags, payload, record->length);
        result = request != NULL ? host_perform(link, request) : NULL;
        Py_XDECREF(request);
        later = result != NULL && lane->loop_channel != NULL && host_is_awaitable(result);
        if (later)
            Py_SETREF(result, answer_later(lane, record, result, &scope));
        host_chain_leave(&scope, !later || result == NULL);
    }
    if (thread->parked)
        host_loop_unpark(thread);
    if (!later || result == NULL)
        status = host_answer(thread, lane, record, result);
    Py_XDECREF(result);
    lane->open--;
    lane->takes_calls = took_calls;
    thread->depth--;
    thread->chain = chain;
    thread->deadline_ns = deadline_ns;
    host_serving_end(&serving, link);
    if (channel != NULL)
        let_channel_go(channel);
    return status;
}

PyObject *
host_loop_answer(PyObject *object, PyObject *args)
{
    LoopChannel *const self = (LoopChannel *)object;
    unsigned long long call_id, chain_id;
    PyObject *result, *error;
    if (!PyArg_ParseTuple(args, "KKOO:answer", &call_id, &chain_id, &result, &error))
        return NULL;
    if (self->lane == NULL)
        Py_RETURN_NONE;
    const noodle_record request = {.call_id = call_id, .chain_id = chain_id};
    host_thread *const thread = self->lane->owner;
    if (error != Py_None)
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    if (thread->parked)
        host_loop_unpark(thread);
    thread->depth++;
    const int status = host_answer(thread, self->lane, &request, error != Py_None ? NULL : result);
    thread->depth--;
    if (thread->loop_lanes > 0)
        host_loop_park(thread);
    if (status < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------ Draining */

/* Takes what has come on any lane of the thread: taking the waiter back has drained the events of all. */
static void
drain_lanes(host_thread *thread)
{
    noodle_channel *core;
    for (int i = 0; i < LOOP_BATCH && (core = noodle_waiter_next(thread->waiter)) != NULL; i++) {
        host_lane *const lane = host_lane_of(thread, core);
        const int taken = lane == NULL ? 0 : host_take(thread, lane, NULL);
        if (taken < 0)
            PyErr_WriteUnraisable(Py_None);
        if (taken == 0)
            return;
    }
}

static void
flush_lanes(host_thread *thread)
{
    for (host_lane *lane = thread->lanes; lane != NULL; lane = lane->next_of_thread)
        if (lane->loop_channel != NULL) {
            host_loop_flush(lane->loop_channel);
            if (!host_loop_has_unsent(lane->loop_channel))
                host_lane_tell(lane);
        }
}

PyObject *
host_loop_drain(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    LoopChannel *const self = (LoopChannel *)object;
    host_thread *const thread =
        self->lane == NULL || link_is_forked(self->lane->link) ? NULL : self->lane->owner;
    if (thread == NULL)
        Py_RETURN_NONE;
    Py_INCREF(self);
    if (thread->parked)
        host_loop_unpark(thread);
    thread->depth++;
    drain_lanes(thread);
    flush_lanes(thread);
    thread->depth--;
    /* At any depth: a callback may run a loop of its own, and that is who drains. */
    if (thread->loop_lanes > 0)
        host_loop_park(thread);
    Py_DECREF(self);
    Py_RETURN_NONE;
}

/* The worker has ended: so do the calls. */
PyObject *
host_loop_fail(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    LoopChannel *const self = (LoopChannel *)object;
    if (self->lane == NULL)
        Py_RETURN_NONE;
    PyObject *futures = PyDict_Values(self->lane->futures);
    Link *const link = (Link *)Py_NewRef((PyObject *)self->lane->link);
    PyDict_Clear(self->lane->futures);
    for (Py_ssize_t i = 0; futures != NULL && i < PyList_GET_SIZE(futures); i++) {
        PyObject *const future = PyList_GET_ITEM(futures, i);
        PyObject *name = PyObject_GetAttr(future, host_name_function);
        if (name != NULL)
            host_raise(POLICY_CRASHED, "OO", link, name);
        host_future_settle(future, NULL);
        Py_XDECREF(name);
    }
    Py_DECREF(link);
    Py_XDECREF(futures);
    return futures == NULL ? NULL : Py_NewRef(Py_None);
}
