/* The echo worker's callbacks, and calls that it answers later. */
#define _GNU_SOURCE
#include "echo_worker.h"

#include <stdlib.h>

#define MOST_DEFERRED 20000
#define MESSAGE (16u << 20)

typedef struct deferred {
    noodle_channel *channel;
    noodle_record record;
    double value;
} deferred;

static deferred waiting[MOST_DEFERRED];
static uint32_t waiting_count;
static uint64_t next_callback;
static wire_reference kept;           /* a function of the host, for `fire` */

/* ---------------------------------------------------------------------------------- Callbacks */

/* Calls back and waits for the answer, serving the channel; returns a copy of the answer. */
unsigned char *
echo_call_host(noodle_channel *channel, uint64_t chain, const wire_writer *writer, noodle_record *answer)
{
    const noodle_record record = {
        .kind = NOODLE_KIND_CALLBACK,
        .flags = NOODLE_BLOCKING,
        .call_id = ++next_callback,
        .chain_id = chain};
    const uint64_t own = record.call_id;
    echo_send(channel, record, writer);
    for (;;) {
        unsigned char *payload = malloc(worker.ring_bytes);
        while (noodle_channel_take(channel, answer, payload, worker.ring_bytes) != NOODLE_OK)
            noodle_worker_wait(&worker, 0, 1000000);
        if ((answer->kind == NOODLE_KIND_REPLY || answer->kind == NOODLE_KIND_ERROR)
            && answer->call_id == own)
            return payload;
        echo_handle(channel, answer, payload);
        free(payload);
    }
}

void
echo_relay(const request *to, const noodle_record *answer, unsigned char *payload)
{
    noodle_record record = *answer;
    record.call_id = to->record.call_id;
    if (noodle_channel_send(to->channel, &record, payload) != NOODLE_OK)
        abort();
    free(payload);
}

void
echo_do_call(request *of)
{
    unsigned char *buffer = malloc(MESSAGE);
    wire_reference function;
    noodle_record answer;
    wire_writer writer;
    if (!echo_reference(of, &function)) {
        free(buffer);
        echo_reply_error(of, "TypeError", "a function was expected");
        return;
    }
    echo_begin(&writer, buffer, MESSAGE);
    wire_enter_list(&writer, of->count + 2);
    wire_write_int(&writer, NOODLE_OP_CALL);
    wire_write_uint(&writer, function.id);
    wire_write_encoded(&writer, of->arguments.next, (size_t)(of->arguments.end - of->arguments.next));
    unsigned char *payload = echo_call_host(of->channel, of->record.chain_id, &writer, &answer);
    free(buffer);
    echo_relay(of, &answer, payload);
}

void
echo_do_keep(request *of)
{
    wire_reference given;
    if (echo_reference(of, &given)) {
        given.sent += given.id == kept.id ? kept.sent : 0;
        kept = given;
    }
    echo_reply_nil(of);
}

void
echo_do_fire(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    noodle_record record = {
        .kind = NOODLE_KIND_CALLBACK, .call_id = ++next_callback, .chain_id = next_callback | 1u << 31};
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_OP_CALL);
    wire_write_uint(&writer, kept.id);
    echo_send(&worker.channels[0], record, &writer);
    echo_reply_nil(of);
}

void
echo_do_release_kept(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    const noodle_record record = {.kind = NOODLE_KIND_RELEASE};
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 1);
    wire_enter_list(&writer, 2);
    wire_write_uint(&writer, kept.id);
    wire_write_uint(&writer, kept.sent);
    echo_send(of->channel, record, &writer);
    kept = (wire_reference){0};
    echo_reply_nil(of);
}

/* ------------------------------------------------------------------------------- Late answers */

/* Keeps a function of the host, calls another one, and is answered by `hand_back`. */
void
echo_do_hand_over(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    wire_reference other;
    const noodle_record record = {.kind = NOODLE_KIND_CALLBACK,
                                  .call_id = ++next_callback,
                                  .chain_id = of->record.chain_id};
    if (!echo_reference(of, &kept) || !echo_reference(of, &other))
        abort();
    waiting[waiting_count++] = (deferred){of->channel, of->record, 0};
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_OP_CALL);
    wire_write_uint(&writer, other.id);
    echo_send(of->channel, record, &writer);
}

/* Answers `hand_over` with the function that was kept, and lets go of it. */
void
echo_do_hand_back(request *of)
{
    unsigned char buffer[128];
    wire_writer writer;
    const deferred *const due = &waiting[--waiting_count];
    const request to = {.channel = due->channel, .record = due->record};
    echo_begin(&writer, buffer, sizeof buffer);
    wire_write_reference(&writer, &kept);
    echo_reply(&to, &writer);
    echo_do_release_kept(of);
}

void
echo_do_later(request *of)
{
    if (waiting_count == MOST_DEFERRED)
        abort();
    waiting[waiting_count++] = (deferred){of->channel, of->record, echo_number(of)};
}

/* Answers what `later` was asked, the last one first. */
void
echo_do_settle(request *of)
{
    echo_reply_number(of, waiting_count);
    while (waiting_count > 0) {
        const deferred *const due = &waiting[--waiting_count];
        request to = {.channel = due->channel, .record = due->record};
        unsigned char buffer[16];
        wire_writer writer;
        echo_begin(&writer, buffer, sizeof buffer);
        wire_write_float(&writer, due->value);
        echo_reply(&to, &writer);
    }
}
