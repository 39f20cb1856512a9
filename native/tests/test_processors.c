#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "noodle/channel.h"

static char root[64];

static void
make_root(void)
{
    strcpy(root, "/tmp/noodle-cgroup-XXXXXX");
    CHECK(mkdtemp(root) != NULL);
}

static void
remove_root(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", root);
    EQUAL(0, system(command));
}

static const char *
path_of(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", root, name);
    return path;
}

static void
folder(const char *name)
{
    EQUAL(0, mkdir(path_of(name), 0700));
}

__attribute__((format(printf, 2, 3))) static void
file(const char *name, const char *format, ...)
{
    va_list arguments;
    FILE *const opened = fopen(path_of(name), "w");
    va_start(arguments, format);
    CHECK(opened != NULL && vfprintf(opened, format, arguments) > 0 && fclose(opened) == 0);
    va_end(arguments);
}

static noodle_processors
facts_of(noodle_processors (*read)(const char *, const char *, unsigned), unsigned cpus)
{
    char cgroup[128], mounts[128];
    snprintf(cgroup, sizeof cgroup, "%s/cgroup", root);
    snprintf(mounts, sizeof mounts, "%s/mountinfo", root);
    return read(cgroup, mounts, cpus);
}

static noodle_processors
read_facts(unsigned cpus)
{
    return facts_of(noodle_processors_read, cpus);
}

static void
unified_mount(const char *mounted)
{
    file("mountinfo", "30 23 0:26 %s %s/v2 rw,nosuid shared:4 - cgroup2 cgroup2 rw\n", mounted,
         root);
}

CASE(a_quota_of_version_2_counts_and_so_do_those_above_it)
{
    make_root();
    folder("v2");
    folder("v2/a");
    folder("v2/a/b");
    unified_mount("/");
    file("cgroup", "0::/a/b\n");
    file("v2/a/b/cpu.max", "max 100000\n");
    file("v2/a/cpu.max", "350000 100000\n");
    file("v2/a/b/cpu.stat", "usage_usec 5\nnr_periods 9\nnr_throttled 7\n");
    EQUAL(35, (int)(read_facts(8).usable * 10 + 0.5));
    EQUAL(1, read_facts(8).spinners);
    EQUAL(7, read_facts(8).throttled);
    EQUAL(2, read_facts(2).usable);
    remove_root();
}

CASE(a_container_sees_only_its_part_of_the_hierarchy)
{
    make_root();
    folder("v2");
    folder("v2/job");
    unified_mount("/docker/abc");
    file("cgroup", "0::/docker/abc/job\n");
    file("v2/job/cpu.max", "150000 100000\n");
    EQUAL(15, (int)(read_facts(8).usable * 10 + 0.5));
    EQUAL(0, read_facts(8).spinners);
    remove_root();
}

CASE(a_quota_of_version_1_counts)
{
    make_root();
    folder("v1");
    folder("v1/a");
    file("mountinfo",
         "31 23 0:27 / %s/cpuset rw - cgroup cgroup rw,cpuset\n"
         "32 23 0:28 / %s/v1 rw - cgroup cgroup rw,cpu,cpuacct\n",
         root, root);
    file("cgroup", "5:cpuset:/z\n4:cpuacct,cpu:/a\n0::/\n");
    file("v1/a/cpu.cfs_quota_us", "400000\n");
    file("v1/a/cpu.cfs_period_us", "100000\n");
    file("v1/cpu.cfs_quota_us", "-1\n");
    file("v1/cpu.cfs_period_us", "100000\n");
    EQUAL(4, read_facts(16).usable);
    EQUAL(2, read_facts(16).spinners);
    remove_root();
}

CASE(without_control_groups_the_cpus_count)
{
    const noodle_processors facts = noodle_processors_read("/no/such", "/no/such", 4);
    EQUAL(4, facts.usable);
    EQUAL(2, facts.spinners);
    EQUAL(1, noodle_processors_read("/no/such", "/no/such", 2).spinners);
    EQUAL(1, noodle_processors_read("/no/such", "/no/such", 3).spinners);
    EQUAL(0, noodle_processors_read("/no/such", "/no/such", 1).spinners);
}

CASE(on_one_cpu_nobody_spins)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    EQUAL(0, sched_setaffinity(0, sizeof one, &one));
    EQUAL(0, noodle_processors_refresh().spinners);
    CHECK(!noodle_spin_begin());
}

