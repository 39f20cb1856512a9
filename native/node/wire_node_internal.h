/* What the parts of the N-API adapter share. The contract is wire_node.h. */
#ifndef NOODLE_WIRE_NODE_INTERNAL_H
#define NOODLE_WIRE_NODE_INTERNAL_H

#include "wire_node.h"

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COLD __attribute__((noinline, cold))

/* Chosen: enough to make the cost of a scope vanish, few enough to keep scopes small. */
#define HANDLES_A_SCOPE 32
/* Measured: from here on one call of a function in JavaScript costs less than a call an element. */
#define NUMBERS_MIN 8
/* Chosen: 8 KiB a codec. */
#define NUMBERS_MAX 1024

/* Constructors and functions of the realm, held strongly so that programs cannot replace them. */
struct wire_node_codec {
    napi_env env;
    napi_ref object_prototype;
    napi_ref buffer_prototype;
    napi_ref map_constructor;
    napi_ref set_constructor;
    napi_ref array_constructor;
    napi_ref array_from;
    napi_ref object_entries;
    napi_ref copy_numbers;   /* (list, into, start, count) => how many from `start` are numbers */
    napi_ref append_numbers; /* (list, start, from, count) => undefined */
    napi_ref numbers;        /* a Float64Array of NUMBERS_MAX, which the two functions use */
    double *memory;          /* of that */
};

/* What one call of wire_encode_value carries down. A value that contains itself runs into the depth
 * limit; on the way back up, meeting the container that hit the limit again proves the cycle. */
typedef struct {
    napi_env env;
    const wire_node_codec *codec;
    wire_writer *writer;
    const wire_node_hooks *hooks;
    napi_ref deepest;
    unsigned levels;
    unsigned errors; /* that were written within others, as a bound for those that contain each other */
    bool cyclic;
} wire_node_encoder;

typedef struct {
    napi_env env;
    const wire_node_codec *codec;
    const wire_node_hooks *hooks;
} wire_node_decoder;

extern const wire_node_hooks wire_node_no_hooks;

/* Return -1 with an exception pending: the one that is, or one made of N-API's last error. */
int wire_node_fail(napi_env env);

#define TRY(env, call)                                                                             \
    do {                                                                                           \
        if (UNLIKELY((call) != napi_ok))                                                           \
            return wire_node_fail(env);                                                            \
    } while (0)

#define TRY_VALUE(env, call)                                                                       \
    do {                                                                                           \
        if (UNLIKELY((call) != napi_ok)) {                                                         \
            wire_node_fail(env);                                                                   \
            return NULL;                                                                           \
        }                                                                                          \
    } while (0)

static inline napi_value
wire_node_get(const wire_node_codec *codec, napi_ref reference)
{
    napi_value value = NULL;
    napi_get_reference_value(codec->env, reference, &value);
    return value;
}

static inline bool
wire_node_failed(const wire_node_encoder *to)
{
    return UNLIKELY(to->writer->status > WIRE_FULL);
}

int wire_node_encode(wire_node_encoder *to, napi_value value);
int wire_node_encode_string(wire_node_encoder *to, napi_value value);
/* Keep the container that hit the depth limit, or count one level above it. Returns -1. */
int wire_node_climb(wire_node_encoder *to, napi_value container);
int wire_node_encode_error(wire_node_encoder *to, napi_value error);
/* Return 1 when the value was memory and is written, 0 when it is no memory, -1. */
int wire_node_encode_memory(wire_node_encoder *to, napi_value value, napi_value prototype);
int wire_node_encode_reference(wire_node_encoder *to, napi_value value);

/* Set a property as data, whatever setters there are. */
int wire_node_define(napi_env env, napi_value object, napi_value key, napi_value value,
                     napi_property_attributes attributes);
napi_value wire_node_make_text(napi_env env, const uint8_t *bytes, size_t length);
int wire_node_encode_elements(wire_node_encoder *to, napi_value array, uint32_t count);
int wire_node_decode_elements(const wire_node_decoder *from, wire_reader *reader, napi_value array,
                              uint32_t count);
int wire_node_write_number(wire_writer *writer, double number);
napi_value wire_node_decode_token(const wire_node_decoder *from, wire_reader *reader,
                                  const wire_token *token);
napi_value wire_node_decode(const wire_node_decoder *from, wire_reader *reader);
napi_value wire_node_decode_error(const wire_node_decoder *from, wire_reader *reader,
                                  const wire_token *token);
napi_value wire_node_decode_array(const wire_node_decoder *from, wire_reader *reader,
                                  const wire_token *token);
/* Return false for a dtype without a typed array. */
bool wire_node_typed_array_of(uint8_t dtype, napi_typedarray_type *type);
/* Set the property `shape` of an array that has not exactly one dimension, and `dtype` of one of bools.
 * Both are read when the array, or another with such properties, is sent. */
int wire_node_set_layout(napi_env env, napi_value typed_array, const wire_array *array);
/* Make a typed array of its own memory, packed in C order, from `array->memory`. */
napi_value wire_node_copy_array(napi_env env, const wire_array *array);
/* Throw for a status unless an exception is pending already. Returns NULL. */
napi_value wire_node_throw(napi_env env, wire_status status);

#endif
