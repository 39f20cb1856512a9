/* Unit tests of the wire codec. Prints one line for each failed check and returns their number. */

#include "walk_wire.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

static int failures;

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            printf("%s:%d: %s: %s\n", __FILE__, __LINE__, __func__, #condition);                   \
            failures++;                                                                            \
        }                                                                                          \
    } while (0)

static uint8_t buffer[1 << 17];
static const uint8_t zeros[300];
static wire_writer writer;

static void
begin(size_t capacity)
{
    wire_writer_init(&writer, buffer, capacity, wire_default_limits());
}

static bool
holds(const char *expected, size_t length)
{
    return writer.status == WIRE_OK && writer.length == length &&
           memcmp(buffer, expected, length) == 0;
}

#define HOLDS(text) holds(text, sizeof text - 1)

static wire_reader
reader_of(const char *bytes, size_t length)
{
    wire_reader reader;
    wire_reader_init(&reader, bytes, length, wire_default_limits(), false);
    return reader;
}

#define READER(text) reader_of(text, sizeof text - 1)

static wire_status
walk_text(const char *bytes, size_t length)
{
    wire_reader reader = reader_of(bytes, length);
    wire_status status = walk(&reader);
    return status == WIRE_OK ? wire_finish(&reader) : status;
}

#define WALK(text) walk_text(text, sizeof text - 1)

static void
ints_take_their_shortest_form(void)
{
    static const struct {
        int64_t value;
        const char *bytes;
        size_t length;
    } cases[] = {
        {0, "\x00", 1},
        {127, "\x7f", 1},
        {128, "\xcc\x80", 2},
        {255, "\xcc\xff", 2},
        {256, "\xcd\x01\x00", 3},
        {65535, "\xcd\xff\xff", 3},
        {65536, "\xce\x00\x01\x00\x00", 5},
        {INT64_C(4294967295), "\xce\xff\xff\xff\xff", 5},
        {INT64_C(4294967296), "\xcf\x00\x00\x00\x01\x00\x00\x00\x00", 9},
        {INT64_MAX, "\xcf\x7f\xff\xff\xff\xff\xff\xff\xff", 9},
        {-1, "\xff", 1},
        {-32, "\xe0", 1},
        {-33, "\xd0\xdf", 2},
        {-128, "\xd0\x80", 2},
        {-129, "\xd1\xff\x7f", 3},
        {-32768, "\xd1\x80\x00", 3},
        {-32769, "\xd2\xff\xff\x7f\xff", 5},
        {INT32_MIN, "\xd2\x80\x00\x00\x00", 5},
        {INT64_C(-2147483649), "\xd3\xff\xff\xff\xff\x7f\xff\xff\xff", 9},
        {INT64_MIN, "\xd3\x80\x00\x00\x00\x00\x00\x00\x00", 9},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        wire_token token;
        begin(sizeof buffer);
        wire_write_int(&writer, cases[index].value);
        CHECK(holds(cases[index].bytes, cases[index].length));
        wire_reader reader = reader_of(cases[index].bytes, cases[index].length);
        CHECK(wire_read(&reader, &token) == WIRE_OK && token.kind == WIRE_INT);
        CHECK(token.integer == cases[index].value && wire_finish(&reader) == WIRE_OK);
    }
}

static void
longer_forms_and_float32_are_read(void)
{
    wire_token token;
    wire_reader reader = READER("\xcf\x00\x00\x00\x00\x00\x00\x00\x05");
    CHECK(wire_read(&reader, &token) == WIRE_OK && token.kind == WIRE_INT && token.integer == 5);
    reader = READER("\xcf\xff\xff\xff\xff\xff\xff\xff\xff");
    CHECK(wire_read(&reader, &token) == WIRE_OK && token.kind == WIRE_UINT);
    CHECK(token.natural == UINT64_MAX);
    reader = READER("\xca\x3f\xc0\x00\x00");
    CHECK(wire_read(&reader, &token) == WIRE_OK && token.kind == WIRE_FLOAT && token.number == 1.5);
    reader = READER("\xdb\x00\x00\x00\x02hi");
    CHECK(wire_read(&reader, &token) == WIRE_OK && token.kind == WIRE_TEXT && token.length == 2);
    CHECK(memcmp(token.bytes, "hi", 2) == 0);
    reader = READER("\xdd\x00\x00\x00\x01\x07");
    CHECK(wire_read(&reader, &token) == WIRE_OK && token.kind == WIRE_LIST && token.count == 1);
}

