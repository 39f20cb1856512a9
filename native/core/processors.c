/* How many threads may spin: affinity, cgroup quotas (v1 and v2) and throttling. */
#define _GNU_SOURCE
#include <ctype.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "noodle/process.h"

#define SECOND UINT64_C(1000000000)
#define MOST_CPUS 8192

/* ------------------------------------------------------------------------------- Control groups */

typedef struct hierarchy {
    bool unified;            /* version 2 */
    char path[PATH_MAX];     /* of this process's group, from the hierarchy's root */
    char root[PATH_MAX];     /* what of the hierarchy is mounted */
    char mount[PATH_MAX];    /* where */
} hierarchy;

typedef struct quota {
    double cpus;
    uint64_t throttled;
} quota;

static bool
has_word(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; at != NULL; at = strchr(at, ',')) {
        if (*at == ',')
            at++;
        if (strncmp(at, word, length) == 0 && !isalnum((unsigned char)at[length])
            && at[length] != '_')
            return true;
    }
    return false;
}

/* A line of /proc/self/cgroup is "ID:CONTROLLERS:PATH"; version 2 has ID 0 and no controllers. */
static bool
find_group(const char *file, hierarchy *found)
{
    char line[PATH_MAX + 256];
    bool is_found = false;
    FILE *lines = fopen(file, "re");
    if (lines == NULL)
        return false;
    while (!is_found && fgets(line, sizeof line, lines) != NULL) {
        char *const controllers = strchr(line, ':');
        char *const path = controllers == NULL ? NULL : strchr(controllers + 1, ':');
        if (path == NULL)
            continue;
        *path = '\0';
        line[strcspn(line, "\n")] = '\0';
        path[1 + strcspn(path + 1, "\n")] = '\0';
        if (found->unified ? controllers[1] == '\0' : has_word(controllers + 1, "cpu")) {
            snprintf(found->path, sizeof found->path, "%s", path + 1);
            is_found = true;
        }
    }
    fclose(lines);
    return is_found;
}

/* A line of mountinfo is "ID PARENT DEVICE ROOT MOUNT OPTIONS... - TYPE SOURCE SUPER_OPTIONS". */
static bool
find_mount(const char *file, hierarchy *found)
{
    char line[3 * PATH_MAX];
    bool is_found = false;
    FILE *lines = fopen(file, "re");
    if (lines == NULL)
        return false;
    while (!is_found && fgets(line, sizeof line, lines) != NULL) {
        char type[32], options[1024];
        const char *const rest = strstr(line, " - ");
        if (rest == NULL || sscanf(rest, " - %31s %*s %1023s", type, options) != 2)
            continue;
        if (strcmp(type, found->unified ? "cgroup2" : "cgroup") != 0)
            continue;
        if (!found->unified && !has_word(options, "cpu"))
            continue;
        is_found = sscanf(line, "%*s %*s %*s %4095s %4095s", found->root, found->mount) == 2;
    }
    fclose(lines);
    return is_found;
}

static bool
read_text(const char *folder, const char *name, char *text, size_t size)
{
    char path[2 * PATH_MAX + 32];
    FILE *file;
    size_t count;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    count = fread(text, 1, size - 1, file);
    text[count] = '\0';
    fclose(file);
    return count > 0;
}

static double
group_quota(const char *folder, bool unified)
{
    char text[64], period_text[64];
    double allowed = 0, period = 0;
    if (unified) {
        if (!read_text(folder, "cpu.max", text, sizeof text)
            || sscanf(text, "%lf %lf", &allowed, &period) != 2)
            return INT_MAX;
    } else {
        if (!read_text(folder, "cpu.cfs_quota_us", text, sizeof text)
            || !read_text(folder, "cpu.cfs_period_us", period_text, sizeof period_text))
            return INT_MAX;
        allowed = strtod(text, NULL);
        period = strtod(period_text, NULL);
    }
    return allowed > 0 && period > 0 ? allowed / period : INT_MAX;
}

static uint64_t
group_throttled(const char *folder)
{
    char text[1024];
    const char *at;
    if (!read_text(folder, "cpu.stat", text, sizeof text))
        return 0;
    at = strstr(text, "nr_throttled ");
    return at == NULL ? 0 : strtoull(at + strlen("nr_throttled "), NULL, 10);
}

/* A group is bound by its own quota and by those of all groups above it. */
static void
walk_up(const hierarchy *found, quota *result)
{
    char folder[2 * PATH_MAX];
    const size_t root = strcmp(found->root, "/") == 0 ? 0 : strlen(found->root);
    const bool inside = strncmp(found->path, found->root, root) == 0;
    const size_t mount = strlen(found->mount);
    snprintf(folder, sizeof folder, "%s%s", found->mount, inside ? found->path + root : "");
    if (folder[strlen(folder) - 1] == '/')
        folder[strlen(folder) - 1] = '\0';
    for (;;) {
        char *const slash = strrchr(folder, '/');
        const double cpus = group_quota(folder, found->unified);
        if (cpus < result->cpus)
            result->cpus = cpus;
        result->throttled += group_throttled(folder);
        if (slash == NULL || (size_t)(slash - folder) < mount)
            return;
        *slash = '\0';
    }
}

