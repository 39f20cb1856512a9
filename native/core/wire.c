/* The MessagePack writer and reader behind noodle/wire.h, which is the contract. */

#include "noodle/wire.h"

#include <string.h>

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#  error "payloads and array memory are little-endian, and are stored as they stand"
#endif

#define LIKELY(condition) __builtin_expect(!!(condition), 1)

/* Offsets in the payload of an ARRAY, and the sizes of fixed payloads. */
#define ARRAY_HEAD 32
#define ARRAY_AXIS 16
#define REFERENCE_HEAD 24
#define LOCAL_TIME_SIZE 12

#define NANOSECONDS_A_SECOND 1000000000u

/* ---------------------------------------------------------------------------- Loads and stores */

/* A volatile load happens once and where it stands: a check and the use of what was checked cannot
 * become two loads, whoever changes the buffer between them. */
struct unaligned16 { uint16_t value; } __attribute__((packed, may_alias));
struct unaligned32 { uint32_t value; } __attribute__((packed, may_alias));
struct unaligned64 { uint64_t value; } __attribute__((packed, may_alias));

static inline uint8_t
load8(const uint8_t *from)
{
    return *(const volatile uint8_t *)from;
}

static inline uint16_t
load16_big(const uint8_t *from)
{
    return __builtin_bswap16(((const volatile struct unaligned16 *)(const void *)from)->value);
}

static inline uint32_t
load32_big(const uint8_t *from)
{
    return __builtin_bswap32(((const volatile struct unaligned32 *)(const void *)from)->value);
}

static inline uint64_t
load64_little(const uint8_t *from)
{
    return ((const volatile struct unaligned64 *)(const void *)from)->value;
}

static inline uint64_t
load64_big(const uint8_t *from)
{
    return __builtin_bswap64(load64_little(from));
}

/* Copy memory that may change once; the compiler may not read the source again after it. */
static void
copy_once(void *to, const uint8_t *from, size_t length)
{
    memcpy(to, from, length);
    __asm__ volatile("" ::: "memory");
}

static inline void
store16_big(uint8_t *to, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(to, &value, sizeof value);
}

static inline void
store32_big(uint8_t *to, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(to, &value, sizeof value);
}

static inline void
store64_big(uint8_t *to, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(to, &value, sizeof value);
}

/* ------------------------------------------------------------------------------ Status, limits */

static const struct {
    const char *name;
    const char *text;
} statuses[] = {
    [WIRE_OK] = {"WIRE_OK", "no error"},
    [WIRE_FULL] = {"WIRE_FULL", "the buffer is too small for the message"},
    [WIRE_TRUNCATED] = {"WIRE_TRUNCATED", "the message ends within a value"},
    [WIRE_TRAILING] = {"WIRE_TRAILING", "bytes follow the message"},
    [WIRE_INVALID] = {"WIRE_INVALID", "the message is not MessagePack"},
    [WIRE_BAD_TEXT] = {"WIRE_BAD_TEXT", "the message holds text that is not UTF-8"},
    [WIRE_BAD_EXTENSION] = {"WIRE_BAD_EXTENSION",
                            "the message holds an extension that is unknown or malformed"},
    [WIRE_BAD_ARRAY] = {"WIRE_BAD_ARRAY",
                        "the message holds an array that contradicts itself or leaves its memory"},
    [WIRE_TOO_DEEP] = {"WIRE_TOO_DEEP", "the value is nested deeper than the limit"},
    [WIRE_TOO_MANY] = {"WIRE_TOO_MANY", "the value has more elements than the limit"},
    [WIRE_TOO_LARGE] = {"WIRE_TOO_LARGE", "the value takes more bytes than the limit"},
    [WIRE_NO_MEMORY] = {"WIRE_NO_MEMORY", "there is no memory for the message"},
    [WIRE_UNSENDABLE] = {"WIRE_UNSENDABLE", "the value cannot be sent"},
    [WIRE_CHANGED] = {"WIRE_CHANGED", "the value changed while it was written"},
    [WIRE_UNHASHABLE] = {"WIRE_UNHASHABLE", "the message holds a key that cannot be hashed"},
    [WIRE_UNREADABLE] = {"WIRE_UNREADABLE", "the message holds a value that this end cannot hold"},
};

