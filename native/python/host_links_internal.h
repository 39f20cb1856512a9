/* What the parts of a Link share: its methods, which host_links.c puts into its type, and the links by
 * their numbers in the arena. */
#ifndef NOODLE_HOST_LINKS_INTERNAL_H
#define NOODLE_HOST_LINKS_INTERNAL_H

#include "host.h"

/* By the number in the arena; borrowed, NULL: none has that number. */
extern Link *host_links_by_worker[NOODLE_ARENA_WORKERS];

/* The worker has no more of the arena's memory. */
void host_link_leave_arena(Link *self, bool killed);

/* From the start of the worker to its end: host_link_life.c. */
PyObject *host_link_descriptors(PyObject *object, PyObject *ignored);
PyObject *host_link_started(PyObject *object, PyObject *number);
PyObject *host_link_kill_now(PyObject *object, PyObject *ignored);
PyObject *host_link_condemn_for(PyObject *object, PyObject *reason);
PyObject *host_link_ended(PyObject *object, PyObject *killed);
PyObject *host_link_stop(PyObject *object, PyObject *ignored);

/* Of the serving thread: host_link_serving.c. */
PyObject *host_link_handshake(PyObject *object, PyObject *args);
PyObject *host_link_serve(PyObject *object, PyObject *seconds);
/* What that thread does for the link between two waits. */
void host_link_keep_house(host_thread *thread, Link *self, host_lane *own);

/* What happens on it: host_link_facts.c. */
PyObject *host_link_waits(PyObject *object, PyObject *ignored);
PyObject *host_link_served(PyObject *object, PyObject *ignored);
PyObject *host_link_held(PyObject *object, PyObject *ignored);
PyObject *host_link_statistics(PyObject *object, PyObject *ignored);
extern PyGetSetDef host_link_getset[];

#endif
