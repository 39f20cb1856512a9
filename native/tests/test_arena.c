#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "noodle/arena.h"
#include "noodle/process.h"

#define KIB UINT64_C(1024)
#define MIB (KIB * KIB)
#define SECOND UINT64_C(1000000000)

static noodle_arena *
arena_of(noodle_arena_options options)
{
    noodle_arena *arena;
    EQUAL(NOODLE_OK, noodle_arena_create(&options, &arena));
    return arena;
}

static noodle_arena *
plain_arena(void)
{
    return arena_of((noodle_arena_options){0});
}

static noodle_lease
lease(noodle_arena *arena, uint64_t bytes, uint32_t worker, unsigned flags)
{
    noodle_lease made;
    EQUAL(NOODLE_OK, noodle_arena_allocate(arena, bytes, worker, flags, &made));
    return made;
}

static uint32_t
worker_of(noodle_arena *arena, bool trusted)
{
    uint32_t worker;
    EQUAL(NOODLE_OK, noodle_arena_add_worker(arena, trusted, &worker));
    return worker;
}

typedef struct sockets {
    int host;
    int worker;
} sockets;

static sockets
make_sockets(void)
{
    int ends[2];
    EQUAL(0, socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends));
    return (sockets){ends[0], ends[1]};
}

static void
close_sockets(sockets ends)
{
    close(ends.host);
    close(ends.worker);
}

static uint64_t
open_descriptors(void)
{
    uint64_t count = 0;
    for (int fd = 0; fd < 4096; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* ---------------------------------------------------------------------------------- Segments */

CASE(a_segment_has_the_bytes_asked_for_page_aligned_and_zero_when_new)
{
    noodle_arena *const arena = plain_arena();
    const uint64_t sizes[] = {1, 64 * KIB, 64 * KIB + 1, 100 * KIB, MIB, MIB + 1, 37 * MIB + 5};
    noodle_lease leases[sizeof sizes / sizeof *sizes];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const noodle_lease made = leases[i] = lease(arena, sizes[i], NOODLE_ANY_WORKER, 0);
        const unsigned char *const bytes = noodle_lease_address(made);
        CHECK(noodle_lease_bytes(made) >= sizes[i]);
        CHECK(sizes[i] <= 64 * KIB || noodle_lease_bytes(made) * 4 <= sizes[i] * 5);
        EQUAL(0, (uintptr_t)bytes % 4096);
        EQUAL(0, bytes[0] | bytes[sizes[i] - 1]);
        ((unsigned char *)noodle_lease_address(made))[noodle_lease_bytes(made) - 1] = 1;
    }
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        noodle_lease_release(leases[i]);
    noodle_arena_destroy(arena);
}

CASE(a_size_beyond_all_limits_is_refused)
{
    noodle_arena *const arena = arena_of((noodle_arena_options){.most_bytes = MIB});
    noodle_lease made;
    EQUAL(NOODLE_LIMIT, noodle_arena_allocate(arena, UINT64_MAX, NOODLE_ANY_WORKER, 0, &made));
    EQUAL(NOODLE_LIMIT, noodle_arena_allocate(arena, 2 * MIB, NOODLE_ANY_WORKER, 0, &made));
    CHECK(made.segment == NULL);
    EQUAL(NOODLE_INVALID, noodle_arena_allocate(arena, MIB, 256, 0, &made));
    noodle_arena_destroy(arena);
}

CASE(a_free_segment_makes_room_when_the_limit_is_reached)
{
    noodle_arena *const arena = arena_of((noodle_arena_options){.most_bytes = MIB});
    noodle_lease second;
    const noodle_lease first = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
    EQUAL(NOODLE_LIMIT, noodle_arena_allocate(arena, 64 * KIB, NOODLE_ANY_WORKER, 0, &second));
    noodle_lease_release(first);
    second = lease(arena, 64 * KIB, NOODLE_ANY_WORKER, 0);
    EQUAL(1, noodle_arena_statistics(arena).dropped);
    noodle_lease_release(second);
    noodle_arena_destroy(arena);
}

CASE(descriptors_are_budgeted_and_given_back)
{
    const uint64_t before = open_descriptors();
    noodle_arena *const arena = arena_of((noodle_arena_options){.most_segments = 4});
    noodle_lease made[4], more;
    for (int i = 0; i < 4; i++)
        made[i] = lease(arena, 64 * KIB << i, NOODLE_ANY_WORKER, 0);
    EQUAL(NOODLE_LIMIT, noodle_arena_allocate(arena, MIB, NOODLE_ANY_WORKER, 0, &more));
    EQUAL(before + 4, open_descriptors());
    for (int i = 0; i < 4; i++)
        noodle_lease_release(made[i]);
    more = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
    EQUAL(before + 4, open_descriptors());
    noodle_lease_release(more);
    noodle_arena_destroy(arena);
    EQUAL(before, open_descriptors());
}

CASE(free_segments_are_closed_when_the_process_runs_out_of_descriptors)
{
    noodle_arena *const arena = arena_of((noodle_arena_options){.most_segments = 1000});
    struct rlimit bound;
    noodle_lease made[8];
    for (int i = 0; i < 8; i++)
        made[i] = lease(arena, 64 * KIB, NOODLE_ANY_WORKER, 0);
    for (int i = 0; i < 8; i++)
        noodle_lease_release(made[i]);
    EQUAL(0, getrlimit(RLIMIT_NOFILE, &bound));
    bound.rlim_cur = (rlim_t)dup(0);
    close((int)bound.rlim_cur);
    EQUAL(0, setrlimit(RLIMIT_NOFILE, &bound));
    noodle_lease_release(lease(arena, MIB, NOODLE_ANY_WORKER, 0));
    EQUAL(8, noodle_arena_statistics(arena).dropped);
    noodle_arena_destroy(arena);
}

CASE(nobody_can_change_the_size_of_a_segment)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, false);
    const noodle_lease made = lease(arena, MIB, worker, 0);
    const sockets ends = make_sockets();
    noodle_message message;
    int fd;
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    EQUAL(NOODLE_OK, noodle_receive_segment(ends.worker, true, &message, &fd));
    EQUAL(-1, ftruncate(fd, 0));
    EQUAL(EPERM, errno);
    EQUAL(-1, ftruncate(fd, 10 * (off_t)MIB));
    EQUAL(-1, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE));
    close(fd);
    close_sockets(ends);
    noodle_lease_release(made);
    noodle_arena_destroy(arena);
}

