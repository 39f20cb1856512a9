/* The thread that serves a link: the handshake, and what the worker asks for outside of calls. */
#include "host_links_internal.h"

#define SERVE_SLICE_NS UINT64_C(250000000)

/* The lane of channel 0, which the serving thread opens before anybody else uses the link. */
static host_lane *
serving_lane(Link *self)
{
    host_thread *const thread = host_thread_here();
    if (thread == NULL)
        return NULL;
    for (host_lane *lane = thread->lanes; lane != NULL; lane = lane->next_of_thread)
        if (lane->link == self && lane->core->index == 0)
            return lane;
    host_lane *const lane = host_lane_here(thread, self, self->name);
    if (lane != NULL && lane->core->index != 0) {
        PyErr_SetString(PyExc_RuntimeError, "the serving thread must be the first to use a link");
        return NULL;
    }
    /* It stays in use between two turns of serving, so that nobody who lacks a channel takes it. */
    if (lane != NULL)
        lane->open++;
    return lane;
}

/* ---------------------------------------------------------------------------------- Handshake */

static PyObject *
read_ready(Link *self, const noodle_record *record, const unsigned char *payload)
{
    PyObject *details = record->kind == NOODLE_KIND_CONTROL
                            ? host_read(self, record->flags, payload, record->length)
                            : NULL;
    if (details != NULL && PyList_Check(details) && PyList_GET_SIZE(details) == 7
        && PyLong_Check(PyList_GET_ITEM(details, 0))
        && PyLong_AsLong(PyList_GET_ITEM(details, 0)) == NOODLE_SUBJECT_READY) {
        self->incarnation = PyLong_AsUnsignedLongLong(PyList_GET_ITEM(details, 6));
        if (!PyErr_Occurred())
            return details;
    }
    PyErr_Clear();
    Py_XDECREF(details);
    host_link_condemn(self, "its first record was not READY");
    host_raise(POLICY_CRASHED, "OO", self, Py_None);
    return NULL;
}

PyObject *
host_link_handshake(PyObject *object, PyObject *args)
{
    Link *const self = (Link *)object;
    double timeout;
    if (!PyArg_ParseTuple(args, "d:handshake", &timeout))
        return NULL;
    host_lane *const lane = serving_lane(self);
    const uint64_t deadline_ns = noodle_now() + (uint64_t)(timeout * 1e9);
    noodle_status status = NOODLE_EMPTY;
    noodle_record record;
    unsigned char payload[HOST_SMALL_BYTES];
    if (lane == NULL)
        return NULL;
    while ((status = noodle_channel_take(lane->core, &record, payload, sizeof payload))
           == NOODLE_EMPTY) {
        lane->owner->depth++;
        status = host_block(lane->owner, lane, deadline_ns, SERVE_SLICE_NS, 0);
        lane->owner->depth--;
        if (status == NOODLE_TIMEOUT)
            Py_RETURN_NONE;
        if (status == NOODLE_PEER_DEAD) {
            host_raise(POLICY_CRASHED, "OO", self, Py_None);
            return NULL;
        }
    }
    if (status == NOODLE_OK)
        return read_ready(self, &record, payload);
    host_link_condemn(self, "its first record was not READY");
    host_raise(POLICY_CRASHED, "OO", self, Py_None);
    return NULL;
}

/* ------------------------------------------------------------------------------------ Serving */

/* Serves for a while; true once the worker has ended. */
static bool
serve_until(Link *self, host_thread *thread, host_lane *lane, uint64_t until_ns)
{
    bool ended = false;
    do {
        const noodle_status status = host_block(thread, lane, 0, SERVE_SLICE_NS, 0);
        if (host_take_all(thread, NULL) < 0) {
            /* That the worker has ended is told to its callers. */
            if (link_is_dead(self))
                PyErr_Clear();
            else
                PyErr_WriteUnraisable((PyObject *)self);
        }
        ended = status == NOODLE_PEER_DEAD || status == NOODLE_FORKED || link_is_dead(self);
        if (!ended)
            host_link_keep_house(thread, self, lane);
    } while (!ended && noodle_now() < until_ns);
    return ended;
}

/* What is given to a later answer from now on is dropped at once. */
static void
end_serving(Link *self, host_thread *thread)
{
    self->server = NULL;
    thread->serves = NULL;
    noodle_waiter_end_wakes(thread->waiter);
    host_later_drop(self);
}

PyObject *
host_link_serve(PyObject *object, PyObject *seconds)
{
    Link *const self = (Link *)object;
    const double limit = PyFloat_AsDouble(seconds);
    host_lane *const lane = PyErr_Occurred() ? NULL : serving_lane(self);
    bool ended;
    if (lane == NULL)
        return NULL;
    host_thread *const thread = lane->owner;
    self->server = thread;
    thread->serves = self;
    thread->depth++;
    lane->open++;
    if (self->last_kept_ns == 0)
        self->last_kept_ns = noodle_now();
    ended = serve_until(self, thread, lane, noodle_now() + (uint64_t)(limit * 1e9));
    lane->open--;
    thread->depth--;
    host_loop_drop_left(thread);
    if (!ended)
        Py_RETURN_FALSE;
    noodle_link_mark_dead(self->core);
    end_serving(self, thread);
    while (thread->lanes != NULL)
        host_lane_drop(thread->lanes);
    Py_RETURN_TRUE;
}
