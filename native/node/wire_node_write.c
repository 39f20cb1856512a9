/* JavaScript values to wire values. */

#include "wire_node_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_INTEGER_MAX 9007199254740991.0

/* -------------------------------------------------------------------------- Numbers and strings */

static inline int
write_number(wire_writer *writer, double number)
{
    if (fabs(number) <= SAFE_INTEGER_MAX) {
        int64_t integer = (int64_t)number;
        if ((double)integer == number && (integer != 0 || !signbit(number))) {
            wire_write_int(writer, integer);
            return 0;
        }
    }
    wire_write_float(writer, number);
    return 0;
}

int
wire_node_write_number(wire_writer *writer, double number)
{
    return write_number(writer, number);
}

static inline int
encode_number(wire_node_encoder *to, napi_value value)
{
    double number;

    TRY(to->env, napi_get_value_double(to->env, value, &number));
    return write_number(to->writer, number);
}

static COLD int
encode_bigint(wire_node_encoder *to, napi_value value)
{
    int sign;
    size_t count = 0;

    TRY(to->env, napi_get_value_bigint_words(to->env, value, NULL, &count, NULL));
    if (count > WIRE_BIGINT_MAX / 8) {
        wire_throw(to->env, WIRE_TOO_LARGE, "a BigInt of more than 524288 bits");
        return -1;
    }
    uint64_t *words = malloc((count + 1) * sizeof *words);
    if (words == NULL) {
        wire_throw(to->env, WIRE_NO_MEMORY, NULL);
        return -1;
    }
    napi_status status = napi_get_value_bigint_words(to->env, value, &sign, &count, words);
    if (status == napi_ok)
        wire_write_bigint(to->writer, sign != 0, (const uint8_t *)words, count * sizeof *words);
    free(words);
    return status == napi_ok ? 0 : wire_node_fail(to->env);
}

/* Return whether UTF-16 has a surrogate without its other half. */
static bool
has_lone_surrogate(const char16_t *units, size_t count)
{
    for (size_t index = 0; index < count; index++) {
        if ((units[index] & 0xf800) != 0xd800)
            continue;
        if (units[index] >= 0xdc00 || index + 1 == count || (units[index + 1] & 0xfc00) != 0xdc00)
            return true;
        index++;
    }
    return false;
}

/* N-API writes U+FFFD for a lone surrogate; where it has written one, the UTF-16 says which it was.
 * Return 1 when TEXT16 was written, 0 when the UTF-8 is right, -1. */
static COLD int
encode_if_lone(wire_node_encoder *to, napi_value value)
{
    size_t count = 0;

    TRY(to->env, napi_get_value_string_utf16(to->env, value, NULL, 0, &count));
    char16_t *units = malloc((count + 1) * sizeof *units);
    if (units == NULL) {
        wire_throw(to->env, WIRE_NO_MEMORY, NULL);
        return -1;
    }
    napi_status status = napi_get_value_string_utf16(to->env, value, units, count + 1, &count);
    bool lone = status == napi_ok && has_lone_surrogate(units, count);
    if (lone)
        wire_write_text16(to->writer, (const uint16_t *)units, count);
    free(units);
    return status == napi_ok ? lone : wire_node_fail(to->env);
}

static bool
has_replacement(const char *bytes, size_t length)
{
    const char *at = bytes;
    const char *end = bytes + length;

    while ((at = memchr(at, '\xef', (size_t)(end - at))) != NULL) {
        if (end - at >= 3 && at[1] == '\xbf' && at[2] == '\xbd')
            return true;
        at++;
    }
    return false;
}

static int
encode_utf8(wire_node_encoder *to, napi_value value, const char *bytes, size_t length)
{
    if (UNLIKELY(has_replacement(bytes, length))) {
        int written = encode_if_lone(to, value);
        if (written != 0)
            return written < 0 ? -1 : 0;
    }
    wire_write_text(to->writer, bytes, length);
    return 0;
}

static COLD int
encode_long_string(wire_node_encoder *to, napi_value value)
{
    size_t length = 0;
    int result;

    TRY(to->env, napi_get_value_string_utf8(to->env, value, NULL, 0, &length));
    char *bytes = malloc(length + 1);
    if (bytes == NULL) {
        wire_throw(to->env, WIRE_NO_MEMORY, NULL);
        return -1;
    }
    if (napi_get_value_string_utf8(to->env, value, bytes, length + 1, &length) == napi_ok)
        result = encode_utf8(to, value, bytes, length);
    else
        result = wire_node_fail(to->env);
    free(bytes);
    return result;
}

/* Not inlined into the functions that recurse: its buffer would be on the stack once a level. */
__attribute__((noinline)) int
wire_node_encode_string(wire_node_encoder *to, napi_value value)
{
    char bytes[256];
    size_t length;

    TRY(to->env, napi_get_value_string_utf8(to->env, value, bytes, sizeof bytes, &length));
    /* A character that does not fit is left out whole, so this much says that nothing was. */
    if (length < sizeof bytes - 4)
        return encode_utf8(to, value, bytes, length);
    return encode_long_string(to, value);
}

/* --------------------------------------------------------------------------------- Containers */

