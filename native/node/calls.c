/* Calls of the host: read, made, answered. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* Calls that wait for a promise, by their ids. */
#define BUCKETS 1024
#define FEW_ARGUMENTS 16
/* Chosen: what may pile up while JavaScript is blocked in a request. */
#define DEFERRED_MOST (UINT64_C(64) << 20)

static addon_call *waiting[BUCKETS];

/* ---------------------------------------------------------------------------------- Contexts */

static addon_call **
bucket_of(uint64_t id)
{
    return &waiting[id % BUCKETS];
}

addon_call *
addon_find_call(uint64_t id)
{
    addon_call *call = addon.innermost;
    while (call != NULL && call->id != id)
        call = call->next;
    if (call == NULL)
        for (call = *bucket_of(id); call != NULL && call->id != id; call = call->next)
            continue;
    return call;
}

static void
enter(const addon_call *call)
{
    napi_value id = addon_number((double)call->id);
    addon_call_function(ADDON_ENTER, &id, 1);
}

void
addon_use_contexts(void)
{
    if (addon.contexts)
        return;
    addon.contexts = true;
    if (addon.innermost != NULL)
        enter(addon.innermost);
}

addon_call *
addon_current_call(void)
{
    napi_value current;
    double id;
    if (!addon.contexts)
        return addon.innermost;
    current = addon_call_function(ADDON_CURRENT, NULL, 0);
    if (current == NULL || napi_get_value_double(addon.env, current, &id) != napi_ok)
        return NULL;
    return addon_find_call((uint64_t)id);
}

/* current() -> [call id, milliseconds left or undefined, cancelled?], or undefined outside of calls.
 * The call is watched from now on. */
napi_value
addon_current(napi_env env, napi_callback_info info)
{
    napi_value facts, value;
    addon_call *call;
    (void)info;
    addon_use_contexts();
    call = addon_current_call();
    if (call == NULL || napi_create_array(env, &facts) != napi_ok)
        return NULL;
    call->watched = true;
    napi_set_element(env, facts, 0, addon_number((double)call->id));
    if (call->deadline_ns != 0) {
        const int64_t left = (int64_t)(call->deadline_ns - noodle_now());
        napi_set_element(env, facts, 1, addon_number((double)left / 1e6));
    }
    napi_get_boolean(env, call->cancelled, &value);
    napi_set_element(env, facts, 2, value);
    return facts;
}

static void
close_call(const addon_call *call)
{
    napi_value argument;
    if (LIKELY(!call->watched))
        return;
    argument = addon_number((double)call->id);
    if (addon_call_function(ADDON_CLOSED, &argument, 1) == NULL)
        addon_take_exception();
}

/* ----------------------------------------------------------------------------------- Answers */

/* Writes an error that needs no JavaScript: of last resort. */
static void
write_plain_error(wire_writer *writer, const char *message)
{
    size_t start;
    wire_enter_extension(writer, WIRE_ERROR, &start);
    wire_enter_list(writer, 6);
    wire_write_text(writer, "javascript", 10);
    wire_write_text(writer, "Error", 5);
    wire_write_text(writer, message, strlen(message));
    wire_enter_list(writer, 0);
    wire_leave(writer);
    wire_write_nil(writer);
    wire_enter_map(writer, 0);
    wire_leave(writer);
    wire_leave(writer);
    wire_leave_extension(writer, start);
}

static bool
write_error(addon_message *message, napi_value thrown)
{
    const napi_value error = addon_call_function(ADDON_REPORTABLE, &thrown, 1);
    return error != NULL
           && wire_encode_value(addon.codec, &message->writer, error, &addon_hooks) == 0;
}

static COLD void
answer_error(const addon_call *call, napi_value thrown)
{
    addon_message message;
    addon_message_begin(&message, call->channel);
    if (!write_error(&message, thrown)) {
        addon_take_exception();
        addon_message_drop(&message);
        addon_message_begin(&message, call->channel);
        write_plain_error(&message.writer, "an error that could not be sent");
    }
    addon_message_send(&message, call, NOODLE_KIND_ERROR);
}