static void
floats_keep_their_bits(void)
{
    static const double cases[] = {1.5, -0.0, INFINITY, -INFINITY, 5e-324, 1.7976931348623157e308};
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        wire_token token;
        begin(sizeof buffer);
        wire_write_float(&writer, cases[index]);
        wire_reader reader = reader_of((char *)buffer, writer.length);
        CHECK(wire_read(&reader, &token) == WIRE_OK && token.kind == WIRE_FLOAT);
        CHECK(memcmp(&token.number, &cases[index], 8) == 0);
    }
}

static void
a_bigint_that_fits_64_bits_is_an_int(void)
{
    begin(sizeof buffer);
    wire_write_bigint(&writer, false, (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 10);
    CHECK(HOLDS("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"));
    begin(sizeof buffer);
    wire_write_bigint(&writer, true, (const uint8_t *)"\0\0\0\0\0\0\0\x80", 8);
    CHECK(HOLDS("\xd3\x80\x00\x00\x00\x00\x00\x00\x00"));
    begin(sizeof buffer);
    wire_write_bigint(&writer, true, (const uint8_t *)"\x01\0\0\0\0\0\0\x80", 8);
    CHECK(HOLDS("\xc7\x09\x01\x01\x01\0\0\0\0\0\0\x80"));
    begin(sizeof buffer);
    wire_write_bigint(&writer, false, zeros, 0);
    CHECK(HOLDS("\x00"));
}

static void
a_small_buffer_is_told_the_size_that_it_needs(void)
{
    for (size_t capacity = 0; capacity <= 25; capacity++) {
        memset(buffer, 0xaa, 64);
        begin(capacity);
        wire_enter_list(&writer, 3);
        wire_write_text(&writer, "hello", 5);
        wire_write_float(&writer, 1.5);
        wire_write_uint(&writer, UINT64_MAX);
        wire_leave(&writer);
        CHECK(writer.length == 25);
        CHECK(writer.status == (capacity < 25 ? WIRE_FULL : WIRE_OK));
        CHECK(buffer[capacity] == 0xaa);
    }
}

static bool
grow_once(wire_writer *full, size_t used, size_t needed)
{
    (void)used;
    full->capacity = needed;
    *(int *)full->context += 1;
    return true;
}

static void
grow_is_asked_once_for_each_shortage_and_the_value_is_complete(void)
{
    int asked = 0;
    begin(1);
    writer.grow = grow_once;
    writer.context = &asked;
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, 1000);
    wire_write_text(&writer, "abc", 3);
    CHECK(HOLDS("\x92\xcd\x03\xe8\xa3" "abc"));
    CHECK(asked == 2);
}

static void
limits_bind_the_writer(void)
{
    begin(sizeof buffer);
    for (int level = 0; level < WIRE_DEPTH_MAX; level++)
        CHECK(wire_enter_list(&writer, 1) == WIRE_OK);
    CHECK(wire_enter_list(&writer, 1) == WIRE_TOO_DEEP);
    CHECK(wire_write_nil(&writer) == WIRE_TOO_DEEP);
    wire_writer_init(&writer, buffer, sizeof buffer, (wire_limits){4, 5, 10});
    CHECK(wire_enter_map(&writer, 3) == WIRE_TOO_MANY);
    wire_writer_init(&writer, buffer, sizeof buffer, (wire_limits){4, 5, 10});
    CHECK(wire_write_text(&writer, "0123456789", 10) == WIRE_TOO_LARGE);
    wire_writer_init(&writer, buffer, 4, (wire_limits){4, 5, 10});
    CHECK(wire_write_text(&writer, "01234", 5) == WIRE_FULL);
    CHECK(wire_write_text(&writer, "01234", 5) == WIRE_TOO_LARGE);
}

