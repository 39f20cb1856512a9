/* Calls that an event loop awaits. */
#ifndef NOODLE_HOST_LOOPS_H
#define NOODLE_HOST_LOOPS_H

#include "host_references.h"
#include "host_threads.h"

/* Notes for the call of this chain, if it is one of the lane's, with what a callback has failed. */
void host_future_note_failure(host_lane *lane, uint64_t chain, PyObject *exception);
/* Settles the future of an answer.  Returns 1, 0 when no future waits for it, -1 with an exception. */
int host_future_answered(host_lane *lane, const noodle_record *record,
                         const unsigned char *payload);
/* A callback on an event loop's lane. */
int host_loop_serve(host_thread *thread, host_lane *lane, const noodle_record *record,
                    const unsigned char *payload);
/* Takes the thread's waiter back from the event loop's poll; and gives it to it. */
void host_loop_unpark(host_thread *thread);
void host_loop_park(host_thread *thread);
/* Takes the lane from its channel, which is closed then; its answers are for nobody. */
void host_loop_forget(struct LoopChannel *channel);
/* Drops the lanes of channels that other threads have closed while this one was using its lanes. */
void host_loop_drop_left(host_thread *thread);
/* Takes a lane in no use from a loop that was closed: the link's serving thread reads it from now on, and
 * the grace of its retired calls begins anew.  Runs Python code. */
void host_loop_leave_if_closed(host_lane *lane);
/* Whether calls wait for space in its ring. */
bool host_loop_has_unsent(const struct LoopChannel *channel);
/* Whether a channel is that of a loop, and stays open. */
bool host_loop_belongs_to(const struct LoopChannel *channel, const PyObject *loop);
/* Asks something of an object, for the loop of a channel.  Returns the future, or NULL. */
PyObject *host_loop_call(struct LoopChannel *channel, const Reference *reference, int operation,
                         PyObject *const *args, Py_ssize_t count, PyObject *names);
int host_loops_init(PyObject *module);
int host_awaited_init(PyObject *module);

#endif
