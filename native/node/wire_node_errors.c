/* Errors, both ways: their stacks as frames, their causes and their extra properties. */

#include "wire_node_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Chosen: longer chains are loops of retries, and the first causes are the ones that explain. */
#define CAUSES_MAX 32
/* Chosen: more than any reader wants; V8 keeps 10 unless it is told otherwise. */
#define FRAMES_MAX 200

typedef struct {
    const char *bytes;
    size_t length;
} slice;

typedef struct {
    slice file;      /* bytes NULL when unknown */
    slice function;
    int64_t line;    /* -1 when unknown, counted from 1 */
    int64_t column;
} frame;

/* ----------------------------------------------------------------------------- V8's stack text */

/* Take ":<number>" off the end of a location. Return -1 where there is none. */
static int64_t
take_number(slice *location)
{
    size_t at = location->length;
    int64_t number = 0;
    int64_t scale = 1;

    while (at > 0 && location->bytes[at - 1] >= '0' && location->bytes[at - 1] <= '9' &&
           scale <= 1000000000) {
        number += scale * (location->bytes[--at] - '0');
        scale *= 10;
    }
    if (at == location->length || at == 0 || location->bytes[at - 1] != ':')
        return -1;
    location->length = at - 1;
    return number;
}

static bool
drop_prefix(slice *text, const char *prefix)
{
    size_t length = strlen(prefix);

    if (text->length < length || memcmp(text->bytes, prefix, length) != 0)
        return false;
    text->bytes += length;
    text->length -= length;
    return true;
}

/* Split "name (location)" at the parenthesis that the last one closes. */
static bool
split_function(slice line, frame *into, slice *location)
{
    size_t depth = 0;

    if (line.length == 0 || line.bytes[line.length - 1] != ')')
        return false;
    for (size_t at = line.length; at-- > 1;) {
        depth += line.bytes[at] == ')';
        if (line.bytes[at] != '(' || --depth > 0)
            continue;
        if (line.bytes[at - 1] != ' ')
            return false;
        into->function = (slice){line.bytes, at - 1};
        *location = (slice){line.bytes + at + 1, line.length - at - 2};
        return true;
    }
    return false;
}

/* Read one line of a stack. Return false for lines of another form, which belong to the message. */
static bool
parse_frame(slice line, frame *into)
{
    slice location;

    if (!drop_prefix(&line, "    at "))
        return false;
    drop_prefix(&line, "async ");
    *into = (frame){.line = -1, .column = -1};
    if (!split_function(line, into, &location))
        location = line;
    into->column = take_number(&location);
    into->line = into->column >= 0 ? take_number(&location) : -1;
    if (into->line < 0) {
        into->line = into->column;
        into->column = -1;
    }
    if (memchr(location.bytes, '%', location.length) == NULL)
        drop_prefix(&location, "file://");
    if (location.length > 0)
        into->file = location;
    return true;
}

/* Read the frames of a stack, innermost call first. */
static size_t
parse_stack(const char *stack, size_t length, frame *frames)
{
    size_t count = 0;

    for (size_t at = 0; at < length && count < FRAMES_MAX;) {
        const char *end = memchr(stack + at, '\n', length - at);
        size_t stop = end != NULL ? (size_t)(end - stack) : length;
        if (parse_frame((slice){stack + at, stop - at}, &frames[count]))
            count++;
        at = stop + 1;
    }
    return count;
}

/* ------------------------------------------------------------------------------------- Writing */

static void
write_literal(wire_node_encoder *to, const char *text)
{
    wire_write_text(to->writer, text, strlen(text));
}

/* Get a property; NULL where there is none or its getter throws. */
static napi_value
property_of(wire_node_encoder *to, napi_value object, const char *name, napi_valuetype expected)
{
    napi_value value;
    napi_valuetype type;

    if (napi_get_named_property(to->env, object, name, &value) != napi_ok) {
        napi_get_and_clear_last_exception(to->env, &value);
        return NULL;
    }
    return napi_typeof(to->env, value, &type) == napi_ok && type == expected ? value : NULL;
}

static int
write_string_property(wire_node_encoder *to, napi_value object, const char *name,
                      const char *otherwise)
{
    napi_value value = property_of(to, object, name, napi_string);

    if (value != NULL)
        return wire_node_encode_string(to, value);
    write_literal(to, otherwise);
    return 0;
}

static bool
equals(wire_node_encoder *to, napi_value string, const char *text)
{
    char bytes[32];
    size_t length = 0;

    return napi_get_value_string_utf8(to->env, string, bytes, sizeof bytes, &length) == napi_ok &&
           strcmp(bytes, text) == 0;
}

/* Write `name`, or the constructor's name where a subclass has not set its own. */
static int
write_type(wire_node_encoder *to, napi_value error)
{
    napi_value name = property_of(to, error, "name", napi_string);
    napi_value constructor = property_of(to, error, "constructor", napi_function);

    if (constructor != NULL && (name == NULL || equals(to, name, "Error"))) {
        napi_value own = property_of(to, constructor, "name", napi_string);
        if (own != NULL && !equals(to, own, ""))
            name = own;
    }
    if (name != NULL)
        return wire_node_encode_string(to, name);
    write_literal(to, "Error");
    return 0;
}

static void
write_slice(wire_node_encoder *to, slice text)
{
    if (text.bytes == NULL)
        wire_write_nil(to->writer);
    else
        wire_write_text(to->writer, text.bytes, text.length);
}

