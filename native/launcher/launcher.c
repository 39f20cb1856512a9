/* The launcher: turns a fresh child of the host into a worker.  See noodle/launcher.h. */
#define _GNU_SOURCE
#include "noodle/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "noodle/channel.h"

#define DESCRIPTORS 7                      /* 0 to 6 */
#define STATUS_FD DESCRIPTORS              /* beside them until exec */
#define OUT_OF_THE_WAY (STATUS_FD + 1)
#define UNSET UINT64_MAX

typedef struct request {
    uint64_t parent;
    uint64_t status;
    uint64_t sources[DESCRIPTORS];         /* what becomes descriptor 1 to 6 */
    uint64_t limit_data;
    uint64_t limit_files;
    const char *directory;
    char **environment;
    size_t variables;
    char **program;
} request;

static int status_fd = -1;

/* Reports a failure on the status descriptor, and ends. */
static _Noreturn void
fail(const char *step, int number, const char *subject)
{
    char line[NOODLE_LAUNCHER_LINE];
    int length =
        snprintf(line, sizeof line, "%s %d %s: %s", step, number, strerror(number), subject);
    if (length > (int)sizeof line - 2)
        length = sizeof line - 2;
    for (int i = 0; i < length; i++)
        if (line[i] == '\n')
            line[i] = ' ';
    line[length++] = '\n';
    if (write(status_fd >= 0 ? status_fd : STDERR_FILENO, line, (size_t)length) < 0)
        _exit(NOODLE_LAUNCHER_FAILED);
    _exit(strcmp(step, "exec") == 0 ? NOODLE_LAUNCHER_NOT_EXECUTED : NOODLE_LAUNCHER_FAILED);
}

/* --------------------------------------------------------------------------------- Arguments */

static const char *
value_of(const char *argument, const char *name)
{
    const size_t length = strlen(name);
    return strncmp(argument, name, length) == 0 ? argument + length : NULL;
}

static bool
read_number(const char *argument, const char *name, uint64_t most, uint64_t *number)
{
    const char *const text = value_of(argument, name);
    char *end;
    if (text == NULL)
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || *number > most)
        fail("arguments", EINVAL, argument);
    return true;
}

static bool
read_descriptor(const char *argument, request *asked)
{
    static const char *const names[DESCRIPTORS] = {
        [STDOUT_FILENO] = "--stdout=",       [STDERR_FILENO] = "--stderr=",
        [NOODLE_FD_CONTROL] = "--control=",  [NOODLE_FD_SOCKET] = "--socket=",
        [NOODLE_FD_EVENT] = "--event=",      [NOODLE_FD_LIFELINE] = "--lifeline=",
    };
    for (int i = STDOUT_FILENO; i < DESCRIPTORS; i++)
        if (read_number(argument, names[i], INT32_MAX, &asked->sources[i]))
            return true;
    if (!read_number(argument, "--status=", INT32_MAX, &asked->status))
        return false;
    status_fd = (int)asked->status;
    return true;
}

/* A name alone takes its value from the launcher's own environment. */
static char *
own_variable(const char *name)
{
    const size_t length = strlen(name);
    for (char **at = environ; *at != NULL; at++)
        if (strncmp(*at, name, length) == 0 && (*at)[length] == '=')
            return *at;
    return NULL;
}

static bool
read_variable(char *argument, request *asked)
{
    const char *const variable = value_of(argument, "--env=");
    char *given;
    if (variable == NULL)
        return false;
    given = argument + strlen("--env=");
    if (strchr(variable, '=') == NULL)
        given = own_variable(variable);
    if (given == NULL || *variable == '=' || *variable == '\0')
        fail("arguments", EINVAL, argument);
    asked->environment[asked->variables++] = given;
    return true;
}

static void
read_option(char *argument, request *asked)
{
    const char *const directory = value_of(argument, "--directory=");
    if (directory != NULL)
        asked->directory = directory;
    else if (!read_descriptor(argument, asked) && !read_variable(argument, asked)
             && !read_number(argument, "--parent=", INT32_MAX, &asked->parent)
             && !read_number(argument, "--limit-data=", UINT64_MAX - 1, &asked->limit_data)
             && !read_number(argument, "--limit-files=", UINT64_MAX - 1, &asked->limit_files))
        fail("arguments", EINVAL, argument);
}

