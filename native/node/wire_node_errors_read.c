/* Wire values to JavaScript's errors: frames as a stack, causes and extra properties. */

#include "wire_node_frames.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Text that grows; once memory is missing it stays as it is, and says so. */
typedef struct {
    char *bytes;
    size_t length;
    size_t capacity;
    bool failed;
} text_buffer;

static void
append(text_buffer *to, const char *bytes, size_t length)
{
    if (to->length + length > to->capacity && !to->failed) {
        size_t capacity = 2 * (to->length + length) + 64;
        char *grown = realloc(to->bytes, capacity);
        to->failed = grown == NULL;
        if (grown != NULL) {
            to->bytes = grown;
            to->capacity = capacity;
        }
    }
    if (to->failed || length == 0)
        return;
    memcpy(to->bytes + to->length, bytes, length);
    to->length += length;
}

static void
append_literal(text_buffer *to, const char *text)
{
    append(to, text, strlen(text));
}

static void
append_frame(text_buffer *to, const frame *at)
{
    char number[32];

    append_literal(to, "\n    at ");
    if (at->function.bytes != NULL) {
        append(to, at->function.bytes, at->function.length);
        append_literal(to, " (");
    }
    if (at->file.bytes != NULL)
        append(to, at->file.bytes, at->file.length);
    else
        append_literal(to, "<unknown>");
    if (at->line >= 0) {
        snprintf(number, sizeof number, ":%lld", (long long)at->line);
        append_literal(to, number);
    }
    if (at->line >= 0 && at->column >= 0) {
        snprintf(number, sizeof number, ":%lld", (long long)at->column);
        append_literal(to, number);
    }
    if (at->function.bytes != NULL)
        append_literal(to, ")");
}

/* Read a text or nil. Text that UTF-8 cannot carry is left out: it is for people only. */
static bool
read_slice(wire_reader *reader, slice *text)
{
    wire_token token;

    *text = (slice){NULL, 0};
    if (wire_read(reader, &token) != WIRE_OK)
        return false;
    if (token.kind == WIRE_TEXT)
        *text = (slice){(const char *)token.bytes, token.length};
    return token.kind == WIRE_TEXT || token.kind == WIRE_NIL ||
           (token.kind == WIRE_EXTENSION && token.type == WIRE_TEXT16);
}

static bool
read_number(wire_reader *reader, int64_t *number)
{
    wire_token token;

    *number = -1;
    if (wire_read(reader, &token) != WIRE_OK)
        return false;
    if (token.kind == WIRE_INT && token.integer >= 0)
        *number = token.integer;
    return token.kind == WIRE_INT || token.kind == WIRE_NIL;
}

static bool
read_frame(wire_reader *reader, frame *into)
{
    wire_token list;

    return wire_read(reader, &list) == WIRE_OK && list.kind == WIRE_LIST && list.count == 4 &&
           read_slice(reader, &into->file) && read_number(reader, &into->line) &&
           read_number(reader, &into->column) && read_slice(reader, &into->function);
}

/* Read the frames and put them behind the stack's first line, innermost first. Of more than
 * FRAMES_MAX the outermost are left out. */
static bool
read_frames(wire_reader *reader, text_buffer *stack)
{
    wire_token list;
    size_t read = 0;

    if (wire_read(reader, &list) != WIRE_OK || list.kind != WIRE_LIST)
        return false;
    frame *frames = calloc(FRAMES_MAX, sizeof *frames);
    bool good = frames != NULL;
    for (; good && read < list.count; read++)
        good = read_frame(reader, &frames[read % FRAMES_MAX]);
    for (size_t kept = 0; good && kept < FRAMES_MAX && kept < read; kept++)
        append_frame(stack, &frames[(read - 1 - kept) % FRAMES_MAX]);
    free(frames);
    return good;
}

/* Read a text as a value, and its bytes for the stack's first line. */
static napi_value
read_text(const wire_node_decoder *from, wire_reader *reader, slice *text)
{
    wire_reader again = *reader;
    napi_value value = NULL;

    if (read_slice(&again, text) && (text->bytes != NULL || again.next[-1] != 0xc0))
        value = wire_node_decode(from, reader);
    return value != NULL ? value : wire_node_throw(from->env, WIRE_BAD_EXTENSION);
}

static int
define(const wire_node_decoder *from, napi_value object, const char *name, napi_value value)
{
    napi_value key;

    TRY(from->env, napi_create_string_utf8(from->env, name, NAPI_AUTO_LENGTH, &key));
    return wire_node_define(from->env, object, key, value, napi_writable | napi_configurable);
}

