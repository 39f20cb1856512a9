/* What the parts of references share. */
#ifndef NOODLE_HOST_REFERENCES_INTERNAL_H
#define NOODLE_HOST_REFERENCES_INTERNAL_H

#include "host.h"

/* The link of a reference that can be used: borrowed, or NULL with an exception. */
Link *host_reference_link(Reference *self);
/* Lets the worker's object go: the next call tells it.  Any thread, no Python code. */
void host_reference_let_go(Reference *self);

/* Types whose objects may stand for a RemoteFunction, and what says for which; NULL until they are set. */
extern PyObject *host_stand_in_types, *host_stand_in_function;

int host_by_reference_init(PyObject *module);
int host_reference_functions_init(PyObject *module);

#endif
