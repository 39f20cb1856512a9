/* An addon that holds only the codec, for its tests, benchmarks and fuzzers.
 *
 *     encode(value, reference?) -> Buffer       reference: (value) => [owner, kind, sent, id,
 *                                                           incarnation, name] or undefined
 *     decode(buffer, reference?, shared?)       reference: (owner, kind, sent, id, incarnation, name)
 *     encodeInto(buffer, value) -> length
 *     encodeArguments(...values) -> Buffer      a list of at most 8
 *     decodeArguments(buffer, room)             -> an array, or the number of values beyond `room`
 *     measure(value, repetitions)               -> [ns to write, ns to read]
 *     measureArguments(value, repetitions)      -> the same for the items of an array
 * Ids and incarnations are BigInts. */

#define _POSIX_C_SOURCE 200809L

#include "wire_node_internal.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static wire_node_codec *codec;

static bool
grow(wire_writer *writer, size_t used, size_t needed)
{
    size_t capacity = needed + needed / 2;
    uint8_t *buffer = malloc(capacity);

    if (buffer == NULL)
        return false;
    memcpy(buffer, writer->buffer, used);
    if (writer->buffer != writer->context)
        free(writer->buffer);
    writer->buffer = buffer;
    writer->capacity = capacity;
    return true;
}

/* Read the fields that the function of the caller has returned. */
static int
read_fields(napi_env env, napi_value fields, wire_reference *reference, char *name)
{
    napi_value item;
    uint32_t number;
    bool lossless;

    TRY(env, napi_get_element(env, fields, 0, &item));
    TRY(env, napi_get_value_uint32(env, item, &number));
    reference->owner = (uint8_t)number;
    TRY(env, napi_get_element(env, fields, 1, &item));
    TRY(env, napi_get_value_uint32(env, item, &number));
    reference->kind = (uint8_t)number;
    TRY(env, napi_get_element(env, fields, 2, &item));
    TRY(env, napi_get_value_uint32(env, item, &reference->sent));
    TRY(env, napi_get_element(env, fields, 3, &item));
    TRY(env, napi_get_value_bigint_uint64(env, item, &reference->id, &lossless));
    TRY(env, napi_get_element(env, fields, 4, &item));
    TRY(env, napi_get_value_bigint_uint64(env, item, &reference->incarnation, &lossless));
    TRY(env, napi_get_element(env, fields, 5, &item));
    TRY(env, napi_get_value_string_utf8(env, item, name, WIRE_NAME_MAX, &reference->name_length));
    reference->name = name;
    return 0;
}

static int
write_reference(void *context, napi_env env, wire_writer *writer, napi_value value)
{
    wire_reference reference = {0};
    napi_value fields;
    napi_value global;
    napi_valuetype type;
    char name[WIRE_NAME_MAX + 1];

    TRY(env, napi_get_global(env, &global));
    TRY(env, napi_call_function(env, global, context, 1, &value, &fields));
    TRY(env, napi_typeof(env, fields, &type));
    if (type != napi_object)
        return 0;
    if (read_fields(env, fields, &reference, name) < 0)
        return -1;
    wire_write_reference(writer, &reference);
    return 1;
}

static napi_value
read_reference(void *context, napi_env env, const wire_reference *reference)
{
    napi_value arguments[6];
    napi_value global;
    napi_value result;

    TRY_VALUE(env, napi_get_global(env, &global));
    TRY_VALUE(env, napi_create_uint32(env, reference->owner, &arguments[0]));
    TRY_VALUE(env, napi_create_uint32(env, reference->kind, &arguments[1]));
    TRY_VALUE(env, napi_create_uint32(env, reference->sent, &arguments[2]));
    TRY_VALUE(env, napi_create_bigint_uint64(env, reference->id, &arguments[3]));
    TRY_VALUE(env, napi_create_bigint_uint64(env, reference->incarnation, &arguments[4]));
    TRY_VALUE(env, napi_create_string_utf8(env, reference->name, reference->name_length,
                                           &arguments[5]));
    TRY_VALUE(env, napi_call_function(env, global, context, 6, arguments, &result));
    return result;
}

