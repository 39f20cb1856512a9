/* JavaScript's errors to wire values: their stacks as frames, causes and extra properties. */

#include "wire_node_frames.h"

#include <stdlib.h>
#include <string.h>

/* Chosen: longer chains are loops of retries, and the first causes are the ones that explain. */
#define CAUSES_MAX 32
/* Chosen: errors within others that go along, in one value. */
#define ERRORS_MAX 256

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
        write_frames(to, frames, wire_node_parse_stack(text, length, frames));
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

static int write_error(wire_node_encoder *to, napi_value error, unsigned causes);

static bool
is_error(wire_node_encoder *to, napi_value value)
{
    bool is = false;
    return napi_is_error(to->env, value, &is) == napi_ok && is;
}

/* The errors that an AggregateError has collected; NULL where there are none, or not only errors. */
static napi_value
inner_errors(wire_node_encoder *to, napi_value error, uint32_t *count)
{
    napi_value list = property_of(to, error, "errors", napi_object);
    bool is = false;

    if (list == NULL || napi_is_array(to->env, list, &is) != napi_ok || !is ||
        napi_get_array_length(to->env, list, count) != napi_ok)
        return NULL;
    if (*count == 0 || *count > ERRORS_MAX || to->errors + *count > ERRORS_MAX)
        return NULL;
    for (uint32_t index = 0; index < *count; index++) {
        napi_value item;
        if (napi_get_element(to->env, list, index, &item) != napi_ok) {
            napi_get_and_clear_last_exception(to->env, &item);
            return NULL;
        }
        if (!is_error(to, item))
            return NULL;
    }
    to->errors += *count;
    return list;
}

static int
write_inner_errors(wire_node_encoder *to, napi_value list, uint32_t count, unsigned causes)
{
    write_literal(to, "errors");
    if (wire_enter_list(to->writer, count) > WIRE_FULL)
        return -1;
    for (uint32_t index = 0; index < count; index++) {
        napi_value item;
        TRY(to->env, napi_get_element(to->env, list, index, &item));
        if (write_error(to, item, causes + 1) < 0)
            return -1;
    }
    wire_leave(to->writer);
    return 0;
}

/* What stands for the exception that the error was read from; NULL for JavaScript's own errors. */
static napi_value
original_of(wire_node_encoder *to, napi_value error)
{
    napi_value language = property_of(to, error, "language", napi_string);

    if (language == NULL || !equals(to, language, "python"))
        return NULL;
    return property_of(to, error, "original", napi_object);
}

static int
write_extra(wire_node_encoder *to, napi_value error, unsigned causes)
{
    napi_value collected;
    uint32_t count = 0, inner = 0;
    napi_value errors = causes < CAUSES_MAX ? inner_errors(to, error, &inner) : NULL;
    napi_value original = original_of(to, error);

    TRY(to->env, napi_create_array(to->env, &collected));
    if (collect_extra(to, error, collected, &count) < 0)
        return -1;
    if (wire_enter_map(to->writer, count + (errors != NULL) + (original != NULL)) > WIRE_FULL)
        return -1;
    if (errors != NULL && write_inner_errors(to, errors, inner, causes) < 0)
        return -1;
    if (original != NULL) {
        write_literal(to, "original");
        if (wire_node_encode_reference(to, original) < 0)
            return -1;
    }
    for (uint32_t index = 0; index < 2 * count; index++) {
        napi_value part;
        TRY(to->env, napi_get_element(to->env, collected, index, &part));
        if (wire_node_encode(to, part) < 0)
            return -1;
    }
    wire_leave(to->writer);
    return 0;
}

/* What was thrown, and is no error. */
static int
write_thrown_text(wire_node_encoder *to, napi_value text)
{
    size_t start;

    if (wire_enter_extension(to->writer, WIRE_ERROR, &start) > WIRE_FULL ||
        wire_enter_list(to->writer, 6) > WIRE_FULL)
        return -1;
    write_literal(to, "javascript");
    write_literal(to, "ThrownValue");
    if (wire_node_encode_string(to, text) < 0)
        return -1;
    write_frames(to, NULL, 0);
    wire_write_nil(to->writer);
    wire_enter_map(to->writer, 0);
    wire_leave(to->writer);
    wire_leave(to->writer);
    wire_leave_extension(to->writer, start);
    return 0;
}

static int
write_cause(wire_node_encoder *to, napi_value error, unsigned causes)
{
    napi_value cause = property_of(to, error, "cause", napi_object);
    napi_value text = cause == NULL ? property_of(to, error, "cause", napi_string) : NULL;

    if (cause != NULL && causes < CAUSES_MAX && is_error(to, cause))
        return write_error(to, cause, causes + 1);
    if (text != NULL)
        return write_thrown_text(to, text);
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
        write_extra(to, error, causes) < 0)
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