static void
limits_bind_the_reader(void)
{
    wire_reader reader;
    wire_token token;

    memset(buffer, 0x91, WIRE_DEPTH_MAX + 1);
    buffer[WIRE_DEPTH_MAX] = 0xc0;
    reader = reader_of((char *)buffer, WIRE_DEPTH_MAX + 1);
    CHECK(wire_skip(&reader) == WIRE_OK && wire_finish(&reader) == WIRE_OK);
    buffer[WIRE_DEPTH_MAX] = 0x91;
    buffer[WIRE_DEPTH_MAX + 1] = 0xc0;
    reader = reader_of((char *)buffer, WIRE_DEPTH_MAX + 2);
    CHECK(wire_skip(&reader) == WIRE_TOO_DEEP);
    wire_reader_init(&reader, "\x92\x01\x02", 3, (wire_limits){1, 1, 3}, false);
    CHECK(wire_read(&reader, &token) == WIRE_TOO_MANY);
    CHECK(wire_reader_init(&reader, "\x92\x01\x02", 3, (wire_limits){1, 2, 2}, false) ==
          WIRE_TOO_LARGE);
    CHECK(wire_read(&reader, &token) == WIRE_TOO_LARGE);
}

static void
malformed_messages_are_refused(void)
{
    CHECK(WALK("") == WIRE_TRUNCATED);
    CHECK(WALK("\xc1") == WIRE_INVALID);
    CHECK(WALK("\x01\x02") == WIRE_TRAILING);
    CHECK(WALK("\xcb\x00\x00") == WIRE_TRUNCATED);
    CHECK(WALK("\xa5" "abc") == WIRE_TRUNCATED);
    CHECK(WALK("\xdb\xff\xff\xff\xff" "abc") == WIRE_TRUNCATED);
    CHECK(WALK("\xdd\xff\xff\xff\xff\x01") == WIRE_TRUNCATED);
    CHECK(WALK("\xdf\xff\xff\xff\xff\x01") == WIRE_TRUNCATED);
    CHECK(WALK("\xc7") == WIRE_TRUNCATED);
    CHECK(WALK("\xc7\x05") == WIRE_TRUNCATED);
    CHECK(WALK("\xc9\xff\xff\xff\xff\x03") == WIRE_TRUNCATED);
    CHECK(WALK("\xd4\x01\x02") == WIRE_BAD_EXTENSION);         /* sign of a BIGINT */
    CHECK(WALK("\xd5\xff\x00\x00") == WIRE_BAD_EXTENSION);     /* a timestamp of 2 bytes */
    CHECK(WALK("\xd7\xff\xff\xff\xff\xff\xff\xff\xff\xff") == WIRE_BAD_EXTENSION);
    CHECK(WALK("\xd4\x06\x00") == WIRE_BAD_EXTENSION);         /* a short REFERENCE */
    CHECK(WALK("\xd4\x05\x00") == WIRE_BAD_ARRAY);
    CHECK(WALK("\xd5\x03\x90\x01") == WIRE_BAD_EXTENSION);     /* bytes behind a SET's list */
    CHECK(WALK("\xd4\x03\x91") == WIRE_TRUNCATED);             /* a member outside of its SET */
}

static void
every_prefix_of_a_message_is_truncated(void)
{
    begin(sizeof buffer);
    size_t start;
    wire_enter_map(&writer, 2);
    wire_write_text(&writer, "key", 3);
    wire_write_float(&writer, 2.5);
    wire_write_binary(&writer, zeros, 300);
    wire_enter_extension(&writer, WIRE_SET, &start);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, -5000);
    wire_write_timestamp(&writer, (wire_instant){INT64_C(1) << 40, 5});
    wire_leave(&writer);
    CHECK(wire_leave_extension(&writer, start) == WIRE_OK);
    CHECK(walk_text((char *)buffer, writer.length) == WIRE_OK);
    for (size_t length = 0; length < writer.length; length++) {
        char *copy = malloc(length + 1);
        memcpy(copy, buffer, length);
        CHECK(walk_text(copy, length) == WIRE_TRUNCATED);
        free(copy);
    }
}

