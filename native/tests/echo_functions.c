/* The echo worker's functions, and how a request finds one. */
#define _GNU_SOURCE
#include "echo_worker.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MODULE 1
#define FIRST_FUNCTION 100
#define FIRST_OBJECT 1000

static uint64_t next_object = FIRST_OBJECT;

/* ---------------------------------------------------------------------------------- Functions */

static void
do_add(request *of)
{
    unsigned char buffer[16];
    wire_writer writer;
    const double left = echo_number(of), right = echo_number(of);
    echo_begin(&writer, buffer, sizeof buffer);
    wire_write_float(&writer, left + right);
    echo_reply(of, &writer);
}

static void
do_echo(request *of)
{
    const size_t bytes = (size_t)(of->arguments.end - of->arguments.next);
    wire_writer writer;
    echo_begin(&writer, (void *)(uintptr_t)of->arguments.next, bytes);
    writer.length = bytes;
    echo_reply(of, &writer);
}

static void
do_fail(request *of)
{
    char type[64], message[256];
    echo_text(of, type, sizeof type);
    echo_text(of, message, sizeof message);
    echo_reply_error(of, type, message);
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
    _exit((int)echo_number(of));
}

static void
do_stop(request *of)
{
    (void)of;
    raise(SIGSTOP);
    echo_reply_nil(of);
}

static void
do_sleep(request *of)
{
    usleep((unsigned)(echo_number(of) * 1e6));
    echo_reply_nil(of);
}

static void
do_print(request *of)
{
    char line[256];
    echo_text(of, line, sizeof line);
    puts(line);
    fflush(stdout);
    echo_reply_nil(of);
}

static void
do_object(request *of)
{
    echo_reply_reference(of, WIRE_KIND_OBJECT, next_object++, 1, "Thing");
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
    echo_reply_nil(of);
}

static void
do_bad_payload(request *of)
{
    static const unsigned char bad[] = {0xc1};
    wire_writer writer;
    echo_begin(&writer, (void *)(uintptr_t)bad, sizeof bad);
    writer.length = sizeof bad;
    echo_reply(of, &writer);
}

static void
do_bytes(request *of)
{
    const size_t count = (size_t)echo_number(of);
    unsigned char *buffer = malloc(count + 16), *content = calloc(1, count);
    wire_writer writer;
    echo_begin(&writer, buffer, count + 16);
    wire_write_binary(&writer, content, count);
    echo_reply(of, &writer);
    free(content);
    free(buffer);
}

static void
do_uncaught(request *of)
{
    unsigned char buffer[64];
    wire_writer writer;
    const noodle_record record = {.kind = NOODLE_KIND_CONTROL};
    echo_begin(&writer, buffer, sizeof buffer);
    wire_enter_list(&writer, 2);
    wire_write_int(&writer, NOODLE_SUBJECT_UNCAUGHT);
    wire_write_text(&writer, "nobody waited", 13);
    echo_send(of->channel, record, &writer);
    echo_reply_nil(of);
}

static void
do_cancels(request *of)
{
    echo_reply_number(of, cancels);
}

static void
do_releases(request *of)
{
    echo_reply_number(of, releases);
}

static const struct {
    const char *name;
    void (*run)(request *of);
} functions[] = {
    {"add", do_add},           {"echo", do_echo},       {"fail", do_fail},
    {"crash", do_crash},       {"exit", do_exit},       {"stop", do_stop},
    {"sleep", do_sleep},       {"print", do_print},     {"call", echo_do_call},
    {"keep", echo_do_keep},         {"fire", echo_do_fire},       {"release", echo_do_release_kept},
    {"object", do_object},     {"garbage", do_garbage}, {"wrong_id", do_wrong_id},
    {"bad", do_bad_payload},   {"bytes", do_bytes},     {"fill", echo_do_fill},
    {"pass_on", echo_do_pass},      {"make", echo_do_make},       {"later", echo_do_later},
    {"settle", echo_do_settle},     {"uncaught", do_uncaught}, {"cancels", do_cancels},
    {"releases", do_releases}, {"claim", echo_do_claim},     {"hand_over", echo_do_hand_over},
    {"hand_back", echo_do_hand_back},
};
#define FUNCTIONS (sizeof functions / sizeof functions[0])

/* ----------------------------------------------------------------------------------- Requests */

static void
get(request *of)
{
    char name[64];
    echo_text(of, name, sizeof name);
    for (size_t i = 0; i < FUNCTIONS; i++)
        if (of->id == MODULE && strcmp(functions[i].name, name) == 0) {
            echo_reply_reference(of, WIRE_KIND_FUNCTION, FIRST_FUNCTION + i, 1, name);
            return;
        }
    echo_reply_error(of, "AttributeError", name);
}

void
echo_perform(request *of)
{
    if (of->operation == NOODLE_OP_IMPORT)
        echo_reply_reference(of, WIRE_KIND_MODULE, MODULE, 1, "echo");
    else if (of->operation == NOODLE_OP_GET)
        get(of);
    else if (of->operation == NOODLE_OP_TEXT)
        echo_reply_error(of, "Error", "no text");
    else if (of->operation == NOODLE_OP_CALL && of->id >= FIRST_FUNCTION
             && of->id < FIRST_FUNCTION + FUNCTIONS)
        functions[of->id - FIRST_FUNCTION].run(of);
    else
        echo_reply_error(of, "NotImplementedError", "no such operation");
}
