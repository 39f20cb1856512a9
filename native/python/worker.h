/* The Python worker: what the parts of its extension share.  The contracts are noodle/protocol.h (what
 * is said), noodle/channel.h (how it travels) and wire_python.h (how values are written).
 *
 * Words.  A lane is a channel and the thread that serves it.  A call is a request of the host that this
 * worker serves; a request is one that Python code here makes of the host.  An errand is a call that
 * another thread runs than the one that took its record.  The keeper is the thread that does whatever
 * belongs to no call: channel 0, descriptors, and the lanes whose threads are busy.
 *
 * Threads.  Each channel of a host thread has a thread here, so that calls of several host threads run
 * side by side, and those of one always on the same.  The first one that calls gets the interpreter's
 * main thread.  While a lane's thread runs a call for longer than a tick, the keeper takes the records
 * of its channel: cancellations reach the call, and other calls go to helpers.  Everything is protected
 * by the GIL, the rings included, but for the waits, which only look.
 *
 * Forks.  In a child of fork() the shared control memory is replaced by memory of its own, and the
 * descriptors are closed: whatever a child does, it reaches no ring.
 *
 * Trust.  The host is trusted with values, not with sizes: whatever it writes, nothing here reads or
 * writes out of bounds.  What breaks the protocol ends the process.
 *
 * Built with the stable ABI of CPython 3.8: one file serves every later version. */
#ifndef NOODLE_WORKER_H
#define NOODLE_WORKER_H

#include "exceptions.h"
#include "wire_python.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "noodle/arena.h"
#include "noodle/channel.h"
#include "noodle/protocol.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COLD __attribute__((noinline, cold))

/* Calls within calls, through callbacks; as on the host. */
#define WORKER_DEPTH_MAX 64
/* Nearly every message fits here, on the stack of its call. */
#define WORKER_SMALL_BYTES 512

/* Interrupts the main thread in a system call.  By default it is ignored, and few programs use it. */
#define WORKER_SIGNAL SIGURG

/* What start_worker() of the Python half gives to start(), by these names. */
enum worker_function {
    WORKER_SERVE,          /* (operation, object, *arguments) -> result: whatever is no plain call */
    WORKER_DESCRIBE,       /* (exception, is a cause further down) -> the six fields of an ERROR */
    WORKER_NOTE_CALL,      /* (exception, what was called and raised it): for the frames of the former */
    WORKER_MAKE_ERROR,     /* (fields) -> an exception that says the same */
    WORKER_MAKE_ARRAY,     /* (address, bytes, lease, dtype, item size, unit, units, shape, strides,
                            * offset, read only) -> array; without a lease the memory is copied */
    WORKER_PROXY_TYPES,    /* a tuple of subclasses of Reference, by wire_reference_kind */
    WORKER_START_LANE,     /* (index): starts a thread that calls serve_lane(index) */
    WORKER_START_HELPER,   /* (): starts a thread that calls help() */
    WORKER_AWAIT,          /* (coroutine, call id): answers the call later */
    WORKER_CANCEL,         /* (call id): nobody waits for what was given to WORKER_AWAIT */
    WORKER_SETTLE,         /* (future, value, whether it is an exception) */
    WORKER_CURRENT,        /* () -> id of the call that the running coroutine belongs to, or None */
    WORKER_CANCELLED,      /* the exception that a call gets whose caller has given up */
    WORKER_OVERDUE,        /* the exception that says that the deadline has passed */
    WORKER_END_FORK,       /* (): ends a child of fork() that has come back here */
    WORKER_COROUTINE,      /* types.CoroutineType */
    WORKER_FUNCTION_TYPES, /* a tuple: the types of functions and of bound methods */
    WORKER_FUNCTIONS
};

typedef struct worker_thread worker_thread;
typedef struct worker_call worker_call;
typedef struct worker_lane worker_lane;
typedef struct worker_outgoing worker_outgoing;

/* -------------------------------------------------------------------------- Threads, lanes */

/* A thread that runs calls of the host. */
struct worker_thread {
    worker_thread *next;       /* among all that exist */
    worker_lane *lane;         /* that it serves, or NULL */
    worker_call *innermost;
    unsigned long ident;       /* Python's */
    pthread_t handle;
    uint32_t depth;
    bool is_main;
};