static void
timestamps_take_their_shortest_form(void)
{
    static const struct {
        wire_instant instant;
        size_t length;
    } cases[] = {
        {{0, 0}, 6},           {{UINT32_MAX, 0}, 6},
        {{0, 1}, 10},          {{INT64_C(1) << 33, 999999999}, 10},
        {{-1, 999999999}, 15}, {{INT64_C(1) << 34, 0}, 15},
        {{INT64_MIN, 0}, 15},
    };
    for (size_t index = 0; index < sizeof cases / sizeof *cases; index++) {
        wire_token token;
        wire_instant read;
        begin(sizeof buffer);
        CHECK(wire_write_timestamp(&writer, cases[index].instant) == WIRE_OK);
        CHECK(writer.length == cases[index].length);
        wire_reader reader = reader_of((char *)buffer, writer.length);
        CHECK(wire_read(&reader, &token) == WIRE_OK && token.type == WIRE_TIMESTAMP);
        CHECK(wire_instant_read(token.type, token.bytes, token.length, &read) == WIRE_OK);
        CHECK(read.seconds == cases[index].instant.seconds);
        CHECK(read.nanoseconds == cases[index].instant.nanoseconds);
    }
    begin(sizeof buffer);
    CHECK(wire_write_timestamp(&writer, (wire_instant){0, 1000000000}) == WIRE_BAD_EXTENSION);
}

static void
a_reference_comes_back_field_by_field(void)
{
    wire_reference sent = {WIRE_OWNER_WORKER, WIRE_KIND_ITERATOR, 7, UINT64_MAX, 12, "Walker", 6};
    wire_reference read;
    wire_token token;

    begin(sizeof buffer);
    wire_write_reference(&writer, &sent);
    wire_reader reader = reader_of((char *)buffer, writer.length);
    CHECK(wire_read(&reader, &token) == WIRE_OK && token.type == WIRE_REFERENCE);
    CHECK(wire_reference_read(token.bytes, token.length, &read) == WIRE_OK);
    CHECK(read.owner == sent.owner && read.kind == sent.kind && read.sent == sent.sent);
    CHECK(read.id == sent.id && read.incarnation == sent.incarnation);
    CHECK(read.name_length == 6 && memcmp(read.name, "Walker", 6) == 0);
    buffer[token.bytes - buffer + 2] = 1;
    CHECK(wire_reference_read(token.bytes, token.length, &read) == WIRE_BAD_EXTENSION);
    buffer[token.bytes - buffer + 2] = 0;
    buffer[token.bytes - buffer + 1] = WIRE_KIND_MODULE + 1;
    CHECK(wire_reference_read(token.bytes, token.length, &read) == WIRE_BAD_EXTENSION);
    sent.name_length = WIRE_NAME_MAX + 1;
    CHECK(wire_write_reference(&writer, &sent) == WIRE_TOO_LARGE);
}

static wire_array
array_of(uint8_t dtype, int64_t rows, int64_t columns)
{
    wire_array array = {.dtype = dtype,
                        .item_size = wire_dtype_size(dtype),
                        .dimensions = 2,
                        .shape = {rows, columns}};
    CHECK(wire_array_set_c_order(&array) == WIRE_OK);
    return array;
}

