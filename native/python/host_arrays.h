/* Arrays, the memory that they lie in, and what of it is lent to a worker. */
#ifndef NOODLE_HOST_ARRAYS_H
#define NOODLE_HOST_ARRAYS_H

#include "host_calls.h"

extern noodle_arena *host_arena;
extern PyTypeObject *host_memory_type;
extern PyTypeObject *host_array_type;

/* A Memory over a lease, or over private memory of malloc() where the lease is none; takes it, also
 * when it fails. */
PyObject *host_memory_new(noodle_lease lease, unsigned char *address, uint64_t bytes, bool read_only);
unsigned char *host_memory_address(PyObject *memory, uint64_t *bytes, bool *read_only);
/* The Memory that an array, or a view of one, lies in: a new reference, or NULL without an exception. */
PyObject *host_memory_of(PyObject *object);
/* Raises if an array's memory was given up by hand.  Returns 0 or -1. */
int host_memory_check(PyObject *object);
PyObject *host_array_memory(PyObject *array);   /* a new reference, or NULL */
void host_array_release(PyObject *array);
int host_array_check(PyObject *array);          /* raises if it was released; returns 0 or -1 */
int host_memory_init(PyObject *module);
int host_exporter_init(PyObject *module);

int host_write_array(void *context, wire_writer *writer, PyObject *object, const Py_buffer *view,
                     const wire_array *array);
PyObject *host_read_array(void *context, const wire_array *array);

/* Leases a segment that a worker names: one it was lent, or one of its own. */
int host_find_segment(Link *link, uint64_t number, noodle_lease *lease);
/* Lends the leased segment to the worker once more: sends it on the first time.  The message keeps
 * count.  Returns 0, 1 when the worker must not see it, or -1 with an exception. */
int host_lend(Link *link, host_message *message, noodle_lease lease, bool read_only);
void host_loan_return(Link *link, uint64_t segment, uint64_t times);
void host_loans_clear(Link *link);
/* Raises if so many bytes more in one segment more exceed what the worker may have.  Returns 0 or -1. */
int host_loan_check(Link *link, uint64_t bytes);
/* What JavaScript has let go it gives back when V8 finds it.  Has the worker look now, with the exception
 * set aside.  Returns whether it has less than before; another exception may be set then. */
bool host_loan_recover(Link *link, PyObject *name);
int host_loans_init(PyObject *module);

#endif
