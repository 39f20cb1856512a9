/* Array: an array in noodle's memory, for whoever reads it: through the buffer protocol or DLPack.
 *
 * It needs no NumPy.  A buffer or tensor that is out keeps the memory, and with it the lease. */
#include "host.h"

#include <stdlib.h>

PyTypeObject *host_array_type;

typedef struct {
    PyObject_HEAD
    PyObject *memory;          /* NULL: released */
    PyObject *dtype;           /* as NumPy writes it: "<f8" */
    char format[24];           /* the same in the buffer protocol's words */
    uint8_t code, bits;        /* and in DLPack's; bits 0: it has none for it */
    bool read_only;
    bool released;
    Py_ssize_t exports;        /* buffers and tensors that are out */
    unsigned char *first;      /* the item at index 0 */
    Py_ssize_t item_size;
    Py_ssize_t bytes;          /* of its items */
    int dimensions;
    Py_ssize_t shape[NOODLE_DIMENSIONS];
    Py_ssize_t strides[NOODLE_DIMENSIONS];
} Array;

/* --------------------------------------------------------------------------------------- DLPack
 * The structures of DLPack 1.0 (dmlc/dlpack, include/dlpack/dlpack.h), whose layout is its ABI. */

enum { DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_COMPLEX = 5, DL_BOOL = 6 };
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

/* ------------------------------------------------------------------------------------ Releases */

static void
let_memory_go(Array *self)
{
    if (self->released && self->exports == 0)
        Py_CLEAR(self->memory);
}

void
host_array_release(PyObject *array)
{
    Array *const self = (Array *)array;
    self->released = true;
    let_memory_go(self);
}

PyObject *
host_array_memory(PyObject *array)
{
    return Py_XNewRef(((Array *)array)->memory);
}

int
host_array_check(PyObject *array)
{
    const Array *const self = (Array *)array;
    PyObject *name;
    if (!self->released)
        return 0;
    name = PyUnicode_FromString("an array");
    if (name != NULL)
        host_raise(POLICY_RELEASED, "Os", name, "it was released");
    Py_XDECREF(name);
    return -1;
}

/* --------------------------------------------------------------------------------------- Types */

static const struct {
    char text[5];
    char format[3];
    uint8_t code, bytes;
} numbers[] = {
    {"?", "?", DL_BOOL, 1},    {"b1", "?", DL_BOOL, 1},   {"i1", "b", DL_INT, 1},
    {"i2", "h", DL_INT, 2},    {"i4", "i", DL_INT, 4},    {"i8", "q", DL_INT, 8},
    {"u1", "B", DL_UINT, 1},   {"u2", "H", DL_UINT, 2},   {"u4", "I", DL_UINT, 4},
    {"u8", "Q", DL_UINT, 8},   {"f2", "e", DL_FLOAT, 2},  {"f4", "f", DL_FLOAT, 4},
    {"f8", "d", DL_FLOAT, 8},  {"c8", "Zf", DL_COMPLEX, 8}, {"c16", "Zd", DL_COMPLEX, 16},
};

/* Texts and times, which DLPack does not have. */
static bool
read_other_type(Array *self, const char *text)
{
    char *end;
    const long count = strtol(text + 1, &end, 10);
    if ((*text == 'M' || *text == 'm') && text[1] == '8') {
        strcpy(self->format, "q");
        self->item_size = 8;
        return true;
    }
    if ((*text != 'S' && *text != 'U') || count < 1 || count > INT32_MAX / 4 || *end != '\0')
        return false;
    snprintf(self->format, sizeof self->format, "%ld%c", count, *text == 'S' ? 's' : 'w');
    self->item_size = *text == 'S' ? count : 4 * count;
    return true;
}

static int
read_type(Array *self)
{
    const char *text = PyUnicode_AsUTF8(self->dtype);
    if (text == NULL)
        return -1;
    text += *text == '<' || *text == '|' || *text == '=';
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(text, numbers[i].text) == 0) {
            strcpy(self->format, numbers[i].format);
            self->item_size = numbers[i].bytes;
            self->code = numbers[i].code;
            self->bits = (uint8_t)(8 * numbers[i].bytes);
            return 0;
        }
    if (read_other_type(self, text))
        return 0;
    PyErr_Format(PyExc_TypeError, "no array can have the dtype %R", self->dtype);
    return -1;
}

/* ------------------------------------------------------------------------------------ Creation */

