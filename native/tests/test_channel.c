#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "pair.h"
#include "../core/waiting.h"

#define RING 4096
#define MS UINT64_C(1000000)

static void
fill(unsigned char *bytes, uint64_t count, uint64_t seed)
{
    for (uint64_t i = 0; i < count; i++)
        bytes[i] = (unsigned char)(seed * 31 + i * 7);
}

static void
check_filled(const unsigned char *bytes, uint64_t count, uint64_t seed)
{
    for (uint64_t i = 0; i < count; i++)
        CHECK(bytes[i] == (unsigned char)(seed * 31 + i * 7));
}

static noodle_record
call_of(uint64_t length, uint64_t id)
{
    return (noodle_record){
        .length = (uint32_t)length, .kind = NOODLE_KIND_CALL, .call_id = id, .chain_id = id + 1};
}

/* ------------------------------------------------------------------------------------- Rings */

CASE(control_memory_begins_with_its_name)
{
    pair pair = pair_here(RING, true);
    CHECK(memcmp(pair.worker.control, "CONTROL1", 8) == 0);
    EQUAL(NOODLE_CHANNEL_ABI, pair.worker.control->abi);
    EQUAL(64, pair.worker.control->channel_count);
    EQUAL(4096 + 64 * (4096 + 2 * RING), pair.worker.control->total_bytes);
    pair_end(&pair);
}

CASE(records_arrive_as_sent_at_every_place_of_the_ring)
{
    pair pair = pair_here(RING, true);
    noodle_channel *const worker = &pair.worker.channels[pair.channel->index];
    unsigned char sent[RING], received[RING];
    for (uint64_t i = 0; i < 20000; i++) {
        const uint64_t length = random_number() % (random_number() % 8 == 0 ? RING - 31 : 200);
        noodle_record record = call_of(length, i), taken = {0};
        fill(sent, length, i);
        record.deadline_ns = i * 3;
        EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &record, sent));
        EQUAL(NOODLE_OK, noodle_channel_take(worker, &taken, received, sizeof received));
        CHECK(memcmp(&record, &taken, sizeof record) == 0);
        check_filled(received, length, i);
        EQUAL(NOODLE_EMPTY, noodle_channel_take(worker, &taken, received, sizeof received));
    }
    pair_end(&pair);
}

CASE(a_reservation_may_be_used_in_part)
{
    pair pair = pair_here(RING, true);
    noodle_channel *const worker = &pair.worker.channels[pair.channel->index];
    for (uint64_t i = 0; i < 1000; i++) {
        const uint64_t length = random_number() % 300;
        const noodle_record record = call_of(length, i);
        unsigned char *place, received[RING];
        noodle_record taken = {0};
        uint64_t capacity;
        EQUAL(NOODLE_OK, noodle_channel_reserve(pair.channel, 300, &place, &capacity));
        CHECK(capacity >= 300 && capacity <= RING - 32);
        memset(place, 0xEE, capacity);
        fill(place, length, i);
        EQUAL(NOODLE_OK, noodle_channel_commit(pair.channel, &record));
        EQUAL(NOODLE_OK, noodle_channel_take(worker, &taken, received, sizeof received));
        EQUAL(length, taken.length);
        check_filled(received, length, i);
    }
    pair_end(&pair);
}

CASE(a_commit_without_a_large_enough_reservation_is_invalid)
{
    pair pair = pair_here(RING, true);
    unsigned char *place;
    uint64_t capacity;
    noodle_record record = call_of(0, 1);
    EQUAL(NOODLE_INVALID, noodle_channel_commit(pair.channel, &record));
    EQUAL(NOODLE_OK, noodle_channel_reserve(pair.channel, 8, &place, &capacity));
    record.length = (uint32_t)capacity + 1;
    EQUAL(NOODLE_INVALID, noodle_channel_commit(pair.channel, &record));
    pair_end(&pair);
}

CASE(a_record_that_never_fits_is_too_large)
{
    pair pair = pair_here(RING, true);
    unsigned char bytes[RING] = {0};
    const noodle_record largest = call_of(RING - 32, 1), larger = call_of(RING - 31, 2);
    EQUAL(NOODLE_TOO_LARGE, noodle_channel_send(pair.channel, &larger, bytes));
    EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &largest, bytes));
    pair_end(&pair);
}

CASE(a_full_ring_says_so_and_takes_more_once_there_is_space)
{
    pair pair = pair_here(RING, true);
    noodle_channel *const worker = &pair.worker.channels[pair.channel->index];
    const noodle_record record = call_of(96, 1);
    unsigned char bytes[96] = {0};
    noodle_record taken = {0};
    for (int i = 0; i < RING / 128; i++)
        EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &record, bytes));
    EQUAL(NOODLE_FULL, noodle_channel_send(pair.channel, &record, bytes));
    CHECK(!noodle_channel_ready(pair.channel));
    EQUAL(NOODLE_OK, noodle_channel_take(worker, &taken, bytes, sizeof bytes));
    CHECK(noodle_channel_ready(pair.channel));
    EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &record, bytes));
    CHECK(!noodle_channel_ready(pair.channel));
    pair_end(&pair);
}

