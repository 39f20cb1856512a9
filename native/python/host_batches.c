/* Rows of a batch: one list of arguments for many calls. */
#include "host.h"

/* Appends the arguments of a row.  Returns 1, 0 if the row needs to be prepared, -1 with an exception. */
static int
append_row(PyObject *arguments, PyObject *row, Py_ssize_t arity, PyObject *prepared)
{
    if (!PyTuple_CheckExact(row) && !PyList_CheckExact(row))
        return 0;
    if (PySequence_Fast_GET_SIZE(row) != arity)
        return 0;
    for (Py_ssize_t i = 0; i < arity; i++) {
        PyObject *const argument = PySequence_Fast_GET_ITEM(row, i);
        for (Py_ssize_t j = 0; j < PyTuple_GET_SIZE(prepared); j++)
            if ((PyObject *)Py_TYPE(argument) == PyTuple_GET_ITEM(prepared, j))
                return 0;
        if (PyList_Append(arguments, argument) < 0)
            return -1;
    }
    return 1;
}

static PyObject *
module_flatten_rows(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    PyObject *first, *arguments;
    Py_ssize_t arity;
    int result = 1;
    if (count != 2 || !PyList_Check(args[0]) || !PyTuple_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "flatten_rows takes a list and a tuple of types");
        return NULL;
    }
    if (PyList_GET_SIZE(args[0]) == 0)
        Py_RETURN_NONE;
    first = PyList_GET_ITEM(args[0], 0);
    arity = PyTuple_CheckExact(first) || PyList_CheckExact(first) ? PySequence_Fast_GET_SIZE(first)
                                                                  : 0;
    if (arity == 0)
        Py_RETURN_NONE;
    arguments = PyList_New(0);
    if (arguments == NULL)
        return NULL;
    /* Nothing here runs Python code, so the list keeps its length. */
    for (Py_ssize_t i = 0; result == 1 && i < PyList_GET_SIZE(args[0]); i++)
        result = append_row(arguments, PyList_GET_ITEM(args[0], i), arity, args[1]);
    if (result == 1)
        return Py_BuildValue("nN", arity, arguments);
    Py_DECREF(arguments);
    if (result < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef batch_functions[] = {
    {"flatten_rows", (PyCFunction)(void (*)(void))module_flatten_rows, METH_FASTCALL,
     "flatten_rows(rows, prepared)\n--\n\nReturn (arguments a row, all arguments), or None unless all "
     "rows are tuples and lists of one length above 0, without arguments of the types in `prepared`."},
    {NULL, NULL, 0, NULL},
};

int
host_batches_init(PyObject *module)
{
    return PyModule_AddFunctions(module, batch_functions);
}
