/* The payloads of extension types, both ways: arrays, references, instants, large integers. */
#include "wire_internal.h"

/* Offsets in the payload of an ARRAY, and the sizes of fixed payloads. */
#define ARRAY_HEAD 32
#define ARRAY_AXIS 16
#define REFERENCE_HEAD 24
#define LOCAL_TIME_SIZE 12

/* ------------------------------------------------------------------------------------- Reading */

wire_status
wire_array_read(const uint8_t *payload, size_t length, uint64_t elements, wire_array *array)
{
    uint8_t head[ARRAY_HEAD];
    uint32_t reserved;

    if (length < ARRAY_HEAD)
        return WIRE_BAD_ARRAY;
    copy_once(head, payload, sizeof head);
    array->placement = head[0];
    array->dtype = head[1];
    array->dimensions = head[2];
    array->flags = head[3];
    memcpy(&array->item_size, head + 4, 4);
    array->time_unit = head[8];
    memcpy(&array->time_unit_count, head + 10, 2);
    memcpy(&reserved, head + 12, 4);
    memcpy(&array->segment, head + 16, 8);
    memcpy(&array->offset, head + 24, 8);
    if (head[9] != 0 || reserved != 0 || array->placement > WIRE_SEGMENT ||
        array->dimensions > WIRE_DIMENSIONS_MAX)
        return WIRE_BAD_ARRAY;

    size_t axes = array->dimensions * (size_t)8;
    if (length - ARRAY_HEAD < 2 * axes)
        return WIRE_BAD_ARRAY;
    copy_once(array->shape, payload + ARRAY_HEAD, axes);
    copy_once(array->strides, payload + ARRAY_HEAD + axes, axes);
    size_t rest = length - ARRAY_HEAD - 2 * axes;
    array->elements = 0;
    array->c_contiguous = false;
    if (array->placement == WIRE_SEGMENT) {
        array->memory = NULL;
        array->memory_length = 0;
        return rest == 0 ? WIRE_OK : WIRE_BAD_ARRAY;
    }
    array->memory = payload + (length - rest);
    array->memory_length = rest;
    return array->segment == 0 ? wire_array_check(array, rest, elements) : WIRE_BAD_ARRAY;
}

wire_status
wire_reference_read(const uint8_t *payload, size_t length, wire_reference *reference)
{
    uint8_t head[REFERENCE_HEAD];
    uint16_t reserved;

    if (length < REFERENCE_HEAD || length - REFERENCE_HEAD > WIRE_NAME_MAX)
        return WIRE_BAD_EXTENSION;
    copy_once(head, payload, sizeof head);
    reference->owner = head[0];
    reference->kind = head[1];
    memcpy(&reserved, head + 2, 2);
    memcpy(&reference->sent, head + 4, 4);
    memcpy(&reference->id, head + 8, 8);
    memcpy(&reference->incarnation, head + 16, 8);
    reference->name = (const char *)payload + REFERENCE_HEAD;
    reference->name_length = length - REFERENCE_HEAD;
    if (reference->owner > WIRE_OWNER_WORKER || reference->kind < WIRE_KIND_OBJECT ||
        reference->kind > WIRE_KIND_MODULE || reserved != 0)
        return WIRE_BAD_EXTENSION;
    return WIRE_OK;
}

wire_status
wire_instant_read(int8_t type, const uint8_t *payload, size_t length, wire_instant *instant)
{
    if (type == WIRE_LOCAL_TIME) {
        if (length != LOCAL_TIME_SIZE)
            return WIRE_BAD_EXTENSION;
        instant->seconds = (int64_t)load64_little(payload);
        instant->nanoseconds = __builtin_bswap32(load32_big(payload + 8));
    } else if (length == 4) {
        instant->seconds = load32_big(payload);
        instant->nanoseconds = 0;
    } else if (length == 8) {
        uint64_t both = load64_big(payload);
        instant->seconds = (int64_t)(both & ((UINT64_C(1) << 34) - 1));
        instant->nanoseconds = (uint32_t)(both >> 34);
    } else if (length == 12) {
        instant->nanoseconds = load32_big(payload);
        instant->seconds = (int64_t)load64_big(payload + 4);
    } else {
        return WIRE_BAD_EXTENSION;
    }
    return instant->nanoseconds < NANOSECONDS_A_SECOND ? WIRE_OK : WIRE_BAD_EXTENSION;
}

wire_status
wire_bigint_read(const uint8_t *payload, size_t length, wire_bigint *number)
{
    if (length < 1 || length - 1 > WIRE_BIGINT_MAX)
        return WIRE_BAD_EXTENSION;
    uint8_t sign = load8(payload);
    if (sign > 1)
        return WIRE_BAD_EXTENSION;
    length--;
    while (length > 0 && load8(payload + length) == 0)
        length--;
    number->negative = sign == 1;
    number->magnitude = payload + 1;
    number->length = length;
    return WIRE_OK;
}