static void
answer(const addon_call *call, napi_value value)
{
    addon_message message;
    addon_message_begin(&message, call->channel);
    if (LIKELY(wire_encode_value(addon.codec, &message.writer, value, &addon_hooks) == 0)) {
        addon_message_send(&message, call, NOODLE_KIND_REPLY);
        return;
    }
    addon_message_drop(&message);
    answer_error(call, addon_take_exception());
}

/* Puts a call aside until its promise is settled.  Returns false without memory. */
static bool
wait_for_promise(const addon_call *call, napi_value promise)
{
    addon_call **const bucket = bucket_of(call->id);
    addon_call *const kept = malloc(sizeof *kept);
    if (kept == NULL)
        return false;
    *kept = *call;
    kept->next = *bucket;
    *bucket = kept;
    addon.open_calls++;
    const napi_value arguments[2] = {promise, addon_number((double)call->id)};
    if (addon_call_function(ADDON_SETTLE, arguments, 2) != NULL)
        return true;
    *bucket = kept->next;
    addon.open_calls--;
    free(kept);
    return false;
}

/* Ends the wait of a call.  NULL: it does not wait. */
static addon_call *
take_waiting(napi_env env, napi_callback_info info, napi_value *value)
{
    napi_value arguments[2];
    size_t count = 2;
    double id = -1;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    napi_get_value_double(env, arguments[0], &id);
    *value = arguments[1];
    if (id < 0)
        return NULL;
    for (addon_call **at = bucket_of((uint64_t)id); *at != NULL; at = &(*at)->next)
        if ((*at)->id == (uint64_t)id) {
            addon_call *const call = *at;
            *at = call->next;
            addon.open_calls--;
            return call;
        }
    return NULL;
}

static void
finish(addon_call *call)
{
    close_call(call);
    free(call);
    if (UNLIKELY(addon.stopping))
        addon_loop_nudge();
}

/* answer(call id, value) */
napi_value
addon_answer(napi_env env, napi_callback_info info)
{
    napi_value value;
    addon_call *const call = take_waiting(env, info, &value);
    if (call != NULL) {
        answer(call, value);
        finish(call);
    }
    return NULL;
}

/* fail(call id, thrown value) */
napi_value
addon_fail(napi_env env, napi_callback_info info)
{
    napi_value value;
    addon_call *const call = take_waiting(env, info, &value);
    if (call != NULL) {
        answer_error(call, value);
        finish(call);
    }
    return NULL;
}

/* uncaught(thrown value): tells the host of an error that no call was waiting for */
napi_value
addon_uncaught(napi_env env, napi_callback_info info)
{
    const addon_call none = {.channel = &addon.core.channels[0]};
    addon_message message;
    napi_value thrown;
    size_t count = 1;
    napi_get_cb_info(env, info, &count, &thrown, NULL, NULL);
    addon_message_begin(&message, none.channel);
    wire_enter_list(&message.writer, 2);
    wire_write_int(&message.writer, NOODLE_SUBJECT_UNCAUGHT);
    if (write_error(&message, thrown)) {
        wire_leave(&message.writer);
        addon_message_send(&message, &none, NOODLE_KIND_CONTROL);
    } else {
        addon_take_exception();
        addon_message_drop(&message);
    }
    return NULL;
}

/* ----------------------------------------------------------------------------------- Reading */

typedef struct payload {
    wire_reader reader;
    uint64_t operation;
    uint64_t id;
    uint32_t left;              /* items behind operation and id */
} payload;

static bool
read_natural(wire_reader *reader, uint64_t *number)
{
    wire_token token;
    if (wire_read(reader, &token) != WIRE_OK)
        return false;
    *number = token.natural;
    return token.kind == WIRE_UINT || (token.kind == WIRE_INT && token.integer >= 0);
}

