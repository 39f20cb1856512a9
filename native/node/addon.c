/* The addon's doors: what worker.mjs calls, and how the worker attaches to its host. */
#define _GNU_SOURCE
#include "addon.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* Chosen: a host that looks once a second sees several. */
#define BEAT_MS 250

addon_worker addon = {.deferred_end = &addon.deferred};

const wire_node_hooks addon_hooks = {
    .write_reference = addon_write_reference,
    .claim = addon_claim,
    .write_array = addon_write_array,
    .read_reference = addon_read_reference,
    .read_array = addon_read_array,
};

/* In the order of enum addon_function. */
static const char *const function_names[ADDON_FUNCTIONS] = {
    "serve",   "introduce", "claim",  "proxy",  "settle", "reportable", "enter",
    "current", "cancelled", "closed", "stop",   "letGo",  "collect",
};

/* ------------------------------------------------------------------------------------ Failing */

napi_value
addon_take_exception(void)
{
    napi_value value = NULL;
    bool pending = false;
    napi_is_exception_pending(addon.env, &pending);
    if (!pending || napi_get_and_clear_last_exception(addon.env, &value) != napi_ok)
        napi_get_undefined(addon.env, &value);
    return value;
}

void
addon_throw(const char *name, const char *code, const char *format, ...)
{
    char text[256];
    napi_value error, value;
    va_list arguments;
    bool pending = false;
    napi_is_exception_pending(addon.env, &pending);
    if (pending)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    napi_create_string_utf8(addon.env, text, NAPI_AUTO_LENGTH, &value);
    napi_create_error(addon.env, NULL, value, &error);
    napi_create_string_utf8(addon.env, name, NAPI_AUTO_LENGTH, &value);
    napi_set_named_property(addon.env, error, "name", value);
    napi_create_string_utf8(addon.env, code, NAPI_AUTO_LENGTH, &value);
    napi_set_named_property(addon.env, error, "code", value);
    napi_throw(addon.env, error);
}

_Noreturn void
addon_condemn(const char *reason)
{
    fprintf(stderr, "noodle: the worker ends: %s\n", reason);
    fflush(stderr);
    noodle_worker_exit(&addon.core);
}

/* ----------------------------------------------------------------------------------- Starting */

static uint64_t
make_incarnation(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec << 22 ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32)
           & ADDON_SAFE_MAX;
}

/* Programs that JavaScript starts must not keep the channel open. */
static void
close_on_exec(int fd)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static bool
attach(void)
{
    const noodle_status status = noodle_worker_attach(&addon.core, NOODLE_FD_CONTROL,
                                                      NOODLE_FD_EVENT, NOODLE_FD_LIFELINE);
    if (status != NOODLE_OK) {
        addon_throw("Error", "NOODLE_ATTACH", "descriptors 3 to 6 are no channel of this version: %s",
                    noodle_status_name(status));
        return false;
    }
    addon.socket = NOODLE_FD_SOCKET;
    close_on_exec(NOODLE_FD_EVENT);
    close_on_exec(NOODLE_FD_SOCKET);
    close_on_exec(NOODLE_FD_LIFELINE);
    return true;
}

static bool
keep_functions(napi_value functions)
{
    napi_value value;
    napi_valuetype type;
    for (int i = 0; i < ADDON_FUNCTIONS; i++) {
        if (napi_get_named_property(addon.env, functions, function_names[i], &value) != napi_ok
            || napi_typeof(addon.env, value, &type) != napi_ok || type != napi_function
            || napi_create_reference(addon.env, value, 1, &addon.functions[i]) != napi_ok) {
            addon_throw("TypeError", "NOODLE_START", "expected a function: %s", function_names[i]);
            return false;
        }
    }
    return true;
}

static void
read_option(napi_value options, const char *name, bool *option)
{
    napi_value value;
    if (napi_get_named_property(addon.env, options, name, &value) == napi_ok)
        napi_get_value_bool(addon.env, value, option);
}

/* start(functions, {mapReadOnly, int64Numbers}) */
static napi_value
start(napi_env env, napi_callback_info info)
{
    napi_value arguments[2], name;
    size_t count = 2;
    napi_get_cb_info(env, info, &count, arguments, NULL, NULL);
    if (!keep_functions(arguments[0]) || !attach())
        return NULL;
    read_option(arguments[1], "mapReadOnly", &addon.map_read_only);
    read_option(arguments[1], "int64Numbers", &addon.int64_numbers);
    napi_create_string_utf8(env, "noodle", NAPI_AUTO_LENGTH, &name);
    napi_value resource;
    if (napi_create_object(env, &resource) != napi_ok
        || napi_create_reference(env, resource, 1, &addon.resource) != napi_ok
        || napi_async_init(env, resource, name, &addon.async_context) != napi_ok
        || napi_get_uv_event_loop(env, &addon.loop) != napi_ok)
        return NULL;
    if (noodle_worker_watch(&addon.core, BEAT_MS) != NOODLE_OK || addon_loop_start() != 0)
        addon_throw("Error", "NOODLE_START", "the worker's loop could not be set up");
    napi_add_env_cleanup_hook(env, addon_loop_stop, NULL);
    return NULL;
}

