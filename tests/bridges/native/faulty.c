/* A library for the tests: one function for each way to go wrong. */
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

double add(double x, double y) { return x + y; }
long process(void) { return getpid(); }

static int crash_below(volatile int *memory) { return *memory; }
int crash(void) { return crash_below((volatile int *)8); }
int divide(int x, int y) { return x / y; }
void run_illegal(void) { __builtin_trap(); }
void give_up(void) { abort(); }
void leave(int code) { exit(code); }
void leave_at_once(int code) { _exit(code); }
void kill_itself(int number) { kill(getpid(), number); }

int overflow(int depth)
{
    volatile char frame[4096];
    memset((char *)frame, depth, sizeof frame);
    return overflow(depth + 1) + frame[depth % 4096];
}

void free_twice(void)
{
    void *volatile block = malloc(64);
    free(block);
    free(block);
}
void overrun(void)
{
    char *volatile block = malloc(64);
    memset(block - 16, 'A', 96);
    free(block);
}

void spin(void)
{
    for (volatile uint64_t turns = 0;; turns++)
        continue;
}
void sleep_for(unsigned seconds)
{
    while (seconds > 0)
        seconds = sleep(seconds);
}

void close_from(int first, int last)
{
    for (int descriptor = first; descriptor <= last; descriptor++)
        close(descriptor);
}
void ignore_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_IGN);
}
void restore_signals(void)
{
    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
}
void block_signals(void)
{
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
}
static void survive(int number)
{
    (void)number;
    for (;;)
        pause();
}
/* A handler that never returns: the fault is an endless wait. */
int crash_and_survive(void)
{
    signal(SIGSEGV, survive);
    return crash();
}
int split(void) { return fork(); }
void *allocate(size_t bytes)
{
    char *block = malloc(bytes);
    if (block != NULL)
        memset(block, 1, bytes);
    return block;
}
void grow(void)
{
    while (allocate(10000000) != NULL)
        continue;
    perror("grow");
    exit(1);
}
int say(const char *text) { return (int)write(2, text, strlen(text)); }