/* ---------------------------------------------------------------------------------- Granting */

CASE(what_one_side_writes_the_other_reads_without_a_copy)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true);
    const noodle_lease made = lease(arena, MIB, worker, 0);
    const sockets ends = make_sockets();
    unsigned char *const here = noodle_lease_address(made);
    noodle_message message;
    void *address;
    int fd;
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    EQUAL(NOODLE_OK, noodle_receive_segment(ends.worker, true, &message, &fd));
    EQUAL(noodle_lease_segment(made), message.number);
    EQUAL(noodle_lease_bytes(made), message.bytes);
    CHECK(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    EQUAL(NOODLE_OK, noodle_segment_map(&message, fd, &address));
    here[77] = 5;
    EQUAL(5, ((unsigned char *)address)[77]);
    ((unsigned char *)address)[MIB - 1] = 9;
    EQUAL(9, here[MIB - 1]);
    EQUAL(NOODLE_EMPTY, noodle_receive_segment(ends.worker, false, &message, &fd));
    message.bytes = MIB;
    noodle_segment_unmap(&message, address);
    close_sockets(ends);
    noodle_lease_release(made);
    noodle_arena_destroy(arena);
}

CASE(a_read_only_grant_cannot_be_mapped_for_writing)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true);
    const noodle_lease made = lease(arena, MIB, worker, 0);
    const sockets ends = make_sockets();
    noodle_message message;
    int fd;
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, true));
    EQUAL(NOODLE_OK, noodle_receive_segment(ends.worker, true, &message, &fd));
    EQUAL(NOODLE_MESSAGE_READ_ONLY, message.flags);
    CHECK(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    EQUAL(EACCES, errno);
    close(fd);
    /* Later it may be granted for writing, and is sent once more. */
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    EQUAL(NOODLE_OK, noodle_receive_segment(ends.worker, true, &message, &fd));
    EQUAL(0, message.flags);
    close(fd);
    close_sockets(ends);
    noodle_lease_release(made);
    noodle_arena_destroy(arena);
}

CASE(a_frozen_segment_stays_read_only_when_its_descriptor_is_reopened)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, false);
    const noodle_lease made = lease(arena, MIB, worker, NOODLE_SEGMENT_FROZEN);
    const sockets ends = make_sockets();
    noodle_message message;
    char path[64];
    int fd, reopened;
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    EQUAL(NOODLE_OK, noodle_receive_segment(ends.worker, true, &message, &fd));
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    reopened = open(path, O_RDWR);
    if (reopened >= 0) {
        CHECK(mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_SHARED, reopened, 0) == MAP_FAILED);
        EQUAL(-1, pwrite(reopened, "x", 1, 0));
        close(reopened);
    }
    *(unsigned char *)noodle_lease_address(made) = 1;
    close(fd);
    close_sockets(ends);
    noodle_lease_release(made);
    EQUAL(1, noodle_arena_statistics(arena).dropped);
    noodle_arena_destroy(arena);
}

