/* Calls of the host: read, and made. */
#define _GNU_SOURCE
#include <stdlib.h>

#include "addon.h"

#define FEW_ARGUMENTS 16

/* ----------------------------------------------------------------------------------- Reading */

typedef struct payload {
    wire_reader reader;
    uint64_t operation;
    uint64_t id;
    uint32_t left;              /* items behind operation and id */
} payload;

bool
addon_read_natural(wire_reader *reader, uint64_t *number)
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
    return addon_read_natural(&from->reader, &from->operation) && addon_read_natural(&from->reader, &from->id);
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

/* Reads the arguments, calls. */
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
    if (from->operation != NOODLE_OP_CALL || !is_function(called.function))
        return serve_in_javascript(from, object);
    if (object->receiver != NULL)
        napi_get_reference_value(addon.env, object->receiver, &called.receiver);
    else
        napi_get_undefined(addon.env, &called.receiver);
    return call_with(&called, &from->reader, from->left);
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
    addon_answer_error(call, addon_take_exception());
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
        addon_answer_value(call, value);
        return false;
    }
    if (addon_wait_for_promise(call, value))
        return true;
    addon_answer_error(call, addon_take_exception());
    return false;
}

static bool
serve_payload(addon_call *call, const unsigned char *bytes, size_t length)
{
    payload from = {.left = 0};
    napi_value value = NULL;
    bool later = false;
    if (UNLIKELY(addon.contexts))
        addon_enter(call);
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

bool
addon_serve(noodle_channel *channel, const noodle_record *record, const unsigned char *bytes,
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
    noodle_worker_runs(&addon.core, call.id);
    later = serve_payload(&call, bytes, length);
    if (!later)
        addon_close_call(&call);
    addon.depth--;
    addon.innermost = call.next;
    noodle_worker_runs(&addon.core, call.next != NULL ? call.next->id : 0);
    if (UNLIKELY(call.next != NULL && addon.contexts))
        addon_enter(call.next);
    return later;
}