/* A record that waits for a thread. */
typedef struct worker_errand {
    struct worker_errand *next;
    worker_lane *lane;
    uint64_t number;           /* counted from 1 */
    noodle_record record;
    unsigned char payload[];
} worker_errand;

typedef struct worker_errands {
    worker_errand *first;
    worker_errand **end;
} worker_errands;

#define WORKER_ON_ITS_WAY ((worker_thread *)1)

struct worker_lane {
    noodle_channel *core;
    worker_thread *thread;      /* NULL until it is served */
    noodle_pace pace;
    _Atomic uint64_t turn;      /* rises with each start and end of a call; odd while its thread does
                                 * not look at its ring */
    uint64_t seen_turn;         /* the keeper's */
    bool is_open;               /* its events have come */
    bool is_watched;            /* the keeper stands in for its thread */
    worker_errands errands;     /* first come first */
    _Atomic uint32_t waiting;   /* errands */
    worker_thread *runner;      /* who starts its calls; NULL: nobody now, WORKER_ON_ITS_WAY: a helper */
    PyThread_type_lock asking;  /* its own thread waits for its turn; or NULL */
    worker_outgoing *outbox;    /* what had no space in the ring */
    worker_outgoing **outbox_end;
};

/* The thread that calls, if it runs calls of the host; else NULL. */
worker_thread *worker_this_thread(void);
void worker_thread_begin(worker_thread *thread, worker_lane *lane);
void worker_thread_end(worker_thread *thread);

/* Around what keeps a lane's thread from looking at its ring. */
static inline void
worker_lane_leave(worker_lane *lane)
{
    const uint64_t turn = atomic_load_explicit(&lane->turn, memory_order_relaxed);
    atomic_store_explicit(&lane->turn, turn + 1, memory_order_relaxed);
}

void worker_lane_unwatch(worker_lane *lane);

static inline void
worker_lane_return(worker_lane *lane)
{
    worker_lane_leave(lane);
    if (UNLIKELY(lane->is_watched))
        worker_lane_unwatch(lane);
}

/* Takes one record of a lane, if there is one, and handles it on the given thread. */
bool worker_take(worker_thread *thread, worker_lane *lane);
/* Waits for a record of a lane that this thread serves.  Returns as noodle_dedicated_block(). */
noodle_status worker_wait(worker_lane *lane, uint64_t deadline_ns, uint64_t slice_ns);

PyObject *worker_serve_lane(PyObject *module, PyObject *index);
PyObject *worker_serve_main(PyObject *module, PyObject *ignored);
PyObject *worker_keep(PyObject *module, PyObject *ignored);
PyObject *worker_help(PyObject *module, PyObject *ignored);

/* Has the keeper look around soon. */
void worker_nudge(void);
/* Moves a descriptor to where no loop over the low ones closes it. */
int worker_move_descriptor(int fd);
/* Wakes the main thread, which waits for its first lane or for the end. */
void worker_main_wake(void);

/* ------------------------------------------------------------------------------------- Calls */

struct worker_call {
    worker_call *next;         /* the call it is nested in, or the next in its bucket */
    worker_lane *lane;
    worker_thread *thread;     /* NULL: a coroutine that is awaited */
    uint64_t id;
    uint64_t chain;
    uint64_t deadline_ns;      /* 0: none */
    bool cancelled;
    bool interruptible;        /* its Python code runs, or may */
};

bool worker_errands_add(worker_errands *errands, worker_lane *lane, const noodle_record *record,
                        const unsigned char *payload);
worker_errand *worker_errands_take(worker_errands *errands);

/* Reads a number from 0 on. */
bool worker_read_natural(wire_reader *reader, uint64_t *number);
/* Serves a call on the calling thread. */
void worker_serve(worker_thread *thread, worker_lane *lane, const noodle_record *record,
                  const unsigned char *bytes, size_t length);
/* Handles a record.  A call is run here if `here`, else given to whoever it belongs to. */
void worker_handle(worker_thread *thread, worker_lane *lane, const noodle_record *record,
                   const unsigned char *bytes, bool here);
/* Leaves a call to the lane's runner; `at_once` says that its own thread is blocked, or that it has
 * none. */
void worker_give_errand(worker_lane *lane, const noodle_record *record,
                        const unsigned char *payload, bool at_once);