CASE(a_short_buffer_takes_nothing_and_says_what_is_needed)
{
    pair pair = pair_here(RING, true);
    noodle_channel *const worker = &pair.worker.channels[pair.channel->index];
    const noodle_record record = call_of(100, 7);
    unsigned char bytes[100], received[100];
    noodle_record taken = {0};
    fill(bytes, 100, 7);
    EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &record, bytes));
    EQUAL(NOODLE_TOO_SMALL, noodle_channel_take(worker, &taken, received, 99));
    EQUAL(100, taken.length);
    EQUAL(NOODLE_OK, noodle_channel_take(worker, &taken, received, 100));
    check_filled(received, 100, 7);
    pair_end(&pair);
}

/* ------------------------------------------------------------------------------ Hostile peers */

static void
check_take_is_refused(uint64_t head, uint32_t length)
{
    pair pair = pair_here(RING, false);
    noodle_channel *const worker = &pair.worker.channels[pair.channel->index];
    const noodle_record record = call_of(64, 1);
    unsigned char buffer[RING] = {0};
    noodle_record taken = {0};
    EQUAL(NOODLE_OK, noodle_channel_send(worker, &record, buffer));
    memcpy(worker->out.data, &length, sizeof length);
    atomic_store(&worker->out.head->position, head);
    EQUAL(NOODLE_PROTOCOL, noodle_channel_take(pair.channel, &taken, buffer, sizeof buffer));
    atomic_store(&worker->out.head->position, 96);
    EQUAL(NOODLE_PROTOCOL, noodle_channel_take(pair.channel, &taken, buffer, sizeof buffer));
    CHECK(noodle_channel_ready(pair.channel));
    pair_end(&pair);
}

CASE(a_head_beyond_the_ring_condemns_it) { check_take_is_refused(RING + 32, 64); }
CASE(a_head_that_went_back_condemns_the_ring) { check_take_is_refused(UINT64_MAX - 31, 64); }
CASE(a_head_inside_a_record_condemns_the_ring) { check_take_is_refused(97, 64); }
CASE(a_length_beyond_what_was_published_condemns_the_ring) { check_take_is_refused(96, 65); }
CASE(the_largest_length_there_is_condemns_the_ring) { check_take_is_refused(96, UINT32_MAX); }

static void
check_tail_is_refused(uint64_t tail)
{
    pair pair = pair_here(RING, false);
    noodle_channel *const worker = &pair.worker.channels[pair.channel->index];
    const noodle_record record = call_of(RING / 2, 1);
    unsigned char bytes[RING] = {0};
    EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &record, bytes));
    atomic_store(&worker->in.tail->position, tail);
    EQUAL(NOODLE_PROTOCOL, noodle_channel_send(pair.channel, &record, bytes));
    atomic_store(&worker->in.tail->position, RING / 2 + 32);
    EQUAL(NOODLE_PROTOCOL, noodle_channel_send(pair.channel, &record, bytes));
    pair_end(&pair);
}

CASE(a_tail_beyond_the_head_condemns_the_ring) { check_tail_is_refused(RING / 2 + 64); }
CASE(a_tail_inside_a_record_condemns_the_ring) { check_tail_is_refused(33); }
CASE(a_tail_that_went_back_condemns_the_ring) { check_tail_is_refused(UINT64_MAX - 31); }

/* Writes rubbish everywhere, now and then something that could be right. */
static void
scribble(pair *pair)
{
    uint64_t *const words = (uint64_t *)pair->worker.control;
    const uint64_t count = pair->worker.control_bytes / sizeof *words;
    const uint64_t channel = NOODLE_PAGE / sizeof *words;
    for (;;) {
        const uint64_t value = random_number();
        words[random_number() % count] = value;
        words[channel + random_number() % 1024] = value % 4 == 0 ? value % 5000 : value;
        for (uint64_t cursor = 0; cursor < 4; cursor++)
            words[channel + cursor * 16] += 32 * (random_number() % 8);
    }
}

static noodle_status
use_once(noodle_channel *channel, unsigned char *buffer)
{
    const noodle_record record = call_of(random_number() % 512, 1);
    noodle_record taken = {0};
    noodle_status sent, received = NOODLE_OK;
    sent = noodle_channel_send(channel, &record, buffer);
    for (int i = 0; i < 8 && received == NOODLE_OK; i++)
        received = noodle_channel_take(channel, &taken, buffer, RING);
    noodle_channel_wait(channel, noodle_now() + MS / 10, 0, MS / 50);
    return sent == NOODLE_PROTOCOL && received == NOODLE_PROTOCOL ? NOODLE_PROTOCOL : NOODLE_OK;
}

