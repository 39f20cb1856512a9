/* Threads, their lanes and calls, and the chains that calls belong to. */
#ifndef NOODLE_HOST_THREADS_H
#define NOODLE_HOST_THREADS_H

#include "host_links.h"

/* ------------------------------------------------------------------------------------ Threads */

typedef struct host_retired {
    uint64_t call_id;
    uint64_t kill_at_ns;   /* 0: never */
    uint64_t begins_at;    /* only if the worker has read the ring so far; 0: in any case */
    bool untold;           /* the worker does not know yet: the ring was full */
} host_retired;

struct host_lane {
    noodle_channel *core;
    Link *link;
    host_thread *owner;
    host_lane *next_of_thread;
    host_lane *next_of_link;
    bool takes_calls;           /* of its thread; not an event loop's lane, nor an adopted one */
    bool of_loop;               /* an event loop's; where its channel has closed, its thread drops it */
    uint32_t open;              /* calls that somebody waits for */
    uint32_t unsettled;         /* of the link's, so many were made here: their answers come here */
    uint32_t retired_count;
    uint32_t retired_capacity;
    uint32_t untold;            /* of the retired calls */
    host_retired *retired;      /* calls that nobody waits for any more */
    PyObject *futures;          /* of an event loop's lane: call id -> future, else NULL */
    struct LoopChannel *loop_channel;   /* borrowed; it forgets the lane when this goes */
};

struct host_thread {
    noodle_waiter *waiter;
    host_lane *lanes;
    host_call *calls;           /* innermost first */
    host_thread *next_ended;
    uint32_t depth;
    uint64_t chain;             /* of what this thread is doing now; 0: nothing */
    uint64_t deadline_ns;       /* of the callback that it serves; 0: none */
    uint64_t woken_ns;          /* when its last wait without the GIL ended, before it had that again */
    bool is_main;
    bool parked;                /* under an event loop's poll: nothing of the waiter may be used */
    uint32_t loop_lanes;        /* lanes of event loops on this thread */
    Link *serves;               /* the link whose serving thread it is, or NULL */
    uint32_t sends_at;          /* the depth at which it sends later answers; 0: it sends none */
};

struct host_call {
    host_call *outer;
    host_lane *lane;
    PyObject *name;             /* what is called; held by who calls */
    PyObject *failure;          /* the exception of the last callback that failed during the call */
    uint64_t id;
    uint64_t chain;
    uint64_t deadline_ns;
    uint64_t begin_ns;          /* set once the wait is a long one, or before a callback; else 0 */
    uint64_t sent_until;        /* the ring's head behind its request */
    bool answered;
    bool called_back;
    uint16_t kind;
    uint16_t flags;
    size_t length;
    unsigned char *payload;     /* `small`, or owned */
    unsigned char small[HOST_SMALL_BYTES];
};

extern __thread host_thread *host_this_thread;

host_thread *host_thread_new(void);

static inline host_thread *
host_thread_here(void)
{
    return LIKELY(host_this_thread != NULL) ? host_this_thread : host_thread_new();
}

/* The lane of this thread for a link, opened if need be; NULL with an exception. */
host_lane *host_lane_open(host_thread *thread, Link *link, PyObject *name);

static inline host_lane *
host_lane_here(host_thread *thread, Link *link, PyObject *name)
{
    host_lane *lane = thread->lanes;
    if (LIKELY(lane != NULL && lane->link == link && lane->takes_calls))
        return lane;
    return host_lane_open(thread, link, name);
}

/* Takes a lane from its thread, whose depth is 0 or which is this one, and gives the channel back; one
 * that an answer may still come on goes to the link's orphans. */
void host_lane_drop(host_lane *lane);
/* The same, but gives the channel back at once: what comes waits for whoever opens it next. */
void host_lane_give_back(host_lane *lane);
noodle_channel *host_channel_open(host_thread *thread, Link *link, PyObject *name);
host_lane *host_lane_new(host_thread *thread, Link *link, noodle_channel *core);
/* The end of a thread's outermost call: gives up lanes that others wait for, or that have ended. */
void host_thread_settle(host_thread *thread);
int host_lane_retire(host_lane *lane, host_retired retired);
/* Sends the cancels that found no space.  By the lane's thread, or for one that is in no use. */
void host_lane_tell(host_lane *lane);
bool host_lane_forget(host_lane *lane, uint64_t call_id);

/* Gives back the lanes of threads that have ended. */
void host_reap_threads(void);
int host_threads_init(void);
uint64_t host_next_id(void);

/* ------------------------------------------------------------------------------------- Chains */

/* Whether contexts may hold chains: from the first callback on. */
extern bool host_chains_are_carried;

uint64_t host_carried_chain(const host_thread *thread);

/* The chain that the running code belongs to; 0: none.  The thread may be NULL. */
static inline uint64_t
host_chain_here(const host_thread *thread)
{
    if (LIKELY(!host_chains_are_carried))
        return thread != NULL ? thread->chain : 0;
    return host_carried_chain(thread);
}

/* The context of a callback carries its chain between these two, which pair on one thread and in one
 * context.  `shares`: a callback within another one of its chain ends with that.  `ends`: it has ended;
 * else whoever has `scope->chain` ends it. */
typedef struct host_chain_scope {
    PyObject *token;
    PyObject *chain;           /* NULL: the context had it already */
} host_chain_scope;

int host_chain_enter(host_chain_scope *scope, uint64_t id, bool shares);
void host_chain_leave(host_chain_scope *scope, bool ends);
int host_chains_init(PyObject *module);

#endif