/* The runner has started nothing for a tick: the turn passes on. */
void worker_pass_on(worker_lane *lane);
/* Makes the lane's own thread its runner again, as soon as that can be. */
void worker_ask_for_turn(worker_thread *thread, worker_lane *lane);
/* Runs the next errand of a lane.  Returns false if there is none. */
bool worker_run_errand_of(worker_thread *thread, worker_lane *lane);
/* A call whose caller has given up before it began fails when it is its turn. */
void worker_cancel_errand(uint64_t id);
void worker_run_errand(worker_thread *thread, worker_errand *errand);

/* Takes a RELEASE record. */
void worker_take_releases(const worker_lane *source, const unsigned char *bytes, size_t length);
/* Obeys those that are due.  Returns whether others are left. */
bool worker_obey_releases(void);
/* Around the time from which a record is taken until its references are read. */
void worker_reading_begin(void);
void worker_reading_end(void);
/* Whether an errand of those that were given until then has not begun. */
bool worker_errands_before(uint64_t count);

void worker_answer_value(const worker_call *call, PyObject *value);
/* Answers with the exception that is set. */
void worker_answer_error(const worker_call *call);
/* Puts a call aside until its coroutine has ended.  Returns false with an exception. */
bool worker_answer_later(const worker_call *call, PyObject *coroutine);
/* Nobody waits for a call any more: interrupts it. */
void worker_cancel(uint64_t id);
/* The call that the calling thread, or the running coroutine, belongs to; NULL: none. */
const worker_call *worker_current_call(void);
uint32_t worker_open_calls(void);

PyObject *worker_answer(PyObject *module, PyObject *arguments);
PyObject *worker_fail(PyObject *module, PyObject *arguments);
PyObject *worker_uncaught(PyObject *module, PyObject *exception);
PyObject *worker_pending(PyObject *module, PyObject *number);
PyObject *worker_interrupted(PyObject *module, PyObject *arguments);

/* ---------------------------------------------------------------------------------- Messages */

typedef struct worker_message {
    wire_writer writer;
    wire_python_hooks hooks;
    worker_lane *lane;
    uint16_t flags;            /* of the record: enum noodle_record_flag */
    uint32_t causes;           /* errors within errors */
    unsigned char *heap;       /* NULL: it fits `small` */
    uint64_t *sent;            /* ids of objects, to be taken back if this is never sent */
    uint32_t sent_count;
    uint32_t sent_capacity;
    uint64_t *borrowed;        /* segments that are given back once this is sent */
    uint32_t borrowed_count;
    uint32_t borrowed_capacity;
    unsigned char small[WORKER_SMALL_BYTES];
} worker_message;

/* Opens a message; worker_message_send() or worker_message_drop() closes it. */
void worker_message_begin(worker_message *message, worker_lane *lane);
void worker_message_send(worker_message *message, const worker_call *call, enum noodle_kind kind);
void worker_message_drop(worker_message *message);
/* Returns 0, or -1 with an exception. */
int worker_message_write(worker_message *message, PyObject *value);
/* The message names an object, whose sending is taken back if the message is dropped. */
bool worker_message_note(worker_message *message, uint64_t id);
/* The message names a segment, whose loan is given back once it is sent. */
bool worker_message_borrow(worker_message *message, uint64_t segment);

/* Sends a payload, or keeps it until there is space. */
void worker_send(worker_lane *lane, noodle_record *record, const void *payload, size_t length);
/* Sends what had no space.  Returns whether something is still left. */
bool worker_flush(void);
/* Tells the host what was let go: objects of its own and loans.  `caller` is the lane of a call that ends
 * now, or NULL; `waits` says that its answer comes next.  Returns whether that has to wait. */
bool worker_flush_releases(worker_lane *caller, bool waits);
bool worker_has_releases(void);
void worker_release(uint64_t id, uint32_t sent);
void worker_return_loans(uint64_t segment, uint64_t times);

/* ---------------------------------------------------------------------------------- Requests */

/* Asks the host and waits.  NULL: an exception is set. */
PyObject *worker_request(uint64_t operation, uint64_t id, PyObject *named, PyObject *const *arguments,
                         Py_ssize_t count);
