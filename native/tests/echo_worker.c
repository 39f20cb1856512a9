/* A small worker for tests of the host: it speaks the protocol and does as it is told.
 *
 * IMPORT gives a module with the functions of the table below, by GET.  It runs one request at a time,
 * except that a request which waits for a callback serves others of the same channel meanwhile. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "noodle/arena.h"
#include "noodle/channel.h"
#include "noodle/protocol.h"
#include "noodle/wire.h"

#define MODULE 1
#define FIRST_FUNCTION 100
#define FIRST_OBJECT 1000
#define MOST_SEGMENTS 256
#define MOST_DEFERRED 20000
#define MESSAGE (16u << 20)

typedef struct request {
    noodle_channel *channel;
    noodle_record record;
    int64_t operation;
    uint64_t id;
    wire_reader arguments;
    uint32_t count;
} request;

typedef struct deferred {
    noodle_channel *channel;
    noodle_record record;
    double value;
} deferred;

static noodle_worker worker;
static uint64_t events;               /* channels whose event has come */
static uint64_t incarnation;
static struct {
    noodle_message message;
    void *address;
} segments[MOST_SEGMENTS];
static uint32_t segment_count;
static deferred waiting[MOST_DEFERRED];
static uint32_t waiting_count;
static uint64_t next_callback, next_object = FIRST_OBJECT, next_segment = NOODLE_OWN_SEGMENT;
static int64_t cancels, releases;
static wire_reference kept;           /* a function of the host, for `fire` */

/* ------------------------------------------------------------------------------------ Sending */

static void
receive(bool wait)
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

static void *
address_of(uint64_t number)
{
    receive(false);
    for (uint32_t i = segment_count; i-- > 0;)
        if (segments[i].message.number == number)
            return segments[i].address;
    abort();
}

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

static void
send_message(noodle_channel *channel, noodle_record record, const wire_writer *writer)
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

static void
begin(wire_writer *writer, void *buffer, size_t bytes)
{
    wire_writer_init(writer, buffer, bytes, wire_default_limits());
}

static void
reply(const request *to, const wire_writer *writer)
{
    const noodle_record record = {.kind = NOODLE_KIND_REPLY,
                                  .call_id = to->record.call_id,
                                  .chain_id = to->record.chain_id};
    send_message(to->channel, record, writer);
}

static void
reply_error(const request *to, const char *type, const char *text)
{
    unsigned char buffer[512];
    wire_writer writer;
    size_t start;
    const noodle_record record = {.kind = NOODLE_KIND_ERROR,
                                  .call_id = to->record.call_id,
                                  .chain_id = to->record.chain_id};
    begin(&writer, buffer, sizeof buffer);
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
    send_message(to->channel, record, &writer);
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

static void
reply_reference(const request *to, uint8_t kind, uint64_t id, uint32_t sent, const char *name)
{
    unsigned char buffer[512];
    wire_writer writer;
    begin(&writer, buffer, sizeof buffer);
    write_reference(&writer, kind, id, sent, name);
    reply(to, &writer);
}

static void
reply_number(const request *to, int64_t number)
{
    unsigned char buffer[16];
    wire_writer writer;
    begin(&writer, buffer, sizeof buffer);
    wire_write_int(&writer, number);
    reply(to, &writer);
}

static void
reply_nil(const request *to)
{
    unsigned char buffer[16];
    wire_writer writer;
    begin(&writer, buffer, sizeof buffer);
    wire_write_nil(&writer);
    reply(to, &writer);
}

/* ---------------------------------------------------------------------------------- Arguments */

static double
number(request *of)
{
    wire_token token;
    if (of->count == 0 || wire_read(&of->arguments, &token) != WIRE_OK)
        return 0;
    of->count--;
    return token.kind == WIRE_FLOAT ? token.number
           : token.kind == WIRE_INT ? (double)token.integer
                                    : 0;
}

static void
text(request *of, char *to, size_t bytes)
{
    wire_token token;
    to[0] = '\0';
    if (of->count == 0 || wire_read(&of->arguments, &token) != WIRE_OK || token.kind != WIRE_TEXT)
        return;
    of->count--;
    snprintf(to, bytes, "%.*s", (int)token.length, (const char *)token.bytes);
}

static bool
reference(request *of, wire_reference *to)
{
    wire_token token;
    if (of->count == 0 || wire_read(&of->arguments, &token) != WIRE_OK
        || token.kind != WIRE_EXTENSION || token.type != WIRE_REFERENCE)
        return false;
    of->count--;
    return wire_reference_read(token.bytes, token.length, to) == WIRE_OK;
}

static bool
array(request *of, wire_array *to)
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

static void
return_loan(noodle_channel *channel, uint64_t segment)
{
    unsigned char buffer[64];
    wire_writer writer;
    const noodle_record record = {.kind = NOODLE_KIND_CONTROL};
    begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_SUBJECT_RETURNED);
    wire_enter_list(&writer, 2);
    wire_write_uint(&writer, segment);
    wire_write_int(&writer, 1);
    send_message(channel, record, &writer);
}