/* Read the cause: an ERROR or nil. */
static int
read_cause(const wire_node_decoder *from, wire_reader *reader, napi_value error)
{
    wire_token token;
    napi_value cause;

    if (wire_read(reader, &token) != WIRE_OK)
        return -1;
    if (token.kind == WIRE_NIL)
        return 0;
    if (token.kind != WIRE_EXTENSION || token.type != WIRE_ERROR)
        return -1;
    cause = wire_node_decode_error(from, reader, &token);
    return cause != NULL ? define(from, error, "cause", cause) : -1;
}

static bool
is_text(const wire_token *token, const char *text)
{
    return token->length == strlen(text) && memcmp(token->bytes, text, token->length) == 0;
}

/* Read what else belongs to the error, and set it as properties: as in JavaScript's own errors, other
 * errors and the original are none that a loop over them shows. */
static int
read_extra(const wire_node_decoder *from, wire_reader *reader, napi_value error)
{
    wire_token map;

    if (wire_read(reader, &map) != WIRE_OK || map.kind != WIRE_MAP || wire_descend(reader) != WIRE_OK)
        return -1;
    for (uint32_t index = 0; index < map.count; index++) {
        wire_reader ahead = *reader;
        wire_token key_token;
        if (wire_read(&ahead, &key_token) != WIRE_OK || key_token.kind != WIRE_TEXT)
            return -1;
        const bool hidden = is_text(&key_token, "errors") || is_text(&key_token, "original");
        napi_value key = wire_node_decode(from, reader);
        napi_value value = key != NULL ? wire_node_decode(from, reader) : NULL;
        if (value == NULL ||
            wire_node_define(from->env, error, key, value,
                             napi_writable | napi_configurable | (hidden ? 0 : napi_enumerable)) < 0)
            return -1;
    }
    wire_ascend(reader);
    return 0;
}

static napi_value
read_fields(const wire_node_decoder *from, wire_reader *reader, text_buffer *stack)
{
    wire_token list;
    slice text;
    napi_value error;
    napi_env env = from->env;

    if (wire_read(reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count != 6 ||
        wire_descend(reader) != WIRE_OK)
        return NULL;
    napi_value language = read_text(from, reader, &text);
    napi_value type = language != NULL ? read_text(from, reader, &text) : NULL;
    append(stack, text.bytes, text.length);
    append_literal(stack, ": ");
    napi_value message = type != NULL ? read_text(from, reader, &text) : NULL;
    if (message == NULL)
        return NULL;
    append(stack, text.bytes, text.length);
    TRY_VALUE(env, napi_create_error(env, NULL, message, &error));
    if (!read_frames(reader, stack) || stack->failed)
        return NULL;
    napi_value lines = wire_node_make_text(env, (const uint8_t *)stack->bytes, stack->length);
    if (lines == NULL || read_cause(from, reader, error) < 0 || read_extra(from, reader, error) < 0)
        return NULL;
    wire_ascend(reader);
    if (define(from, error, "name", type) < 0 || define(from, error, "stack", lines) < 0 ||
        define(from, error, "language", language) < 0)
        return NULL;
    return error;
}

static napi_value
read_payload(const wire_node_decoder *from, wire_reader *reader, const wire_token *token)
{
    wire_reader inner;
    text_buffer stack = {0};

    if (wire_open(reader, token, &inner) != WIRE_OK)
        return wire_node_throw(from->env, reader->status);
    inner.shared = false;
    napi_value error = read_fields(from, &inner, &stack);
    free(stack.bytes);
    if (error == NULL)
        return wire_node_throw(from->env,
                               inner.status != WIRE_OK ? inner.status : WIRE_BAD_EXTENSION);
    if (wire_close(reader, &inner) != WIRE_OK)
        return wire_node_throw(from->env, reader->status);
    if (from->hooks->read_error != NULL)
        return from->hooks->read_error(from->hooks->context, from->env, error);
    return error;
}

COLD napi_value
wire_node_decode_error(const wire_node_decoder *from, wire_reader *reader, const wire_token *token)
{
    wire_token copied = *token;

    if (!reader->shared)
        return read_payload(from, reader, token);
    uint8_t *copy = malloc(token->length + 1);
    if (copy == NULL)
        return wire_node_throw(from->env, WIRE_NO_MEMORY);
    memcpy(copy, token->bytes, token->length);
    __asm__ volatile("" ::: "memory");
    copied.bytes = copy;
    napi_value error = read_payload(from, reader, &copied);
    free(copy);
    return error;
}
