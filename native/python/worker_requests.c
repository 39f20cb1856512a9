/* Requests to the host: callbacks, and whatever Python does with the host's objects.
 *
 * A request belongs to the call whose code makes it, and travels on that call's lane.  The thread that
 * serves the lane waits by serving it; any other waits for a lock, and whoever takes the answer, or a
 * call of the same chain, releases that. */
#define _GNU_SOURCE
#include "worker.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 256
/* How long a blocked request sleeps at most before it looks around. */
#define SLICE_NS UINT64_C(50000000)

/* A request without an answer. */
typedef struct request {
    struct request *next;
    uint64_t id;
    const worker_call *call;    /* that it belongs to, which outlives it; NULL: none */
    worker_lane *lane;
    uint64_t chain;
    uint64_t deadline_ns;
    worker_thread *thread;      /* blocked in it; NULL: a future waits, or nobody any more */
    PyThread_type_lock lock;    /* of a thread that does not serve the lane */
    PyObject *future;           /* owned */
    worker_errands inbox;       /* calls of the chain, for the thread with the lock */
    bool answered;
    noodle_record record;       /* the answer */
    const unsigned char *bytes; /* of the answer: `small` or `copy` */
    unsigned char *copy;
    size_t length;
    unsigned char small[WORKER_SMALL_BYTES];
} request;

static request *open_requests[BUCKETS];

