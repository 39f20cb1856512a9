/* A host and a worker at work on one channel, for the tests and the benchmark. */
#ifndef NOODLE_TESTS_PAIR_H
#define NOODLE_TESTS_PAIR_H

#include <pthread.h>

#include "noodle/arena.h"
#include "noodle/channel.h"

typedef struct pair {
    noodle_link *link;
    noodle_channel *channel;
    noodle_waiter *waiter;
    noodle_worker worker;      /* in the same process, unless a child was made */
    int worker_socket;
    pid_t child;
} pair;

/* Makes a link with an attached worker in this process, and opens one channel. */
pair pair_here(uint32_t ring_bytes, bool trusted);

/* Makes a link whose worker is a child process that runs `serve` and then exits with 0. */
pair pair_with_child(uint32_t ring_bytes, bool trusted, void (*serve)(pair *pair));

/* Opens one more channel with a waiter of its own. */
noodle_channel *pair_open(pair *pair, bool dedicated, noodle_waiter **waiter);

/* Receives the events of channels that the host has opened, until `index` has one. */
void pair_receive_events(pair *pair, uint32_t index);

/* Ends the child, which must have exited with 0 if it is `expected` to, and everything else. */
void pair_end(pair *pair);
void pair_wait_child(pair *pair, int expected_status);

/* Sends and takes, waiting as long as it needs to.  The spin decides how often a side parks. */
void pair_call(noodle_channel *channel, const noodle_record *record, const void *payload,
               noodle_record *reply, void *buffer, uint64_t capacity, uint64_t spin_ns);

/* Sends every record back until one of kind CONTROL comes. */
void pair_echo(pair *pair);

#endif