static void
write_number(wire_node_encoder *to, int64_t number)
{
    if (number < 0)
        wire_write_nil(to->writer);
    else
        wire_write_int(to->writer, number);
}

static void
write_frames(wire_node_encoder *to, const frame *frames, size_t count)
{
    wire_enter_list(to->writer, count);
    for (size_t index = count; index-- > 0;) {
        wire_enter_list(to->writer, 4);
        write_slice(to, frames[index].file);
        write_number(to, frames[index].line);
        write_number(to, frames[index].column);
        write_slice(to, frames[index].function);
        wire_leave(to->writer);
    }
    wire_leave(to->writer);
}

/* Parse and write the stack. N-API has made its text well-formed UTF-8. */
static int
write_stack(wire_node_encoder *to, napi_value error)
{
    napi_value stack = property_of(to, error, "stack", napi_string);
    size_t length = 0;

    if (stack == NULL) {
        write_frames(to, NULL, 0);
        return 0;
    }
    TRY(to->env, napi_get_value_string_utf8(to->env, stack, NULL, 0, &length));
    char *text = malloc(length + 1);
    frame *frames = calloc(FRAMES_MAX, sizeof *frames);
    if (text != NULL && frames != NULL &&
        napi_get_value_string_utf8(to->env, stack, text, length + 1, &length) == napi_ok)
        write_frames(to, frames, parse_stack(text, length, frames));
    else
        write_frames(to, NULL, 0);
    free(frames);
    free(text);
    return 0;
}

static bool
is_extra(wire_node_encoder *to, napi_value key, napi_value value)
{
    static const char *const told[] = {"name", "message", "stack", "cause", "language"};
    napi_valuetype type;

    for (size_t index = 0; index < sizeof told / sizeof *told; index++)
        if (equals(to, key, told[index]))
            return false;
    return napi_typeof(to->env, value, &type) == napi_ok &&
           (type == napi_string || type == napi_number || type == napi_boolean ||
            type == napi_bigint || type == napi_null);
}

/* Collect the own enumerable properties that are primitive, as keys and values in turn. */
static int
collect_extra(wire_node_encoder *to, napi_value error, napi_value collected, uint32_t *count)
{
    napi_value keys;
    uint32_t total;

    TRY(to->env, napi_get_all_property_names(to->env, error, napi_key_own_only,
                                             napi_key_enumerable | napi_key_skip_symbols,
                                             napi_key_numbers_to_strings, &keys));
    TRY(to->env, napi_get_array_length(to->env, keys, &total));
    for (uint32_t index = 0; index < total; index++) {
        napi_value key;
        napi_value value;
        TRY(to->env, napi_get_element(to->env, keys, index, &key));
        if (napi_get_property(to->env, error, key, &value) != napi_ok) {
            napi_get_and_clear_last_exception(to->env, &value);
            continue;
        }
        if (!is_extra(to, key, value))
            continue;
        TRY(to->env, napi_set_element(to->env, collected, 2 * *count, key));
        TRY(to->env, napi_set_element(to->env, collected, 2 * *count + 1, value));
        ++*count;
    }
    return 0;
}

static int
write_extra(wire_node_encoder *to, napi_value error)
{
    napi_value collected;
    uint32_t count = 0;

    TRY(to->env, napi_create_array(to->env, &collected));
    if (collect_extra(to, error, collected, &count) < 0)
        return -1;
    if (wire_enter_map(to->writer, count) > WIRE_FULL)
        return -1;
    for (uint32_t index = 0; index < 2 * count; index++) {
        napi_value part;
        TRY(to->env, napi_get_element(to->env, collected, index, &part));
        if (wire_node_encode(to, part) < 0)
            return -1;
    }
    wire_leave(to->writer);
    return 0;
}

static int write_error(wire_node_encoder *to, napi_value error, unsigned causes);

static int
write_cause(wire_node_encoder *to, napi_value error, unsigned causes)
{
    napi_value cause = property_of(to, error, "cause", napi_object);
    bool is = false;

    if (cause != NULL)
        TRY(to->env, napi_is_error(to->env, cause, &is));
    if (is && causes < CAUSES_MAX)
        return write_error(to, cause, causes + 1);
    wire_write_nil(to->writer);
    return 0;
}

static int
write_error(wire_node_encoder *to, napi_value error, unsigned causes)
{
    size_t start;

    if (wire_enter_extension(to->writer, WIRE_ERROR, &start) > WIRE_FULL ||
        wire_enter_list(to->writer, 6) > WIRE_FULL)
        return wire_node_climb(to, error);
    if (write_string_property(to, error, "language", "javascript") < 0 ||
        write_type(to, error) < 0 || write_string_property(to, error, "message", "") < 0 ||
        write_stack(to, error) < 0 || write_cause(to, error, causes) < 0 ||
        write_extra(to, error) < 0)
        return -1;
    wire_leave(to->writer);
    wire_leave_extension(to->writer, start);
    return 0;
}

COLD int
wire_node_encode_error(wire_node_encoder *to, napi_value error)
{
    return write_error(to, error, 0);
}

/* ------------------------------------------------------------------------------------- Reading */

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

/* Read what else belongs to the error, and set it as properties. */
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
        napi_value key = wire_node_decode(from, reader);
        napi_value value = key != NULL ? wire_node_decode(from, reader) : NULL;
        if (value == NULL || wire_node_define(from->env, error, key, value,
                                              napi_writable | napi_enumerable | napi_configurable) < 0)
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
