/* noodle._host: the module, and the policies that Python code gives it. */
#include "host.h"

PyObject *host_policy[POLICY_COUNT];

static const char *const policy_names[POLICY_COUNT] = {
    [POLICY_CRASHED] = "crashed",
    [POLICY_OVERDUE] = "overdue",
    [POLICY_REFUSED] = "refused",
    [POLICY_FORKED] = "forked",
    [POLICY_TOO_DEEP] = "too_deep",
    [POLICY_RELEASED] = "released",
    [POLICY_STUCK] = "stuck",
    [POLICY_REMOTE_ERROR] = "remote_error",
    [POLICY_ARRAY] = "array",
    [POLICY_PERFORM] = "perform",
    [POLICY_RETURNED] = "returned",
    [POLICY_DESCRIBE] = "describe",
    [POLICY_UNREADABLE] = "unreadable",
    [POLICY_SETTLE] = "settle",
    [POLICY_SETTLE_LATER] = "settle_later",
    [POLICY_CANCEL] = "cancel",
    [POLICY_UNCAUGHT] = "uncaught",
    [POLICY_REFERENCE_TYPES] = "reference_types",
    [POLICY_MOST_ARGUMENTS] = "most_arguments",
    [POLICY_NOTE_CALLBACK] = "note_callback",
    [POLICY_UNDEFINED] = "undefined",
    [POLICY_DEADLINE_SCOPE] = "deadline_scope",
    [POLICY_REMAINING_SECONDS] = "remaining_seconds",
};

COLD int
host_raise(enum host_policy policy, const char *format, ...)
{
    PyObject *args, *exception = NULL;
    va_list values;
    if (host_policy[policy] == NULL) {
        PyErr_Format(PyExc_RuntimeError, "the policy %s was not installed: import noodle.workers.policies",
                     policy_names[policy]);
        return -1;
    }
    va_start(values, format);
    args = Py_VaBuildValue(format, values);
    va_end(values);
    if (args != NULL)
        exception = PyObject_CallObject(host_policy[policy], args);
    Py_XDECREF(args);
    if (exception == Py_None) {
        Py_DECREF(exception);
        return 0;
    }
    if (exception != NULL && PyExceptionInstance_Check(exception))
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    else if (exception != NULL)
        PyErr_Format(PyExc_TypeError, "the policy %s returned no exception", policy_names[policy]);
    Py_XDECREF(exception);
    return -1;
}

static PyObject *
module_install(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    PyObject *error;
    if (!PyArg_ParseTuple(args, "O:install", &error) || wire_python_init(error) < 0)
        return NULL;
    for (int policy = 0; policy < POLICY_COUNT; policy++) {
        PyObject *given = kwargs != NULL ? PyDict_GetItemString(kwargs, policy_names[policy]) : NULL;
        if (given == NULL) {
            PyErr_Format(PyExc_TypeError, "install() lacks the policy %s", policy_names[policy]);
            return NULL;
        }
        Py_XSETREF(host_policy[policy], Py_NewRef(given));
    }
    if (!PyContextVar_CheckExact(host_policy[POLICY_DEADLINE_SCOPE])
        || !PyTuple_Check(host_policy[POLICY_REFERENCE_TYPES])) {
        PyErr_SetString(PyExc_TypeError, "deadline_scope is a ContextVar, reference_types a tuple");
        return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"install", (PyCFunction)(void (*)(void))module_install, METH_VARARGS | METH_KEYWORDS,
     "install(wire_error, /, **policies)\n--\n\nSay what is decided in Python; see host.h."},
    {NULL, NULL, 0, NULL},
};

static int
module_exec(PyObject *module)
{
    if (host_link_type != NULL) {
        PyErr_SetString(PyExc_ImportError, "noodle._host can be loaded once in a process");
        return -1;
    }
    if (host_engine == NULL)
        host_engine = Py_NewRef(Py_None);
    if (host_threads_init() < 0 || host_chains_init(module) < 0 || host_memory_init(module) < 0
        || host_exporter_init(module) < 0 || host_loans_init(module) < 0
        || host_links_init(module) < 0 || host_exports_init(module) < 0
        || host_references_init(module) < 0 || host_functions_init(module) < 0
        || host_batches_init(module) < 0 || host_processes_init(module) < 0
        || host_loops_init(module) < 0 || host_awaited_init(module) < 0
        || host_later_init(module) < 0)
        return -1;
    if (PyModule_AddIntConstant(module, "PROTOCOL_VERSION", NOODLE_PROTOCOL_VERSION) < 0
        || PyModule_AddIntConstant(module, "WIRE_VERSION", WIRE_VERSION) < 0
        || PyModule_AddIntConstant(module, "CHANNEL_VERSION", NOODLE_CHANNEL_ABI) < 0
        || PyModule_AddIntConstant(module, "SEGMENT_LEAST", (long)NOODLE_SEGMENT_LEAST) < 0)
        return -1;
    PyObject *too_much = Py_BuildValue("(iii)", WIRE_TOO_DEEP, WIRE_TOO_MANY, WIRE_TOO_LARGE);
    PyObject *unfit = Py_BuildValue("(ii)", WIRE_UNHASHABLE, WIRE_UNREADABLE);
    const int added = PyModule_AddObjectRef(module, "TOO_MUCH_STATUSES", too_much) < 0
                      || PyModule_AddObjectRef(module, "UNFIT_STATUSES", unfit) < 0;
    Py_XDECREF(too_much);
    Py_XDECREF(unfit);
    if (added)
        return -1;
    return PyModule_AddIntConstant(module, "DEPTH_MAX", HOST_DEPTH_MAX);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_host",
    .m_doc = "The host's side of the channels to workers; noodle.workers governs it.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__host(void)
{
    return PyModuleDef_Init(&module_definition);
}
