/* The echo worker's functions of arrays: good ones, and claims that cannot be. */
#define _GNU_SOURCE
#include "echo_worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void
echo_do_fill(request *of)
{
    wire_array into;
    if (!echo_array(of, &into) || into.placement != WIRE_SEGMENT) {
        echo_reply_error(of, "TypeError", "an array in a segment was expected");
        return;
    }
    double *const items = (double *)((char *)echo_address_of(into.segment) + into.offset);
    const double value = echo_number(of);
    for (uint64_t i = 0; i < into.elements; i++)
        items[i] = value;
    echo_return_loan(of->channel, into.segment);
    echo_reply_nil(of);
}

void
echo_do_pass(request *of)
{
    wire_array given;
    if (!echo_array(of, &given) || given.placement != WIRE_SEGMENT) {
        echo_reply_error(of, "TypeError", "an array in a segment was expected");
        return;
    }
    unsigned char buffer[1024];
    wire_writer writer;
    echo_begin(&writer, buffer, sizeof buffer);
    wire_write_array(&writer, &given, NULL);
    echo_reply(of, &writer);
    echo_return_loan(of->channel, given.segment);
}

/* Borrows a segment of the host.  Returns false when it refused, which has been passed on. */
static bool
borrow(const request *of, uint64_t bytes, uint64_t *segment)
{
    unsigned char buffer[64];
    wire_writer writer;
    noodle_record answer;
    wire_reader reader;
    wire_token token;
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 3);
    wire_write_int(&writer, NOODLE_OP_SEGMENT);
    wire_write_int(&writer, 0);
    wire_write_uint(&writer, bytes);
    unsigned char *payload = echo_call_host(of->channel, of->record.chain_id, &writer, &answer);
    wire_reader_init(&reader, payload, answer.length, wire_default_limits(), false);
    if (answer.kind != NOODLE_KIND_REPLY || wire_read(&reader, &token) != WIRE_OK) {
        echo_relay(of, &answer, payload);
        return false;
    }
    *segment = (uint64_t)token.integer;
    free(payload);
    return true;
}

static void
reply_array(const request *of, const wire_array *made)
{
    unsigned char buffer[2048];
    wire_writer writer;
    echo_begin(&writer, buffer, sizeof buffer);
    wire_write_array(&writer, made, NULL);
    echo_reply(of, &writer);
}

/* A new array in memory of the host. */
void
echo_do_make(request *of)
{
    const uint64_t count = (uint64_t)echo_number(of);
    wire_array made = {.placement = WIRE_SEGMENT,
                       .dtype = WIRE_DTYPE_F64,
                       .dimensions = 1,
                       .item_size = sizeof(double)};
    if (!borrow(of, count * sizeof(double), &made.segment))
        return;
    made.shape[0] = (int64_t)count;
    wire_array_set_c_order(&made);
    double *const items = echo_address_of(made.segment);
    for (uint64_t i = 0; i < count; i++)
        items[i] = (double)i;
    reply_array(of, &made);
    echo_return_loan(of->channel, made.segment);
}

/* Makes a memfd of its own and gives it away; where `fill` is 0 it has no pages. */
static uint64_t
give_segment(uint64_t bytes, int fill)
{
    noodle_message message = {.magic = NOODLE_MESSAGE_MAGIC,
                              .kind = NOODLE_MESSAGE_SEGMENT,
                              .number = next_segment++,
                              .bytes = bytes};
    void *address;
    int fd;
    if (noodle_segment_make(bytes, &fd, &address) != NOODLE_OK)
        abort();
    if (fill != 0)
        memset(address, fill, bytes);
    noodle_segment_unmap(&message, address);
    if (noodle_send_segment(NOODLE_FD_SOCKET, &message, fd) != NOODLE_OK)
        abort();
    close(fd);
    return message.number;
}

/* Claims to have an array: (own, bytes, fill, dtype, item size, flags, offset, axes, shape..., strides...)
 * in a segment of so many bytes, its own or the host's, of which each has the value `fill`. */
void
echo_do_claim(request *of)
{
    const bool own = echo_number(of) != 0;
    const uint64_t bytes = (uint64_t)echo_number(of);
    const int fill = (int)echo_number(of);
    wire_array made = {.placement = WIRE_SEGMENT};
    made.dtype = (uint8_t)echo_number(of);
    made.item_size = (uint32_t)echo_number(of);
    made.flags = (uint8_t)echo_number(of);
    made.offset = (uint64_t)echo_number(of);
    made.dimensions = (uint8_t)echo_number(of);
    for (int i = 0; i < made.dimensions; i++)
        made.shape[i] = (int64_t)echo_number(of);
    for (int i = 0; i < made.dimensions; i++)
        made.strides[i] = (int64_t)echo_number(of);
    if (own)
        made.segment = give_segment(bytes, fill);
    else if (!borrow(of, bytes, &made.segment))
        return;
    if (!own && fill != 0)
        memset(echo_address_of(made.segment), fill, bytes);
    reply_array(of, &made);
    if (!own)
        echo_return_loan(of->channel, made.segment);
}