/* Sets the private cursors to what the peer says, so that there is always something to go wrong. */
static void
believe(noodle_channel *channel)
{
    const uint64_t head = atomic_load(&channel->in.head->position) & ~UINT64_C(31);
    const uint64_t tail = atomic_load(&channel->out.tail->position) & ~UINT64_C(31);
    channel->in.condemned = channel->out.condemned = false;
    channel->in.position = channel->in.published = head;
    channel->out.position = channel->out.taken = tail;
}

CASE(a_worker_that_scribbles_over_everything_harms_only_itself)
{
    const uint64_t uses = setting("NOODLE_USES", 3000);
    pair pair = pair_with_child(RING, false, scribble);
    unsigned char buffer[RING] = {0};
    uint64_t refused = 0;
    for (uint64_t i = 0; i < uses || refused < 10; i++)
        if (use_once(pair.channel, buffer) == NOODLE_PROTOCOL) {
            refused++;
            believe(pair.channel);
        }
    kill(pair.child, SIGKILL);
    pair_wait_child(&pair, SIGKILL);
    pair_end(&pair);
}

CASE(a_worker_cannot_truncate_the_control_memory)
{
    const noodle_link_options options = {1, RING, false};
    noodle_link *link;
    int control;
    EQUAL(NOODLE_OK, noodle_link_create(&options, &link));
    control = noodle_link_worker_descriptors(link).control;
    EQUAL(-1, ftruncate(control, 0));
    EQUAL(EPERM, errno);
    EQUAL(-1, ftruncate(control, 1 << 30));
    EQUAL(-1, fcntl(control, F_ADD_SEALS, F_SEAL_WRITE));
    noodle_link_destroy(link);
}

CASE(an_event_of_a_hostile_worker_never_blocks_the_host)
{
    pair pair = pair_here(RING, false);
    const int worker_end = pair.worker.event.wait_fd;
    /* What a hostile worker can do to an end that it shares: flags, and not reading. */
    EQUAL(0, fcntl(worker_end, F_SETFL, 0));
    EQUAL(0, fcntl(pair.worker.channels[0].peer_event.wake_fd, F_SETFL, 0));
    alarm(20);
    for (int i = 0; i < 100000; i++) {
        atomic_store(&pair.worker.control->worker.state, NOODLE_PARKED);
        noodle_channel_notify(pair.channel);
    }
    for (int i = 0; i < 10; i++)
        noodle_event_drain(&pair.channel->own_event);
    pair_end(&pair);
}

static void
close_events(pair *pair)
{
    struct pollfd lifeline = {.fd = pair->worker.lifeline_fd, .events = POLLIN};
    pair_receive_events(pair, 0);
    noodle_event_close(&pair->worker.channels[0].peer_event);
    poll(&lifeline, 1, -1);
}

CASE(a_worker_that_closes_its_end_is_a_protocol_error_not_a_busy_loop)
{
    pair pair = pair_with_child(RING, false, close_events);
    noodle_record taken = {0};
    EQUAL(NOODLE_READY, noodle_wait_block(pair.channel, noodle_now() + 10000 * MS, 0));
    EQUAL(NOODLE_PROTOCOL, noodle_channel_take(pair.channel, &taken, NULL, 0));
    pair_end(&pair);
}