static void
an_inline_array_comes_back_with_its_memory(void)
{
    wire_array sent = array_of(WIRE_DTYPE_I16, 2, 3);
    wire_array read;
    wire_token token;
    uint8_t *memory;

    begin(sizeof buffer);
    sent.memory_length = 12;
    CHECK(wire_write_array(&writer, &sent, &memory) == WIRE_OK);
    memcpy(memory, "\1\0\2\0\3\0\4\0\5\0\6\0", 12);
    wire_reader reader = reader_of((char *)buffer, writer.length);
    CHECK(wire_read(&reader, &token) == WIRE_OK && token.type == WIRE_ARRAY);
    CHECK(wire_array_read(token.bytes, token.length, 100, &read) == WIRE_OK);
    CHECK(read.dtype == WIRE_DTYPE_I16 && read.elements == 6 && read.c_contiguous);
    CHECK(read.shape[1] == 3 && read.strides[0] == 6 && read.memory_length == 12);
    CHECK(memcmp(read.memory, "\1\0\2\0\3\0", 6) == 0);
    CHECK(wire_array_read(token.bytes, token.length, 5, &read) == WIRE_TOO_MANY);
    CHECK(wire_array_read(token.bytes, token.length - 1, 100, &read) == WIRE_BAD_ARRAY);
    begin(20);
    CHECK(wire_write_array(&writer, &sent, &memory) == WIRE_FULL && memory == NULL);
}

static void
an_array_may_not_leave_its_memory(void)
{
    wire_array array = array_of(WIRE_DTYPE_F64, 4, 8);
    CHECK(wire_array_check(&array, 256, 1000) == WIRE_OK);
    CHECK(wire_array_check(&array, 255, 1000) == WIRE_BAD_ARRAY);
    array.offset = 8;
    CHECK(wire_array_check(&array, 256, 1000) == WIRE_BAD_ARRAY);
    CHECK(wire_array_check(&array, 264, 1000) == WIRE_OK);
    array.offset = UINT64_MAX - 7;
    CHECK(wire_array_check(&array, 264, 1000) == WIRE_BAD_ARRAY);
    array.offset = 0;
    array.strides[0] = INT64_MAX;
    CHECK(wire_array_check(&array, INT64_MAX, 1000) == WIRE_BAD_ARRAY);
    array.strides[0] = INT64_MIN;
    CHECK(wire_array_check(&array, INT64_MAX, 1000) == WIRE_BAD_ARRAY);
    array.strides[0] = -64;
    CHECK(wire_array_check(&array, 256, 1000) == WIRE_BAD_ARRAY);
    array.offset = 192;
    CHECK(wire_array_check(&array, 256, 1000) == WIRE_OK && !array.c_contiguous);
    CHECK((array.flags & WIRE_ARRAY_READONLY) == 0);
    array.shape[0] = INT64_C(1) << 62;
    array.shape[1] = INT64_C(1) << 62;
    CHECK(wire_array_check(&array, 256, UINT64_MAX) == WIRE_BAD_ARRAY);
    array.shape[0] = -1;
    CHECK(wire_array_check(&array, 256, 1000) == WIRE_BAD_ARRAY);
}

static void
contradictory_descriptors_are_refused(void)
{
    wire_array array = array_of(WIRE_DTYPE_F64, 2, 2);
    array.item_size = 4;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array = array_of(WIRE_DTYPE_F64, 2, 2);
    array.dtype = 32;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array.dtype = 0;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array = array_of(WIRE_DTYPE_F64, 2, 2);
    array.flags = WIRE_ARRAY_FORTRAN;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array.strides[0] = 8;
    array.strides[1] = 16;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_OK);
    array.flags = 4;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array = array_of(WIRE_DTYPE_F64, 2, 2);
    array.time_unit = WIRE_UNIT_SECOND;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array.dtype = WIRE_DTYPE_DATETIME;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array.time_unit_count = 1;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_OK);
    array.time_unit = WIRE_UNIT_ATTOSECOND + 1;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
    array.dimensions = WIRE_DIMENSIONS_MAX + 1;
    CHECK(wire_array_check(&array, 1000, 1000) == WIRE_BAD_ARRAY);
}

