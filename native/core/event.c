/* Events: what a sleeper polls and its waker writes. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "memory_file.h"
#include "noodle/channel.h"

noodle_status
noodle_event_create(bool peer_is_trusted, noodle_event *event)
{
    int ends[2];
    if (peer_is_trusted) {
        event->wait_fd = event->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        return event->wait_fd < 0 ? NOODLE_SYSTEM : NOODLE_OK;
    }
    *event = (noodle_event){-1, -1};
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return NOODLE_SYSTEM;
    *event = (noodle_event){.wait_fd = ends[0], .wake_fd = ends[1]};
    return NOODLE_OK;
}

void
noodle_event_close(noodle_event *event)
{
    if (event->wake_fd == event->wait_fd)
        event->wake_fd = -1;
    noodle_close(&event->wait_fd);
    noodle_close(&event->wake_fd);
}

void
noodle_event_wake(const noodle_event *event)
{
    const uint64_t one = 1;
    /* EAGAIN means that it is full of wake-ups, which is as good as one. */
    if (event->wake_fd >= 0 && write(event->wake_fd, &one, sizeof one) < 0)
        return;
}

void
noodle_event_drain(const noodle_event *event)
{
    uint64_t wakes[64];
    /* What a pipe holds beyond this wakes once more. */
    if (event->wait_fd >= 0 && read(event->wait_fd, wakes, sizeof wakes) < 0)
        return;
}