static quota
read_quota(const char *cgroup, const char *mounts)
{
    quota result = {.cpus = INT_MAX, .throttled = 0};
    for (int unified = 0; unified <= 1; unified++) {
        hierarchy found = {.unified = unified};
        if (find_group(cgroup, &found) && find_mount(mounts, &found))
            walk_up(&found, &result);
    }
    return result;
}

/* -------------------------------------------------------------------------------------- Budget */

static _Atomic uint64_t read_at;
static _Atomic uint64_t throttled_before;
static _Atomic uint32_t allowed;
static _Atomic uint32_t spinning;

static unsigned
affinity(void)
{
    unsigned char mask[MOST_CPUS / 8] = {0};
    if (sched_getaffinity(0, sizeof mask, (cpu_set_t *)mask) != 0)
        return 1;
    return (unsigned)CPU_COUNT_S(sizeof mask, (cpu_set_t *)mask);
}

noodle_processors
noodle_processors_read(const char *cgroup, const char *mounts, unsigned cpus)
{
    const quota found = read_quota(cgroup, mounts);
    const double usable = found.cpus < cpus ? found.cpus : cpus;
    return (noodle_processors){
        .usable = usable,
        .throttled = found.throttled,
        .spinners = usable >= 2 ? (uint32_t)(usable / 2) : 0,
    };
}

noodle_processors
noodle_processors_use(const char *cgroup, const char *mounts, unsigned cpus)
{
    const bool first = atomic_exchange(&read_at, noodle_now()) == 0;
    noodle_processors facts = noodle_processors_read(cgroup, mounts, cpus);
    const uint64_t before = atomic_exchange(&throttled_before, facts.throttled);
    facts.throttled_now = !first && facts.throttled > before;
    if (facts.throttled_now)
        facts.spinners = 0;
    atomic_store_explicit(&allowed, facts.spinners, memory_order_relaxed);
    return facts;
}

noodle_processors
noodle_processors_refresh(void)
{
    return noodle_processors_use("/proc/self/cgroup", "/proc/self/mountinfo", affinity());
}

void
noodle_processors_check(uint64_t now_ns)
{
    uint64_t before = atomic_load_explicit(&read_at, memory_order_relaxed);
    if (before != 0 && now_ns < before + SECOND)
        return;
    /* One thread reads; the others go on with what is known. */
    if (before == 0 || atomic_compare_exchange_strong(&read_at, &before, now_ns))
        noodle_processors_refresh();
}

bool
noodle_spin_begin(void)
{
    if (atomic_load_explicit(&read_at, memory_order_relaxed) == 0)
        noodle_processors_refresh();
    if (atomic_fetch_add_explicit(&spinning, 1, memory_order_relaxed)
        < atomic_load_explicit(&allowed, memory_order_relaxed))
        return true;
    noodle_spin_end();
    return false;
}

void
noodle_spin_end(void)
{
    atomic_fetch_sub_explicit(&spinning, 1, memory_order_relaxed);
}

/* Runs this thread where both masks allow it.  The kernel moves it at the first call; the second one
 * leaves it where it is. */
static void
move_within(const unsigned char *wanted)
{
    unsigned char before[MOST_CPUS / 8] = {0};
    unsigned char chosen[MOST_CPUS / 8];
    if (sched_getaffinity(0, sizeof before, (cpu_set_t *)before) != 0)
        return;
    for (size_t i = 0; i < sizeof chosen; i++)
        chosen[i] = before[i] & wanted[i];
    if (CPU_COUNT_S(sizeof chosen, (cpu_set_t *)chosen) != 0
        && sched_setaffinity(0, sizeof chosen, (cpu_set_t *)chosen) == 0)
        sched_setaffinity(0, sizeof before, (cpu_set_t *)before);
}

void
noodle_leave_processor(void)
{
    unsigned char others[MOST_CPUS / 8];
    const int here = sched_getcpu();
    if (here < 0)
        return;
    memset(others, 0xff, sizeof others);
    CPU_CLR_S((size_t)here, sizeof others, (cpu_set_t *)others);
    move_within(others);
}

void
noodle_join_processor(uint32_t processor)
{
    unsigned char only[MOST_CPUS / 8] = {0};
    CPU_SET_S((size_t)processor, sizeof only, (cpu_set_t *)only);
    move_within(only);
}
