/* A fuzz target for the reader: whatever the bytes are, it stays in bounds and says what is wrong.
 *
 * Built with -fsanitize=fuzzer it is a libFuzzer target. Built with -DSTANDALONE it mutates messages
 * by itself: `fuzz_wire SEED ROUNDS`, the same for the same seed. What wire_skip accepts, reading must
 * find well-formed too, and the other way round for messages without extensions. */

#include "walk_wire.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    wire_limits limits = {.depth = 64, .elements = 1 << 16, .bytes = 1 << 20};
    wire_reader skipped;
    wire_reader read;
    /* On the heap and of the exact size, so that the sanitizer sees one byte too many. */
    uint8_t *bytes = malloc(size > 0 ? size : 1);

    memcpy(bytes, data, size);
    wire_reader_init(&skipped, bytes, size, limits, false);
    wire_reader_init(&read, bytes, size, limits, false);
    bool skips = wire_skip(&skipped) == WIRE_OK && wire_finish(&skipped) == WIRE_OK;
    bool reads = walk(&read) == WIRE_OK && wire_finish(&read) == WIRE_OK;
    if (reads && !skips)
        abort();
    free(bytes);
    return 0;
}

#ifdef STANDALONE
static uint64_t state;

static uint64_t
random_number(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static const uint8_t interesting[] = {0x00, 0x01, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf,
                                      0xc0, 0xc1, 0xc4, 0xc6, 0xc7, 0xc8, 0xc9, 0xca, 0xcb,
                                      0xcf, 0xd3, 0xd4, 0xd6, 0xd8, 0xd9, 0xdb, 0xdc, 0xdd,
                                      0xde, 0xdf, 0xe0, 0xff, 0x03, 0x05, 0x06, 0x07, 0x20};

static void
write_random_array(wire_writer *writer)
{
    wire_array array = {.dtype = (uint8_t)(1 + random_number() % 18), .dimensions = random_number() % 4};
    uint8_t *memory;

    array.item_size = wire_dtype_size(array.dtype);
    if (array.item_size == 0)
        array.item_size = 4;
    for (unsigned axis = 0; axis < array.dimensions; axis++)
        array.shape[axis] = (int64_t)(random_number() % 4);
    wire_array_set_c_order(&array);
    array.memory_length = array.elements * array.item_size;
    array.placement = random_number() % 2;
    wire_write_array(writer, &array, &memory);
    if (memory != NULL)
        memset(memory, 1, (size_t)array.memory_length);
}

static void
write_random_value(wire_writer *writer, unsigned depth)
{
    static const uint8_t bytes[300];
    size_t start;
    size_t count = random_number() % 4;

    switch (random_number() % (depth > 5 ? 9 : 13)) {
    case 0:
        wire_write_int(writer, (int64_t)(random_number() >> (random_number() % 64)));
        break;
    case 1:
        wire_write_float(writer, (double)random_number());
        break;
    case 2:
        wire_write_text(writer, "Gr\xc3\xbc\xc3\x9f" "e, 12345678", random_number() % 17);
        break;
    case 3:
        wire_write_binary(writer, bytes, random_number() % sizeof bytes);
        break;
    case 4:
        wire_write_bigint(writer, random_number() % 2, (const uint8_t *)"123456789012345", 15);
        break;
    case 5:
        wire_write_timestamp(writer, (wire_instant){(int64_t)random_number() >> random_number() % 64,
                                                    random_number() % 2 * 5});
        break;
    case 6:
        wire_write_reference(writer, &(wire_reference){.kind = 1, .name = "name", .name_length = 4});
        break;
    case 7:
        write_random_array(writer);
        break;
    case 8:
        wire_write_undefined(writer);
        break;
    case 9:
        wire_enter_extension(writer, WIRE_SET, &start);
        write_random_value(writer, depth + 1);
        wire_leave_extension(writer, start);
        break;
    case 10:
        wire_enter_map(writer, count);
        for (size_t item = 0; item < 2 * count; item++)
            write_random_value(writer, depth + 1);
        wire_leave(writer);
        break;
    default:
        wire_enter_list(writer, count);
        for (size_t item = 0; item < count; item++)
            write_random_value(writer, depth + 1);
        wire_leave(writer);
    }
}

static size_t
mutate(uint8_t *bytes, size_t length)
{
    for (uint64_t times = random_number() % 6; times > 0 && length > 0; times--) {
        size_t at = random_number() % length;
        switch (random_number() % 4) {
        case 0:
            bytes[at] = (uint8_t)random_number();
            break;
        case 1:
            bytes[at] = interesting[random_number() % sizeof interesting];
            break;
        case 2:
            length = at;
            break;
        default:
            memmove(bytes + at, bytes + length / 2, length - (at > length / 2 ? at : length / 2));
        }
    }
    return length;
}

int
main(int count, char **arguments)
{
    static uint8_t buffer[1 << 16];
    wire_writer writer;

    if (count != 3)
        return 2;
    state = strtoull(arguments[1], NULL, 10) * 2 + 1;
    for (uint64_t rounds = strtoull(arguments[2], NULL, 10); rounds > 0; rounds--) {
        wire_writer_init(&writer, buffer, sizeof buffer, wire_default_limits());
        wire_enter_list(&writer, 4);
        for (int item = 0; item < 4; item++)
            write_random_value(&writer, 0);
        wire_leave(&writer);
        if (writer.status != WIRE_OK)
            continue;
        LLVMFuzzerTestOneInput(buffer, mutate(buffer, writer.length));
    }
    printf("done\n");
    return 0;
}
#endif
