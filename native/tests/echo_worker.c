/* A small worker for tests of the host: it speaks the protocol and does as it is told.
 *
 * IMPORT gives a module with the functions of the table in echo_functions.c, by GET.  It runs one request at
 * a time, except that a request which waits for a callback serves others of the same channel meanwhile. */
#define _GNU_SOURCE
#include "echo_worker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

noodle_worker worker;
uint64_t events;
uint64_t incarnation;
int64_t cancels, releases;

/* ------------------------------------------------------------------------------------ Records */

static void
handle_request(noodle_channel *channel, const noodle_record *record, unsigned char *payload,
               size_t length)
{
    request of = {.channel = channel, .record = *record};
    wire_token list, operation, id;
    wire_reader_init(&of.arguments, payload, length, wire_default_limits(), false);
    if (wire_read(&of.arguments, &list) != WIRE_OK || wire_descend(&of.arguments) != WIRE_OK
        || wire_read(&of.arguments, &operation) != WIRE_OK
        || wire_read(&of.arguments, &id) != WIRE_OK)
        abort();
    of.operation = operation.integer;
    of.id = (uint64_t)id.integer;
    of.count = list.count - 2;
    echo_perform(&of);
}

static void
handle_spanned(noodle_channel *channel, const noodle_record *record, const unsigned char *payload)
{
    noodle_span span;
    memcpy(&span, payload, sizeof span);
    unsigned char *copy = malloc(span.length);
    memcpy(copy, (unsigned char *)echo_address_of(span.segment) + span.offset, span.length);
    echo_return_loan(channel, span.segment);
    handle_request(channel, record, copy, span.length);
    free(copy);
}

static void
count_releases(const noodle_record *record, unsigned char *payload)
{
    wire_reader reader;
    wire_token list;
    wire_reader_init(&reader, payload, record->length, wire_default_limits(), false);
    if (wire_read(&reader, &list) == WIRE_OK && list.kind == WIRE_LIST)
        releases += list.count;
}

void
echo_handle(noodle_channel *channel, const noodle_record *record, unsigned char *payload)
{
    if (record->kind == NOODLE_KIND_CALL && record->flags & NOODLE_IN_SEGMENT)
        handle_spanned(channel, record, payload);
    else if (record->kind == NOODLE_KIND_CALL)
        handle_request(channel, record, payload, record->length);
    else if (record->kind == NOODLE_KIND_CANCEL)
        cancels++;
    else if (record->kind == NOODLE_KIND_RELEASE)
        count_releases(record, payload);
    else if (record->kind == NOODLE_KIND_CONTROL && record->length == 2
             && payload[1] == NOODLE_SUBJECT_STOP)
        exit(0);
}

/* ------------------------------------------------------------------------------------ Serving */

static void
serve(void)
{
    unsigned char small[512];
    noodle_record record;
    noodle_channel *channel;
    const noodle_status status = noodle_worker_wait(&worker, 0, 0);
    if (status == NOODLE_PEER_DEAD)
        exit(0);
    noodle_worker_progress(&worker);
    while ((channel = noodle_worker_next(&worker)) != NULL) {
        while (!(events & (UINT64_C(1) << channel->index)))
            echo_receive(true);
        const noodle_status taken = noodle_channel_take(channel, &record, small, sizeof small);
        if (taken == NOODLE_OK) {
            echo_handle(channel, &record, small);
        } else if (taken == NOODLE_TOO_SMALL) {
            unsigned char *payload = malloc(worker.ring_bytes);
            if (noodle_channel_take(channel, &record, payload, worker.ring_bytes) == NOODLE_OK)
                echo_handle(channel, &record, payload);
            free(payload);
        } else {
            return;
        }
    }
}

static void
send_ready(void)
{
    const char *wrong = getenv("ECHO_PROTOCOL");
    const char *silent = getenv("ECHO_SILENT");
    unsigned char buffer[128];
    wire_writer writer;
    const noodle_record record = {.kind = NOODLE_KIND_CONTROL};
    if (silent != NULL)
        return;
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 7);
    wire_write_int(&writer, NOODLE_SUBJECT_READY);
    wire_write_int(&writer, wrong != NULL ? atoi(wrong) : NOODLE_PROTOCOL_VERSION);
    wire_write_int(&writer, WIRE_VERSION);
    wire_write_int(&writer, NOODLE_CHANNEL_ABI);
    wire_write_text(&writer, "echo", 4);
    wire_write_text(&writer, "1.0", 3);
    wire_write_uint(&writer, incarnation);
    echo_send(&worker.channels[0], record, &writer);
}

int
main(void)
{
    incarnation = noodle_now() ^ (uint64_t)getpid() << 40;
    incarnation &= (UINT64_C(1) << 53) - 1;
    if (noodle_worker_attach(&worker, NOODLE_FD_CONTROL, NOODLE_FD_EVENT, NOODLE_FD_LIFELINE)
        != NOODLE_OK)
        return 3;
    worker.pace.spin_ns = NOODLE_SPIN_DEFAULT_NS;
    noodle_worker_watch(&worker, 50);
    while (!(events & 1))
        echo_receive(true);
    send_ready();
    for (;;)
        serve();
}
