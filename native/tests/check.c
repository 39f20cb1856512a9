#define _GNU_SOURCE
#include "check.h"

#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static test_case *cases;

void
add_case(test_case *entry)
{
    entry->next = cases;
    cases = entry;
}

uint64_t
setting(const char *name, uint64_t standard)
{
    const char *const text = getenv(name);
    return text == NULL ? standard : strtoull(text, NULL, 10);
}

pid_t
fork_child(void)
{
    const pid_t parent = getpid(), child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(1);
    }
    return child;
}

uint64_t
random_number(void)
{
    static uint64_t state;
    if (state == 0) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        state = setting("NOODLE_SEED", (uint64_t)now.tv_nsec + 1);
        fprintf(stderr, "NOODLE_SEED=%llu\n", (unsigned long long)state);
    }
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return state * UINT64_C(0x2545F4914F6CDD1D);
}

int
main(int count, char **arguments)
{
    for (test_case *at = cases; at != NULL; at = at->next)
        if (count == 2 && strcmp(at->name, arguments[1]) == 0) {
            at->run();
            return 0;
        }
    fprintf(stderr, "expected the name of a case\n");
    return 2;
}
