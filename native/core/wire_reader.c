/* The MessagePack reader, and the check of a value that is skipped. */
#include "wire_internal.h"

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

/* -------------------------------------------------------------------------------------- Tokens */

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

/* ------------------------------------------------------------------------------------- Nesting */

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
