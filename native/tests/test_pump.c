#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "noodle/pump.h"

typedef struct pipe_ends {
    int read_end;
    int write_end;
} pipe_ends;

static pipe_ends
make_pipe(void)
{
    int ends[2];
    EQUAL(0, pipe2(ends, O_CLOEXEC));
    return (pipe_ends){ends[0], ends[1]};
}

static void
say(int fd, const char *text)
{
    EQUAL(strlen(text), write(fd, text, strlen(text)));
}

static noodle_pump *
make_pump(void)
{
    noodle_pump *pump;
    EQUAL(NOODLE_OK, noodle_pump_create(&pump));
    return pump;
}

CASE(bytes_reach_the_sink_whose_flags_stay_as_they_are)
{
    noodle_pump *const pump = make_pump();
    const pipe_ends from = make_pipe(), to = make_pipe();
    const int flags = fcntl(to.write_end, F_GETFL);
    noodle_pump_source *source;
    char text[32] = {0};
    EQUAL(NOODLE_OK, noodle_pump_add(pump, from.read_end, to.write_end, NULL, NULL, &source));
    say(from.write_end, "one ");
    say(from.write_end, "two");
    close(from.write_end);
    EQUAL(NOODLE_OK, noodle_pump_finish(source, 10000));
    EQUAL(7, read(to.read_end, text, sizeof text));
    CHECK(strcmp(text, "one two") == 0);
    EQUAL(flags, fcntl(to.write_end, F_GETFL));
    EQUAL(7, noodle_pump_count(source));
    noodle_pump_remove(pump, source);
    noodle_pump_destroy(pump);
}

static void
count_lines(void *context, const char *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++)
        *(uint64_t *)context += bytes[i] == '\n';
}

CASE(a_callback_gets_every_byte_and_the_last_ones_are_kept)
{
    noodle_pump *const pump = make_pump();
    const pipe_ends from = make_pipe();
    noodle_pump_source *source;
    uint64_t lines = 0, bytes = 0;
    char last[64], kept[NOODLE_PUMP_KEPT_BYTES + 10];
    EQUAL(NOODLE_OK, noodle_pump_add(pump, from.read_end, -1, count_lines, &lines, &source));
    for (int i = 0; i < 20000; i++)
        bytes += (uint64_t)dprintf(from.write_end, "line %d\n", i);
    close(from.write_end);
    EQUAL(NOODLE_OK, noodle_pump_finish(source, 10000));
    EQUAL(20000, lines);
    EQUAL(bytes, noodle_pump_count(source));
    EQUAL(11, noodle_pump_last(source, last, 11));
    CHECK(memcmp(last, "line 19999\n", 11) == 0);
    EQUAL(NOODLE_PUMP_KEPT_BYTES, noodle_pump_last(source, kept, sizeof kept));
    noodle_pump_remove(pump, source);
    noodle_pump_destroy(pump);
}

CASE(a_sink_that_is_gone_neither_ends_the_process_nor_blocks_the_source)
{
    noodle_pump *const pump = make_pump();
    const pipe_ends from = make_pipe(), to = make_pipe();
    noodle_pump_source *source;
    close(to.read_end);
    EQUAL(NOODLE_OK, noodle_pump_add(pump, from.read_end, to.write_end, NULL, NULL, &source));
    for (int i = 0; i < 40000; i++)
        say(from.write_end, "0123456789");
    EQUAL(NOODLE_TIMEOUT, noodle_pump_finish(source, 1));
    close(from.write_end);
    EQUAL(NOODLE_OK, noodle_pump_finish(source, 10000));
    EQUAL(400000, noodle_pump_count(source));
    noodle_pump_destroy(pump);
}

static void *
write_much(void *argument)
{
    for (int i = 0; i < 5000; i++)
        dprintf(*(int *)argument, "%d\n", i);
    close(*(int *)argument);
    return NULL;
}

CASE(many_sources_are_carried_at_once)
{
    noodle_pump *const pump = make_pump();
    noodle_pump_source *sources[16];
    pthread_t threads[16];
    int ends[16];
    uint64_t lines[16] = {0};
    for (int i = 0; i < 16; i++) {
        const pipe_ends from = make_pipe();
        ends[i] = from.write_end;
        EQUAL(NOODLE_OK,
              noodle_pump_add(pump, from.read_end, -1, count_lines, &lines[i], &sources[i]));
        pthread_create(&threads[i], NULL, write_much, &ends[i]);
    }
    for (int i = 0; i < 8; i++) {
        EQUAL(NOODLE_OK, noodle_pump_finish(sources[i], 20000));
        EQUAL(5000, lines[i]);
    }
    for (int i = 0; i < 16; i++) {
        pthread_join(threads[i], NULL);
        noodle_pump_remove(pump, sources[i]);
    }
    noodle_pump_destroy(pump);
}
