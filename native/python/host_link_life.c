/* The life of a link: its worker is started, has ended, or is killed. */
#include "host_links_internal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A process closes its descriptors a moment before it has ended. */
#define END_MS 100

void
host_link_kill(Link *self)
{
    if (self->pidfd >= 0 && self->generation == noodle_process_generation())
        syscall(SYS_pidfd_send_signal, self->pidfd, SIGKILL, NULL, 0);
}

bool
host_link_has_ended(Link *self)
{
    struct pollfd process = {.fd = self->pidfd, .events = POLLIN};
    if (self->has_ended)
        return true;
    if (self->core == NULL || self->pidfd < 0)
        return false;
    if (!noodle_link_is_dead(self->core) && poll(&process, 1, END_MS) <= 0)
        return false;
    noodle_link_mark_dead(self->core);
    return true;
}

void
host_link_condemn(Link *self, const char *reason)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    if (self->broken == NULL)
        self->broken = PyUnicode_FromString(reason);
    host_link_kill(self);
    if (self->core != NULL)
        noodle_link_mark_dead(self->core);
    PyErr_Restore(type, value, traceback);
}

void
host_link_settle_end(Link *self)
{
    if (!self->has_ended || self->lanes != NULL || self->orphans != NULL || self->core == NULL
        || self->generation != noodle_process_generation())
        return;
    noodle_link_destroy(self->core);
    self->core = NULL;
    if (self->pidfd >= 0)
        close(self->pidfd);
    self->pidfd = -1;
}

/* ------------------------------------------------------------------------------------ Methods */

PyObject *
host_link_descriptors(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const noodle_worker_descriptors ends = noodle_link_worker_descriptors(((Link *)object)->core);
    return Py_BuildValue("(iiii)", ends.control, ends.socket, ends.event, ends.lifeline);
}

PyObject *
host_link_started(PyObject *object, PyObject *number)
{
    Link *const self = (Link *)object;
    const int pidfd = (int)PyLong_AsLong(number);
    if (PyErr_Occurred())
        return NULL;
    self->pidfd = fcntl(pidfd, F_DUPFD_CLOEXEC, 3);
    if (self->pidfd < 0)
        return PyErr_SetFromErrno(PyExc_OSError);
    noodle_link_started(self->core, pidfd);
    Py_RETURN_NONE;
}

PyObject *
host_link_kill_now(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    host_link_kill((Link *)object);
    Py_RETURN_NONE;
}

PyObject *
host_link_condemn_for(PyObject *object, PyObject *reason)
{
    const char *text = PyUnicode_AsUTF8(reason);
    if (text == NULL)
        return NULL;
    host_link_condemn((Link *)object, text);
    Py_RETURN_NONE;
}

/* The worker's process has ended: nothing of it is waited for any more. */
PyObject *
host_link_ended(PyObject *object, PyObject *killed)
{
    Link *const self = (Link *)object;
    const int was_killed = PyObject_IsTrue(killed);
    host_lane *next;
    if (was_killed < 0)
        return NULL;
    noodle_link_mark_dead(self->core);
    host_link_leave_arena(self, was_killed != 0);
    PySet_Clear(self->unsettled);
    Py_INCREF(self);
    while (self->orphans != NULL) {
        host_lane *const lane = self->orphans;
        self->orphans = lane->next_of_link;
        host_lane_drop(lane);
    }
    for (host_lane *lane = self->lanes; lane != NULL; lane = next) {
        next = lane->next_of_link;
        if (lane->owner != NULL && lane->owner->depth == 0 && lane->takes_calls)
            host_lane_drop(lane);
    }
    PyDict_Clear(self->exports);
    PyDict_Clear(self->exports_by_object);
    self->has_ended = true;
    host_link_settle_end(self);
    Py_DECREF(self);
    Py_RETURN_NONE;
}

PyObject *
host_link_stop(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Link *const self = (Link *)object;
    static const unsigned char payload[] = {0x91, NOODLE_SUBJECT_STOP};
    const noodle_record record = {.length = sizeof payload, .kind = NOODLE_KIND_CONTROL};
    host_thread *const thread = host_thread_here();
    host_lane *const lane = thread == NULL ? NULL : host_lane_here(thread, self, self->name);
    if (lane == NULL)
        return NULL;
    return PyBool_FromLong(noodle_channel_send(lane->core, &record, payload) == NOODLE_OK);
}
