/* noodle._host: the host's side of a channel for CPython; what its parts share.
 *
 * Words.  A Link is the Python object for one worker's shared memory.  A lane is a channel in the hands
 * of one thread.  A call is one request that waits for its answer; a message is a payload that is being
 * written, with what has to be undone should it never be sent.
 *
 * Threads.  Everything here is protected by the GIL but for two things: the waits, which touch only
 * what belongs to the waiting thread, and the list of threads that have ended, which is lock-free.
 * A thread's lanes are in use while its depth is above 0; while it is 0, whoever holds the GIL may
 * take them away.
 *
 * Ownership.  A lane owns its Link.  A Reference owns its Link.  A message borrows it.
 */
#ifndef NOODLE_HOST_H
#define NOODLE_HOST_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "noodle/arena.h"
#include "noodle/channel.h"
#include "noodle/protocol.h"
#include "wire_python.h"

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define COLD __attribute__((noinline, cold))

/* Nested calls on one thread, callbacks included. */
#define HOST_DEPTH_MAX 64
/* Nearly every message fits here, on the stack of its call. */
#define HOST_SMALL_BYTES 512

/* ------------------------------------------------------------------------------------- Policy
 * What Python code decides; installed once by noodle.workers. */
enum host_policy {
    POLICY_CRASHED,            /* (link, name) -> exception */
    POLICY_OVERDUE,            /* (link, name, seconds) -> exception */
    POLICY_REFUSED,            /* (link, name, status name, errno) -> exception */
    POLICY_FORKED,             /* (link, name) -> exception */
    POLICY_TOO_DEEP,           /* (link, name, depth) -> exception */
    POLICY_RELEASED,           /* (name, why) -> exception */
    POLICY_STUCK,              /* (link, name, chain, seconds) -> exception or None */
    POLICY_REMOTE_ERROR,       /* (link, fields) -> exception */
    POLICY_ARRAY,              /* (memory, dtype, item size, unit, units, shape, strides, offset,
                                * read only) -> array */
    POLICY_PERFORM,            /* (link, operation, object, arguments) -> result */
    POLICY_RETURNED,           /* (link, error, failure) -> failure if the error is that, else error */
    POLICY_DESCRIBE,           /* (link, exception, with cause) -> fields of an ERROR */
    POLICY_UNREADABLE,         /* (link, name, exception) -> exception for an answer */
    POLICY_SETTLE,             /* (link, call id, awaitable) -> result */
    POLICY_CANCEL,             /* (link, call id): nobody waits for that callback any more */
    POLICY_UNCAUGHT,           /* (link, exception) */
    POLICY_REFERENCE_TYPES,    /* tuple of subclasses of Reference, by wire_reference_kind */
    POLICY_MOST_ARGUMENTS,     /* (callable) -> how many a callback takes by position, or None */
    POLICY_NOTE_CALLBACK,      /* (link, callable, arguments, exception): says what was called */
    POLICY_UNDEFINED,          /* the object that stands for JavaScript's undefined */
    POLICY_DEADLINE_SCOPE,     /* a ContextVar, None while no deadline was set */
    POLICY_REMAINING_SECONDS,  /* () -> float or None */
    POLICY_COUNT
};

extern PyObject *host_policy[POLICY_COUNT];

/* Raises what a policy returns.  Returns -1. */
int host_raise(enum host_policy policy, const char *format, ...);

/* -------------------------------------------------------------------------------------- Links */

typedef struct host_lane host_lane;
typedef struct host_thread host_thread;
typedef struct host_call host_call;
typedef struct host_notice host_notice;

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
    host_lane *orphans;            /* with retired calls and without a thread; for the serving thread */
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
};

