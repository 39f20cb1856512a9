/* Memory shared with the host: received, mapped once, shown to JavaScript, given back. */
#define _GNU_SOURCE
#include "addon.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BUCKETS 256
/* Chosen: ArrayBuffers that are kept although JavaScript has let them go, as the same arrays come
 * again and again, and making one over much memory costs V8 most of a millisecond. */
#define HELD_MOST 8
#define HELD_BYTES_MOST (UINT64_C(1) << 30)
#define IDLE_NS UINT64_C(1000000000)

/* An ArrayBuffer over a segment.  It lives until V8 frees its memory: then every loan that was shown
 * through it is given back. */
typedef struct addon_view {
    napi_ref buffer;       /* strong while `held`, else weak */
    unsigned char *address;
    uint64_t number;       /* of the segment, which may be gone by then */
    uint64_t bytes;
    uint64_t loans;
    bool held;
} addon_view;

static addon_segment *segments[BUCKETS];
static uint32_t segment_count;
static uint64_t segment_bytes;
static addon_segment *held[HELD_MOST];   /* last used first */

uint32_t
addon_segment_count(uint64_t *bytes)
{
    if (bytes != NULL)
        *bytes = segment_bytes;
    return segment_count;
}

/* --------------------------------------------------------------------------------- Receiving */

static addon_segment **
find(uint64_t number)
{
    addon_segment **at = &segments[number % BUCKETS];
    while (*at != NULL && (*at)->number != number)
        at = &(*at)->next;
    return at;
}

static void
let_view_go(addon_segment *segment)
{
    addon_view *const view = segment->view;
    segment->view = NULL;
    if (view == NULL)
        return;
    for (int i = 0; i < HELD_MOST; i++)
        if (held[i] == segment)
            held[i] = NULL;
    napi_delete_reference(addon.env, view->buffer);
    view->buffer = NULL;
}

/* Forgets a segment.  Its memory stays while an ArrayBuffer over it lives. */
static void
remove_segment(addon_segment **at)
{
    addon_segment *const segment = *at;
    *at = segment->next;
    segment_count--;
    segment_bytes -= segment->bytes;
    if (segment->view == NULL)
        munmap(segment->address, segment->bytes);
    else
        let_view_go(segment);
    free(segment);
}

void
addon_drop_segment(uint64_t number)
{
    addon_segment **const at = find(number);
    if (*at != NULL)
        remove_segment(at);
}

static void
add_segment(const noodle_message *message, int fd)
{
    addon_segment **const at = find(message->number);
    addon_segment *const segment = calloc(1, sizeof *segment);
    void *address;
    if (segment == NULL || noodle_segment_map(message, fd, &address) != NOODLE_OK)
        addon_condemn("a segment of the host could not be mapped");
    /* It comes once more when a reader becomes a writer. */
    if (*at != NULL)
        remove_segment(at);
    segment->number = message->number;
    segment->bytes = message->bytes;
    segment->address = address;
    segment->read_only = message->flags & NOODLE_MESSAGE_READ_ONLY;
    segment->next = *at;
    *at = segment;
    segment_count++;
    segment_bytes += segment->bytes;
}

void
addon_drain_socket(void)
{
    noodle_message message;
    int fd;
    for (;;) {
        const noodle_status status = noodle_receive_segment(addon.socket, false, &message, &fd);
        if (status == NOODLE_EMPTY)
            return;
        if (status == NOODLE_SLICE)
            continue;
        if (status != NOODLE_OK)
            addon_condemn("the host's socket has ended");
        if (message.kind == NOODLE_MESSAGE_SEGMENT)
            add_segment(&message, fd);
        else if (message.kind != NOODLE_MESSAGE_EVENT
                 || noodle_worker_set_event(&addon.core, (uint32_t)message.number, fd) != NOODLE_OK)
            close(fd);
    }
}

addon_segment *
addon_find_segment(uint64_t number)
{
    addon_segment *segment = *find(number);
    if (LIKELY(segment != NULL))
        return segment;
    addon_drain_socket();
    return *find(number);
}

