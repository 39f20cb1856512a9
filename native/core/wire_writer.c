/* The MessagePack writer: numbers, texts, lists and maps, and the headers of extensions. */
#include "wire_internal.h"

/* --------------------------------------------------------------------------------------- Space */

/* A failed writer has no capacity, so that the one comparison in `claim` also finds failures. */
wire_status
wire_fail_writer(wire_writer *writer, wire_status status)
{
    if (writer->status == WIRE_OK) {
        writer->status = status;
        writer->capacity = 0;
    }
    return writer->status;
}

static void
cap_capacity(wire_writer *writer)
{
    if (writer->capacity > writer->limits.bytes)
        writer->capacity = (size_t)writer->limits.bytes;
}

void
wire_writer_init(wire_writer *writer, void *buffer, size_t capacity, wire_limits limits)
{
    if (limits.depth > WIRE_DEPTH_MAX)
        limits.depth = WIRE_DEPTH_MAX;
    *writer = (wire_writer){.buffer = buffer, .capacity = capacity, .limits = limits};
    cap_capacity(writer);
}

__attribute__((noinline, cold)) uint8_t *
wire_claim_beyond_capacity(wire_writer *writer, size_t size)
{
    size_t start = writer->length;
    size_t needed;

    if (__builtin_add_overflow(start, size, &needed))
        needed = SIZE_MAX;
    if (needed > writer->limits.bytes) {
        if (writer->status == WIRE_FULL)
            writer->status = WIRE_TOO_LARGE;
        wire_fail_writer(writer, WIRE_TOO_LARGE);
    } else if (writer->status == WIRE_OK && writer->grow != NULL) {
        if (writer->grow(writer, start, needed)) {
            cap_capacity(writer);
            if (needed <= writer->capacity) {
                writer->length = needed;
                return writer->buffer + start;
            }
        }
        wire_fail_writer(writer, WIRE_NO_MEMORY);
    } else {
        wire_fail_writer(writer, WIRE_FULL);
    }
    writer->length = needed;
    return NULL;
}

/* ------------------------------------------------------------------------------------- Numbers */

static wire_status
write_8(wire_writer *writer, uint8_t lead, uint8_t value)
{
    uint8_t *to = claim(writer, 2);
    if (to != NULL) {
        to[0] = lead;
        to[1] = value;
    }
    return writer->status;
}

static wire_status
write_16(wire_writer *writer, uint8_t lead, uint16_t value)
{
    uint8_t *to = claim(writer, 3);
    if (to != NULL) {
        to[0] = lead;
        store16_big(to + 1, value);
    }
    return writer->status;
}

static wire_status
write_32(wire_writer *writer, uint8_t lead, uint32_t value)
{
    uint8_t *to = claim(writer, 5);
    if (to != NULL) {
        to[0] = lead;
        store32_big(to + 1, value);
    }
    return writer->status;
}

static wire_status
write_64(wire_writer *writer, uint8_t lead, uint64_t value)
{
    uint8_t *to = claim(writer, 9);
    if (to != NULL) {
        to[0] = lead;
        store64_big(to + 1, value);
    }
    return writer->status;
}

wire_status
wire_write_nil(wire_writer *writer)
{
    return write_byte(writer, 0xc0);
}

wire_status
wire_write_bool(wire_writer *writer, bool value)
{
    return write_byte(writer, value ? 0xc3 : 0xc2);
}

wire_status
wire_write_uint(wire_writer *writer, uint64_t value)
{
    if (value < 0x80)
        return write_byte(writer, (uint8_t)value);
    if (value <= UINT8_MAX)
        return write_8(writer, 0xcc, (uint8_t)value);
    if (value <= UINT16_MAX)
        return write_16(writer, 0xcd, (uint16_t)value);
    if (value <= UINT32_MAX)
        return write_32(writer, 0xce, (uint32_t)value);
    return write_64(writer, 0xcf, value);
}

wire_status
wire_write_int(wire_writer *writer, int64_t value)
{
    if (value >= 0)
        return wire_write_uint(writer, (uint64_t)value);
    if (value >= -32)
        return write_byte(writer, (uint8_t)value);
    if (value >= INT8_MIN)
        return write_8(writer, 0xd0, (uint8_t)value);
    if (value >= INT16_MIN)
        return write_16(writer, 0xd1, (uint16_t)value);
    if (value >= INT32_MIN)
        return write_32(writer, 0xd2, (uint32_t)value);
    return write_64(writer, 0xd3, (uint64_t)value);
}

wire_status
wire_write_float(wire_writer *writer, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return write_64(writer, 0xcb, bits);
}

/* ----------------------------------------------------------------- Texts, bytes and extensions */