static bool
open_payload(payload *from, const unsigned char *bytes, size_t length)
{
    wire_token list;
    wire_reader_init(&from->reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&from->reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count < 2
        || wire_descend(&from->reader) != WIRE_OK)
        return false;
    from->left = list.count - 2;
    return read_natural(&from->reader, &from->operation) && read_natural(&from->reader, &from->id);
}

/* Reads `count` values.  Returns false with an exception pending. */
static bool
read_values(wire_reader *reader, uint32_t count, napi_value *values)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = wire_decode_value(addon.codec, reader, &addon_hooks);
        if (UNLIKELY(values[i] == NULL))
            return false;
    }
    return true;
}

/* ----------------------------------------------------------------------------------- Calling */

typedef struct callee {
    napi_value function;
    napi_value receiver;
} callee;

static napi_value
call_function(const callee *called, uint32_t count, const napi_value *arguments)
{
    napi_value result = NULL;
    if (UNLIKELY(napi_call_function(addon.env, called->receiver, called->function, count, arguments,
                                    &result)
                 != napi_ok))
        return NULL;
    return result;
}

/* One row of a batch, or the arguments of a call: reads them, calls. */
static napi_value
call_with(const callee *called, wire_reader *reader, uint32_t count)
{
    napi_value few[FEW_ARGUMENTS];
    napi_value *many = few;
    napi_value result = NULL;
    if (UNLIKELY(count > FEW_ARGUMENTS)) {
        many = malloc(count * sizeof *many);
        if (many == NULL) {
            addon_throw("RangeError", "NOODLE_LIMIT", "no memory for %u arguments", count);
            return NULL;
        }
    }
    if (LIKELY(read_values(reader, count, many)))
        result = call_function(called, count, many);
    if (UNLIKELY(many != few))
        free(many);
    return result;
}

/* Calls once for each row. */
static napi_value
call_batch(const callee *called, wire_reader *reader)
{
    wire_token rows;
    napi_value results;
    bool promises = false;
    if (wire_read(reader, &rows) != WIRE_OK || rows.kind != WIRE_LIST
        || wire_descend(reader) != WIRE_OK
        || napi_create_array_with_length(addon.env, rows.count, &results) != napi_ok)
        return NULL;
    for (uint32_t i = 0; i < rows.count; i++) {
        napi_handle_scope scope;
        wire_token row;
        napi_value result = NULL;
        bool is = false;
        napi_open_handle_scope(addon.env, &scope);
        if (wire_read(reader, &row) == WIRE_OK && row.kind == WIRE_LIST
            && wire_descend(reader) == WIRE_OK)
            result = call_with(called, reader, row.count);
        wire_ascend(reader);
        if (result != NULL) {
            napi_is_promise(addon.env, result, &is);
            promises |= is;
            napi_set_element(addon.env, results, i, result);
        }
        napi_close_handle_scope(addon.env, scope);
        if (result == NULL)
            return NULL;
    }
    return promises ? addon_call_function(ADDON_GATHER, &results, 1) : results;
}

static bool
is_function(napi_value value)
{
    napi_valuetype type;
    return napi_typeof(addon.env, value, &type) == napi_ok && type == napi_function;
}

/* Reads the name, finds the method, calls it. */
static napi_value
call_method(callee *called, payload *from)
{
    napi_value name;
    if (from->left == 0
        || (name = wire_decode_value(addon.codec, &from->reader, &addon_hooks)) == NULL
        || napi_get_property(addon.env, called->function, name, &called->function) != napi_ok)
        return NULL;
    if (UNLIKELY(!is_function(called->function))) {
        char text[64] = "";
        napi_get_value_string_utf8(addon.env, name, text, sizeof text, NULL);
        addon_throw("TypeError", "NOODLE_NAME", "the object has no method %s", text);
        return NULL;
    }
    return call_with(called, &from->reader, from->left - 1);
}

