/* Reads a whole message as an adapter would, and uses every payload, for tests and fuzzers. */
#ifndef NOODLE_WALK_WIRE_H
#define NOODLE_WALK_WIRE_H

#include <stdlib.h>
#include <string.h>

#include "noodle/wire.h"

/* What was read is folded into this, so that no load can be left out. */
static volatile uint64_t walked;

static void
use(const uint8_t *bytes, size_t length)
{
    uint8_t *copy = malloc(length + 1);
    memcpy(copy, bytes, length);
    for (size_t at = 0; at < length; at++)
        walked += copy[at];
    free(copy);
}

static wire_status walk(wire_reader *reader);

static wire_status
walk_items(wire_reader *reader, uint64_t count)
{
    wire_status status = wire_descend(reader);

    for (uint64_t item = 0; item < count && status == WIRE_OK; item++)
        status = walk(reader);
    wire_ascend(reader);
    return status;
}

static wire_status
walk_array(wire_reader *reader, const wire_token *token)
{
    wire_array array;
    wire_status status = wire_array_read(token->bytes, token->length, reader->elements, &array);

    if (status != WIRE_OK)
        return status;
    if (array.placement == WIRE_SEGMENT) {
        static uint8_t segment[4096];
        status = wire_array_check(&array, sizeof segment, 1 << 16);
        array.memory = segment;
    }
    if (status == WIRE_OK) {
        size_t length = (size_t)(array.elements * array.item_size);
        if (array.elements > 1 << 16 || length > 1 << 20)
            return WIRE_OK;
        uint8_t *packed = malloc(length + 1);
        wire_array_pack(&array, array.memory + array.offset, packed);
        walked += wire_items_valid(array.dtype, packed, length);
        use(packed, length);
        free(packed);
    }
    return status;
}

static wire_status
walk_extension(wire_reader *reader, const wire_token *token)
{
    wire_reader inner;
    wire_reference reference;
    wire_instant instant;
    wire_bigint number;
    wire_status status;

    switch (token->type) {
    case WIRE_SET:
    case WIRE_ERROR:
    case WIRE_PYTHON:
        status = wire_open(reader, token, &inner);
        if (status == WIRE_OK)
            status = walk(&inner);
        return status == WIRE_OK ? wire_close(reader, &inner) : status;
    case WIRE_ARRAY:
        return walk_array(reader, token);
    case WIRE_REFERENCE:
        status = wire_reference_read(token->bytes, token->length, &reference);
        if (status == WIRE_OK)
            use((const uint8_t *)reference.name, reference.name_length);
        return status;
    case WIRE_TIMESTAMP:
    case WIRE_LOCAL_TIME:
        status = wire_instant_read(token->type, token->bytes, token->length, &instant);
        if (status == WIRE_OK && instant.nanoseconds > 999999999)
            abort();
        return status;
    case WIRE_BIGINT:
        status = wire_bigint_read(token->bytes, token->length, &number);
        if (status == WIRE_OK)
            use(number.magnitude, number.length);
        return status;
    default:
        use(token->bytes, token->length);
        return WIRE_OK;
    }
}

static wire_status
walk(wire_reader *reader)
{
    wire_token token;
    wire_status status = wire_read(reader, &token);

    if (status != WIRE_OK)
        return status;
    switch (token.kind) {
    case WIRE_TEXT:
        walked += wire_text_form_of(token.bytes, token.length);
        use(token.bytes, token.length);
        return WIRE_OK;
    case WIRE_BINARY:
        use(token.bytes, token.length);
        return WIRE_OK;
    case WIRE_LIST:
        return walk_items(reader, token.count);
    case WIRE_MAP:
        return walk_items(reader, 2 * (uint64_t)token.count);
    case WIRE_EXTENSION:
        return walk_extension(reader, &token);
    default:
        walked += token.natural;
        return WIRE_OK;
    }
}

#endif
