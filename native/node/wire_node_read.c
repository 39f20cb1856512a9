/* Wire values to JavaScript values. */

#include "wire_node_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SAFE_INTEGER_MAX INT64_C(9007199254740991)
#define DATE_MAX 8.64e15

/* ------------------------------------------------------------------------------------- Numbers */

static inline napi_value
make_integer(napi_env env, int64_t integer)
{
    napi_value value;

    if (integer == (int32_t)integer)
        TRY_VALUE(env, napi_create_int32(env, (int32_t)integer, &value));
    else if (integer >= -SAFE_INTEGER_MAX && integer <= SAFE_INTEGER_MAX)
        TRY_VALUE(env, napi_create_double(env, (double)integer, &value));
    else
        TRY_VALUE(env, napi_create_bigint_int64(env, integer, &value));
    return value;
}

static COLD napi_value
make_bigint(napi_env env, const wire_token *token)
{
    wire_bigint number;
    napi_value value;

    wire_status status = wire_bigint_read(token->bytes, token->length, &number);
    if (status != WIRE_OK)
        return wire_node_throw(env, status);
    if (number.length <= 8) {
        /* Not the shortest form, but allowed: it must come out like any other int. */
        uint64_t small = 0;
        memcpy(&small, number.magnitude, number.length);
        if (small <= (uint64_t)SAFE_INTEGER_MAX)
            return make_integer(env, number.negative ? -(int64_t)small : (int64_t)small);
    }
    size_t count = (number.length + 7) / 8;
    uint64_t *words = calloc(count + 1, sizeof *words);
    if (words == NULL)
        return wire_node_throw(env, WIRE_NO_MEMORY);
    memcpy(words, number.magnitude, number.length);
    napi_status made = napi_create_bigint_words(env, number.negative, count, words, &value);
    free(words);
    TRY_VALUE(env, made);
    return value;
}

static COLD napi_value
make_date(napi_env env, const wire_token *token)
{
    wire_instant instant;
    napi_value value;

    if (token->type == WIRE_LOCAL_TIME) {
        wire_throw(env, WIRE_UNREADABLE, "a datetime without a zone; give it one before it is sent");
        return NULL;
    }
    wire_status status = wire_instant_read(token->type, token->bytes, token->length, &instant);
    if (status != WIRE_OK)
        return wire_node_throw(env, status);
    double milliseconds = (double)instant.seconds * 1000 + instant.nanoseconds / 1000000;
    if (fabs(milliseconds) > DATE_MAX) {
        wire_throw(env, WIRE_UNREADABLE, "an instant beyond the range of Date");
        return NULL;
    }
    TRY_VALUE(env, napi_create_date(env, milliseconds, &value));
    return value;
}

/* ---------------------------------------------------------------------------------------- Text */

/* V8 gives no reason where it makes no string. */
static COLD napi_value
refuse_text(napi_env env, size_t length)
{
    char text[128];
    bool pending = true;

    napi_is_exception_pending(env, &pending);
    snprintf(text, sizeof text, "a text of %zu bytes is longer than a string of JavaScript can be",
             length);
    if (!pending)
        napi_throw_range_error(env, "NOODLE_TOO_LONG", text);
    return NULL;
}

napi_value
wire_node_make_text(napi_env env, const uint8_t *bytes, size_t length)
{
    napi_value value;
    napi_status made;

    switch (wire_text_form_of(bytes, length)) {
    case WIRE_TEXT_ASCII:
        made = napi_create_string_latin1(env, (const char *)bytes, length, &value);
        break;
    case WIRE_TEXT_UTF8:
        made = napi_create_string_utf8(env, (const char *)bytes, length, &value);
        break;
    default:
        return wire_node_throw(env, WIRE_BAD_TEXT);
    }
    return made == napi_ok ? value : refuse_text(env, length);
}

static COLD napi_value
make_text16(napi_env env, const wire_token *token)
{
    napi_value value;

    if (token->length % 2 != 0)
        return wire_node_throw(env, WIRE_BAD_TEXT);
    /* A copy, as the payload may be unaligned, and may change. */
    char16_t *units = malloc(token->length + 1);
    if (units == NULL)
        return wire_node_throw(env, WIRE_NO_MEMORY);
    memcpy(units, token->bytes, token->length);
    napi_status made = napi_create_string_utf16(env, units, token->length / 2, &value);
    free(units);
    return made == napi_ok ? value : refuse_text(env, token->length);
}

/* V8 reads the bytes more than once, so nobody else may be able to change them. */
static COLD napi_value
make_text_from_copy(napi_env env, const wire_token *token)
{
    uint8_t *copy = malloc(token->length + 1);
    if (copy == NULL)
        return wire_node_throw(env, WIRE_NO_MEMORY);
    memcpy(copy, token->bytes, token->length);
    __asm__ volatile("" ::: "memory");
    napi_value value = wire_node_make_text(env, copy, token->length);
    free(copy);
    return value;
}

