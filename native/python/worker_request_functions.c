/* Requests that Python code of the worker makes: with a wait, or for a future. */
#define _GNU_SOURCE
#include "worker_requests_internal.h"

#include <stdlib.h>

/* Takes (id, operation, argument...) apart, behind the first `skip` items. */
static bool
take_arguments(PyObject *arguments, Py_ssize_t skip, unsigned long long *id,
               unsigned long long *operation, PyObject ***values, Py_ssize_t *count)
{
    const Py_ssize_t size = PyTuple_Size(arguments);
    if (size < skip + 2) {
        PyErr_SetString(PyExc_TypeError, "a request has an id and an operation");
        return false;
    }
    *id = PyLong_AsUnsignedLongLong(PyTuple_GetItem(arguments, skip));
    if (PyErr_Occurred())
        return false;
    *operation = PyLong_AsUnsignedLongLong(PyTuple_GetItem(arguments, skip + 1));
    if (PyErr_Occurred())
        return false;
    *count = size - skip - 2;
    *values = malloc((size_t)(*count + 1) * sizeof **values);
    if (*values == NULL) {
        PyErr_NoMemory();
        return false;
    }
    for (Py_ssize_t i = 0; i < *count; i++)
        (*values)[i] = PyTuple_GetItem(arguments, skip + 2 + i);
    return true;
}

/* request(id, operation, *arguments) */
PyObject *
worker_request_now(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    unsigned long long id, operation;
    PyObject **values, *result;
    Py_ssize_t count;
    if (!take_arguments(arguments, 0, &id, &operation, &values, &count))
        return NULL;
    result = worker_request(operation, id, NULL, values, count);
    free(values);
    return result;
}

/* request_later(future, id, operation, *arguments) -> number: the future gets the answer */
PyObject *
worker_request_later(PyObject *Py_UNUSED(module), PyObject *arguments)
{
    unsigned long long id, operation;
    PyObject **values;
    Py_ssize_t count;
    if (!take_arguments(arguments, 1, &id, &operation, &values, &count))
        return NULL;
    request *const opened = calloc(1, sizeof *opened);
    uint64_t number = 0;
    int result = -1;
    if (opened == NULL) {
        PyErr_NoMemory();
    } else {
        worker_request_open(opened);
        number = opened->id;
        opened->call = NULL;
        opened->future = PyTuple_GetItem(arguments, 0);
        Py_INCREF(opened->future);
        if (worker_request_check(opened) == 0)
            result = worker_request_send(opened, operation, id, NULL, values, count);
        if (result < 0) {
            worker_request_close(opened);
            Py_DECREF(opened->future);
            free(opened);
        }
    }
    free(values);
    return result < 0 ? NULL : PyLong_FromUnsignedLongLong(number);
}

/* abandon(number) */
PyObject *
worker_abandon(PyObject *Py_UNUSED(module), PyObject *argument)
{
    const uint64_t number = PyLong_AsUnsignedLongLong(argument);
    if (PyErr_Occurred())
        return NULL;
    if (!worker_is_forked() && *worker_request_find(number) != NULL) {
        noodle_record record = {.kind = NOODLE_KIND_CANCEL, .call_id = number};
        worker_send(&worker.lanes[0], &record, "", 0);
    }
    Py_RETURN_NONE;
}