/* Store a header of the shortest form and the bytes behind it. */
static wire_status
write_sized(wire_writer *writer, uint8_t lead8, uint8_t lead16, uint8_t lead32, const void *bytes,
            size_t length)
{
    if (length <= UINT8_MAX)
        write_8(writer, lead8, (uint8_t)length);
    else if (length <= UINT16_MAX)
        write_16(writer, lead16, (uint16_t)length);
    else if (length <= UINT32_MAX)
        write_32(writer, lead32, (uint32_t)length);
    else
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    uint8_t *to = claim(writer, length);
    if (to != NULL && length != 0)
        memcpy(to, bytes, length);
    return writer->status;
}

wire_status
wire_write_text(wire_writer *writer, const char *bytes, size_t length)
{
    if (length >= 32)
        return write_sized(writer, 0xd9, 0xda, 0xdb, bytes, length);
    uint8_t *to = claim(writer, 1 + length);
    if (to != NULL) {
        to[0] = (uint8_t)(0xa0 | length);
        if (length != 0)
            memcpy(to + 1, bytes, length);
    }
    return writer->status;
}

wire_status
wire_write_binary(wire_writer *writer, const void *bytes, size_t length)
{
    return write_sized(writer, 0xc4, 0xc5, 0xc6, bytes, length);
}

/* Store the shortest header of an extension of known length. */
wire_status
wire_write_extension_head(wire_writer *writer, int8_t type, size_t length)
{
    switch (length) {
    case 1:
        return write_8(writer, 0xd4, (uint8_t)type);
    case 2:
        return write_8(writer, 0xd5, (uint8_t)type);
    case 4:
        return write_8(writer, 0xd6, (uint8_t)type);
    case 8:
        return write_8(writer, 0xd7, (uint8_t)type);
    case 16:
        return write_8(writer, 0xd8, (uint8_t)type);
    default:
        break;
    }
    if (length <= UINT8_MAX)
        write_8(writer, 0xc7, (uint8_t)length);
    else if (length <= UINT16_MAX)
        write_16(writer, 0xc8, (uint16_t)length);
    else if (length <= UINT32_MAX)
        write_32(writer, 0xc9, (uint32_t)length);
    else
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    return write_byte(writer, (uint8_t)type);
}

wire_status
wire_write_encoded(wire_writer *writer, const void *bytes, size_t length)
{
    uint8_t *to = claim(writer, length);
    if (to != NULL && length != 0)
        memcpy(to, bytes, length);
    return writer->status;
}

wire_status
wire_write_extension(wire_writer *writer, int8_t type, const void *payload, size_t length)
{
    wire_write_extension_head(writer, type, length);
    return wire_write_encoded(writer, payload, length);
}

/* ------------------------------------------------------------------------------------- Nesting */

static wire_status
enter(wire_writer *writer, uint64_t elements)
{
    if (writer->depth >= writer->limits.depth)
        return wire_fail_writer(writer, WIRE_TOO_DEEP);
    if (elements > writer->limits.elements)
        return wire_fail_writer(writer, WIRE_TOO_MANY);
    writer->depth++;
    writer->limits.elements -= elements;
    return writer->status;
}

/* Store the header of a list or map and go one level down. */
static wire_status
enter_counted(wire_writer *writer, uint8_t lead_fixed, uint8_t lead16, size_t count,
              uint64_t elements)
{
    if (count > UINT32_MAX)
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    if (count < 16)
        write_byte(writer, (uint8_t)(lead_fixed | count));
    else if (count <= UINT16_MAX)
        write_16(writer, lead16, (uint16_t)count);
    else
        write_32(writer, lead16 + 1, (uint32_t)count);
    return enter(writer, elements);
}

wire_status
wire_enter_list(wire_writer *writer, size_t count)
{
    return enter_counted(writer, 0x90, 0xdc, count, count);
}

wire_status
wire_enter_map(wire_writer *writer, size_t count)
{
    return enter_counted(writer, 0x80, 0xde, count, 2 * (uint64_t)count);
}

void
wire_leave(wire_writer *writer)
{
    if (writer->depth > 0)
        writer->depth--;
}

wire_status
wire_enter_extension(wire_writer *writer, int8_t type, size_t *start)
{
    write_32(writer, 0xc9, 0);
    write_byte(writer, (uint8_t)type);
    *start = writer->length;
    return enter(writer, 0);
}

wire_status
wire_leave_extension(wire_writer *writer, size_t start)
{
    size_t length = writer->length - start;

    wire_leave(writer);
    if (length > UINT32_MAX)
        return wire_fail_writer(writer, WIRE_TOO_LARGE);
    if (writer->status == WIRE_OK)
        store32_big(writer->buffer + start - 5, (uint32_t)length);
    return writer->status;
}
