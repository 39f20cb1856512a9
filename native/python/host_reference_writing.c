/* How objects are written: as references, and ByReference, which says that one must be. */
#include "host_references_internal.h"

PyTypeObject *host_by_reference_type;

PyObject *host_stand_in_types, *host_stand_in_function;

/* ---------------------------------------------------------------------------- Names and kinds */

static uint8_t
kind_of(PyObject *object)
{
    const PyTypeObject *const type = Py_TYPE(object);
    /* An object of another worker is there what it is here. */
    if (PyObject_TypeCheck(object, host_reference_type))
        return ((Reference *)object)->kind;
    /* Subclasses of RemoteFunction stand for classes of a worker. */
    if (PyType_Check(object)
        || (PyObject_TypeCheck(object, host_function_type) && type != host_function_type))
        return WIRE_KIND_CLASS;
    if (PyModule_Check(object))
        return WIRE_KIND_MODULE;
    PyObject *function = PyMethod_Check(object) ? PyMethod_GET_FUNCTION(object) : object;
    if (PyFunction_Check(function)) {
        const PyCodeObject *code = (PyCodeObject *)PyFunction_GET_CODE(function);
        return code->co_flags & CO_COROUTINE ? WIRE_KIND_ASYNC_FUNCTION : WIRE_KIND_FUNCTION;
    }
    if (type->tp_as_async != NULL && type->tp_as_async->am_await != NULL)
        return WIRE_KIND_AWAITABLE;
    if (type->tp_as_async != NULL && type->tp_as_async->am_anext != NULL)
        return WIRE_KIND_ASYNC_ITERATOR;
    if (PyCallable_Check(object))
        return WIRE_KIND_FUNCTION;
    return PyIter_Check(object) ? WIRE_KIND_ITERATOR : WIRE_KIND_OBJECT;
}

/* The name is for people: where there is none, or a long one, it is the type's, or shortened. */
static int
write_named(wire_writer *writer, wire_reference *reference, PyObject *object)
{
    PyObject *name = NULL;
    if (PyObject_TypeCheck(object, host_reference_type))
        name = Py_NewRef(((Reference *)object)->name);
    else if (PyFunction_Check(object) || PyType_Check(object) || PyCFunction_Check(object)
             || PyObject_TypeCheck(object, host_function_type))
        name = PyObject_GetAttrString(object, "__qualname__");
    PyErr_Clear();
    Py_ssize_t length = 0;
    reference->name = name != NULL && PyUnicode_Check(name)
                          ? PyUnicode_AsUTF8AndSize(name, &length)
                          : NULL;
    PyErr_Clear();
    if (reference->name == NULL) {
        reference->name = Py_TYPE(object)->tp_name;
        length = (Py_ssize_t)strlen(reference->name);
    }
    reference->name_length = (size_t)length;
    while (reference->name_length > WIRE_NAME_MAX
           || (reference->name_length < (size_t)length
               && (reference->name[reference->name_length] & 0xc0) == 0x80))
        reference->name_length--;
    wire_write_reference(writer, reference);
    Py_XDECREF(name);
    return 1;
}

/* ------------------------------------------------------------------------------------ Writing */

static int
write_own(host_message *message, wire_writer *writer, const Reference *object)
{
    if (object->incarnation != message->link->incarnation)
        return host_raise(POLICY_RELEASED, "Os", object->name, "its worker has ended");
    const wire_reference reference = {
        .owner = WIRE_OWNER_WORKER,
        .kind = object->kind,
        .sent = 1,
        .id = object->id,
        .incarnation = object->incarnation,
        .name = "",
    };
    wire_write_reference(writer, &reference);
    return 1;
}

static int
write_export(host_message *message, wire_writer *writer, PyObject *object)
{
    uint64_t id;
    if (host_export_send(message->link, object, &id) < 0)
        return -1;
    if (host_message_note(message, id, true) < 0) {
        host_export_undo(message->link, id);
        return -1;
    }
    wire_reference reference = {
        .owner = WIRE_OWNER_HOST,
        .kind = kind_of(object),
        .sent = 1,
        .id = id,
        .incarnation = 1,
    };
    return write_named(writer, &reference, object);
}

typedef struct {
    PyObject_HEAD
    PyObject *object;
} ByReference;

static int
write_any(host_message *message, wire_writer *writer, PyObject *object)
{
    if (Py_TYPE(object) == host_by_reference_type)
        object = ((ByReference *)object)->object;
    if (PyObject_TypeCheck(object, host_reference_type)) {
        const Reference *const own = (Reference *)object;
        if (own->link == NULL)
            return host_raise(POLICY_RELEASED, "Os", own->name, "it was released");
        if (own->link == message->link)
            return write_own(message, writer, own);
    }
    return write_export(message, writer, object);
}

/* What an object stands for here, such as the handle of a worker's function for that function: a new
 * reference, or NULL with an exception. */
static PyObject *
behind(PyObject *object)
{
    const Py_ssize_t count = host_stand_in_types != NULL ? PyTuple_GET_SIZE(host_stand_in_types) : 0;
    for (Py_ssize_t i = 0; i < count; i++)
        if (PyObject_TypeCheck(object, (PyTypeObject *)PyTuple_GET_ITEM(host_stand_in_types, i)))
            return PyObject_CallOneArg(host_stand_in_function, object);
    return Py_NewRef(object);
}

int
host_write_reference(void *context, wire_writer *writer, PyObject *object)
{
    host_message *const message = context;
    PyObject *resolved = NULL;
    /* One that was released exports no buffer any more. */
    if (Py_TYPE(object) == host_array_type && host_array_check(object) < 0)
        return -1;
    PyObject *const function = behind(object);
    if (function != NULL && PyObject_TypeCheck(function, host_function_type))
        resolved = host_function_reference_in(function, message->link);
    Py_XDECREF(function);
    if (resolved == NULL && PyErr_Occurred())
        return -1;
    const int written = write_any(message, writer, resolved != NULL ? resolved : object);
    Py_XDECREF(resolved);
    return written;
}

/* -------------------------------------------------------------------------------- ByReference */

static void
by_reference_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    Py_XDECREF(((ByReference *)self)->object);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
by_reference_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"", NULL};
    PyObject *object;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:ByReference", keywords, &object))
        return NULL;
    ByReference *self = (ByReference *)type->tp_alloc(type, 0);
    if (self != NULL)
        self->object = Py_NewRef(object);
    return (PyObject *)self;
}

static PyType_Slot by_reference_slots[] = {
    {Py_tp_doc, "ByReference(object, /)\n--\n\nAn argument that is to be sent by reference."},
    {Py_tp_new, by_reference_new},
    {Py_tp_dealloc, by_reference_dealloc},
    {0, NULL},
};

static PyType_Spec by_reference_spec = {
    .name = "noodle._host.ByReference",
    .basicsize = sizeof(ByReference),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = by_reference_slots,
};

int
host_by_reference_init(PyObject *module)
{
    host_by_reference_type =
        (PyTypeObject *)PyType_FromModuleAndSpec(module, &by_reference_spec, NULL);
    if (host_by_reference_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "ByReference", (PyObject *)host_by_reference_type);
}
