/* Calls: from the arguments to the answer, on the thread that makes them.
 *
 * The wait has three parts.  A spin that holds the GIL, of about 2 us and without a look at the clock,
 * extended to HELD_NS; a spin without the GIL; a sleep.  A thread that computes keeps the GIL for 5 ms
 * once it has it, and to pay that for each wake-up would leave no call fast beside it.  So where there is
 * such a thread, a sleep of at most HELD_WAKE_NS with the GIL comes before the others, if only sleeping
 * helps or an answer is late for once.  It is left out where nobody wants the GIL, as a timer that
 * ends so soon costs the kernel more than the GIL; and the first part, too, for functions that call back
 * or are slow, so that such a thread goes on. */
#include "host.h"

#include <stdlib.h>
#include <unistd.h>

#define HELD_NS UINT64_C(5000)
/* Chosen: two wake-ups across the processors of a virtual machine take 80 to 150 us. */
#define HELD_WAKE_NS UINT64_C(250000)
/* To wait so long for the GIL says that another thread computes, for some time to come. */
#define TURN_NS UINT64_C(1000000)
#define TURNS_NS UINT64_C(1000000000)
#define MAIN_SLICE_NS UINT64_C(50000000)
#define OTHER_SLICE_NS UINT64_C(200000000)
#define STUCK_AFTER_NS UINT64_C(100000000)
/* Chosen: so many records before a thread lets others have the GIL, and looks at the clock. */
#define BATCH 256
/* Chosen: so often, over 50 ms, a worker without memory is asked to look for some. */
#define COLLECTIONS 10
#define COLLECTION_PAUSE_US 5000
/* Chosen: calls of a worker that nobody waits for and that never end; each takes some 100 bytes here. */
#define UNSETTLED_MOST 100000

/* `host_pace.fits` of a function nine of ten of whose answers came within the held wait. */
#define FITS_ONE 65536u
#define FITS_ENOUGH 58982u
#define FITS_SHIFT 4

static inline void
note_pace(host_pace *pace, bool fitted)
{
    pace->fits -= pace->fits >> FITS_SHIFT;
    if (fitted)
        pace->fits += FITS_ONE >> FITS_SHIFT;
}

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

/* The end of a worker concerns whoever waits for it, and not a call to another worker that has looked at
 * its lane.  The lane may go. */
static COLD int
raise_end(Link *link, const host_call *own)
{
    if (own == NULL || own->lane->link == link)
        return host_raise(POLICY_CRASHED, "OO", link, own == NULL ? Py_None : own->name);
    host_drop_dead_lanes(own->lane->owner, own->lane);
    return 0;
}

static COLD int
broke_protocol(Link *link, const host_call *own, const char *reason)
{
    PyErr_Clear();
    host_link_condemn(link, reason);
    return raise_end(link, own);
}

/* ----------------------------------------------------------------------------- Retired calls */

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
static COLD int
drop_late(host_lane *lane, const noodle_record *record, const unsigned char *payload,
          const host_call *own)
{
    PyObject *type, *value, *traceback;
    if (!host_lane_forget(lane, record->call_id) && !forget_unsettled(lane, record->call_id)) {
        if (lane->link->has_ended)
            return 0;   /* what is unsettled was forgotten with the worker, before its last answers */
        return broke_protocol(lane->link, own, "it answered a call that was not made");
    }
    lane->link->late_replies++;
    lane->link->in_flight--;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *answer = host_read(lane->link, record->flags, payload, record->length);
    Py_XDECREF(answer);
    PyErr_Restore(type, value, traceback);
    return 0;
}

/* Keeps an answer for the call that is not the innermost one. */
static COLD int
stash(host_call *call, const noodle_record *record, const unsigned char *payload)
{
    unsigned char *kept = malloc(record->length + 1);
    if (kept == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(kept, payload, record->length);
    call->payload = kept;
    host_payload_taken(call->lane->link);
    return 0;
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
            return drop_late(lane, record, payload, own);
    }
    if (call == own && payload == own->small)
        call->payload = own->small;
    else if (stash(call, record, payload) < 0)
        return -1;
    call->kind = record->kind;
    call->flags = record->flags;
    call->length = record->length;
    call->answered = true;
    lane->link->in_flight--;
    return 0;
}

