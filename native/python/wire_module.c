/* noodle._wire: the codec as a module of its own, for its tests, benchmarks and fuzzers.
 *
 *     encode(object, **hooks, **limits) -> bytes
 *     encode_into(buffer, object) -> (status, length)
 *     decode(data, *, shared=False, **hooks, **limits) -> object
 *     measure(object, repetitions) -> (ns to write, ns to read)
 *
 * Hooks are callables or None
 *     reference   encode: (object) -> (owner, kind, sent, id, incarnation, name) or None
 *                 decode: (owner, kind, sent, id, incarnation, name) -> object
 *     array       encode: (object, description) -> (segment, offset) or None for a copy inline
 *                 decode: (description, memory or None, segment, offset) -> object
 *     error       decode: (language, type, message, frames, cause, extra) -> object
 *     undefined   the object that stands for UNDEFINED
 *     python      whether what only Python has goes by value
 * and a description is (dtype, item size, time unit, count of units, flags, shape, strides). Limits are
 * `depth`, `elements` and `bytes`.
 *
 * `data` of decode may be memory that another process changes meanwhile, with shared=True. */

#define _POSIX_C_SOURCE 200809L

#include "wire_python.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static PyObject *wire_error;

typedef struct {
    PyObject *reference;
    PyObject *array;
    PyObject *error;
} callables;

/* -------------------------------------------------------------------------------------- Hooks */

static PyObject *
integers(const int64_t *values, unsigned count)
{
    PyObject *tuple = PyTuple_New(count);
    for (unsigned index = 0; index < count && tuple != NULL; index++) {
        PyObject *value = PyLong_FromLongLong(values[index]);
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, index, value);
    }
    return tuple;
}

static PyObject *
description(const wire_array *array)
{
    PyObject *shape = integers(array->shape, array->dimensions);
    PyObject *strides = shape != NULL ? integers(array->strides, array->dimensions) : NULL;
    if (strides == NULL) {
        Py_XDECREF(shape);
        return NULL;
    }
    return Py_BuildValue("(BkBHBNN)", array->dtype, (unsigned long)array->item_size,
                         array->time_unit, array->time_unit_count, array->flags, shape, strides);
}

static int
write_reference(void *context, wire_writer *writer, PyObject *object)
{
    const callables *hooks = context;
    wire_reference reference = {0};
    unsigned long sent;
    unsigned long long id;
    unsigned long long incarnation;
    Py_ssize_t length;
    int result = -1;

    PyObject *fields = PyObject_CallFunctionObjArgs(hooks->reference, object, NULL);
    if (fields == NULL)
        return -1;
    if (fields == Py_None) {
        result = 0;
    } else if (!PyTuple_Check(fields)) {
        PyErr_SetString(PyExc_TypeError, "reference returned neither a tuple nor None");
    } else if (PyArg_ParseTuple(fields, "bbkKKs#", &reference.owner, &reference.kind, &sent, &id,
                                &incarnation, &reference.name, &length)) {
        reference.sent = (uint32_t)sent;
        reference.id = id;
        reference.incarnation = incarnation;
        reference.name_length = (size_t)length;
        wire_write_reference(writer, &reference);
        result = 1;
    }
    Py_DECREF(fields);
    return result;
}

static int
write_array(void *context, wire_writer *writer, PyObject *object, const Py_buffer *view,
            const wire_array *described)
{
    const callables *hooks = context;
    unsigned long long segment;
    unsigned long long offset;
    int result = -1;

    (void)view;
    PyObject *place =
        PyObject_CallFunction(hooks->array, "ON", object, description(described));
    if (place == NULL)
        return -1;
    if (place == Py_None) {
        result = 0;
    } else if (!PyTuple_Check(place)) {
        PyErr_SetString(PyExc_TypeError, "array returned neither a tuple nor None");
    } else if (PyArg_ParseTuple(place, "KK", &segment, &offset)) {
        wire_array array = *described;
        array.placement = WIRE_SEGMENT;
        array.segment = segment;
        array.offset = offset;
        wire_write_array(writer, &array, NULL);
        result = 1;
    }
    Py_DECREF(place);
    return result;
}