/* ------------------------------------------------------------------------------------- Others */

/* release([id, sent, id, sent, ...]): the host's objects that JavaScript let go */
static napi_value
release(napi_env env, napi_callback_info info)
{
    napi_value list, value;
    size_t count = 1;
    uint32_t length = 0;
    napi_get_cb_info(env, info, &count, &list, NULL, NULL);
    napi_get_array_length(env, list, &length);
    for (uint32_t i = 0; i + 1 < length; i += 2) {
        double id = 0;
        uint32_t sent = 0;
        napi_get_element(env, list, i, &value);
        napi_get_value_double(env, value, &id);
        napi_get_element(env, list, i + 1, &value);
        napi_get_value_uint32(env, value, &sent);
        addon_release((uint64_t)id, sent);
    }
    addon_loop_nudge();
    return NULL;
}

/* blocked(): whether JavaScript waits for the host further out, so that its loop stands still */
static napi_value
blocked(napi_env env, napi_callback_info info)
{
    napi_value value;
    (void)info;
    napi_get_boolean(env, addon_is_blocked(), &value);
    return value;
}

static void
set_count(napi_value object, const char *name, uint64_t count)
{
    napi_set_named_property(addon.env, object, name, addon_number((double)count));
}

/* relax(): holds no array for the case that it comes again */
static napi_value
relax(napi_env env, napi_callback_info info)
{
    (void)env;
    (void)info;
    addon_relax_segments(UINT64_MAX);
    return NULL;
}

/* statistics() -> {name: number} */
static napi_value
statistics(napi_env env, napi_callback_info info)
{
    const addon_counts *const counts = &addon.counts;
    napi_value result;
    uint64_t segment_bytes;
    (void)info;
    napi_create_object(env, &result);
    set_count(result, "calls", counts->calls);
    set_count(result, "open_calls", addon.open_calls);
    set_count(result, "requests", counts->requests);
    set_count(result, "deferred", counts->deferred);
    set_count(result, "blocked_ns", counts->blocked_ns);
    set_count(result, "turns", counts->turns);
    set_count(result, "objects", addon_object_count());
    set_count(result, "segments", addon_segment_count(&segment_bytes));
    set_count(result, "segment_bytes", segment_bytes);
    set_count(result, "views", counts->views);
    set_count(result, "copies_in", counts->copies_in);
    set_count(result, "copied_in_bytes", counts->copied_in_bytes);
    set_count(result, "copies_out", counts->copies_out);
    set_count(result, "copied_out_bytes", counts->copied_out_bytes);
    set_count(result, "shared_out", counts->shared_out);
    return result;
}

static void
free_codec(void *codec)
{
    wire_node_codec_free(codec);
}

NAPI_MODULE_INIT()
{
    const napi_property_descriptor functions[] = {
        {"start", NULL, start, NULL, NULL, NULL, napi_default, NULL},
        {"request", NULL, addon_call_host, NULL, NULL, NULL, napi_default, NULL},
        {"lastRequest", NULL, addon_last_request, NULL, NULL, NULL, napi_default, NULL},
        {"abandon", NULL, addon_abandon, NULL, NULL, NULL, napi_default, NULL},
        {"answer", NULL, addon_answer, NULL, NULL, NULL, napi_default, NULL},
        {"fail", NULL, addon_fail, NULL, NULL, NULL, napi_default, NULL},
        {"add", NULL, addon_add, NULL, NULL, NULL, napi_default, NULL},
        {"holds", NULL, addon_holds, NULL, NULL, NULL, napi_default, NULL},
        {"current", NULL, addon_current, NULL, NULL, NULL, napi_default, NULL},
        {"uncaught", NULL, addon_uncaught, NULL, NULL, NULL, napi_default, NULL},
        {"release", NULL, release, NULL, NULL, NULL, napi_default, NULL},
        {"blocked", NULL, blocked, NULL, NULL, NULL, napi_default, NULL},
        {"relax", NULL, relax, NULL, NULL, NULL, napi_default, NULL},
        {"statistics", NULL, statistics, NULL, NULL, NULL, napi_default, NULL},
    };
    addon.env = env;
    addon.incarnation = make_incarnation();
    addon.codec = wire_node_codec_new(env);
    if (addon.codec == NULL)
        return NULL;
    napi_add_env_cleanup_hook(env, free_codec, addon.codec);
    napi_define_properties(env, exports, sizeof functions / sizeof *functions, functions);
    return exports;
}