struct host_call {
    host_call *outer;
    host_lane *lane;
    PyObject *name;             /* borrowed: what is called */
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
 * with retired calls goes to the link's orphans. */
void host_lane_drop(host_lane *lane);
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

/* ----------------------------------------------------------------------------------- Messages */

typedef struct host_sending {
    uint64_t number;
    bool is_object;         /* false: a segment */
} host_sending;

typedef struct host_message {
    wire_writer writer;
    wire_python_hooks hooks;
    Link *link;
    unsigned char *heap;
    host_sending *sendings;
    uint32_t sendings_count;
    uint32_t sendings_capacity;
    uint32_t causes;                /* of exceptions, written so far */
    unsigned char small[HOST_SMALL_BYTES];
} host_message;

void host_message_init(host_message *message, Link *link);
/* Frees; `sent` says that the worker has it, otherwise what it lends and refers to is taken back. */
void host_message_end_slowly(host_message *message, bool sent);

static inline void
host_message_end(host_message *message, bool sent)
{
    if (UNLIKELY(message->heap != NULL || message->sendings != NULL))
        host_message_end_slowly(message, sent);
}

int host_message_note(host_message *message, uint64_t number, bool is_object);

static inline int
host_message_write(host_message *message, PyObject *object)
{
    return wire_encode_object(&message->writer, object, &message->hooks);
}

/* Moves a payload that no ring can hold to a segment; the message becomes the span. */
int host_message_to_segment(host_message *message, noodle_record *record);
/* Sends a message on a lane; waits for space, serving what comes meanwhile. */
int host_message_send(host_thread *thread, host_lane *lane, host_message *message,
                      noodle_record *record, host_call *call);

/* Reads a payload; NULL with an exception. */
PyObject *host_read(Link *link, unsigned flags, const unsigned char *payload, size_t length);

/* A payload that was taken and waits to be read may name what the worker has let go by then: so until
 * it was read nothing of the link is let go. */
static inline void
host_payload_taken(Link *link)
{
    link->undecoded++;
}

void host_apply_notices(Link *link);

static inline void
host_payload_read(Link *link)
{
    if (UNLIKELY(--link->undecoded == 0 && link->notice_count != 0))
        host_apply_notices(link);
}

/* -------------------------------------------------------------------------------------- Calls */

typedef struct host_pace {
    uint32_t fits;          /* share of recent answers within the held spin, of 65536 */
    bool calls_back;
} host_pace;

int host_write_request(host_message *message, int operation, uint64_t id, PyObject *const *args,
                       Py_ssize_t count, PyObject *keyword_names);
/* Tells the worker that nobody waits for a call; until it answers, its id stays on the lane.  After the
 * deadline and the grace it costs the worker its life, unless the worker says that the call only waits. */
void host_retire(host_lane *lane, uint64_t call_id, uint64_t chain_id, uint64_t deadline_ns);
/* The worker says so.  Returns 0, or -1 with an exception. */
int host_call_is_pending(host_lane *lane, uint64_t call_id);

/* Calls into a worker and waits for the answer. */
PyObject *host_call_worker(Link *link, int operation, uint64_t id, PyObject *name,
                           PyObject *const *args, Py_ssize_t count, PyObject *keyword_names,
                           host_pace *pace);

/* Takes one record of a lane and handles it.  Returns 1, 0 when there was none, -1 with an exception. */
int host_take(host_thread *thread, host_lane *lane, host_call *call);
host_lane *host_lane_of(const host_thread *thread, const noodle_channel *core);
/* Gives up the lanes of workers that have ended, but for one: they end every wait.  Those in use stay
 * with the thread, out of its waiter. */
void host_drop_dead_lanes(host_thread *thread, const host_lane *kept);
/* The same for every ready lane of a thread. */
int host_take_all(host_thread *thread, host_call *call);
/* Waits once, without the GIL.  Returns as noodle_wait_block(). */
noodle_status host_block(host_thread *thread, host_lane *lane, uint64_t deadline_ns,
                         uint64_t slice_ns, uint64_t spin_ns);
/* The earlier of the scope's deadline and that of the callback being served; 0: none.  Runs Python code,
 * in which a lane that is not in use may go.  Returns 0, or -1 with an exception. */
int host_deadline(host_thread *thread, uint64_t *deadline_ns);
/* Replaces the exception of an answer that could not be read. */
void host_unreadable(Link *link, PyObject *name);

/* ------------------------------------------------------------------------------------ Serving */

/* Handles any record that is no answer.  Returns 0, or -1 with an exception that ends the wait. */
int host_serve_record(host_thread *thread, host_lane *lane, const noodle_record *record,
                      const unsigned char *payload);
/* Around a callback: what the analysis of deadlocks sees. */
void host_serving_begin(host_serving *serving, Link *link, const noodle_record *record);
void host_serving_end(host_serving *serving, Link *link);
/* Has nested calls of a callback go on the lane that it came on, where its worker waits.  Returns what
 * `takes_calls` was. */
bool host_prefer_lane(host_lane *lane);
/* Is the result of a callback something to await here, and not an object of a worker? */
bool host_is_awaitable(PyObject *result);
/* Does what a request [operation, id, argument...] asks. */
PyObject *host_perform(Link *link, PyObject *request);
/* Calls a function with the arguments of a request.  NULL with an exception, which says what was called
 * if that took other arguments. */
PyObject *host_call_back(Link *link, PyObject *callable, PyObject *request);
/* Adds to the exception that is set which callback was called, and with what. */
void host_note_callback(Link *link, PyObject *callable, PyObject *request);
/* The same where the request is a call of a chain that began in the worker. */
void host_note_unexpected(Link *link, PyObject *request, uint64_t chain);
/* Answers a request with a result, or with the exception that is set.  Returns as above. */
int host_answer(host_thread *thread, host_lane *lane, const noodle_record *request,
                PyObject *result);
/* Tells the worker what was let go; what must wait, or finds no space, stays for the next time. */
void host_send_releases(host_lane *lane);

/* --------------------------------------------------------------------------------- References */

typedef struct Reference {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Link *link;              /* NULL: released */
    uint64_t id;
    uint64_t incarnation;
    uint32_t sent;
    uint32_t found;          /* so many sendings were to somebody who can ask for the object again */
    uint8_t kind;
    PyObject *name;
    host_pace pace;
    PyObject *weak_references;
} Reference;

extern PyTypeObject *host_reference_type;
extern PyTypeObject *host_function_type;
extern PyTypeObject *host_by_reference_type;

int host_write_reference(void *context, wire_writer *writer, PyObject *object);
PyObject *host_read_reference(void *context, const wire_reference *reference);
/* Counts one sending of an object, which has an id from then on.  Returns 0, or -1 with an exception. */
int host_export_send(Link *link, PyObject *object, uint64_t *id);
/* How many objects of the worker are held here by somebody who cannot ask for them again. */
Py_ssize_t host_count_held(const Link *link);
PyObject *host_export_object(Link *link, uint64_t id);   /* borrowed; NULL: unknown */
int host_export_release(Link *link, uint64_t id, uint32_t sent);
void host_export_undo(Link *link, uint64_t id);
extern PyObject *host_engine;

/* Dicts by number.  What is read is borrowed, or NULL without an exception. */
PyObject *host_number_get(PyObject *dict, uint64_t number);
int host_number_set(PyObject *dict, uint64_t number, PyObject *value);
void host_number_delete(PyObject *dict, uint64_t number);

/* The reference that a RemoteFunction goes to: borrowed, or NULL before its first call. */
/* The reference of a RemoteFunction in one of its workers, found out now if need be.  NULL: it is in none
 * whose link that is, or, with an exception, it could not be found out. */
PyObject *host_function_reference_in(PyObject *function, const Link *link);

int host_links_init(PyObject *module);
int host_exports_init(PyObject *module);
int host_references_init(PyObject *module);
int host_functions_init(PyObject *module);
/* The function in the worker that a call would go to, owned; NULL where that is to be found first. */
Reference *host_function_known(PyObject *function);
int host_batches_init(PyObject *module);

/* ------------------------------------------------------------------------------------- Arrays */

extern noodle_arena *host_arena;
extern PyTypeObject *host_memory_type;
extern PyTypeObject *host_array_type;

/* A Memory over a lease, or over private memory of malloc() where the lease is none; takes it, also
 * when it fails. */
PyObject *host_memory_new(noodle_lease lease, unsigned char *address, uint64_t bytes, bool read_only);
unsigned char *host_memory_address(PyObject *memory, uint64_t *bytes, bool *read_only);
/* The Memory that an array, or a view of one, lies in: a new reference, or NULL without an exception. */
PyObject *host_memory_of(PyObject *object);
/* Raises if an array's memory was given up by hand.  Returns 0 or -1. */
int host_memory_check(PyObject *object);
PyObject *host_array_memory(PyObject *array);   /* a new reference, or NULL */
void host_array_release(PyObject *array);
int host_array_check(PyObject *array);          /* raises if it was released; returns 0 or -1 */
int host_memory_init(PyObject *module);
int host_exporter_init(PyObject *module);

int host_write_array(void *context, wire_writer *writer, PyObject *object, const Py_buffer *view,
                     const wire_array *array);
PyObject *host_read_array(void *context, const wire_array *array);

/* Leases a segment that a worker names: one it was lent, or one of its own. */
int host_find_segment(Link *link, uint64_t number, noodle_lease *lease);
/* Lends the leased segment to the worker once more: sends it on the first time.  The message keeps
 * count.  Returns 0, 1 when the worker must not see it, or -1 with an exception. */
int host_lend(Link *link, host_message *message, noodle_lease lease, bool read_only);
void host_loan_return(Link *link, uint64_t segment, uint64_t times);
void host_loans_clear(Link *link);
/* Raises if so many bytes more in one segment more exceed what the worker may have.  Returns 0 or -1. */
int host_loan_check(Link *link, uint64_t bytes);
int host_loans_init(PyObject *module);

/* ---------------------------------------------------------------------------------- Processes */

int host_processes_init(PyObject *module);
PyObject *host_spawn(PyObject *module, PyObject *args);
PyObject *host_pump_add(PyObject *module, PyObject *args);

/* ------------------------------------------------------------------------------- Event loops */

/* Settles the future of an answer.  Returns 1, 0 when no future waits for it, -1 with an exception. */
int host_future_answered(host_lane *lane, const noodle_record *record,
                         const unsigned char *payload);
/* A callback on an event loop's lane. */
int host_loop_serve(host_thread *thread, host_lane *lane, const noodle_record *record,
                    const unsigned char *payload);
/* Takes the thread's waiter back from the event loop's poll; and gives it to it. */
void host_loop_unpark(host_thread *thread);
void host_loop_park(host_thread *thread);
void host_loop_forget(struct LoopChannel *channel);
/* Takes a lane in no use from a loop that was closed: the link's serving thread reads it from now on, and
 * the grace of its retired calls begins anew.  Runs Python code. */
void host_loop_leave_if_closed(host_lane *lane);
/* Whether calls wait for space in its ring. */
bool host_loop_has_unsent(const struct LoopChannel *channel);
/* Whether a channel is that of a loop, and stays open. */
bool host_loop_belongs_to(const struct LoopChannel *channel, const PyObject *loop);
/* Asks something of an object, for the loop of a channel.  Returns the future, or NULL. */
PyObject *host_loop_call(struct LoopChannel *channel, const Reference *reference, int operation,
                         PyObject *const *args, Py_ssize_t count, PyObject *names);
int host_loops_init(PyObject *module);
int host_awaited_init(PyObject *module);

#endif