CASE(rubbish_is_not_attached_to)
{
    noodle_worker worker;
    noodle_link_options options = {1, RING, true};
    noodle_link *link;
    const int unsealed = memfd_create("rubbish", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int control;
    uint32_t *words;
    EQUAL(0, ftruncate(unsealed, 1 << 20));
    EQUAL(NOODLE_PROTOCOL, noodle_worker_attach(&worker, dup(unsealed), -1, -1));
    EQUAL(0, fcntl(unsealed, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
    EQUAL(NOODLE_PROTOCOL, noodle_worker_attach(&worker, unsealed, -1, -1));
    EQUAL(NOODLE_OK, noodle_link_create(&options, &link));
    control = noodle_link_worker_descriptors(link).control;
    words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, control, 0);
    for (int i = 0; i < 8; i++) {
        words[i]++;
        EQUAL(i == 5 ? NOODLE_OK : NOODLE_PROTOCOL,
              noodle_worker_attach(&worker, dup(control), -1, -1));
        if (i == 5)
            noodle_worker_detach(&worker);
        words[i]--;
    }
    munmap(words, 4096);
    noodle_link_destroy(link);
}

CASE(sizes_that_make_no_ring_are_refused)
{
    const noodle_link_options wrong[] = {
        {0, RING, true},  {65, RING, true},    {1, RING + 32, true},
        {1, 2048, true}, {1, 1u << 25, true},
    };
    noodle_link *link;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        EQUAL(NOODLE_INVALID, noodle_link_create(&wrong[i], &link));
        CHECK(link == NULL);
    }
}

/* ----------------------------------------------------------------------------------- Waiting */

CASE(a_wait_ends_at_its_deadline_or_its_slice)
{
    pair pair = pair_here(RING, true);
    const uint64_t begin = noodle_now();
    EQUAL(NOODLE_TIMEOUT, noodle_channel_wait(pair.channel, begin + 20 * MS, 0, MS / 100));
    CHECK(noodle_now() - begin >= 20 * MS && noodle_now() - begin < 5000 * MS);
    EQUAL(NOODLE_SLICE, noodle_wait_block(pair.channel, begin + 60000 * MS, 5 * MS));
    EQUAL(NOODLE_TIMEOUT, noodle_wait_block(pair.channel, begin, 5 * MS));
    EQUAL(NOODLE_SLICE, noodle_worker_block(&pair.worker, 0, 5 * MS));
    EQUAL(NOODLE_TIMEOUT, noodle_worker_wait(&pair.worker, noodle_now() + MS, 0));
    pair_end(&pair);
}

static void
ignore(int number)
{
    (void)number;
}

CASE(a_signal_ends_a_wait_so_that_it_can_be_handled)
{
    const struct sigaction action = {.sa_handler = ignore};
    pair pair = pair_here(RING, true);
    const pid_t self = getpid();
    pid_t child;
    sigaction(SIGUSR1, &action, NULL);
    child = fork_child();
    if (child == 0)
        while (kill(self, SIGUSR1) == 0)
            sched_yield();
    EQUAL(NOODLE_SLICE, noodle_wait_block(pair.channel, noodle_now() + 20000 * MS, 0));
    kill(child, SIGKILL);
    while (waitpid(child, NULL, 0) != child)
        EQUAL(EINTR, errno);
    pair_end(&pair);
}

static const noodle_record CALL = {.kind = NOODLE_KIND_CALL, .call_id = 1};

static uint32_t
shown_gap(pair *pair)
{
    return atomic_load(&pair->worker.channels[0].peer->gap_ns);
}

CASE(a_host_shows_how_long_after_its_wake_up_it_sends)
{
    pair pair = pair_here(RING, true);
    EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &CALL, ""));
    EQUAL(0, shown_gap(&pair));             /* it has not slept yet */
    noodle_waiter_resumed(pair.waiter);
    pair.channel->woken_ns -= 7 * MS;       /* woken so long ago */
    EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &CALL, ""));
    CHECK(shown_gap(&pair) >= 7 * MS);
    EQUAL(0, pair.channel->woken_ns);       /* the next record says nothing about a wake-up */
    pair_end(&pair);
}

CASE(a_worker_spins_only_for_a_caller_that_calls_soon_after_its_wake_up)
{
    pair pair = pair_here(RING, true);
    const bool may_spin = noodle_processors_refresh().spinners > 0;
    noodle_presence *const host = pair.channel->own;
    uint64_t begin;
    pair.worker.pace.spin_ns = 50 * MS;
    atomic_store(&host->processor, 8000);   /* never this one */
    atomic_store(&host->gap_ns, 0);
    begin = noodle_now();
    EQUAL(NOODLE_NOT_YET, noodle_worker_spin(&pair.worker));
    atomic_store(&host->gap_ns, 60 * MS);
    EQUAL(NOODLE_NOT_YET, noodle_worker_spin(&pair.worker));
    atomic_store(&host->gap_ns, 1000);
    atomic_store(&host->state, NOODLE_PARKED);
    EQUAL(NOODLE_NOT_YET, noodle_worker_spin(&pair.worker));
    CHECK(noodle_now() - begin < 50 * MS || !may_spin);
    atomic_store(&host->state, NOODLE_RUNNING);
    begin = noodle_now();
    EQUAL(NOODLE_NOT_YET, noodle_worker_spin(&pair.worker));
    CHECK(noodle_now() - begin >= 50 * MS || !may_spin);
    pair_end(&pair);
}

CASE(a_worker_outlasts_the_wake_up_of_its_caller_but_not_for_ever)
{
    pair pair = pair_here(RING, true);
    const bool may_spin = noodle_processors_refresh().spinners > 0;
    noodle_presence *const host = pair.channel->own;
    uint64_t spun = 0;
    pair.worker.pace.spin_ns = 5 * MS;
    atomic_store(&host->processor, 8000);
    atomic_store(&host->gap_ns, 1000);
    atomic_store(&host->state, NOODLE_WAKING);
    /* Other processes may take the processors from it, for a while. */
    for (int i = 0; i < 1000 && may_spin && spun < 10 * MS; i++) {
        const uint64_t begin = noodle_now();
        noodle_processors_refresh();
        EQUAL(NOODLE_NOT_YET, noodle_worker_spin(&pair.worker));
        spun = noodle_now() - begin;
        usleep(spun < MS ? 1000 : 0);
    }
    CHECK(spun >= 10 * MS || !may_spin);
    pair_end(&pair);
}

CASE(spinning_is_vain_where_both_sides_share_a_processor)
{
    pair pair = pair_here(RING, true);
    noodle_show_processor(pair.channel->own);
    atomic_store(&pair.channel->peer->processor, atomic_load(&pair.channel->own->processor));
    CHECK(noodle_spin_is_vain(pair.channel));
    EQUAL(NOODLE_PEER_PARKED, noodle_wait_spin(pair.channel, noodle_now() + 60000 * MS));
    pair_end(&pair);
}

