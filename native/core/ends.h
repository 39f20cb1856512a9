/* What the parts of the channel share about the host's ends, for the core's own use. */
#ifndef NOODLE_CORE_ENDS_H
#define NOODLE_CORE_ENDS_H

#include <poll.h>
#include <pthread.h>

#include "noodle/channel.h"

struct noodle_link {
    noodle_control_block *control;
    size_t control_bytes;
    noodle_channel channels[NOODLE_CHANNELS];
    uint64_t made;                         /* channels that the worker has the event of */
    uint64_t open;                         /* channels in use, or condemned */
    uint64_t dedicated;
    pthread_mutex_t lock;                  /* over made, open and dedicated */
    uint32_t generation;
    bool trusted;
    _Atomic bool dead;
    int pidfd;
    int socket;
    int lifeline;                          /* the write end: the worker lives while it is open */
    int death;                             /* an eventfd of this process; readable once dead */
    noodle_event event;                    /* wakes the worker */
    noodle_worker_descriptors worker_ends;
    uint32_t channel_count;                /* private: the worker may write the shared ones */
    uint32_t ring_bytes;
    noodle_link *next;                     /* among all links of the process */
};

struct noodle_waiter {
    noodle_channel **channels;
    struct pollfd *polled;                 /* three a channel: its event, the death, the pidfd; its own */
    noodle_event wakes;                    /* of threads of this process; -1: not admitted */
    _Atomic bool woken;
    uint32_t count;
    uint32_t capacity;
    uint32_t next;
    uint32_t generation;
};

/* Bytes of a control memory. */
static inline uint64_t
noodle_control_bytes(uint32_t channel_count, uint32_t ring_bytes)
{
    return NOODLE_PAGE + (uint64_t)channel_count * (NOODLE_PAGE + 2 * (uint64_t)ring_bytes);
}

/* Where a channel's block is. */
static inline noodle_channel_block *
noodle_channel_block_at(noodle_control_block *control, uint32_t ring_bytes, uint32_t index)
{
    return (noodle_channel_block *)((unsigned char *)control
                                    + noodle_control_bytes(index, ring_bytes));
}

/* Sets up both rings and the states of one end of a channel. */
void noodle_channel_attach(noodle_channel *channel, noodle_control_block *control,
                           uint32_t ring_bytes, uint32_t index, bool is_host);
void noodle_channel_detach(noodle_channel *channel);

#endif
