/* The Node worker: what the parts of its addon share.  The contracts are noodle/protocol.h (what is
 * said), noodle/channel.h (how it travels) and wire_node.h (how values are written).
 *
 * Words.  A call is a request of the host that this worker serves; a request is one that JavaScript
 * makes of the host.  A message is a payload that is being written.  A turn is one round of libuv's
 * loop.
 *
 * Threads.  Everything runs on the thread of the JavaScript environment; only the beat has a thread of
 * its own.  There is one worker a process, so its state is one global.
 *
 * Trust.  The host is trusted with values, not with sizes: whatever it writes, nothing here reads or
 * writes out of bounds.  What breaks the protocol ends the process. */
#ifndef NOODLE_ADDON_H
#define NOODLE_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <uv.h>

#include "noodle/arena.h"
#include "noodle/channel.h"
#include "noodle/protocol.h"
#include "wire_node.h"

#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COLD __attribute__((noinline, cold))

/* Calls within calls, through callbacks; as on the host. */
#define ADDON_DEPTH_MAX 64
/* JavaScript's numbers count exactly up to here. */
#define ADDON_SAFE_MAX ((UINT64_C(1) << 53) - 1)

/* What worker.mjs gives to addon.start(), by these names. */
enum addon_function {
    ADDON_SERVE,       /* (operation, object, receiver, id, ...arguments) -> result */
    ADDON_INTRODUCE,   /* (value) -> id of the object, or -1 - id of one of the host's */
    ADDON_CLAIM,       /* (object without a prototype) -> whether it goes by reference */
    ADDON_PROXY,       /* (id, kind, sent, name) -> what stands for a host's object */
    ADDON_SETTLE,      /* (promise, call id): answers the call later */
    ADDON_REPORTABLE,  /* (thrown value) -> an Error that says the same */
    ADDON_ENTER,       /* (call id): what follows, however late, belongs to this call */
    ADDON_CURRENT,     /* () -> the id that was entered, or undefined */
    ADDON_CANCELLED,   /* (call id): nobody waits for it any more */
    ADDON_CLOSED,      /* (call id): a watched call has been answered */
    ADDON_STOP,        /* (): ends the process in good order */
    ADDON_LET_GO,      /* (iterator): the host has released it */
    ADDON_COLLECT,     /* (): lets the garbage collector look for memory of the host */
    ADDON_FUNCTIONS
};

/* ------------------------------------------------------------------------------------- Calls */

typedef struct addon_call addon_call;

struct addon_call {
    addon_call *next;          /* the call it is nested in, or the next in its bucket */
    noodle_channel *channel;
    uint64_t id;
    uint64_t chain;
    uint64_t deadline_ns;      /* 0: none */
    bool cancelled;
    bool waits;                /* for a promise: none of its code runs */
    bool watched;              /* JavaScript holds something for it and wants to hear of its end */
};

/* A record that came while JavaScript was blocked in a request of another chain. */
typedef struct addon_deferred {
    struct addon_deferred *next;
    noodle_channel *channel;
    noodle_record record;
    unsigned char payload[];
} addon_deferred;

/* Reads a number from 0 on. */
bool addon_read_natural(wire_reader *reader, uint64_t *number);
/* Serves a call.  Returns whether it is answered later. */
bool addon_serve(noodle_channel *channel, const noodle_record *record, const unsigned char *bytes,
                 size_t length);

void addon_answer_value(const addon_call *call, napi_value value);
void addon_answer_error(const addon_call *call, napi_value thrown);
/* Puts a call aside until its promise is settled.  Returns false, with an exception or without
 * memory. */
bool addon_wait_for_promise(const addon_call *call, napi_value promise);
/* Lets JavaScript forget what it holds for a call that is answered. */
void addon_close_call(const addon_call *call);
/* What JavaScript does from here on belongs to this call. */
void addon_enter(const addon_call *call);

/* Serves what a channel holds: one record.  `chain` is the one that JavaScript is blocked in, or 0.
 * Returns whether it left something for the loop to do. */
bool addon_take(noodle_channel *channel, uint64_t chain);
bool addon_serve_deferred(void);

/* The call that the JavaScript now running belongs to, or NULL. */
addon_call *addon_current_call(void);
addon_call *addon_find_call(uint64_t id);
/* From now on JavaScript is told what call it belongs to, also when it continues later. */
void addon_use_contexts(void);

