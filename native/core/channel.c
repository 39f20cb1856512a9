/* Control memory and the host's end of it: links, and the channels they give to threads. */
#define _GNU_SOURCE
#include "noodle/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ends.h"
#include "memory_file.h"
#include "noodle/arena.h"
#include "waiting.h"

/* ------------------------------------------------------------------------------- Both ends */

static void
attach_rings(noodle_channel *channel, noodle_channel_block *block, uint64_t ring_bytes,
             bool is_host)
{
    unsigned char *const to_worker = (unsigned char *)block + NOODLE_PAGE;
    unsigned char *const to_host = to_worker + ring_bytes;
    channel->out = (noodle_ring_writer){
        .data = is_host ? to_worker : to_host,
        .mask = ring_bytes - 1,
        .head = is_host ? &block->to_worker_head : &block->to_host_head,
        .tail = is_host ? &block->to_worker_tail : &block->to_host_tail,
    };
    channel->in = (noodle_ring_reader){
        .data = is_host ? to_host : to_worker,
        .mask = ring_bytes - 1,
        .head = is_host ? &block->to_host_head : &block->to_worker_head,
        .tail = is_host ? &block->to_host_tail : &block->to_worker_tail,
    };
}

void
noodle_channel_attach(noodle_channel *channel, noodle_control_block *control, uint32_t ring_bytes,
                      uint32_t index, bool is_host)
{
    noodle_channel_block *const block = noodle_channel_block_at(control, ring_bytes, index);
    *channel = (noodle_channel){
        .own = is_host ? &block->host : &control->worker,
        .peer = is_host ? &control->worker : &block->host,
        .ready = is_host ? &control->ready : NULL,
        .ready_bit = UINT64_C(1) << index,
        .own_event = {-1, -1},
        .peer_event = {-1, -1},
        .index = index,
    };
    attach_rings(channel, block, ring_bytes, is_host);
}

void
noodle_channel_detach(noodle_channel *channel)
{
    free(channel->out.scratch);
    channel->out.scratch = NULL;
}

/* ------------------------------------------------------------------------------------ Links */

static bool
options_are_valid(const noodle_link_options *options)
{
    const uint32_t ring = options->ring_bytes;
    return options->channel_count >= 1 && options->channel_count <= NOODLE_CHANNELS
           && ring >= NOODLE_RING_LEAST && ring <= NOODLE_RING_MOST && (ring & (ring - 1)) == 0;
}

static noodle_status
create_control(noodle_link *link, const noodle_link_options *options)
{
    const uint64_t total = noodle_control_bytes(options->channel_count, options->ring_bytes);
    void *address;
    noodle_status status =
        noodle_memory_create("noodle-control", total, NOODLE_SEALS_SIZE | F_SEAL_SEAL,
                             &link->worker_ends.control);
    if (status == NOODLE_OK)
        status = noodle_memory_map(link->worker_ends.control, total, true, &address);
    if (status != NOODLE_OK)
        return status;
    link->control = address;
    link->control_bytes = total;
    link->control->magic = NOODLE_CONTROL_MAGIC;
    link->control->abi = NOODLE_CHANNEL_ABI;
    link->control->channel_count = options->channel_count;
    link->control->ring_bytes = options->ring_bytes;
    link->control->channel_bytes = NOODLE_PAGE + 2 * options->ring_bytes;
    link->control->total_bytes = total;
    return NOODLE_OK;
}

static noodle_status
create_descriptors(noodle_link *link)
{
    int ends[2];
    if (noodle_event_create(link->trusted, &link->event) != NOODLE_OK)
        return NOODLE_SYSTEM;
    link->worker_ends.event = fcntl(link->event.wait_fd, F_DUPFD_CLOEXEC, 3);
    if (link->worker_ends.event < 0)
        return NOODLE_SYSTEM;
    link->death = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (link->death < 0)
        return NOODLE_SYSTEM;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
        return NOODLE_SYSTEM;
    link->socket = ends[0];
    link->worker_ends.socket = ends[1];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NOODLE_SYSTEM;
    link->worker_ends.lifeline = ends[0];
    link->lifeline = ends[1];
    return NOODLE_OK;
}

static void
attach_channels(noodle_link *link)
{
    for (uint32_t i = 0; i < link->channel_count; i++) {
        noodle_channel *const channel = &link->channels[i];
        noodle_channel_attach(channel, link->control, link->ring_bytes, i, true);
        channel->link = link;
        channel->peer_event.wake_fd = link->event.wake_fd;
    }
}