/* ---------------------------------------------------------------------------------- Callbacks */

static void handle(noodle_channel *channel, const noodle_record *record, unsigned char *payload);

/* Calls back and waits for the answer, serving the channel; returns a copy of the answer. */
static unsigned char *
call_host(noodle_channel *channel, uint64_t chain, const wire_writer *writer, noodle_record *answer)
{
    const noodle_record record = {
        .kind = NOODLE_KIND_CALLBACK,
        .flags = NOODLE_BLOCKING,
        .call_id = ++next_callback,
        .chain_id = chain};
    const uint64_t own = record.call_id;
    send_message(channel, record, writer);
    for (;;) {
        unsigned char *payload = malloc(worker.ring_bytes);
        while (noodle_channel_take(channel, answer, payload, worker.ring_bytes) != NOODLE_OK)
            noodle_worker_wait(&worker, 0, 1000000);
        if ((answer->kind == NOODLE_KIND_REPLY || answer->kind == NOODLE_KIND_ERROR)
            && answer->call_id == own)
            return payload;
        handle(channel, answer, payload);
        free(payload);
    }
}

static void
relay(const request *to, const noodle_record *answer, unsigned char *payload)
{
    noodle_record record = *answer;
    record.call_id = to->record.call_id;
    if (noodle_channel_send(to->channel, &record, payload) != NOODLE_OK)
        abort();
    free(payload);
}

static void
do_call(request *of)
{
    unsigned char *buffer = malloc(MESSAGE);
    wire_reference function;
    noodle_record answer;
    wire_writer writer;
    if (!reference(of, &function)) {
        free(buffer);
        reply_error(of, "TypeError", "a function was expected");
        return;
    }
    begin(&writer, buffer, MESSAGE);
    wire_enter_list(&writer, of->count + 2);
    wire_write_int(&writer, NOODLE_OP_CALL);
    wire_write_uint(&writer, function.id);
    wire_write_encoded(&writer, of->arguments.next, (size_t)(of->arguments.end - of->arguments.next));
    unsigned char *payload = call_host(of->channel, of->record.chain_id, &writer, &answer);
    free(buffer);
    relay(of, &answer, payload);
}

static void
do_fire(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    noodle_record record = {
        .kind = NOODLE_KIND_CALLBACK, .call_id = ++next_callback, .chain_id = next_callback | 1u << 31};
    begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_OP_CALL);
    wire_write_uint(&writer, kept.id);
    send_message(&worker.channels[0], record, &writer);
    reply_nil(of);
}

static void
do_release_kept(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    const noodle_record record = {.kind = NOODLE_KIND_RELEASE};
    begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 1);
    wire_enter_list(&writer, 2);
    wire_write_uint(&writer, kept.id);
    wire_write_uint(&writer, kept.sent);
    send_message(of->channel, record, &writer);
    kept = (wire_reference){0};
    reply_nil(of);
}