static void
check_message_is_refused(size_t length, int count, uint32_t magic, uint64_t bytes)
{
    const sockets ends = make_sockets();
    const uint64_t before = open_descriptors();
    noodle_arena *const arena = plain_arena();
    const int plain = memfd_create("unsealed", MFD_CLOEXEC);
    noodle_message message = {
        .magic = magic, .kind = NOODLE_MESSAGE_SEGMENT, .number = 1, .bytes = bytes};
    unsigned char control[256] = {0}, text[64] = {0};
    struct iovec part = {text, length};
    struct msghdr packet = {.msg_iov = &part, .msg_iovlen = 1};
    int fd;
    memcpy(text, &message, sizeof message);
    EQUAL(0, ftruncate(plain, MIB));
    if (count > 0) {
        struct cmsghdr *const header = (struct cmsghdr *)control;
        packet.msg_control = control;
        packet.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
        for (int i = 0; i < count; i++)
            memcpy(CMSG_DATA(header) + (size_t)i * sizeof(int), &plain, sizeof plain);
    }
    EQUAL(length, sendmsg(ends.worker, &packet, 0));
    EQUAL(NOODLE_PROTOCOL, noodle_receive_segment(ends.host, true, &message, &fd));
    EQUAL(-1, fd);
    close(plain);
    EQUAL(before, open_descriptors());
    noodle_arena_destroy(arena);
    close_sockets(ends);
}

CASE(a_message_that_is_not_right_is_refused_and_leaks_no_descriptor)
{
    check_message_is_refused(sizeof(noodle_message), 1, NOODLE_MESSAGE_MAGIC, MIB); /* unsealed */
    check_message_is_refused(sizeof(noodle_message), 0, NOODLE_MESSAGE_MAGIC, MIB);
    check_message_is_refused(sizeof(noodle_message), 2, NOODLE_MESSAGE_MAGIC, MIB);
    check_message_is_refused(sizeof(noodle_message), 20, NOODLE_MESSAGE_MAGIC, MIB);
    check_message_is_refused(sizeof(noodle_message), 1, 7, MIB);
    check_message_is_refused(7, 1, NOODLE_MESSAGE_MAGIC, MIB);
    check_message_is_refused(60, 1, NOODLE_MESSAGE_MAGIC, MIB);
}

CASE(a_segment_of_another_size_than_announced_is_refused)
{
    const sockets ends = make_sockets();
    noodle_message message = {.magic = NOODLE_MESSAGE_MAGIC,
                              .kind = NOODLE_MESSAGE_SEGMENT,
                              .bytes = MIB + 4096};
    void *address;
    int fd, received;
    EQUAL(NOODLE_OK, noodle_segment_make(MIB, &fd, &address));
    EQUAL(NOODLE_OK, noodle_send_segment(ends.worker, &message, fd));
    EQUAL(NOODLE_PROTOCOL, noodle_receive_segment(ends.host, true, &message, &received));
    close(fd);
    munmap(address, MIB);
    close(ends.worker);
    EQUAL(NOODLE_PEER_DEAD, noodle_receive_segment(ends.host, true, &message, &received));
    EQUAL(NOODLE_PEER_DEAD, noodle_send_segment(ends.host, &message, 0));
    close(ends.host);
}

CASE(only_what_was_granted_can_be_named)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, false), other = worker_of(arena, false);
    const noodle_lease made = lease(arena, MIB, worker, 0);
    const uint64_t number = noodle_lease_segment(made);
    const sockets ends = make_sockets();
    noodle_lease found;
    EQUAL(NOODLE_PROTOCOL, noodle_arena_lookup(arena, worker, number, &found));
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    EQUAL(NOODLE_OK, noodle_arena_lookup(arena, worker, number, &found));
    noodle_lease_release(found);
    EQUAL(NOODLE_PROTOCOL, noodle_arena_lookup(arena, other, number, &found));
    EQUAL(NOODLE_PROTOCOL, noodle_arena_lookup(arena, worker, number + 1, &found));
    EQUAL(NOODLE_PROTOCOL, noodle_arena_lookup(arena, worker, UINT64_MAX, &found));
    EQUAL(NOODLE_PROTOCOL, noodle_arena_lookup(arena, worker, number + (1 << 20), &found));
    noodle_lease_release(made);
    EQUAL(NOODLE_PROTOCOL, noodle_arena_lookup(arena, worker, number, &found));
    close_sockets(ends);
    noodle_arena_destroy(arena);
}

