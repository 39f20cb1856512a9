/* noodle._callbacks: the module. */
#include "callbacks.h"

/* Returns the type, which the caller owns too, or NULL with an exception. */
static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type != NULL && PyModule_AddType(module, (PyTypeObject *)type) < 0)
        Py_CLEAR(type);
    return (PyTypeObject *)type;
}

static int
module_exec(PyObject *module)
{
    if (callbacks_pointer_base != NULL) {
        PyErr_SetString(PyExc_ImportError, "noodle._callbacks can be loaded once in a process");
        return -1;
    }
    callbacks_trampoline_type = add_type(module, &callbacks_trampoline_spec);
    PyTypeObject *pending_call = add_type(module, &callbacks_pending_call_spec);
    int failed = callbacks_trampoline_type == NULL || pending_call == NULL;
    Py_XDECREF(pending_call);
    if (failed || PyModule_AddIntConstant(module, "MOST_ARGUMENTS", MOST_ARGUMENTS) < 0
        || PyModule_AddIntConstant(module, "MOST_ENTRIES", callbacks_most_entries) < 0)
        return -1;
    callbacks_pointer_maker = add_type(module, &callbacks_pointer_maker_spec);
    if (callbacks_pointer_maker == NULL)
        return -1;
    callbacks_pointer_base = add_type(module, &callbacks_pointer_base_spec);
    return callbacks_pointer_base == NULL ? -1 : 0;
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
    .m_name = "_callbacks",
    .m_doc = "What C calls back, and the calls that raise the errors of callbacks.",
    .m_slots = module_slots,
    .m_methods = callbacks_entry_methods,
};

PyMODINIT_FUNC
PyInit__callbacks(void)
{
    return PyModuleDef_Init(&module_definition);
}
