/* Measures a call to another process that does nothing but answer.
 *
 *     NOODLE_CALLS=N NOODLE_BYTES=N NOODLE_SPIN_NS=N NOODLE_TRUSTED=0|1 round_trip round_trip
 *
 * prints its p50, p90 and p99 in ns.  With NOODLE_SPIN_NS=0 both sides always park.
 */
#define _GNU_SOURCE
#include "check.h"
#include "pair.h"

static uint64_t spin_ns;

static void
serve(pair *pair)
{
    pair->worker.pace.spin_ns = spin_ns;
    pair_echo(pair);
}

static int
compare(const void *left, const void *right)
{
    const uint64_t first = *(const uint64_t *)left, second = *(const uint64_t *)right;
    return (first > second) - (first < second);
}

CASE(round_trip)
{
    const uint64_t calls = setting("NOODLE_CALLS", 100000), bytes = setting("NOODLE_BYTES", 32);
    uint64_t *const times = calloc(calls, sizeof *times);
    unsigned char *const payload = calloc(1, bytes + 1), *const buffer = calloc(1, bytes + 1);
    const noodle_record record = {.length = (uint32_t)bytes, .kind = NOODLE_KIND_CALL};
    noodle_record reply;
    pair pair;
    spin_ns = setting("NOODLE_SPIN_NS", NOODLE_SPIN_DEFAULT_NS);
    pair = pair_with_child(NOODLE_RING_DEFAULT, setting("NOODLE_TRUSTED", 1), serve);
    for (uint64_t i = 0; i < calls; i++) {
        const uint64_t begin = noodle_now();
        pair_call(pair.channel, &record, payload, &reply, buffer, bytes, spin_ns);
        times[i] = noodle_now() - begin;
    }
    qsort(times, calls, sizeof *times, compare);
    printf("%llu %llu %llu\n", (unsigned long long)times[calls / 2],
           (unsigned long long)times[calls / 10 * 9],
           (unsigned long long)times[calls / 100 * 99]);
    noodle_channel_send(pair.channel, &(noodle_record){.kind = NOODLE_KIND_CONTROL}, NULL);
    pair_wait_child(&pair, 0);
    pair_end(&pair);
    free(times);
    free(payload);
    free(buffer);
}
