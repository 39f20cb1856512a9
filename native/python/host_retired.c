/* Calls that nobody waits for any more: the worker is told, their answers are read and dropped, and what
 * neither ends nor waits costs the worker its life. */
#include "host_calls_internal.h"

/* Chosen: calls of a worker that nobody waits for and that never end; each takes some 100 bytes here. */
#define UNSETTLED_MOST 100000

static bool
forget_unsettled(host_lane *lane, uint64_t call_id)
{
    PyObject *key = PyLong_FromUnsignedLongLong(call_id);
    const int found = key != NULL ? PySet_Discard(lane->link->unsettled, key) : -1;
    Py_XDECREF(key);
    PyErr_Clear();
    lane->unsettled -= found == 1 && lane->unsettled > 0;
    return found == 1;
}

/* A promise that is never settled runs no code: it costs the worker a little memory, and not its life. */
int
host_call_is_pending(host_lane *lane, uint64_t call_id)
{
    Link *const link = lane->link;
    if (!host_lane_forget(lane, call_id))
        return 0;   /* it was answered meanwhile, or never cancelled */
    PyObject *key = PyLong_FromUnsignedLongLong(call_id);
    const int added = key != NULL ? PySet_Add(link->unsettled, key) : -1;
    Py_XDECREF(key);
    lane->unsettled += added == 0;
    if (added == 0 && PySet_GET_SIZE(link->unsettled) > UNSETTLED_MOST) {
        PyErr_SetString(PyExc_ValueError, "too many of its calls never end");
        return -1;
    }
    return added;
}

/* Reads the answer to a call that nobody waits for any more, for the references in it. */
COLD int
host_drop_late(host_lane *lane, const noodle_record *record, const unsigned char *payload,
               const host_call *own)
{
    PyObject *type, *value, *traceback;
    if (!host_lane_forget(lane, record->call_id) && !forget_unsettled(lane, record->call_id)) {
        if (lane->link->has_ended)
            return 0;   /* what is unsettled was forgotten with the worker, before its last answers */
        return host_broke_protocol(lane->link, own, "it answered a call that was not made");
    }
    lane->link->late_replies++;
    lane->link->in_flight--;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *answer = host_read(lane->link, record->flags, payload, record->length);
    Py_XDECREF(answer);
    PyErr_Restore(type, value, traceback);
    return 0;
}

static COLD void
retire(host_lane *lane, uint64_t call_id, uint64_t chain_id, uint64_t kill_at_ns, uint64_t begins_at)
{
    PyObject *type, *value, *traceback;
    const noodle_record record = {
        .kind = NOODLE_KIND_CANCEL, .call_id = call_id, .chain_id = chain_id};
    if (link_is_dead(lane->link) || link_is_forked(lane->link))
        return;
    PyErr_Fetch(&type, &value, &traceback);
    /* A cancel that is sent before its call is none. */
    const bool waits =
        lane->untold > 0 || (lane->loop_channel != NULL && host_loop_has_unsent(lane->loop_channel));
    const host_retired retired = {
        call_id, kill_at_ns, begins_at,
        waits || noodle_channel_send(lane->core, &record, "") == NOODLE_FULL};
    if (host_lane_retire(lane, retired) < 0) {
        PyErr_Clear();
        host_link_condemn(lane->link, "there was no memory to keep track of its calls");
    }
    PyErr_Restore(type, value, traceback);
}

COLD void
host_retire(host_lane *lane, uint64_t call_id, uint64_t chain_id, uint64_t deadline_ns)
{
    retire(lane, call_id, chain_id, deadline_ns == 0 ? 0 : deadline_ns + lane->link->grace_ns, 0);
}

/* The call has failed on this side.  After an interrupt the user wants it to end, with or without a
 * deadline; but a call that the worker has not begun holds nobody up. */
COLD void
host_give_up(const host_call *call)
{
    const host_lane *const lane = call->lane;
    if (!PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        host_retire(call->lane, call->id, call->chain, call->deadline_ns);
    else
        retire(call->lane, call->id, call->chain, noodle_now() + lane->link->grace_ns,
               call->sent_until);
}