addon_segment *
addon_segment_of(const unsigned char *memory, uint64_t bytes)
{
    for (int i = 0; i < BUCKETS && segment_count != 0; i++)
        for (addon_segment *at = segments[i]; at != NULL; at = at->next)
            if (memory >= at->address && memory + bytes <= at->address + at->bytes)
                return at;
    return NULL;
}

/* ------------------------------------------------------------------------------ ArrayBuffers */

/* V8 has freed the ArrayBuffer. */
static void
end_view(napi_env env, void *data, void *hint)
{
    addon_view *const view = hint;
    addon_segment *const segment = *find(view->number);
    (void)env;
    (void)data;
    if (segment != NULL && segment->view == view)
        let_view_go(segment);
    if (segment == NULL || segment->address != view->address)
        munmap(view->address, view->bytes);
    if (view->loans != 0)
        addon_return_loans(view->number, view->loans);
    addon_loop_nudge();
    free(view);
}

static void
release_hold(addon_segment *segment)
{
    uint32_t count;
    if (segment->view == NULL || !segment->view->held)
        return;
    segment->view->held = false;
    napi_reference_unref(addon.env, segment->view->buffer, &count);
}

/* Moves a segment to the front of those that are held. */
static void
hold(addon_segment *segment)
{
    uint64_t bytes = segment->bytes;
    uint32_t count;
    int at = 0;
    if (held[0] == segment && segment->view->held)
        return;
    while (at < HELD_MOST - 1 && held[at] != segment && held[at] != NULL)
        at++;
    if (held[at] != NULL && held[at] != segment)
        release_hold(held[at]);
    memmove(&held[1], &held[0], (size_t)at * sizeof held[0]);
    held[0] = segment;
    if (!segment->view->held) {
        segment->view->held = true;
        napi_reference_ref(addon.env, segment->view->buffer, &count);
    }
    for (int i = 1; i < HELD_MOST; i++) {
        bytes += held[i] != NULL ? held[i]->bytes : 0;
        if (held[i] != NULL && bytes > HELD_BYTES_MOST) {
            release_hold(held[i]);
            held[i] = NULL;
        }
    }
}

bool
addon_relax_segments(uint64_t now_ns)
{
    bool any = false, released = false;
    for (int i = 0; i < HELD_MOST; i++) {
        if (held[i] == NULL)
            continue;
        if (now_ns - held[i]->used_ns < IDLE_NS) {
            any = true;
            continue;
        }
        release_hold(held[i]);
        held[i] = NULL;
        released = true;
    }
    if (released && addon_call_function(ADDON_COLLECT, NULL, 0) == NULL)
        addon_take_exception();
    return any;
}

/* A second mapping of the same memory, for the case that JavaScript has taken the first one away. */
static bool
map_again(addon_segment *segment)
{
    void *const address = mremap(segment->address, 0, segment->bytes, MREMAP_MAYMOVE);
    if (address == MAP_FAILED)
        return false;
    segment->address = address;
    return true;
}

static napi_value
make_buffer(addon_segment *segment)
{
    addon_view *const view = calloc(1, sizeof *view);
    napi_value buffer;
    if (view == NULL)
        return NULL;
    *view = (addon_view){
        .address = segment->address,
        .number = segment->number,
        .bytes = segment->bytes,
    };
    if (napi_create_external_arraybuffer(addon.env, segment->address, segment->bytes, end_view, view,
                                         &buffer)
        != napi_ok) {
        free(view);
        return NULL;
    }
    segment->view = view;
    napi_create_reference(addon.env, buffer, 0, &view->buffer);
    return buffer;
}

napi_value
addon_buffer_of(addon_segment *segment)
{
    napi_value buffer = NULL;
    bool detached = false;
    if (segment->view != NULL) {
        napi_get_reference_value(addon.env, segment->view->buffer, &buffer);
        if (buffer != NULL)
            napi_is_detached_arraybuffer(addon.env, buffer, &detached);
        if (buffer != NULL && !detached)
            return buffer;
        /* Its memory is in use until end_view(): the next one gets another address. */
        let_view_go(segment);
        if (!map_again(segment))
            return NULL;
    }
    return make_buffer(segment);
}

void
addon_note_view(addon_segment *segment)
{
    segment->view->loans++;
    segment->used_ns = noodle_now();
    hold(segment);
}
