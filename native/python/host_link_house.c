/* What the serving thread does for its link between two waits: lanes without a thread, calls that are
 * overdue, memory that is in no use. */
#include "host_links_internal.h"

/* Between two rounds of a serving thread that was not held up. */
#define GAP_NS UINT64_C(2000000000)
/* What has come may be the answer, unless it has come for so long. */
#define FLOOD_NS UINT64_C(1000000000)
/* Chosen: eight beats.  In a worker without one nothing runs: it is stopped. */
#define BEATS_NS UINT64_C(2000000000)
/* Chosen: a quarter of the channels. */
#define UNSETTLED_LANES 16
#define TRIM_EVERY_NS UINT64_C(1000000000)

/* ------------------------------------------------------------------------------------ Orphans */

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
            host_lane_give_back(lane);
        else
            kept++;
    }
}

/* ------------------------------------------------------------------------------ Overdue calls */

/* The host itself stood still, stopped by a signal or a debugger: the grace goes on from here. */
static void
extend_grace(Link *self, uint64_t now)
{
    const uint64_t gap = now - self->last_kept_ns;
    self->last_kept_ns = now;
    if (gap < GAP_NS)
        return;
    self->last_beat_ns = now;
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

static void
look_for_beat(Link *self, uint64_t now)
{
    const uint64_t beat = noodle_link_beat(self->core);
    if (beat != self->last_beat)
        self->last_beat_ns = now;
    self->last_beat = beat;
}

/* Is this a call that the host has made and that has no answer? */
static bool
is_open(const host_lane *lane, uint64_t id)
{
    if (lane->futures != NULL && host_number_get(lane->futures, id) != NULL)
        return true;
    for (uint32_t i = 0; i < lane->retired_count; i++)
        if (lane->retired[i].call_id == id)
            return true;
    const host_call *call = lane->owner != NULL ? lane->owner->calls : NULL;
    while (call != NULL && (call->lane != lane || call->id != id || call->answered))
        call = call->outer;
    return call != NULL;
}

/* Does the code of another call keep the worker, from hearing of this one's end or from beginning it at
 * all?  Then this one is not to blame, and has the grace anew; the other may be, when its own time is over. */
static bool
runs_another(const Link *self, uint64_t id, uint64_t now)
{
    const uint64_t running = noodle_link_running(self->core);
    if (running == 0 || running == id || now - self->last_beat_ns > BEATS_NS)
        return false;
    for (const host_lane *lane = self->lanes; lane != NULL; lane = lane->next_of_link)
        if (is_open(lane, running))
            return true;
    return false;
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
    look_for_beat(self, now);
    for (const host_lane *lane = self->lanes; lane != NULL; lane = lane->next_of_link)
        for (uint32_t i = 0; i < lane->retired_count; i++) {
            host_retired *const retired = &lane->retired[i];
            if (!is_overdue(lane, retired, now))
                continue;
            if (runs_another(self, retired->call_id, now)) {
                retired->kill_at_ns = now + self->grace_ns;
                continue;
            }
            if (is_left_unread(lane))
                break;
            host_link_condemn(self, retired->begins_at == 0
                                        ? "a call did not end within the grace after its deadline"
                                        : "a call did not end within the grace after an interrupt");
            return;
        }
}

/* ------------------------------------------------------------------------------------- Memory */

static void
note_dropped(void *Py_UNUSED(context), uint64_t segment, const uint64_t *workers)
{
    PyObject *number = PyLong_FromUnsignedLongLong(segment);
    for (uint32_t i = 0; number != NULL && i < NOODLE_ARENA_WORKERS; i++)
        if ((workers[i / 64] >> (i % 64) & 1) && host_links_by_worker[i] != NULL)
            PyList_Append(host_links_by_worker[i]->dropped, number);
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

/* ---------------------------------------------------------------------------------- All of it */

void
host_link_keep_house(host_thread *thread, Link *self, host_lane *own)
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
