/* LoopChannel: calls that an event loop awaits.
 *
 * One lane for each loop and worker, beside the lanes of synchronous calls.  Replies raise the lane's
 * event, which the loop polls, and are taken in batches: one wake-up for as many as have come.
 *
 * While the loop polls, its thread's waiter is parked.  A synchronous call on that thread takes it
 * back for its time, and serves the loop's lanes meanwhile. */
#include "host.h"

#include <stdlib.h>

/* Chosen: so many answers before the loop runs what waits for them. */
#define BATCH 1024

static PyTypeObject *loop_channel_type;
static PyObject *name_set_result, *name_set_exception, *name_done, *name_call_id, *name_function;
static PyObject *name_call_soon, *name_chain, *name_is_closed, *name_channel;
static PyObject *names_of_loop;   /* ("loop",) */

/* A request for which the ring had no space. */
typedef struct unsent {
    struct unsent *next;
    noodle_record record;
    unsigned char payload[];
} unsent;

typedef struct LoopChannel {
    PyObject_HEAD
    host_lane *lane;           /* NULL: closed */
    PyObject *loop;
    PyObject *future;          /* (loop=loop) -> future */
    PyObject *drain;           /* the bound method, for call_soon */
    unsent *first, **last;
    bool closing;              /* once the callback that is being served has ended */
    PyObject *weak_references;
} LoopChannel;

/* ------------------------------------------------------------------------------------- Parking */

void
host_loop_unpark(host_thread *thread)
{
    thread->parked = false;
    noodle_waiter_unpark(thread->waiter);
}

/* Has the thread's loop drain soon.  Loops that were closed before it may still have lanes here. */
static void
schedule_drain(host_thread *thread)
{
    for (host_lane *lane = thread->lanes; lane != NULL; lane = lane->next_of_thread) {
        LoopChannel *const channel = lane->loop_channel;
        if (channel == NULL)
            continue;
        PyObject *handle = PyObject_CallMethodOneArg(channel->loop, name_call_soon, channel->drain);
        if (handle != NULL) {
            Py_DECREF(handle);
            return;
        }
        PyErr_Clear();
    }
}

void
host_loop_park(host_thread *thread)
{
    PyObject *type, *value, *traceback;
    if (thread->parked)
        return;
    if (noodle_waiter_park(thread->waiter) == NOODLE_OK) {
        thread->parked = true;
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    schedule_drain(thread);
    PyErr_Restore(type, value, traceback);
}

/* -------------------------------------------------------------------------------------- Answers */

static PyObject *
pop_future(host_lane *lane, uint64_t id)
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
    PyObject *done = PyObject_CallMethodNoArgs(future, name_done);
    const bool result = done == Py_True;
    Py_XDECREF(done);
    return result;
}

static PyObject *
take_exception(void)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return error;
}

/* Settles a future with a value, or with the exception that is set. */
static void
settle(PyObject *future, PyObject *value)
{
    PyObject *error = value == NULL ? take_exception() : NULL;
    PyObject *settled = NULL;
    if (is_done(future))
        settled = Py_NewRef(Py_None);
    else if (value != NULL)
        settled = PyObject_CallMethodOneArg(future, name_set_result, value);
    else
        settled = PyObject_CallMethodOneArg(future, name_set_exception, error);
    if (settled == NULL)
        PyErr_WriteUnraisable(future);
    Py_XDECREF(settled);
    Py_XDECREF(error);
}

int
host_future_answered(host_lane *lane, const noodle_record *record, const unsigned char *payload)
{
    Link *const link = lane->link;
    PyObject *future = pop_future(lane, record->call_id);
    if (future == NULL)
        return PyErr_Occurred() ? -1 : 0;
    link->in_flight--;
    PyObject *value = host_read(link, record->flags, payload, record->length);
    if (value == NULL) {
        host_unreadable(link, Py_None);
    } else if (record->kind == NOODLE_KIND_ERROR) {
        if (PyExceptionInstance_Check(value))
            PyErr_SetObject((PyObject *)Py_TYPE(value), value);
        else
            PyErr_SetString(PyExc_TypeError, "an answer of kind ERROR was no error");
        Py_CLEAR(value);
    }
    settle(future, value);
    Py_XDECREF(value);
    Py_DECREF(future);
    return 1;
}

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