CASE(nobody_spins_at_a_worker_that_sleeps)
{
    pair pair = pair_here(RING, true);
    EQUAL(NOODLE_OK, noodle_worker_park(&pair.worker));
    EQUAL(NOODLE_PEER_PARKED, noodle_wait_spin(pair.channel, noodle_now() + 60000 * MS));
    noodle_channel_send(pair.channel, &(noodle_record){0}, NULL);
    EQUAL(NOODLE_WAKING, noodle_link_worker_state(pair.link));
    EQUAL(NOODLE_PEER_PARKED, noodle_wait_spin(pair.channel, noodle_now() + 60000 * MS));
    pair_end(&pair);
}

CASE(a_worker_under_a_foreign_poll_is_woken_and_never_sleeps_on_a_record)
{
    pair pair = pair_here(RING, true);
    struct pollfd polled = {.fd = pair.worker.event.wait_fd, .events = POLLIN};
    EQUAL(NOODLE_OK, noodle_worker_park(&pair.worker));
    EQUAL(0, poll(&polled, 1, 0));
    noodle_channel_send(pair.channel, &(noodle_record){0}, NULL);
    EQUAL(1, poll(&polled, 1, 0));
    noodle_worker_unpark(&pair.worker);
    EQUAL(0, poll(&polled, 1, 0));
    EQUAL(NOODLE_READY, noodle_worker_park(&pair.worker));
    CHECK(noodle_worker_next(&pair.worker) == &pair.worker.channels[0]);
    pair_end(&pair);
}

CASE(a_waiter_under_a_foreign_poll_is_woken_once_for_a_batch)
{
    pair pair = pair_here(RING, true);
    noodle_channel *const worker = &pair.worker.channels[0];
    struct pollfd polled = {.fd = pair.channel->own_event.wait_fd, .events = POLLIN};
    uint64_t wakes = 0;
    EQUAL(NOODLE_OK, noodle_waiter_park(pair.waiter));
    for (int i = 0; i < 10; i++)
        noodle_channel_send(worker, &(noodle_record){0}, NULL);
    EQUAL(1, poll(&polled, 1, 0));
    EQUAL(8, read(polled.fd, &wakes, 8));
    EQUAL(1, wakes);
    noodle_waiter_unpark(pair.waiter);
    EQUAL(NOODLE_READY, noodle_waiter_park(pair.waiter));
    pair_end(&pair);
}

/* On one processor the orders that lose wake-ups cannot be seen, so each side gets its own. */
static void
stay_on_processor(unsigned wanted)
{
    cpu_set_t usable, one;
    unsigned seen = 0;
    EQUAL(0, sched_getaffinity(0, sizeof usable, &usable));
    wanted %= (unsigned)CPU_COUNT(&usable);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
        if (CPU_ISSET(cpu, &usable) && seen++ == wanted) {
            CPU_ZERO(&one);
            CPU_SET(cpu, &one);
        }
    EQUAL(0, sched_setaffinity(0, sizeof one, &one));
}

/* Looks for a random time, so that going to sleep meets the peer's record in every way. */
static bool
look_randomly(noodle_channel *channel)
{
    const uint64_t until = noodle_now() + random_number() % 2000;
    while (!noodle_channel_ready(channel))
        if (noodle_now() >= until)
            return false;
    return true;
}

static void
dawdle(void)
{
    const uint64_t until = noodle_now() + random_number() % 2000;
    while (noodle_now() < until)
        continue;
}

static void
serve_with_random_parking(pair *pair)
{
    noodle_channel *const channel = &pair->worker.channels[0];
    unsigned char buffer[RING];
    stay_on_processor(1);
    pair_receive_events(pair, 0);
    for (;;) {
        noodle_record record;
        while (!look_randomly(channel) && noodle_worker_next(&pair->worker) == NULL)
            noodle_worker_block(&pair->worker, 0, 0);
        EQUAL(NOODLE_OK, noodle_channel_take(channel, &record, buffer, sizeof buffer));
        if (record.kind == NOODLE_KIND_CONTROL)
            return;
        dawdle();
        EQUAL(NOODLE_OK, noodle_channel_send(channel, &record, buffer));
    }
}

static void
hand_over(bool trusted)
{
    const uint64_t calls = setting("NOODLE_HANDOVERS", 20000) / 2;
    pair pair = pair_with_child(RING, trusted, serve_with_random_parking);
    unsigned char sent[256], buffer[256];
    stay_on_processor(0);
    for (uint64_t i = 0; i < calls; i++) {
        const noodle_record record = call_of(i % 200, i);
        noodle_record reply = {0};
        fill(sent, record.length, i);
        EQUAL(NOODLE_OK, noodle_channel_send(pair.channel, &record, sent));
        /* A lost wake-up is a wait that lasts until its deadline. */
        while (!look_randomly(pair.channel))
            EQUAL(NOODLE_READY, noodle_wait_block(pair.channel, noodle_now() + 10000 * MS, 0));
        EQUAL(NOODLE_OK, noodle_channel_take(pair.channel, &reply, buffer, sizeof buffer));
        EQUAL(i, reply.call_id);
        check_filled(buffer, reply.length, i);
        dawdle();
    }
    noodle_channel_send(pair.channel, &(noodle_record){.kind = NOODLE_KIND_CONTROL}, NULL);
    pair_wait_child(&pair, 0);
    pair_end(&pair);
}

