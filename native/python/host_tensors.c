/* Tensors over the memory of an Array, for DLPack. */
#include "host_exporter_internal.h"

#include <stdlib.h>

/* ------------------------------------------------------------------------------------- DLPack
 * The structures of DLPack 1.0 (dmlc/dlpack, include/dlpack/dlpack.h), whose layout is its ABI. */

enum { DL_CPU = 1 };
#define DL_READ_ONLY UINT64_C(1)
#define DL_IS_COPIED UINT64_C(2)

typedef struct {
    void *data;
    int32_t device_type, device_id;
    int32_t ndim;
    uint8_t code, bits;
    uint16_t lanes;
    int64_t *shape;
    int64_t *strides;          /* in items */
    uint64_t byte_offset;
} dl_tensor;

typedef struct dl_managed {
    dl_tensor tensor;
    void *context;
    void (*deleter)(struct dl_managed *self);
} dl_managed;

typedef struct dl_versioned {
    uint32_t major, minor;
    void *context;
    void (*deleter)(struct dl_versioned *self);
    uint64_t flags;
    dl_tensor tensor;
} dl_versioned;

/* A tensor that is out, in either form. */
typedef struct {
    union {
        dl_managed managed;
        dl_versioned versioned;
    };
    PyObject *memory;
    Array *exporter;
    int64_t shape[NOODLE_DIMENSIONS];
    int64_t strides[NOODLE_DIMENSIONS];
} tensor;

/* ---------------------------------------------------------------------------------------- Ends */

static void
end_tensor(tensor *out)
{
    /* Whoever reads a tensor may end it on any thread, and after the interpreter. */
    if (Py_IsInitialized()) {
        const PyGILState_STATE state = PyGILState_Ensure();
        if (out->exporter != NULL) {
            out->exporter->exports--;
            host_array_let_memory_go(out->exporter);
        }
        Py_XDECREF(out->exporter);
        Py_XDECREF(out->memory);
        PyGILState_Release(state);
    }
    free(out);
}

static void
end_managed(dl_managed *self)
{
    end_tensor(self->context);
}

static void
end_versioned(dl_versioned *self)
{
    end_tensor(self->context);
}

/* A capsule that nobody took ends its tensor. */
static void
end_capsule(PyObject *capsule)
{
    PyObject *type, *value, *traceback;
    tensor *out;
    PyErr_Fetch(&type, &value, &traceback);
    if (PyCapsule_IsValid(capsule, "dltensor")) {
        out = PyCapsule_GetPointer(capsule, "dltensor");
        end_tensor(out->managed.context);
    } else if (PyCapsule_IsValid(capsule, "dltensor_versioned")) {
        out = PyCapsule_GetPointer(capsule, "dltensor_versioned");
        end_tensor(out->versioned.context);
    }
    PyErr_Restore(type, value, traceback);
}

/* ------------------------------------------------------------------------------------- Tensors */

static int
describe(const Array *self, tensor *out, dl_tensor *described, unsigned char *first, bool packed)
{
    int64_t step = 1;
    for (int i = self->dimensions; i-- > 0;) {
        if (!packed && self->strides[i] % self->item_size != 0) {
            PyErr_SetString(PyExc_BufferError, "DLPack has no strides that are parts of an item");
            return -1;
        }
        out->shape[i] = self->shape[i];
        out->strides[i] = packed ? step : self->strides[i] / self->item_size;
        step *= self->shape[i];
    }
    *described = (dl_tensor){
        .data = first,
        .device_type = DL_CPU,
        .ndim = self->dimensions,
        .code = self->code,
        .bits = self->bits,
        .lanes = 1,
        .shape = out->shape,
        .strides = out->strides,
    };
    return 0;
}

static PyObject *
private_copy(Array *self)
{
    Py_buffer view;
    unsigned char *const copy = malloc((size_t)self->bytes + 1);
    if (copy == NULL)
        return PyErr_NoMemory();
    if (host_array_get_buffer((PyObject *)self, &view, PyBUF_FULL_RO) < 0) {
        free(copy);
        return NULL;
    }
    const int copied = PyBuffer_ToContiguous(copy, &view, view.len, 'C');
    PyBuffer_Release(&view);
    if (copied < 0) {
        free(copy);
        return NULL;
    }
    return host_memory_new((noodle_lease){NULL, 0}, copy, (uint64_t)self->bytes, false);
}

static PyObject *
wrap(tensor *out, bool versioned, uint64_t flags)
{
    PyObject *capsule;
    if (versioned) {
        out->versioned.major = 1;
        out->versioned.minor = 0;
        out->versioned.context = out;
        out->versioned.deleter = end_versioned;
        out->versioned.flags = flags;
    } else {
        out->managed.context = out;
        out->managed.deleter = end_managed;
    }
    capsule = PyCapsule_New(out, versioned ? "dltensor_versioned" : "dltensor", end_capsule);
    if (capsule == NULL)
        end_tensor(out);
    return capsule;
}

static PyObject *
export_tensor(Array *self, bool versioned, bool copied)
{
    uint64_t bytes;
    bool fixed;
    tensor *const out = calloc(1, sizeof *out);
    if (out == NULL)
        return PyErr_NoMemory();
    out->memory = copied ? private_copy(self) : Py_NewRef(self->memory);
    if (out->memory != NULL && !copied) {
        out->exporter = (Array *)Py_NewRef((PyObject *)self);
        self->exports++;
    }
    if (out->memory == NULL
        || describe(self, out, versioned ? &out->versioned.tensor : &out->managed.tensor,
                    copied ? host_memory_address(out->memory, &bytes, &fixed) : self->first, copied)
               < 0) {
        end_tensor(out);
        return NULL;
    }
    return wrap(out, versioned,
                (copied ? DL_IS_COPIED : 0) | (self->read_only && !copied ? DL_READ_ONLY : 0));
}

/* ------------------------------------------------------------------------------------- Methods */

/* What was asked for, checked.  Returns 0, or -1 with an exception. */
static int
check_device(PyObject *stream, PyObject *device)
{
    long type = DL_CPU, number = 0;
    if (stream != Py_None) {
        PyErr_SetString(PyExc_BufferError, "memory of the processor has no streams");
        return -1;
    }
    if (device != Py_None && !PyArg_ParseTuple(device, "ll", &type, &number))
        return -1;
    if (type == DL_CPU && number == 0)
        return 0;
    PyErr_SetString(PyExc_BufferError, "the array lies in the memory of the processor");
    return -1;
}

PyObject *
host_array_dlpack(PyObject *object, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"stream", "max_version", "dl_device", "copy", NULL};
    Array *const self = (Array *)object;
    PyObject *stream = Py_None, *newest = Py_None, *device = Py_None, *copy = Py_None;
    long major = 0, minor = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$OOOO:__dlpack__", keywords, &stream, &newest,
                                     &device, &copy)
        || host_array_check(object) < 0 || check_device(stream, device) < 0
        || (newest != Py_None && !PyArg_ParseTuple(newest, "ll", &major, &minor)))
        return NULL;
    if (self->bits == 0)
        return PyErr_Format(PyExc_BufferError, "DLPack has no type for %U", self->dtype);
    const bool copied = copy == Py_True;
    if (self->read_only && !copied && major < 1) {
        PyErr_SetString(PyExc_BufferError,
                        "the array is read-only, which DLPack can say from version 1.0 on");
        return NULL;
    }
    return export_tensor(self, major >= 1, copied);
}

PyObject *
host_array_dlpack_device(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("(ii)", DL_CPU, 0);
}
