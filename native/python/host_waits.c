/* The long wait for an answer, and what is taken meanwhile. */
#include "host_calls_internal.h"

#define MAIN_SLICE_NS UINT64_C(50000000)
#define OTHER_SLICE_NS UINT64_C(200000000)
#define STUCK_AFTER_NS UINT64_C(100000000)
/* To wait so long for the GIL says that another thread computes, for some time to come. */
#define TURN_NS UINT64_C(1000000)
#define TURNS_NS UINT64_C(1000000000)

/* ------------------------------------------------------------------------------------ Records */

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
    if (UNLIKELY(thread->serves != NULL)
        && (noodle_waiter_woken(thread->waiter) || thread->serves->later_first != NULL))
        host_later_send(thread);
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

/* ------------------------------------------------------------------------------------ Waiting */

/* Until when another thread is taken to want the GIL all the time. */
static _Atomic uint64_t contended_until_ns;

bool
host_gil_is_contended(void)
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
COLD int
host_wait_slowly(host_thread *thread, host_call *call, host_pace *pace)
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