/* Takes a REPLY or ERROR of the host. */
void worker_take_reply(const noodle_record *record, const unsigned char *payload, size_t length);
/* Gives a call to the thread that is blocked in a request of its chain.  Returns false where there is
 * none; `thread` then runs it itself if it is its own. */
bool worker_give_to_chain(worker_thread *thread, worker_lane *lane, const noodle_record *record, const unsigned char *payload, bool *own);
/* Wakes the thread that is blocked in a request for a cancelled call.  Returns whether there is one. */
bool worker_wake_requests(const worker_call *call);
bool worker_requests_hold_errands(uint64_t count);

PyObject *worker_request_now(PyObject *module, PyObject *arguments);
PyObject *worker_request_later(PyObject *module, PyObject *arguments);
PyObject *worker_abandon(PyObject *module, PyObject *number);

/* ----------------------------------------------------------------------------------- Objects */

typedef struct worker_object {
    PyObject *value;           /* owned; NULL: free */
    uint64_t id;
    uint32_t sent;
    uint32_t next;             /* free, or of the same bucket */
    uint8_t kind;
} worker_object;

/* NULL: there is none with that id, or no longer. */
worker_object *worker_find_object(uint64_t id);
void worker_object_release(uint64_t id, uint32_t sent);
/* One sending was not made. */
void worker_object_unsend(uint64_t id);
uint32_t worker_object_count(void);

int worker_write_reference(void *context, wire_writer *writer, PyObject *value);
PyObject *worker_read_reference(void *context, const wire_reference *reference);
int worker_references_init(PyObject *module);
uint32_t worker_proxy_count(void);

/* ---------------------------------------------------------------------------------- Segments */

typedef struct worker_segment {
    uint64_t number;
    uint64_t bytes;
    unsigned char *address;
    uint32_t leases;           /* of arrays that lie in it */
    bool read_only;
    bool dropped;              /* the host has no use for it any more: unmap it after the last lease */
} worker_segment;

/* Takes what lies in the socket: segments, and the events of channels. */
void worker_drain_socket(void);
/* The segment with that number, which the host has sent; NULL: it has not. */
worker_segment *worker_find_segment(uint64_t number);
void worker_drop_segment(uint64_t number);
/* The segment that memory lies in, or NULL. */
worker_segment *worker_segment_of(const unsigned char *memory, uint64_t bytes);
uint32_t worker_segment_count(uint64_t *bytes);
/* 0: there is none of that number. */
uint64_t worker_segment_bytes(uint64_t number);

int worker_write_array(void *context, wire_writer *writer, PyObject *object, const Py_buffer *view,
                       const wire_array *array);
PyObject *worker_read_array(void *context, const wire_array *array);
int worker_leases_init(PyObject *module);

/* ------------------------------------------------------------------------------------- State */

typedef struct worker_counts {
    uint64_t calls;
    uint64_t requests;
    uint64_t errands;          /* calls that another thread ran than the one that took them */
    uint64_t blocked_ns;       /* time in requests that Python code waited for */
    uint64_t views;            /* arrays that are seen in shared memory */
    uint64_t copies_in;        /* arrays that were copied instead */
    uint64_t copied_in_bytes;
    uint64_t copies_out;
    uint64_t copied_out_bytes;
    uint64_t shared_out;       /* arrays that went back as descriptors */
} worker_counts;

typedef struct worker_state {
    noodle_worker core;
    int socket;
    bool attached;
    bool greeted;              /* READY is sent */
    bool stopping;
    uint32_t generation;       /* of the process that attached */
    uint64_t incarnation;
    uint64_t host_incarnation; /* as in the references that it sends */
    uint64_t request_count;
    uint64_t chain_count;
    PyObject *functions[WORKER_FUNCTIONS];
    worker_lane lanes[NOODLE_CHANNELS];
    uint64_t full_outboxes;    /* a bit for each that is not empty */
    worker_thread *threads;
    worker_counts counts;
} worker_state;

extern worker_state worker;
extern const wire_python_hooks worker_read_hooks;

static inline bool
worker_is_forked(void)
{
    return UNLIKELY(noodle_process_generation() != worker.generation);
}

/* Says on stderr what went wrong, and ends the process. */
_Noreturn void worker_condemn(const char *reason);
/* Clears the exception that is set, and leaves a note about it on stderr. */
void worker_complain(const char *what);

#endif
