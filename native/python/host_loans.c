/* Loans: which segments a worker has of the host, and how much it may have. */
#include "host.h"

#include <unistd.h>

/* Chosen: so often, over 50 ms, a worker without memory is asked to look for some. */
#define COLLECTIONS 10
#define COLLECTION_PAUSE_US 5000

static PyTypeObject *loan_type;

/* -------------------------------------------------------------------------------------- Loans
 * How often a segment was lent to a worker that has not let it go.  What is lent counts against the
 * worker, each segment once. */

typedef struct {
    PyObject_HEAD
    noodle_lease lease;
    uint64_t times;
} Loan;

static void
loan_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    noodle_lease_release(((Loan *)self)->lease);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot loan_slots[] = {
    {Py_tp_dealloc, loan_dealloc},
    {0, NULL},
};

static PyType_Spec loan_spec = {
    .name = "noodle._host.Loan",
    .basicsize = sizeof(Loan),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = loan_slots,
};

static bool
fits(const Link *link, uint64_t bytes)
{
    const Py_ssize_t segments = PyDict_GET_SIZE(link->loans) + PyDict_GET_SIZE(link->own_segments);
    return (link->most_segments == 0 || (uint64_t)segments < link->most_segments)
           && (link->most_bytes == 0
               || (link->lent_bytes <= link->most_bytes
                   && bytes <= link->most_bytes - link->lent_bytes));
}

int
host_loan_check(Link *link, uint64_t bytes)
{
    if (LIKELY(fits(link, bytes)))
        return 0;
    link->lacks_memory = true;
    return host_raise(POLICY_REFUSED, "OOsi", link, Py_None, "QUOTA", 0);
}

COLD bool
host_loan_recover(Link *link, PyObject *name)
{
    const uint64_t before = link->lent_bytes;
    PyObject *type, *value, *traceback;
    host_pace pace = {0};
    bool asked = true;
    PyErr_Fetch(&type, &value, &traceback);
    for (int i = 0; i < COLLECTIONS && asked && link->lent_bytes >= before; i++) {
        PyObject *done = host_call_worker(link, NOODLE_OP_COLLECT, 0, name, NULL, 0, NULL, &pace);
        asked = done != NULL;
        Py_XDECREF(done);
        /* The loans come back with the next turns of its loop, on whatever channel. */
        Py_BEGIN_ALLOW_THREADS
        usleep(COLLECTION_PAUSE_US);
        Py_END_ALLOW_THREADS
    }
    if (!asked && !PyErr_ExceptionMatches(PyExc_Exception)) {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
        return false;
    }
    PyErr_Clear();
    PyErr_Restore(type, value, traceback);
    return link->lent_bytes < before;
}

static bool
is_lent(Link *link, uint64_t segment)
{
    PyObject *key = PyLong_FromUnsignedLongLong(segment);
    const bool known = key != NULL && PyDict_GetItemWithError(link->loans, key) != NULL;
    Py_XDECREF(key);
    PyErr_Clear();
    return known;
}

static int
note_loan(Link *link, noodle_lease lease)
{
    PyObject *key = PyLong_FromUnsignedLongLong(noodle_lease_segment(lease));
    Loan *loan = key != NULL ? (Loan *)PyDict_GetItemWithError(link->loans, key) : NULL;
    int result = -1;
    if (loan != NULL) {
        loan->times++;
        result = 0;
    } else if (!PyErr_Occurred() && (loan = PyObject_New(Loan, loan_type)) != NULL) {
        loan->lease = noodle_lease_retain(lease);
        loan->times = 1;
        result = PyDict_SetItem(link->loans, key, (PyObject *)loan);
        Py_DECREF(loan);
        if (result == 0)
            link->lent_bytes += noodle_lease_bytes(lease);
    }
    Py_XDECREF(key);
    return result;
}

void
host_loan_return(Link *link, uint64_t segment, uint64_t times)
{
    PyObject *key = PyLong_FromUnsignedLongLong(segment);
    Loan *loan = key != NULL ? (Loan *)PyDict_GetItemWithError(link->loans, key) : NULL;
    if (loan != NULL) {
        loan->times -= times < loan->times ? times : loan->times;
        if (loan->times == 0) {
            link->lent_bytes -= noodle_lease_bytes(loan->lease);
            PyDict_DelItem(link->loans, key);
        }
    }
    Py_XDECREF(key);
    PyErr_Clear();
}