const char *
wire_status_text(wire_status status)
{
    return status <= WIRE_UNREADABLE ? statuses[status].text : "unknown status";
}

const char *
wire_status_name(wire_status status)
{
    return status <= WIRE_UNREADABLE ? statuses[status].name : "WIRE_UNKNOWN";
}

wire_limits
wire_default_limits(void)
{
    return (wire_limits){.depth = WIRE_DEPTH_MAX,
                         .elements = UINT64_C(1) << 28,
                         .bytes = UINT64_C(1) << 31};
}

/* ------------------------------------------------------------------------------------- Arrays */

uint32_t
wire_dtype_size(uint8_t dtype)
{
    switch (dtype) {
    case WIRE_DTYPE_BOOL:
    case WIRE_DTYPE_I8:
    case WIRE_DTYPE_U8:
        return 1;
    case WIRE_DTYPE_I16:
    case WIRE_DTYPE_U16:
    case WIRE_DTYPE_F16:
        return 2;
    case WIRE_DTYPE_I32:
    case WIRE_DTYPE_U32:
    case WIRE_DTYPE_F32:
        return 4;
    case WIRE_DTYPE_I64:
    case WIRE_DTYPE_U64:
    case WIRE_DTYPE_F64:
    case WIRE_DTYPE_C64:
    case WIRE_DTYPE_DATETIME:
    case WIRE_DTYPE_TIMEDELTA:
        return 8;
    case WIRE_DTYPE_C128:
        return 16;
    default:
        return 0;
    }
}

static bool
item_size_fits(uint8_t dtype, uint32_t item_size)
{
    if (dtype == WIRE_DTYPE_BYTES)
        return item_size >= 1 && item_size <= INT32_MAX;
    if (dtype == WIRE_DTYPE_TEXT)
        return item_size >= 4 && item_size % 4 == 0 && item_size <= INT32_MAX;
    return item_size != 0 && item_size == wire_dtype_size(dtype);
}

static bool
time_unit_fits(const wire_array *array)
{
    if (array->dtype != WIRE_DTYPE_DATETIME && array->dtype != WIRE_DTYPE_TIMEDELTA)
        return array->time_unit == 0 && array->time_unit_count == 0;
    if (array->time_unit == WIRE_UNIT_NONE)
        return array->time_unit_count == 0;
    return array->time_unit <= WIRE_UNIT_ATTOSECOND && array->time_unit_count >= 1;
}

/* Multiply the lengths of all axes.  An array without items has none, whatever its other axes say. */
static bool
count_elements(const wire_array *array, uint64_t *elements)
{
    bool overflow = false;
    bool empty = false;
    uint64_t product = 1;

    for (unsigned axis = 0; axis < array->dimensions; axis++) {
        int64_t length = array->shape[axis];
        if (length < 0)
            return false;
        empty = empty || length == 0;
        overflow = overflow || __builtin_mul_overflow(product, (uint64_t)length, &product);
    }
    *elements = empty ? 0 : product;
    return empty || !overflow;
}

wire_status
wire_array_set_c_order(wire_array *array)
{
    int64_t stride = array->item_size;

    if (array->dimensions > WIRE_DIMENSIONS_MAX || !count_elements(array, &array->elements))
        return WIRE_TOO_LARGE;
    for (unsigned axis = array->dimensions; axis-- > 0;) {
        array->strides[axis] = stride;
        /* Without items no stride is ever followed, and the lengths may be of any size. */
        if (array->elements != 0 && __builtin_mul_overflow(stride, array->shape[axis], &stride))
            return WIRE_TOO_LARGE;
    }
    array->c_contiguous = true;
    return WIRE_OK;
}

void
wire_array_pack(const wire_array *array, const uint8_t *first, uint8_t *to)
{
    int64_t index[WIRE_DIMENSIONS_MAX] = {0};
    int64_t from = 0;

    for (uint64_t item = 0; item < array->elements; item++) {
        memcpy(to, first + from, array->item_size);
        to += array->item_size;
        for (int axis = array->dimensions - 1; axis >= 0; axis--) {
            /* The stride of an axis of length 1 means nothing, and may be anything. */
            if (++index[axis] < array->shape[axis]) {
                from += array->strides[axis];
                break;
            }
            from -= array->shape[axis] > 1 ? array->strides[axis] * (array->shape[axis] - 1) : 0;
            index[axis] = 0;
        }
    }
}