CASE(no_wake_up_is_lost_in_hand_overs_between_processes) { hand_over(true); }
CASE(no_wake_up_is_lost_over_pipes) { hand_over(false); }

static void *
serve_in_thread(void *argument)
{
    pair_echo(argument);
    return NULL;
}

/* Both ends in one process, so that the thread sanitizer sees both. */
CASE(hand_overs_between_threads_are_free_of_races)
{
    const uint64_t calls = setting("NOODLE_HANDOVERS", 40000) / 2;
    pair pair = pair_here(RING, true);
    unsigned char sent[256], buffer[256];
    pthread_t thread;
    pthread_create(&thread, NULL, serve_in_thread, &pair);
    for (uint64_t i = 0; i < calls; i++) {
        const noodle_record record = call_of(i % 200, i);
        noodle_record reply;
        fill(sent, record.length, i);
        pair_call(pair.channel, &record, sent, &reply, buffer, sizeof buffer, i % 3 * 2000);
        EQUAL(i, reply.call_id);
        check_filled(buffer, reply.length, i);
    }
    noodle_channel_send(pair.channel, &(noodle_record){.kind = NOODLE_KIND_CONTROL}, NULL);
    pthread_join(thread, NULL);
    pair_end(&pair);
}

static void
flood(pair *pair)
{
    const uint64_t records = 20000;
    noodle_channel *const channel = &pair->worker.channels[0];
    unsigned char bytes[300];
    pair_receive_events(pair, 0);
    for (uint64_t i = 0; i < records;) {
        const noodle_record record = call_of(i % 300, i);
        fill(bytes, record.length, i);
        if (noodle_channel_send(channel, &record, bytes) == NOODLE_OK)
            i++;
        else
            noodle_worker_block(&pair->worker, 0, 1000 * MS);
    }
}

CASE(a_producer_without_space_is_woken_when_there_is_some)
{
    pair pair = pair_with_child(RING, true, flood);
    unsigned char buffer[300];
    for (uint64_t i = 0; i < 20000;) {
        noodle_record taken = {0};
        if (noodle_channel_take(pair.channel, &taken, buffer, sizeof buffer) == NOODLE_OK) {
            EQUAL(i, taken.call_id);
            check_filled(buffer, taken.length, i);
            i++;
        } else {
            EQUAL(NOODLE_READY,
                  noodle_wait_block(pair.channel, noodle_now() + 20000 * MS, 0));
        }
    }
    pair_end(&pair);
}

/* ---------------------------------------------------------------------------------- Channels */

typedef struct caller {
    pair *pair;
    pthread_t thread;
} caller;

static void *
call_often(void *argument)
{
    caller *const given = argument;
    noodle_waiter *waiter;
    noodle_channel *const channel = pair_open(given->pair, false, &waiter);
    for (uint64_t i = 0; i < 2000; i++) {
        const noodle_record record = call_of(16, i + channel->index * 100000);
        unsigned char buffer[16] = {0};
        noodle_record reply;
        pair_call(channel, &record, buffer, &reply, buffer, sizeof buffer, 5000);
        EQUAL(record.call_id, reply.call_id);
    }
    noodle_link_close(channel);
    noodle_waiter_destroy(waiter);
    return NULL;
}

CASE(threads_call_one_worker_at_the_same_time)
{
    pair pair = pair_with_child(RING, true, pair_echo);
    caller callers[8];
    for (int i = 0; i < 8; i++) {
        callers[i].pair = &pair;
        pthread_create(&callers[i].thread, NULL, call_often, &callers[i]);
    }
    for (int i = 0; i < 8; i++)
        pthread_join(callers[i].thread, NULL);
    noodle_channel_send(pair.channel, &(noodle_record){.kind = NOODLE_KIND_CONTROL}, NULL);
    pair_wait_child(&pair, 0);
    pair_end(&pair);
}

CASE(a_channel_that_is_given_back_is_given_out_again)
{
    pair pair = pair_here(RING, true);
    noodle_channel *channels[64], *again;
    for (int i = 0; i < 63; i++)
        EQUAL(NOODLE_OK, noodle_link_open(pair.link, false, &channels[i]));
    EQUAL(NOODLE_LIMIT, noodle_link_open(pair.link, false, &again));
    CHECK(again == NULL);
    noodle_link_close(channels[20]);
    EQUAL(NOODLE_LIMIT, noodle_link_open(pair.link, true, &again));
    EQUAL(NOODLE_OK, noodle_link_open(pair.link, false, &again));
    CHECK(again == channels[20]);
    again->in.condemned = true;
    noodle_link_close(again);
    EQUAL(NOODLE_LIMIT, noodle_link_open(pair.link, false, &again));
    pair_end(&pair);
}