static request **
find(uint64_t id)
{
    request **at = &open_requests[id % BUCKETS];
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
static void
open_request(request *opened)
{
    const worker_call *const call = worker_current_call();
    opened->call = call;
    opened->lane = call != NULL ? call->lane : &worker.lanes[0];
    opened->chain = call != NULL ? call->chain : new_chain();
    opened->deadline_ns = call != NULL ? call->deadline_ns : 0;
    opened->id = ++worker.request_count;
    opened->next = NULL;
    *find(opened->id) = opened;
    worker.counts.requests++;
}

static void
close_request(request *closed)
{
    request **const at = find(closed->id);
    if (*at == closed)
        *at = closed->next;
    free(closed->copy);
}

static int
send_request(const request *opened, uint64_t operation, uint64_t id, PyObject *named,
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

static int
check_possible(const request *opened)
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

static void
wake(request *open)
{
    if (open->lock == NULL)
        return;
    PyThread_acquire_lock(open->lock, NOWAIT_LOCK);
    PyThread_release_lock(open->lock);
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
        PyObject *type, *traceback;
        PyErr_Fetch(&type, &value, &traceback);
        PyErr_NormalizeException(&type, &value, &traceback);
        Py_XDECREF(type);
        Py_XDECREF(traceback);
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
    request *const open = *find(record->call_id);
    if (open == NULL)
        return;
    if (open->thread != NULL) {
        keep_answer(open, record, bytes, length);
        wake(open);
        return;
    }
    /* An answer that comes too late is read all the same: so the references in it are released. */
    *find(open->id) = open->next;
    settle(open, record, bytes, length);
    Py_XDECREF(open->future);
    free(open->copy);
    free(open);
}

/* ----------------------------------------------------------------------------------- Waiting */

/* The innermost request of a chain that a thread is blocked in; NULL: there is none. */
static request *
find_blocked(uint64_t chain)
{
    request *innermost = NULL;
    for (unsigned i = 0; i < BUCKETS; i++)
        for (request *at = open_requests[i]; at != NULL; at = at->next)
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
    wake(blocked);
    return true;
}

bool
worker_wake_requests(const worker_call *call)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (request *at = open_requests[i]; at != NULL; at = at->next)
            if (at->thread == call->thread && at->call == call && !at->answered) {
                wake(at);
                return true;
            }
    return false;
}

bool
worker_requests_hold_errands(uint64_t count)
{
    for (unsigned i = 0; i < BUCKETS; i++)
        for (const request *at = open_requests[i]; at != NULL; at = at->next)
            if (at->inbox.first != NULL && at->inbox.first->number <= count)
                return true;
    return false;
}

/* The answer goes to nobody; it is still read when it comes. */
static void
retire(request *opened)
{
    noodle_record record = {
        .kind = NOODLE_KIND_CANCEL,
        .call_id = opened->id,
        .chain_id = opened->chain,
    };
    request **const at = find(opened->id);
    request *const kept = malloc(sizeof *kept);
    worker_send(&worker.lanes[0], &record, "", 0);   /* whose thread of the host is not busy with it */
    if (kept == NULL) {
        *at = opened->next;
        return;
    }
    *kept = (request){.next = opened->next, .id = opened->id};
    *at = kept;
}

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

static int
wait_for_answer(request *wanted)
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

static PyObject *
ask_and_wait(request *opened, uint64_t operation, uint64_t id, PyObject *named,
             PyObject *const *arguments, Py_ssize_t count)
{
    PyObject *value;
    if (check_possible(opened) < 0
        || send_request(opened, operation, id, named, arguments, count) < 0) {
        close_request(opened);
        return NULL;
    }
    if (wait_for_answer(opened) < 0) {
        if (!opened->answered) {
            retire(opened);
        } else {
            worker_reading_end();
            close_request(opened);
        }
        return NULL;
    }
    value = read_answer(opened->bytes, opened->length);
    worker_reading_end();
    const bool failed = opened->record.kind == NOODLE_KIND_ERROR;
    close_request(opened);
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
    open_request(&opened);
    value = ask_and_wait(&opened, operation, id, named, arguments, count);
    if (thread == &guest)
        worker_thread_end(&guest);
    return value;
}

/* ---------------------------------------------------------------------------- From Python code */

/* Takes (id, operation, argument...) apart, behind the first `skip` items. */
static bool
take_arguments(PyObject *arguments, Py_ssize_t skip, unsigned long long *id,
               unsigned long long *operation, PyObject ***values, Py_ssize_t *count)
{
    const Py_ssize_t size = PyTuple_Size(arguments);
    if (size < skip + 2) {
        PyErr_SetString(PyExc_TypeError, "a request has an id and an operation");
        return false;
    }
    *id = PyLong_AsUnsignedLongLong(PyTuple_GetItem(arguments, skip));
    if (PyErr_Occurred())
        return false;
    *operation = PyLong_AsUnsignedLongLong(PyTuple_GetItem(arguments, skip + 1));
    if (PyErr_Occurred())
        return false;
    *count = size - skip - 2;
    *values = malloc((size_t)(*count + 1) * sizeof **values);
    if (*values == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < *count; i++)
        (*values)[i] = PyTuple_GetItem(arguments, skip + 2 + i);
    return true;
}

/* request(id, operation, *arguments) */
PyObject *
worker_request_now(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    unsigned long long id, operation;
    PyObject **values, *result;
    Py_ssize_t count;
    if (!take_arguments(arguments, 0, &id, &operation, &values, &count))
        return NULL;
    result = worker_request(operation, id, NULL, values, count);
    free(values);
    return result;
}

/* request_later(future, id, operation, *arguments) -> number: the future gets the answer */
PyObject *
worker_request_later(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    unsigned long long id, operation;
    PyObject **values;
    Py_ssize_t count;
    if (!take_arguments(arguments, 1, &id, &operation, &values, &count))
        return NULL;
    request *const opened = calloc(1, sizeof *opened);
    uint64_t number = 0;
    int result = -1;
    if (opened == NULL) {
        PyErr_NoMemory();
    } else {
        open_request(opened);
        number = opened->id;
        opened->call = NULL;
        opened->future = PyTuple_GetItem(arguments, 0);
        Py_INCREF(opened->future);
        if (check_possible(opened) == 0)
            result = send_request(opened, operation, id, NULL, values, count);
        if (result < 0) {
            close_request(opened);
            Py_DECREF(opened->future);
            free(opened);
        }
    }
    free(values);
    return result < 0 ? NULL : PyLong_FromUnsignedLongLong(number);
}

/* abandon(number) */
PyObject *
worker_abandon(PyObject *Py_UNUSED(module), PyObject *argument)
{
    const uint64_t number = PyLong_AsUnsignedLongLong(argument);
    if (PyErr_Occurred())
        return NULL;
    if (!worker_is_forked() && *find(number) != NULL) {
        noodle_record record = {.kind = NOODLE_KIND_CANCEL, .call_id = number};
        worker_send(&worker.lanes[0], &record, "", 0);
    }
    Py_RETURN_NONE;
}