napi_value addon_answer(napi_env env, napi_callback_info info);
napi_value addon_fail(napi_env env, napi_callback_info info);
napi_value addon_current(napi_env env, napi_callback_info info);
napi_value addon_uncaught(napi_env env, napi_callback_info info);

/* ---------------------------------------------------------------------------------- Messages */

typedef struct addon_message addon_message;

struct addon_message {
    wire_writer writer;
    noodle_channel *channel;
    uint16_t flags;            /* of the record: enum noodle_record_flag */
    addon_message *outer;      /* being written while this one is: by a getter that calls the host */
    unsigned char *heap;       /* NULL: still in the ring, or nowhere */
    uint64_t *sent;            /* ids of objects, to be taken back if this is never sent */
    uint32_t sent_count;
    uint32_t sent_capacity;
    uint64_t *borrowed;        /* segments that are given back once this is sent */
    uint32_t borrowed_count;
    uint32_t borrowed_capacity;
};

/* Opens a message; addon_message_send() or addon_message_drop() closes it. */
void addon_message_begin(addon_message *message, noodle_channel *channel);
void addon_message_send(addon_message *message, const addon_call *call, enum noodle_kind kind);
void addon_message_drop(addon_message *message);
/* The message names an object, whose sending is taken back if the message is dropped. */
bool addon_message_note(addon_message *message, uint64_t id);
/* The message names a segment, whose loan is given back once it is sent. */
bool addon_message_borrow(addon_message *message, uint64_t segment);

/* Sends a payload that lies somewhere else, or keeps it until there is space. */
void addon_send(noodle_channel *channel, noodle_record *record, const void *payload, size_t length);
/* Sends what had no space.  Returns whether something is still left. */
bool addon_flush(void);
/* Tells the host what was let go: objects of its own and loans.  Returns whether that has to wait. */
bool addon_flush_releases(void);
void addon_release(uint64_t id, uint32_t sent);
void addon_return_loans(uint64_t segment, uint64_t times);

/* ---------------------------------------------------------------------------------- Requests */

/* Asks the host.  `arguments` are written behind operation and id.  Waiting, it returns the result,
 * or NULL with an exception pending; not waiting, a promise. */
napi_value addon_request(uint64_t operation, uint64_t id, const napi_value *arguments, size_t count,
                         bool wait);
/* Whether JavaScript waits for an answer of the host, further out on the stack: its loop stands still. */
bool addon_is_blocked(void);
/* Takes a REPLY or ERROR of the host. */
void addon_take_reply(const noodle_record *record, const unsigned char *payload, size_t length);

/* Tells the host that what a call of its asked for is not wanted any more. */
void addon_abandon_requests(uint64_t call);

napi_value addon_call_host(napi_env env, napi_callback_info info);
napi_value addon_abandon(napi_env env, napi_callback_info info);
napi_value addon_last_request(napi_env env, napi_callback_info info);

/* ----------------------------------------------------------------------------------- Objects */

typedef struct addon_object {
    napi_ref value;            /* NULL: free */
    napi_ref receiver;         /* `this` of a method that was read as a property; or NULL */
    napi_ref bound_function;   /* what it comes back as, once it has; or NULL */
    uint64_t id;
    uint32_t sent;
    uint32_t next_free;
    uint8_t kind;
    bool bound;                /* comes back to JavaScript bound to its receiver */
    uint8_t name_length;
    char name[61];
} addon_object;

/* NULL: there is none with that id, or no longer. */
addon_object *addon_find_object(uint64_t id);
napi_value addon_object_value(const addon_object *object);
void addon_object_release(uint64_t id, uint32_t sent);
napi_value addon_add(napi_env env, napi_callback_info info);
napi_value addon_holds(napi_env env, napi_callback_info info);
uint32_t addon_object_count(void);

bool addon_claim(void *context, napi_env env, napi_value value);
int addon_write_reference(void *context, napi_env env, wire_writer *writer, napi_value value);
napi_value addon_read_reference(void *context, napi_env env, const wire_reference *reference);

/* ---------------------------------------------------------------------------------- Segments */

typedef struct addon_segment addon_segment;

