/* What the parts of a LoopChannel share: its state, and its methods, which host_loops.c puts into its
 * type. */
#ifndef NOODLE_HOST_LOOPS_INTERNAL_H
#define NOODLE_HOST_LOOPS_INTERNAL_H

#include "host.h"

/* A request for which the ring had no space. */
typedef struct unsent {
    struct unsent *next;
    noodle_record record;
    unsigned char payload[];
} unsent;

typedef struct LoopChannel {
    PyObject_HEAD
    host_lane *lane;           /* NULL: closed */
    PyObject *loop;
    PyObject *future;          /* (loop=loop) -> future */
    PyObject *drain;           /* the bound method, for call_soon */
    unsent *first, **last;
    bool closing;              /* once the callback that is being served has ended */
    PyObject *weak_references;
} LoopChannel;

/* Names that are looked up on futures and loops, all interned. */
extern PyObject *host_name_set_result, *host_name_set_exception, *host_name_done, *host_name_call_id;
extern PyObject *host_name_function, *host_name_call_soon, *host_name_chain, *host_name_is_closed;
extern PyObject *host_name_failure;
extern PyObject *host_name_channel;
extern PyObject *host_names_of_loop;   /* ("loop",) */

/* The future of a call, which is no longer waited for: a new reference, or NULL, with an exception if it
 * could not be found out. */
PyObject *host_future_pop(host_lane *lane, uint64_t id);
/* Settles a future with a value, or with the exception that is set. */
void host_future_settle(PyObject *future, PyObject *value);
/* Sends what waits for space. */
void host_loop_flush(LoopChannel *self);

/* Of calls: host_loop_calls.c. */
PyObject *host_loop_call_method(PyObject *object, PyObject *const *args, Py_ssize_t count,
                                PyObject *names);
PyObject *host_loop_cancel(PyObject *object, PyObject *number);

/* Of answers: host_loop_answers.c. */
PyObject *host_loop_drain(PyObject *object, PyObject *ignored);
PyObject *host_loop_answer(PyObject *object, PyObject *args);
PyObject *host_loop_fail(PyObject *object, PyObject *ignored);

#endif
