/* Array layouts that a peer describes: does every element lie inside the segment? */
#define _GNU_SOURCE
#include <string.h>

#include "noodle/arena.h"

static noodle_status
count_elements(const noodle_array *array, uint64_t most, uint64_t *elements)
{
    uint64_t count = 1;
    bool overflow = false;
    *elements = 0;
    for (uint32_t i = 0; i < array->dimensions; i++)
        if (array->shape[i] == 0)
            return NOODLE_OK;
    for (uint32_t i = 0; i < array->dimensions; i++)
        overflow |= __builtin_mul_overflow(count, array->shape[i], &count);
    if (overflow || count > INT64_MAX)
        return NOODLE_PROTOCOL;
    *elements = count;
    return most != 0 && count > most ? NOODLE_LIMIT : NOODLE_OK;
}

static uint64_t
magnitude(int64_t stride)
{
    return stride < 0 ? UINT64_C(0) - (uint64_t)stride : (uint64_t)stride;
}

/* Bytes from the first element of a dimension to its last. */
static bool
reach(uint64_t extent, int64_t stride, uint64_t *bytes)
{
    return !__builtin_mul_overflow(extent - 1, magnitude(stride), bytes);
}

static noodle_status
find_extent(uint64_t segment_bytes, const noodle_array *array, noodle_extent *extent)
{
    uint64_t first = array->offset, end;
    bool overflow = __builtin_add_overflow(array->offset, array->itemsize, &end);
    for (uint32_t i = 0; i < array->dimensions; i++) {
        uint64_t bytes;
        if (!reach(array->shape[i], array->strides[i], &bytes))
            return NOODLE_PROTOCOL;
        if (array->strides[i] < 0)
            overflow |= __builtin_sub_overflow(first, bytes, &first);
        else
            overflow |= __builtin_add_overflow(end, bytes, &end);
    }
    if (overflow || end > segment_bytes)
        return NOODLE_PROTOCOL;
    extent->first = first;
    extent->end = end;
    return NOODLE_OK;
}

static bool
is_contiguous(const noodle_array *array)
{
    uint64_t expected = array->itemsize;
    for (uint32_t i = array->dimensions; i-- > 0;) {
        const int64_t stride = array->strides[i];
        if (array->shape[i] != 1 && (stride < 0 || (uint64_t)stride != expected))
            return false;
        expected *= array->shape[i];
    }
    return true;
}

/* Sorts the dimensions that have more than one element by stride, and returns how many they are. */
static uint32_t
sort_by_stride(const noodle_array *array, uint32_t *order)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < array->dimensions; i++) {
        const uint64_t stride = magnitude(array->strides[i]);
        uint32_t at = count;
        if (array->shape[i] == 1)
            continue;
        for (; at > 0 && magnitude(array->strides[order[at - 1]]) > stride; at--)
            order[at] = order[at - 1];
        order[at] = i;
        count++;
    }
    return count;
}

static bool
may_overlap(const noodle_array *array)
{
    uint32_t order[NOODLE_DIMENSIONS];
    const uint32_t count = sort_by_stride(array, order);
    uint64_t spanned = array->itemsize;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bytes;
        if (magnitude(array->strides[order[i]]) < spanned)
            return true;
        if (!reach(array->shape[order[i]], array->strides[order[i]], &bytes))
            return true;
        spanned += bytes;
    }
    return false;
}

noodle_status
noodle_arena_check(uint64_t segment_bytes, const noodle_array *array, uint64_t most_elements,
                   noodle_extent *extent)
{
    noodle_status status;
    memset(extent, 0, sizeof *extent);
    if (array->dimensions > NOODLE_DIMENSIONS || array->itemsize == 0)
        return NOODLE_PROTOCOL;
    status = count_elements(array, most_elements, &extent->elements);
    if (status != NOODLE_OK)
        return status;
    if (extent->elements == 0) {
        extent->first = extent->end = array->offset;
        extent->contiguous = true;
        return array->offset <= segment_bytes ? NOODLE_OK : NOODLE_PROTOCOL;
    }
    status = find_extent(segment_bytes, array, extent);
    if (status != NOODLE_OK)
        return status;
    extent->contiguous = is_contiguous(array);
    extent->read_only = may_overlap(array);
    return NOODLE_OK;
}