/* Everything but the hot operations is JavaScript's. */
static COLD napi_value
serve_in_javascript(payload *from, const addon_object *object)
{
    const uint32_t count = from->left + 4;
    napi_value few[FEW_ARGUMENTS];
    napi_value *const values = count > FEW_ARGUMENTS ? malloc(count * sizeof *values) : few;
    napi_value result = NULL;
    if (values == NULL)
        return NULL;
    napi_get_undefined(addon.env, &values[1]);
    values[2] = values[1];
    if (object != NULL) {
        values[1] = addon_object_value(object);
        if (object->receiver != NULL)
            napi_get_reference_value(addon.env, object->receiver, &values[2]);
    }
    values[0] = addon_number((double)from->operation);
    values[3] = addon_number((double)from->id);
    if (read_values(&from->reader, from->left, values + 4))
        result = addon_call_function(ADDON_SERVE, values, count);
    if (values != few)
        free(values);
    return result;
}

/* Does what a payload asks for.  NULL: it failed, with an exception unless the payload is broken. */
static napi_value
perform(payload *from)
{
    const addon_object *const object = addon_find_object(from->id);
    callee called;
    if (UNLIKELY(object == NULL)) {
        if (from->id == 0)
            return serve_in_javascript(from, NULL);
        addon_throw("ReferenceError", "NOODLE_RELEASED", "there is no object %llu any more",
                    (unsigned long long)from->id);
        return NULL;
    }
    called.function = addon_object_value(object);
    if (from->operation == NOODLE_OP_METHOD && object->kind != WIRE_KIND_MODULE) {
        called.receiver = called.function;
        return call_method(&called, from);
    }
    if ((from->operation != NOODLE_OP_CALL && from->operation != NOODLE_OP_BATCH)
        || !is_function(called.function))
        return serve_in_javascript(from, object);
    if (object->receiver != NULL)
        napi_get_reference_value(addon.env, object->receiver, &called.receiver);
    else
        napi_get_undefined(addon.env, &called.receiver);
    return from->operation == NOODLE_OP_CALL ? call_with(&called, &from->reader, from->left)
                                             : call_batch(&called, &from->reader);
}

/* ----------------------------------------------------------------------------------- Serving */

static COLD void
fail_call(const addon_call *call, const payload *from)
{
    bool pending = false;
    napi_is_exception_pending(addon.env, &pending);
    if (!pending && from->reader.status != WIRE_OK)
        wire_throw(addon.env, from->reader.status, "a request");
    else if (!pending)
        addon_throw("Error", "NOODLE_PROTOCOL", "the request has not the form of its operation");
    answer_error(call, addon_take_exception());
}

/* Answers with a value, or later if it is a promise.  Returns whether it is answered later. */
static bool
answer_or_wait(const addon_call *call, napi_value value)
{
    napi_valuetype type;
    bool is = false;
    if (napi_typeof(addon.env, value, &type) == napi_ok && type == napi_object)
        napi_is_promise(addon.env, value, &is);
    if (LIKELY(!is)) {
        answer(call, value);
        return false;
    }
    if (wait_for_promise(call, value))
        return true;
    answer_error(call, addon_take_exception());
    return false;
}

static bool
serve_payload(addon_call *call, const unsigned char *bytes, size_t length)
{
    payload from = {.left = 0};
    napi_value value = NULL;
    bool later = false;
    if (UNLIKELY(addon.contexts))
        enter(call);
    if (UNLIKELY(call->deadline_ns != 0 && noodle_now() >= call->deadline_ns))
        addon_throw("TimeoutError", "NOODLE_DEADLINE", "the deadline passed before the call began");
    else if (UNLIKELY(addon.depth >= ADDON_DEPTH_MAX))
        addon_throw("RangeError", "NOODLE_DEPTH", "more than %d calls within calls",
                    ADDON_DEPTH_MAX);
    else if (LIKELY(open_payload(&from, bytes, length)))
        value = perform(&from);
    if (LIKELY(value != NULL))
        later = answer_or_wait(call, value);
    else
        fail_call(call, &from);
    return later;
}