/* ---------------------------------------------------------------------------------------- Calls */

/* Sends what waits for space. */
static void
flush_unsent(LoopChannel *self)
{
    while (self->first != NULL) {
        unsent *const entry = self->first;
        const noodle_status status =
            noodle_channel_send(self->lane->core, &entry->record, entry->payload);
        if (status == NOODLE_FULL)
            return;
        self->first = entry->next;
        if (self->first == NULL)
            self->last = &self->first;
        free(entry);
        if (status != NOODLE_OK) {
            host_link_condemn(self->lane->link, "its cursor of a ring cannot be");
            return;
        }
    }
}

static int
keep_unsent(LoopChannel *self, const noodle_record *record, const host_message *message)
{
    unsent *entry = malloc(sizeof *entry + message->writer.length);
    if (entry == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    entry->next = NULL;
    entry->record = *record;
    entry->record.length = (uint32_t)message->writer.length;
    memcpy(entry->payload, message->writer.buffer, message->writer.length);
    *self->last = entry;
    self->last = &entry->next;
    return 0;
}

static int
send_or_keep(LoopChannel *self, host_message *message, noodle_record *record)
{
    host_lane *const lane = self->lane;
    noodle_status status = NOODLE_FULL;
    if (message->writer.length > lane->core->out.mask + 1 - NOODLE_RECORD_BYTES
        && host_message_to_segment(message, record) < 0)
        return -1;
    record->length = (uint32_t)message->writer.length;
    if (self->first == NULL)
        status = noodle_channel_send(lane->core, record, message->writer.buffer);
    if (status == NOODLE_FULL)
        return keep_unsent(self, record, message);
    if (status == NOODLE_OK)
        return 0;
    if (status == NOODLE_PROTOCOL)
        host_link_condemn(lane->link, "its cursor of a ring cannot be");
    return host_raise(POLICY_CRASHED, "OO", lane->link, Py_None);
}

static COLD int
set_chain(PyObject *future, uint64_t chain)
{
    PyObject *number = PyLong_FromUnsignedLongLong(chain);
    const int result = number != NULL ? PyObject_SetAttr(future, name_chain, number) : -1;
    Py_XDECREF(number);
    return result;
}

static PyObject *
new_future(LoopChannel *self, uint64_t id, uint64_t chain, PyObject *name)
{
    PyObject *future = PyObject_Vectorcall(self->future, &self->loop, 0, names_of_loop);
    PyObject *key = future != NULL ? PyLong_FromUnsignedLongLong(id) : NULL;
    if (key == NULL || PyObject_SetAttr(future, name_channel, (PyObject *)self) < 0
        || PyObject_SetAttr(future, name_call_id, key) < 0
        || (chain != 0 && set_chain(future, chain) < 0)
        || PyObject_SetAttr(future, name_function, name) < 0
        || PyDict_SetItem(self->lane->futures, key, future) < 0)
        Py_CLEAR(future);
    Py_XDECREF(key);
    return future;
}

static int
send_call(LoopChannel *self, const Reference *reference, int operation, uint64_t id, uint64_t chain,
          PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    host_thread *const thread = self->lane->owner;
    host_message message;
    noodle_record record = {
        .kind = NOODLE_KIND_CALL,
        .call_id = id,
        .chain_id = chain != 0 ? chain : id,
    };
    int result;
    if (host_deadline(thread, &record.deadline_ns) < 0)
        return -1;
    host_message_init(&message, self->lane->link);
    result = host_write_request(&message, operation, reference->id, args, count, names);
    if (result == 0 && self->lane == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the channel was closed");
        result = -1;
    }
    if (result == 0)
        result = send_or_keep(self, &message, &record);
    host_message_end(&message, result == 0);
    return result;
}

static PyObject *
call_for_loop(LoopChannel *self, const Reference *reference, int operation, PyObject *const *args,
              Py_ssize_t count, PyObject *names)
{
    const uint64_t id = host_next_id();
    if (self->lane == NULL || reference->link != self->lane->link || link_is_dead(reference->link)) {
        host_raise(POLICY_CRASHED, "OO",
                   reference->link != NULL ? (PyObject *)reference->link : Py_None, reference->name);
        return NULL;
    }
    Link *const link = reference->link;
    if (link_is_forked(link)) {
        host_raise(POLICY_FORKED, "OO", link, reference->name);
        return NULL;
    }
    if (UNLIKELY(atomic_load_explicit(&link->releases, memory_order_relaxed) != NULL))
        host_send_releases(self->lane);
    const uint64_t chain = host_chain_here(self->lane->owner);
    link->calls++;             /* first of all: from here on it is not idle */
    if (send_call(self, reference, operation, id, chain, args, count, names) < 0)
        return NULL;
    link->in_flight++;
    PyObject *future = new_future(self, id, chain, reference->name);
    if (future == NULL && self->lane != NULL)
        host_retire(self->lane, id, id, 0);
    return future;
}

bool
host_loop_belongs_to(const LoopChannel *channel, const PyObject *loop)
{
    return channel->loop == loop && channel->lane != NULL && !channel->closing;
}

PyObject *
host_loop_call(LoopChannel *channel, const Reference *reference, int operation,
               PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Py_INCREF(channel);   /* to write the arguments may run code that closes it */
    PyObject *future = call_for_loop(channel, reference, operation, args, count, names);
    Py_DECREF(channel);
    return future;
}

static PyObject *
loop_call(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (count < 2 || !PyObject_TypeCheck(args[0], host_reference_type)) {
        PyErr_SetString(PyExc_TypeError, "call() needs a reference and an operation");
        return NULL;
    }
    const int operation = (int)PyLong_AsLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    return host_loop_call((LoopChannel *)object, (Reference *)args[0], operation, args + 2, count - 2,
                          names);
}

/* Takes what has come on any lane of the thread: taking the waiter back has drained the events of all. */
static void
drain_lanes(host_thread *thread)
{
    noodle_channel *core;
    for (int i = 0; i < BATCH && (core = noodle_waiter_next(thread->waiter)) != NULL; i++) {
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
            flush_unsent(lane->loop_channel);
            if (!host_loop_has_unsent(lane->loop_channel))
                host_lane_tell(lane);
        }
}

static PyObject *
loop_drain(PyObject *object, PyObject *Py_UNUSED(ignored))
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

static PyObject *
loop_cancel(PyObject *object, PyObject *number)
{
    LoopChannel *const self = (LoopChannel *)object;
    const uint64_t id = PyLong_AsUnsignedLongLong(number);
    PyObject *future;
    if (PyErr_Occurred())
        return NULL;
    future = self->lane != NULL ? pop_future(self->lane, id) : NULL;
    if (future == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
    Py_DECREF(future);
    uint64_t deadline_ns;
    if (host_deadline(self->lane->owner, &deadline_ns) < 0)
        PyErr_Clear();
    host_retire(self->lane, id, id, deadline_ns);
    Py_RETURN_TRUE;
}

static PyObject *
loop_answer(PyObject *object, PyObject *args)
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

/* The worker has ended: so do the calls. */
static PyObject *
loop_fail(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    LoopChannel *const self = (LoopChannel *)object;
    if (self->lane == NULL)
        Py_RETURN_NONE;
    PyObject *futures = PyDict_Values(self->lane->futures);
    Link *const link = (Link *)Py_NewRef((PyObject *)self->lane->link);
    PyDict_Clear(self->lane->futures);
    for (Py_ssize_t i = 0; futures != NULL && i < PyList_GET_SIZE(futures); i++) {
        PyObject *const future = PyList_GET_ITEM(futures, i);
        PyObject *name = PyObject_GetAttr(future, name_function);
        if (name != NULL)
            host_raise(POLICY_CRASHED, "OO", link, name);
        settle(future, NULL);
        Py_XDECREF(name);
    }
    Py_DECREF(link);
    Py_XDECREF(futures);
    return futures == NULL ? NULL : Py_NewRef(Py_None);
}

/* ------------------------------------------------------------------------------ Life of a channel */

static void
drop_unsent(LoopChannel *self)
{
    while (self->first != NULL) {
        unsent *const entry = self->first;
        self->first = entry->next;
        free(entry);
    }
    self->last = &self->first;
}

/* Calls that the worker has not seen end here; the answers to the others are dropped when they come. */
static void
retire_futures(LoopChannel *self, host_lane *lane)
{
    PyObject *key, *value;
    Py_ssize_t position = 0;
    for (const unsent *entry = self->first; entry != NULL; entry = entry->next)
        if (entry->record.kind == NOODLE_KIND_CALL) {
            Py_XDECREF(pop_future(lane, entry->record.call_id));
            lane->link->in_flight--;
        }
    while (PyDict_Next(lane->futures, &position, &key, &value)) {
        const uint64_t id = PyLong_AsUnsignedLongLong(key);
        host_retire(lane, id, id, 0);
    }
}

bool
host_loop_has_unsent(const LoopChannel *channel)
{
    return channel->first != NULL;
}

void
host_loop_forget(LoopChannel *channel)
{
    host_lane *const lane = channel->lane;
    channel->lane = NULL;
    if (lane->futures != NULL)
        retire_futures(channel, lane);
    drop_unsent(channel);
}

static bool
is_closed(PyObject *loop)
{
    PyObject *closed = PyObject_CallMethodNoArgs(loop, name_is_closed);
    const bool result = closed == Py_True;
    if (closed == NULL)
        PyErr_Clear();
    Py_XDECREF(closed);
    return result;
}

void
host_loop_leave_if_closed(host_lane *lane)
{
    LoopChannel *const channel = (LoopChannel *)Py_NewRef((PyObject *)lane->loop_channel);
    const Link *const link = lane->link;
    if (is_closed(channel->loop) && channel->lane == lane && lane->open == 0
        && lane->owner->depth == 0) {
        const uint64_t kill_at_ns = noodle_now() + link->grace_ns;
        for (uint32_t i = 0; i < lane->retired_count; i++)
            if (lane->retired[i].kill_at_ns != 0)
                lane->retired[i].kill_at_ns = kill_at_ns;
        host_lane_drop(lane);
    }
    Py_DECREF(channel);
}

static PyObject *
loop_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    LoopChannel *const self = (LoopChannel *)object;
    host_lane *const lane = self->lane;
    if (lane == NULL)
        Py_RETURN_NONE;
    /* A callback that is being served here closes it: its end does. */
    if (lane->open > 0) {
        self->closing = true;
        Py_RETURN_NONE;
    }
    if (lane->owner->parked)
        host_loop_unpark(lane->owner);
    host_lane_drop(lane);
    Py_RETURN_NONE;
}

static PyObject *
loop_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"link", "loop", "future", NULL};
    PyObject *link, *loop, *future;
    noodle_channel *core;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!OO:LoopChannel", keywords, host_link_type, &link,
                                     &loop, &future))
        return NULL;
    host_thread *const thread = host_thread_here();
    LoopChannel *self = thread != NULL ? (LoopChannel *)type->tp_alloc(type, 0) : NULL;
    if (self == NULL)
        return NULL;
    self->last = &self->first;
    self->loop = Py_NewRef(loop);
    self->future = Py_NewRef(future);
    if (thread->parked)
        host_loop_unpark(thread);
    core = host_channel_open(thread, (Link *)link, ((Link *)link)->name);
    self->lane = core != NULL ? host_lane_new(thread, (Link *)link, core) : NULL;
    if (self->lane == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    self->lane->takes_calls = false;
    self->lane->loop_channel = self;
    thread->loop_lanes++;
    self->lane->futures = PyDict_New();
    self->drain = PyObject_GetAttrString((PyObject *)self, "drain");
    if (self->lane->futures == NULL || self->drain == NULL) {
        Py_DECREF(self);
        return NULL;
    }
    host_loop_park(thread);
    return (PyObject *)self;
}

