/* The echo worker's messages: how they are sent, and how arguments are read. */
#define _GNU_SOURCE
#include "echo_worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MOST_SEGMENTS 256

static struct {
    noodle_message message;
    void *address;
} segments[MOST_SEGMENTS];
static uint32_t segment_count;
uint64_t next_segment = NOODLE_OWN_SEGMENT;

/* ----------------------------------------------------------------------------------- Segments */

void
echo_receive(bool wait)
{
    noodle_message message;
    int fd;
    while (noodle_receive_segment(NOODLE_FD_SOCKET, wait, &message, &fd) == NOODLE_OK) {
        wait = false;
        if (message.kind == NOODLE_MESSAGE_EVENT) {
            noodle_worker_set_event(&worker, (uint32_t)message.number, fd);
            events |= UINT64_C(1) << message.number;
        } else if (message.kind == NOODLE_MESSAGE_SEGMENT && segment_count < MOST_SEGMENTS) {
            segments[segment_count].message = message;
            noodle_segment_map(&message, fd, &segments[segment_count++].address);
        } else {
            close(fd);
        }
    }
}

void *
echo_address_of(uint64_t number)
{
    echo_receive(false);
    for (uint32_t i = segment_count; i-- > 0;)
        if (segments[i].message.number == number)
            return segments[i].address;
    abort();
}

void
echo_return_loan(noodle_channel *channel, uint64_t segment)
{
    unsigned char buffer[64];
    wire_writer writer;
    const noodle_record record = {.kind = NOODLE_KIND_CONTROL};
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_SUBJECT_RETURNED);
    wire_enter_list(&writer, 2);
    wire_write_uint(&writer, segment);
    wire_write_int(&writer, 1);
    echo_send(channel, record, &writer);
}

/* ------------------------------------------------------------------------------------ Sending */

static void
send_large(noodle_channel *channel, noodle_record *record, const wire_writer *writer)
{
    noodle_span span = {.segment = next_segment++, .length = writer->length};
    noodle_message message = {.magic = NOODLE_MESSAGE_MAGIC, .kind = NOODLE_MESSAGE_SEGMENT};
    void *address;
    int fd;
    message.number = span.segment;
    message.bytes = (span.length + NOODLE_PAGE - 1) / NOODLE_PAGE * NOODLE_PAGE;
    if (noodle_segment_make(message.bytes, &fd, &address) != NOODLE_OK)
        abort();
    memcpy(address, writer->buffer, span.length);
    noodle_segment_unmap(&message, address);
    if (noodle_send_segment(NOODLE_FD_SOCKET, &message, fd) != NOODLE_OK)
        abort();
    close(fd);
    record->length = sizeof span;
    record->flags |= NOODLE_IN_SEGMENT;
    noodle_channel_send(channel, record, &span);
}

void
echo_send(noodle_channel *channel, noodle_record record, const wire_writer *writer)
{
    noodle_status status;
    if (writer->status != WIRE_OK)
        abort();
    record.length = (uint32_t)writer->length;
    while ((status = noodle_channel_send(channel, &record, writer->buffer)) == NOODLE_FULL)
        usleep(50);
    if (status == NOODLE_TOO_LARGE)
        send_large(channel, &record, writer);
}

void
echo_begin(wire_writer *writer, void *buffer, size_t bytes)
{
    wire_writer_init(writer, buffer, bytes, wire_default_limits());
}

void
echo_reply(const request *to, const wire_writer *writer)
{
    const noodle_record record = {.kind = NOODLE_KIND_REPLY,
                                  .call_id = to->record.call_id,
                                  .chain_id = to->record.chain_id};
    echo_send(to->channel, record, writer);
}

void
echo_reply_error(const request *to, const char *type, const char *text)
{
    unsigned char buffer[512];
    wire_writer writer;
    size_t start;
    const noodle_record record = {.kind = NOODLE_KIND_ERROR,
                                  .call_id = to->record.call_id,
                                  .chain_id = to->record.chain_id};
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_extension(&writer, WIRE_ERROR, &start);
    wire_enter_list(&writer, 6);
    wire_write_text(&writer, "test", 4);
    wire_write_text(&writer, type, strlen(type));
    wire_write_text(&writer, text, strlen(text));
    wire_enter_list(&writer, 1);
    wire_enter_list(&writer, 4);
    wire_write_text(&writer, "echo_worker.c", 13);
    wire_write_int(&writer, 7);
    wire_write_nil(&writer);
    wire_write_text(&writer, "fail", 4);
    wire_leave(&writer);
    wire_leave(&writer);
    wire_write_nil(&writer);
    wire_enter_map(&writer, 0);
    wire_leave(&writer);
    wire_leave(&writer);
    wire_leave_extension(&writer, start);
    echo_send(to->channel, record, &writer);
}

static void
write_reference(wire_writer *writer, uint8_t kind, uint64_t id, uint32_t sent, const char *name)
{
    const wire_reference reference = {.owner = WIRE_OWNER_WORKER,
                                      .kind = kind,
                                      .sent = sent,
                                      .id = id,
                                      .incarnation = incarnation,
                                      .name = name,
                                      .name_length = strlen(name)};
    wire_write_reference(writer, &reference);
}

void
echo_reply_reference(const request *to, uint8_t kind, uint64_t id, uint32_t sent, const char *name)
{
    unsigned char buffer[512];
    wire_writer writer;
    echo_begin(&writer, buffer, sizeof buffer);
    write_reference(&writer, kind, id, sent, name);
    echo_reply(to, &writer);
}

void
echo_reply_number(const request *to, int64_t number)
{
    unsigned char buffer[16];
    wire_writer writer;
    echo_begin(&writer, buffer, sizeof buffer);
    wire_write_int(&writer, number);
    echo_reply(to, &writer);
}

void
echo_reply_nil(const request *to)
{
    unsigned char buffer[16];
    wire_writer writer;
    echo_begin(&writer, buffer, sizeof buffer);
    wire_write_nil(&writer);
    echo_reply(to, &writer);
}

/* ---------------------------------------------------------------------------------- Arguments */

double
echo_number(request *of)
{
    wire_token token;
    if (of->count == 0 || wire_read(&of->arguments, &token) != WIRE_OK)
        return 0;
    of->count--;
    return token.kind == WIRE_FLOAT ? token.number
           : token.kind == WIRE_INT ? (double)token.integer
                                    : 0;
}

void
echo_text(request *of, char *to, size_t bytes)
{
    wire_token token;
    to[0] = '\0';
    if (of->count == 0 || wire_read(&of->arguments, &token) != WIRE_OK || token.kind != WIRE_TEXT)
        return;
    of->count--;
    snprintf(to, bytes, "%.*s", (int)token.length, (const char *)token.bytes);
}

bool
echo_reference(request *of, wire_reference *to)
{
    wire_token token;
    if (of->count == 0 || wire_read(&of->arguments, &token) != WIRE_OK
        || token.kind != WIRE_EXTENSION || token.type != WIRE_REFERENCE)
        return false;
    of->count--;
    return wire_reference_read(token.bytes, token.length, to) == WIRE_OK;
}

bool
echo_array(request *of, wire_array *to)
{
    wire_token token;
    if (of->count == 0 || wire_read(&of->arguments, &token) != WIRE_OK
        || token.kind != WIRE_EXTENSION || token.type != WIRE_ARRAY)
        return false;
    of->count--;
    return wire_array_read(token.bytes, token.length, UINT64_MAX, to) == WIRE_OK
           && (to->placement == WIRE_INLINE
               || wire_array_check(to, UINT64_MAX / 2, UINT64_MAX) == WIRE_OK);
}