static COLD int
handle_rare(host_thread *thread, host_lane *lane, const noodle_record *record,
            const unsigned char *payload, host_call *own)
{
    const uint64_t now = record->kind == NOODLE_KIND_CALLBACK ? noodle_now() : 0;
    /* Of what lay unread when its worker ended only answers matter; whoever reads it now waits for another. */
    if (UNLIKELY(lane->link->has_ended))
        return 0;
    for (host_call *call = thread->calls; call != NULL; call = call->outer) {
        if (call->chain == record->chain_id)
            call->called_back = true;
        if (call->begin_ns == 0)
            call->begin_ns = now;
    }
    (void)own;
    return host_serve_record(thread, lane, record, payload);
}

static inline int
handle(host_thread *thread, host_lane *lane, const noodle_record *record,
       const unsigned char *payload, host_call *own)
{
    if (LIKELY(record->kind == NOODLE_KIND_REPLY || record->kind == NOODLE_KIND_ERROR))
        return answered(thread, lane, record, payload, own);
    return handle_rare(thread, lane, record, payload, own);
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
                 : broke_protocol(lane->link, own, "a record changed while it was taken");
    free(buffer);
    return result < 0 ? -1 : 1;
}

/* A record could not be handled.  If that ended its worker, a call to another one goes on. */
static COLD int
failed(const host_lane *lane, const host_call *own)
{
    if (own == NULL || own->lane->link == lane->link || !link_is_dead(lane->link)
        || !PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyErr_Clear();
    return raise_end(lane->link, own);
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
        return LIKELY(handle(thread, lane, &record, buffer, own) >= 0) ? 1 : failed(lane, own);
    if (status == NOODLE_EMPTY)
        return 0;
    if (status == NOODLE_TOO_SMALL)
        return take_large(thread, lane, &record, own);
    /* A sandboxed worker's events report an error when it ends. */
    if (lane->link->broken == NULL && host_link_has_ended(lane->link))
        return own == NULL ? 0 : raise_end(lane->link, own);
    return broke_protocol(lane->link, own, "a record or cursor of its ring cannot be");
}

host_lane *
host_lane_of(const host_thread *thread, const noodle_channel *core)
{
    for (host_lane *lane = thread->lanes; lane != NULL; lane = lane->next_of_thread)
        if (lane->core == core)
            return lane;
    return NULL;
}

int
host_take_all(host_thread *thread, host_call *own)
{
    noodle_channel *core;
    for (int i = 0; i < BATCH && (own == NULL || !own->answered)
                    && (core = noodle_waiter_next(thread->waiter)) != NULL;
         i++) {
        host_lane *const lane = host_lane_of(thread, core);
        const int taken = lane == NULL ? 0 : host_take(thread, lane, own);
        if (taken < 0)
            return -1;
        /* What is ready is then the space that a message lacked. */
        if (taken == 0)
            return 0;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------ Waiting */

/* Until when another thread is taken to want the GIL all the time. */
static _Atomic uint64_t contended_until_ns;

static bool
is_contended(void)
{
    const uint64_t until = atomic_load_explicit(&contended_until_ns, memory_order_relaxed);
    return until != 0 && noodle_now() < until;
}

/* A thread has the GIL again, for which it has waited since a time. */
static void
note_contention(uint64_t since_ns)
{
    const uint64_t now = noodle_now();
    if (UNLIKELY(now - since_ns > TURN_NS))
        atomic_store_explicit(&contended_until_ns, now + TURNS_NS, memory_order_relaxed);
}

noodle_status
host_block(host_thread *thread, host_lane *lane, uint64_t deadline_ns, uint64_t slice_ns,
           uint64_t spin_ns)
{
    noodle_status status;
    /* Taken out by host_drop_dead_lanes(), which served a wait further in. */
    if (UNLIKELY(lane->core->waiter == NULL)
        && noodle_waiter_add(thread->waiter, lane->core) != NOODLE_OK)
        return NOODLE_SYSTEM;
    Py_BEGIN_ALLOW_THREADS
    status = noodle_channel_wait(lane->core, deadline_ns, slice_ns, spin_ns);
    thread->woken_ns = noodle_now();
    Py_END_ALLOW_THREADS
    note_contention(thread->woken_ns);
    if (status == NOODLE_READY)
        noodle_waiter_resumed(thread->waiter);   /* to wait for the GIL was not its own time */
    return status;
}

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
    if (UNLIKELY(status != NOODLE_READY) && is_contended())
        status = noodle_wait_block(lane->core, 0, HELD_WAKE_NS);
    return status == NOODLE_READY;
}

static COLD int
check_on(host_thread *thread, host_call *call, noodle_status status)
{
    Link *const link = call->lane->link;
    const uint64_t now = noodle_now();
    if (PyErr_CheckSignals() < 0)
        return -1;
    if (status == NOODLE_TIMEOUT)
        return host_raise(POLICY_OVERDUE, "OOd", link, call->name,
                          (double)(now - call->begin_ns) / 1e9);
    if (status == NOODLE_PEER_DEAD && link_is_dead(link))
        return host_raise(POLICY_CRASHED, "OO", link, call->name);
    if (status == NOODLE_FORKED)
        return host_raise(POLICY_FORKED, "OO", link, call->name);
    if (status == NOODLE_SYSTEM)
        return host_raise(POLICY_REFUSED, "OOsi", link, call->name, noodle_status_name(status),
                          errno);
    if (now - call->begin_ns >= STUCK_AFTER_NS)
        return host_raise(POLICY_STUCK, "OOKd", link, call->name,
                          (unsigned long long)host_chain_here(thread), (double)(now - call->begin_ns) / 1e9);
    return 0;
}

COLD void
host_drop_dead_lanes(host_thread *thread, const host_lane *kept)
{
    host_lane *lane = thread->lanes;
    while (lane != NULL)
        if (lane == kept || !link_is_dead(lane->link)) {
            lane = lane->next_of_thread;
        } else if (lane->open > 0 || lane->loop_channel != NULL) {
            /* Its calls fail when it is their turn; until then it must not end the waits of others. */
            noodle_waiter_remove(thread->waiter, lane->core);
            lane = lane->next_of_thread;
        } else {
            host_lane_drop(lane);
            lane = thread->lanes;
        }
}

/* A worker that asks without end keeps nobody past the deadline.  Returns TIMEOUT, SLICE or READY. */
static noodle_status
look_at_clock(const host_call *call, uint64_t slice_ns, uint64_t *check_ns)
{
    const uint64_t now = noodle_now();
    if (call->deadline_ns != 0 && now >= call->deadline_ns)
        return NOODLE_TIMEOUT;
    if (now < *check_ns)
        return NOODLE_READY;
    *check_ns = now + slice_ns;
    return NOODLE_SLICE;
}

/* The long wait, until the call is answered. */
static COLD int
wait_slowly(host_thread *thread, host_call *call, host_pace *pace)
{
    const uint64_t slice_ns = thread->is_main ? MAIN_SLICE_NS : OTHER_SLICE_NS;
    uint64_t spin_ns = call->lane->link->spin_ns;
    uint64_t check_ns, quick_ns;
    check_ns = noodle_now();
    if (call->begin_ns == 0)
        call->begin_ns = check_ns;
    check_ns += slice_ns;
    quick_ns = noodle_spin_is_vain(call->lane->core) ? HELD_WAKE_NS : HELD_NS;
    while (!call->answered) {
        noodle_status status =
            host_block(thread, call->lane, call->deadline_ns, slice_ns, spin_ns);
        /* Another thread's turn of the GIL says nothing about the worker. */
        const bool quick = thread->woken_ns - call->begin_ns <= quick_ns;
        if (status == NOODLE_FORKED)
            return check_on(thread, call, status);
        if (host_take_all(thread, call) < 0)
            return -1;
        if (call->answered) {
            note_pace(pace, quick);
            break;
        }
        if (status == NOODLE_PEER_DEAD)
            host_drop_dead_lanes(thread, call->lane);
        if (status == NOODLE_READY)
            status = look_at_clock(call, slice_ns, &check_ns);
        if (status != NOODLE_READY && check_on(thread, call, status) < 0)
            return -1;
        spin_ns = status == NOODLE_READY ? call->lane->link->spin_ns : 0;
    }
    return 0;
}

static int
await_answer(host_thread *thread, host_call *call, host_pace *pace)
{
    bool in_time = true;
    if (UNLIKELY(call->lane->core->waiter == NULL))
        return wait_slowly(thread, call, pace);
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
    return wait_slowly(thread, call, pace);
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
static COLD void
give_up(const host_call *call)
{
    const host_lane *const lane = call->lane;
    if (!PyErr_ExceptionMatches(PyExc_KeyboardInterrupt))
        host_retire(call->lane, call->id, call->chain, call->deadline_ns);
    else
        retire(call->lane, call->id, call->chain, noodle_now() + lane->link->grace_ns,
               call->sent_until);
}

/* -------------------------------------------------------------------------------------- Calls */

static COLD PyObject *
raise_answer(Link *link, PyObject *error, PyObject *failure)
{
    if (error != NULL && failure != NULL) {
        PyObject *same = PyObject_CallFunctionObjArgs(host_policy[POLICY_RETURNED], (PyObject *)link,
                                                      error, failure, NULL);
        Py_SETREF(error, same);
    }
    if (error == NULL)
        return NULL;
    if (PyExceptionInstance_Check(error))
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    else
        PyErr_Format(PyExc_TypeError, "an answer of kind ERROR was no error but %.200s",
                     Py_TYPE(error)->tp_name);
    Py_DECREF(error);
    return NULL;
}

COLD void
host_unreadable(Link *link, PyObject *name)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    host_raise(POLICY_UNREADABLE, "OOO", link, name, value);
    Py_XDECREF(type);
    Py_XDECREF(value);
    Py_XDECREF(traceback);
}

/* Of an answer that was kept. */
static COLD void
drop_payload(host_call *call)
{
    free(call->payload);
    host_payload_read(call->lane->link);
}

static PyObject *
read_answer(host_call *call)
{
    Link *const link = call->lane->link;
    PyObject *value = host_read(link, call->flags, call->payload, call->length);
    if (UNLIKELY(call->payload != call->small))
        drop_payload(call);
    if (UNLIKELY(value == NULL))
        host_unreadable(link, call->name);
    return LIKELY(call->kind == NOODLE_KIND_REPLY) ? value : raise_answer(link, value, call->failure);
}

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

/* What JavaScript has let go it gives back when V8 finds it.  Has the worker look now, with the exception
 * set aside.  Returns whether it has less than before; another exception may be set then. */
static COLD bool
relieve(Link *link, PyObject *name)
{
    const uint64_t before = link->lent_bytes;
    PyObject *type, *value, *traceback;
    host_pace pace = {0};
    bool asked = true;
    PyErr_Fetch(&type, &value, &traceback);
    for (int i = 0; i < COLLECTIONS && asked && link->lent_bytes >= before; i++) {
        PyObject *done = host_call_worker(link, NOODLE_OP_COLLECT, 0, name, NULL, 0, NULL, &pace);
        asked = done != NULL;
        Py_XDECREF(done);
        /* The loans come back with the next turns of its loop, on whatever channel. */
        Py_BEGIN_ALLOW_THREADS
        usleep(COLLECTION_PAUSE_US);
        Py_END_ALLOW_THREADS
    }
    if (!asked && !PyErr_ExceptionMatches(PyExc_Exception)) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        return false;
    }
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return link->lent_bytes < before;
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
        if (!relieve(link, call->name))
            break;
        PyErr_Clear();
        result = send_once(thread, call, operation, id, args, count, keyword_names);
    }
    return result;
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
            give_up(call);
        else if (call->payload != call->small)
            drop_payload(call);
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
