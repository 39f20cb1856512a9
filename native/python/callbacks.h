/* Callbacks from C: the callable behind each trampoline, the calls that raise their errors, and the
 * pointers that callbacks are given.
 *
 * cffi makes the trampolines; it takes the GIL, on any thread, and calls a Trampoline. What goes
 * wrong in one is kept for the thread until the native call that is pending there returns: a
 * PendingCall raises it then. Meanwhile further trampolines on the thread return their fallback.
 * Where no call is pending, as on a thread of the library's own, the error is reported at once.
 *
 * Everything here runs with the GIL held. A trampoline is never freed: C code may keep its address.
 */
#ifndef NOODLE_CALLBACKS_H
#define NOODLE_CALLBACKS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stddef.h>

enum { MOST_ARGUMENTS = 64 };

typedef struct {
    PyObject_HEAD
    PyObject *cdata;   /* cffi's address; NULL where the memory is another process's */
    PyObject *pointee; /* what lies there */
    PyObject *origin;  /* what gave it */
    PyObject *weak_references;
} PointerBase;

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyTypeObject *made;
    PyObject *pointee, *origin;
} PointerMaker;

/* The types, set while the module is made. */
extern PyTypeObject *callbacks_pointer_base;
extern PyTypeObject *callbacks_pointer_maker;

extern PyType_Spec callbacks_pointer_base_spec;
extern PyType_Spec callbacks_pointer_maker_spec;
extern PyType_Spec callbacks_trampoline_spec;
extern PyType_Spec callbacks_pending_call_spec;

/* What a PointerMaker makes of one of cffi's addresses: None of null. A new reference, or NULL with
 * an exception. */
static inline PyObject *
make_pointer(PyObject *maker, PyObject *address)
{
    PointerMaker *self = (PointerMaker *)maker;
    int known = PyObject_IsTrue(address); /* cffi's null is false */
    if (known < 0)
        return NULL;
    if (!known)
        Py_RETURN_NONE;
    PointerBase *made = (PointerBase *)self->made->tp_alloc(self->made, 0);
    if (made == NULL)
        return NULL;
    made->cdata = Py_NewRef(address);
    made->pointee = Py_NewRef(self->pointee);
    made->origin = Py_NewRef(self->origin);
    return (PyObject *)made;
}

#endif
