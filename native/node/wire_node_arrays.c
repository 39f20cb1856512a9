/* Typed arrays, ArrayBuffer, DataView and Buffer, both ways. */

#include "wire_node_internal.h"

#include <stdlib.h>
#include <string.h>

/* Newer than N-API 8, but headers and Node.js may know it. */
#define FLOAT16_ARRAY 11

static uint8_t
dtype_of(napi_typedarray_type type)
{
    switch ((int)type) {
    case napi_int8_array:
        return WIRE_DTYPE_I8;
    case napi_uint8_array:
    case napi_uint8_clamped_array:
        return WIRE_DTYPE_U8;
    case napi_int16_array:
        return WIRE_DTYPE_I16;
    case napi_uint16_array:
        return WIRE_DTYPE_U16;
    case napi_int32_array:
        return WIRE_DTYPE_I32;
    case napi_uint32_array:
        return WIRE_DTYPE_U32;
    case napi_float32_array:
        return WIRE_DTYPE_F32;
    case napi_float64_array:
        return WIRE_DTYPE_F64;
    case napi_bigint64_array:
        return WIRE_DTYPE_I64;
    case napi_biguint64_array:
        return WIRE_DTYPE_U64;
    case FLOAT16_ARRAY:
        return WIRE_DTYPE_F16;
    default:
        return 0;
    }
}

bool
wire_node_typed_array_of(uint8_t dtype, napi_typedarray_type *type)
{
    static const int types[] = {
        [WIRE_DTYPE_BOOL] = napi_uint8_array,   [WIRE_DTYPE_I8] = napi_int8_array,
        [WIRE_DTYPE_I16] = napi_int16_array,    [WIRE_DTYPE_I32] = napi_int32_array,
        [WIRE_DTYPE_I64] = napi_bigint64_array, [WIRE_DTYPE_U8] = napi_uint8_array,
        [WIRE_DTYPE_U16] = napi_uint16_array,   [WIRE_DTYPE_U32] = napi_uint32_array,
        [WIRE_DTYPE_U64] = napi_biguint64_array, [WIRE_DTYPE_F32] = napi_float32_array,
        [WIRE_DTYPE_F64] = napi_float64_array,
    };
    if (dtype == WIRE_DTYPE_F16 || dtype > WIRE_DTYPE_F64)
        return false;
    *type = (napi_typedarray_type)types[dtype];
    return true;
}

/* Reads the property `shape`, if there is one that fits the length.  A getter that throws is none. */
static bool
read_shape(napi_env env, napi_value value, size_t length, wire_array *array)
{
    napi_value shape, item;
    uint32_t count = 0;
    uint64_t items = 1;
    bool is = false;

    if (napi_get_named_property(env, value, "shape", &shape) != napi_ok) {
        napi_get_and_clear_last_exception(env, &shape);
        return false;
    }
    if (napi_is_array(env, shape, &is) != napi_ok || !is
        || napi_get_array_length(env, shape, &count) != napi_ok || count > WIRE_DIMENSIONS_MAX)
        return false;
    for (uint32_t axis = 0; axis < count; axis++) {
        double extent = -1;
        if (napi_get_element(env, shape, axis, &item) != napi_ok
            || napi_get_value_double(env, item, &extent) != napi_ok || !(extent >= 0)
            || extent > 9007199254740991.0 || extent != (double)(uint64_t)extent
            || __builtin_mul_overflow(items, (uint64_t)extent, &items))
            return false;
        array->shape[axis] = (int64_t)extent;
    }
    array->dimensions = (uint8_t)count;
    return items == length;
}

/* What was an array of bools says so, while it holds nothing else. */
static bool
holds_bools(napi_env env, napi_value value, const void *memory, size_t length)
{
    napi_value dtype;
    char name[8] = "";

    if (napi_get_named_property(env, value, "dtype", &dtype) != napi_ok) {
        napi_get_and_clear_last_exception(env, &dtype);
        return false;
    }
    return napi_get_value_string_utf8(env, dtype, name, sizeof name, NULL) == napi_ok
           && strcmp(name, "bool") == 0 && wire_items_valid(WIRE_DTYPE_BOOL, memory, length);
}

static int
write_memory(wire_node_encoder *to, napi_value value, uint8_t dtype, size_t length, const void *memory)
{
    wire_array array;
    uint8_t *target;
    int written = 0;

    memset(&array, 0, offsetof(wire_array, shape));
    array.dtype = dtype;
    array.item_size = wire_dtype_size(dtype);
    if (!read_shape(to->env, value, length, &array) || wire_array_set_c_order(&array) != WIRE_OK) {
        array.dimensions = 1;
        array.shape[0] = (int64_t)length;
        array.strides[0] = array.item_size;
    }
    array.memory_length = (uint64_t)length * array.item_size;
    array.elements = length;
    array.c_contiguous = true;
    if (to->hooks->write_array != NULL)
        written = to->hooks->write_array(to->hooks->context, to->env, to->writer, value, &array,
                                         memory);
    if (written != 0)
        return written;
    wire_write_array(to->writer, &array, &target);
    if (target != NULL && length != 0)
        memcpy(target, memory, (size_t)array.memory_length);
    return 1;
}