CASE(a_waiter_serves_all_its_channels_in_turn)
{
    pair pair = pair_here(RING, true);
    noodle_channel *second;
    noodle_record taken = {0};
    EQUAL(NOODLE_OK, noodle_link_open(pair.link, false, &second));
    EQUAL(NOODLE_OK, noodle_waiter_add(pair.waiter, second));
    EQUAL(NOODLE_INVALID, noodle_waiter_add(pair.waiter, second));
    CHECK(noodle_waiter_next(pair.waiter) == NULL);
    for (int i = 0; i < 2; i++)
        for (int times = 0; times < 2; times++)
            noodle_channel_send(&pair.worker.channels[i], &(noodle_record){0}, NULL);
    EQUAL(NOODLE_READY, noodle_wait_block(pair.channel, 0, 0));
    for (int i = 0; i < 4; i++) {
        noodle_channel *const next = noodle_waiter_next(pair.waiter);
        CHECK(next == (i % 2 == 0 ? second : pair.channel));
        EQUAL(NOODLE_OK, noodle_channel_take(next, &taken, NULL, 0));
    }
    CHECK(noodle_waiter_next(pair.waiter) == NULL);
    noodle_link_close(second);
    pair_end(&pair);
}

static void *
wake_its_waiter(void *argument)
{
    noodle_waiter_wake(((pair *)argument)->waiter);
    return NULL;
}

CASE(another_thread_ends_a_wait_though_nothing_is_ready)
{
    pair pair = pair_here(RING, true);
    pthread_t thread;
    EQUAL(NOODLE_OK, noodle_waiter_admit_wakes(pair.waiter));
    EQUAL(NOODLE_OK, noodle_waiter_admit_wakes(pair.waiter));
    CHECK(!noodle_waiter_woken(pair.waiter));
    for (int i = 0; i < 100; i++) {
        CHECK(pthread_create(&thread, NULL, wake_its_waiter, &pair) == 0);
        EQUAL(NOODLE_READY, noodle_wait_block(pair.channel, noodle_now() + 20000 * MS, 0));
        CHECK(noodle_waiter_next(pair.waiter) == NULL);
        CHECK(noodle_waiter_woken(pair.waiter) && !noodle_waiter_woken(pair.waiter));
        pthread_join(thread, NULL);
    }
    pair_end(&pair);
}

CASE(a_wake_before_a_wait_ends_waits_until_it_was_asked_for)
{
    pair pair = pair_here(RING, true);
    EQUAL(NOODLE_OK, noodle_waiter_admit_wakes(pair.waiter));
    noodle_waiter_wake(pair.waiter);
    noodle_waiter_wake(pair.waiter);
    for (int i = 0; i < 2; i++)
        EQUAL(NOODLE_READY, noodle_channel_wait(pair.channel, 0, 5 * MS, MS / 100));
    CHECK(noodle_waiter_woken(pair.waiter));
    EQUAL(NOODLE_SLICE, noodle_channel_wait(pair.channel, 0, 5 * MS, MS / 100));
    noodle_waiter_wake(pair.waiter);
    noodle_waiter_end_wakes(pair.waiter);
    CHECK(!noodle_waiter_woken(pair.waiter));
    EQUAL(NOODLE_SLICE, noodle_wait_block(pair.channel, 0, 5 * MS));
    pair_end(&pair);
}

static void *
serve_dedicated(void *argument)
{
    pair *const pair = argument;
    noodle_channel *const channel = &pair->worker.channels[1];
    noodle_pace pace = {.spin_ns = NOODLE_SPIN_DEFAULT_NS};
    for (int served = 0; served < 1000;) {
        noodle_record record;
        if (noodle_channel_take(channel, &record, NULL, 0) == NOODLE_OK) {
            noodle_channel_send(channel, &record, NULL);
            served++;
        } else {
            EQUAL(NOODLE_READY, noodle_dedicated_wait(&pair->worker, channel, &pace, 0, 0));
        }
    }
    return NULL;
}

CASE(a_dedicated_channel_is_served_by_its_own_thread)
{
    pair pair = pair_here(RING, true);
    noodle_waiter *waiter;
    noodle_channel *const channel = pair_open(&pair, true, &waiter);
    pthread_t thread;
    noodle_message message;
    int fd;
    EQUAL(1, channel->index);
    pair_receive_events(&pair, 1);
    EQUAL(NOODLE_OK, noodle_receive_segment(pair.worker_socket, false, &message, &fd));
    EQUAL(NOODLE_MESSAGE_OWN_EVENT, message.kind);
    EQUAL(NOODLE_OK, noodle_worker_set_own_event(&pair.worker, 1, fd));
    pthread_create(&thread, NULL, serve_dedicated, &pair);
    for (uint64_t i = 0; i < 1000; i++) {
        const noodle_record record = call_of(0, i);
        noodle_record reply;
        pair_call(channel, &record, NULL, &reply, NULL, 0, 0);
        EQUAL(i, reply.call_id);
        CHECK(noodle_worker_next(&pair.worker) == NULL);
    }
    pthread_join(thread, NULL);
    noodle_link_close(channel);
    noodle_waiter_destroy(waiter);
    pair_end(&pair);
}

