/* Calls: from the arguments to the answer, on the thread that makes them.
 *
 * The wait has three parts.  A spin that holds the GIL, of about 2 us and without a look at the clock,
 * extended to HELD_NS; a spin without the GIL; a sleep.  A thread that computes keeps the GIL for 5 ms
 * once it has it, and to pay that for each wake-up would leave no call fast beside it.  So where there is
 * such a thread, a sleep of at most HELD_WAKE_NS with the GIL comes before the others, if only sleeping
 * helps or an answer is late for once.  It is left out where nobody wants the GIL, as a timer that
 * ends so soon costs the kernel more than the GIL; and the first part, too, for functions that call back
 * or are slow, so that such a thread goes on.
 *
 * What the usual call does stands in this file, so that the compiler sees all of it. */
#include "host_calls_internal.h"

#include <stdlib.h>

/* ---------------------------------------------------------------------------------- Deadlines */

static COLD int
scoped_deadline(uint64_t *deadline_ns)
{
    PyObject *left = PyObject_CallNoArgs(host_policy[POLICY_REMAINING_SECONDS]);
    double seconds = 0;
    uint64_t own;
    if (left == NULL)
        return -1;
    if (left == Py_None) {
        Py_DECREF(left);
        return 0;
    }
    seconds = PyFloat_AsDouble(left);
    Py_DECREF(left);
    if (PyErr_Occurred())
        return -1;
    if (seconds > 1e9)
        return 0;
    own = noodle_now() + (seconds > 0 ? (uint64_t)(seconds * 1e9) : 0);
    if (*deadline_ns == 0 || own < *deadline_ns)
        *deadline_ns = own;
    return 0;
}

int
host_deadline(host_thread *thread, uint64_t *deadline_ns)
{
    PyObject *scope = NULL;
    int result = 0;
    *deadline_ns = thread->deadline_ns;
    if (UNLIKELY(PyContextVar_Get(host_policy[POLICY_DEADLINE_SCOPE], Py_None, &scope) < 0))
        return -1;
    if (UNLIKELY(scope != Py_None))
        result = scoped_deadline(deadline_ns);
    Py_XDECREF(scope);
    return result;
}

/* ------------------------------------------------------------------------------------ Records */

static host_call *
find_call(host_thread *thread, const host_lane *lane, uint64_t id)
{
    for (host_call *call = thread->calls; call != NULL; call = call->outer)
        if (call->id == id && call->lane == lane && !call->answered)
            return call;
    return NULL;
}

/* An answer whose payload lies at `payload`, which is `own->small` or memory that ends with this. */
static int
answered(host_thread *thread, host_lane *lane, const noodle_record *record,
         const unsigned char *payload, host_call *own)
{
    host_call *call = own;
    if (lane->futures != NULL) {
        const int taken = host_future_answered(lane, record, payload);
        if (taken != 0)
            return taken;
    }
    if (UNLIKELY(own == NULL || own->id != record->call_id || own->lane != lane || own->answered)) {
        call = find_call(thread, lane, record->call_id);
        if (call == NULL)
            return host_drop_late(lane, record, payload, own);
    }
    if (call == own && payload == own->small)
        call->payload = own->small;
    else if (host_stash_answer(call, record, payload) < 0)
        return -1;
    call->kind = record->kind;
    call->flags = record->flags;
    call->length = record->length;
    call->answered = true;
    lane->link->in_flight--;
    return 0;
}

static inline int
handle(host_thread *thread, host_lane *lane, const noodle_record *record,
       const unsigned char *payload, host_call *own)
{
    if (LIKELY(record->kind == NOODLE_KIND_REPLY || record->kind == NOODLE_KIND_ERROR))
        return answered(thread, lane, record, payload, own);
    return host_take_rare(thread, lane, record, payload);
}