/* ------------------------------------------------------------------------------------ Forks
 * A child of fork() must not hold lifelines: the worker of a dead host would live on with it. */

static pthread_mutex_t links_lock = PTHREAD_MUTEX_INITIALIZER;
static noodle_link *links;

static void
lock_links(void)
{
    pthread_mutex_lock(&links_lock);
}

static void
unlock_links(void)
{
    pthread_mutex_unlock(&links_lock);
}

static void
drop_lifelines(void)
{
    for (noodle_link *link = links; link != NULL; link = link->next)
        noodle_close(&link->lifeline);
    links = NULL;
    unlock_links();
}

__attribute__((constructor)) static void
watch_forks(void)
{
    pthread_atfork(lock_links, unlock_links, drop_lifelines);
}

static void
enlist(noodle_link *link)
{
    lock_links();
    link->next = links;
    links = link;
    unlock_links();
}

static void
delist(noodle_link *link)
{
    lock_links();
    for (noodle_link **at = &links; *at != NULL; at = &(*at)->next)
        if (*at == link) {
            *at = link->next;
            break;
        }
    unlock_links();
}

/* ----------------------------------------------------------------------------------- Create */

noodle_status
noodle_link_create(const noodle_link_options *options, noodle_link **result)
{
    noodle_status status;
    noodle_link *link;
    *result = NULL;
    if (!options_are_valid(options))
        return NOODLE_INVALID;
    link = calloc(1, sizeof *link);
    if (link == NULL)
        return NOODLE_SYSTEM;
    link->trusted = options->trusted;
    link->channel_count = options->channel_count;
    link->ring_bytes = options->ring_bytes;
    link->generation = noodle_process_generation();
    link->pidfd = link->socket = link->lifeline = link->death = -1;
    link->event = (noodle_event){-1, -1};
    link->worker_ends = (noodle_worker_descriptors){-1, -1, -1, -1};
    pthread_mutex_init(&link->lock, NULL);
    status = create_control(link, options);
    if (status == NOODLE_OK)
        status = create_descriptors(link);
    if (status != NOODLE_OK) {
        noodle_link_destroy(link);
        return status;
    }
    attach_channels(link);
    enlist(link);
    *result = link;
    return NOODLE_OK;
}

noodle_worker_descriptors
noodle_link_worker_descriptors(const noodle_link *link)
{
    return link->worker_ends;
}

static void
close_worker_ends(noodle_link *link)
{
    noodle_close(&link->worker_ends.control);
    noodle_close(&link->worker_ends.socket);
    noodle_close(&link->worker_ends.event);
    noodle_close(&link->worker_ends.lifeline);
}

noodle_status
noodle_link_started(noodle_link *link, int pidfd)
{
    if (link->generation != noodle_process_generation())
        return NOODLE_FORKED;
    link->pidfd = pidfd;
    close_worker_ends(link);
    return NOODLE_OK;
}

/* --------------------------------------------------------------------------------- Channels */

/* The worker gets the end of the event that it writes, and of its own thread's the one it reads. */
static noodle_status
send_event(noodle_link *link, const noodle_channel *channel, enum noodle_message_kind kind, int fd)
{
    const noodle_message message = {
        .magic = NOODLE_MESSAGE_MAGIC,
        .kind = (uint16_t)kind,
        .number = channel->index,
    };
    return noodle_send_segment(link->socket, &message, fd);
}

static noodle_status
make_events(noodle_link *link, noodle_channel *channel, bool dedicated)
{
    noodle_status status = noodle_event_create(link->trusted, &channel->own_event);
    if (status == NOODLE_OK)
        status = send_event(link, channel, NOODLE_MESSAGE_EVENT, channel->own_event.wake_fd);
    if (status != NOODLE_OK || !dedicated)
        return status;
    status = noodle_event_create(link->trusted, &channel->peer_event);
    if (status == NOODLE_OK)
        status = send_event(link, channel, NOODLE_MESSAGE_OWN_EVENT, channel->peer_event.wait_fd);
    return status;
}

static void
dedicate(noodle_channel *channel)
{
    const noodle_link *const link = channel->link;
    noodle_channel_block *const block =
        noodle_channel_block_at(link->control, link->ring_bytes, channel->index);
    channel->peer = &block->worker;
    channel->ready = NULL;
}

