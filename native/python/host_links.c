/* Link: the host's end of one worker, as a Python object. */
#include "host_links_internal.h"

#include <stdlib.h>
#include <unistd.h>

PyTypeObject *host_link_type;

/* By the number in the arena; borrowed. */
Link *host_links_by_worker[NOODLE_ARENA_WORKERS];

/* ----------------------------------------------------------------------------------- Creation */

static int
create_core(Link *self, uint32_t channels, uint32_t ring_bytes)
{
    const noodle_link_options options = {
        .channel_count = channels, .ring_bytes = ring_bytes, .trusted = self->trusted};
    noodle_status status = noodle_link_create(&options, &self->core);
    if (status == NOODLE_OK) {
        status = noodle_arena_add_worker(host_arena, self->trusted, &self->worker);
        self->has_worker = status == NOODLE_OK;
    }
    if (status == NOODLE_OK) {
        host_links_by_worker[self->worker] = self;
        return 0;
    }
    return host_raise(POLICY_REFUSED, "OOsi", self, self->name, noodle_status_name(status), errno);
}

static PyObject *
link_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"name", "channels",     "ring_bytes",      "trusted",       "grace",
                               "spin", "shared_bytes", "shared_segments", "map_read_only", "dedicated",
                               NULL};
    PyObject *name;
    unsigned int channels = NOODLE_CHANNELS, ring_bytes = NOODLE_RING_DEFAULT;
    int trusted = 1, map_read_only = 0, dedicated = 0;
    double grace = 0.5, spin = 15e-6;
    unsigned long long shared_bytes = 0;
    unsigned int shared_segments = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "U|IIpddKIpp:Link", keywords, &name, &channels,
                                     &ring_bytes, &trusted, &grace, &spin, &shared_bytes,
                                     &shared_segments, &map_read_only, &dedicated))
        return NULL;
    if (host_policy[POLICY_DEADLINE_SCOPE] == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no policy was installed: import noodle.workers.policies");
        return NULL;
    }
    Link *self = (Link *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->pidfd = -1;
    self->name = Py_NewRef(name);
    self->trusted = trusted != 0;
    self->dedicated = dedicated != 0;
    self->generation = noodle_process_generation();
    self->grace_ns = (uint64_t)(grace * 1e9);
    self->spin_ns = (uint64_t)(spin * 1e9);
    self->maps_read_only = map_read_only != 0;
    self->most_bytes = shared_bytes;
    self->most_segments = shared_segments;
    self->exports = PyDict_New();
    self->exports_by_object = PyDict_New();
    self->proxies = PyDict_New();
    self->loans = PyDict_New();
    self->own_segments = PyDict_New();
    self->dropped = PyList_New(0);
    self->unsettled = PySet_New(NULL);
    if (self->unsettled == NULL || self->exports == NULL || self->exports_by_object == NULL || self->proxies == NULL
        || self->loans == NULL || self->own_segments == NULL || self->dropped == NULL
        || create_core(self, channels, ring_bytes) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

/* ---------------------------------------------------------------------------------------- End */

void
host_link_leave_arena(Link *self, bool killed)
{
    if (!self->has_worker)
        return;
    self->has_worker = false;
    if (self->generation != noodle_process_generation())
        return;
    host_links_by_worker[self->worker] = NULL;
    host_loans_clear(self);
    noodle_arena_remove_worker(host_arena, self->worker, killed);
}

static int
link_traverse(PyObject *object, visitproc visit, void *arg)
{
    Link *const self = (Link *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->exports);
    Py_VISIT(self->exports_by_object);
    return 0;
}

static int
link_clear(PyObject *object)
{
    Link *const self = (Link *)object;
    if (self->exports != NULL)
        PyDict_Clear(self->exports);
    if (self->exports_by_object != NULL)
        PyDict_Clear(self->exports_by_object);
    return 0;
}

static void
free_releases(host_release *release)
{
    while (release != NULL) {
        host_release *const next = release->next;
        free(release);
        release = next;
    }
}

static void
link_dealloc(PyObject *object)
{
    Link *const self = (Link *)object;
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    if (self->weak_references != NULL)
        PyObject_ClearWeakRefs(object);
    free_releases(atomic_exchange(&self->releases, NULL));
    free_releases(self->due);
    free(self->notices);
    host_link_leave_arena(self, true);
    if (self->core != NULL)
        noodle_link_destroy(self->core);
    if (self->pidfd >= 0)
        close(self->pidfd);
    Py_XDECREF(self->exports);
    Py_XDECREF(self->exports_by_object);
    Py_XDECREF(self->proxies);
    Py_XDECREF(self->loans);
    Py_XDECREF(self->own_segments);
    Py_XDECREF(self->dropped);
    Py_XDECREF(self->unsettled);
    Py_XDECREF(self->broken);
    Py_XDECREF(self->reference_types);
    Py_XDECREF(self->name);
    type->tp_free(object);
    Py_DECREF(type);
}

/* --------------------------------------------------------------------------------------- Type */

static PyObject *
link_repr(PyObject *object)
{
    return PyUnicode_FromFormat("<link to %U>", ((Link *)object)->name);
}

static PyMethodDef link_methods[] = {
    {"descriptors", host_link_descriptors, METH_NOARGS,
     "descriptors()\n--\n\nReturn the worker's (control, socket, event, lifeline)."},
    {"started", host_link_started, METH_O, "started(pidfd)\n--\n\nSay that the worker runs; takes it."},
    {"handshake", host_link_handshake, METH_VARARGS,
     "handshake(timeout)\n--\n\nReturn the worker's READY record, or None when it did not come."},
    {"serve", host_link_serve, METH_O,
     "serve(seconds)\n--\n\nServe the worker's own requests on this thread; return whether it ended."},
    {"stop", host_link_stop, METH_NOARGS, "stop()\n--\n\nAsk the worker to end."},
    {"kill", host_link_kill_now, METH_NOARGS, "kill()\n--\n\nKill the worker."},
    {"condemn", host_link_condemn_for, METH_O,
     "condemn(reason)\n--\n\nKill the worker for a reason that its callers will see."},
    {"ended", host_link_ended, METH_O, "ended(killed)\n--\n\nSay that the worker's process has ended."},
    {"waits", host_link_waits, METH_NOARGS,
     "waits()\n--\n\nReturn the calls that threads wait for, as (chain, name, seconds)."},
    {"served", host_link_served, METH_NOARGS,
     "served()\n--\n\nReturn the callbacks that run here, as (chain, seconds, whether the worker is blocked)."},
    {"held", host_link_held, METH_NOARGS,
     "held()\n--\n\nReturn how many of its objects are held by who cannot ask for them again."},
    {"statistics", host_link_statistics, METH_NOARGS, "statistics()\n--\n\nReturn the counters by name."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef link_members[] = {
    {"name", T_OBJECT_EX, offsetof(Link, name), READONLY, "The worker's name."},
    {"broken", T_OBJECT, offsetof(Link, broken), READONLY, "Why it was killed, or None."},
    {"lent_bytes", T_ULONGLONG, offsetof(Link, lent_bytes), READONLY, "Bytes of the segments it has."},
    {"incarnation", T_ULONGLONG, offsetof(Link, incarnation), READONLY, "Its process, as a number."},
    {"calls", T_ULONGLONG, offsetof(Link, calls), READONLY, "Calls made so far."},
    {"in_flight", T_UINT, offsetof(Link, in_flight), READONLY, "Calls without an answer."},
    {"trusted", T_BOOL, offsetof(Link, trusted), READONLY, "Whether results may share memory."},
    {"is_python", T_BOOL, offsetof(Link, is_python), 0,
     "Whether the worker is Python, too: then tuples, slices and the like go by value."},
    {"retires", T_BOOL, offsetof(Link, retires), 0,
     "Whether its functions are to be found in another worker from now on."},
    {"reference_types", T_OBJECT, offsetof(Link, reference_types), 0,
     "The classes of its proxies by kind, or None for the usual ones."},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Link, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot link_slots[] = {
    {Py_tp_doc, "Link(name, channels=64, ring_bytes=65536, trusted=True, grace=0.5, spin=15e-6, "
                "shared_bytes=0, shared_segments=0, map_read_only=False, dedicated=False)\n--\n\n"
                "The host's end of one worker."},
    {Py_tp_new, link_new},
    {Py_tp_dealloc, link_dealloc},
    {Py_tp_traverse, link_traverse},
    {Py_tp_clear, link_clear},
    {Py_tp_repr, link_repr},
    {Py_tp_methods, link_methods},
    {Py_tp_getset, host_link_getset},
    {Py_tp_members, link_members},
    {0, NULL},
};

static PyType_Spec link_spec = {
    .name = "noodle._host.Link",
    .basicsize = sizeof(Link),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = link_slots,
};

int
host_links_init(PyObject *module)
{
    host_link_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &link_spec, NULL);
    if (host_link_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "Link", (PyObject *)host_link_type);
}