static int
encode_typed_array(wire_node_encoder *to, napi_value value, napi_value prototype)
{
    napi_typedarray_type type;
    size_t length;
    void *memory;
    bool is_buffer;

    TRY(to->env, napi_get_typedarray_info(to->env, value, &type, &length, &memory, NULL, NULL));
    TRY(to->env, napi_strict_equals(to->env, prototype,
                                    wire_node_get(to->codec, to->codec->buffer_prototype),
                                    &is_buffer));
    if (is_buffer) {
        wire_write_binary(to->writer, memory, length);
        return 1;
    }
    uint8_t dtype = dtype_of(type);
    if (dtype == 0)
        return wire_node_encode_reference(to, value) < 0 ? -1 : 1;
    if (type == napi_uint8_array && holds_bools(to->env, value, memory, length))
        dtype = WIRE_DTYPE_BOOL;
    return write_memory(to, value, dtype, length, memory);
}

COLD int
wire_node_encode_memory(wire_node_encoder *to, napi_value value, napi_value prototype)
{
    void *memory;
    size_t length;
    bool is;

    TRY(to->env, napi_is_typedarray(to->env, value, &is));
    if (is)
        return encode_typed_array(to, value, prototype);
    TRY(to->env, napi_is_arraybuffer(to->env, value, &is));
    if (is) {
        TRY(to->env, napi_get_arraybuffer_info(to->env, value, &memory, &length));
        return write_memory(to, value, WIRE_DTYPE_U8, length, memory);
    }
    TRY(to->env, napi_is_dataview(to->env, value, &is));
    if (is) {
        TRY(to->env, napi_get_dataview_info(to->env, value, &length, &memory, NULL, NULL));
        return write_memory(to, value, WIRE_DTYPE_U8, length, memory);
    }
    return 0;
}

int
wire_node_set_layout(napi_env env, napi_value typed_array, const wire_array *array)
{
    napi_value shape;
    napi_value length;

    if (array->dtype == WIRE_DTYPE_BOOL) {
        TRY(env, napi_create_string_utf8(env, "bool", 4, &shape));
        TRY(env, napi_set_named_property(env, typed_array, "dtype", shape));
    }
    if (array->dimensions == 1)
        return 0;
    TRY(env, napi_create_array_with_length(env, array->dimensions, &shape));
    for (uint32_t axis = 0; axis < array->dimensions; axis++) {
        TRY(env, napi_create_int64(env, array->shape[axis], &length));
        TRY(env, napi_set_element(env, shape, axis, length));
    }
    TRY(env, napi_set_named_property(env, typed_array, "shape", shape));
    return 0;
}

napi_value
wire_node_copy_array(napi_env env, const wire_array *array)
{
    napi_typedarray_type type;
    napi_value buffer;
    napi_value result;
    void *memory;
    size_t length = (size_t)array->elements * array->item_size;

    if (!wire_node_typed_array_of(array->dtype, &type)) {
        wire_throw(env, WIRE_UNREADABLE, "an array whose dtype has no typed array in JavaScript");
        return NULL;
    }
    TRY_VALUE(env, napi_create_arraybuffer(env, length, &memory, &buffer));
    if (array->c_contiguous && length != 0)
        memcpy(memory, array->memory + array->offset, length);
    else
        wire_array_pack(array, array->memory + array->offset, memory);
    if (!wire_items_valid(array->dtype, memory, length))
        return wire_node_throw(env, WIRE_BAD_ARRAY);
    TRY_VALUE(env, napi_create_typedarray(env, type, (size_t)array->elements, buffer, 0, &result));
    if (wire_node_set_layout(env, result, array) < 0)
        return NULL;
    return result;
}

COLD napi_value
wire_node_decode_array(const wire_node_decoder *from, wire_reader *reader, const wire_token *token)
{
    wire_array array;
    bool pending = false;

    wire_status status = wire_array_read(token->bytes, token->length, reader->elements, &array);
    if (status != WIRE_OK)
        return wire_node_throw(from->env, status);
    reader->elements -= array.elements;
    if (from->hooks->read_array != NULL) {
        napi_value value = from->hooks->read_array(from->hooks->context, from->env, &array);
        napi_is_exception_pending(from->env, &pending);
        if (value != NULL || pending)
            return value;
    }
    if (array.placement == WIRE_INLINE)
        return wire_node_copy_array(from->env, &array);
    wire_throw(from->env, WIRE_UNREADABLE, "an array in a segment");
    return NULL;
}
