/* Callbacks: functions of this process that a worker calls. */
#include "host.h"

/* Chains of this and more are those of a worker's own: timers and events, which no call waits for. */
#define OWN_CHAINS (UINT64_C(1) << 63)

/* How many arguments a Python function takes by position; -1: any number, or that is not known here. */
static Py_ssize_t
most_arguments(PyObject *callable)
{
    const bool bound = PyMethod_Check(callable);
    PyObject *const function = bound ? PyMethod_GET_FUNCTION(callable) : callable;
    if (!PyFunction_Check(function))
        return -1;
    const PyCodeObject *const code = (PyCodeObject *)PyFunction_GET_CODE(function);
    return code->co_flags & CO_VARARGS ? -1 : code->co_argcount - bound;
}

/* Was the exception that is set raised by the call itself, before any code of the function ran? */
static bool
is_refusal(void)
{
    PyObject *type, *value, *traceback;
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
        return false;
    PyErr_Fetch(&type, &value, &traceback);
    const bool refused = traceback == NULL;
    PyErr_Restore(type, value, traceback);
    return refused;
}

/* Asks Python how many arguments a callable takes; the exception that is set stays. */
static Py_ssize_t
look_up_most(PyObject *callable)
{
    PyObject *type, *value, *traceback;
    Py_ssize_t most = -1;
    PyErr_Fetch(&type, &value, &traceback);
    PyObject *found = PyObject_CallOneArg(host_policy[POLICY_MOST_ARGUMENTS], callable);
    if (found != NULL && found != Py_None)
        most = PyLong_AsSsize_t(found);
    Py_XDECREF(found);
    PyErr_Restore(type, value, traceback);
    return most;
}

static PyObject *
call_with_fewer(PyObject *callable, PyObject *const *arguments, Py_ssize_t count)
{
    const Py_ssize_t most = count > 0 ? look_up_most(callable) : -1;
    if (most < 0 || most >= count)
        return NULL;
    PyErr_Clear();
    return PyObject_Vectorcall(callable, arguments, (size_t)most, NULL);
}

/* What a function of a worker refuses, its worker has told already. */
static bool
is_remote(PyObject *callable)
{
    return PyObject_TypeCheck(callable, host_reference_type)
           || PyObject_TypeCheck(callable, host_function_type);
}

/* As in JavaScript, a function gets no more arguments than it takes; between Pythons it gets them all. */
PyObject *
host_call_back(Link *link, PyObject *callable, PyObject *request)
{
    PyObject *const *const arguments = &PyList_GET_ITEM(request, 2);
    Py_ssize_t count = PyList_GET_SIZE(request) - 2;
    const Py_ssize_t most = link->is_python ? -1 : most_arguments(callable);
    if (most >= 0 && most < count)
        count = most;
    PyObject *result = PyObject_Vectorcall(callable, arguments, (size_t)count, NULL);
    if (LIKELY(result != NULL) || is_remote(callable))
        return result;
    if (!link->is_python && is_refusal())
        result = call_with_fewer(callable, arguments, count);
    if (result == NULL && is_refusal())
        host_note_callback(link, callable, request);
    return result;
}

COLD void
host_note_callback(Link *link, PyObject *callable, PyObject *request)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    PyObject *arguments = PyList_GetSlice(request, 2, PyList_GET_SIZE(request));
    PyObject *done = arguments == NULL
                         ? NULL
                         : PyObject_CallFunction(host_policy[POLICY_NOTE_CALLBACK], "OOOO",
                                                 (PyObject *)link, callable, arguments, value);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    Py_XDECREF(arguments);
    PyErr_Restore(type, value, traceback);
}

COLD PyObject *
host_called_unexpectedly(Link *link, PyObject *request, uint64_t chain)
{
    PyObject *type, *value, *traceback, *callable = NULL;
    if (chain < OWN_CHAINS)
        return NULL;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyList_Check(request) && PyList_GET_SIZE(request) >= 2
        && PyLong_AsLong(PyList_GET_ITEM(request, 0)) == NOODLE_OP_CALL)
        callable = host_export_object(link, PyLong_AsUnsignedLongLong(PyList_GET_ITEM(request, 1)));
    Py_XINCREF(callable);
    PyErr_Restore(type, value, traceback);
    return callable;
}

/* Nobody sees the frames of a caller of such a callback, as there is none. */
COLD void
host_note_unexpected(Link *link, PyObject *request, uint64_t chain)
{
    PyObject *const callable = host_called_unexpectedly(link, request, chain);
    if (callable != NULL)
        host_note_callback(link, callable, request);
    Py_XDECREF(callable);
}