static void
arrays_whose_items_overlap_are_readonly(void)
{
    wire_array array = array_of(WIRE_DTYPE_F64, 1000, 1000);
    array.strides[0] = array.strides[1] = 0;
    CHECK(wire_array_check(&array, 8, 1000000) == WIRE_OK);
    CHECK((array.flags & WIRE_ARRAY_READONLY) != 0);
    CHECK(wire_array_check(&array, 8, 999999) == WIRE_TOO_MANY);
    array = array_of(WIRE_DTYPE_F64, 4, 4);
    array.strides[0] = 8;
    CHECK(wire_array_check(&array, 56, 100) == WIRE_OK);
    CHECK((array.flags & WIRE_ARRAY_READONLY) != 0);
    array = array_of(WIRE_DTYPE_F64, 1, 4);
    array.strides[0] = INT64_MAX;
    CHECK(wire_array_check(&array, 32, 100) == WIRE_OK && array.c_contiguous && array.flags == 0);
    uint8_t packed[32];
    wire_array_pack(&array, (const uint8_t *)"01234567012345670123456701234567", packed);
    CHECK(memcmp(packed, "01234567012345670123456701234567", 32) == 0);
}

static void
an_array_without_items_needs_no_memory(void)
{
    wire_array array = array_of(WIRE_DTYPE_F64, 0, INT64_MAX);
    CHECK(wire_array_check(&array, 0, 0) == WIRE_OK && array.elements == 0);
    array.offset = 1;
    CHECK(wire_array_check(&array, 0, 0) == WIRE_BAD_ARRAY);
    array = (wire_array){.dtype = WIRE_DTYPE_U8, .item_size = 1};
    CHECK(wire_array_check(&array, 1, 1) == WIRE_OK && array.elements == 1);
}

static void
values_that_a_dtype_does_not_know_are_found(void)
{
    CHECK(wire_items_valid(WIRE_DTYPE_BOOL, (const uint8_t *)"\0\1\1", 3));
    CHECK(!wire_items_valid(WIRE_DTYPE_BOOL, (const uint8_t *)"\0\2\1", 3));
    CHECK(wire_items_valid(WIRE_DTYPE_TEXT, (const uint8_t *)"\xff\xff\x10\0", 4));
    CHECK(!wire_items_valid(WIRE_DTYPE_TEXT, (const uint8_t *)"\0\0\x11\0", 4));
    CHECK(wire_items_valid(WIRE_DTYPE_F64, (const uint8_t *)"\xff\xff\xff\xff\xff\xff\xff\xff", 8));
}

static wire_text_form
form_of(const char *text)
{
    return wire_text_form_of((const uint8_t *)text, strlen(text));
}

static void
text_is_checked_by_the_unicode_table(void)
{
    CHECK(form_of("") == WIRE_TEXT_ASCII);
    CHECK(form_of("plain text, longer than a word") == WIRE_TEXT_ASCII);
    CHECK(form_of("12345678\xc3\xbc") == WIRE_TEXT_UTF8);
    CHECK(form_of("\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf") ==
          WIRE_TEXT_UTF8);
    static const char *const broken[] = {
        "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xff",         "\xc3",         "\xe2\x82",         "\xf0\x9f\x98",     "\xe2\x28\xa1",
        "a\xc3",        "\xc3" "a",
    };
    for (size_t index = 0; index < sizeof broken / sizeof *broken; index++)
        CHECK(form_of(broken[index]) == WIRE_TEXT_BROKEN);
}

static void
every_status_has_a_name_and_a_text(void)
{
    for (int status = WIRE_OK; status <= WIRE_UNREADABLE; status++) {
        CHECK(strncmp(wire_status_name(status), "WIRE_", 5) == 0);
        CHECK(strlen(wire_status_text(status)) > 5);
    }
    CHECK(strcmp(wire_status_name(WIRE_UNREADABLE + 1), "WIRE_UNKNOWN") == 0);
}