/* ------------------------------------------------------------------------------------- Writing */

wire_status
wire_write_text16(wire_writer *writer, const uint16_t *units, size_t count)
{
    if (count > UINT32_MAX / 2)
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    return wire_write_extension(writer, WIRE_TEXT16, units, 2 * count);
}

wire_status
wire_write_undefined(wire_writer *writer)
{
    return wire_write_extension_head(writer, WIRE_UNDEFINED, 0);
}

wire_status
wire_write_bigint(wire_writer *writer, bool negative, const uint8_t *magnitude, size_t length)
{
    while (length > 0 && magnitude[length - 1] == 0)
        length--;
    if (length <= 8) {
        uint64_t small = 0;
        memcpy(&small, magnitude, length);
        if (!negative)
            return wire_write_uint(writer, small);
        if (small <= UINT64_C(1) << 63)
            return wire_write_int(writer, (int64_t)(0 - small));
    }
    if (length > WIRE_BIGINT_MAX)
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    wire_write_extension_head(writer, WIRE_BIGINT, 1 + length);
    write_byte(writer, negative);
    return wire_write_encoded(writer, magnitude, length);
}

wire_status
wire_write_timestamp(wire_writer *writer, wire_instant instant)
{
    uint8_t payload[12];
    uint64_t seconds = (uint64_t)instant.seconds;

    if (instant.nanoseconds >= NANOSECONDS_A_SECOND)
        return wire_fail_writer(writer, WIRE_BAD_EXTENSION);
    if (seconds >> 34 != 0) {
        store32_big(payload, instant.nanoseconds);
        store64_big(payload + 4, seconds);
        return wire_write_extension(writer, WIRE_TIMESTAMP, payload, 12);
    }
    if (instant.nanoseconds == 0 && seconds <= UINT32_MAX) {
        store32_big(payload, (uint32_t)seconds);
        return wire_write_extension(writer, WIRE_TIMESTAMP, payload, 4);
    }
    store64_big(payload, (uint64_t)instant.nanoseconds << 34 | seconds);
    return wire_write_extension(writer, WIRE_TIMESTAMP, payload, 8);
}

wire_status
wire_write_local_time(wire_writer *writer, wire_instant instant)
{
    uint8_t payload[LOCAL_TIME_SIZE];

    if (instant.nanoseconds >= NANOSECONDS_A_SECOND)
        return wire_fail_writer(writer, WIRE_BAD_EXTENSION);
    memcpy(payload, &instant.seconds, 8);
    memcpy(payload + 8, &instant.nanoseconds, 4);
    return wire_write_extension(writer, WIRE_LOCAL_TIME, payload, sizeof payload);
}

wire_status
wire_write_reference(wire_writer *writer, const wire_reference *reference)
{
    uint8_t head[REFERENCE_HEAD] = {reference->owner, reference->kind};

    if (reference->name_length > WIRE_NAME_MAX)
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    memcpy(head + 4, &reference->sent, 4);
    memcpy(head + 8, &reference->id, 8);
    memcpy(head + 16, &reference->incarnation, 8);
    wire_write_extension_head(writer, WIRE_REFERENCE, sizeof head + reference->name_length);
    wire_write_encoded(writer, head, sizeof head);
    return wire_write_encoded(writer, reference->name, reference->name_length);
}

wire_status
wire_write_array(wire_writer *writer, const wire_array *array, uint8_t **memory)
{
    size_t axes = array->dimensions * (size_t)8;
    uint64_t inline_length = array->placement == WIRE_INLINE ? array->memory_length : 0;
    uint8_t head[ARRAY_HEAD] = {array->placement, array->dtype, array->dimensions, array->flags};

    if (memory != NULL)
        *memory = NULL;
    if (array->dimensions > WIRE_DIMENSIONS_MAX)
        return wire_fail_writer(writer, WIRE_BAD_ARRAY);
    if (inline_length > UINT32_MAX - ARRAY_HEAD - ARRAY_AXIS * WIRE_DIMENSIONS_MAX)
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    memcpy(head + 4, &array->item_size, 4);
    head[8] = array->time_unit;
    memcpy(head + 10, &array->time_unit_count, 2);
    if (array->placement == WIRE_SEGMENT)
        memcpy(head + 16, &array->segment, 8);
    memcpy(head + 24, &array->offset, 8);
    wire_write_extension_head(writer, WIRE_ARRAY, ARRAY_HEAD + 2 * axes + (size_t)inline_length);
    wire_write_encoded(writer, head, sizeof head);
    wire_write_encoded(writer, array->shape, axes);
    wire_write_encoded(writer, array->strides, axes);
    uint8_t *to = claim(writer, (size_t)inline_length);
    if (memory != NULL)
        *memory = to;
    return writer->status;
}
