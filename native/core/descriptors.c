/* Descriptors over a Unix socket: one message, one descriptor, checked by who receives it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "memory_file.h"
#include "noodle/arena.h"

/* A peer that does not read for so long is treated as if it were stuck. */
#define SEND_TIMEOUT_MS 1000
/* Room to receive more than the one that is allowed, so that the surplus can be closed. */
#define MOST_RECEIVED 8

typedef union descriptor_buffer {
    struct cmsghdr header;
    unsigned char bytes[CMSG_SPACE(MOST_RECEIVED * sizeof(int))];
} descriptor_buffer;

static noodle_status
send_status(void)
{
    if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
        return NOODLE_PEER_DEAD;
    return NOODLE_SYSTEM;
}

noodle_status
noodle_send_segment(int socket, const noodle_message *message, int fd)
{
    struct iovec part = {.iov_base = (void *)(uintptr_t)message, .iov_len = sizeof *message};
    descriptor_buffer control = {.bytes = {0}};
    struct msghdr packet = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = CMSG_SPACE(sizeof fd),
    };
    struct pollfd writable = {.fd = socket, .events = POLLOUT};
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    for (;;) {
        if (sendmsg(socket, &packet, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0)
            return NOODLE_OK;
        if (errno == EINTR)
            continue;
        if (errno != EAGAIN)
            return send_status();
        if (poll(&writable, 1, SEND_TIMEOUT_MS) == 0)
            return NOODLE_TIMEOUT;
    }
}

/* Copies out all descriptors that came, and returns how many. */
static size_t
unpack(struct msghdr *packet, int *fds)
{
    size_t count = 0;
    for (struct cmsghdr *at = CMSG_FIRSTHDR(packet); at != NULL; at = CMSG_NXTHDR(packet, at)) {
        const size_t here = (at->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (at->cmsg_level != SOL_SOCKET || at->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < here && count < MOST_RECEIVED; i++, count++)
            memcpy(&fds[count], CMSG_DATA(at) + i * sizeof(int), sizeof(int));
    }
    return count;
}

static noodle_status
check_message(const noodle_message *message, int fd)
{
    uint64_t bytes;
    if (message->magic != NOODLE_MESSAGE_MAGIC)
        return NOODLE_PROTOCOL;
    if (message->kind != NOODLE_MESSAGE_SEGMENT)
        return message->kind == NOODLE_MESSAGE_EVENT || message->kind == NOODLE_MESSAGE_OWN_EVENT
                   ? NOODLE_OK
                   : NOODLE_PROTOCOL;
    if (noodle_memory_check(fd, &bytes) != NOODLE_OK || bytes == 0 || bytes != message->bytes)
        return NOODLE_PROTOCOL;
    return NOODLE_OK;
}

static noodle_status
receive_status(void)
{
    if (errno == EAGAIN)
        return NOODLE_EMPTY;
    if (errno == EINTR)
        return NOODLE_SLICE;
    return errno == ECONNRESET ? NOODLE_PEER_DEAD : NOODLE_SYSTEM;
}

noodle_status
noodle_receive_segment(int socket, bool wait, noodle_message *message, int *fd)
{
    struct iovec part = {.iov_base = message, .iov_len = sizeof *message};
    descriptor_buffer control = {.bytes = {0}};
    struct msghdr packet = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof control.bytes,
    };
    int fds[MOST_RECEIVED];
    const ssize_t received = recvmsg(socket, &packet, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    size_t count;
    *fd = -1;
    if (received < 0)
        return receive_status();
    count = unpack(&packet, fds);
    if (received == 0 && count == 0)
        return NOODLE_PEER_DEAD;
    if (received == sizeof *message && count == 1 && !(packet.msg_flags & (MSG_TRUNC | MSG_CTRUNC))
        && check_message(message, fds[0]) == NOODLE_OK) {
        *fd = fds[0];
        return NOODLE_OK;
    }
    for (size_t i = 0; i < count; i++)
        noodle_close(&fds[i]);
    return NOODLE_PROTOCOL;
}

/* ------------------------------------------------------------------------------ Worker's side */

noodle_status
noodle_segment_map(const noodle_message *message, int fd, void **address)
{
    const bool writable = !(message->flags & NOODLE_MESSAGE_READ_ONLY);
    const noodle_status status = noodle_memory_map(fd, message->bytes, writable, address);
    noodle_close(&fd);
    return status;
}

void
noodle_segment_unmap(const noodle_message *message, void *address)
{
    munmap(address, message->bytes);
}

noodle_status
noodle_segment_make(uint64_t bytes, int *fd, void **address)
{
    /* Not sealed against further seals: the host will add F_SEAL_WRITE. */
    noodle_status status = noodle_memory_create("noodle-result", bytes, NOODLE_SEALS_SIZE, fd);
    if (status == NOODLE_OK)
        status = noodle_memory_map(*fd, bytes, true, address);
    if (status != NOODLE_OK)
        noodle_close(fd);
    return status;
}