/* Return whether the strides are those of packed items, first axis fastest or last axis fastest. */
static bool
is_packed(const wire_array *array, bool fortran)
{
    int64_t expected = array->item_size;

    for (unsigned position = 0; position < array->dimensions; position++) {
        unsigned axis = fortran ? position : array->dimensions - 1 - position;
        int64_t length = array->shape[axis];
        if (length != 1 && array->strides[axis] != expected)
            return false;
        if (__builtin_mul_overflow(expected, length, &expected))
            return false;
    }
    return true;
}

/* Return whether all items lie in [0, granted).  The array has items. */
static bool
lies_inside(const wire_array *array, uint64_t granted)
{
    int64_t low;
    int64_t high;

    if (array->offset > INT64_MAX || granted > INT64_MAX)
        return false;
    low = high = (int64_t)array->offset;
    for (unsigned axis = 0; axis < array->dimensions; axis++) {
        int64_t reach;
        if (__builtin_mul_overflow(array->shape[axis] - 1, array->strides[axis], &reach))
            return false;
        int64_t *end = reach < 0 ? &low : &high;
        if (__builtin_add_overflow(*end, reach, end))
            return false;
    }
    return low >= 0 && !__builtin_add_overflow(high, (int64_t)array->item_size, &high) &&
           high <= (int64_t)granted;
}

/* Return whether two items may share bytes.
 *
 * Axes are taken from the smallest stride up.  When each stride is at least the extent of all smaller
 * ones together, no two items meet.  Exotic strides that fail this without overlapping count as
 * overlapping: the exact question is NP-hard. */
static bool
may_overlap(const wire_array *array)
{
    uint64_t extent = array->item_size;
    uint32_t done = 0;

    for (unsigned round = 0; round < array->dimensions; round++) {
        unsigned next = WIRE_DIMENSIONS_MAX;
        uint64_t smallest = UINT64_MAX;
        for (unsigned axis = 0; axis < array->dimensions; axis++) {
            int64_t stride = array->strides[axis];
            uint64_t size = stride < 0 ? 0 - (uint64_t)stride : (uint64_t)stride;
            if (!(done >> axis & 1) && size < smallest) {
                smallest = size;
                next = axis;
            }
        }
        done |= UINT32_C(1) << next;
        if (array->shape[next] == 1)
            continue;
        if (smallest < extent)
            return true;
        /* In range: lies_inside has multiplied and added the same figures. */
        extent += smallest * (uint64_t)(array->shape[next] - 1);
    }
    return false;
}

wire_status
wire_array_check(wire_array *array, uint64_t granted, uint64_t elements)
{
    if (array->dimensions > WIRE_DIMENSIONS_MAX ||
        (array->flags & ~(WIRE_ARRAY_READONLY | WIRE_ARRAY_FORTRAN)) != 0 ||
        !item_size_fits(array->dtype, array->item_size) || !time_unit_fits(array) ||
        !count_elements(array, &array->elements))
        return WIRE_BAD_ARRAY;
    if (array->elements > elements)
        return WIRE_TOO_MANY;
    if (array->elements == 0) {
        array->c_contiguous = true;
        return array->offset <= granted && !(array->flags & WIRE_ARRAY_FORTRAN) ? WIRE_OK
                                                                               : WIRE_BAD_ARRAY;
    }
    if (!lies_inside(array, granted))
        return WIRE_BAD_ARRAY;
    array->c_contiguous = is_packed(array, false);
    bool fortran = !array->c_contiguous && is_packed(array, true);
    if (fortran != ((array->flags & WIRE_ARRAY_FORTRAN) != 0))
        return WIRE_BAD_ARRAY;
    if (!array->c_contiguous && !fortran && may_overlap(array))
        array->flags |= WIRE_ARRAY_READONLY;
    return WIRE_OK;
}

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