/* --------------------------------------------------------------------------------- Recycling */

static void
grant(noodle_arena *arena, noodle_lease made, uint32_t worker)
{
    const sockets ends = make_sockets();
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    close_sockets(ends);
}

/* Leases, marks, grants and releases a segment, and returns its number. */
static uint64_t
used_segment(noodle_arena *arena, uint32_t worker)
{
    const noodle_lease made = lease(arena, MIB, worker, 0);
    const uint64_t number = noodle_lease_segment(made);
    memset(noodle_lease_address(made), 0xAB, MIB);
    grant(arena, made, worker);
    noodle_lease_release(made);
    return number;
}

CASE(a_segment_goes_back_to_a_worker_that_held_it_as_it_is)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true);
    const uint64_t number = used_segment(arena, worker);
    const noodle_lease again = lease(arena, MIB, worker, 0);
    EQUAL(number, noodle_lease_segment(again));
    EQUAL(0xAB, *(unsigned char *)noodle_lease_address(again));
    EQUAL(1, noodle_arena_statistics(arena).recycled);
    noodle_lease_release(again);
    noodle_arena_destroy(arena);
}

CASE(a_segment_is_zeroed_before_it_goes_to_a_worker_that_did_not_hold_it)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true), other = worker_of(arena, true);
    const uint64_t number = used_segment(arena, worker);
    const noodle_lease again = lease(arena, MIB, other, 0);
    const unsigned char *const bytes = noodle_lease_address(again);
    EQUAL(number, noodle_lease_segment(again));
    EQUAL(0, bytes[0]);
    EQUAL(0, memcmp(bytes, bytes + 1, noodle_lease_bytes(again) - 1));
    EQUAL(1, noodle_arena_statistics(arena).zeroed);
    grant(arena, again, other);
    noodle_lease_release(again);
    noodle_arena_destroy(arena);
}

CASE(what_was_leased_for_one_worker_goes_on_to_another_without_the_rest)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true), other = worker_of(arena, true);
    const uint64_t number = used_segment(arena, worker);
    const uint64_t asked = MIB - 4096;
    const noodle_lease again = lease(arena, asked, worker, 0);
    unsigned char *const bytes = noodle_lease_address(again);
    EQUAL(number, noodle_lease_segment(again));
    EQUAL(0, noodle_arena_statistics(arena).zeroed);
    memset(bytes, 0xCD, asked);
    grant(arena, again, worker);
    EQUAL(0xAB, bytes[asked]);
    grant(arena, again, other);
    EQUAL(0xCD, bytes[asked - 1]);
    for (uint64_t i = asked; i < noodle_lease_bytes(again); i++)
        EQUAL(0, bytes[i]);
    noodle_lease_release(again);
    noodle_arena_destroy(arena);
}

CASE(recycled_memory_is_never_granted_to_a_worker_that_came_later)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true);
    uint32_t late;
    noodle_lease again;
    const sockets ends = make_sockets();
    used_segment(arena, worker);
    again = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
    EQUAL(0xAB, *(unsigned char *)noodle_lease_address(again));
    late = worker_of(arena, true);
    EQUAL(NOODLE_REFUSED, noodle_arena_grant(arena, again, late, ends.host, true));
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, again, worker, ends.host, true));
    noodle_lease_release(again);
    close_sockets(ends);
    noodle_arena_destroy(arena);
}

CASE(what_a_hostile_worker_maps_goes_to_nobody_else)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t hostile = worker_of(arena, false), other = worker_of(arena, true);
    const uint64_t number = used_segment(arena, hostile);
    const noodle_lease for_other = lease(arena, MIB, other, 0);
    const noodle_lease for_any = lease(arena, MIB, NOODLE_ANY_WORKER, NOODLE_SEGMENT_ZEROED);
    const noodle_lease for_itself = lease(arena, MIB, hostile, 0);
    CHECK(noodle_lease_segment(for_other) != number);
    CHECK(noodle_lease_segment(for_any) != number);
    EQUAL(number, noodle_lease_segment(for_itself));
    noodle_lease_release(for_other);
    noodle_lease_release(for_any);
    noodle_lease_release(for_itself);
    noodle_arena_destroy(arena);
}