static int
read_lengths(PyObject *tuple, Py_ssize_t *lengths, int expected)
{
    const Py_ssize_t count = PyTuple_GET_SIZE(tuple);
    if (count > (Py_ssize_t)NOODLE_DIMENSIONS || (expected >= 0 && count != expected)) {
        PyErr_SetString(PyExc_ValueError, "shape and strides do not fit");
        return -1;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        lengths[i] = PyLong_AsSsize_t(PyTuple_GET_ITEM(tuple, i));
    return PyErr_Occurred() ? -1 : (int)count;
}

static void
set_c_order(Array *self)
{
    Py_ssize_t step = self->item_size;
    for (int i = self->dimensions; i-- > 0;) {
        self->strides[i] = step;
        if (__builtin_mul_overflow(step, self->shape[i] < 1 ? 1 : self->shape[i], &step))
            step = PY_SSIZE_T_MAX;   /* place() refuses it */
    }
}

/* Finds the first item, if all of them lie in the memory. */
static int
place(Array *self, Py_ssize_t offset, bool read_only)
{
    noodle_array layout = {.offset = (uint64_t)offset,
                           .itemsize = (uint64_t)self->item_size,
                           .dimensions = (uint32_t)self->dimensions};
    noodle_extent extent;
    uint64_t bytes;
    bool fixed, negative = offset < 0;
    unsigned char *const address = host_memory_address(self->memory, &bytes, &fixed);
    for (int i = 0; i < self->dimensions; i++) {
        negative |= self->shape[i] < 0;
        layout.shape[i] = (uint64_t)self->shape[i];
        layout.strides[i] = self->strides[i];
    }
    if (negative || noodle_arena_check(bytes, &layout, 0, &extent) != NOODLE_OK) {
        PyErr_SetString(PyExc_ValueError, "the array leaves its memory");
        return -1;
    }
    self->first = address + offset;
    self->bytes = (Py_ssize_t)(extent.elements * (uint64_t)self->item_size);
    self->read_only = read_only || fixed || extent.read_only;
    return 0;
}

static int
fill(Array *self, PyObject *shape, PyObject *strides, Py_ssize_t offset, bool read_only)
{
    if (read_type(self) < 0)
        return -1;
    self->dimensions = read_lengths(shape, self->shape, -1);
    if (self->dimensions < 0)
        return -1;
    if (strides == NULL)
        set_c_order(self);
    else if (read_lengths(strides, self->strides, self->dimensions) < 0)
        return -1;
    return place(self, offset, read_only);
}

static PyObject *
array_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"memory", "dtype", "shape", "strides", "offset", "read_only", NULL};
    PyObject *memory, *dtype, *shape, *strides = NULL;
    Py_ssize_t offset = 0;
    int read_only = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O!UO!|O!np:Array", keywords, host_memory_type,
                                     &memory, &dtype, &PyTuple_Type, &shape, &PyTuple_Type, &strides,
                                     &offset, &read_only))
        return NULL;
    Array *self = (Array *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->memory = Py_NewRef(memory);
    self->dtype = Py_NewRef(dtype);
    if (fill(self, shape, strides, offset, read_only != 0) < 0)
        Py_CLEAR(self);
    return (PyObject *)self;
}

static void
array_dealloc(PyObject *object)
{
    Array *const self = (Array *)object;
    PyTypeObject *type = Py_TYPE(object);
    Py_XDECREF(self->memory);
    Py_XDECREF(self->dtype);
    type->tp_free(object);
    Py_DECREF(type);
}

/* -------------------------------------------------------------------------------------- Buffer */

/* Whether the items lie behind each other, the last axis fastest, or else the first. */
static bool
is_contiguous(const Array *self, bool fortran)
{
    Py_ssize_t expected = self->item_size;
    for (int k = 0; k < self->dimensions; k++) {
        const int i = fortran ? k : self->dimensions - 1 - k;
        if (self->shape[i] != 1 && self->strides[i] != expected)
            return false;
        expected *= self->shape[i];
    }
    return true;
}

static const char *
refusal(const Array *self, int flags)
{
    const bool c_order = self->bytes == 0 || is_contiguous(self, false);
    const bool fortran = self->bytes == 0 || is_contiguous(self, true);
    if ((flags & PyBUF_WRITABLE) && self->read_only)
        return "the array is read-only";
    if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !c_order)
        return "the array is not contiguous in C order";
    if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !fortran)
        return "the array is not contiguous in Fortran order";
    if ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !c_order && !fortran)
        return "the array is not contiguous";
    if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !c_order)
        return "the array has strides";
    return NULL;
}

static int
array_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    Array *const self = (Array *)object;
    const char *const refused = refusal(self, flags);
    view->obj = NULL;
    if (host_array_check(object) < 0)
        return -1;
    if (refused != NULL) {
        PyErr_SetString(PyExc_BufferError, refused);
        return -1;
    }
    *view = (Py_buffer){
        .buf = self->first,
        .obj = Py_NewRef(object),
        .len = self->bytes,
        .itemsize = self->item_size,
        .readonly = self->read_only,
        .ndim = self->dimensions,
        .format = flags & PyBUF_FORMAT ? self->format : NULL,
        .shape = flags & PyBUF_ND ? self->shape : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL,
    };
    self->exports++;
    return 0;
}