bool
wire_items_valid(uint8_t dtype, const uint8_t *memory, uint64_t length)
{
    uint8_t bits = 0;

    if (dtype == WIRE_DTYPE_BOOL) {
        for (uint64_t at = 0; at < length; at++)
            bits |= memory[at];
        return bits <= 1;
    }
    if (dtype == WIRE_DTYPE_TEXT) {
        for (uint64_t at = 0; at + 4 <= length; at += 4) {
            uint32_t code_point;
            memcpy(&code_point, memory + at, 4);
            if (code_point > 0x10FFFF)
                return false;
        }
    }
    return true;
}

/* -------------------------------------------------------------- References, instants, integers */

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

/* ------------------------------------------------------------------------------------- Writer */

/* A failed writer has no capacity, so that the one comparison in `claim` also finds failures. */
static wire_status
fail_writer(wire_writer *writer, wire_status status)
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

static __attribute__((noinline, cold)) uint8_t *
claim_beyond_capacity(wire_writer *writer, size_t size)
{
    size_t start = writer->length;
    size_t needed;

    if (__builtin_add_overflow(start, size, &needed))
        needed = SIZE_MAX;
    if (needed > writer->limits.bytes) {
        if (writer->status == WIRE_FULL)
            writer->status = WIRE_TOO_LARGE;
        fail_writer(writer, WIRE_TOO_LARGE);
    } else if (writer->status == WIRE_OK && writer->grow != NULL) {
        if (writer->grow(writer, start, needed)) {
            cap_capacity(writer);
            if (needed <= writer->capacity) {
                writer->length = needed;
                return writer->buffer + start;
            }
        }
        fail_writer(writer, WIRE_NO_MEMORY);
    } else {
        fail_writer(writer, WIRE_FULL);
    }
    writer->length = needed;
    return NULL;
}

/* Return where to store the next `size` bytes, or NULL when they are only counted. */
static inline uint8_t *
claim(wire_writer *writer, size_t size)
{
    size_t start = writer->length;

    /* Both are far from overflow: `start` is at most the capacity wherever something is stored. */
    if (LIKELY(start <= writer->capacity && size <= writer->capacity - start)) {
        writer->length = start + size;
        return writer->buffer + start;
    }
    return claim_beyond_capacity(writer, size);
}

static wire_status
write_byte(wire_writer *writer, uint8_t byte)
{
    uint8_t *to = claim(writer, 1);
    if (to != NULL)
        to[0] = byte;
    return writer->status;
}

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
        return fail_writer(writer, WIRE_TOO_LARGE);
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
static wire_status
write_extension_head(wire_writer *writer, int8_t type, size_t length)
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
        return fail_writer(writer, WIRE_TOO_LARGE);
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
    write_extension_head(writer, type, length);
    return wire_write_encoded(writer, payload, length);
}

wire_status
wire_write_text16(wire_writer *writer, const uint16_t *units, size_t count)
{
    if (count > UINT32_MAX / 2)
        return fail_writer(writer, WIRE_TOO_LARGE);
    return wire_write_extension(writer, WIRE_TEXT16, units, 2 * count);
}

wire_status
wire_write_undefined(wire_writer *writer)
{
    return write_extension_head(writer, WIRE_UNDEFINED, 0);
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
        return fail_writer(writer, WIRE_TOO_LARGE);
    write_extension_head(writer, WIRE_BIGINT, 1 + length);
    write_byte(writer, negative);
    return wire_write_encoded(writer, magnitude, length);
}

wire_status
wire_write_timestamp(wire_writer *writer, wire_instant instant)
{
    uint8_t payload[12];
    uint64_t seconds = (uint64_t)instant.seconds;

    if (instant.nanoseconds >= NANOSECONDS_A_SECOND)
        return fail_writer(writer, WIRE_BAD_EXTENSION);
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
        return fail_writer(writer, WIRE_BAD_EXTENSION);
    memcpy(payload, &instant.seconds, 8);
    memcpy(payload + 8, &instant.nanoseconds, 4);
    return wire_write_extension(writer, WIRE_LOCAL_TIME, payload, sizeof payload);
}

