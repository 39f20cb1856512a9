/* The launcher: the small program that turns a fresh child of the host into a worker.  Version 1.
 *
 *     noodle-launcher OPTION... -- PROGRAM ARGUMENT...
 *
 *     --parent=PID          who must be the parent; otherwise it has died already, and so does this
 *     --status=FD           where a failure is reported; closed by exec, so end of file is success
 *     --control=FD          becomes descriptor 3  (enum noodle_worker_descriptor in channel.h)
 *     --socket=FD           becomes descriptor 4
 *     --event=FD            becomes descriptor 5
 *     --lifeline=FD         becomes descriptor 6
 *     --stdout=FD           becomes descriptor 1; without it /dev/null
 *     --stderr=FD           becomes descriptor 2; without it /dev/null
 *     --env=NAME=VALUE      one variable; nothing else is in the worker's environment
 *     --env=NAME            one whose value is the launcher's own: for what others must not read,
 *                           as command lines are public
 *     --directory=PATH      the working directory; without it "/"
 *     --limit-data=BYTES    RLIMIT_DATA
 *     --limit-files=N       RLIMIT_NOFILE
 *
 * PROGRAM is a path: there is no search, as there is no PATH yet.  ARGUMENTs begin with argv[1].
 *
 * Guarantees for the program, in the order in which they come about:
 *   - it leads a session and a process group of its own, without a terminal;
 *   - it is killed when the thread that started it ends: start it from a thread that lives as long
 *     as the host;
 *   - every signal has its default disposition and none is blocked; core files have size 0;
 *   - descriptor 0 is /dev/null, 1 to 6 are the ones above, or closed where not given, and there
 *     are no others;
 *   - the environment is exactly the --env list, in its order. The host's descriptors must not be
 *     open in any other way: the launcher does not share the open file descriptions of the host's
 *     own stdin, stdout and stderr with the worker.
 *
 * A failure is one line on the status descriptor, "STEP ERRNO MESSAGE\n", e.g.
 *     exec 2 No such file or directory: /opt/node/bin/node
 * and the exit code is one of the following.  STEP is one of the names in the list.
 */
#ifndef NOODLE_LAUNCHER_H
#define NOODLE_LAUNCHER_H

#define NOODLE_LAUNCHER_ABI 1u

#define NOODLE_LAUNCHER_STEPS "arguments session parent signals limits directory descriptors exec"
#define NOODLE_LAUNCHER_FAILED 126      /* a step before exec */
#define NOODLE_LAUNCHER_NOT_EXECUTED 127   /* exec itself */
#define NOODLE_LAUNCHER_LINE 512        /* bytes of the status line, at most */

#endif