/* ---------------------------------------------------------------------------------- Functions */

static void
do_add(request *of)
{
    unsigned char buffer[16];
    wire_writer writer;
    const double left = number(of), right = number(of);
    begin(&writer, buffer, sizeof buffer);
    wire_write_float(&writer, left + right);
    reply(of, &writer);
}

static void
do_echo(request *of)
{
    const size_t bytes = (size_t)(of->arguments.end - of->arguments.next);
    wire_writer writer;
    begin(&writer, (void *)(uintptr_t)of->arguments.next, bytes);
    writer.length = bytes;
    reply(of, &writer);
}

static void
do_fail(request *of)
{
    char type[64], message[256];
    text(of, type, sizeof type);
    text(of, message, sizeof message);
    reply_error(of, type, message);
}

static void
do_crash(request *of)
{
    (void)of;
    fputs("about to crash\n", stderr);
    raise(SIGSEGV);
}

static void
do_exit(request *of)
{
    _exit((int)number(of));
}

static void
do_stop(request *of)
{
    (void)of;
    raise(SIGSTOP);
    reply_nil(of);
}

static void
do_sleep(request *of)
{
    usleep((unsigned)(number(of) * 1e6));
    reply_nil(of);
}

static void
do_print(request *of)
{
    char line[256];
    text(of, line, sizeof line);
    puts(line);
    fflush(stdout);
    reply_nil(of);
}

static void
do_keep(request *of)
{
    wire_reference given;
    if (reference(of, &given)) {
        given.sent += given.id == kept.id ? kept.sent : 0;
        kept = given;
    }
    reply_nil(of);
}

static void
do_object(request *of)
{
    reply_reference(of, WIRE_KIND_OBJECT, next_object++, 1, "Thing");
}

static void
do_garbage(request *of)
{
    noodle_ring_writer *const out = &of->channel->out;
    memset(out->data, 0xff, worker.ring_bytes);
    atomic_store(&out->head->position, out->position + 4096);
    noodle_channel_notify(of->channel);
}

static void
do_wrong_id(request *of)
{
    of->record.call_id += 1000000;
    reply_nil(of);
}

static void
do_bad_payload(request *of)
{
    static const unsigned char bad[] = {0xc1};
    wire_writer writer;
    begin(&writer, (void *)(uintptr_t)bad, sizeof bad);
    writer.length = sizeof bad;
    reply(of, &writer);
}

static void
do_bytes(request *of)
{
    const size_t count = (size_t)number(of);
    unsigned char *buffer = malloc(count + 16), *content = calloc(1, count);
    wire_writer writer;
    begin(&writer, buffer, count + 16);
    wire_write_binary(&writer, content, count);
    reply(of, &writer);
    free(content);
    free(buffer);
}

static void
do_fill(request *of)
{
    wire_array into;
    if (!array(of, &into) || into.placement != WIRE_SEGMENT) {
        reply_error(of, "TypeError", "an array in a segment was expected");
        return;
    }
    double *const items = (double *)((char *)address_of(into.segment) + into.offset);
    const double value = number(of);
    for (uint64_t i = 0; i < into.elements; i++)
        items[i] = value;
    return_loan(of->channel, into.segment);
    reply_nil(of);
}

static void
do_pass(request *of)
{
    wire_array given;
    if (!array(of, &given) || given.placement != WIRE_SEGMENT) {
        reply_error(of, "TypeError", "an array in a segment was expected");
        return;
    }
    unsigned char buffer[1024];
    wire_writer writer;
    begin(&writer, buffer, sizeof buffer);
    wire_write_array(&writer, &given, NULL);
    reply(of, &writer);
    return_loan(of->channel, given.segment);
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
    begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 3);
    wire_write_int(&writer, NOODLE_OP_SEGMENT);
    wire_write_int(&writer, 0);
    wire_write_uint(&writer, bytes);
    unsigned char *payload = call_host(of->channel, of->record.chain_id, &writer, &answer);
    wire_reader_init(&reader, payload, answer.length, wire_default_limits(), false);
    if (answer.kind != NOODLE_KIND_REPLY || wire_read(&reader, &token) != WIRE_OK) {
        relay(of, &answer, payload);
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
    begin(&writer, buffer, sizeof buffer);
    wire_write_array(&writer, made, NULL);
    reply(of, &writer);
}

