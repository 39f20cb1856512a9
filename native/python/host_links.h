/* The host's end of one worker. */
#ifndef NOODLE_HOST_LINKS_H
#define NOODLE_HOST_LINKS_H

#include "host_policy.h"

typedef struct host_lane host_lane;
typedef struct host_thread host_thread;
typedef struct host_call host_call;
typedef struct host_notice host_notice;
typedef struct LaterAnswer LaterAnswer;

/* A reference that was let go.  Pushed by finalizers, on whatever thread they run. */
typedef struct host_release {
    struct host_release *next;
    uint64_t id;
    uint32_t sent;
} host_release;

/* Something of the host that the worker let go. */
struct host_notice {
    uint64_t number;     /* of an object, or of a segment */
    uint64_t count;      /* sendings, or loans */
    bool is_loan;
};

/* A callback that is being served for a worker, which may be blocked in it. */
typedef struct host_serving {
    struct host_serving *next;
    uint64_t chain;
    uint64_t since_ns;
    bool blocks;            /* the worker serves nothing but this chain meanwhile */
} host_serving;

/* A thread that waits for a free channel. */
typedef struct host_turn {
    struct host_turn *next;
    PyThread_type_lock lock;   /* held until it is this thread's turn */
} host_turn;

typedef struct Link {
    PyObject_HEAD
    noodle_link *core;             /* NULL: closed */
    PyObject *name;
    PyObject *reference_types;     /* as POLICY_REFERENCE_TYPES, for its runtime; or NULL */
    PyObject *broken;              /* what the worker did against the protocol, or NULL */
    uint64_t incarnation;
    uint32_t generation;
    uint32_t worker;               /* its number in the arena */
    bool has_worker;
    bool trusted;
    bool maps_read_only;           /* it may be given read-only arrays as they are */
    bool lacks_memory;             /* shared memory was refused to it since this was last looked at */
    bool has_ended;                /* its process has; the core goes with the last lane */
    bool is_python;                /* what only Python has goes by value */
    bool dedicated;                /* each channel but the first has a thread of the worker */
    bool retires;                  /* functions are to be found in another worker from now on */
    int pidfd;                     /* a duplicate, for killing; -1 before the start */
    host_lane *lanes;
    host_lane *orphans;            /* without a thread, with calls that may be answered; for the serving thread */
    host_turn *turns;              /* first come first */
    _Atomic(host_release *) releases;
    host_release *due;             /* taken from it: to be sent once what came before was taken */
    uint64_t due_after[NOODLE_CHANNELS];   /* by channel: how far the worker must have read */
    uint32_t undecoded;            /* payloads that were taken and not read to their end */
    host_notice *notices;          /* what the worker let go meanwhile */
    size_t notice_count;
    size_t notice_capacity;
    PyObject *unsettled;           /* ids of calls that nobody waits for, and that run no code */
    host_serving *serving;
    host_thread *server;           /* the serving thread; NULL: it does not serve yet, or no more */
    LaterAnswer *later_first;      /* given, for the serving thread to send; first come first */
    LaterAnswer *later_last;
    PyObject *exports;             /* id -> Export */
    PyObject *exports_by_object;   /* address, or two of a bound method -> Export, which keeps it alive */
    PyObject *proxies;             /* id -> address of the live Reference */
    PyObject *loans;               /* segment -> Loan */
    PyObject *own_segments;        /* of the worker, received and not named yet: number -> Loan */
    uint64_t grace_ns;
    uint64_t spin_ns;
    uint64_t calls;
    uint64_t callbacks;
    uint64_t late_replies;
    uint64_t sent_releases;
    uint64_t copies;               /* of arrays, in either direction */
    uint64_t copied_bytes;
    uint64_t shared_bytes;         /* of arrays that crossed without a copy */
    uint64_t lent_bytes;           /* of the segments that it has now */
    uint64_t most_bytes;           /* of these; 0: no limit */
    uint32_t most_segments;        /* 0: no limit */
    uint32_t in_flight;            /* calls without an answer, retired ones included */
    uint64_t last_used_ns;         /* kept by the serving thread, from `calls` */
    uint64_t last_calls;
    uint64_t last_kept_ns;         /* of the serving thread's last round */
    uint64_t last_beat;
    uint64_t last_beat_ns;         /* when the worker's beat was last seen to rise */
    PyObject *dropped;             /* segments that the worker need not map any more */
    PyObject *weak_references;
} Link;

extern PyTypeObject *host_link_type;

static inline bool
link_is_dead(const Link *link)
{
    return link->core == NULL || noodle_link_is_dead(link->core);
}

/* In a child of fork() nothing may be written to the parent's rings, nor taken from them. */
static inline bool
link_is_forked(const Link *link)
{
    return link->generation != noodle_process_generation();
}

/* The worker broke the protocol: kills it.  Every call of the link then fails as crashed. */
void host_link_condemn(Link *link, const char *reason);
void host_link_kill(Link *link);
/* Whether the process has ended, which is then marked. */
bool host_link_has_ended(Link *link);
/* Closes what a link of an ended worker has open, once no lane is left. */
void host_link_settle_end(Link *link);

#endif
