/* Calls of an event loop: sent at once, or as soon as there is space. */
#include "host_loops_internal.h"

#include <stdlib.h>

/* ---------------------------------------------------------------------- Requests without space */

bool
host_loop_has_unsent(const LoopChannel *channel)
{
    return channel->first != NULL;
}

/* Sends what waits for space. */
void
host_loop_flush(LoopChannel *self)
{
    while (self->first != NULL) {
        unsent *const entry = self->first;
        const noodle_status status =
            noodle_channel_send(self->lane->core, &entry->record, entry->payload);
        if (status == NOODLE_FULL)
            return;
        self->first = entry->next;
        if (self->first == NULL)
            self->last = &self->first;
        free(entry);
        if (status != NOODLE_OK) {
            host_link_condemn(self->lane->link, "its cursor of a ring cannot be");
            return;
        }
    }
}

static int
keep_unsent(LoopChannel *self, const noodle_record *record, const host_message *message)
{
    unsent *entry = malloc(sizeof *entry + message->writer.length);
    if (entry == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    entry->next = NULL;
    entry->record = *record;
    entry->record.length = (uint32_t)message->writer.length;
    memcpy(entry->payload, message->writer.buffer, message->writer.length);
    *self->last = entry;
    self->last = &entry->next;
    return 0;
}

static int
send_or_keep(LoopChannel *self, host_message *message, noodle_record *record)
{
    host_lane *const lane = self->lane;
    noodle_status status = NOODLE_FULL;
    if (message->writer.length > lane->core->out.mask + 1 - NOODLE_RECORD_BYTES
        && host_message_to_segment(message, record) < 0)
        return -1;
    record->length = (uint32_t)message->writer.length;
    if (self->first == NULL)
        status = noodle_channel_send(lane->core, record, message->writer.buffer);
    if (status == NOODLE_FULL)
        return keep_unsent(self, record, message);
    if (status == NOODLE_OK)
        return 0;
    if (status == NOODLE_PROTOCOL)
        host_link_condemn(lane->link, "its cursor of a ring cannot be");
    return host_raise(POLICY_CRASHED, "OO", lane->link, Py_None);
}

/* --------------------------------------------------------------------------------------- Calls */

static COLD int
set_chain(PyObject *future, uint64_t chain)
{
    PyObject *number = PyLong_FromUnsignedLongLong(chain);
    const int result = number != NULL ? PyObject_SetAttr(future, host_name_chain, number) : -1;
    Py_XDECREF(number);
    return result;
}

static PyObject *
new_future(LoopChannel *self, uint64_t id, uint64_t chain, PyObject *name)
{
    PyObject *future = PyObject_Vectorcall(self->future, &self->loop, 0, host_names_of_loop);
    if (future != NULL && self->lane == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the channel was closed");
        Py_CLEAR(future);
    }
    PyObject *key = future != NULL ? PyLong_FromUnsignedLongLong(id) : NULL;
    if (key == NULL || PyObject_SetAttr(future, host_name_channel, (PyObject *)self) < 0
        || PyObject_SetAttr(future, host_name_call_id, key) < 0
        || (chain != 0 && set_chain(future, chain) < 0)
        || PyObject_SetAttr(future, host_name_function, name) < 0
        || PyDict_SetItem(self->lane->futures, key, future) < 0)
        Py_CLEAR(future);
    Py_XDECREF(key);
    return future;
}

static int
send_call(LoopChannel *self, const Reference *reference, int operation, uint64_t id, uint64_t chain,
          PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    host_thread *const thread = self->lane->owner;
    host_message message;
    noodle_record record = {
        .kind = NOODLE_KIND_CALL,
        .call_id = id,
        .chain_id = chain != 0 ? chain : id,
    };
    int result;
    if (host_deadline(thread, &record.deadline_ns) < 0)
        return -1;
    host_message_init(&message, self->lane->link);
    result = host_write_request(&message, operation, reference->id, args, count, names);
    if (result == 0 && self->lane == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "the channel was closed");
        result = -1;
    }
    if (result == 0)
        result = send_or_keep(self, &message, &record);
    host_message_end(&message, result == 0);
    return result;
}

static PyObject *
call_for_loop(LoopChannel *self, const Reference *reference, int operation, PyObject *const *args,
              Py_ssize_t count, PyObject *names)
{
    const uint64_t id = host_next_id();
    if (self->lane == NULL || reference->link != self->lane->link || link_is_dead(reference->link)) {
        host_raise(POLICY_CRASHED, "OO",
                   reference->link != NULL ? (PyObject *)reference->link : Py_None, reference->name);
        return NULL;
    }
    Link *const link = reference->link;
    if (link_is_forked(link)) {
        host_raise(POLICY_FORKED, "OO", link, reference->name);
        return NULL;
    }
    if (UNLIKELY(atomic_load_explicit(&link->releases, memory_order_relaxed) != NULL))
        host_send_releases(self->lane);
    const uint64_t chain = host_chain_here(self->lane->owner);
    link->calls++;             /* first of all: from here on it is not idle */
    if (send_call(self, reference, operation, id, chain, args, count, names) < 0)
        return NULL;
    link->in_flight++;
    PyObject *const name = Py_NewRef(reference->name);   /* it may be renamed meanwhile */
    PyObject *future = new_future(self, id, chain, name);
    Py_DECREF(name);
    if (future == NULL && self->lane != NULL)
        host_retire(self->lane, id, id, 0);
    return future;
}

bool
host_loop_belongs_to(const LoopChannel *channel, const PyObject *loop)
{
    return channel->loop == loop && channel->lane != NULL && !channel->closing;
}

PyObject *
host_loop_call(LoopChannel *channel, const Reference *reference, int operation,
               PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    Py_INCREF(channel);   /* to write the arguments may run code that closes it */
    PyObject *future = call_for_loop(channel, reference, operation, args, count, names);
    Py_DECREF(channel);
    return future;
}

PyObject *
host_loop_call_method(PyObject *object, PyObject *const *args, Py_ssize_t count, PyObject *names)
{
    if (count < 2 || !PyObject_TypeCheck(args[0], host_reference_type)) {
        PyErr_SetString(PyExc_TypeError, "call() needs a reference and an operation");
        return NULL;
    }
    const int operation = (int)PyLong_AsLong(args[1]);
    if (PyErr_Occurred())
        return NULL;
    return host_loop_call((LoopChannel *)object, (Reference *)args[0], operation, args + 2, count - 2,
                          names);
}

PyObject *
host_loop_cancel(PyObject *object, PyObject *number)
{
    LoopChannel *const self = (LoopChannel *)object;
    const uint64_t id = PyLong_AsUnsignedLongLong(number);
    PyObject *future;
    if (PyErr_Occurred())
        return NULL;
    future = self->lane != NULL ? host_future_pop(self->lane, id) : NULL;
    if (future == NULL)
        return PyErr_Occurred() ? NULL : Py_NewRef(Py_False);
    Py_DECREF(future);
    uint64_t deadline_ns;
    if (host_deadline(self->lane->owner, &deadline_ns) < 0)
        PyErr_Clear();
    host_retire(self->lane, id, id, deadline_ns);
    Py_RETURN_TRUE;
}