static COLD int
take_large(host_thread *thread, host_lane *lane, noodle_record *record, host_call *own)
{
    unsigned char *buffer = malloc(record->length);
    int result;
    if (buffer == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    result = noodle_channel_take(lane->core, record, buffer, record->length) == NOODLE_OK
                 ? handle(thread, lane, record, buffer, own)
                 : host_broke_protocol(lane->link, own, "a record changed while it was taken");
    free(buffer);
    return result < 0 ? -1 : 1;
}

int
host_take(host_thread *thread, host_lane *lane, host_call *own)
{
    noodle_record record;
    unsigned char other[HOST_SMALL_BYTES];
    /* An answer that is already here must not be overwritten. */
    unsigned char *const buffer = own != NULL && !own->answered ? own->small : other;
    const noodle_status status =
        noodle_channel_take(lane->core, &record, buffer, HOST_SMALL_BYTES);
    if (LIKELY(status == NOODLE_OK))
        return LIKELY(handle(thread, lane, &record, buffer, own) >= 0) ? 1
                                                                       : host_record_failed(lane, own);
    if (status == NOODLE_EMPTY)
        return 0;
    if (status == NOODLE_TOO_SMALL)
        return take_large(thread, lane, &record, own);
    /* A sandboxed worker's events report an error when it ends. */
    if (lane->link->broken == NULL && host_link_has_ended(lane->link))
        return own == NULL ? 0 : host_raise_end(lane->link, own);
    return host_broke_protocol(lane->link, own, "a record or cursor of its ring cannot be");
}

/* ------------------------------------------------------------------------------------ Waiting */

/* The short wait, with the GIL.  True: something is there; `*in_time` becomes false if it came late. */
static inline bool
wait_held(host_lane *lane, const host_pace *pace, bool *in_time)
{
    noodle_status status;
    if (pace->calls_back || pace->fits < FITS_ENOUGH)
        return noodle_channel_ready(lane->core);
    status = noodle_wait_spin(lane->core, 0);
    if (status == NOODLE_NOT_YET)
        status = noodle_wait_spin(lane->core, noodle_now() + HELD_NS / 2);
    if (UNLIKELY(status == NOODLE_NOT_YET)) {
        *in_time = false;
        status = noodle_wait_spin(lane->core, noodle_now() + lane->link->spin_ns);
    }
    if (UNLIKELY(status != NOODLE_READY) && host_gil_is_contended())
        status = noodle_wait_block(lane->core, 0, HELD_WAKE_NS);
    return status == NOODLE_READY;
}

static int
await_answer(host_thread *thread, host_call *call, host_pace *pace)
{
    bool in_time = true;
    if (UNLIKELY(call->lane->core->waiter == NULL))
        return host_wait_slowly(thread, call, pace);
    for (int i = 0; i < BATCH && LIKELY(wait_held(call->lane, pace, &in_time)); i++) {
        if (UNLIKELY(host_take(thread, call->lane, call) < 0))
            return -1;
        /* Another lane is ready, or it was something else. */
        if (UNLIKELY(!call->answered) && host_take_all(thread, call) < 0)
            return -1;
        if (LIKELY(call->answered)) {
            note_pace(pace, in_time);
            return 0;
        }
    }
    return host_wait_slowly(thread, call, pace);
}

/* ----------------------------------------------------------------------------------- Requests */

static COLD int
write_keywords(host_message *message, PyObject *const *values, PyObject *names)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(names);
    wire_enter_map(&message->writer, (size_t)count);
    for (Py_ssize_t i = 0; i < count; i++)
        if (host_message_write(message, PyTuple_GET_ITEM(names, i)) < 0
            || host_message_write(message, values[i]) < 0)
            return -1;
    wire_leave(&message->writer);
    return 0;
}

int
host_write_request(host_message *message, int operation, uint64_t id, PyObject *const *args,
              Py_ssize_t count, PyObject *keyword_names)
{
    const bool named = UNLIKELY(keyword_names != NULL) && PyTuple_GET_SIZE(keyword_names) > 0;
    if (named)
        operation = NOODLE_OP_CALL_NAMED;
    wire_enter_list(&message->writer, (size_t)count + 2 + named);
    wire_write_uint(&message->writer, (uint64_t)operation);
    wire_write_uint(&message->writer, id);
    if (named && write_keywords(message, args + count, keyword_names) < 0)
        return -1;
    for (Py_ssize_t i = 0; i < count; i++)
        if (UNLIKELY(host_message_write(message, args[i]) < 0))
            return -1;
    wire_leave(&message->writer);
    return 0;
}

static int
send_once(host_thread *thread, host_call *call, int operation, uint64_t id,
          PyObject *const *args, Py_ssize_t count, PyObject *keyword_names)
{
    host_message message;
    noodle_record record = {
        .kind = NOODLE_KIND_CALL,
        .call_id = call->id,
        .chain_id = call->chain,
        .deadline_ns = call->deadline_ns,
    };
    int result;
    host_message_init(&message, call->lane->link);
    result = host_write_request(&message, operation, id, args, count, keyword_names);
    if (LIKELY(result == 0))
        result = host_message_send(thread, call->lane, &message, &record, call);
    host_message_end(&message, result == 0);
    return result;
}

