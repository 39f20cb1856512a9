/* Arrays: seen in shared memory where that is possible, else copied once. */
#define _GNU_SOURCE
#include "addon.h"

#include <stdlib.h>
#include <string.h>

#include "wire_node_internal.h"

/* ------------------------------------------------------------------------------ From the host */

static bool
is_viewable(const addon_segment *segment, const wire_array *array)
{
    const bool read_only = segment->read_only || (array->flags & WIRE_ARRAY_READONLY);
    return array->c_contiguous && array->offset % array->item_size == 0
           && (!read_only || (segment->read_only && addon.map_read_only))
           && !(addon.int64_numbers
                && (array->dtype == WIRE_DTYPE_I64 || array->dtype == WIRE_DTYPE_U64));
}

static napi_value
view_array(addon_segment *segment, const wire_array *array)
{
    napi_typedarray_type type;
    napi_value buffer, result;
    if (!is_viewable(segment, array) || !wire_node_typed_array_of(array->dtype, &type))
        return NULL;
    buffer = addon_buffer_of(segment);
    if (buffer == NULL
        || napi_create_typedarray(addon.env, type, (size_t)array->elements, buffer,
                                  (size_t)array->offset, &result)
               != napi_ok)
        return NULL;
    if (wire_node_set_layout(addon.env, result, array) < 0)
        return NULL;
    addon_note_view(segment);
    addon.counts.views++;
    return result;
}

/* An int64 array as numbers, if all of them are exact. */
static napi_value
copy_as_numbers(const wire_array *array, const unsigned char *memory)
{
    const size_t bytes = (size_t)array->elements * 8;
    unsigned char *const packed = malloc(bytes + 1);
    napi_value buffer, result = NULL;
    void *numbers;
    if (packed == NULL
        || napi_create_arraybuffer(addon.env, bytes, &numbers, &buffer) != napi_ok) {
        free(packed);
        return NULL;
    }
    wire_array_pack(array, memory, packed);
    for (size_t i = 0; i < array->elements; i++) {
        int64_t item;
        memcpy(&item, packed + 8 * i, sizeof item);
        if (item > (int64_t)ADDON_SAFE_MAX || item < -(int64_t)ADDON_SAFE_MAX
            || (item < 0 && array->dtype == WIRE_DTYPE_U64)) {
            free(packed);
            addon_throw("RangeError", "NOODLE_INT64",
                        "item %zu of the array is beyond 2^53 and is no exact number; leave out the "
                        "option int64=\"number\" to get BigInts",
                        i);
            return NULL;
        }
        ((double *)numbers)[i] = (double)item;
    }
    free(packed);
    if (napi_create_typedarray(addon.env, napi_float64_array, (size_t)array->elements, buffer, 0,
                               &result)
            != napi_ok
        || wire_node_set_layout(addon.env, result, array) < 0)
        return NULL;
    return result;
}

static napi_value
copy_array(const wire_array *array, const unsigned char *memory)
{
    wire_array inline_array = *array;
    addon.counts.copies_in++;
    addon.counts.copied_in_bytes += array->elements * array->item_size;
    if (addon.int64_numbers
        && (array->dtype == WIRE_DTYPE_I64 || array->dtype == WIRE_DTYPE_U64))
        return copy_as_numbers(array, memory + array->offset);
    inline_array.memory = memory;
    return wire_node_copy_array(addon.env, &inline_array);
}

/* As on the host: items that do not repeat are as many as the segment has bytes at most. */
static uint64_t
most_elements(uint64_t bytes)
{
    const uint64_t usual = wire_default_limits().elements;
    return bytes > usual ? bytes : usual;
}

napi_value
addon_read_array(void *context, napi_env env, const wire_array *array)
{
    wire_array checked = *array;
    addon_segment *segment;
    napi_value result;
    bool pending = false;
    (void)context;
    if (array->placement == WIRE_INLINE)
        return copy_array(array, array->memory);
    segment = addon_find_segment(array->segment);
    if (segment == NULL
        || wire_array_check(&checked, segment->bytes, most_elements(segment->bytes)) != WIRE_OK) {
        wire_throw(env, WIRE_BAD_ARRAY, segment == NULL ? "in a segment that was not sent" : NULL);
        return NULL;
    }
    result = view_array(segment, &checked);
    napi_is_exception_pending(env, &pending);
    if (result != NULL || pending)
        return result;
    result = copy_array(&checked, segment->address);
    addon_return_loans(segment->number, 1);
    return result;
}

/* ---------------------------------------------------------------------------------- To the host */

/* Borrows memory of the host for an array that lies in memory of V8.  NULL: there is none. */
static addon_segment *
borrow(uint64_t bytes)
{
    const napi_value wanted = addon_number((double)bytes);
    const napi_value answer = addon_request(NOODLE_OP_SEGMENT, 0, &wanted, 1, true);
    addon_segment *segment;
    double number = -1;
    if (answer == NULL) {
        addon_take_exception();
        return NULL;
    }
    if (napi_get_value_double(addon.env, answer, &number) != napi_ok || number < 0)
        return NULL;
    segment = addon_find_segment((uint64_t)number);
    return segment != NULL && segment->bytes >= bytes && !segment->read_only ? segment : NULL;
}

static int
write_descriptor(wire_writer *writer, const wire_array *array, const addon_segment *segment,
                 uint64_t offset)
{
    wire_array placed = *array;
    placed.placement = WIRE_SEGMENT;
    placed.segment = segment->number;
    placed.offset = offset;
    if (segment->read_only)
        placed.flags |= WIRE_ARRAY_READONLY;
    wire_write_array(writer, &placed, NULL);
    return 1;
}

int
addon_write_array(void *context, napi_env env, wire_writer *writer, napi_value value,
                  const wire_array *array, const void *memory)
{
    addon_message *const message = writer->context;
    addon_segment *segment;
    (void)context;
    (void)env;
    (void)value;
    if (array->memory_length == 0)
        return 0;
    segment = addon_segment_of(memory, array->memory_length);
    if (segment != NULL) {
        addon.counts.shared_out++;
        return write_descriptor(writer, array, segment,
                                (uint64_t)((const unsigned char *)memory - segment->address));
    }
    addon.counts.copies_out++;
    addon.counts.copied_out_bytes += array->memory_length;
    if (array->memory_length < NOODLE_SEGMENT_LEAST)
        return 0;
    segment = borrow(array->memory_length);
    if (segment == NULL)
        return 0;
    memcpy(segment->address, memory, array->memory_length);
    if (!addon_message_borrow(message, segment->number))
        return 0;
    return write_descriptor(writer, array, segment, 0);
}
