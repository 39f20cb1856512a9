/* The loop: libuv turns, and once in each turn this worker serves what the host has sent.
 *
 * Serving happens in a check callback, right after the poll, with nothing of JavaScript below it: a
 * callback scope around each record lets the microtasks run when it ends.  In the prepare callback,
 * right before the poll, the worker parks: from there on the host's event wakes the poll.  While calls
 * follow one another an idle handle keeps the poll from sleeping, so that timers and I/O go on. */
#define _GNU_SOURCE
#include "addon.h"

/* Between turns of the loop while it is hot; a turn costs half a microsecond. */
#define TURN_NS 20000
/* While something has no space, look again: a wake-up for space may come only with the next step. */
#define SPACE_MS 1
/* While a release must not overtake what the host has not taken yet, try again. */
#define RELEASE_MS 50
#define RELAX_MS 1000

static uv_prepare_t prepare;
static uv_check_t check;
static uv_idle_t idle;
static uv_poll_t event_poll;
static uv_poll_t socket_poll;
static uv_timer_t space_timer;
static uv_timer_t relax_timer;
static bool parked;
static bool stopped;

static void
do_nothing_when_idle(uv_idle_t *handle)
{
    (void)handle;
}

/* The timer only ends the poll: the check does the rest. */
static void
on_timer(uv_timer_t *handle)
{
    (void)handle;
}

static void
on_event(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
}

static void
on_relax(uv_timer_t *handle)
{
    napi_handle_scope scope;
    napi_open_handle_scope(addon.env, &scope);
    if (!addon_relax_segments(noodle_now()))
        uv_timer_stop(handle);
    napi_close_handle_scope(addon.env, scope);
}

/* ----------------------------------------------------------------------------------- Serving */

/* Versions come first in READY, so that they can be compared whatever follows. */
static void
greet(void)
{
    static const char runtime[] = "node";
    const addon_call none = {.channel = &addon.core.channels[0]};
    const napi_node_version *version;
    char text[32];
    addon_message message;
    napi_get_node_version(addon.env, &version);
    const int length = snprintf(text, sizeof text, "%u.%u.%u", version->major, version->minor,
                                version->patch);
    addon_message_begin(&message, none.channel);
    wire_enter_list(&message.writer, 7);
    wire_write_int(&message.writer, NOODLE_SUBJECT_READY);
    wire_write_int(&message.writer, NOODLE_PROTOCOL_VERSION);
    wire_write_int(&message.writer, WIRE_VERSION);
    wire_write_int(&message.writer, NOODLE_CHANNEL_ABI);
    wire_write_text(&message.writer, runtime, sizeof runtime - 1);
    wire_write_text(&message.writer, text, (size_t)length);
    wire_write_uint(&message.writer, addon.incarnation);
    wire_leave(&message.writer);
    addon_message_send(&message, &none, NOODLE_KIND_CONTROL);
    addon.greeted = true;
}

static void
greet_when_possible(void)
{
    if (!addon.greeted && addon.core.channels[0].peer_event.wake_fd >= 0)
        greet();
}

static void
on_socket(uv_poll_t *handle, int status, int events)
{
    (void)handle;
    (void)status;
    (void)events;
    addon_drain_socket();
    greet_when_possible();
}

/* What is open around a record: handles go when it closes, and microtasks run. */
typedef struct scopes {
    napi_handle_scope handles;
    napi_callback_scope callbacks;
} scopes;

static void
open_scopes(scopes *opened)
{
    napi_value resource;
    napi_open_handle_scope(addon.env, &opened->handles);
    napi_get_reference_value(addon.env, addon.resource, &resource);
    napi_open_callback_scope(addon.env, resource, addon.async_context, &opened->callbacks);
}

static void
close_scopes(const scopes *opened)
{
    napi_close_callback_scope(addon.env, opened->callbacks);
    napi_close_handle_scope(addon.env, opened->handles);
}

/* Finds the next record, spinning if that is worth while, and serves it.  Returns false if none came;
 * `*left` says whether its call waits for something. */
