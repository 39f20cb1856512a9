/* Messages, calls into a worker, and what is served for one. */
#ifndef NOODLE_HOST_CALLS_H
#define NOODLE_HOST_CALLS_H

#include "host_threads.h"

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
/* The same for every ready lane of a thread. */
int host_take_all(host_thread *thread, host_call *call);
host_lane *host_lane_of(const host_thread *thread, const noodle_channel *core);
/* Gives up the lanes of workers that have ended, but for one: they end every wait.  Those in use stay
 * with the thread, out of its waiter. */
void host_drop_dead_lanes(host_thread *thread, const host_lane *kept);
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
/* What is called then, a new reference; NULL for any other request.  The exception that is set stays. */
PyObject *host_called_unexpectedly(Link *link, PyObject *request, uint64_t chain);
/* Answers a request with a result, or with the exception that is set.  Returns as above. */
int host_answer(host_thread *thread, host_lane *lane, const noodle_record *request,
                PyObject *result);
/* Answers a request with what an awaitable gives, once it has ended on the event loop for that: see
 * host_later.c.  By the serving thread, for a lane of its own link.  Returns 0, or -1 with an exception. */
int host_answer_later(host_lane *lane, const noodle_record *record, PyObject *request, PyObject *awaitable,
                      PyObject *chain);
/* Sends what was given to later answers; by the serving thread. */
void host_later_send(host_thread *thread);
/* Drops it: the worker has ended. */
void host_later_drop(Link *link);
int host_later_init(PyObject *module);
/* Tells the worker what was let go; what must wait, or finds no space, stays for the next time. */
void host_send_releases(host_lane *lane);

#endif
