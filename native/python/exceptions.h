/* The exception that is set, as an object. */
#ifndef NOODLE_EXCEPTIONS_H
#define NOODLE_EXCEPTIONS_H

#include <Python.h>

/* Clears the exception that is set and returns it, owned, with its traceback; NULL where none is. */
static inline PyObject *
take_exception(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (value != NULL && traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

#endif