static void
the_structures_that_peers_share_have_the_sizes_that_are_written_down(void)
{
    CHECK(WIRE_VERSION == 2 && WIRE_DEPTH_MAX == 512 && WIRE_DIMENSIONS_MAX == 32);
    wire_array array = array_of(WIRE_DTYPE_U8, 1, 1);
    array.placement = WIRE_SEGMENT;
    array.segment = 0x0102030405060708;
    array.offset = 0x1112131415161718;
    begin(sizeof buffer);
    wire_write_array(&writer, &array, NULL);
    CHECK(writer.length == 3 + 32 + 32 && buffer[0] == 0xc7 && buffer[2] == WIRE_ARRAY);
    CHECK(memcmp(buffer + 3,
                 "\1\6\2\0\1\0\0\0\0\0\0\0\0\0\0\0\x08\7\6\5\4\3\2\1\x18\x17\x16\x15\x14\x13\x12\x11"
                 "\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0",
                 64) == 0);
}

/* ------------------------------------------------------------------ A buffer that keeps changing */

static atomic_bool stop;
static size_t changing_length;

static void *
change(void *argument)
{
    volatile uint8_t *bytes = argument;
    uint64_t random = 88172645463325252u;

    while (!atomic_load(&stop)) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        size_t at = random % changing_length;
        uint8_t before = bytes[at];
        bytes[at] = (uint8_t)(random >> 32);
        bytes[at] = before;
    }
    return NULL;
}

static void
a_buffer_that_changes_while_it_is_read_leads_to_no_other_memory(void)
{
    wire_array array = array_of(WIRE_DTYPE_BOOL, 3, 3);
    uint8_t *memory;
    pthread_t thread;
    size_t start;
    int good = 0;
    int bad = 0;

    begin(sizeof buffer);
    array.memory_length = 9;
    wire_enter_list(&writer, 6);
    wire_write_text(&writer, "some text that is long enough", 29);
    wire_write_array(&writer, &array, &memory);
    memset(memory, 1, 9);
    wire_write_bigint(&writer, true, (const uint8_t *)"1234567890123", 13);
    wire_write_reference(&writer, &(wire_reference){.kind = 1, .name = "abc", .name_length = 3});
    wire_enter_extension(&writer, WIRE_SET, &start);
    wire_enter_list(&writer, 1);
    wire_write_binary(&writer, "0123456789", 10);
    wire_leave(&writer);
    wire_leave_extension(&writer, start);
    wire_write_timestamp(&writer, (wire_instant){-1, 1});
    CHECK(writer.status == WIRE_OK);
    changing_length = writer.length;
    uint8_t *exact = malloc(changing_length);
    memcpy(exact, buffer, changing_length);
    CHECK(pthread_create(&thread, NULL, change, exact) == 0);
    for (int round = 0; round < 30000 || (good == 0 && round < 3000000); round++) {
        wire_reader reader;
        wire_limits limits = {64, 10000, 10000};
        wire_reader_init(&reader, exact, changing_length, limits, true);
        if (walk(&reader) == WIRE_OK)
            good++;
        else
            bad++;
    }
    atomic_store(&stop, true);
    pthread_join(thread, NULL);
    CHECK(good > 0 && good + bad >= 30000);
    free(exact);
}

int
main(void)
{
    ints_take_their_shortest_form();
    longer_forms_and_float32_are_read();
    floats_keep_their_bits();
    a_bigint_that_fits_64_bits_is_an_int();
    a_small_buffer_is_told_the_size_that_it_needs();
    grow_is_asked_once_for_each_shortage_and_the_value_is_complete();
    limits_bind_the_writer();
    limits_bind_the_reader();
    malformed_messages_are_refused();
    every_prefix_of_a_message_is_truncated();
    timestamps_take_their_shortest_form();
    a_reference_comes_back_field_by_field();
    an_inline_array_comes_back_with_its_memory();
    an_array_may_not_leave_its_memory();
    contradictory_descriptors_are_refused();
    arrays_whose_items_overlap_are_readonly();
    an_array_without_items_needs_no_memory();
    values_that_a_dtype_does_not_know_are_found();
    text_is_checked_by_the_unicode_table();
    every_status_has_a_name_and_a_text();
    the_structures_that_peers_share_have_the_sizes_that_are_written_down();
    a_buffer_that_changes_while_it_is_read_leads_to_no_other_memory();
    printf("%d failures\n", failures);
    return failures != 0;
}
