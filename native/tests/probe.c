/* A program for the launcher's tests: says what it was given.
 *
 *     probe report    prints one fact a line, and ends
 *     probe wait      prints its pid, and waits for ever
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

static void
report_signals(void)
{
    int changed = 0;
    sigset_t blocked;
    sigprocmask(SIG_BLOCK, NULL, &blocked);
    for (int number = 1; number < NSIG; number++) {
        struct sigaction action;
        if (sigaction(number, NULL, &action) == 0)
            changed += action.sa_handler != SIG_DFL || sigismember(&blocked, number) == 1;
    }
    printf("signals %d\n", changed);
}

static void
report_descriptors(void)
{
    for (int fd = 0; fd < 4096; fd++) {
        char path[64], target[256] = {0};
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (fcntl(fd, F_GETFD) >= 0 && readlink(path, target, sizeof target - 1) > 0)
            printf("descriptor %d %s\n", fd, target);
    }
}

static void
report_limit(const char *name, int resource)
{
    struct rlimit bound;
    getrlimit(resource, &bound);
    printf("limit %s %llu %llu\n", name, (unsigned long long)bound.rlim_cur,
           (unsigned long long)bound.rlim_max);
}

int
main(int count, char **arguments)
{
    char directory[4096];
    int death = 0;
    if (count > 1 && strcmp(arguments[1], "wait") == 0) {
        printf("%d\n", getpid());
        fflush(stdout);
        for (;;)
            pause();
    }
    prctl(PR_GET_PDEATHSIG, &death);
    printf("session %d\n", getsid(0) == getpid() && getpgrp() == getpid());
    printf("death %d\n", death);
    printf("directory %s\n", getcwd(directory, sizeof directory));
    report_signals();
    report_limit("core", RLIMIT_CORE);
    report_limit("data", RLIMIT_DATA);
    report_limit("files", RLIMIT_NOFILE);
    for (int i = 1; i < count; i++)
        printf("argument %s\n", arguments[i]);
    for (char **at = environ; *at != NULL; at++)
        printf("variable %s\n", *at);
    fflush(stdout);
    report_descriptors();
    return 0;
}