/* --------------------------------------------------------------------------------- Containers */

static napi_value
decode_list(const wire_node_decoder *from, wire_reader *reader, uint32_t count)
{
    napi_value array;

    if (wire_descend(reader) != WIRE_OK)
        return wire_node_throw(from->env, reader->status);
    TRY_VALUE(from->env, napi_create_array_with_length(from->env, count, &array));
    if (wire_node_decode_elements(from, reader, array, count) < 0)
        return NULL;
    wire_ascend(reader);
    return array;
}

/* Make a Map of the properties that an object has so far. */
static COLD napi_value
make_map(const wire_node_decoder *from, napi_value object)
{
    napi_value entries;
    napi_value map;
    napi_env env = from->env;

    TRY_VALUE(env, napi_call_function(env, object,
                                      wire_node_get(from->codec, from->codec->object_entries), 1,
                                      &object, &entries));
    TRY_VALUE(env, napi_new_instance(env, wire_node_get(from->codec, from->codec->map_constructor), 1,
                                     &entries, &map));
    return map;
}

COLD int
wire_node_define(napi_env env, napi_value object, napi_value key, napi_value value,
                 napi_property_attributes attributes)
{
    napi_property_descriptor property = {.name = key, .value = value, .attributes = attributes};

    TRY(env, napi_define_properties(env, object, 1, &property));
    return 0;
}

static COLD int
set_in_map(napi_env env, napi_value map, napi_value key, napi_value value)
{
    napi_value arguments[] = {key, value};
    napi_value set;
    napi_value result;

    TRY(env, napi_get_named_property(env, map, "set", &set));
    TRY(env, napi_call_function(env, map, set, 2, arguments, &result));
    return 0;
}

/* Setting `__proto__` would call the setter of Object.prototype. */
static inline bool
is_proto(const wire_token *key)
{
    return key->length == 9 && memcmp(key->bytes, "__proto__", 9) == 0;
}

/* What a map is read into: an object until a key is no text. */
typedef struct {
    napi_value target; /* a handle of the scope around all pairs */
    bool is_map;
} map_target;

/* Read the value of a pair and store it. The key is read already. */
static int
read_value(const wire_node_decoder *from, wire_reader *reader, const map_target *into,
           const wire_token *token, napi_value key)
{
    napi_value value = wire_node_decode(from, reader);

    if (value == NULL)
        return -1;
    if (into->is_map)
        return set_in_map(from->env, into->target, key, value);
    /* The bytes may have changed since they were made a string, so ask for the worst: text in memory
     * that others can write is always defined, never set. */
    if (UNLIKELY(reader->shared || is_proto(token)))
        return wire_node_define(from->env, into->target, key, value,
                                napi_writable | napi_enumerable | napi_configurable);
    TRY(from->env, napi_set_property(from->env, into->target, key, value));
    return 0;
}

static int
read_pair(const wire_node_decoder *from, wire_reader *reader, const map_target *into,
          const wire_token *token)
{
    napi_handle_scope scope;
    int result = -1;

    TRY(from->env, napi_open_handle_scope(from->env, &scope));
    napi_value key = wire_node_decode_token(from, reader, token);
    if (key != NULL)
        result = read_value(from, reader, into, token, key);
    napi_close_handle_scope(from->env, scope);
    return result;
}

static napi_value
decode_map(const wire_node_decoder *from, wire_reader *reader, uint32_t count)
{
    map_target into = {.is_map = false};

    if (wire_descend(reader) != WIRE_OK)
        return wire_node_throw(from->env, reader->status);
    TRY_VALUE(from->env, napi_create_object(from->env, &into.target));
    for (uint32_t index = 0; index < count; index++) {
        wire_token token;
        if (wire_read(reader, &token) != WIRE_OK)
            return wire_node_throw(from->env, reader->status);
        bool text = token.kind == WIRE_TEXT ||
                    (token.kind == WIRE_EXTENSION && token.type == WIRE_TEXT16);
        if (!text && !into.is_map) {
            into.is_map = true;
            into.target = make_map(from, into.target);
        }
        if (into.target == NULL || read_pair(from, reader, &into, &token) < 0)
            return NULL;
    }
    wire_ascend(reader);
    return into.target;
}

static COLD napi_value
decode_set(const wire_node_decoder *from, wire_reader *reader, const wire_token *token)
{
    wire_reader inner;
    wire_token list;
    napi_value set;

    if (wire_open(reader, token, &inner) != WIRE_OK)
        return wire_node_throw(from->env, reader->status);
    if (wire_read(&inner, &list) != WIRE_OK || list.kind != WIRE_LIST)
        return wire_node_throw(from->env,
                               inner.status != WIRE_OK ? inner.status : WIRE_BAD_EXTENSION);
    napi_value members = decode_list(from, &inner, list.count);
    if (members == NULL)
        return NULL;
    if (wire_close(reader, &inner) != WIRE_OK)
        return wire_node_throw(from->env, reader->status);
    TRY_VALUE(from->env,
              napi_new_instance(from->env, wire_node_get(from->codec, from->codec->set_constructor),
                                1, &members, &set));
    return set;
}

