/* LoopChannel: calls that an event loop awaits.
 *
 * One lane for each loop and worker, beside the lanes of synchronous calls.  Replies raise the lane's
 * event, which the loop polls, and are taken in batches: one wake-up for as many as have come.
 *
 * While the loop polls, its thread's waiter is parked.  A synchronous call on that thread takes it
 * back for its time, and serves the loop's lanes meanwhile.
 *
 * Here are the channel's life and its parking; its calls and their answers have files of their own. */
#include "host_loops_internal.h"

#include <stdlib.h>

static PyTypeObject *loop_channel_type;
PyObject *host_name_set_result, *host_name_set_exception, *host_name_done, *host_name_call_id;
PyObject *host_name_function, *host_name_call_soon, *host_name_chain, *host_name_is_closed;
PyObject *host_name_failure;
PyObject *host_name_channel, *host_names_of_loop;

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
        PyObject *handle = PyObject_CallMethodOneArg(channel->loop, host_name_call_soon, channel->drain);
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
    if (thread->depth == 0)
        host_loop_drop_left(thread);
    if (noodle_waiter_park(thread->waiter) == NOODLE_OK) {
        thread->parked = true;
        return;
    }
    PyErr_Fetch(&type, &value, &traceback);
    schedule_drain(thread);
    PyErr_Restore(type, value, traceback);
}

/* ----------------------------------------------------------------------------------------- End */

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
            Py_XDECREF(host_future_pop(lane, entry->record.call_id));
            lane->link->in_flight--;
        }
    while (PyDict_Next(lane->futures, &position, &key, &value)) {
        const uint64_t id = PyLong_AsUnsignedLongLong(key);
        host_retire(lane, id, id, 0);
    }
}

void
host_loop_forget(LoopChannel *channel)
{
    host_lane *const lane = channel->lane;
    channel->lane = NULL;
    lane->loop_channel = NULL;
    if (lane->futures != NULL)
        retire_futures(channel, lane);
    drop_unsent(channel);
    Py_CLEAR(lane->futures);
}

/* Another thread's that waits with its lanes, or is between two waits, must find them as they were: it
 * drops this one itself. */
static void
leave_lane(LoopChannel *self)
{
    host_lane *const lane = self->lane;
    host_thread *const owner = lane->owner;
    if (owner != host_this_thread && owner->depth > 0) {
        host_loop_forget(self);
        return;
    }
    host_lane_drop(lane);
    /* It may have been this channel that was to drain, and to park again. */
    if (owner == host_this_thread && owner->depth == 0 && owner->loop_lanes > 0)
        host_loop_park(owner);
}

void
host_loop_drop_left(host_thread *thread)
{
    host_lane *lane = thread->lanes;
    while (lane != NULL)
        if (lane->of_loop && lane->loop_channel == NULL && lane->open == 0) {
            host_lane_drop(lane);
            /* The end of its link may have run finalizers, which call: any lane may have gone. */
            lane = thread->lanes;
        } else {
            lane = lane->next_of_thread;
        }
}

static bool
is_closed(PyObject *loop)
{
    PyObject *closed = PyObject_CallMethodNoArgs(loop, host_name_is_closed);
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
    leave_lane(self);
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------ Creation */

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
    self->lane->of_loop = true;
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
        leave_lane(self);
    Py_XDECREF(self->drain);
    Py_XDECREF(self->loop);
    Py_XDECREF(self->future);
    type->tp_free(object);
    Py_DECREF(type);
}

/* ---------------------------------------------------------------------------------------- Type */

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
    {"call", (PyCFunction)(void (*)(void))host_loop_call_method, METH_FASTCALL | METH_KEYWORDS,
     "call(reference, operation, *arguments)\n--\n\nAsk something of an object; return the future."},
    {"drain", host_loop_drain, METH_NOARGS, "drain()\n--\n\nSettle the futures whose answers have come."},
    {"cancel", host_loop_cancel, METH_O,
     "cancel(call_id)\n--\n\nTell the worker that nobody waits; return whether anybody did."},
    {"answer", host_loop_answer, METH_VARARGS,
     "answer(call_id, chain_id, result, error)\n--\n\nAnswer a callback that was asynchronous."},
    {"fail", host_loop_fail, METH_NOARGS, "fail()\n--\n\nSettle all futures: the worker has ended."},
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
    host_name_set_result = PyUnicode_InternFromString("set_result");
    host_name_set_exception = PyUnicode_InternFromString("set_exception");
    host_name_done = PyUnicode_InternFromString("done");
    host_name_call_id = PyUnicode_InternFromString("call_id");
    host_name_function = PyUnicode_InternFromString("function");
    host_name_is_closed = PyUnicode_InternFromString("is_closed");
    host_name_chain = PyUnicode_InternFromString("chain");
    host_name_failure = PyUnicode_InternFromString("failure");
    host_name_channel = PyUnicode_InternFromString("channel");
    host_names_of_loop = Py_BuildValue("(s)", "loop");
    host_name_call_soon = PyUnicode_InternFromString("call_soon");
    loop_channel_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &loop_spec, NULL);
    if (host_name_call_soon == NULL || host_names_of_loop == NULL || loop_channel_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "LoopChannel", (PyObject *)loop_channel_type);
}