/* Return the argument if it is a function, else NULL. */
static napi_value
function_or_null(napi_env env, napi_value argument)
{
    napi_valuetype type;

    return napi_typeof(env, argument, &type) == napi_ok && type == napi_function ? argument : NULL;
}

static napi_value
encode(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    size_t count = 2;
    uint8_t first[512];
    wire_writer writer;
    napi_value result = NULL;

    TRY_VALUE(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
    wire_node_hooks hooks = {.context = function_or_null(env, arguments[1])};
    if (hooks.context != NULL)
        hooks.write_reference = write_reference;
    wire_writer_init(&writer, first, sizeof first, wire_default_limits());
    writer.grow = grow;
    writer.context = first;
    if (wire_encode_value(codec, &writer, arguments[0], &hooks) == 0)
        napi_create_buffer_copy(env, writer.length, writer.buffer, NULL, &result);
    if (writer.buffer != first)
        free(writer.buffer);
    return result;
}

static napi_value
decode(napi_env env, napi_callback_info info)
{
    napi_value arguments[3];
    size_t count = 3;
    void *bytes;
    size_t length;
    bool shared = false;
    wire_reader reader;

    TRY_VALUE(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
    TRY_VALUE(env, napi_get_buffer_info(env, arguments[0], &bytes, &length));
    napi_get_value_bool(env, arguments[2], &shared);
    wire_node_hooks hooks = {.context = function_or_null(env, arguments[1])};
    if (hooks.context != NULL)
        hooks.read_reference = read_reference;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), shared);
    napi_value value = wire_decode_value(codec, &reader, &hooks);
    if (value != NULL && wire_finish(&reader) != WIRE_OK) {
        wire_throw(env, reader.status, NULL);
        return NULL;
    }
    return value;
}