CASE(segments_of_a_killed_worker_stay_while_leased_and_are_never_used_again)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true);
    const uint64_t idle = used_segment(arena, worker);
    const noodle_lease made = lease(arena, 2 * MIB, worker, 0);
    noodle_lease again;
    memset(noodle_lease_address(made), 3, 2 * MIB);
    grant(arena, made, worker);
    noodle_arena_remove_worker(arena, worker, true);
    EQUAL(1, noodle_arena_statistics(arena).dropped);
    EQUAL(3, ((unsigned char *)noodle_lease_address(made))[2 * MIB - 1]);
    noodle_lease_release(made);
    EQUAL(2, noodle_arena_statistics(arena).dropped);
    again = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
    CHECK(noodle_lease_segment(again) != idle);
    EQUAL(0, noodle_arena_statistics(arena).recycled);
    noodle_lease_release(again);
    noodle_arena_destroy(arena);
}

typedef struct told {
    uint64_t count;
    uint64_t number;
    uint64_t workers;
} told;

static void
note_dropped(void *context, uint64_t segment, const uint64_t *workers)
{
    told *const noted = context;
    noted->count++;
    noted->number = segment;
    noted->workers = workers[0];
}

CASE(free_pages_stay_until_the_arena_was_idle_and_then_go_from_the_worker_too)
{
    noodle_arena *const arena = plain_arena();
    const uint32_t worker = worker_of(arena, true);
    const noodle_lease made = lease(arena, MIB, worker, 0);
    const sockets ends = make_sockets();
    noodle_message message;
    struct stat facts;
    told noted = {0};
    int fd;
    memset(noodle_lease_address(made), 1, MIB);
    EQUAL(NOODLE_OK, noodle_arena_grant(arena, made, worker, ends.host, false));
    EQUAL(NOODLE_OK, noodle_receive_segment(ends.worker, true, &message, &fd));
    noodle_lease_release(made);
    noodle_arena_trim(arena, noodle_now() + 4 * SECOND, note_dropped, &noted);
    EQUAL(0, noted.count);
    EQUAL(0, fstat(fd, &facts));
    EQUAL(MIB / 512, facts.st_blocks);
    noodle_arena_trim(arena, noodle_now() + 6 * SECOND, note_dropped, &noted);
    EQUAL(1, noted.count);
    EQUAL(message.number, noted.number);
    EQUAL(UINT64_C(1) << worker, noted.workers);
    EQUAL(0, fstat(fd, &facts));
    EQUAL(0, facts.st_blocks);
    EQUAL(0, noodle_arena_statistics(arena).free_segments);
    close(fd);
    close_sockets(ends);
    noodle_arena_destroy(arena);
}

CASE(free_pages_above_the_high_water_mark_go_at_once_the_oldest_first)
{
    noodle_arena *const arena = arena_of((noodle_arena_options){.high_water_bytes = 2 * MIB});
    noodle_lease made[3];
    uint64_t numbers[3];
    for (int i = 0; i < 3; i++) {
        made[i] = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
        numbers[i] = noodle_lease_segment(made[i]);
    }
    for (int i = 0; i < 3; i++)
        noodle_lease_release(made[i]);
    EQUAL(1, noodle_arena_statistics(arena).dropped);
    EQUAL(2 * MIB, noodle_arena_statistics(arena).free_bytes);
    for (int i = 2; i > 0; i--) {
        made[i] = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
        EQUAL(numbers[i], noodle_lease_segment(made[i]));
    }
    noodle_lease_release(made[1]);
    noodle_lease_release(made[2]);
    noodle_arena_destroy(arena);
}

/* ------------------------------------------------------------------------------------ Leases */

CASE(memory_outlives_the_arena_while_it_is_leased)
{
    noodle_arena *const arena = plain_arena();
    const noodle_lease made = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
    const noodle_lease second = noodle_lease_retain(made);
    noodle_arena_destroy(arena);
    memset(noodle_lease_address(made), 1, MIB);
    noodle_lease_release(made);
    EQUAL(1, *(unsigned char *)noodle_lease_address(second));
    noodle_lease_release(second);
}

CASE(an_address_leads_to_its_segment)
{
    noodle_arena *const arena = plain_arena();
    noodle_lease made[20];
    char here;
    for (int i = 0; i < 20; i++)
        made[i] = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
    for (int i = 19; i >= 0; i--) {
        const char *const bytes = noodle_lease_address(made[i]);
        const noodle_lease first = noodle_arena_find(arena, bytes);
        const noodle_lease last = noodle_arena_find(arena, bytes + MIB - 1);
        CHECK(first.segment == made[i].segment && last.segment == made[i].segment);
        noodle_lease_release(first);
        noodle_lease_release(last);
        noodle_lease_release(made[i]);
        CHECK(noodle_arena_find(arena, bytes).segment == NULL);
    }
    CHECK(noodle_arena_find(arena, &here).segment == NULL);
    noodle_arena_destroy(arena);
}