static PyObject *
read_reference(void *context, const wire_reference *reference)
{
    const callables *hooks = context;
    return PyObject_CallFunction(
        hooks->reference, "BBkKKN", reference->owner, reference->kind, (unsigned long)reference->sent,
        (unsigned long long)reference->id, (unsigned long long)reference->incarnation,
        PyUnicode_DecodeUTF8(reference->name, (Py_ssize_t)reference->name_length, "replace"));
}

static PyObject *
read_array(void *context, const wire_array *array)
{
    const callables *hooks = context;
    PyObject *memory = Py_None;

    Py_INCREF(memory);
    if (array->placement == WIRE_INLINE) {
        Py_DECREF(memory);
        memory = PyByteArray_FromStringAndSize((const char *)array->memory,
                                               (Py_ssize_t)array->memory_length);
        if (memory == NULL)
            return NULL;
        if (!wire_items_valid(array->dtype, (const uint8_t *)PyByteArray_AS_STRING(memory),
                              array->memory_length)) {
            Py_DECREF(memory);
            wire_raise(WIRE_BAD_ARRAY, NULL);
            return NULL;
        }
    }
    return PyObject_CallFunction(hooks->array, "NNKK", description(array), memory,
                                 (unsigned long long)array->segment,
                                 (unsigned long long)array->offset);
}

static PyObject *
read_error(void *context, PyObject *fields)
{
    const callables *hooks = context;
    return PyObject_CallObject(hooks->error, fields);
}

/* ---------------------------------------------------------------------------------- Functions */

/* A buffer that grows on the heap, so that hooks run once however large the message becomes. */
static bool
grow(wire_writer *writer, size_t used, size_t needed)
{
    uint8_t *first = writer->context;
    size_t capacity = needed + needed / 2;
    uint8_t *buffer = malloc(capacity);

    if (buffer == NULL)
        return false;
    memcpy(buffer, writer->buffer, used);
    if (writer->buffer != first)
        free(writer->buffer);
    writer->buffer = buffer;
    writer->capacity = capacity;
    return true;
}

static PyObject *
encode(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"",      "reference", "array", "undefined",
                               "depth", "elements",  "bytes", "python", NULL};
    PyObject *object;
    callables called = {0};
    int python = 0;
    PyObject *undefined = NULL;
    wire_limits limits = wire_default_limits();
    unsigned long long elements = limits.elements;
    unsigned long long bytes = limits.bytes;
    uint8_t first[512];
    wire_writer writer;
    PyObject *result = NULL;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O|$OOOIKKp:encode", keywords, &object,
                                     &called.reference, &called.array, &undefined, &limits.depth,
                                     &elements, &bytes, &python))
        return NULL;
    limits.elements = elements;
    limits.bytes = bytes;
    wire_python_hooks hooks = {
        .context = &called,
        .keeps_python = python != 0,
        .write_reference = called.reference != NULL ? write_reference : NULL,
        .write_array = called.array != NULL ? write_array : NULL,
        .undefined = undefined,
    };
    wire_writer_init(&writer, first, sizeof first, limits);
    writer.grow = grow;
    writer.context = first;
    if (wire_encode_object(&writer, object, &hooks) == 0)
        result = PyBytes_FromStringAndSize((const char *)writer.buffer, (Py_ssize_t)writer.length);
    if (writer.buffer != first)
        free(writer.buffer);
    return result;
}

static PyObject *
encode_into(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count)
{
    Py_buffer target;
    wire_writer writer;

    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "encode_into takes a buffer and an object");
        return NULL;
    }
    if (PyObject_GetBuffer(args[0], &target, PyBUF_WRITABLE) < 0)
        return NULL;
    wire_writer_init(&writer, target.buf, (size_t)target.len, wire_default_limits());
    int result = wire_encode_object(&writer, args[1], NULL);
    PyBuffer_Release(&target);
    return result < 0 ? NULL : Py_BuildValue("in", (int)writer.status, (Py_ssize_t)writer.length);
}

