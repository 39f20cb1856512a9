/* The pump: carries what workers print to where the host wants it. */
#define _GNU_SOURCE
#include "noodle/pump.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "memory_file.h"

#define CHUNK 65536   /* what a pipe holds */
#define MOST_EVENTS 32

struct noodle_pump_source {
    noodle_pump *pump;
    int fd;
    int sink_fd;
    noodle_pump_callback callback;
    void *context;
    bool ended;
    uint64_t count;
    char kept[NOODLE_PUMP_KEPT_BYTES];     /* a ring; its next byte goes to count % size */
    noodle_pump_source *next;
};

struct noodle_pump {
    pthread_t thread;
    pthread_mutex_t lock;                  /* over sources and everything in them but the sink */
    pthread_cond_t changed;                /* a source ended, or the pump is between sources */
    noodle_pump_source *sources;
    noodle_pump_source *busy;              /* whose bytes are being carried, without the lock */
    bool stopping;
    int epoll_fd;
    int stop_fd;
    char chunk[CHUNK];
};

/* ---------------------------------------------------------------------------------- Carrying */

static void
keep(noodle_pump_source *source, const char *bytes, size_t count)
{
    for (size_t done = 0; done < count;) {
        const size_t place = source->count % NOODLE_PUMP_KEPT_BYTES;
        size_t part = NOODLE_PUMP_KEPT_BYTES - place;
        if (part > count - done)
            part = count - done;
        memcpy(source->kept + place, bytes + done, part);
        source->count += part;
        done += part;
    }
}

/* Writes all of it, also to a descriptor that somebody else has made non-blocking. */
static bool
write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        const ssize_t written = write(fd, bytes, count);
        struct pollfd writable = {.fd = fd, .events = POLLOUT};
        if (written >= 0) {
            bytes += written;
            count -= (size_t)written;
        } else if (errno == EAGAIN) {
            poll(&writable, 1, -1);
        } else if (errno != EINTR) {
            return false;
        }
    }
    return true;
}

static void
deliver(noodle_pump_source *source, const char *bytes, size_t count)
{
    if (source->sink_fd >= 0) {
        if (!write_all(source->sink_fd, bytes, count))
            source->sink_fd = -1;
    } else if (source->callback != NULL) {
        source->callback(source->context, bytes, count);
    }
}

static bool
is_listed(const noodle_pump *pump, const noodle_pump_source *source)
{
    const noodle_pump_source *at = pump->sources;
    while (at != NULL && at != source)
        at = at->next;
    return at != NULL;
}

static void
end_source(noodle_pump *pump, noodle_pump_source *source)
{
    epoll_ctl(pump->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    source->ended = true;
    pthread_cond_broadcast(&pump->changed);
}

/* Reads once from a source, and delivers without the lock. */
static void
carry(noodle_pump *pump, noodle_pump_source *source)
{
    ssize_t count;
    pthread_mutex_lock(&pump->lock);
    if (!is_listed(pump, source) || source->ended) {
        pthread_mutex_unlock(&pump->lock);
        return;
    }
    count = read(source->fd, pump->chunk, CHUNK);
    if (count > 0) {
        keep(source, pump->chunk, (size_t)count);
        pump->busy = source;
        pthread_mutex_unlock(&pump->lock);
        deliver(source, pump->chunk, (size_t)count);
        pthread_mutex_lock(&pump->lock);
        pump->busy = NULL;
        pthread_cond_broadcast(&pump->changed);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
        end_source(pump, source);
    }
    pthread_mutex_unlock(&pump->lock);
}

static void *
run(void *argument)
{
    noodle_pump *const pump = argument;
    struct epoll_event events[MOST_EVENTS];
    for (;;) {
        const int count = epoll_wait(pump->epoll_fd, events, MOST_EVENTS, -1);
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == NULL)
                return NULL;
            carry(pump, events[i].data.ptr);
        }
    }
}

/* ------------------------------------------------------------------------------ Begin and end */

static noodle_status
start_thread(noodle_pump *pump)
{
    sigset_t all, kept;
    int failure;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    failure = pthread_create(&pump->thread, NULL, run, pump);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    errno = failure;
    return failure == 0 ? NOODLE_OK : NOODLE_SYSTEM;
}

static void
free_pump(noodle_pump *pump)
{
    noodle_close(&pump->epoll_fd);
    noodle_close(&pump->stop_fd);
    pthread_cond_destroy(&pump->changed);
    pthread_mutex_destroy(&pump->lock);
    free(pump);
}