CASE(a_child_of_fork_reads_leased_memory_and_releases_nothing)
{
    noodle_arena *const arena = plain_arena();
    const noodle_lease made = lease(arena, MIB, NOODLE_ANY_WORKER, 0);
    int status;
    pid_t child;
    *(unsigned char *)noodle_lease_address(made) = 6;
    child = fork_child();
    if (child == 0) {
        noodle_lease more;
        EQUAL(6, *(unsigned char *)noodle_lease_address(made));
        noodle_lease_release(noodle_lease_retain(made));
        noodle_lease_release(made);
        EQUAL(NOODLE_FORKED, noodle_arena_allocate(arena, MIB, NOODLE_ANY_WORKER, 0, &more));
        EQUAL(6, *(unsigned char *)noodle_lease_address(made));
        _exit(0);
    }
    EQUAL(child, waitpid(child, &status, 0));
    EQUAL(0, status);
    EQUAL(1, noodle_arena_statistics(arena).leased_segments);
    noodle_lease_release(made);
    EQUAL(0, noodle_arena_statistics(arena).leased_segments);
    noodle_arena_destroy(arena);
}

static void *
use_often(void *argument)
{
    noodle_arena *const arena = argument;
    for (uint64_t i = 0; i < setting("NOODLE_USES", 3000); i++) {
        const noodle_lease made = lease(arena, 64 * KIB << i % 3, NOODLE_ANY_WORKER, 0);
        uint64_t *const words = noodle_lease_address(made);
        const noodle_lease found = noodle_arena_find(arena, words + 3);
        words[0] = (uintptr_t)&made ^ i;
        noodle_lease_release(made);
        EQUAL((uintptr_t)&made ^ i, words[0]);
        noodle_lease_release(found);
        if (i % 100 == 0)
            noodle_arena_trim_all(arena, NULL, NULL);
    }
    return NULL;
}

CASE(threads_lease_find_release_and_trim_at_the_same_time)
{
    noodle_arena *const arena = arena_of((noodle_arena_options){.high_water_bytes = MIB});
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, use_often, arena);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    EQUAL(0, noodle_arena_statistics(arena).leased_bytes);
    noodle_arena_destroy(arena);
}

static void *
release_lease(void *argument)
{
    noodle_lease_release(*(noodle_lease *)argument);
    return NULL;
}

CASE(after_the_arena_the_last_leases_go_at_the_same_time)
{
    for (int round = 0; round < 200; round++) {
        noodle_arena *const arena = plain_arena();
        noodle_lease made[4];
        pthread_t threads[4];
        for (int i = 0; i < 4; i++)
            made[i] = lease(arena, 64 * KIB, NOODLE_ANY_WORKER, 0);
        noodle_arena_destroy(arena);
        for (int i = 0; i < 4; i++)
            pthread_create(&threads[i], NULL, release_lease, &made[i]);
        for (int i = 0; i < 4; i++)
            pthread_join(threads[i], NULL);
    }
}

/* ---------------------------------------------------------------------------------- Adopting */