struct addon_segment {
    addon_segment *next;
    uint64_t number;
    uint64_t bytes;
    unsigned char *address;
    uint64_t used_ns;
    struct addon_view *view;   /* the ArrayBuffer over it that lives, or NULL */
    bool read_only;
    bool dropped;              /* the host has no use for it any more: unmap when JavaScript has none */
};

/* Takes what lies in the socket: segments, and the events of channels. */
void addon_drain_socket(void);
/* The segment with that number, which the host has sent; NULL: it has not. */
addon_segment *addon_find_segment(uint64_t number);
void addon_drop_segment(uint64_t number);
/* The segment that memory lies in, or NULL. */
addon_segment *addon_segment_of(const unsigned char *memory, uint64_t bytes);
/* The one ArrayBuffer over a segment.  NULL: this Node.js allows none. */
napi_value addon_buffer_of(addon_segment *segment);
/* An array over that ArrayBuffer was made: its loan is given back with the ArrayBuffer. */
void addon_note_view(addon_segment *segment);
uint32_t addon_segment_count(uint64_t *bytes);
/* Lets ArrayBuffers go that were not used for a while.  Returns whether some are still held. */
bool addon_relax_segments(uint64_t now_ns);

int addon_write_array(void *context, napi_env env, wire_writer *writer, napi_value value,
                      const wire_array *array, const void *memory);
napi_value addon_read_array(void *context, napi_env env, const wire_array *array);

/* -------------------------------------------------------------------------------------- Loop */

int addon_loop_start(void);
void addon_loop_stop(void *unused);
/* Makes sure that the loop turns soon, and again in a millisecond while something has no space. */
void addon_loop_nudge(void);

/* ------------------------------------------------------------------------------------- State */

typedef struct addon_counts {
    uint64_t calls;
    uint64_t requests;
    uint64_t turns;
    uint64_t deferred;         /* records that waited for another chain's callback */
    uint64_t blocked_ns;       /* time in requests that JavaScript waited for */
    uint64_t views;            /* arrays that JavaScript sees in shared memory */
    uint64_t copies_in;        /* arrays that were copied instead */
    uint64_t copied_in_bytes;
    uint64_t copies_out;
    uint64_t copied_out_bytes;
    uint64_t shared_out;       /* arrays that went back as descriptors */
} addon_counts;

typedef struct addon_worker {
    napi_env env;
    uv_loop_t *loop;
    noodle_worker core;
    wire_node_codec *codec;
    int socket;
    bool greeted;              /* READY is sent */
    bool stopping;
    bool contexts;             /* JavaScript is told what call it belongs to */
    bool map_read_only;
    bool int64_numbers;
    uint64_t incarnation;
    uint64_t host_incarnation; /* as in the references that it sends */
    uint64_t request_count;
    uint64_t chain_count;
    napi_async_context async_context;
    napi_ref resource;
    napi_ref functions[ADDON_FUNCTIONS];
    addon_call *innermost;     /* of the calls whose JavaScript is on the stack */
    uint32_t depth;
    uint32_t open_calls;       /* that wait for a promise */
    addon_message *messages;   /* innermost first */
    addon_deferred *deferred;
    addon_deferred **deferred_end;
    uint64_t deferred_bytes;
    unsigned char *buffers[ADDON_DEPTH_MAX + 1];   /* a record each, by depth */
    addon_counts counts;
} addon_worker;

extern addon_worker addon;
extern const wire_node_hooks addon_hooks;

static inline napi_value
addon_function(enum addon_function function)
{
    napi_value value = NULL;
    napi_get_reference_value(addon.env, addon.functions[function], &value);
    return value;
}

/* Calls one of worker.mjs's functions.  NULL: an exception is pending. */
static inline napi_value
addon_call_function(enum addon_function function, const napi_value *arguments, size_t count)
{
    napi_value result = NULL;
    napi_value receiver;
    napi_get_undefined(addon.env, &receiver);
    if (napi_call_function(addon.env, receiver, addon_function(function), count, arguments, &result)
        != napi_ok)
        return NULL;
    return result;
}

static inline napi_value
addon_number(double number)
{
    napi_value value = NULL;
    napi_create_double(addon.env, number, &value);
    return value;
}

/* Takes the pending exception; undefined if there is none. */
napi_value addon_take_exception(void);
/* Throws an Error with a name and a code. */
void addon_throw(const char *name, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Says on stderr what the host did against the protocol, and ends the process. */
_Noreturn void addon_condemn(const char *reason);

#endif
