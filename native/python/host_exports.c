/* Exports: objects of this process that a worker may use.  Each is kept alive until the worker has
 * released every sending. */
#include "host.h"

PyObject *host_engine;

static PyTypeObject *export_type;

typedef struct {
    PyObject_HEAD
    PyObject *object;
    uint64_t id;
    uint32_t sent;
} Export;

static void
export_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((Export *)self)->object);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyType_Slot export_slots[] = {
    {Py_tp_dealloc, export_dealloc},
    {0, NULL},
};

static PyType_Spec export_spec = {
    .name = "noodle._host.Export",
    .basicsize = sizeof(Export),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = export_slots,
};

PyObject *
host_number_get(PyObject *dict, uint64_t number)
{
    PyObject *key = PyLong_FromUnsignedLongLong(number);
    PyObject *value = key != NULL ? PyDict_GetItemWithError(dict, key) : NULL;
    Py_XDECREF(key);
    PyErr_Clear();
    return value;
}

int
host_number_set(PyObject *dict, uint64_t number, PyObject *value)
{
    PyObject *key = PyLong_FromUnsignedLongLong(number);
    const int result = key != NULL ? PyDict_SetItem(dict, key, value) : -1;
    Py_XDECREF(key);
    return result;
}

void
host_number_delete(PyObject *dict, uint64_t number)
{
    PyObject *key = PyLong_FromUnsignedLongLong(number);
    if (key == NULL || PyDict_DelItem(dict, key) < 0)
        PyErr_Clear();
    Py_XDECREF(key);
}

/* What is one object for the worker: an address, or, of a bound method, those of its two parts, as Python
 * makes a new method each time it is read.  An entry keeps what its key names alive. */
static PyObject *
key_of(PyObject *object)
{
    uintptr_t function = 0, receiver = (uintptr_t)object;
    if (PyMethod_Check(object)) {
        function = (uintptr_t)PyMethod_GET_FUNCTION(object);
        receiver = (uintptr_t)PyMethod_GET_SELF(object);
    } else if (PyCFunction_CheckExact(object) && PyCFunction_GET_SELF(object) != NULL) {
        function = (uintptr_t)PyCFunction_GET_FUNCTION(object);
        receiver = (uintptr_t)PyCFunction_GET_SELF(object);
    }
    if (function == 0)
        return PyLong_FromVoidPtr(object);
    return Py_BuildValue("(KK)", (unsigned long long)receiver, (unsigned long long)function);
}

static int
add_export(Link *link, PyObject *key, Export *entry)
{
    if (host_number_set(link->exports, entry->id, (PyObject *)entry) == 0
        && PyDict_SetItem(link->exports_by_object, key, (PyObject *)entry) == 0)
        return 0;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    host_number_delete(link->exports, entry->id);
    PyErr_Restore(type, value, traceback);
    return -1;
}

/* Returns a borrowed entry, or NULL with an exception. */
static Export *
export(Link *link, PyObject *object)
{
    PyObject *const key = key_of(object);
    Export *entry =
        key != NULL ? (Export *)PyDict_GetItemWithError(link->exports_by_object, key) : NULL;
    if (entry == NULL && !PyErr_Occurred() && (entry = PyObject_New(Export, export_type)) != NULL) {
        entry->object = Py_NewRef(object);
        entry->id = host_next_id();
        entry->sent = 0;
        const int added = add_export(link, key, entry);
        Py_DECREF(entry);
        if (added < 0)
            entry = NULL;
    }
    Py_XDECREF(key);
    return entry;
}

int
host_export_send(Link *link, PyObject *object, uint64_t *id)
{
    Export *const entry = export(link, object);
    if (entry == NULL)
        return -1;
    entry->sent++;
    *id = entry->id;
    return 0;
}

PyObject *
host_export_object(Link *link, uint64_t id)
{
    if (id == 0)
        return host_engine;
    Export *entry = (Export *)host_number_get(link->exports, id);
    return entry != NULL ? entry->object : NULL;
}

static void
drop_export(Link *link, Export *entry)
{
    const uint64_t id = entry->id;
    PyObject *const key = key_of(entry->object);
    Py_INCREF(entry);
    if (key == NULL || PyDict_DelItem(link->exports_by_object, key) < 0)
        PyErr_Clear();
    Py_XDECREF(key);
    host_number_delete(link->exports, id);
    Py_DECREF(entry);
}

int
host_export_release(Link *link, uint64_t id, uint32_t sent)
{
    Export *entry = (Export *)host_number_get(link->exports, id);
    if (entry == NULL || sent > entry->sent) {
        PyErr_Format(PyExc_ValueError, "object %llu was not sent %u times", (unsigned long long)id,
                     sent);
        return -1;
    }
    entry->sent -= sent;
    if (entry->sent == 0)
        drop_export(link, entry);
    return 0;
}

void
host_export_undo(Link *link, uint64_t id)
{
    Export *entry = (Export *)host_number_get(link->exports, id);
    if (entry != NULL && --entry->sent == 0)
        drop_export(link, entry);
}

int
host_exports_init(PyObject *module)
{
    export_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &export_spec, NULL);
    return export_type == NULL ? -1 : 0;
}