/* Serves a call.  Returns whether it is answered later. */
static bool
serve(noodle_channel *channel, const noodle_record *record, const unsigned char *bytes,
      size_t length)
{
    addon_call call = {
        .next = addon.innermost,
        .channel = channel,
        .id = record->call_id,
        .chain = record->chain_id,
        .deadline_ns = record->deadline_ns,
    };
    bool later;
    addon.innermost = &call;
    addon.depth++;
    addon.counts.calls++;
    later = serve_payload(&call, bytes, length);
    if (!later)
        close_call(&call);
    addon.depth--;
    addon.innermost = call.next;
    if (UNLIKELY(call.next != NULL && addon.contexts))
        enter(call.next);
    return later;
}

/* ------------------------------------------------------------------------------ Cancellation */

/* Takes a call that has not begun yet out of those that wait.  Returns whether it was there. */
static bool
cancel_deferred(uint64_t id)
{
    addon_deferred **at = &addon.deferred;
    addon_deferred *item;
    while (*at != NULL && ((*at)->record.kind != NOODLE_KIND_CALL || (*at)->record.call_id != id))
        at = &(*at)->next;
    item = *at;
    if (item == NULL)
        return false;
    *at = item->next;
    if (item->next == NULL)
        addon.deferred_end = at;
    addon.deferred_bytes -= item->record.length;
    const addon_call call = {.channel = item->channel, .id = id, .chain = item->record.chain_id};
    addon_throw("AbortError", "NOODLE_CANCELLED", "the caller gave up before the call began");
    answer_error(&call, addon_take_exception());
    free(item);
    return true;
}

static void
cancel(uint64_t id)
{
    addon_call *const call = addon_find_call(id);
    napi_value argument;
    if (call == NULL) {
        cancel_deferred(id);
        return;
    }
    if (call->cancelled)
        return;
    call->cancelled = true;
    if (!call->watched)
        return;
    argument = addon_number((double)id);
    if (addon_call_function(ADDON_CANCELLED, &argument, 1) == NULL)
        addon_take_exception();
}

/* ---------------------------------------------------------------------------- Other records */

static void
take_control(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list;
    uint64_t subject, number;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count < 1
        || wire_descend(&reader) != WIRE_OK || !read_natural(&reader, &subject))
        return;
    if (subject == NOODLE_SUBJECT_STOP) {
        addon.stopping = true;
        addon_loop_nudge();
    }
    if (subject == NOODLE_SUBJECT_DROPPED)
        for (uint32_t i = 1; i < list.count && read_natural(&reader, &number); i++)
            addon_drop_segment(number);
}

static void
take_releases(const unsigned char *bytes, size_t length)
{
    wire_reader reader;
    wire_token list, pair;
    uint64_t id, sent;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&reader, &list) != WIRE_OK || list.kind != WIRE_LIST
        || wire_descend(&reader) != WIRE_OK)
        return;
    for (uint32_t i = 0; i < list.count; i++) {
        if (wire_read(&reader, &pair) != WIRE_OK || pair.kind != WIRE_LIST || pair.count != 2
            || wire_descend(&reader) != WIRE_OK || !read_natural(&reader, &id)
            || !read_natural(&reader, &sent))
            return;
        wire_ascend(&reader);
        addon_object_release(id, (uint32_t)sent);
    }
}

