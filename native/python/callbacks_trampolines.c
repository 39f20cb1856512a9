/* Trampolines, and the calls that raise what has gone wrong in one. */
#include "callbacks.h"

PyTypeObject *callbacks_trampoline_type;
NOODLE_THREAD PyObject *callbacks_pending_error;
NOODLE_THREAD int callbacks_gave_result;
NOODLE_THREAD PyObject *callbacks_given;

/* Of this thread: how many PendingCalls it is in. */
static NOODLE_THREAD int pending_calls;

/* ---- Trampoline ---------------------------------------------------------------------------- */

static PyObject *
convert(PyObject *converter, PyObject *value)
{
    if (converter == Py_None)
        return Py_NewRef(value);
    if (Py_TYPE(converter) == callbacks_pointer_maker)
        return callbacks_pointer(converter, value);
    return PyObject_CallOneArg(converter, value);
}

static int
convert_arguments(PyObject *converters, PyObject *const *args, PyObject **converted,
                  Py_ssize_t count)
{
    for (Py_ssize_t i = 0; i < count; i++) {
        converted[i] = convert(PyTuple_GET_ITEM(converters, i), args[i]);
        if (converted[i] == NULL) {
            while (i-- > 0)
                Py_DECREF(converted[i]);
            return -1;
        }
    }
    return 0;
}

PyObject *
callbacks_convert_result(Trampoline *self, PyObject *result)
{
    if (result == NULL || self->result == Py_None)
        return result;
    PyObject *converter = Py_NewRef(self->result);
    PyObject *converted = PyObject_CallOneArg(converter, result);
    Py_DECREF(converter);
    Py_DECREF(result);
    return converted;
}

static PyObject *
trampoline_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    Trampoline *self = (Trampoline *)object;
    Py_ssize_t count = PyVectorcall_NARGS(nargsf);
    if (names != NULL || count != PyTuple_GET_SIZE(self->converters)) {
        PyErr_SetString(PyExc_TypeError, "a trampoline is called by C alone");
        return NULL;
    }
    callbacks_gave_result = 0;
    if (callbacks_pending_error != NULL)
        return Py_NewRef(self->fallback);
    /* The place before the arguments is the callee's to use: methods need no copy then. */
    PyObject *places[MOST_ARGUMENTS + 1], **converted = places + 1;
    /* Conversions and the function run Python code, which may release the trampoline. */
    PyObject *function = Py_NewRef(self->function);
    PyObject *converters = Py_NewRef(self->converters);
    int failed = convert_arguments(converters, args, converted, count);
    Py_DECREF(converters);
    if (failed) {
        Py_DECREF(function);
        return NULL;
    }
    PyObject *result = PyObject_Vectorcall(
        function, converted, (size_t)count | PY_VECTORCALL_ARGUMENTS_OFFSET, NULL);
    Py_DECREF(function);
    for (Py_ssize_t i = 0; i < count; i++)
        Py_DECREF(converted[i]);
    result = callbacks_convert_result(self, result);
    callbacks_gave_result = result != NULL;
    /* Where no call is pending, nothing would let go of it. */
    Py_XSETREF(callbacks_given, pending_calls > 0 ? Py_XNewRef(result) : NULL);
    return result;
}

/* Returns a tuple where the error that is told of is that C does not take the result, else None. */
static PyObject *
trampoline_unfit_result(PyObject *self, PyObject *unused)
{
    (void)self;
    (void)unused;
    if (!callbacks_gave_result)
        Py_RETURN_NONE;
    return callbacks_given ? PyTuple_Pack(1, callbacks_given) : PyTuple_New(0);
}

static void
report(Trampoline *self, PyObject *error)
{
    PyObject *told = Py_NewRef(self->told);
    PyErr_Restore(Py_NewRef(Py_TYPE(error)), Py_NewRef(error), PyException_GetTraceback(error));
    PyErr_WriteUnraisable(told);
    Py_DECREF(told);
}

/* Returns the error that is kept, which is the caller's from now on, or None. */
static PyObject *
trampoline_end_lending(PyObject *object, PyObject *unused)
{
    (void)unused;
    Trampoline *self = (Trampoline *)object;
    PyObject *error = self->error;
    self->lent = 0;
    self->error = NULL;
    return error != NULL ? error : Py_NewRef(Py_None);
}

static PyObject *
trampoline_report(PyObject *object, PyObject *error)
{
    if (!PyExceptionInstance_Check(error)) {
        PyErr_SetString(PyExc_TypeError, "expected an exception");
        return NULL;
    }
    report((Trampoline *)object, error);
    Py_RETURN_NONE;
}

/* cffi's onerror: type, error and traceback. Keeps the error, or reports it. */
static PyObject *
trampoline_failed(PyObject *object, PyObject *args)
{
    Trampoline *self = (Trampoline *)object;
    PyObject *type, *error, *traceback;
    if (!PyArg_ParseTuple(args, "OOO", &type, &error, &traceback))
        return NULL;
    if (traceback != Py_None)
        PyException_SetTraceback(error, traceback);
    if (pending_calls == 0 && self->lent && self->error == NULL)
        self->error = Py_NewRef(error);
    else if (pending_calls == 0)
        report(self, error);
    else if (callbacks_pending_error == NULL)
        callbacks_pending_error = Py_NewRef(error);
    Py_RETURN_NONE;
}