static noodle_status
make_channel(noodle_link *link, noodle_channel *channel, bool dedicated)
{
    const noodle_event shared = channel->peer_event;
    const noodle_status status = make_events(link, channel, dedicated);
    if (status != NOODLE_OK) {
        noodle_event_close(&channel->own_event);
        if (dedicated && channel->peer_event.wait_fd >= 0)
            noodle_event_close(&channel->peer_event);
        channel->peer_event = shared;
        return status;
    }
    /* Towards a hostile worker the write end is now the worker's alone: nothing on this side can be
     * made to block by its flags. */
    if (!link->trusted)
        noodle_close(&channel->own_event.wake_fd);
    if (dedicated)
        dedicate(channel);
    link->made |= channel->ready_bit;
    link->dedicated |= dedicated ? channel->ready_bit : 0;
    return NOODLE_OK;
}

static uint64_t
all_channels(const noodle_link *link)
{
    return UINT64_MAX >> (NOODLE_CHANNELS - link->channel_count);
}

static noodle_status
open_locked(noodle_link *link, bool dedicated, noodle_channel **channel)
{
    const uint64_t closed = all_channels(link) & ~link->open;
    const uint64_t same = dedicated ? link->dedicated : link->made & ~link->dedicated;
    const uint64_t recycled = closed & link->made & same;
    const uint64_t choice = recycled != 0 ? recycled : closed & ~link->made;
    noodle_status status = NOODLE_OK;
    if (choice == 0)
        return NOODLE_LIMIT;
    *channel = &link->channels[__builtin_ctzll(choice)];
    if (recycled == 0)
        status = make_channel(link, *channel, dedicated);
    if (status == NOODLE_OK)
        link->open |= (*channel)->ready_bit;
    return status;
}

noodle_status
noodle_link_open(noodle_link *link, bool dedicated, noodle_channel **channel)
{
    noodle_status status;
    *channel = NULL;
    if (link->generation != noodle_process_generation())
        return NOODLE_FORKED;
    if (noodle_link_is_dead(link))
        return NOODLE_PEER_DEAD;
    pthread_mutex_lock(&link->lock);
    status = open_locked(link, dedicated, channel);
    pthread_mutex_unlock(&link->lock);
    if (status != NOODLE_OK)
        *channel = NULL;
    return status;
}

void
noodle_link_close(noodle_channel *channel)
{
    noodle_link *const link = channel->link;
    if (link->generation != noodle_process_generation())
        return;
    if (channel->waiter != NULL)
        noodle_waiter_remove(channel->waiter, channel);
    noodle_show_state(channel->own, NOODLE_RUNNING);
    pthread_mutex_lock(&link->lock);
    if (!channel->in.condemned && !channel->out.condemned)
        link->open &= ~channel->ready_bit;
    pthread_mutex_unlock(&link->lock);
}

/* ------------------------------------------------------------------------------------- Life */

void
noodle_link_mark_dead(noodle_link *link)
{
    const uint64_t one = 1;
    atomic_store_explicit(&link->dead, true, memory_order_release);
    if (link->death >= 0 && write(link->death, &one, sizeof one) < 0)
        return;
}

bool
noodle_link_is_dead(const noodle_link *link)
{
    return atomic_load_explicit(&link->dead, memory_order_acquire);
}

int
noodle_link_socket(const noodle_link *link)
{
    return link->socket;
}

uint64_t
noodle_link_beat(const noodle_link *link)
{
    return atomic_load_explicit(&link->control->beat, memory_order_relaxed);
}

uint64_t
noodle_link_progress(const noodle_link *link)
{
    return atomic_load_explicit(&link->control->progress, memory_order_relaxed);
}

uint64_t
noodle_link_running(const noodle_link *link)
{
    return atomic_load_explicit(&link->control->running, memory_order_relaxed);
}

enum noodle_state
noodle_link_worker_state(const noodle_link *link)
{
    return (enum noodle_state)(atomic_load_explicit(&link->control->worker.state,
                                                    memory_order_relaxed)
                               & 3);
}

static void
close_channel(noodle_link *link, noodle_channel *channel)
{
    noodle_event_close(&channel->own_event);
    if (link->dedicated & channel->ready_bit)
        noodle_event_close(&channel->peer_event);
    noodle_channel_detach(channel);
}

void
noodle_link_destroy(noodle_link *link)
{
    delist(link);
    for (uint32_t i = 0; i < NOODLE_CHANNELS; i++)
        if (link->channels[i].link != NULL)
            close_channel(link, &link->channels[i]);
    close_worker_ends(link);
    noodle_event_close(&link->event);
    noodle_close(&link->pidfd);
    noodle_close(&link->socket);
    noodle_close(&link->lifeline);
    noodle_close(&link->death);
    if (link->control != NULL)
        munmap(link->control, link->control_bytes);
    pthread_mutex_destroy(&link->lock);
    free(link);
}