static int
loop_traverse(PyObject *object, visitproc visit, void *arg)
{
    LoopChannel *const self = (LoopChannel *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->loop);
    Py_VISIT(self->future);
    Py_VISIT(self->drain);
    return 0;
}

static int
loop_clear(PyObject *object)
{
    LoopChannel *const self = (LoopChannel *)object;
    Py_CLEAR(self->drain);
    return 0;
}

static void
loop_dealloc(PyObject *object)
{
    LoopChannel *const self = (LoopChannel *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (self->weak_references != NULL)
        PyObject_ClearWeakRefs(object);
    if (self->lane != NULL)
        host_lane_drop(self->lane);
    Py_XDECREF(self->drain);
    Py_XDECREF(self->loop);
    Py_XDECREF(self->future);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
loop_get_descriptor(PyObject *object, void *Py_UNUSED(closure))
{
    const LoopChannel *const self = (LoopChannel *)object;
    return PyLong_FromLong(self->lane == NULL ? -1 : self->lane->core->own_event.wait_fd);
}

static PyObject *
loop_get_waiting(PyObject *object, void *Py_UNUSED(closure))
{
    const LoopChannel *const self = (LoopChannel *)object;
    return PyLong_FromSsize_t(self->lane == NULL ? 0 : PyDict_GET_SIZE(self->lane->futures));
}

static PyObject *
loop_futures(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const LoopChannel *const self = (LoopChannel *)object;
    return self->lane != NULL && self->lane->futures != NULL ? PyDict_Values(self->lane->futures)
                                                             : PyList_New(0);
}

static PyMethodDef loop_methods[] = {
    {"futures", loop_futures, METH_NOARGS, "futures()\n--\n\nReturn the futures without a result."},
    {"call", (PyCFunction)(void (*)(void))loop_call, METH_FASTCALL | METH_KEYWORDS,
     "call(reference, operation, *arguments)\n--\n\nAsk something of an object; return the future."},
    {"drain", loop_drain, METH_NOARGS, "drain()\n--\n\nSettle the futures whose answers have come."},
    {"cancel", loop_cancel, METH_O,
     "cancel(call_id)\n--\n\nTell the worker that nobody waits; return whether anybody did."},
    {"answer", loop_answer, METH_VARARGS,
     "answer(call_id, chain_id, result, error)\n--\n\nAnswer a callback that was asynchronous."},
    {"fail", loop_fail, METH_NOARGS, "fail()\n--\n\nSettle all futures: the worker has ended."},
    {"close", loop_close, METH_NOARGS, "close()\n--\n\nGive the channel back."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef loop_getset[] = {
    {"descriptor", loop_get_descriptor, NULL, "What the loop polls for reading.", NULL},
    {"waiting", loop_get_waiting, NULL, "Calls without an answer.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef loop_members[] = {
    {"loop", T_OBJECT_EX, offsetof(LoopChannel, loop), READONLY, "The event loop."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(LoopChannel, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot loop_slots[] = {
    {Py_tp_doc, "LoopChannel(link, loop, future)\n--\n\nA channel whose calls an event loop awaits."},
    {Py_tp_new, loop_new},
    {Py_tp_dealloc, loop_dealloc},
    {Py_tp_traverse, loop_traverse},
    {Py_tp_clear, loop_clear},
    {Py_tp_methods, loop_methods},
    {Py_tp_getset, loop_getset},
    {Py_tp_members, loop_members},
    {0, NULL},
};

static PyType_Spec loop_spec = {
    .name = "noodle._host.LoopChannel",
    .basicsize = sizeof(LoopChannel),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_BASETYPE,
    .slots = loop_slots,
};

int
host_loops_init(PyObject *module)
{
    name_set_result = PyUnicode_InternFromString("set_result");
    name_set_exception = PyUnicode_InternFromString("set_exception");
    name_done = PyUnicode_InternFromString("done");
    name_call_id = PyUnicode_InternFromString("call_id");
    name_function = PyUnicode_InternFromString("function");
    name_is_closed = PyUnicode_InternFromString("is_closed");
    name_chain = PyUnicode_InternFromString("chain");
    name_channel = PyUnicode_InternFromString("channel");
    names_of_loop = Py_BuildValue("(s)", "loop");
    name_call_soon = PyUnicode_InternFromString("call_soon");
    loop_channel_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &loop_spec, NULL);
    if (name_call_soon == NULL || names_of_loop == NULL || loop_channel_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "LoopChannel", (PyObject *)loop_channel_type);
}