int
wire_node_climb(wire_node_encoder *to, napi_value container)
{
    napi_value deepest = NULL;
    bool same = false;

    if (to->writer->status != WIRE_TOO_DEEP || to->cyclic)
        return -1;
    if (to->deepest == NULL) {
        napi_create_reference(to->env, container, 1, &to->deepest);
        return -1;
    }
    to->levels++;
    napi_get_reference_value(to->env, to->deepest, &deepest);
    napi_strict_equals(to->env, container, deepest, &same);
    to->cyclic = same;
    return -1;
}

static int
encode_array(wire_node_encoder *to, napi_value array)
{
    uint32_t count;

    TRY(to->env, napi_get_array_length(to->env, array, &count));
    if (wire_enter_list(to->writer, count) > WIRE_FULL || wire_node_encode_elements(to, array, count) < 0)
        return wire_node_climb(to, array);
    wire_leave(to->writer);
    return 0;
}

static int
encode_property(wire_node_encoder *to, napi_value object, napi_value keys, uint32_t index)
{
    napi_value key;
    napi_value value;

    TRY(to->env, napi_get_element(to->env, keys, index, &key));
    TRY(to->env, napi_get_property(to->env, object, key, &value));
    if (wire_node_encode_string(to, key) < 0)
        return -1;
    return wire_node_encode(to, value);
}

static int
encode_properties(wire_node_encoder *to, napi_value object, napi_value keys, uint32_t count)
{
    int result = 0;

    for (uint32_t index = 0; index < count && result == 0; index++) {
        napi_handle_scope scope;
        TRY(to->env, napi_open_handle_scope(to->env, &scope));
        result = encode_property(to, object, keys, index);
        napi_close_handle_scope(to->env, scope);
        if (wire_node_failed(to))
            result = -1;
    }
    return result;
}

static int
encode_plain_object(wire_node_encoder *to, napi_value object)
{
    napi_value keys;
    uint32_t count;

    TRY(to->env, napi_get_all_property_names(to->env, object, napi_key_own_only,
                                             napi_key_enumerable | napi_key_skip_symbols,
                                             napi_key_numbers_to_strings, &keys));
    TRY(to->env, napi_get_array_length(to->env, keys, &count));
    if (wire_enter_map(to->writer, count) > WIRE_FULL ||
        encode_properties(to, object, keys, count) < 0)
        return wire_node_climb(to, object);
    wire_leave(to->writer);
    return 0;
}

/* Return the members of a Map or Set as an array: a snapshot that getters cannot change. */
static int
members_of(wire_node_encoder *to, napi_value collection, napi_value *members, uint32_t *count)
{
    napi_value constructor = wire_node_get(to->codec, to->codec->array_constructor);
    napi_value from = wire_node_get(to->codec, to->codec->array_from);

    TRY(to->env, napi_call_function(to->env, constructor, from, 1, &collection, members));
    TRY(to->env, napi_get_array_length(to->env, *members, count));
    return 0;
}

static int
encode_entry(wire_node_encoder *to, napi_value entries, uint32_t index)
{
    napi_value entry;
    napi_value part;

    TRY(to->env, napi_get_element(to->env, entries, index, &entry));
    TRY(to->env, napi_get_element(to->env, entry, 0, &part));
    if (wire_node_encode(to, part) < 0)
        return -1;
    TRY(to->env, napi_get_element(to->env, entry, 1, &part));
    return wire_node_encode(to, part);
}

static COLD int
encode_map(wire_node_encoder *to, napi_value map)
{
    napi_value entries;
    uint32_t count;
    int result = 0;

    if (members_of(to, map, &entries, &count) < 0)
        return -1;
    if (wire_enter_map(to->writer, count) > WIRE_FULL)
        return wire_node_climb(to, map);
    for (uint32_t index = 0; index < count && result == 0; index++) {
        napi_handle_scope scope;
        TRY(to->env, napi_open_handle_scope(to->env, &scope));
        result = encode_entry(to, entries, index);
        napi_close_handle_scope(to->env, scope);
        if (wire_node_failed(to))
            result = -1;
    }
    if (result < 0)
        return wire_node_climb(to, map);
    wire_leave(to->writer);
    return 0;
}

static COLD int
encode_set(wire_node_encoder *to, napi_value set)
{
    napi_value members;
    uint32_t count;
    size_t start;

    if (members_of(to, set, &members, &count) < 0)
        return -1;
    if (wire_enter_extension(to->writer, WIRE_SET, &start) > WIRE_FULL ||
        wire_enter_list(to->writer, count) > WIRE_FULL || wire_node_encode_elements(to, members, count) < 0)
        return wire_node_climb(to, set);
    wire_leave(to->writer);
    wire_leave_extension(to->writer, start);
    return 0;
}

static COLD int
encode_date(wire_node_encoder *to, napi_value date)
{
    double milliseconds;

    TRY(to->env, napi_get_date_value(to->env, date, &milliseconds));
    if (!isfinite(milliseconds)) {
        wire_throw(to->env, WIRE_UNSENDABLE, "an invalid Date");
        return -1;
    }
    double seconds = floor(milliseconds / 1000);
    wire_instant instant = {
        .seconds = (int64_t)seconds,
        .nanoseconds = (uint32_t)(milliseconds - seconds * 1000) * 1000000,
    };
    wire_write_timestamp(to->writer, instant);
    return 0;
}