/* Finds the bytes of a record: behind its header, or in a segment that the host lent for it. */
static bool
locate(const noodle_record *record, const unsigned char **bytes, size_t *length, uint64_t *segment)
{
    noodle_span span;
    const addon_segment *found;
    *segment = 0;
    *length = record->length;
    if (LIKELY(!(record->flags & NOODLE_IN_SEGMENT)))
        return true;
    if (record->length != sizeof span)
        return false;
    memcpy(&span, *bytes, sizeof span);
    found = addon_find_segment(span.segment);
    if (found == NULL || span.offset > found->bytes || span.length > found->bytes - span.offset)
        return false;
    *segment = span.segment;
    *bytes = found->address + span.offset;
    *length = span.length;
    return true;
}

static bool
handle(noodle_channel *channel, const noodle_record *record, const unsigned char *bytes)
{
    uint64_t segment;
    size_t length;
    bool later = false;
    if (!locate(record, &bytes, &length, &segment))
        addon_condemn("a payload in a segment that was not sent");
    switch (record->kind) {
    case NOODLE_KIND_CALL:
        later = serve(channel, record, bytes, length);
        break;
    case NOODLE_KIND_REPLY:
    case NOODLE_KIND_ERROR:
        addon_take_reply(record, bytes, length);
        break;
    case NOODLE_KIND_CANCEL:
        cancel(record->call_id);
        break;
    case NOODLE_KIND_RELEASE:
        take_releases(bytes, length);
        break;
    case NOODLE_KIND_CONTROL:
        take_control(bytes, length);
        break;
    default:
        addon_condemn("a record of an unknown kind");
    }
    if (UNLIKELY(segment != 0))
        addon_return_loans(segment, 1);
    return later;
}

/* Keeps a call of another chain until JavaScript is not blocked any more. */
static COLD void
defer(noodle_channel *channel, const noodle_record *record, const unsigned char *bytes)
{
    addon_deferred *const item = malloc(sizeof *item + record->length);
    if (item == NULL || addon.deferred_bytes > DEFERRED_MOST) {
        const addon_call call = {.channel = channel, .id = record->call_id,
                                 .chain = record->chain_id};
        free(item);
        addon_throw("RangeError", "NOODLE_LIMIT",
                    "the worker is blocked in a callback, and too many calls wait for it");
        answer_error(&call, addon_take_exception());
        return;
    }
    *item = (addon_deferred){.channel = channel, .record = *record};
    memcpy(item->payload, bytes, record->length);
    if (addon.deferred == NULL)
        addon.deferred_end = &addon.deferred;
    *addon.deferred_end = item;
    addon.deferred_end = &item->next;
    addon.deferred_bytes += record->length;
    addon.counts.deferred++;
}

bool
addon_serve_deferred(void)
{
    addon_deferred *const item = addon.deferred;
    bool later;
    if (item == NULL)
        return false;
    addon.deferred = item->next;
    addon.deferred_bytes -= item->record.length;
    later = handle(item->channel, &item->record, item->payload);
    free(item);
    return later;
}

static unsigned char *
buffer_here(void)
{
    unsigned char **const buffer = &addon.buffers[addon.depth];
    if (UNLIKELY(*buffer == NULL)) {
        *buffer = malloc(addon.core.ring_bytes);
        if (*buffer == NULL)
            addon_condemn("there is no memory to receive anything");
    }
    return *buffer;
}

bool
addon_take(noodle_channel *channel, uint64_t chain)
{
    unsigned char *const buffer = buffer_here();
    noodle_record record;
    const noodle_status status =
        noodle_channel_take(channel, &record, buffer, addon.core.ring_bytes);
    if (status == NOODLE_EMPTY)
        return false;
    if (status != NOODLE_OK)
        addon_condemn(noodle_status_name(status));
    if (UNLIKELY(channel->peer_event.wake_fd < 0))
        addon_drain_socket();
    if (UNLIKELY(chain != 0 && record.kind == NOODLE_KIND_CALL && record.chain_id != chain)) {
        defer(channel, &record, buffer);
        return false;
    }
    return handle(channel, &record, buffer);
}
