/* Objects of a worker that stand here, and objects of the host that a worker has. */
#ifndef NOODLE_HOST_REFERENCES_H
#define NOODLE_HOST_REFERENCES_H

#include "host_calls.h"

typedef struct Reference {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    Link *link;              /* NULL: released */
    uint64_t id;
    uint64_t incarnation;
    uint32_t sent;
    uint32_t found;          /* so many sendings were to somebody who can ask for the object again */
    uint8_t kind;
    PyObject *name;
    host_pace pace;
    PyObject *weak_references;
} Reference;

extern PyTypeObject *host_reference_type;
extern PyTypeObject *host_function_type;
extern PyTypeObject *host_by_reference_type;

int host_write_reference(void *context, wire_writer *writer, PyObject *object);
PyObject *host_read_reference(void *context, const wire_reference *reference);
/* Counts one sending of an object, which has an id from then on.  Returns 0, or -1 with an exception. */
int host_export_send(Link *link, PyObject *object, uint64_t *id);
/* How many objects of the worker are held here by somebody who cannot ask for them again. */
Py_ssize_t host_count_held(const Link *link);
PyObject *host_export_object(Link *link, uint64_t id);   /* borrowed; NULL: unknown */
int host_export_release(Link *link, uint64_t id, uint32_t sent);
void host_export_undo(Link *link, uint64_t id);
extern PyObject *host_engine;

/* Dicts by number.  What is read is borrowed, or NULL without an exception. */
PyObject *host_number_get(PyObject *dict, uint64_t number);
int host_number_set(PyObject *dict, uint64_t number, PyObject *value);
void host_number_delete(PyObject *dict, uint64_t number);

/* The reference of a RemoteFunction in one of its workers, found out now if need be.  NULL: it is in none
 * whose link that is, or, with an exception, it could not be found out. */
PyObject *host_function_reference_in(PyObject *function, const Link *link);

int host_links_init(PyObject *module);
int host_exports_init(PyObject *module);
int host_references_init(PyObject *module);
int host_functions_init(PyObject *module);
/* The function in the worker that a call would go to, owned; NULL where that is to be found first. */
Reference *host_function_known(PyObject *function);
int host_batches_init(PyObject *module);

#endif