/* -------------------------------------------------------------------------------------- Values */

COLD int
wire_node_encode_reference(wire_node_encoder *to, napi_value value)
{
    int written = 0;

    if (to->hooks->write_reference != NULL)
        written = to->hooks->write_reference(to->hooks->context, to->env, to->writer, value);
    if (written < 0)
        return -1;
    if (written > 0)
        return 0;
    wire_throw(to->env, WIRE_UNSENDABLE, "it goes by reference, and none can be made here");
    return -1;
}

static COLD int
encode_special_object(wire_node_encoder *to, napi_value object, napi_value prototype)
{
    bool is = false;

    int written = wire_node_encode_memory(to, object, prototype);
    if (written != 0)
        return written < 0 ? -1 : 0;
    TRY(to->env, napi_is_date(to->env, object, &is));
    if (is)
        return encode_date(to, object);
    TRY(to->env, napi_is_error(to->env, object, &is));
    if (is)
        return wire_node_encode_error(to, object);
    TRY(to->env, napi_instanceof(to->env, object,
                                 wire_node_get(to->codec, to->codec->map_constructor), &is));
    if (is)
        return encode_map(to, object);
    TRY(to->env, napi_instanceof(to->env, object,
                                 wire_node_get(to->codec, to->codec->set_constructor), &is));
    if (is)
        return encode_set(to, object);
    return wire_node_encode_reference(to, object);
}

static int
encode_object(wire_node_encoder *to, napi_value object)
{
    napi_value prototype;
    napi_valuetype type;
    bool is;

    TRY(to->env, napi_is_array(to->env, object, &is));
    if (is)
        return encode_array(to, object);
    TRY(to->env, napi_get_prototype(to->env, object, &prototype));
    TRY(to->env, napi_strict_equals(to->env, prototype,
                                    wire_node_get(to->codec, to->codec->object_prototype), &is));
    if (!is) {
        TRY(to->env, napi_typeof(to->env, prototype, &type));
        is = type == napi_null;
        if (is && to->hooks->claim != NULL && to->hooks->claim(to->hooks->context, to->env, object))
            return wire_node_encode_reference(to, object);
    }
    return is ? encode_plain_object(to, object) : encode_special_object(to, object, prototype);
}

int
wire_node_encode(wire_node_encoder *to, napi_value value)
{
    napi_valuetype type;
    bool truth;

    TRY(to->env, napi_typeof(to->env, value, &type));
    switch (type) {
    case napi_number:
        return encode_number(to, value);
    case napi_string:
        return wire_node_encode_string(to, value);
    case napi_boolean:
        TRY(to->env, napi_get_value_bool(to->env, value, &truth));
        wire_write_bool(to->writer, truth);
        return 0;
    case napi_undefined:
        wire_write_undefined(to->writer);
        return 0;
    case napi_null:
        wire_write_nil(to->writer);
        return 0;
    case napi_bigint:
        return encode_bigint(to, value);
    case napi_object:
        return encode_object(to, value);
    default: /* function, symbol, external */
        return wire_node_encode_reference(to, value);
    }
}

static COLD int
fail_writing(wire_node_encoder *to)
{
    char text[80];
    bool pending = false;

    napi_is_exception_pending(to->env, &pending);
    if (!pending && to->cyclic) {
        snprintf(text, sizeof text, "it contains itself, through %u %s", to->levels,
                 to->levels == 1 ? "container" : "containers");
        wire_throw(to->env, to->writer->status, text);
    } else {
        wire_node_throw(to->env, to->writer->status);
    }
    if (to->deepest != NULL)
        napi_delete_reference(to->env, to->deepest);
    return -1;
}

static wire_node_encoder
encoder_of(wire_node_codec *codec, wire_writer *writer, const wire_node_hooks *hooks)
{
    return (wire_node_encoder){
        .env = codec->env,
        .codec = codec,
        .writer = writer,
        .hooks = hooks != NULL ? hooks : &wire_node_no_hooks,
    };
}

int
wire_encode_value(wire_node_codec *codec, wire_writer *writer, napi_value value,
                  const wire_node_hooks *hooks)
{
    wire_node_encoder to = encoder_of(codec, writer, hooks);

    if (UNLIKELY(wire_node_encode(&to, value) < 0 || writer->status > WIRE_FULL))
        return fail_writing(&to);
    return 0;
}

int
wire_encode_values(wire_node_codec *codec, wire_writer *writer, const napi_value *values,
                   size_t count, const wire_node_hooks *hooks)
{
    wire_node_encoder to = encoder_of(codec, writer, hooks);

    wire_enter_list(writer, count);
    for (size_t index = 0; index < count; index++)
        if (UNLIKELY(wire_node_encode(&to, values[index]) < 0))
            return fail_writing(&to);
    wire_leave(writer);
    return writer->status > WIRE_FULL ? fail_writing(&to) : 0;
}
