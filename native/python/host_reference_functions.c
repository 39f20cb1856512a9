/* What the module does with references: requests, facts, and what stands for a worker's function. */
#include "host_references_internal.h"

/* --------------------------------------------------------------------------------- References */

static Reference *
as_reference(PyObject *object)
{
    if (!PyObject_TypeCheck(object, host_reference_type)) {
        PyErr_Format(PyExc_TypeError, "expected a reference, got %.200s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (Reference *)object;
}

/* The arguments are a reference, an operation and what that takes. `name` is for messages; NULL: what the
 * reference is called. */
static PyObject *
request(PyObject *name, PyObject *const *args, Py_ssize_t count)
{
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "a request needs a reference and an operation");
        return NULL;
    }
    Reference *const self = as_reference(args[0]);
    const int operation = self == NULL ? -1 : (int)PyLong_AsLong(args[1]);
    Link *const link = PyErr_Occurred() ? NULL : host_reference_link(self);
    PyObject *result;
    if (link == NULL)
        return NULL;
    /* What is asked of a module is about one of its members, which is what the program knows. */
    if (name == NULL && self->kind == WIRE_KIND_MODULE && count > 2 && PyUnicode_Check(args[2]))
        name = args[2];
    else if (name == NULL)
        name = self->name;
    Py_INCREF(link);
    Py_INCREF(name);   /* the reference may be renamed meanwhile */
    result = host_call_worker(link, operation, self->id, name, args + 2, count - 2, NULL, &self->pace);
    Py_DECREF(name);
    Py_DECREF(link);
    return result;
}

static PyObject *
module_request(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    return request(NULL, args, count);
}

static PyObject *
module_request_as(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    if (count < 1 || !PyUnicode_Check(args[0])) {
        PyErr_SetString(PyExc_TypeError, "request_as() needs a name");
        return NULL;
    }
    return request(args[0], args + 1, count - 1);
}

static PyObject *
module_facts(PyObject *Py_UNUSED(module), PyObject *object)
{
    const Reference *const self = as_reference(object);
    if (self == NULL)
        return NULL;
    return Py_BuildValue("(OKiOI)", self->link != NULL ? (PyObject *)self->link : Py_None,
                         (unsigned long long)self->id, self->kind, self->name,
                         (unsigned int)self->sent);
}

static PyObject *
module_note_found(PyObject *Py_UNUSED(module), PyObject *object)
{
    Reference *const self = as_reference(object);
    if (self == NULL)
        return NULL;
    self->found++;
    Py_RETURN_NONE;
}

static PyObject *
module_release(PyObject *Py_UNUSED(module), PyObject *object)
{
    Reference *const self = as_reference(object);
    if (self == NULL)
        return NULL;
    host_reference_let_go(self);
    Py_RETURN_NONE;
}

/* The worker itself, which is never let go. */
static PyObject *
module_root(PyObject *Py_UNUSED(module), PyObject *object)
{
    Link *const link = (Link *)object;
    if (Py_TYPE(object) != host_link_type) {
        PyErr_Format(PyExc_TypeError, "expected a link, got %.200s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    const wire_reference reference = {
        .owner = WIRE_OWNER_WORKER,
        .kind = WIRE_KIND_OBJECT,
        .incarnation = link->incarnation,
        .name = "worker",
        .name_length = 6,
    };
    return host_read_reference(link, &reference);
}

static PyObject *
module_rename(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *object, *name;
    if (!PyArg_ParseTuple(args, "O!U:rename", host_reference_type, &object, &name))
        return NULL;
    Py_SETREF(((Reference *)object)->name, Py_NewRef(name));
    Py_RETURN_NONE;
}

/* ----------------------------------------------------------------------------------- Settings */

static PyObject *
module_set_engine(PyObject *Py_UNUSED(module), PyObject *engine)
{
    Py_XSETREF(host_engine, Py_NewRef(engine));
    Py_RETURN_NONE;
}

static PyObject *
module_set_stand_ins(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *types, *function;
    if (!PyArg_ParseTuple(args, "O!O:set_stand_ins", &PyTuple_Type, &types, &function))
        return NULL;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(types); i++)
        if (!PyType_Check(PyTuple_GET_ITEM(types, i)))
            return PyErr_Format(PyExc_TypeError, "expected types");
    Py_XSETREF(host_stand_in_types, Py_NewRef(types));
    Py_XSETREF(host_stand_in_function, Py_NewRef(function));
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------- Module */

static PyMethodDef reference_functions[] = {
    {"set_stand_ins", module_set_stand_ins, METH_VARARGS,
     "set_stand_ins(types, function)\n--\n\nSay what of these types is sent as another object: what "
     "function(object) returns."},
    {"rename", module_rename, METH_VARARGS,
     "rename(reference, name)\n--\n\nSet what a worker's object is called in messages."},
    {"request", (PyCFunction)(void (*)(void))module_request, METH_FASTCALL,
     "request(reference, operation, *arguments)\n--\n\nAsk something of a worker's object."},
    {"request_as", (PyCFunction)(void (*)(void))module_request_as, METH_FASTCALL,
     "request_as(name, reference, operation, *arguments)\n--\n\nAsk something of a worker's object, "
     "which messages call by this name."},
    {"facts", module_facts, METH_O,
     "facts(reference)\n--\n\nReturn (link or None when released, id, kind, name, sendings)."},
    {"note_found", module_note_found, METH_O,
     "note_found(reference)\n--\n\nNote that its last sending was to somebody who can ask for it again."},
    {"release", module_release, METH_O,
     "release(reference)\n--\n\nLet a worker's object go; doing it twice is harmless."},
    {"root", module_root, METH_O, "root(link)\n--\n\nReturn the reference of the worker itself."},
    {"set_engine", module_set_engine, METH_O,
     "set_engine(object)\n--\n\nSet what workers reach under the id 0."},
    {NULL, NULL, 0, NULL},
};

int
host_reference_functions_init(PyObject *module)
{
    return PyModule_AddFunctions(module, reference_functions);
}
