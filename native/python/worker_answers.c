/* Answers to the host's calls: at once, or when a coroutine has ended; cancellation; and which call it
 * is that the running code belongs to. */
#define _GNU_SOURCE
#include "worker.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

/* Calls that wait for a coroutine, by their ids. */
#define BUCKETS 1024

static worker_call *open_calls[BUCKETS];
static uint32_t open_count;

uint32_t
worker_open_calls(void)
{
    return open_count;
}

static worker_call **
find_open(uint64_t id)
{
    worker_call **at = &open_calls[id % BUCKETS];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

static worker_call *
find_running(uint64_t id)
{
    for (const worker_thread *thread = worker.threads; thread != NULL; thread = thread->next)
        for (worker_call *call = thread->innermost; call != NULL; call = call->next)
            if (call->id == id)
                return call;
    return NULL;
}

const worker_call *
worker_current_call(void)
{
    const worker_thread *const thread = worker_this_thread();
    PyObject *current;
    uint64_t id;
    if (thread != NULL && thread->innermost != NULL)
        return thread->innermost;
    current = PyObject_CallFunctionObjArgs(worker.functions[WORKER_CURRENT], NULL);
    id = current != NULL && current != Py_None ? PyLong_AsUnsignedLongLong(current) : 0;
    Py_XDECREF(current);
    PyErr_Clear();
    return id != 0 ? *find_open(id) : NULL;
}

/* ----------------------------------------------------------------------------------- Answers */

/* Writes an error that needs no Python code: of last resort. */
static void
write_plain_error(wire_writer *writer, const char *message)
{
    size_t start;
    wire_enter_extension(writer, WIRE_ERROR, &start);
    wire_enter_list(writer, 6);
    wire_write_text(writer, "python", 6);
    wire_write_text(writer, "RuntimeError", 12);
    wire_write_text(writer, message, strlen(message));
    wire_enter_list(writer, 0);
    wire_leave(writer);
    wire_write_nil(writer);
    wire_enter_map(writer, 0);
    wire_leave(writer);
    wire_leave(writer);
    wire_leave_extension(writer, start);
}

static void
answer_exception(const worker_call *call, PyObject *exception)
{
    worker_message message;
    worker_message_begin(&message, call->lane);
    if (exception == NULL || worker_message_write(&message, exception) < 0) {
        PyErr_Clear();
        worker_message_drop(&message);
        worker_message_begin(&message, call->lane);
        write_plain_error(&message.writer, "an error that could not be sent");
    }
    worker_message_send(&message, call, NOODLE_KIND_ERROR);
}

COLD void
worker_answer_error(const worker_call *call)
{
    PyObject *const exception = take_exception();
    answer_exception(call, exception);
    Py_XDECREF(exception);
    PyErr_Clear();
}

void
worker_answer_value(const worker_call *call, PyObject *value)
{
    worker_message message;
    worker_message_begin(&message, call->lane);
    if (LIKELY(worker_message_write(&message, value) == 0)) {
        worker_message_send(&message, call, NOODLE_KIND_REPLY);
        return;
    }
    worker_message_drop(&message);
    worker_answer_error(call);
}

COLD bool
worker_answer_later(const worker_call *call, PyObject *coroutine)
{
    worker_call **const at = find_open(call->id);
    worker_call *const kept = malloc(sizeof *kept);
    PyObject *started;
    if (kept == NULL) {
        PyErr_NoMemory();
        return false;
    }
    *kept = *call;
    kept->next = NULL;
    kept->thread = NULL;
    *at = kept;
    open_count++;
    started = PyObject_CallFunction(worker.functions[WORKER_AWAIT], "OK", coroutine,
                                    (unsigned long long)call->id);
    if (started != NULL) {
        Py_DECREF(started);
        return true;
    }
    *find_open(call->id) = kept->next;
    open_count--;
    free(kept);
    return false;
}

/* Ends the wait of a call.  NULL: it does not wait. */
static worker_call *
take_open(uint64_t id)
{
    worker_call **const at = find_open(id);
    worker_call *const call = *at;
    if (call == NULL)
        return NULL;
    *at = call->next;
    open_count--;
    return call;
}

static PyObject *
finish(PyObject *arguments, bool failed)
{
    unsigned long long id;
    PyObject *value;
    if (!PyArg_ParseTuple(arguments, "KO", &id, &value))
        return NULL;
    worker_call *const call = worker_is_forked() ? NULL : take_open(id);
    if (call != NULL && failed)
        answer_exception(call, value);
    else if (call != NULL)
        worker_answer_value(call, value);
    free(call);
    Py_RETURN_NONE;
}

/* answer(call id, value) */
PyObject *
worker_answer(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    return finish(arguments, false);
}

/* fail(call id, exception) */
PyObject *
worker_fail(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    return finish(arguments, true);
}

/* uncaught(exception) */
PyObject *
worker_uncaught(PyObject *Py_UNUSED(module), PyObject *exception)
{
    const worker_call none = {.lane = &worker.lanes[0]};
    worker_message message;
    if (worker_is_forked())
        Py_RETURN_NONE;
    worker_message_begin(&message, none.lane);
    wire_enter_list(&message.writer, 2);
    wire_write_int(&message.writer, NOODLE_SUBJECT_UNCAUGHT);
    if (worker_message_write(&message, exception) == 0) {
        wire_leave(&message.writer);
        worker_message_send(&message, &none, NOODLE_KIND_CONTROL);
    } else {
        PyErr_Clear();
        worker_message_drop(&message);
    }
    Py_RETURN_NONE;
}

/* pending(call id): a call that was cancelled waits for something, and runs no code meanwhile */
PyObject *
worker_pending(PyObject *Py_UNUSED(module), PyObject *number)
{
    const uint64_t id = PyLong_AsUnsignedLongLong(number);
    const worker_call *const call = PyErr_Occurred() || worker_is_forked() ? NULL : *find_open(id);
    worker_message message;
    if (PyErr_Occurred())
        return NULL;
    if (call == NULL)
        Py_RETURN_NONE;
    const worker_call none = {.lane = call->lane};
    worker_message_begin(&message, call->lane);
    wire_enter_list(&message.writer, 2);
    wire_write_int(&message.writer, NOODLE_SUBJECT_PENDING);
    wire_write_uint(&message.writer, id);
    wire_leave(&message.writer);
    worker_message_send(&message, &none, NOODLE_KIND_CONTROL);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------ Cancellation */

static void
interrupt(const worker_thread *thread)
{
    if (thread->is_main)
        pthread_kill(thread->handle, WORKER_SIGNAL);
    else
        PyThreadState_SetAsyncExc(thread->ident, worker.functions[WORKER_CANCELLED]);
}

static void
cancel_coroutine(uint64_t id)
{
    PyObject *const done = PyObject_CallFunction(worker.functions[WORKER_CANCEL], "K",
                                                 (unsigned long long)id);
    if (done == NULL)
        worker_complain("the cancellation of a call");
    Py_XDECREF(done);
}

COLD void
worker_cancel(uint64_t id)
{
    worker_call *const call = find_running(id);
    if (call == NULL) {
        if (*find_open(id) != NULL)
            cancel_coroutine(id);
        else
            worker_cancel_errand(id);
        return;
    }
    if (call->cancelled)
        return;
    call->cancelled = true;
    if (!call->interruptible)
        return;
    if (call != call->thread->innermost || !worker_wake_requests(call))
        interrupt(call->thread);
}

/* The handler of the signal by which the main thread is interrupted. */
PyObject *
worker_interrupted(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(arguments))
{
    const worker_thread *const thread = worker_this_thread();
    worker_call *const call = thread != NULL ? thread->innermost : NULL;
    if (call == NULL || !call->cancelled || !call->interruptible)
        Py_RETURN_NONE;
    PyErr_SetNone(worker.functions[WORKER_CANCELLED]);
    return NULL;
}
