/* The adapter's state in a process, and how it raises; wire_python.h is the contract. */

#include "wire_python_internal.h"

#include <stdio.h>

wire_python_state wire_state;
const wire_python_hooks wire_python_no_hooks;

/* ------------------------------------------------------------------------------------- Errors */

void
wire_raise(wire_status status, const char *detail)
{
    PyObject *exception;

    if (status == WIRE_NO_MEMORY) {
        PyErr_NoMemory();
        return;
    }
    const char *text = wire_status_text(status);
    exception = detail == NULL ? PyObject_CallFunction(wire_state.error, "s", text)
                               : PyObject_CallFunction(wire_state.error, "N",
                                                       PyUnicode_FromFormat("%s: %s", text, detail));
    if (exception == NULL)
        return;
    PyObject *number = PyLong_FromLong(status);
    if (number != NULL && PyObject_SetAttrString(exception, "status", number) == 0)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(number);
    Py_DECREF(exception);
}

void
wire_python_type_name(PyObject *object, char *to, size_t size)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
    PyObject *bytes = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8String(name) : NULL;

    snprintf(to, size, "%s", bytes != NULL ? BYTES_DATA(bytes) : "object");
    Py_XDECREF(bytes);
    Py_XDECREF(name);
    PyErr_Clear();
}

COLD int
wire_python_refuse(wire_status status, const char *format, PyObject *object)
{
    char name[80];
    char text[240];

    wire_python_type_name(object, name, sizeof name);
    snprintf(text, sizeof text, format, name);
    wire_raise(status, text);
    return -1;
}

COLD PyObject *
wire_python_raise(wire_status status)
{
    if (!PyErr_Occurred())
        wire_raise(status, NULL);
    return NULL;
}

int
wire_python_init(PyObject *error)
{
    Py_INCREF(error);
    Py_XDECREF(wire_state.error);
    wire_state.error = error;
    if (wire_state.datetime != NULL)
        return 0;

    PyObject *module = PyImport_ImportModule("datetime");
    PyObject *zone_type = module != NULL ? PyObject_GetAttrString(module, "timezone") : NULL;
    PyObject *utc = zone_type != NULL ? PyObject_GetAttrString(zone_type, "utc") : NULL;
    PyObject *datetime = utc != NULL ? PyObject_GetAttrString(module, "datetime") : NULL;
    if (datetime != NULL) {
        wire_state.timedelta = PyObject_GetAttrString(module, "timedelta");
        wire_state.epoch = PyObject_CallFunction(datetime, "iii", 1970, 1, 1);
        wire_state.epoch_utc =
            PyObject_CallFunction(datetime, "iiiiiiiO", 1970, 1, 1, 0, 0, 0, 0, utc);
        if (wire_state.timedelta != NULL && wire_state.epoch != NULL && wire_state.epoch_utc != NULL) {
            Py_INCREF(datetime);
            wire_state.datetime = datetime;
        }
    }
    Py_XDECREF(datetime);
    Py_XDECREF(utc);
    Py_XDECREF(zone_type);
    Py_XDECREF(module);
    return wire_state.datetime != NULL ? 0 : -1;
}

bool
wire_python_knows_numpy(void)
{
    static const struct {
        const char *name;
        PyObject **type;
    } wanted[] = {
        {"bool_", &wire_state.numpy_bool},         {"integer", &wire_state.numpy_integer},
        {"floating", &wire_state.numpy_floating},  {"ndarray", &wire_state.numpy_array},
        {"memmap", &wire_state.numpy_memmap},      {"generic", &wire_state.numpy_generic},
    };

    if (wire_state.numpy_generic != NULL)
        return true;
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *numpy = modules != NULL ? PyDict_GetItemString(modules, "numpy") : NULL;
    if (numpy == NULL)
        return false;
    Py_INCREF(numpy);
    /* "generic" is the last one, and says that all are there. */
    for (size_t index = 0; index < sizeof wanted / sizeof *wanted; index++) {
        PyObject *type = PyObject_GetAttrString(numpy, wanted[index].name);
        if (type == NULL || !PyType_Check(type)) {
            PyErr_Clear();
            Py_XDECREF(type);
            break;
        }
        Py_XDECREF(*wanted[index].type);
        *wanted[index].type = type;
    }
    Py_DECREF(numpy);
    return wire_state.numpy_generic != NULL;
}