wire_status
wire_write_reference(wire_writer *writer, const wire_reference *reference)
{
    uint8_t head[REFERENCE_HEAD] = {reference->owner, reference->kind};

    if (reference->name_length > WIRE_NAME_MAX)
        return fail_writer(writer, WIRE_TOO_LARGE);
    memcpy(head + 4, &reference->sent, 4);
    memcpy(head + 8, &reference->id, 8);
    memcpy(head + 16, &reference->incarnation, 8);
    write_extension_head(writer, WIRE_REFERENCE, sizeof head + reference->name_length);
    wire_write_encoded(writer, head, sizeof head);
    return wire_write_encoded(writer, reference->name, reference->name_length);
}

static wire_status
enter(wire_writer *writer, uint64_t elements)
{
    if (writer->depth >= writer->limits.depth)
        return fail_writer(writer, WIRE_TOO_DEEP);
    if (elements > writer->limits.elements)
        return fail_writer(writer, WIRE_TOO_MANY);
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
        return fail_writer(writer, WIRE_TOO_LARGE);
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
        return fail_writer(writer, WIRE_TOO_LARGE);
    if (writer->status == WIRE_OK)
        store32_big(writer->buffer + start - 5, (uint32_t)length);
    return writer->status;
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
        return fail_writer(writer, WIRE_BAD_ARRAY);
    if (inline_length > UINT32_MAX - ARRAY_HEAD - ARRAY_AXIS * WIRE_DIMENSIONS_MAX)
        return fail_writer(writer, WIRE_TOO_LARGE);
    memcpy(head + 4, &array->item_size, 4);
    head[8] = array->time_unit;
    memcpy(head + 10, &array->time_unit_count, 2);
    if (array->placement == WIRE_SEGMENT)
        memcpy(head + 16, &array->segment, 8);
    memcpy(head + 24, &array->offset, 8);
    write_extension_head(writer, WIRE_ARRAY, ARRAY_HEAD + 2 * axes + (size_t)inline_length);
    wire_write_encoded(writer, head, sizeof head);
    wire_write_encoded(writer, array->shape, axes);
    wire_write_encoded(writer, array->strides, axes);
    uint8_t *to = claim(writer, (size_t)inline_length);
    if (memory != NULL)
        *memory = to;
    return writer->status;
}

/* ------------------------------------------------------------------------------------- Reader */

static __attribute__((noinline, cold)) wire_status
fail_reader(wire_reader *reader, wire_status status)
{
    if (reader->status == WIRE_OK) {
        reader->status = status;
        reader->next = reader->end;
    }
    return reader->status;
}

wire_status
wire_reader_init(wire_reader *reader, const void *bytes, size_t length, wire_limits limits,
                 bool shared)
{
    reader->next = bytes;
    reader->end = reader->next + length;
    reader->elements = limits.elements;
    reader->depth = limits.depth > WIRE_DEPTH_MAX ? WIRE_DEPTH_MAX : limits.depth;
    reader->status = WIRE_OK;
    reader->shared = shared;
    return length > limits.bytes ? fail_reader(reader, WIRE_TOO_LARGE) : WIRE_OK;
}

static inline size_t
left(const wire_reader *reader)
{
    return (size_t)(reader->end - reader->next);
}

/* Take `length` payload bytes; the token's other fields are set by the caller. */
static inline wire_status
take_bytes(wire_reader *reader, wire_token *token, wire_kind kind, size_t length)
{
    if (length > left(reader))
        return fail_reader(reader, WIRE_TRUNCATED);
    token->kind = kind;
    token->length = length;
    token->bytes = reader->next;
    reader->next += length;
    return WIRE_OK;
}

static inline wire_status
take_extension(wire_reader *reader, wire_token *token, size_t length)
{
    if (left(reader) < 1)
        return fail_reader(reader, WIRE_TRUNCATED);
    token->type = (int8_t)load8(reader->next++);
    return take_bytes(reader, token, WIRE_EXTENSION, length);
}