static PyObject *
decode(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"",      "reference", "array", "error",  "undefined",
                               "depth", "elements",  "bytes", "shared", "python", NULL};
    Py_buffer data;
    callables called = {0};
    PyObject *undefined = NULL;
    wire_limits limits = wire_default_limits();
    unsigned long long elements = limits.elements;
    unsigned long long bytes = limits.bytes;
    int shared = 0, python = 0;
    wire_reader reader;

    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "y*|$OOOOIKKpp:decode", keywords, &data,
                                     &called.reference, &called.array, &called.error, &undefined,
                                     &limits.depth, &elements, &bytes, &shared, &python))
        return NULL;
    limits.elements = elements;
    limits.bytes = bytes;
    wire_python_hooks hooks = {
        .context = &called,
        .keeps_python = python != 0,
        .read_reference = called.reference != NULL ? read_reference : NULL,
        .read_array = called.array != NULL ? read_array : NULL,
        .read_error = called.error != NULL ? read_error : NULL,
        .undefined = undefined,
    };
    wire_reader_init(&reader, data.buf, (size_t)data.len, limits, shared != 0);
    PyObject *result = wire_decode_object(&reader, &hooks);
    if (result != NULL && wire_finish(&reader) != WIRE_OK) {
        Py_CLEAR(result);
        wire_raise(reader.status, NULL);
    }
    PyBuffer_Release(&data);
    return result;
}

static double
now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e9 + (double)time.tv_nsec;
}

static PyObject *
measure(PyObject *Py_UNUSED(module), PyObject *args)
{
    static uint8_t buffer[1 << 16];
    PyObject *object;
    unsigned long repetitions;
    wire_writer writer;
    wire_reader reader;

    if (!PyArg_ParseTuple(args, "Ok:measure", &object, &repetitions))
        return NULL;
    double start = now();
    for (unsigned long index = 0; index < repetitions; index++) {
        wire_writer_init(&writer, buffer, sizeof buffer, wire_default_limits());
        if (wire_encode_object(&writer, object, NULL) < 0)
            return NULL;
    }
    double written = now();
    for (unsigned long index = 0; index < repetitions; index++) {
        wire_reader_init(&reader, buffer, writer.length, wire_default_limits(), false);
        PyObject *again = wire_decode_object(&reader, NULL);
        if (again == NULL)
            return NULL;
        Py_DECREF(again);
    }
    return Py_BuildValue("dd", (written - start) / (double)repetitions,
                         (now() - written) / (double)repetitions);
}

static PyMethodDef functions[] = {
    {"encode", (PyCFunction)(void (*)(void))encode, METH_VARARGS | METH_KEYWORDS,
     "Return an object as bytes of the wire format."},
    {"encode_into", (PyCFunction)(void (*)(void))encode_into, METH_FASTCALL,
     "encode_into($module, buffer, object, /)\n--\n\n"
     "Write an object into a buffer; return (0, length), or (1, length needed) when it is too small."},
    {"decode", (PyCFunction)(void (*)(void))decode, METH_VARARGS | METH_KEYWORDS,
     "Return the object that bytes of the wire format stand for."},
    {"measure", measure, METH_VARARGS,
     "measure($module, object, repetitions, /)\n--\n\n"
     "Return the mean time in nanoseconds to write, and to read, an object of at most 64 KiB."},
    {NULL, NULL, 0, NULL},
};

static int
add_constants(PyObject *module)
{
    wire_error = PyErr_NewExceptionWithDoc(
        "noodle._wire.WireError",
        "A value that cannot be sent, or bytes that cannot be read; `status` says why.",
        PyExc_ValueError, NULL);
    if (wire_error == NULL || wire_python_init(wire_error) < 0 ||
        PyModule_AddObjectRef(module, "WireError", wire_error) < 0)
        return -1;
    return PyModule_AddIntConstant(module, "VERSION", WIRE_VERSION) < 0 ||
                   PyModule_AddIntConstant(module, "DEPTH_MAX", WIRE_DEPTH_MAX) < 0
               ? -1
               : 0;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, add_constants},
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "noodle._wire",
    .m_doc = "The wire codec as a module of its own, for its tests and benchmarks.",
    .m_size = 0,
    .m_methods = functions,
    .m_slots = slots,
};

PyMODINIT_FUNC
PyInit__wire(void)
{
    return PyModuleDef_Init(&definition);
}