static request
read_arguments(int count, char **arguments)
{
    request asked = {
        .parent = UNSET,
        .status = UNSET,
        .limit_data = UNSET,
        .limit_files = UNSET,
        .directory = "/",
        .environment = calloc((size_t)count + 1, sizeof(char *)),
    };
    int i = 1;
    if (asked.environment == NULL)
        fail("arguments", ENOMEM, "environment");
    for (int fd = 0; fd < DESCRIPTORS; fd++)
        asked.sources[fd] = UNSET;
    for (; i < count && strcmp(arguments[i], "--") != 0; i++)
        read_option(arguments[i], &asked);
    if (i + 1 >= count)
        fail("arguments", EINVAL, "expected -- PROGRAM");
    if (asked.parent == UNSET || asked.status == UNSET)
        fail("arguments", EINVAL, "expected --parent=PID and --status=FD");
    asked.program = arguments + i + 1;
    return asked;
}

/* ------------------------------------------------------------------------------------- Steps */

static void
lead_session(void)
{
    if (setsid() < 0 && getsid(0) != getpid())
        fail("session", errno, "setsid");
}

/* The order matters: a parent that died before prctl() is noticed by who the parent is now. */
static void
die_with_parent(const request *asked)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        fail("parent", errno, "PR_SET_PDEATHSIG");
    if ((uint64_t)getppid() != asked->parent)
        fail("parent", ESRCH, "the parent has ended");
}

static void
reset_signals(void)
{
    struct sigaction standard;
    sigset_t none;
    memset(&standard, 0, sizeof standard);
    standard.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; number++)
        sigaction(number, &standard, NULL);   /* fails for those that have no other */
    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0)
        fail("signals", errno, "sigprocmask");
}

static void
limit(int resource, uint64_t most, const char *name)
{
    struct rlimit bound;
    if (most == UNSET)
        return;
    if (getrlimit(resource, &bound) != 0)
        fail("limits", errno, name);
    /* What the system allows at most stays as it is. */
    if (bound.rlim_max == RLIM_INFINITY || most < bound.rlim_max)
        bound.rlim_max = most;
    bound.rlim_cur = bound.rlim_max;
    if (setrlimit(resource, &bound) != 0)
        fail("limits", errno, name);
}

/* First all go above the numbers that are to be filled, so that none overwrites another. */
static int
move_up(uint64_t source, int least)
{
    const int moved = fcntl((int)source, F_DUPFD_CLOEXEC, least);
    if (moved < 0)
        fail("descriptors", errno, "one that was given is not open");
    return moved;
}

static void
place(int moved, int target)
{
    if (dup2(moved, target) < 0)
        fail("descriptors", errno, "dup2");
}

static void
arrange_descriptors(const request *asked)
{
    int moved[DESCRIPTORS], nothing;
    status_fd = move_up(asked->status, OUT_OF_THE_WAY);
    for (int fd = STDOUT_FILENO; fd < DESCRIPTORS; fd++)
        moved[fd] = asked->sources[fd] == UNSET ? -1 : move_up(asked->sources[fd], OUT_OF_THE_WAY);
    nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing < 0)
        fail("descriptors", errno, "/dev/null");
    nothing = move_up((uint64_t)nothing, OUT_OF_THE_WAY);
    place(nothing, STDIN_FILENO);
    for (int fd = STDOUT_FILENO; fd < DESCRIPTORS; fd++)
        if (moved[fd] >= 0)
            place(moved[fd], fd);
        else if (fd <= STDERR_FILENO)
            place(nothing, fd);
        else
            close(fd);
    if (dup3(status_fd, STATUS_FD, O_CLOEXEC) < 0)
        fail("descriptors", errno, "dup3");
    status_fd = STATUS_FD;
    if (close_range(OUT_OF_THE_WAY, ~0U, 0) != 0)
        fail("descriptors", errno, "close_range");
}

int
main(int count, char **arguments)
{
    const request asked = read_arguments(count, arguments);
    lead_session();
    die_with_parent(&asked);
    reset_signals();
    limit(RLIMIT_CORE, 0, "RLIMIT_CORE");
    limit(RLIMIT_DATA, asked.limit_data, "RLIMIT_DATA");
    if (chdir(asked.directory) != 0)
        fail("directory", errno, asked.directory);
    arrange_descriptors(&asked);
    limit(RLIMIT_NOFILE, asked.limit_files, "RLIMIT_NOFILE");
    execve(asked.program[0], asked.program, asked.environment);
    fail("exec", errno, asked.program[0]);
}