static void
array_release_buffer(PyObject *object, Py_buffer *Py_UNUSED(view))
{
    ((Array *)object)->exports--;
    let_memory_go((Array *)object);
}

/* ------------------------------------------------------------------------------------- Tensors */

static void
end_tensor(tensor *out)
{
    /* Whoever reads a tensor may end it on any thread, and after the interpreter. */
    if (Py_IsInitialized()) {
        const PyGILState_STATE state = PyGILState_Ensure();
        if (out->exporter != NULL) {
            out->exporter->exports--;
            let_memory_go(out->exporter);
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
    if (array_get_buffer((PyObject *)self, &view, PyBUF_FULL_RO) < 0) {
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

static PyObject *
array_dlpack(PyObject *object, PyObject *args, PyObject *kwargs)
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

static PyObject *
array_dlpack_device(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(ignored))
{
    return Py_BuildValue("(ii)", DL_CPU, 0);
}

/* ---------------------------------------------------------------------------------- Attributes */

static PyObject *
lengths(const Py_ssize_t *values, int count)
{
    PyObject *tuple = PyTuple_New(count);
    for (int i = 0; i < count && tuple != NULL; i++) {
        PyObject *value = PyLong_FromSsize_t(values[i]);
        if (value == NULL)
            Py_CLEAR(tuple);
        else
            PyTuple_SET_ITEM(tuple, i, value);
    }
    return tuple;
}

static PyObject *
array_get_shape(PyObject *object, void *Py_UNUSED(closure))
{
    return lengths(((Array *)object)->shape, ((Array *)object)->dimensions);
}

static PyObject *
array_get_strides(PyObject *object, void *Py_UNUSED(closure))
{
    return lengths(((Array *)object)->strides, ((Array *)object)->dimensions);
}

static Py_ssize_t
array_length(PyObject *object)
{
    const Array *const self = (Array *)object;
    if (self->dimensions > 0)
        return self->shape[0];
    PyErr_SetString(PyExc_TypeError, "an array without axes has no length");
    return -1;
}

static PyObject *
array_repr(PyObject *object)
{
    const Array *const self = (Array *)object;
    PyObject *shape = array_get_shape(object, NULL);
    PyObject *text = shape == NULL ? NULL
                                   : PyUnicode_FromFormat("<array %U %S%s>", self->dtype, shape,
                                                          self->released ? ", released" : "");
    Py_XDECREF(shape);
    return text;
}

static PyMethodDef array_methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))array_dlpack, METH_VARARGS | METH_KEYWORDS,
     "__dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n"
     "Return a capsule with a tensor over the same memory."},
    {"__dlpack_device__", array_dlpack_device, METH_NOARGS,
     "__dlpack_device__()\n--\n\nReturn (1, 0), the processor's memory."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef array_getset[] = {
    {"shape", array_get_shape, NULL, "Its lengths.", NULL},
    {"strides", array_get_strides, NULL, "Bytes from one item to the next, along each axis.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef array_members[] = {
    {"dtype", T_OBJECT, offsetof(Array, dtype), READONLY, "The type of its items, as NumPy writes it."},
    {"itemsize", T_PYSSIZET, offsetof(Array, item_size), READONLY, "Bytes of an item."},
    {"nbytes", T_PYSSIZET, offsetof(Array, bytes), READONLY, "Bytes of all items."},
    {"ndim", T_INT, offsetof(Array, dimensions), READONLY, "How many axes it has."},
    {"readonly", T_BOOL, offsetof(Array, read_only), READONLY, "Whether it must not be written to."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot array_slots[] = {
    {Py_tp_doc, "Array(memory, dtype, shape, strides=None, offset=0, read_only=False)\n--\n\n"
                "An array in noodle's memory, for the buffer protocol and DLPack."},
    {Py_tp_new, array_new},
    {Py_tp_dealloc, array_dealloc},
    {Py_tp_repr, array_repr},
    {Py_tp_methods, array_methods},
    {Py_tp_getset, array_getset},
    {Py_tp_members, array_members},
    {Py_bf_getbuffer, array_get_buffer},
    {Py_bf_releasebuffer, array_release_buffer},
    {Py_sq_length, array_length},
    {0, NULL},
};

static PyType_Spec array_spec = {
    .name = "noodle._host.Array",
    .basicsize = sizeof(Array),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = array_slots,
};

int
host_exporter_init(PyObject *module)
{
    host_array_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &array_spec, NULL);
    if (host_array_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "Array", (PyObject *)host_array_type);
}
