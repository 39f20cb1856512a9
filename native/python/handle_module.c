/* noodle._handle: the types, what bindings and counters say of a handle, and deadline scopes. */
#include "handle.h"

PyObject *handle_binding_names;
PyObject *handle_type_names;
PyObject *handle_name_wrapped;
PyObject *handle_name_plan;
PyObject *handle_name_translated;

/* ----------------------------------------------------------------------------------- Handles */

static Handle *
as_handle(PyObject *object)
{
    if (Py_TYPE(object) != handle_type) {
        PyErr_Format(PyExc_TypeError, "expected a handle, got %.200s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (Handle *)object;
}

static PyObject *
module_binding(PyObject *Py_UNUSED(module), PyObject *object)
{
    Handle *handle = as_handle(object);
    return handle ? Py_NewRef(handle->binding) : NULL;
}

static PyObject *
module_counters(PyObject *Py_UNUSED(module), PyObject *object)
{
    Handle *handle = as_handle(object);
    if (handle == NULL)
        return NULL;
    return Py_BuildValue("(KKKKK)", (unsigned long long)handle->calls,
                         (unsigned long long)handle->errors, (unsigned long long)handle->misses,
                         (unsigned long long)handle->timed_calls,
                         (unsigned long long)handle->timed_nanoseconds);
}

/* --------------------------------------------------------------------------------- Deadlines */

static PyObject *
module_set_deadline_check(PyObject *Py_UNUSED(module), PyObject *check)
{
    if (!PyCallable_Check(check)) {
        PyErr_SetString(PyExc_TypeError, "the deadline check must be callable");
        return NULL;
    }
    Py_XSETREF(handle_deadline_check, Py_NewRef(check));
    Py_RETURN_NONE;
}

static PyObject *
module_enter_deadline(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (handle_deadline_check == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no deadline check is set");
        return NULL;
    }
    handle_deadline_scopes++;
    Py_RETURN_NONE;
}

static PyObject *
module_leave_deadline(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (handle_deadline_scopes == 0) {
        PyErr_SetString(PyExc_RuntimeError, "no deadline scope is open");
        return NULL;
    }
    handle_deadline_scopes--;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------ Module */

static PyMethodDef module_methods[] = {
    {"binding", module_binding, METH_O,
     "binding(handle)\n--\n\nReturn the object that plans the handle's calls."},
    {"counters", module_counters, METH_O,
     "counters(handle)\n--\n\nReturn (calls, errors, plan misses, timed calls, timed nanoseconds)."},
    {"set_deadline_check", module_set_deadline_check, METH_O,
     "set_deadline_check(check)\n--\n\nSet what raises when the current deadline has passed."},
    {"enter_deadline", module_enter_deadline, METH_NOARGS,
     "enter_deadline()\n--\n\nHave every call checked against the current deadline."},
    {"leave_deadline", module_leave_deadline, METH_NOARGS,
     "leave_deadline()\n--\n\nUndo one enter_deadline."},
    {NULL, NULL, 0, NULL},
};

static PyObject *
frozen_names(const char *const *names)
{
    PyObject *set = PyFrozenSet_New(NULL);
    for (; set != NULL && *names != NULL; names++) {
        PyObject *name = PyUnicode_InternFromString(*names);
        if (name == NULL || PySet_Add(set, name) < 0)
            Py_CLEAR(set);
        Py_XDECREF(name);
    }
    return set;
}

static int
add_type(PyObject *module, PyTypeObject **type, PyType_Spec *spec, const char *name)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (*type == NULL)
        return -1;
    return name ? PyModule_AddObjectRef(module, name, (PyObject *)*type) : 0;
}

static int
module_exec(PyObject *module)
{
    static const char *const own[] = {"explain", "options", "aio", "batch", "map", NULL};
    static const char *const generic[] = {
        "__call__", "__class__", "__copy__", "__deepcopy__", "__delattr__", "__dir__", "__eq__",
        "__format__", "__ge__", "__get__", "__getattribute__", "__getstate__", "__gt__", "__hash__",
        "__init__", "__le__", "__lt__", "__mro_entries__", "__ne__", "__new__", "__reduce__",
        "__reduce_ex__", "__repr__", "__setattr__", "__sizeof__", "__str__", "__subclasshook__", NULL};
    if (handle_type != NULL) {
        PyErr_SetString(PyExc_ImportError, "noodle._handle can be loaded once in a process");
        return -1;
    }
    handle_binding_names = frozen_names(own);
    handle_type_names = frozen_names(generic);
    handle_name_wrapped = PyUnicode_InternFromString("__wrapped__");
    handle_name_plan = PyUnicode_InternFromString("plan");
    handle_name_translated = PyUnicode_InternFromString("translated");
    if (!handle_binding_names || !handle_type_names || !handle_name_wrapped || !handle_name_plan || !handle_name_translated)
        return -1;
    if (add_type(module, &handle_epoch_type, &handle_epoch_spec, "Epoch") < 0
        || add_type(module, &handle_plan_type, &handle_plan_spec, NULL) < 0
        || add_type(module, &handle_type, &handle_spec, "Handle") < 0)
        return -1;
    return PyModule_AddIntConstant(module, "PLAN_SLOTS", PLAN_SLOTS);
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
    .m_name = "_handle",
    .m_doc = "The call handle in C; noodle.ffi_dispatcher makes and governs them.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__handle(void)
{
    return PyModuleDef_Init(&module_definition);
}