/* -------------------------------------------------------------------------- Life and death */

static void
reply_once_and_die(pair *pair)
{
    pair_receive_events(pair, 0);
    noodle_channel_send(&pair->worker.channels[0], &(noodle_record){.call_id = 9}, NULL);
    kill(getpid(), SIGKILL);
}

CASE(what_a_worker_sent_before_its_death_is_still_taken)
{
    pair pair = pair_with_child(RING, true, reply_once_and_die);
    noodle_record taken = {0};
    pair_wait_child(&pair, SIGKILL);
    EQUAL(NOODLE_READY, noodle_wait_block(pair.channel, 0, 0));
    EQUAL(NOODLE_OK, noodle_channel_take(pair.channel, &taken, NULL, 0));
    EQUAL(9, taken.call_id);
    EQUAL(NOODLE_PEER_DEAD, noodle_channel_wait(pair.channel, 0, 0, 5000));
    CHECK(noodle_link_is_dead(pair.link));
    pair_end(&pair);
}

static void *
mark_dead(void *argument)
{
    noodle_channel *const channel = argument;
    while (atomic_load(&channel->own->state) != NOODLE_PARKED)
        sched_yield();
    noodle_link_mark_dead(channel->link);
    return NULL;
}

CASE(a_worker_that_is_given_up_wakes_every_thread_that_waits_for_it)
{
    pair pair = pair_here(RING, true);
    noodle_channel *more;
    pthread_t thread;
    pthread_create(&thread, NULL, mark_dead, pair.channel);
    EQUAL(NOODLE_PEER_DEAD, noodle_channel_wait(pair.channel, 0, 0, 5000));
    pthread_join(thread, NULL);
    EQUAL(NOODLE_PEER_DEAD, noodle_wait_block(pair.channel, 0, 0));
    EQUAL(NOODLE_PEER_DEAD, noodle_link_open(pair.link, false, &more));
    pair_end(&pair);
}

CASE(a_worker_sees_that_its_host_is_gone)
{
    pair pair = pair_here(RING, true);
    noodle_link_close(pair.channel);
    noodle_waiter_destroy(pair.waiter);
    noodle_link_destroy(pair.link);
    EQUAL(NOODLE_PEER_DEAD, noodle_worker_wait(&pair.worker, 0, 0));
    noodle_worker_detach(&pair.worker);
    close(pair.worker_socket);
}

static int grandchild[2];   /* a pipe that is open for writing while one lives */

static void
wait_under_watch(pair *pair)
{
    setpgid(0, 0);
    if (fork_child() == 0)
        for (;;)
            pause();
    EQUAL(NOODLE_OK, noodle_worker_watch(&pair->worker, 5));
    for (;;)
        pause();
}

CASE(the_watch_raises_the_beat_and_ends_the_whole_group_with_the_host)
{
    pair pair;
    int status;
    char nothing;
    EQUAL(0, pipe(grandchild));
    pair = pair_with_child(RING, true, wait_under_watch);
    close(grandchild[1]);
    while (noodle_link_beat(pair.link) < 3)
        sched_yield();
    noodle_link_close(pair.channel);
    noodle_waiter_destroy(pair.waiter);
    noodle_link_destroy(pair.link);
    EQUAL(pair.child, waitpid(pair.child, &status, 0));
    EQUAL(SIGKILL, status);
    EQUAL(0, read(grandchild[0], &nothing, 1));
    close(grandchild[0]);
}

CASE(in_a_child_of_fork_the_link_is_refused_and_the_lifeline_closed)
{
    pair pair = pair_here(RING, true);
    const pid_t child = fork_child();
    int status;
    if (child == 0) {
        noodle_channel *channel;
        EQUAL(NOODLE_FORKED, noodle_link_open(pair.link, false, &channel));
        EQUAL(NOODLE_FORKED, noodle_wait_block(pair.channel, 0, 0));
        noodle_link_close(pair.channel);
        for (;;)
            pause();
    }
    /* The child lives, and yet the end of the host's link ends the lifeline. */
    noodle_link_close(pair.channel);
    noodle_waiter_destroy(pair.waiter);
    noodle_link_destroy(pair.link);
    EQUAL(NOODLE_PEER_DEAD, noodle_worker_block(&pair.worker, noodle_now() + 20000 * MS, 0));
    kill(child, SIGKILL);
    EQUAL(child, waitpid(child, &status, 0));
    EQUAL(SIGKILL, status);
    noodle_worker_detach(&pair.worker);
    close(pair.worker_socket);
}