static napi_value
encode_into(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    size_t count = 2;
    void *bytes;
    size_t length;
    wire_writer writer;
    napi_value result;

    TRY_VALUE(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
    TRY_VALUE(env, napi_get_buffer_info(env, arguments[0], &bytes, &length));
    wire_writer_init(&writer, bytes, length, wire_default_limits());
    if (wire_encode_value(codec, &writer, arguments[1], NULL) < 0)
        return NULL;
    TRY_VALUE(env, napi_create_int64(env, (int64_t)writer.length, &result));
    return result;
}

static double
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

/* Set element `index` of `pair` to the mean time of one of `repetitions`. */
static int
set_mean(napi_env env, napi_value pair, uint32_t index, double elapsed, uint32_t repetitions)
{
    napi_value mean;
    TRY(env, napi_create_double(env, elapsed / repetitions, &mean));
    TRY(env, napi_set_element(env, pair, index, mean));
    return 0;
}

#define ROOM 8

static napi_value
encode_arguments(napi_env env, napi_callback_info info)
{
    napi_value arguments[ROOM];
    size_t count = ROOM;
    uint8_t buffer[1024];
    wire_writer writer;
    napi_value result;

    TRY_VALUE(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
    wire_writer_init(&writer, buffer, sizeof buffer, wire_default_limits());
    if (wire_encode_values(codec, &writer, arguments, count, NULL) < 0)
        return NULL;
    TRY_VALUE(env, napi_create_buffer_copy(env, writer.length, buffer, NULL, &result));
    return result;
}

static napi_value
decode_arguments(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    napi_value values[ROOM];
    napi_value result;
    size_t count = 2;
    uint32_t room;
    void *bytes;
    size_t length;
    wire_reader reader;

    TRY_VALUE(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
    TRY_VALUE(env, napi_get_buffer_info(env, arguments[0], &bytes, &length));
    TRY_VALUE(env, napi_get_value_uint32(env, arguments[1], &room));
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    if (!wire_decode_values(codec, &reader, values, room < ROOM ? room : ROOM, &count, NULL)) {
        bool pending = false;
        napi_is_exception_pending(env, &pending);
        if (pending)
            return NULL;
        TRY_VALUE(env, napi_create_uint32(env, (uint32_t)count, &result));
        return result;
    }
    TRY_VALUE(env, napi_create_array(env, &result));
    for (uint32_t index = 0; index < count; index++)
        TRY_VALUE(env, napi_set_element(env, result, index, values[index]));
    return result;
}

/* What is measured: one value, or the items of an array as arguments. */
typedef struct {
    napi_value value;
    napi_value items[ROOM];
    uint32_t count;
    bool as_arguments;
    uint8_t buffer[8192];
    wire_writer writer;
} subject;

static void
write_once(subject *measured)
{
    wire_writer_init(&measured->writer, measured->buffer, sizeof measured->buffer,
                     wire_default_limits());
    if (measured->as_arguments)
        wire_encode_values(codec, &measured->writer, measured->items, measured->count, NULL);
    else
        wire_encode_value(codec, &measured->writer, measured->value, NULL);
}

static void
read_once(subject *measured)
{
    wire_reader reader;
    napi_value values[ROOM];
    size_t count;

    wire_reader_init(&reader, measured->buffer, measured->writer.length, wire_default_limits(), false);
    if (measured->as_arguments)
        wire_decode_values(codec, &reader, values, ROOM, &count, NULL);
    else
        wire_decode_value(codec, &reader, NULL);
}

static napi_value
measure_subject(napi_env env, subject *measured, uint32_t repetitions)
{
    void (*const steps[])(subject *) = {write_once, read_once};
    napi_value pair;

    TRY_VALUE(env, napi_create_array(env, &pair));
    for (uint32_t step = 0; step < 2; step++) {
        double start = now();
        for (uint32_t index = 0; index < repetitions; index++) {
            napi_handle_scope scope;
            TRY_VALUE(env, napi_open_handle_scope(env, &scope));
            steps[step](measured);
            TRY_VALUE(env, napi_close_handle_scope(env, scope));
        }
        if (set_mean(env, pair, step, now() - start, repetitions) < 0)
            return NULL;
    }
    return pair;
}

static napi_value
measure(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    size_t count = 2;
    uint32_t repetitions;
    subject measured = {.as_arguments = false};

    TRY_VALUE(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
    TRY_VALUE(env, napi_get_value_uint32(env, arguments[1], &repetitions));
    measured.value = arguments[0];
    return measure_subject(env, &measured, repetitions);
}

static napi_value
measure_arguments(napi_env env, napi_callback_info info)
{
    napi_value arguments[2];
    size_t count = 2;
    uint32_t repetitions;
    subject measured = {.as_arguments = true};

    TRY_VALUE(env, napi_get_cb_info(env, info, &count, arguments, NULL, NULL));
    TRY_VALUE(env, napi_get_value_uint32(env, arguments[1], &repetitions));
    TRY_VALUE(env, napi_get_array_length(env, arguments[0], &measured.count));
    if (measured.count > ROOM)
        measured.count = ROOM;
    for (uint32_t index = 0; index < measured.count; index++)
        TRY_VALUE(env, napi_get_element(env, arguments[0], index, &measured.items[index]));
    return measure_subject(env, &measured, repetitions);
}

static void
tear_down(void *data)
{
    wire_node_codec_free(data);
}

NAPI_MODULE_INIT()
{
    napi_property_descriptor functions[] = {
        {"encode", NULL, encode, NULL, NULL, NULL, napi_default, NULL},
        {"decode", NULL, decode, NULL, NULL, NULL, napi_default, NULL},
        {"encodeInto", NULL, encode_into, NULL, NULL, NULL, napi_default, NULL},
        {"encodeArguments", NULL, encode_arguments, NULL, NULL, NULL, napi_default, NULL},
        {"decodeArguments", NULL, decode_arguments, NULL, NULL, NULL, napi_default, NULL},
        {"measureArguments", NULL, measure_arguments, NULL, NULL, NULL, napi_default, NULL},
        {"measure", NULL, measure, NULL, NULL, NULL, napi_default, NULL},
    };

    codec = wire_node_codec_new(env);
    if (codec == NULL)
        return NULL;
    TRY_VALUE(env, napi_add_env_cleanup_hook(env, tear_down, codec));
    TRY_VALUE(env, napi_define_properties(env, exports, sizeof functions / sizeof *functions,
                                          functions));
    return exports;
}