/* A new array in memory of the host. */
static void
do_make(request *of)
{
    const uint64_t count = (uint64_t)number(of);
    wire_array made = {.placement = WIRE_SEGMENT,
                       .dtype = WIRE_DTYPE_F64,
                       .dimensions = 1,
                       .item_size = sizeof(double)};
    if (!borrow(of, count * sizeof(double), &made.segment))
        return;
    made.shape[0] = (int64_t)count;
    wire_array_set_c_order(&made);
    double *const items = address_of(made.segment);
    for (uint64_t i = 0; i < count; i++)
        items[i] = (double)i;
    reply_array(of, &made);
    return_loan(of->channel, made.segment);
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
static void
do_claim(request *of)
{
    const bool own = number(of) != 0;
    const uint64_t bytes = (uint64_t)number(of);
    const int fill = (int)number(of);
    wire_array made = {.placement = WIRE_SEGMENT};
    made.dtype = (uint8_t)number(of);
    made.item_size = (uint32_t)number(of);
    made.flags = (uint8_t)number(of);
    made.offset = (uint64_t)number(of);
    made.dimensions = (uint8_t)number(of);
    for (int i = 0; i < made.dimensions; i++)
        made.shape[i] = (int64_t)number(of);
    for (int i = 0; i < made.dimensions; i++)
        made.strides[i] = (int64_t)number(of);
    if (own)
        made.segment = give_segment(bytes, fill);
    else if (!borrow(of, bytes, &made.segment))
        return;
    if (!own && fill != 0)
        memset(address_of(made.segment), fill, bytes);
    reply_array(of, &made);
    if (!own)
        return_loan(of->channel, made.segment);
}

/* Keeps a function of the host, calls another one, and is answered by `hand_back`. */
static void
do_hand_over(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    wire_reference other;
    const noodle_record record = {.kind = NOODLE_KIND_CALLBACK,
                                  .call_id = ++next_callback,
                                  .chain_id = of->record.chain_id};
    if (!reference(of, &kept) || !reference(of, &other))
        abort();
    waiting[waiting_count++] = (deferred){of->channel, of->record, 0};
    begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_OP_CALL);
    wire_write_uint(&writer, other.id);
    send_message(of->channel, record, &writer);
}

/* Answers `hand_over` with the function that was kept, and lets go of it. */
static void
do_hand_back(request *of)
{
    unsigned char buffer[128];
    wire_writer writer;
    const deferred *const due = &waiting[--waiting_count];
    const request to = {.channel = due->channel, .record = due->record};
    begin(&writer, buffer, sizeof buffer);
    wire_write_reference(&writer, &kept);
    reply(&to, &writer);
    do_release_kept(of);
}

static void
do_later(request *of)
{
    if (waiting_count == MOST_DEFERRED)
        abort();
    waiting[waiting_count++] = (deferred){of->channel, of->record, number(of)};
}

/* Answers what `later` was asked, the last one first. */
static void
do_settle(request *of)
{
    reply_number(of, waiting_count);
    while (waiting_count > 0) {
        const deferred *const due = &waiting[--waiting_count];
        request to = {.channel = due->channel, .record = due->record};
        unsigned char buffer[16];
        wire_writer writer;
        begin(&writer, buffer, sizeof buffer);
        wire_write_float(&writer, due->value);
        reply(&to, &writer);
    }
}

static void
do_uncaught(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    const noodle_record record = {.kind = NOODLE_KIND_CONTROL};
    begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_SUBJECT_UNCAUGHT);
    wire_write_text(&writer, "nobody waited", 13);
    send_message(of->channel, record, &writer);
    reply_nil(of);
}

