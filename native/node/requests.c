/* Requests to the host: callbacks, and whatever JavaScript does with the host's objects. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "addon.h"

#define BUCKETS 256
/* How long a blocked request sleeps at most before it looks around. */
#define SLICE_NS UINT64_C(50000000)

/* A request without an answer. */
typedef struct request {
    struct request *next;
    uint64_t id;
    uint64_t call;              /* of the host, that it belongs to; 0: none */
    napi_deferred promise;      /* NULL: JavaScript is blocked in it */
    bool answered;
    bool retired;               /* nobody waits for it any more */
    bool abandoned;             /* the host was told to end it early */
    noodle_record record;       /* the answer */
    const unsigned char *bytes; /* of the answer: `copy`, or the buffer of this depth */
    size_t length;
    unsigned char *copy;
} request;

static request *open_requests[BUCKETS];
static request *blocking;       /* the innermost one that JavaScript is blocked in */

bool
addon_is_blocked(void)
{
    return blocking != NULL;
}

static request **
find(uint64_t id)
{
    request **at = &open_requests[id % BUCKETS];
    while (*at != NULL && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

/* ----------------------------------------------------------------------------------- Sending */

/* Worker's chains cannot be taken for the host's, nor for those of another worker. */
static uint64_t
new_chain(void)
{
    return (UINT64_C(1) << 63) | (addon.incarnation & UINT64_C(0x7fffffff)) << 32
           | (++addon.chain_count & UINT32_MAX);
}

/* Whose request it is: the running call's, or nobody's, which goes to the host's serving thread. */
static addon_call
context_of_request(uint64_t *call)
{
    const addon_call *const current = addon_current_call();
    addon_call context = {.channel = &addon.core.channels[0]};
    *call = current != NULL ? current->id : 0;
    if (current != NULL)
        context = *current;
    else
        context.chain = new_chain();
    context.id = ++addon.request_count;
    return context;
}

static bool
send_request(const addon_call *context, uint64_t operation, uint64_t id,
             const napi_value *arguments, size_t count, bool wait)
{
    addon_message message;
    addon_message_begin(&message, context->channel);
    message.flags = wait ? NOODLE_BLOCKING : 0;
    wire_enter_list(&message.writer, count + 2);
    wire_write_uint(&message.writer, operation);
    wire_write_uint(&message.writer, id);
    for (size_t i = 0; i < count; i++)
        if (wire_encode_value(addon.codec, &message.writer, arguments[i], &addon_hooks) < 0) {
            addon_message_drop(&message);
            return false;
        }
    wire_leave(&message.writer);
    addon_message_send(&message, context, NOODLE_KIND_CALLBACK);
    addon.counts.requests++;
    return true;
}

static request *
open_request(const addon_call *context, uint64_t call, napi_deferred promise)
{
    request **const at = find(context->id);
    request *const opened = calloc(1, sizeof *opened);
    if (opened == NULL) {
        addon_throw("RangeError", "NOODLE_LIMIT", "no memory for a request");
        return NULL;
    }
    opened->id = context->id;
    opened->call = call;
    opened->promise = promise;
    *at = opened;
    return opened;
}

static void
close_request(uint64_t id)
{
    request **const at = find(id);
    request *const closed = *at;
    if (closed == NULL)
        return;
    *at = closed->next;
    free(closed->copy);
    free(closed);
}

/* ------------------------------------------------------------------------------ Cancellation */

/* On channel 0, whose thread of the host listens while others run what they were asked for. */
static COLD void
abandon(request *open)
{
    noodle_record record = {.kind = NOODLE_KIND_CANCEL, .call_id = open->id};
    if (open->abandoned || open->answered || open->retired)
        return;
    open->abandoned = true;
    addon_send(&addon.core.channels[0], &record, NULL, 0);
}

void
addon_abandon_requests(uint64_t call)
{
    for (int i = 0; i < BUCKETS; i++)
        for (request *at = open_requests[i]; at != NULL; at = at->next)
            if (at->call == call)
                abandon(at);
}

/* abandon(number): nobody waits any more for the request of that number, which is answered all the same */
napi_value
addon_abandon(napi_env env, napi_callback_info info)
{
    napi_value argument;
    size_t count = 1;
    double id = 0;
    request *open;
    napi_get_cb_info(env, info, &count, &argument, NULL, NULL);
    napi_get_value_double(env, argument, &id);
    open = id > 0 ? *find((uint64_t)id) : NULL;
    if (open != NULL)
        abandon(open);
    return NULL;
}

/* lastRequest() -> the number of the request that was made last */
napi_value
addon_last_request(napi_env env, napi_callback_info info)
{
    (void)env;
    (void)info;
    return addon_number((double)addon.request_count);
}

/* ----------------------------------------------------------------------------------- Answers */

/* Reads an answer; NULL with an exception pending. */
static napi_value
read_answer(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    napi_value value;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    value = wire_decode_value(addon.codec, &reader, &addon_hooks);
    if (value != NULL && wire_finish(&reader) != WIRE_OK) {
        wire_throw(addon.env, reader.status, "an answer of the host");
        return NULL;
    }
    return value;
}

/* Keeps the answer for the frame of C that waits for it. */
static void
keep_answer(request *open, const noodle_record *record, const unsigned char *bytes, size_t length)
{
    open->answered = true;
    open->record = *record;
    open->bytes = bytes;
    open->length = length;
    if (open == blocking && !(record->flags & NOODLE_IN_SEGMENT))
        return;
    open->copy = malloc(length + 1);
    if (open->copy == NULL)
        addon_condemn("there is no memory for an answer of the host");
    memcpy(open->copy, bytes, length);
    open->bytes = open->copy;
}

void
addon_take_reply(const noodle_record *record, const unsigned char *bytes, size_t length)
{
    request *const open = *find(record->call_id);
    napi_value value;
    if (open == NULL)
        return;
    if (open->promise == NULL && !open->retired) {
        keep_answer(open, record, bytes, length);
        return;
    }
    /* An answer that comes too late is read all the same: so the references in it are released. */
    value = read_answer(bytes, length);
    if (open->promise == NULL && value == NULL)
        addon_take_exception();
    else if (open->promise != NULL && value != NULL && record->kind == NOODLE_KIND_REPLY)
        napi_resolve_deferred(addon.env, open->promise, value);
    else if (open->promise != NULL)
        napi_reject_deferred(addon.env, open->promise,
                             value != NULL ? value : addon_take_exception());
    close_request(record->call_id);
}

/* ----------------------------------------------------------------------------------- Waiting */

static bool
take_all(uint64_t chain, const request *wanted)
{
    bool any = false;
    noodle_channel *channel;
    while (!wanted->answered && (channel = noodle_worker_next(&addon.core)) != NULL) {
        napi_handle_scope scope;
        napi_open_handle_scope(addon.env, &scope);
        addon_take(channel, chain);
        napi_close_handle_scope(addon.env, scope);
        any = true;
    }
    return any;
}

static COLD void
throw_overdue(request *open)
{
    abandon(open);
    open->retired = true;
    addon_throw("TimeoutError", "NOODLE_DEADLINE",
                "the deadline of the call passed while the host was asked for something");
}

/* Blocks JavaScript until the answer is there, serving what comes on this chain meanwhile.  Returns
 * false with an exception pending when the deadline passes first. */
static bool
wait_for_answer(request *wanted, const addon_call *context)
{
    const uint64_t begin = noodle_now();
    request *const outer = blocking;
    noodle_status status = NOODLE_READY;
    blocking = wanted;
    while (!wanted->answered && status != NOODLE_TIMEOUT) {
        addon_flush();
        if (take_all(context->chain, wanted))
            continue;
        status = noodle_worker_spin(&addon.core);
        if (status != NOODLE_READY)
            status = noodle_worker_block(&addon.core, context->deadline_ns, SLICE_NS);
        if (status == NOODLE_PEER_DEAD || status == NOODLE_FORKED || status == NOODLE_SYSTEM)
            addon_condemn(noodle_status_name(status));
    }
    blocking = outer;
    addon.counts.blocked_ns += noodle_now() - begin;
    if (wanted->answered)
        return true;
    throw_overdue(wanted);
    return false;
}

static napi_value
request_and_wait(const addon_call *context, uint64_t call, uint64_t operation, uint64_t id,
                 const napi_value *arguments, size_t count)
{
    request *const opened = open_request(context, call, NULL);
    napi_value value;
    bool failed;
    if (opened == NULL)
        return NULL;
    if (!send_request(context, operation, id, arguments, count, true)) {
        close_request(context->id);
        return NULL;
    }
    if (!wait_for_answer(opened, context))
        return NULL;
    value = read_answer(opened->bytes, opened->length);
    failed = opened->record.kind == NOODLE_KIND_ERROR;
    close_request(context->id);
    if (value != NULL && failed) {
        napi_throw(addon.env, value);
        return NULL;
    }
    return value;
}

static napi_value
request_later(const addon_call *context, uint64_t call, uint64_t operation, uint64_t id,
              const napi_value *arguments, size_t count)
{
    napi_deferred deferred;
    napi_value promise;
    if (napi_create_promise(addon.env, &deferred, &promise) != napi_ok)
        return NULL;
    if (open_request(context, call, deferred) == NULL)
        return NULL;
    if (!send_request(context, operation, id, arguments, count, false)) {
        close_request(context->id);
        napi_reject_deferred(addon.env, deferred, addon_take_exception());
    }
    return promise;
}

napi_value
addon_request(uint64_t operation, uint64_t id, const napi_value *arguments, size_t count, bool wait)
{
    uint64_t call;
    const addon_call context = context_of_request(&call);
    if (context.deadline_ns != 0 && noodle_now() >= context.deadline_ns) {
        addon_throw("TimeoutError", "NOODLE_DEADLINE", "the deadline of the call has passed");
        return NULL;
    }
    return wait ? request_and_wait(&context, call, operation, id, arguments, count)
                : request_later(&context, call, operation, id, arguments, count);
}

/* request(wait, operation, id, ...arguments) -> result or promise */
napi_value
addon_call_host(napi_env env, napi_callback_info info)
{
    napi_value few[16];
    napi_value *values = few;
    napi_value result = NULL;
    size_t count = 16;
    bool wait = true;
    double operation = 0, id = 0;
    napi_get_cb_info(env, info, &count, few, NULL, NULL);
    if (count > 16) {
        values = malloc(count * sizeof *values);
        if (values == NULL)
            return NULL;
        napi_get_cb_info(env, info, &count, values, NULL, NULL);
    }
    napi_get_value_bool(env, values[0], &wait);
    napi_get_value_double(env, values[1], &operation);
    napi_get_value_double(env, values[2], &id);
    if (count >= 3 && operation >= 0 && id >= 0)
        result = addon_request((uint64_t)operation, (uint64_t)id, values + 3, count - 3, wait);
    if (values != few)
        free(values);
    return result;
}
