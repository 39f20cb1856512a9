#define _GNU_SOURCE
#include "pair.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

static noodle_link *
make_link(uint32_t ring_bytes, bool trusted)
{
    const noodle_link_options options = {64, ring_bytes, trusted};
    noodle_link *link;
    EQUAL(NOODLE_OK, noodle_link_create(&options, &link));
    return link;
}

/* What the launcher does with them: a worker has descriptors of its own. */
static void
attach(pair *pair)
{
    const noodle_worker_descriptors ends = noodle_link_worker_descriptors(pair->link);
    pair->worker_socket = dup(ends.socket);
    EQUAL(NOODLE_OK, noodle_worker_attach(&pair->worker, dup(ends.control), dup(ends.event),
                                          dup(ends.lifeline)));
}

noodle_channel *
pair_open(pair *pair, bool dedicated, noodle_waiter **waiter)
{
    noodle_channel *channel;
    EQUAL(NOODLE_OK, noodle_link_open(pair->link, dedicated, &channel));
    EQUAL(NOODLE_OK, noodle_waiter_create(waiter));
    EQUAL(NOODLE_OK, noodle_waiter_add(*waiter, channel));
    return channel;
}

void
pair_receive_events(pair *pair, uint32_t index)
{
    while (pair->worker.channels[index].peer_event.wake_fd < 0) {
        noodle_message message;
        int fd;
        EQUAL(NOODLE_OK, noodle_receive_segment(pair->worker_socket, true, &message, &fd));
        if (message.kind == NOODLE_MESSAGE_EVENT)
            noodle_worker_set_event(&pair->worker, (uint32_t)message.number, fd);
        else
            noodle_worker_set_own_event(&pair->worker, (uint32_t)message.number, fd);
    }
}

pair
pair_here(uint32_t ring_bytes, bool trusted)
{
    pair made = {.link = make_link(ring_bytes, trusted)};
    attach(&made);
    EQUAL(NOODLE_OK, noodle_link_started(made.link, -1));
    made.channel = pair_open(&made, false, &made.waiter);
    pair_receive_events(&made, made.channel->index);
    return made;
}

pair
pair_with_child(uint32_t ring_bytes, bool trusted, void (*serve)(pair *pair))
{
    pair made = {.link = make_link(ring_bytes, trusted)};
    made.child = fork_child();
    if (made.child == 0) {
        attach(&made);
        noodle_link_destroy(made.link);
        serve(&made);
        noodle_worker_detach(&made.worker);
        close(made.worker_socket);
        exit(0);
    }
    EQUAL(NOODLE_OK, noodle_link_started(made.link, pidfd_open(made.child, 0)));
    made.channel = pair_open(&made, false, &made.waiter);
    return made;
}

void
pair_wait_child(pair *pair, int expected_status)
{
    int status;
    EQUAL(pair->child, waitpid(pair->child, &status, 0));
    EQUAL(expected_status, status);
    pair->child = 0;
}

void
pair_end(pair *pair)
{
    noodle_link_close(pair->channel);
    noodle_waiter_destroy(pair->waiter);
    noodle_link_destroy(pair->link);
    if (pair->child != 0) {
        pair_wait_child(pair, 0);
    } else if (pair->worker.control != NULL) {
        noodle_worker_detach(&pair->worker);
        close(pair->worker_socket);
    }
}

void
pair_call(noodle_channel *channel, const noodle_record *record, const void *payload,
          noodle_record *reply, void *buffer, uint64_t capacity, uint64_t spin_ns)
{
    EQUAL(NOODLE_OK, noodle_channel_send(channel, record, payload));
    for (;;) {
        const noodle_status status = noodle_channel_take(channel, reply, buffer, capacity);
        if (status == NOODLE_OK)
            return;
        EQUAL(NOODLE_EMPTY, status);
        EQUAL(NOODLE_READY,
              noodle_channel_wait(channel, noodle_now() + UINT64_C(20000000000), 0, spin_ns));
    }
}

static bool
echo_once(pair *pair, noodle_channel *channel, unsigned char *buffer)
{
    noodle_record record;
    if (noodle_channel_take(channel, &record, buffer, pair->worker.ring_bytes) != NOODLE_OK)
        return true;
    if (record.kind == NOODLE_KIND_CONTROL)
        return false;
    if (channel->peer_event.wake_fd < 0)
        pair_receive_events(pair, channel->index);
    record.kind = NOODLE_KIND_REPLY;
    EQUAL(NOODLE_OK, noodle_channel_send(channel, &record, buffer));
    return true;
}

void
pair_echo(pair *pair)
{
    unsigned char *const buffer = malloc(pair->worker.ring_bytes);
    bool running = true;
    while (running) {
        noodle_channel *const channel = noodle_worker_next(&pair->worker);
        if (channel != NULL)
            running = echo_once(pair, channel, buffer);
        else if (noodle_worker_wait(&pair->worker, 0, 0) == NOODLE_PEER_DEAD)
            running = false;
    }
    free(buffer);
}