/* Charge the elements of a list or map before anyone allocates for them. */
static inline wire_status
take_count(wire_reader *reader, wire_token *token, wire_kind kind, uint32_t count)
{
    uint64_t elements = kind == WIRE_MAP ? 2 * (uint64_t)count : count;

    if (elements > left(reader))
        return fail_reader(reader, WIRE_TRUNCATED);
    if (elements > reader->elements)
        return fail_reader(reader, WIRE_TOO_MANY);
    reader->elements -= elements;
    token->kind = kind;
    token->count = count;
    return WIRE_OK;
}

static inline wire_status
take_natural(wire_token *token, uint64_t value)
{
    token->kind = value > INT64_MAX ? WIRE_UINT : WIRE_INT;
    token->natural = value;
    return WIRE_OK;
}

static inline wire_status
take_integer(wire_token *token, int64_t value)
{
    token->kind = WIRE_INT;
    token->integer = value;
    return WIRE_OK;
}

static inline wire_status
take_float(wire_token *token, double value)
{
    token->kind = WIRE_FLOAT;
    token->number = value;
    return WIRE_OK;
}

static inline double
float_of_bits32(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline double
float_of_bits64(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Bytes of the number that follows a lead byte 0xc4 .. 0xdf; 0 where none follows. */
static const uint8_t number_size[28] = {
    1, 2, 4,          /* c4 bin */
    1, 2, 4,          /* c7 ext */
    4, 8,             /* ca float */
    1, 2, 4, 8,       /* cc uint */
    1, 2, 4, 8,       /* d0 int */
    0, 0, 0, 0, 0,    /* d4 fixext */
    1, 2, 4,          /* d9 str */
    2, 4, 2, 4,       /* dc array, de map */
};

/* Read what starts with 0xc4 .. 0xdf. */
static wire_status
read_numbered(wire_reader *reader, wire_token *token, uint8_t lead)
{
    size_t size = number_size[lead - 0xc4];
    const uint8_t *at = reader->next;
    uint64_t number = 0;

    if (size > left(reader))
        return fail_reader(reader, WIRE_TRUNCATED);
    reader->next += size;
    switch (size) {
    case 1:
        number = load8(at);
        break;
    case 2:
        number = load16_big(at);
        break;
    case 4:
        number = load32_big(at);
        break;
    case 8:
        number = load64_big(at);
        break;
    default:
        break;
    }
    switch (lead) {
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return take_bytes(reader, token, WIRE_BINARY, (size_t)number);
    case 0xc7:
    case 0xc8:
    case 0xc9:
        return take_extension(reader, token, (size_t)number);
    case 0xca:
        return take_float(token, float_of_bits32((uint32_t)number));
    case 0xcb:
        return take_float(token, float_of_bits64(number));
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return take_natural(token, number);
    case 0xd0:
        return take_integer(token, (int8_t)number);
    case 0xd1:
        return take_integer(token, (int16_t)number);
    case 0xd2:
        return take_integer(token, (int32_t)number);
    case 0xd3:
        return take_integer(token, (int64_t)number);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return take_bytes(reader, token, WIRE_TEXT, (size_t)number);
    case 0xdc:
    case 0xdd:
        return take_count(reader, token, WIRE_LIST, (uint32_t)number);
    case 0xde:
    case 0xdf:
        return take_count(reader, token, WIRE_MAP, (uint32_t)number);
    default: /* d4 .. d8 */
        return take_extension(reader, token, (size_t)1 << (lead - 0xd4));
    }
}

wire_status
wire_read(wire_reader *reader, wire_token *token)
{
    if (reader->next == reader->end)
        return fail_reader(reader, WIRE_TRUNCATED);
    uint8_t lead = load8(reader->next++);
    if (lead < 0x80 || lead >= 0xe0)
        return take_integer(token, (int8_t)lead);
    if (lead >= 0xc4)
        return read_numbered(reader, token, lead);
    if (lead < 0x90)
        return take_count(reader, token, WIRE_MAP, lead & 0x0f);
    if (lead < 0xa0)
        return take_count(reader, token, WIRE_LIST, lead & 0x0f);
    if (lead < 0xc0)
        return take_bytes(reader, token, WIRE_TEXT, lead & 0x1f);
    if (lead == 0xc1)
        return fail_reader(reader, WIRE_INVALID);
    token->kind = lead == 0xc0 ? WIRE_NIL : WIRE_BOOL;
    token->boolean = lead == 0xc3;
    return WIRE_OK;
}

wire_status
wire_descend(wire_reader *reader)
{
    if (reader->depth == 0)
        return fail_reader(reader, WIRE_TOO_DEEP);
    reader->depth--;
    return reader->status;
}

void
wire_ascend(wire_reader *reader)
{
    reader->depth++;
}

wire_status
wire_open(wire_reader *reader, const wire_token *extension, wire_reader *inner)
{
    if (reader->depth == 0)
        fail_reader(reader, WIRE_TOO_DEEP);
    *inner = (wire_reader){
        .next = extension->bytes,
        .end = extension->bytes + extension->length,
        .elements = reader->elements,
        .depth = reader->depth - (reader->depth > 0),
        .status = WIRE_OK,
        .shared = reader->shared,
    };
    return reader->status == WIRE_OK ? WIRE_OK : fail_reader(inner, reader->status);
}

wire_status
wire_close(wire_reader *reader, const wire_reader *inner)
{
    if (inner->status != WIRE_OK)
        return fail_reader(reader, inner->status);
    if (inner->next != inner->end)
        return fail_reader(reader, WIRE_BAD_EXTENSION);
    reader->elements = inner->elements;
    return reader->status;
}

wire_status
wire_skip(wire_reader *reader)
{
    /* What is left at each level, so that a hostile message cannot make this recurse. */
    uint64_t pending[WIRE_DEPTH_MAX + 1] = {1};
    unsigned level = 0;

    for (;;) {
        wire_token token;
        while (pending[level] == 0) {
            if (level == 0)
                return reader->status;
            level--;
            wire_ascend(reader);
        }
        pending[level]--;
        if (wire_read(reader, &token) != WIRE_OK)
            return reader->status;
        if (token.kind != WIRE_LIST && token.kind != WIRE_MAP)
            continue;
        if (wire_descend(reader) != WIRE_OK)
            return reader->status;
        pending[++level] = (uint64_t)token.count * (token.kind == WIRE_MAP ? 2 : 1);
    }
}

wire_status
wire_finish(wire_reader *reader)
{
    if (reader->status == WIRE_OK && reader->next != reader->end)
        return fail_reader(reader, WIRE_TRAILING);
    return reader->status;
}

/* --------------------------------------------------------------------------------------- Text */

/* Return the length of the well-formed sequence that starts with a byte above 0x7f, or 0. */
static size_t
sequence_length(const uint8_t *bytes, size_t available)
{
    uint8_t lead = load8(bytes);
    uint8_t low = 0x80;
    uint8_t high = 0xbf;
    size_t length;

    if (lead >= 0xc2 && lead <= 0xdf)
        length = 2;
    else if (lead >= 0xe0 && lead <= 0xef)
        length = 3;
    else if (lead >= 0xf0 && lead <= 0xf4)
        length = 4;
    else
        return 0;
    if (length > available)
        return 0;
    if (lead == 0xe0)
        low = 0xa0;
    else if (lead == 0xed)
        high = 0x9f;
    else if (lead == 0xf0)
        low = 0x90;
    else if (lead == 0xf4)
        high = 0x8f;
    uint8_t second = load8(bytes + 1);
    if (second < low || second > high)
        return 0;
    for (size_t at = 2; at < length; at++)
        if ((load8(bytes + at) & 0xc0) != 0x80)
            return 0;
    return length;
}

wire_text_form
wire_text_form_of(const uint8_t *bytes, size_t length)
{
    wire_text_form form = WIRE_TEXT_ASCII;
    size_t at = 0;

    while (at < length) {
        if (length - at >= 8 && (load64_little(bytes + at) & UINT64_C(0x8080808080808080)) == 0) {
            at += 8;
        } else if (load8(bytes + at) < 0x80) {
            at++;
        } else {
            size_t step = sequence_length(bytes + at, length - at);
            if (step == 0)
                return WIRE_TEXT_BROKEN;
            form = WIRE_TEXT_UTF8;
            at += step;
        }
    }
    return form;
}
