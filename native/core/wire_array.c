/* The layouts of arrays: whether one is possible, where its items lie, and whether they are valid. */
#include "noodle/wire.h"

#include <string.h>

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