void
host_loans_clear(Link *link)
{
    PyDict_Clear(link->loans);
    PyDict_Clear(link->own_segments);
    link->lent_bytes = 0;
}

int
host_lend(Link *link, host_message *message, noodle_lease lease, bool read_only)
{
    const uint64_t number = noodle_lease_segment(lease);
    if (link->core == NULL)
        return host_raise(POLICY_CRASHED, "OO", link, Py_None);
    if (!is_lent(link, number) && host_loan_check(link, noodle_lease_bytes(lease)) < 0)
        return -1;
    const noodle_status status = noodle_arena_grant(host_arena, lease, link->worker,
                                                    noodle_link_socket(link->core), read_only);
    if (status == NOODLE_REFUSED)
        return 1;
    if (status == NOODLE_PEER_DEAD)
        return host_raise(POLICY_CRASHED, "OO", link, Py_None);
    if (status != NOODLE_OK)
        return host_raise(POLICY_REFUSED, "OOsi", link, Py_None, noodle_status_name(status), errno);
    if (note_loan(link, lease) < 0)
        return -1;
    if (message != NULL && host_message_note(message, number, 0) < 0) {
        host_loan_return(link, number, 1);
        return -1;
    }
    return 0;
}

/* ------------------------------------------------------------------------------------ Finding */

/* A segment that the worker made: its descriptor came over the socket before the record. */
static int
take_own_segments(Link *link, uint64_t number, noodle_lease *lease)
{
    for (;;) {
        noodle_message message;
        int fd;
        PyObject *key = PyLong_FromUnsignedLongLong(number);
        Loan *known = key != NULL ? (Loan *)PyDict_GetItemWithError(link->own_segments, key) : NULL;
        if (known != NULL) {
            *lease = noodle_lease_retain(known->lease);
            link->lent_bytes -= noodle_lease_bytes(known->lease);
            PyDict_DelItem(link->own_segments, key);
        }
        Py_XDECREF(key);
        if (known != NULL || PyErr_Occurred())
            return known != NULL ? 0 : -1;
        if (link->core == NULL
            || noodle_receive_segment(noodle_link_socket(link->core), false, &message, &fd)
                   != NOODLE_OK)
            break;
        if (message.kind != NOODLE_MESSAGE_SEGMENT || message.number < NOODLE_OWN_SEGMENT) {
            close(fd);
            break;
        }
        /* Before it is mapped or copied: its size is what the worker says. */
        if (host_loan_check(link, message.bytes) < 0) {
            close(fd);
            return -1;
        }
        noodle_lease taken;
        if (noodle_arena_adopt(host_arena, fd, message.bytes, &taken) != NOODLE_OK)
            break;
        Loan *kept = PyObject_New(Loan, loan_type);
        if (kept == NULL) {
            noodle_lease_release(taken);
            return -1;
        }
        kept->lease = taken;
        kept->times = 1;
        key = PyLong_FromUnsignedLongLong(message.number);
        /* A number is never used again: so the quota bounds this, whatever the worker sends. */
        const int repeated = key == NULL ? -1 : PyDict_Contains(link->own_segments, key);
        const int result =
            repeated != 0 ? -1 : PyDict_SetItem(link->own_segments, key, (PyObject *)kept);
        if (result == 0)
            link->lent_bytes += noodle_lease_bytes(taken);
        Py_XDECREF(key);
        Py_DECREF(kept);
        if (repeated > 0)
            break;
        if (result < 0)
            return -1;
    }
    PyErr_SetString(PyExc_ValueError, "a segment is named that was not sent");
    return -1;
}

int
host_find_segment(Link *link, uint64_t number, noodle_lease *lease)
{
    if (number >= NOODLE_OWN_SEGMENT)
        return take_own_segments(link, number, lease);
    if (noodle_arena_lookup(host_arena, link->worker, number, lease) == NOODLE_OK)
        return 0;
    PyErr_SetString(PyExc_ValueError, "a segment is named that was not lent");
    return -1;
}


int
host_loans_init(PyObject *module)
{
    loan_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &loan_spec, NULL);
    return loan_type == NULL ? -1 : 0;
}
