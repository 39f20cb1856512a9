/* Facts about this process: which side of a fork it is on, the clock, and how many may spin.
 *
 * Thread-safe throughout.
 */
#ifndef NOODLE_PROCESS_H
#define NOODLE_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* ------------------------------------------------------------------------------------ Forks
 * The generation is 1 in the process that loaded this code and rises by one in every child of
 * fork().  Links, channels and leases carry the generation they were made in; used in another one,
 * calls return NOODLE_FORKED and releases do nothing, so that a child's exit cannot release what
 * its parent still uses. */
uint32_t noodle_process_generation(void);

/* ------------------------------------------------------------------------------------ Clock
 * CLOCK_MONOTONIC in nanoseconds: the clock of every deadline. */
static inline uint64_t
noodle_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --------------------------------------------------------------------------------- Spinning At
 * most half of the CPUs this process may use, rounded down, are spent on spinning.  CPUs are
 * min(CPUs of the affinity mask, quota of the cgroup and of every cgroup above it, v1 or v2).
 * Below two whole CPUs nobody spins, nor in the second after the kernel throttled the cgroup.  The
 * facts are read again when they are older than a second: by a waiting thread, or before it by one
 * that calls noodle_processors_refresh() and so keeps the reading off the calls. */
typedef struct noodle_processors {
    double usable;        /* CPUs, e.g. 1.5 under a quota of 150 ms in 100 ms */
    uint64_t throttled;   /* nr_throttled of the cgroup; 0 where there is none */
    bool throttled_now;   /* it rose since the reading before */
    uint32_t spinners;    /* how many threads may spin at once */
} noodle_processors;

noodle_processors noodle_processors_refresh(void);

/* Reads the facts anew from a process's cgroup membership file, a table of mounts and a CPU count,
 * without touching what this process uses.  The paths are /proc/self/cgroup and
 * /proc/self/mountinfo but for tests. */
noodle_processors noodle_processors_read(const char *cgroup, const char *mounts, unsigned cpus);

/* Reads them in the same way and uses them from now on, as noodle_processors_refresh() does. */
noodle_processors noodle_processors_use(const char *cgroup, const char *mounts, unsigned cpus);

/* Reads the facts again if they are older than a second. */
void noodle_processors_check(uint64_t now_ns);

/* Takes a place among the spinners.  False: do not spin.  True: give it back with
 * noodle_spin_end(). */
bool noodle_spin_begin(void);
void noodle_spin_end(void);

/* Moves the calling thread to another processor of its affinity mask, if there is one. */
void noodle_leave_processor(void);

/* Moves the calling thread to a processor of its affinity mask; does nothing for any other. */
void noodle_join_processor(uint32_t processor);

#endif
