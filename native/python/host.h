/* noodle._host: the host's side of a channel for CPython; what its parts share.
 *
 * Words.  A Link is the Python object for one worker's shared memory.  A lane is a channel in the hands
 * of one thread.  A call is one request that waits for its answer; a message is a payload that is being
 * written, with what has to be undone should it never be sent.
 *
 * Threads.  Everything here is protected by the GIL but for two things: the waits, which touch only
 * what belongs to the waiting thread, and the list of threads that have ended, which is lock-free.
 * A thread's lanes are in use while its depth is above 0; while it is 0, whoever holds the GIL may
 * take them away.
 *
 * Ownership.  A lane owns its Link.  A Reference owns its Link.  A message borrows it.
 */
#ifndef NOODLE_HOST_H
#define NOODLE_HOST_H

#include "host_arrays.h"
#include "host_calls.h"
#include "host_links.h"
#include "host_loops.h"
#include "host_policy.h"
#include "host_references.h"
#include "host_threads.h"

int host_processes_init(PyObject *module);
PyObject *host_spawn(PyObject *module, PyObject *args);
PyObject *host_pump_add(PyObject *module, PyObject *args);

#endif