/* -------------------------------------------------------------------------------------- Values */

static COLD napi_value
decode_reference(const wire_node_decoder *from, const wire_token *token)
{
    wire_reference reference;
    wire_status status = wire_reference_read(token->bytes, token->length, &reference);

    if (status != WIRE_OK)
        return wire_node_throw(from->env, status);
    if (from->hooks->read_reference != NULL)
        return from->hooks->read_reference(from->hooks->context, from->env, &reference);
    wire_throw(from->env, WIRE_UNREADABLE, "no references are taken here");
    return NULL;
}

static COLD napi_value
decode_extension(const wire_node_decoder *from, wire_reader *reader, const wire_token *token)
{
    napi_value value;

    switch (token->type) {
    case WIRE_TIMESTAMP:
    case WIRE_LOCAL_TIME:
        return make_date(from->env, token);
    case WIRE_BIGINT:
        return make_bigint(from->env, token);
    case WIRE_TEXT16:
        return make_text16(from->env, token);
    case WIRE_SET:
        return decode_set(from, reader, token);
    case WIRE_UNDEFINED:
        if (token->length != 0)
            return wire_node_throw(from->env, WIRE_BAD_EXTENSION);
        TRY_VALUE(from->env, napi_get_undefined(from->env, &value));
        return value;
    case WIRE_ARRAY:
        return wire_node_decode_array(from, reader, token);
    case WIRE_REFERENCE:
        return decode_reference(from, token);
    case WIRE_ERROR:
        return wire_node_decode_error(from, reader, token);
    default:
        return wire_node_throw(from->env, WIRE_BAD_EXTENSION);
    }
}

napi_value
wire_node_decode_token(const wire_node_decoder *from, wire_reader *reader, const wire_token *token)
{
    napi_env env = from->env;
    napi_value value;

    switch (token->kind) {
    case WIRE_INT:
        return make_integer(env, token->integer);
    case WIRE_FLOAT:
        TRY_VALUE(env, napi_create_double(env, token->number, &value));
        return value;
    case WIRE_TEXT:
        return UNLIKELY(reader->shared) ? make_text_from_copy(env, token)
                                        : wire_node_make_text(env, token->bytes, token->length);
    case WIRE_NIL:
        TRY_VALUE(env, napi_get_null(env, &value));
        return value;
    case WIRE_BOOL:
        TRY_VALUE(env, napi_get_boolean(env, token->boolean, &value));
        return value;
    case WIRE_UINT:
        TRY_VALUE(env, napi_create_bigint_uint64(env, token->natural, &value));
        return value;
    case WIRE_BINARY:
        TRY_VALUE(env, napi_create_buffer_copy(env, token->length, token->bytes, NULL, &value));
        return value;
    case WIRE_LIST:
        return decode_list(from, reader, token->count);
    case WIRE_MAP:
        return decode_map(from, reader, token->count);
    case WIRE_EXTENSION:
        return decode_extension(from, reader, token);
    }
    return wire_node_throw(env, WIRE_INVALID);
}

napi_value
wire_node_decode(const wire_node_decoder *from, wire_reader *reader)
{
    wire_token token;

    if (UNLIKELY(wire_read(reader, &token) != WIRE_OK))
        return wire_node_throw(from->env, reader->status);
    return wire_node_decode_token(from, reader, &token);
}

napi_value
wire_decode_value(wire_node_codec *codec, wire_reader *reader, const wire_node_hooks *hooks)
{
    wire_node_decoder from = {
        .env = codec->env,
        .codec = codec,
        .hooks = hooks != NULL ? hooks : &wire_node_no_hooks,
    };
    return wire_node_decode(&from, reader);
}

bool
wire_decode_values(wire_node_codec *codec, wire_reader *reader, napi_value *values, size_t room,
                   size_t *count, const wire_node_hooks *hooks)
{
    wire_node_decoder from = {
        .env = codec->env,
        .codec = codec,
        .hooks = hooks != NULL ? hooks : &wire_node_no_hooks,
    };
    wire_reader start = *reader;
    wire_token list;

    *count = 0;
    if (wire_read(reader, &list) != WIRE_OK || list.kind != WIRE_LIST ||
        wire_descend(reader) != WIRE_OK) {
        wire_node_throw(from.env, reader->status != WIRE_OK ? reader->status : WIRE_INVALID);
        return false;
    }
    *count = list.count;
    if (list.count > room) {
        *reader = start;
        return false;
    }
    for (uint32_t index = 0; index < list.count; index++)
        if (UNLIKELY((values[index] = wire_node_decode(&from, reader)) == NULL))
            return false;
    wire_ascend(reader);
    return true;
}