CASE(a_hostile_workers_memory_is_taken_once_nobody_can_write_to_it)
{
    noodle_arena *const arena = plain_arena();
    noodle_lease taken;
    void *address;
    int fd;
    EQUAL(NOODLE_OK, noodle_segment_make(MIB, &fd, &address));
    memset(address, 4, MIB);
    munmap(address, MIB);
    EQUAL(NOODLE_OK, noodle_arena_adopt(arena, dup(fd), MIB, &taken));
    EQUAL(0, noodle_arena_statistics(arena).copied_in);
    CHECK(noodle_lease_is_read_only(taken));
    EQUAL(4, ((unsigned char *)noodle_lease_address(taken))[MIB - 1]);
    EQUAL(-1, pwrite(fd, "x", 1, 0));
    CHECK(mmap(NULL, MIB, PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    noodle_lease_release(taken);
    close(fd);
    noodle_arena_destroy(arena);
}

CASE(memory_that_its_worker_still_maps_is_copied)
{
    noodle_arena *const arena = plain_arena();
    noodle_lease taken;
    void *address;
    int fd;
    EQUAL(NOODLE_OK, noodle_segment_make(MIB, &fd, &address));
    memset(address, 4, MIB);
    EQUAL(NOODLE_OK, noodle_arena_adopt(arena, fd, MIB - 5, &taken));
    EQUAL(1, noodle_arena_statistics(arena).copied_in);
    memset(address, 5, MIB);
    EQUAL(4, ((unsigned char *)noodle_lease_address(taken))[MIB - 6]);
    EQUAL(MIB - 5, noodle_lease_bytes(taken));
    munmap(address, MIB);
    noodle_lease_release(taken);
    noodle_arena_destroy(arena);
}

CASE(memory_that_could_shrink_or_is_too_short_is_not_taken)
{
    const uint64_t before = open_descriptors();
    noodle_arena *const arena = plain_arena();
    const int unsealed = memfd_create("unsealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    noodle_lease taken;
    void *address;
    int fd;
    EQUAL(0, ftruncate(unsealed, MIB));
    EQUAL(NOODLE_PROTOCOL, noodle_arena_adopt(arena, unsealed, MIB, &taken));
    EQUAL(NOODLE_OK, noodle_segment_make(MIB, &fd, &address));
    EQUAL(NOODLE_PROTOCOL, noodle_arena_adopt(arena, dup(fd), MIB + 1, &taken));
    EQUAL(NOODLE_PROTOCOL, noodle_arena_adopt(arena, fd, 0, &taken));
    EQUAL(NOODLE_PROTOCOL, noodle_arena_adopt(arena, open("/dev/zero", O_RDWR), MIB, &taken));
    munmap(address, MIB);
    noodle_arena_destroy(arena);
    EQUAL(before, open_descriptors());
}

/* ------------------------------------------------------------------------------------ Arrays */

static noodle_status
check_array(uint64_t offset, uint64_t itemsize, uint32_t dimensions, const uint64_t *shape,
            const int64_t *strides, noodle_extent *extent)
{
    noodle_array array = {.offset = offset, .itemsize = itemsize, .dimensions = dimensions};
    memcpy(array.shape, shape, dimensions * sizeof *shape);
    memcpy(array.strides, strides, dimensions * sizeof *strides);
    return noodle_arena_check(1000, &array, 500, extent);
}

#define SHAPE(...) ((const uint64_t[]){__VA_ARGS__})
#define STRIDES(...) ((const int64_t[]){__VA_ARGS__})

CASE(an_array_that_fits_has_its_extent_told)
{
    noodle_extent extent;
    EQUAL(NOODLE_OK, check_array(200, 8, 2, SHAPE(10, 10), STRIDES(80, 8), &extent));
    CHECK(extent.contiguous && !extent.read_only);
    EQUAL(200, extent.first);
    EQUAL(1000, extent.end);
    EQUAL(100, extent.elements);
    EQUAL(NOODLE_OK, check_array(0, 8, 2, SHAPE(10, 10), STRIDES(8, 80), &extent));
    CHECK(!extent.contiguous && !extent.read_only);
    EQUAL(NOODLE_OK, check_array(992, 8, 1, SHAPE(125), STRIDES(-8), &extent));
    EQUAL(0, extent.first);
    EQUAL(1000, extent.end);
    CHECK(!extent.contiguous && !extent.read_only);
    EQUAL(NOODLE_OK, check_array(992, 8, 0, SHAPE(0), STRIDES(0), &extent));
    EQUAL(1, extent.elements);
    CHECK(extent.contiguous);
}

CASE(an_array_without_elements_needs_only_a_place)
{
    noodle_extent extent;
    EQUAL(NOODLE_OK, check_array(1000, 8, 2, SHAPE(0, UINT64_MAX), STRIDES(8, 8), &extent));
    EQUAL(0, extent.elements);
    EQUAL(NOODLE_PROTOCOL, check_array(1001, 8, 1, SHAPE(0), STRIDES(8), &extent));
}

CASE(an_array_that_reaches_outside_is_refused)
{
    noodle_extent extent;
    EQUAL(NOODLE_PROTOCOL, check_array(201, 8, 2, SHAPE(10, 10), STRIDES(80, 8), &extent));
    EQUAL(NOODLE_PROTOCOL, check_array(984, 8, 1, SHAPE(125), STRIDES(-8), &extent));
    EQUAL(NOODLE_PROTOCOL, check_array(0, 1001, 0, SHAPE(0), STRIDES(0), &extent));
    EQUAL(NOODLE_PROTOCOL, check_array(0, 0, 0, SHAPE(0), STRIDES(0), &extent));
}

CASE(numbers_that_overflow_are_refused)
{
    noodle_extent extent;
    const uint64_t huge = UINT64_C(1) << 63;
    EQUAL(NOODLE_PROTOCOL, check_array(UINT64_MAX, 8, 0, SHAPE(0), STRIDES(0), &extent));
    EQUAL(NOODLE_PROTOCOL, check_array(0, UINT64_MAX, 1, SHAPE(1), STRIDES(1), &extent));
    EQUAL(NOODLE_PROTOCOL, check_array(0, 1, 2, SHAPE(huge, 2), STRIDES(0, 0), &extent));
    EQUAL(NOODLE_PROTOCOL, check_array(8, 8, 1, SHAPE(3), STRIDES(INT64_MIN), &extent));
    EQUAL(NOODLE_PROTOCOL, check_array(8, 8, 1, SHAPE(3), STRIDES(INT64_MAX), &extent));
    EQUAL(NOODLE_PROTOCOL,
          check_array(0, 8, 3, SHAPE(2, 2, 2), STRIDES(INT64_MAX, INT64_MAX, INT64_MAX), &extent));
    EQUAL(NOODLE_PROTOCOL,
          check_array(1, 1, 2, SHAPE(2, 2), STRIDES(INT64_MAX, INT64_MIN), &extent));
}

CASE(logical_elements_are_limited_not_only_bytes)
{
    noodle_extent extent;
    EQUAL(NOODLE_OK, check_array(0, 1, 1, SHAPE(500), STRIDES(0), &extent));
    EQUAL(NOODLE_LIMIT, check_array(0, 1, 1, SHAPE(501), STRIDES(0), &extent));
}

CASE(elements_that_overlap_are_read_only)
{
    noodle_extent extent;
    EQUAL(NOODLE_OK, check_array(0, 8, 1, SHAPE(5), STRIDES(0), &extent));
    CHECK(extent.read_only);
    EQUAL(NOODLE_OK, check_array(0, 8, 2, SHAPE(5, 4), STRIDES(8, 8), &extent));
    CHECK(extent.read_only);
    EQUAL(NOODLE_OK, check_array(0, 8, 1, SHAPE(5), STRIDES(4), &extent));
    CHECK(extent.read_only);
    EQUAL(NOODLE_OK, check_array(0, 8, 2, SHAPE(1, 4), STRIDES(0, 8), &extent));
    CHECK(!extent.read_only);
    EQUAL(NOODLE_OK, check_array(40, 8, 2, SHAPE(2, 5), STRIDES(40, -8), &extent));
    CHECK(!extent.read_only);
}

CASE(too_many_dimensions_are_refused)
{
    noodle_array array = {.itemsize = 1, .dimensions = NOODLE_DIMENSIONS + 1};
    noodle_extent extent;
    EQUAL(NOODLE_PROTOCOL, noodle_arena_check(1000, &array, 0, &extent));
}

/* Against the plain way: visit each element. */
CASE(random_layouts_are_judged_as_by_visiting_every_element)
{
    enum { BYTES = 64 };
    uint64_t accepted = 0;
    for (int round = 0; round < 20000; round++) {
        noodle_array array = {.offset = random_number() % BYTES,
                              .itemsize = 1 + random_number() % 4,
                              .dimensions = (uint32_t)(random_number() % 4)};
        int64_t low = BYTES, high = 0, count = 1;
        unsigned char seen[BYTES] = {0};
        bool overlap = false, inside;
        noodle_extent extent;
        for (uint32_t i = 0; i < array.dimensions; i++) {
            array.shape[i] = 1 + random_number() % 4;
            array.strides[i] = (int64_t)(random_number() % 25) - 12;
            count *= (int64_t)array.shape[i];
        }
        for (int64_t element = 0; element < count; element++) {
            int64_t at = (int64_t)array.offset, rest = element;
            for (uint32_t i = array.dimensions; i-- > 0;) {
                at += rest % (int64_t)array.shape[i] * array.strides[i];
                rest /= (int64_t)array.shape[i];
            }
            low = at < low ? at : low;
            high = at + (int64_t)array.itemsize > high ? at + (int64_t)array.itemsize : high;
            for (int64_t byte = at; byte < at + (int64_t)array.itemsize; byte++)
                if (byte >= 0 && byte < BYTES)
                    overlap |= seen[byte]++ != 0;
        }
        inside = low >= 0 && high <= BYTES;
        EQUAL(inside ? NOODLE_OK : NOODLE_PROTOCOL,
              noodle_arena_check(BYTES, &array, 0, &extent));
        if (!inside)
            continue;
        accepted++;
        EQUAL(low, extent.first);
        EQUAL(high, extent.end);
        EQUAL(count, extent.elements);
        CHECK(!overlap || extent.read_only);
    }
    CHECK(accepted > 1000);
}
