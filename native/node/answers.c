/* Answers to the host's calls: at once, or when a promise is settled; and which call it is that the
 * running JavaScript belongs to. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "addon.h"

/* Calls that wait for a promise, by their ids. */
#define BUCKETS 1024

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

void
addon_enter(const addon_call *call)
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
        addon_enter(addon.innermost);
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

void
addon_close_call(const addon_call *call)
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

COLD void
addon_answer_error(const addon_call *call, napi_value thrown)
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

void
addon_answer_value(const addon_call *call, napi_value value)
{
    addon_message message;
    addon_message_begin(&message, call->channel);
    if (LIKELY(wire_encode_value(addon.codec, &message.writer, value, &addon_hooks) == 0)) {
        addon_message_send(&message, call, NOODLE_KIND_REPLY);
        return;
    }
    addon_message_drop(&message);
    addon_answer_error(call, addon_take_exception());
}

/* Puts a call aside until its promise is settled.  Returns false without memory. */
bool
addon_wait_for_promise(const addon_call *call, napi_value promise)
{
    addon_call **const bucket = bucket_of(call->id);
    addon_call *const kept = malloc(sizeof *kept);
    if (kept == NULL)
        return false;
    *kept = *call;
    kept->waits = true;
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
    addon_close_call(call);
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
        addon_answer_value(call, value);
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
        addon_answer_error(call, value);
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