CASE(no_more_threads_spin_than_may)
{
    const uint32_t most = noodle_processors_refresh().spinners;
    for (uint32_t i = 0; i < most; i++)
        CHECK(noodle_spin_begin());
    CHECK(!noodle_spin_begin());
    CHECK(!noodle_spin_begin());
    if (most > 0) {
        noodle_spin_end();
        CHECK(noodle_spin_begin());
    }
}

static bool
may_spin(void)
{
    const bool may = noodle_spin_begin();
    if (may)
        noodle_spin_end();
    return may;
}

/* A spin takes the time of a quota that is used up already: 50 ms until there is more. */
CASE(nobody_spins_in_the_second_after_the_kernel_throttled_the_group)
{
    const char *const counts[] = {"nr_throttled 7\n", "nr_throttled 8\n", "nr_throttled 8\n"};
    const bool expected[] = {true, false, true};
    make_root();
    folder("v2");
    unified_mount("/");
    file("cgroup", "0::/\n");
    file("v2/cpu.max", "400000 100000\n");
    for (int i = 0; i < 3; i++) {
        file("v2/cpu.stat", "%s", counts[i]);
        EQUAL(!expected[i], facts_of(noodle_processors_use, 8).throttled_now);
        EQUAL(expected[i], may_spin());
    }
    remove_root();
}

CASE(facts_are_read_again_after_a_second)
{
    make_root();
    file("cgroup", "%s", "0::/\n");
    file("mountinfo", "%s", "none\n");
    EQUAL(0, facts_of(noodle_processors_use, 1).spinners);
    CHECK(!may_spin());
    noodle_processors_check(noodle_now() + 900000000);
    CHECK(!may_spin());
    noodle_processors_check(noodle_now() + 1100000000);
    const bool may = may_spin();
    EQUAL(noodle_processors_refresh().spinners > 0, may);
    remove_root();
}

CASE(the_generation_rises_in_a_child_of_fork)
{
    const uint32_t before = noodle_process_generation();
    int status;
    const pid_t child = fork_child();
    if (child == 0)
        _exit(noodle_process_generation() == before + 1 ? 0 : 1);
    EQUAL(child, waitpid(child, &status, 0));
    EQUAL(0, status);
    EQUAL(before, noodle_process_generation());
}

CASE(every_status_has_a_name)
{
    for (int status = 0; status <= NOODLE_SYSTEM; status++)
        CHECK(strcmp(noodle_status_name((noodle_status)status), "UNKNOWN") != 0);
    CHECK(strcmp(noodle_status_name(NOODLE_PEER_DEAD), "PEER_DEAD") == 0);
    CHECK(strcmp(noodle_status_name((noodle_status)99), "UNKNOWN") == 0);
    CHECK(strcmp(noodle_status_name((noodle_status)-1), "UNKNOWN") == 0);
}

CASE(a_thread_that_leaves_its_processor_keeps_its_affinity)
{
    cpu_set_t before, after;
    const int here = sched_getcpu();
    EQUAL(0, sched_getaffinity(0, sizeof before, &before));
    noodle_leave_processor();
    EQUAL(0, sched_getaffinity(0, sizeof after, &after));
    CHECK(CPU_EQUAL(&before, &after));
    CHECK(CPU_COUNT(&before) == 1 || sched_getcpu() != here);
}

CASE(a_thread_that_may_run_on_one_processor_only_stays_there)
{
    cpu_set_t before, one;
    EQUAL(0, sched_getaffinity(0, sizeof before, &before));
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    EQUAL(0, sched_setaffinity(0, sizeof one, &one));
    noodle_leave_processor();
    CHECK(CPU_ISSET((size_t)sched_getcpu(), &one));
    EQUAL(0, sched_setaffinity(0, sizeof before, &before));
}

CASE(a_thread_joins_a_processor_of_its_affinity_only)
{
    cpu_set_t before, after;
    EQUAL(0, sched_getaffinity(0, sizeof before, &before));
    for (int i = 0; i < CPU_SETSIZE; i++)
        if (CPU_ISSET((size_t)i, &before)) {
            int tries = 0;
            do   /* the kernel may move it on at once */
                noodle_join_processor((uint32_t)i);
            while (sched_getcpu() != i && ++tries < 1000);
            CHECK(tries < 1000);
        }
    noodle_join_processor(1u << 20);   /* beyond every mask */
    EQUAL(0, sched_getaffinity(0, sizeof after, &after));
    CHECK(CPU_EQUAL(&before, &after));
}