static int
send_request(host_thread *thread, host_call *call, int operation, uint64_t id,
             PyObject *const *args, Py_ssize_t count, PyObject *keyword_names)
{
    Link *const link = call->lane->link;
    int result = send_once(thread, call, operation, id, args, count, keyword_names);
    while (UNLIKELY(result < 0) && link->lacks_memory) {
        link->lacks_memory = false;
        if (!host_loan_recover(link, call->name))
            break;
        PyErr_Clear();
        result = send_once(thread, call, operation, id, args, count, keyword_names);
    }
    return result;
}

/* -------------------------------------------------------------------------------------- Calls */

static PyObject *
read_answer(host_call *call)
{
    Link *const link = call->lane->link;
    PyObject *value = host_read(link, call->flags, call->payload, call->length);
    if (UNLIKELY(call->payload != call->small))
        host_drop_payload(call);
    if (UNLIKELY(value == NULL))
        host_unreadable(link, call->name);
    return LIKELY(call->kind == NOODLE_KIND_REPLY) ? value
                                                   : host_raise_answer(link, value, call->failure);
}

static PyObject *
make_call(host_thread *thread, host_call *call, int operation, uint64_t id, PyObject *const *args,
          Py_ssize_t count, PyObject *keyword_names, host_pace *pace)
{
    Link *const link = call->lane->link;
    if (UNLIKELY(atomic_load_explicit(&link->releases, memory_order_relaxed) != NULL))
        host_send_releases(call->lane);
    if (UNLIKELY(send_request(thread, call, operation, id, args, count, keyword_names) < 0))
        return NULL;
    link->in_flight++;
    call->sent_until = call->lane->core->out.position;
    if (UNLIKELY(await_answer(thread, call, pace) < 0)) {
        if (!call->answered)
            host_give_up(call);
        else if (call->payload != call->small)
            host_drop_payload(call);
        return NULL;
    }
    if (UNLIKELY(call->called_back))
        pace->calls_back = true;
    return read_answer(call);
}

static COLD void
drop_failure(host_call *call)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    Py_CLEAR(call->failure);
    PyErr_Restore(type, value, traceback);
}

PyObject *
host_call_worker(Link *link, int operation, uint64_t id, PyObject *name, PyObject *const *args,
                 Py_ssize_t count, PyObject *keyword_names, host_pace *pace)
{
    host_call call;
    PyObject *result;
    host_thread *const thread = host_thread_here();
    link->calls++;             /* first of all: from here on it is not idle */
    if (UNLIKELY(thread == NULL || host_deadline(thread, &call.deadline_ns) < 0))
        return NULL;
    host_lane *const lane = host_lane_here(thread, link, name);
    if (UNLIKELY(lane == NULL))
        return NULL;
    if (UNLIKELY(thread->depth >= HOST_DEPTH_MAX)) {
        host_raise(POLICY_TOO_DEEP, "OOI", link, name, thread->depth);
        return NULL;
    }
    const bool was_parked = thread->parked;
    if (UNLIKELY(was_parked))
        host_loop_unpark(thread);
    call.lane = lane;
    call.name = name;
    call.id = host_next_id();
    call.chain = host_chain_here(thread);
    if (LIKELY(call.chain == 0))
        call.chain = call.id;
    call.begin_ns = 0;
    call.answered = call.called_back = false;
    call.failure = NULL;
    call.outer = thread->calls;
    thread->calls = &call;
    thread->depth++;
    lane->open++;
    result = make_call(thread, &call, operation, id, args, count, keyword_names, pace);
    thread->calls = call.outer;
    /* While the lane is still in use: finalizers may call, too. */
    if (UNLIKELY(call.failure != NULL))
        drop_failure(&call);
    lane->open--;
    thread->depth--;
    if (UNLIKELY(thread->depth == 0
                 && (lane->retired_count > 0 || link->turns != NULL || link_is_dead(link))))
        host_thread_settle(thread);
    if (UNLIKELY(thread->loop_lanes > 0) && (was_parked || thread->depth == 0))
        host_loop_park(thread);
    return result;
}
