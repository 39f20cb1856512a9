/* Array: an array in noodle's memory, for whoever reads it: through the buffer protocol or DLPack.
 *
 * It needs no NumPy.  A buffer or tensor that is out keeps the memory, and with it the lease. */
#include "host_exporter_internal.h"

PyTypeObject *host_array_type;

/* ------------------------------------------------------------------------------------ Releases */

void
host_array_let_memory_go(Array *self)
{
    if (self->released && self->exports == 0)
        Py_CLEAR(self->memory);
}

void
host_array_release(PyObject *array)
{
    Array *const self = (Array *)array;
    self->released = true;
    host_array_let_memory_go(self);
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
    if (host_array_read_type(self) < 0)
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

/* ---------------------------------------------------------------------------------------- Type */

static PyMethodDef array_methods[] = {
    {"__dlpack__", (PyCFunction)(void (*)(void))host_array_dlpack, METH_VARARGS | METH_KEYWORDS,
     "__dlpack__(*, stream=None, max_version=None, dl_device=None, copy=None)\n--\n\n"
     "Return a capsule with a tensor over the same memory."},
    {"__dlpack_device__", host_array_dlpack_device, METH_NOARGS,
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
    {Py_bf_getbuffer, host_array_get_buffer},
    {Py_bf_releasebuffer, host_array_release_buffer},
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
