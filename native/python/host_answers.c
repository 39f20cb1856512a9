/* Records that are not the answer of the innermost call, and answers that are errors. */
#include "host_calls_internal.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------------- Ends */

/* The end of a worker concerns whoever waits for it, and not a call to another worker that has looked at
 * its lane.  The lane may go. */
COLD int
host_raise_end(Link *link, const host_call *own)
{
    if (own == NULL || own->lane->link == link)
        return host_raise(POLICY_CRASHED, "OO", link, own == NULL ? Py_None : own->name);
    host_drop_dead_lanes(own->lane->owner, own->lane);
    return 0;
}

COLD int
host_broke_protocol(Link *link, const host_call *own, const char *reason)
{
    PyErr_Clear();
    host_link_condemn(link, reason);
    return host_raise_end(link, own);
}

/* A record could not be handled.  If that ended its worker, a call to another one goes on. */
COLD int
host_record_failed(const host_lane *lane, const host_call *own)
{
    if (own == NULL || own->lane->link == lane->link || !link_is_dead(lane->link)
        || !PyErr_ExceptionMatches(PyExc_Exception))
        return -1;
    PyErr_Clear();
    return host_raise_end(lane->link, own);
}

/* ------------------------------------------------------------------------------------ Records */

COLD int
host_take_rare(host_thread *thread, host_lane *lane, const noodle_record *record,
               const unsigned char *payload)
{
    const uint64_t now = record->kind == NOODLE_KIND_CALLBACK ? noodle_now() : 0;
    /* Of what lay unread when its worker ended only answers matter; whoever reads it now waits for another. */
    if (UNLIKELY(lane->link->has_ended))
        return 0;
    for (host_call *call = thread->calls; call != NULL; call = call->outer) {
        if (call->chain == record->chain_id)
            call->called_back = true;
        if (call->begin_ns == 0)
            call->begin_ns = now;
    }
    return host_serve_record(thread, lane, record, payload);
}

/* Keeps an answer for the call that is not the innermost one. */
COLD int
host_stash_answer(host_call *call, const noodle_record *record, const unsigned char *payload)
{
    unsigned char *kept = malloc(record->length + 1);
    if (kept == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    memcpy(kept, payload, record->length);
    call->payload = kept;
    host_payload_taken(call->lane->link);
    return 0;
}

/* Of an answer that was kept. */
COLD void
host_drop_payload(host_call *call)
{
    free(call->payload);
    host_payload_read(call->lane->link);
}

/* ------------------------------------------------------------------------------------- Errors */

COLD PyObject *
host_raise_answer(Link *link, PyObject *error, PyObject *failure)
{
    if (error != NULL && failure != NULL) {
        PyObject *same = PyObject_CallFunctionObjArgs(host_policy[POLICY_RETURNED], (PyObject *)link,
                                                      error, failure, NULL);
        Py_SETREF(error, same);
    }
    if (error == NULL)
        return NULL;
    if (PyExceptionInstance_Check(error))
        PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    else
        PyErr_Format(PyExc_TypeError, "an answer of kind ERROR was no error but %.200s",
                     Py_TYPE(error)->tp_name);
    Py_DECREF(error);
    return NULL;
}

COLD void
host_unreadable(Link *link, PyObject *name)
{
    PyObject *const error = take_exception();
    host_raise(POLICY_UNREADABLE, "OOO", link, name, error);
    Py_XDECREF(error);
}