static bool
serve_next(bool *left)
{
    noodle_channel *channel;
    if (UNLIKELY(addon.deferred != NULL)) {
        *left = addon_serve_deferred();
        return true;
    }
    while ((channel = noodle_worker_next(&addon.core)) == NULL)
        if (noodle_worker_spin(&addon.core) != NOODLE_READY)
            return false;
    *left = addon_take(channel, 0);
    return true;
}

/* Serves until nothing comes, or until the loop is to turn.  Returns whether more is to be expected.
 * The scopes of the next record are open before it comes, which takes them out of its time. */
static bool
serve(void)
{
    const uint64_t until = noodle_now() + TURN_NS;
    for (;;) {
        scopes opened;
        bool found, left = false;
        open_scopes(&opened);
        found = serve_next(&left);
        close_scopes(&opened);
        if (!found)
            return false;
        if (UNLIKELY(left && addon.open_calls != 0) || noodle_now() >= until)
            return true;
    }
}

static void
stop_if_idle(void)
{
    napi_handle_scope scope;
    if (!addon.stopping || stopped || addon.open_calls != 0 || addon.deferred != NULL)
        return;
    stopped = true;
    napi_open_handle_scope(addon.env, &scope);
    if (addon_call_function(ADDON_STOP, NULL, 0) == NULL)
        addon_take_exception();
    napi_close_handle_scope(addon.env, scope);
}

/* -------------------------------------------------------------------------------------- Turns */

static void
on_prepare(uv_prepare_t *handle)
{
    (void)handle;
    addon.counts.turns++;
    noodle_worker_progress(&addon.core);
    if (uv_is_active((uv_handle_t *)&idle))
        return;
    if (addon.deferred != NULL || noodle_worker_park(&addon.core) != NOODLE_OK) {
        uv_idle_start(&idle, do_nothing_when_idle);
        return;
    }
    parked = true;
}

static void
on_check(uv_check_t *handle)
{
    (void)handle;
    if (parked) {
        parked = false;
        noodle_worker_unpark(&addon.core);
    }
    if (serve())
        uv_idle_start(&idle, do_nothing_when_idle);
    else
        uv_idle_stop(&idle);
    if (addon_flush())
        uv_timer_start(&space_timer, on_timer, SPACE_MS, 0);
    else if (addon_flush_releases())
        uv_timer_start(&space_timer, on_timer, RELEASE_MS, 0);
    if (addon_segment_count(NULL) != 0 && !uv_is_active((uv_handle_t *)&relax_timer))
        uv_timer_start(&relax_timer, on_relax, RELAX_MS, RELAX_MS);
    stop_if_idle();
}

void
addon_loop_nudge(void)
{
    uv_idle_start(&idle, do_nothing_when_idle);
}

/* -------------------------------------------------------------------------------------- Start */

int
addon_loop_start(void)
{
    uv_loop_t *const loop = addon.loop;
    if (uv_prepare_init(loop, &prepare) != 0 || uv_check_init(loop, &check) != 0
        || uv_idle_init(loop, &idle) != 0 || uv_timer_init(loop, &space_timer) != 0
        || uv_timer_init(loop, &relax_timer) != 0
        || uv_poll_init(loop, &event_poll, addon.core.event.wait_fd) != 0
        || uv_poll_init(loop, &socket_poll, addon.socket) != 0)
        return -1;
    uv_unref((uv_handle_t *)&prepare);
    uv_unref((uv_handle_t *)&check);
    uv_unref((uv_handle_t *)&idle);
    uv_unref((uv_handle_t *)&space_timer);
    uv_unref((uv_handle_t *)&relax_timer);
    uv_unref((uv_handle_t *)&socket_poll);
    uv_prepare_start(&prepare, on_prepare);
    uv_check_start(&check, on_check);
    uv_poll_start(&event_poll, UV_READABLE, on_event);
    uv_poll_start(&socket_poll, UV_READABLE, on_socket);
    addon_drain_socket();
    greet_when_possible();
    return 0;
}

void
addon_loop_stop(void *unused)
{
    (void)unused;
    uv_prepare_stop(&prepare);
    uv_check_stop(&check);
    uv_idle_stop(&idle);
    uv_timer_stop(&space_timer);
    uv_timer_stop(&relax_timer);
    uv_poll_stop(&event_poll);
    uv_poll_stop(&socket_poll);
}
