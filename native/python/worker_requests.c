/* Requests to the host: callbacks, and whatever Python does with the host's objects.
 *
 * A request belongs to the call whose code makes it, and travels on that call's lane.  The thread that
 * serves the lane waits by serving it; any other waits for a lock, and whoever takes the answer, or a
 * call of the same chain, releases that. */
#define _GNU_SOURCE
#include "worker_requests_internal.h"

#include <stdlib.h>
#include <string.h>

request *worker_open_requests[WORKER_REQUEST_BUCKETS];

request **
worker_request_find(uint64_t id)
{
    request **at = &worker_open_requests[id % WORKER_REQUEST_BUCKETS];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

/* ----------------------------------------------------------------------------------- Sending */

/* Chains that begin here cannot be taken for the host's, nor for those of another worker. */
static uint64_t
new_chain(void)
{
    return (UINT64_C(1) << 63) | (worker.incarnation & UINT64_C(0x7fffffff)) << 32
           | (++worker.chain_count & UINT32_MAX);
}

/* Whose request it is: a call's, or nobody's, which goes to the host's serving thread. */
void
worker_request_open(request *opened)
{
    const worker_call *const call = worker_current_call();
    opened->call = call;
    opened->lane = call != NULL ? call->lane : &worker.lanes[0];
    opened->chain = call != NULL ? call->chain : new_chain();
    opened->deadline_ns = call != NULL ? call->deadline_ns : 0;
    opened->id = ++worker.request_count;
    opened->next = NULL;
    *worker_request_find(opened->id) = opened;
    worker.counts.requests++;
}

void
worker_request_close(request *closed)
{
    request **const at = worker_request_find(closed->id);
    if (*at == closed)
        *at = closed->next;
    free(closed->copy);
}

int
worker_request_send(const request *opened, uint64_t operation, uint64_t id, PyObject *named,
                    PyObject *const *arguments, Py_ssize_t count)
{
    const worker_call as = {.id = opened->id, .chain = opened->chain,
                            .deadline_ns = opened->deadline_ns};
    worker_message message;
    int result = 0;
    worker_message_begin(&message, opened->lane);
    wire_enter_list(&message.writer, (size_t)count + 2 + (named != NULL));
    wire_write_uint(&message.writer, operation);
    wire_write_uint(&message.writer, id);
    if (named != NULL)
        result = worker_message_write(&message, named);
    for (Py_ssize_t i = 0; result == 0 && i < count; i++)
        result = worker_message_write(&message, arguments[i]);
    wire_leave(&message.writer);
    if (result == 0)
        worker_message_send(&message, &as, NOODLE_KIND_CALLBACK);
    else
        worker_message_drop(&message);
    return result;
}

int
worker_request_check(const request *opened)
{
    if (worker_is_forked())
        PyErr_SetString(PyExc_RuntimeError,
                        "this process was forked from a worker and cannot reach the host");
    else if (opened->deadline_ns != 0 && noodle_now() >= opened->deadline_ns)
        PyErr_SetString(worker.functions[WORKER_OVERDUE], "the deadline of the call has passed");
    else if (opened->call != NULL && opened->call->cancelled)
        PyErr_SetNone(worker.functions[WORKER_CANCELLED]);
    return PyErr_Occurred() ? -1 : 0;
}

/* ----------------------------------------------------------------------------------- Answers */

/* Reads an answer; NULL with an exception. */
static PyObject *
read_answer(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    PyObject *value;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    value = wire_decode_object(&reader, &worker_read_hooks);
    if (value != NULL && wire_finish(&reader) != WIRE_OK) {
        Py_DECREF(value);
        wire_raise(reader.status, "an answer of the host");
        return NULL;
    }
    return value;
}

static PyObject *
raise_error(PyObject *error)
{
    if (error != NULL && PyType_IsSubtype(Py_TYPE(error), (PyTypeObject *)PyExc_BaseException))
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    else if (error != NULL)
        PyErr_SetString(PyExc_RuntimeError, "the host failed with what is no error");
    Py_XDECREF(error);
    return NULL;
}

/* Keeps the answer for the thread that is blocked. */
static void
keep_answer(request *open, const noodle_record *record, const unsigned char *bytes, size_t length)
{
    unsigned char *kept = open->small;
    if (length > sizeof open->small && (kept = open->copy = malloc(length)) == NULL)
        worker_condemn("there is no memory for an answer of the host");
    memcpy(kept, bytes, length);
    worker_reading_begin();
    open->bytes = kept;
    open->length = length;
    open->record = *record;
    open->answered = true;
}

static COLD void
settle(request *open, const noodle_record *record, const unsigned char *bytes, size_t length)
{
    worker_reading_begin();
    PyObject *value = read_answer(bytes, length);
    worker_reading_end();
    bool failed = record->kind != NOODLE_KIND_REPLY;
    PyObject *done = NULL;
    if (value == NULL) {
        value = take_exception();
        failed = true;
    }
    if (open->future != NULL && value != NULL)
        done = PyObject_CallFunctionObjArgs(worker.functions[WORKER_SETTLE], open->future, value,
                                            failed ? Py_True : Py_False, NULL);
    if (done == NULL && open->future != NULL)
        worker_complain("an answer of the host");
    Py_XDECREF(done);
    Py_XDECREF(value);
}

void
worker_take_reply(const noodle_record *record, const unsigned char *bytes, size_t length)
{
    request *const open = *worker_request_find(record->call_id);
    if (open == NULL)
        return;
    if (open->thread != NULL) {
        keep_answer(open, record, bytes, length);
        worker_request_wake(open);
        return;
    }
    /* An answer that comes too late is read all the same: so the references in it are released. */
    *worker_request_find(open->id) = open->next;
    settle(open, record, bytes, length);
    Py_XDECREF(open->future);
    free(open->copy);
    free(open);
}

/* ---------------------------------------------------------------------------------- Requests */

/* The answer goes to nobody; it is still read when it comes. */
static void
retire(request *opened)
{
    noodle_record record = {
        .kind = NOODLE_KIND_CANCEL,
        .call_id = opened->id,
        .chain_id = opened->chain,
    };
    request **const at = worker_request_find(opened->id);
    request *const kept = malloc(sizeof *kept);
    worker_send(&worker.lanes[0], &record, "", 0);   /* whose thread of the host is not busy with it */
    if (kept == NULL) {
        *at = opened->next;
        return;
    }
    *kept = (request){.next = opened->next, .id = opened->id};
    *at = kept;
}

static PyObject *
ask_and_wait(request *opened, uint64_t operation, uint64_t id, PyObject *named,
             PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *value;
    if (worker_request_check(opened) < 0
        || worker_request_send(opened, operation, id, named, arguments, count) < 0) {
        worker_request_close(opened);
        return NULL;
    }
    if (worker_request_wait(opened) < 0) {
        if (!opened->answered) {
            retire(opened);
        } else {
            worker_reading_end();
            worker_request_close(opened);
        }
        return NULL;
    }
    value = read_answer(opened->bytes, opened->length);
    worker_reading_end();
    const bool failed = opened->record.kind == NOODLE_KIND_ERROR;
    worker_request_close(opened);
    return failed ? raise_error(value) : value;
}

PyObject *
worker_request(uint64_t operation, uint64_t id, PyObject *named, PyObject *const *arguments,
               Py_ssize_t count)
{
    request opened;
    worker_thread guest;
    PyObject *value;
    worker_thread *thread = worker_this_thread();
    if (thread == NULL)
        worker_thread_begin(thread = &guest, NULL);
    opened.thread = thread;
    opened.lock = NULL;
    opened.future = NULL;
    opened.inbox = (worker_errands){NULL, NULL};
    opened.answered = false;
    opened.copy = NULL;
    worker_request_open(&opened);
    value = ask_and_wait(&opened, operation, id, named, arguments, count);
    if (thread == &guest)
        worker_thread_end(&guest);
    return value;
}