noodle_status
noodle_pump_create(noodle_pump **result)
{
    struct epoll_event stop = {.events = EPOLLIN, .data.ptr = NULL};
    pthread_condattr_t attributes;
    noodle_pump *const pump = calloc(1, sizeof *pump);
    *result = NULL;
    if (pump == NULL)
        return NOODLE_SYSTEM;
    pthread_mutex_init(&pump->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&pump->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    pump->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    pump->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (pump->epoll_fd < 0 || pump->stop_fd < 0
        || epoll_ctl(pump->epoll_fd, EPOLL_CTL_ADD, pump->stop_fd, &stop) != 0
        || start_thread(pump) != NOODLE_OK) {
        free_pump(pump);
        return NOODLE_SYSTEM;
    }
    *result = pump;
    return NOODLE_OK;
}

void
noodle_pump_destroy(noodle_pump *pump)
{
    const uint64_t one = 1;
    while (write(pump->stop_fd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
    pthread_join(pump->thread, NULL);
    while (pump->sources != NULL) {
        noodle_pump_source *const source = pump->sources;
        pump->sources = source->next;
        noodle_close(&source->fd);
        free(source);
    }
    free_pump(pump);
}

/* ----------------------------------------------------------------------------------- Sources */

noodle_status
noodle_pump_add(noodle_pump *pump, int source_fd, int sink_fd, noodle_pump_callback callback,
                void *context, noodle_pump_source **result)
{
    noodle_pump_source *const source = calloc(1, sizeof *source);
    struct epoll_event readable = {.events = EPOLLIN, .data.ptr = source};
    *result = NULL;
    /* The read end's open file description is the host's alone. */
    if (source == NULL || fcntl(source_fd, F_SETFL, O_NONBLOCK) != 0) {
        free(source);
        noodle_close(&source_fd);
        return NOODLE_SYSTEM;
    }
    *source = (noodle_pump_source){
        .pump = pump,
        .fd = source_fd,
        .sink_fd = sink_fd,
        .callback = callback,
        .context = context,
    };
    pthread_mutex_lock(&pump->lock);
    source->next = pump->sources;
    pump->sources = source;
    pthread_mutex_unlock(&pump->lock);
    if (epoll_ctl(pump->epoll_fd, EPOLL_CTL_ADD, source_fd, &readable) != 0) {
        noodle_pump_remove(pump, source);
        return NOODLE_SYSTEM;
    }
    *result = source;
    return NOODLE_OK;
}

void
noodle_pump_remove(noodle_pump *pump, noodle_pump_source *source)
{
    pthread_mutex_lock(&pump->lock);
    while (pump->busy == source)
        pthread_cond_wait(&pump->changed, &pump->lock);
    for (noodle_pump_source **at = &pump->sources; *at != NULL; at = &(*at)->next)
        if (*at == source) {
            *at = source->next;
            break;
        }
    if (!source->ended)
        epoll_ctl(pump->epoll_fd, EPOLL_CTL_DEL, source->fd, NULL);
    pthread_mutex_unlock(&pump->lock);
    noodle_close(&source->fd);
    free(source);
}

noodle_status
noodle_pump_finish(noodle_pump_source *source, int timeout_ms)
{
    noodle_pump *const pump = source->pump;
    struct timespec until;
    noodle_status status = NOODLE_OK;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&pump->lock);
    while (!source->ended && status == NOODLE_OK)
        if (pthread_cond_timedwait(&pump->changed, &pump->lock, &until) == ETIMEDOUT)
            status = source->ended ? NOODLE_OK : NOODLE_TIMEOUT;
    pthread_mutex_unlock(&pump->lock);
    return status;
}

size_t
noodle_pump_last(noodle_pump_source *source, char *buffer, size_t capacity)
{
    size_t count;
    pthread_mutex_lock(&source->pump->lock);
    count = source->count < NOODLE_PUMP_KEPT_BYTES ? source->count : NOODLE_PUMP_KEPT_BYTES;
    if (count > capacity)
        count = capacity;
    for (size_t i = 0; i < count; i++)
        buffer[i] = source->kept[(source->count - count + i) % NOODLE_PUMP_KEPT_BYTES];
    pthread_mutex_unlock(&source->pump->lock);
    return count;
}

uint64_t
noodle_pump_count(noodle_pump_source *source)
{
    uint64_t count;
    pthread_mutex_lock(&source->pump->lock);
    count = source->count;
    pthread_mutex_unlock(&source->pump->lock);
    return count;
}