static void
do_cancels(request *of)
{
    reply_number(of, cancels);
}

static void
do_releases(request *of)
{
    reply_number(of, releases);
}

static const struct {
    const char *name;
    void (*run)(request *of);
} functions[] = {
    {"add", do_add},           {"echo", do_echo},       {"fail", do_fail},
    {"crash", do_crash},       {"exit", do_exit},       {"stop", do_stop},
    {"sleep", do_sleep},       {"print", do_print},     {"call", do_call},
    {"keep", do_keep},         {"fire", do_fire},       {"release", do_release_kept},
    {"object", do_object},     {"garbage", do_garbage}, {"wrong_id", do_wrong_id},
    {"bad", do_bad_payload},   {"bytes", do_bytes},     {"fill", do_fill},
    {"pass_on", do_pass},      {"make", do_make},       {"later", do_later},
    {"settle", do_settle},     {"uncaught", do_uncaught}, {"cancels", do_cancels},
    {"releases", do_releases}, {"claim", do_claim},     {"hand_over", do_hand_over},
    {"hand_back", do_hand_back},
};
#define FUNCTIONS (sizeof functions / sizeof functions[0])

/* ------------------------------------------------------------------------------------ Serving */

static void
get(request *of)
{
    char name[64];
    text(of, name, sizeof name);
    for (size_t i = 0; i < FUNCTIONS; i++)
        if (of->id == MODULE && strcmp(functions[i].name, name) == 0) {
            reply_reference(of, WIRE_KIND_FUNCTION, FIRST_FUNCTION + i, 1, name);
            return;
        }
    reply_error(of, "AttributeError", name);
}

static void
perform(request *of)
{
    if (of->operation == NOODLE_OP_IMPORT)
        reply_reference(of, WIRE_KIND_MODULE, MODULE, 1, "echo");
    else if (of->operation == NOODLE_OP_GET)
        get(of);
    else if (of->operation == NOODLE_OP_TEXT)
        reply_error(of, "Error", "no text");
    else if (of->operation == NOODLE_OP_CALL && of->id >= FIRST_FUNCTION
             && of->id < FIRST_FUNCTION + FUNCTIONS)
        functions[of->id - FIRST_FUNCTION].run(of);
    else
        reply_error(of, "NotImplementedError", "no such operation");
}

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
    perform(&of);
}

static void
handle_spanned(noodle_channel *channel, const noodle_record *record, const unsigned char *payload)
{
    noodle_span span;
    memcpy(&span, payload, sizeof span);
    unsigned char *copy = malloc(span.length);
    memcpy(copy, (unsigned char *)address_of(span.segment) + span.offset, span.length);
    return_loan(channel, span.segment);
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

static void
handle(noodle_channel *channel, const noodle_record *record, unsigned char *payload)
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
            receive(true);
        const noodle_status taken = noodle_channel_take(channel, &record, small, sizeof small);
        if (taken == NOODLE_OK) {
            handle(channel, &record, small);
        } else if (taken == NOODLE_TOO_SMALL) {
            unsigned char *payload = malloc(worker.ring_bytes);
            if (noodle_channel_take(channel, &record, payload, worker.ring_bytes) == NOODLE_OK)
                handle(channel, &record, payload);
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
    begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 7);
    wire_write_int(&writer, NOODLE_SUBJECT_READY);
    wire_write_int(&writer, wrong != NULL ? atoi(wrong) : NOODLE_PROTOCOL_VERSION);
    wire_write_int(&writer, WIRE_VERSION);
    wire_write_int(&writer, NOODLE_CHANNEL_ABI);
    wire_write_text(&writer, "echo", 4);
    wire_write_text(&writer, "1.0", 3);
    wire_write_uint(&writer, incarnation);
    send_message(&worker.channels[0], record, &writer);
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
        receive(true);
    send_ready();
    for (;;)
        serve();
}