static PyObject *
trampoline_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *function, *converters, *result, *fallback, *told;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "Trampoline takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "OO!OOO", &function, &PyTuple_Type, &converters, &result, &fallback,
                          &told))
        return NULL;
    if (PyTuple_GET_SIZE(converters) > MOST_ARGUMENTS) {
        PyErr_Format(PyExc_ValueError, "more than %d arguments", MOST_ARGUMENTS);
        return NULL;
    }
    Trampoline *self = (Trampoline *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = trampoline_vectorcall;
    self->function = Py_NewRef(function);
    self->converters = Py_NewRef(converters);
    self->result = Py_NewRef(result);
    self->fallback = Py_NewRef(fallback);
    self->told = Py_NewRef(told);
    return (PyObject *)self;
}

static void
trampoline_dealloc(PyObject *object)
{
    Trampoline *self = (Trampoline *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->function);
    Py_XDECREF(self->converters);
    Py_XDECREF(self->result);
    Py_XDECREF(self->fallback);
    Py_XDECREF(self->told);
    Py_XDECREF(self->error);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef trampoline_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Trampoline, vectorcall), READONLY, NULL},
    {"function", T_OBJECT_EX, offsetof(Trampoline, function), 0, "What is called."},
    {"result", T_OBJECT_EX, offsetof(Trampoline, result), 0, "Converts the result, or None."},
    {"told", T_OBJECT_EX, offsetof(Trampoline, told), 0, "What reports of errors name."},
    {"lent", T_BOOL, offsetof(Trampoline, lent), 0, "Whether a call will take an error from here."},
    {NULL, 0, 0, 0, NULL},
};

static PyObject *
trampoline_get_converters(PyObject *object, void *unused)
{
    (void)unused;
    return Py_NewRef(((Trampoline *)object)->converters);
}

/* Of another number they would be read beyond their end. */
static int
trampoline_set_converters(PyObject *object, PyObject *value, void *unused)
{
    (void)unused;
    Trampoline *self = (Trampoline *)object;
    if (value == NULL || !PyTuple_Check(value)
        || PyTuple_GET_SIZE(value) != PyTuple_GET_SIZE(self->converters)) {
        PyErr_SetString(PyExc_TypeError, "expected a tuple of as many converters as before");
        return -1;
    }
    Py_SETREF(self->converters, Py_NewRef(value));
    return 0;
}

static PyGetSetDef trampoline_accessors[] = {
    {"converters", trampoline_get_converters, trampoline_set_converters,
     "For each argument what converts it, or None.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMethodDef trampoline_methods[] = {
    {"failed", trampoline_failed, METH_VARARGS, "Keep or report an error; cffi's ``onerror``."},
    {"end_lending", trampoline_end_lending, METH_NOARGS,
     "Keep errors no longer; return that of another thread which was kept, or None."},
    {"report", trampoline_report, METH_O, "Tell of an error that nobody waits for."},
    {"unfit_result", trampoline_unfit_result, METH_NOARGS,
     "Return a tuple if C does not take the last result, with it where it is known, else None."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot trampoline_slots[] = {
    {Py_tp_new, trampoline_new},
    {Py_tp_dealloc, trampoline_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, trampoline_members},
    {Py_tp_getset, trampoline_accessors},
    {Py_tp_methods, trampoline_methods},
    {Py_tp_doc, "What a trampoline of C calls: converts the arguments and the result."},
    {0, NULL},
};

PyType_Spec callbacks_trampoline_spec = {
    .name = "noodle._callbacks.Trampoline",
    .basicsize = sizeof(Trampoline),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = trampoline_slots,
};

/* ---- PendingCall --------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *entry;
} PendingCall;

static PyObject *
raise_pending(PyObject *result)
{
    PyObject *error = callbacks_pending_error;
    callbacks_pending_error = NULL;
    if (result == NULL)
        PyErr_Clear();
    Py_XDECREF(result);
    PyErr_Restore(Py_NewRef(Py_TYPE(error)), error, PyException_GetTraceback(error));
    return NULL;
}

static PyObject *
pending_vectorcall(PyObject *object, PyObject *const *args, size_t nargsf, PyObject *names)
{
    PyObject *entry = ((PendingCall *)object)->entry;
    pending_calls++;
    PyObject *result = PyObject_Vectorcall(entry, args, nargsf, names);
    pending_calls--;
    Py_CLEAR(callbacks_given);
    return callbacks_pending_error == NULL ? result : raise_pending(result);
}

static PyObject *
pending_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *entry;
    if (kwargs != NULL && PyDict_GET_SIZE(kwargs) > 0) {
        PyErr_SetString(PyExc_TypeError, "PendingCall takes no keywords");
        return NULL;
    }
    if (!PyArg_ParseTuple(args, "O", &entry))
        return NULL;
    PendingCall *self = (PendingCall *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->vectorcall = pending_vectorcall;
    self->entry = Py_NewRef(entry);
    return (PyObject *)self;
}

static void
pending_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(((PendingCall *)object)->entry);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyMemberDef pending_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PendingCall, vectorcall), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot pending_slots[] = {
    {Py_tp_new, pending_new},
    {Py_tp_dealloc, pending_dealloc},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_members, pending_members},
    {Py_tp_doc, "Calls a function of C, then raises what a callback has raised meanwhile."},
    {0, NULL},
};

PyType_Spec callbacks_pending_call_spec = {
    .name = "noodle._callbacks.PendingCall",
    .basicsize = sizeof(PendingCall),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL,
    .slots = pending_slots,
};
