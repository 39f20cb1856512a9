/* What happens on a link, for the analysis of deadlocks, supervision and statistics. */
#include "host_links_internal.h"

PyObject *
host_link_waits(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Link *const self = (Link *)object;
    PyObject *list = PyList_New(0);
    const uint64_t now = noodle_now();
    for (host_lane *lane = self->lanes; list != NULL && lane != NULL; lane = lane->next_of_link)
        for (host_call *call = lane->owner == NULL ? NULL : lane->owner->calls; call != NULL;
             call = call->outer) {
            if (call->lane != lane || call->answered)
                continue;
            PyObject *entry = Py_BuildValue(
                "(KOd)", (unsigned long long)call->chain, call->name,
                call->begin_ns == 0 ? 0.0 : (double)(now - call->begin_ns) / 1e9);
            if (entry == NULL || PyList_Append(list, entry) < 0)
                Py_CLEAR(list);
            Py_XDECREF(entry);
            if (list == NULL)
                return NULL;
        }
    return list;
}

PyObject *
host_link_served(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Link *const self = (Link *)object;
    PyObject *list = PyList_New(0);
    const uint64_t now = noodle_now();
    for (host_serving *at = self->serving; list != NULL && at != NULL; at = at->next) {
        PyObject *entry =
            Py_BuildValue("(KdO)", (unsigned long long)at->chain, (double)(now - at->since_ns) / 1e9,
                          at->blocks ? Py_True : Py_False);
        if (entry == NULL || PyList_Append(list, entry) < 0)
            Py_CLEAR(list);
        Py_XDECREF(entry);
    }
    return list;
}

PyObject *
host_link_statistics(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Link *const self = (Link *)object;
    host_lane *lane = self->lanes;
    unsigned int lanes = 0;
    for (; lane != NULL; lane = lane->next_of_link)
        lanes++;
    return Py_BuildValue(
        "{sKsKsKsKsKsKsKsKsIsnsIsnsnsn}", "calls", (unsigned long long)self->calls, "callbacks",
        (unsigned long long)self->callbacks, "late_replies", (unsigned long long)self->late_replies,
        "releases_sent", (unsigned long long)self->sent_releases, "copies",
        (unsigned long long)self->copies, "copied_bytes", (unsigned long long)self->copied_bytes,
        "shared_bytes", (unsigned long long)self->shared_bytes, "lent_bytes",
        (unsigned long long)self->lent_bytes, "in_flight", (unsigned int)self->in_flight,
        "unsettled", PySet_GET_SIZE(self->unsettled), "channels", lanes, "exported_objects",
        PyDict_GET_SIZE(self->exports), "live_references", PyDict_GET_SIZE(self->proxies),
        "lent_segments", PyDict_GET_SIZE(self->loans));
}

PyObject *
host_link_held(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSsize_t(host_count_held((Link *)object));
}

/* --------------------------------------------------------------------------------- Attributes */

static PyObject *
link_get_beat(PyObject *object, void *Py_UNUSED(closure))
{
    const noodle_link *const core = ((Link *)object)->core;
    return PyLong_FromUnsignedLongLong(core == NULL ? 0 : noodle_link_beat(core));
}

static PyObject *
link_get_progress(PyObject *object, void *Py_UNUSED(closure))
{
    const noodle_link *const core = ((Link *)object)->core;
    return PyLong_FromUnsignedLongLong(core == NULL ? 0 : noodle_link_progress(core));
}

static PyObject *
link_get_state(PyObject *object, void *Py_UNUSED(closure))
{
    static const char *const names[] = {"running", "spinning", "parked", "waking"};
    const noodle_link *const core = ((Link *)object)->core;
    return PyUnicode_FromString(core == NULL ? "ended" : names[noodle_link_worker_state(core) & 3]);
}

static PyObject *
link_get_dead(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(link_is_dead((Link *)object));
}

static PyObject *
link_get_forked(PyObject *object, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(((Link *)object)->generation != noodle_process_generation());
}

static PyObject *
link_get_idle(PyObject *object, void *Py_UNUSED(closure))
{
    const Link *const self = (Link *)object;
    if (self->last_used_ns == 0 || self->in_flight > 0 || self->calls != self->last_calls)
        return PyFloat_FromDouble(0);
    return PyFloat_FromDouble((double)(noodle_now() - self->last_used_ns) / 1e9);
}

PyGetSetDef host_link_getset[] = {
    {"beat", link_get_beat, NULL, "Rises while the worker's process lives and is scheduled.", NULL},
    {"progress", link_get_progress, NULL, "Rises with each turn of the worker's loop.", NULL},
    {"state", link_get_state, NULL, "What the worker's thread does: running, parked, …", NULL},
    {"dead", link_get_dead, NULL, "Whether the worker has ended.", NULL},
    {"forked", link_get_forked, NULL, "Whether it belongs to the parent of this process.", NULL},
    {"idle_seconds", link_get_idle, NULL, "Seconds since the last call.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
