/* The names of statuses, and the generation that tells a fork's child from its parent. */
#define _GNU_SOURCE
#include "noodle/process.h"

#include <pthread.h>

#include "noodle/status.h"

static _Atomic uint32_t generation = 1;

static void
rise_in_child(void)
{
    atomic_fetch_add_explicit(&generation, 1, memory_order_relaxed);
}

__attribute__((constructor)) static void
watch_forks(void)
{
    pthread_atfork(NULL, NULL, rise_in_child);
}

uint32_t
noodle_process_generation(void)
{
    return atomic_load_explicit(&generation, memory_order_relaxed);
}

const char *
noodle_status_name(noodle_status status)
{
    static const char *const names[] = {
        [NOODLE_OK] = "OK",
        [NOODLE_READY] = "READY",
        [NOODLE_EMPTY] = "EMPTY",
        [NOODLE_FULL] = "FULL",
        [NOODLE_NOT_YET] = "NOT_YET",
        [NOODLE_PEER_PARKED] = "PEER_PARKED",
        [NOODLE_SLICE] = "SLICE",
        [NOODLE_TIMEOUT] = "TIMEOUT",
        [NOODLE_PEER_DEAD] = "PEER_DEAD",
        [NOODLE_TOO_LARGE] = "TOO_LARGE",
        [NOODLE_TOO_SMALL] = "TOO_SMALL",
        [NOODLE_PROTOCOL] = "PROTOCOL",
        [NOODLE_FORKED] = "FORKED",
        [NOODLE_REFUSED] = "REFUSED",
        [NOODLE_LIMIT] = "LIMIT",
        [NOODLE_INVALID] = "INVALID",
        [NOODLE_SYSTEM] = "SYSTEM",
    };
    const size_t index = (size_t)status;
    return index < sizeof names / sizeof names[0] ? names[index] : "UNKNOWN";
}
