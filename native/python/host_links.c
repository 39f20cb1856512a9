/* Link: the host's end of one worker, as a Python object, and the thread that serves it. */
#include "host.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A process closes its descriptors a moment before it has ended. */
#define END_MS 100
#define SERVE_SLICE_NS UINT64_C(250000000)
/* Between two rounds of a serving thread that was not held up. */
#define GAP_NS UINT64_C(2000000000)
/* What has come may be the answer, unless it has come for so long. */
#define FLOOD_NS UINT64_C(1000000000)
/* Chosen: a quarter of the channels. */
#define UNSETTLED_LANES 16
#define TRIM_EVERY_NS UINT64_C(1000000000)

PyTypeObject *host_link_type;

/* By the number in the arena; borrowed. */
static Link *by_worker[NOODLE_ARENA_WORKERS];

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
        by_worker[self->worker] = self;
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

static void
leave_arena(Link *self, bool killed)
{
    if (!self->has_worker)
        return;
    self->has_worker = false;
    if (self->generation != noodle_process_generation())
        return;
    by_worker[self->worker] = NULL;
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
    leave_arena(self, true);
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

/* ------------------------------------------------------------------------------- Life and end */

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

static PyObject *
link_descriptors(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    const noodle_worker_descriptors ends = noodle_link_worker_descriptors(((Link *)object)->core);
    return Py_BuildValue("(iiii)", ends.control, ends.socket, ends.event, ends.lifeline);
}

static PyObject *
link_started(PyObject *object, PyObject *number)
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

static PyObject *
link_kill(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    host_link_kill((Link *)object);
    Py_RETURN_NONE;
}

static PyObject *
link_condemn(PyObject *object, PyObject *reason)
{
    const char *text = PyUnicode_AsUTF8(reason);
    if (text == NULL)
        return NULL;
    host_link_condemn((Link *)object, text);
    Py_RETURN_NONE;
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

/* The worker's process has ended: nothing of it is waited for any more. */
static PyObject *
link_ended(PyObject *object, PyObject *killed)
{
    Link *const self = (Link *)object;
    const int was_killed = PyObject_IsTrue(killed);
    host_lane *next;
    if (was_killed < 0)
        return NULL;
    noodle_link_mark_dead(self->core);
    leave_arena(self, was_killed != 0);
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

static PyObject *
link_stop(PyObject *object, PyObject *Py_UNUSED(ignored))
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

/* ------------------------------------------------------------------------------------ Serving */

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

static PyObject *
link_handshake(PyObject *object, PyObject *args)
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
        status = host_block(lane->owner, lane, deadline_ns, SERVE_SLICE_NS, 0);
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

/* Takes over the lanes whose threads no longer wait, and gives back those that are empty.  A few on which
 * only calls are open that never end stay: an answer may come after all.  On others it waits for whoever
 * opens the channel next. */
static void
keep_orphans(host_thread *thread, Link *self, host_lane *own)
{
    host_lane *next;
    int kept = 0;
    while (self->orphans != NULL) {
        host_lane *const lane = self->orphans;
        self->orphans = lane->next_of_link;
        if (noodle_waiter_add(thread->waiter, lane->core) != NOODLE_OK)
            continue;
        lane->owner = thread;
        lane->takes_calls = false;
        lane->next_of_thread = thread->lanes;
        thread->lanes = lane;
        lane->next_of_link = self->lanes;
        self->lanes = lane;
    }
    for (host_lane *lane = thread->lanes; lane != NULL; lane = next) {
        next = lane->next_of_thread;
        if (lane == own || lane->link != self || lane->open != 0 || lane->retired_count != 0)
            continue;
        if (lane->unsettled == 0 || self->turns != NULL || kept == UNSETTLED_LANES)
            host_lane_drop(lane);
        else
            kept++;
    }
}

/* The host itself stood still, stopped by a signal or a debugger: the grace goes on from here. */
static void
extend_grace(Link *self, uint64_t now)
{
    const uint64_t gap = now - self->last_kept_ns;
    self->last_kept_ns = now;
    if (gap < GAP_NS)
        return;
    for (const host_lane *lane = self->lanes; lane != NULL; lane = lane->next_of_link)
        for (uint32_t i = 0; i < lane->retired_count; i++)
            if (lane->retired[i].kill_at_ns != 0)
                lane->retired[i].kill_at_ns = now + self->grace_ns;
}

static bool
is_overdue(const host_lane *lane, const host_retired *retired, uint64_t now)
{
    const uint64_t read =
        atomic_load_explicit(&lane->core->out.tail->position, memory_order_relaxed);
    return retired->kill_at_ns != 0 && now > retired->kill_at_ns && read >= retired->begins_at
           && (!noodle_channel_ready(lane->core) || now - retired->kill_at_ns > FLOOD_NS);
}

/* Is there something on the lane of an event loop that does not turn?  It may say that the call waits. */
static bool
is_left_unread(const host_lane *lane)
{
    return lane->loop_channel != NULL && lane->owner->depth == 0 && noodle_channel_ready(lane->core);
}

static host_lane *
lane_at(const Link *self, uint32_t index)
{
    host_lane *lane = self->lanes;
    while (lane != NULL && index-- > 0)
        lane = lane->next_of_link;
    return lane;
}

/* Takes the lanes of loops that were closed, once something has come on them: nobody else would read it.
 * By number, as asking a loop runs Python code, in which lanes come and go; one that is missed is for the
 * next round. */
static void
leave_closed_loops(const Link *self)
{
    host_lane *lane;
    for (uint32_t index = 0; (lane = lane_at(self, index)) != NULL; index++)
        if (is_left_unread(lane))
            host_loop_leave_if_closed(lane);
}

/* A call whose code still runs when its deadline, or the interrupt, and the grace have passed costs the
 * worker its life. */
static void
kill_overdue(Link *self)
{
    const uint64_t now = noodle_now();
    extend_grace(self, now);
    for (const host_lane *lane = self->lanes; lane != NULL; lane = lane->next_of_link)
        for (uint32_t i = 0; i < lane->retired_count; i++) {
            const host_retired *const retired = &lane->retired[i];
            if (!is_overdue(lane, retired, now))
                continue;
            if (is_left_unread(lane))
                break;
            host_link_condemn(self, retired->begins_at == 0
                                        ? "a call did not end within the grace after its deadline"
                                        : "a call did not end within the grace after an interrupt");
            return;
        }
}

static void
note_dropped(void *Py_UNUSED(context), uint64_t segment, const uint64_t *workers)
{
    PyObject *number = PyLong_FromUnsignedLongLong(segment);
    for (uint32_t i = 0; number != NULL && i < NOODLE_ARENA_WORKERS; i++)
        if ((workers[i / 64] >> (i % 64) & 1) && by_worker[i] != NULL)
            PyList_Append(by_worker[i]->dropped, number);
    Py_XDECREF(number);
    PyErr_Clear();
}

static void
trim_arena(void)
{
    static uint64_t last;
    const uint64_t now = noodle_now();
    if (now - last < TRIM_EVERY_NS)
        return;
    last = now;
    noodle_arena_trim(host_arena, now, note_dropped, NULL);
}

/* Tells the worker which segments it need not map any more. */
static void
send_dropped(host_lane *lane, Link *self)
{
    unsigned char buffer[1024];
    const noodle_record kind = {.kind = NOODLE_KIND_CONTROL};
    const Py_ssize_t most = 100;
    const Py_ssize_t count =
        PyList_GET_SIZE(self->dropped) < most ? PyList_GET_SIZE(self->dropped) : most;
    noodle_record record = kind;
    wire_writer writer;
    if (count == 0)
        return;
    wire_writer_init(&writer, buffer, sizeof buffer, wire_default_limits());
    wire_enter_list(&writer, (size_t)count + 1);
    wire_write_int(&writer, NOODLE_SUBJECT_DROPPED);
    for (Py_ssize_t i = 0; i < count; i++)
        wire_write_uint(&writer, PyLong_AsUnsignedLongLong(PyList_GET_ITEM(self->dropped, i)));
    record.length = (uint32_t)writer.length;
    if (noodle_channel_send(lane->core, &record, buffer) == NOODLE_OK)
        PyList_SetSlice(self->dropped, 0, count, NULL);
}

static void
keep_house(host_thread *thread, Link *self, host_lane *own)
{
    host_reap_threads();
    keep_orphans(thread, self, own);
    for (host_lane *lane = thread->lanes; lane != NULL; lane = lane->next_of_thread)
        host_lane_tell(lane);
    leave_closed_loops(self);
    kill_overdue(self);
    trim_arena();
    send_dropped(own, self);
    if (self->due != NULL || atomic_load_explicit(&self->releases, memory_order_relaxed) != NULL)
        host_send_releases(own);
    if (self->calls != self->last_calls || self->in_flight > 0 || self->last_used_ns == 0) {
        self->last_calls = self->calls;
        self->last_used_ns = noodle_now();
    }
}

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
            keep_house(thread, self, lane);
    } while (!ended && noodle_now() < until_ns);
    return ended;
}

static PyObject *
link_serve(PyObject *object, PyObject *seconds)
{
    Link *const self = (Link *)object;
    const double limit = PyFloat_AsDouble(seconds);
    host_lane *const lane = PyErr_Occurred() ? NULL : serving_lane(self);
    bool ended;
    if (lane == NULL)
        return NULL;
    host_thread *const thread = lane->owner;
    thread->depth++;
    lane->open++;
    if (self->last_kept_ns == 0)
        self->last_kept_ns = noodle_now();
    ended = serve_until(self, thread, lane, noodle_now() + (uint64_t)(limit * 1e9));
    lane->open--;
    thread->depth--;
    if (!ended)
        Py_RETURN_FALSE;
    noodle_link_mark_dead(self->core);
    while (thread->lanes != NULL)
        host_lane_drop(thread->lanes);
    Py_RETURN_TRUE;
}

/* ----------------------------------------------------------------------------------- Analysis */

static PyObject *
link_waits(PyObject *object, PyObject *Py_UNUSED(ignored))
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

static PyObject *
link_served(PyObject *object, PyObject *Py_UNUSED(ignored))
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

static PyObject *
link_statistics(PyObject *object, PyObject *Py_UNUSED(ignored))
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

static PyObject *
link_held(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    return PyLong_FromSsize_t(host_count_held((Link *)object));
}

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

static PyObject *
link_repr(PyObject *object)
{
    return PyUnicode_FromFormat("<link to %U>", ((Link *)object)->name);
}

static PyMethodDef link_methods[] = {
    {"descriptors", link_descriptors, METH_NOARGS,
     "descriptors()\n--\n\nReturn the worker's (control, socket, event, lifeline)."},
    {"started", link_started, METH_O, "started(pidfd)\n--\n\nSay that the worker runs; takes it."},
    {"handshake", link_handshake, METH_VARARGS,
     "handshake(timeout)\n--\n\nReturn the worker's READY record, or None when it did not come."},
    {"serve", link_serve, METH_O,
     "serve(seconds)\n--\n\nServe the worker's own requests on this thread; return whether it ended."},
    {"stop", link_stop, METH_NOARGS, "stop()\n--\n\nAsk the worker to end."},
    {"kill", link_kill, METH_NOARGS, "kill()\n--\n\nKill the worker."},
    {"condemn", link_condemn, METH_O,
     "condemn(reason)\n--\n\nKill the worker for a reason that its callers will see."},
    {"ended", link_ended, METH_O, "ended(killed)\n--\n\nSay that the worker's process has ended."},
    {"waits", link_waits, METH_NOARGS,
     "waits()\n--\n\nReturn the calls that threads wait for, as (chain, name, seconds)."},
    {"served", link_served, METH_NOARGS,
     "served()\n--\n\nReturn the callbacks that run here, as (chain, seconds, whether the worker is blocked)."},
    {"held", link_held, METH_NOARGS,
     "held()\n--\n\nReturn how many of its objects are held by who cannot ask for them again."},
    {"statistics", link_statistics, METH_NOARGS, "statistics()\n--\n\nReturn the counters by name."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef link_getset[] = {
    {"beat", link_get_beat, NULL, "Rises while the worker's process lives and is scheduled.", NULL},
    {"progress", link_get_progress, NULL, "Rises with each turn of the worker's loop.", NULL},
    {"state", link_get_state, NULL, "What the worker's thread does: running, parked, …", NULL},
    {"dead", link_get_dead, NULL, "Whether the worker has ended.", NULL},
    {"forked", link_get_forked, NULL, "Whether it belongs to the parent of this process.", NULL},
    {"idle_seconds", link_get_idle, NULL, "Seconds since the last call.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
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
    {Py_tp_getset, link_getset},
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
