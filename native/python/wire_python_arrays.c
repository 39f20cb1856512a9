/* What exports the buffer protocol, as arrays. */

#include "wire_python_internal.h"

#include <stddef.h>
#include <string.h>

/* Codes of the buffer protocol that name one number, with the kind and its sizes. */
static uint8_t
dtype_of_code(char code, Py_ssize_t size)
{
    static const uint8_t integers[] = {WIRE_DTYPE_I8, WIRE_DTYPE_I16, WIRE_DTYPE_I32, WIRE_DTYPE_I64};
    static const uint8_t naturals[] = {WIRE_DTYPE_U8, WIRE_DTYPE_U16, WIRE_DTYPE_U32, WIRE_DTYPE_U64};
    int log = size == 1 ? 0 : size == 2 ? 1 : size == 4 ? 2 : size == 8 ? 3 : -1;

    if (log < 0)
        return 0;
    if (strchr("bhilqn", code) != NULL)
        return integers[log];
    if (strchr("BHILQN", code) != NULL)
        return naturals[log];
    switch (code) {
    case '?':
        return size == 1 ? WIRE_DTYPE_BOOL : 0;
    case 'c':
        return size == 1 ? WIRE_DTYPE_U8 : 0;
    case 'e':
        return size == 2 ? WIRE_DTYPE_F16 : 0;
    case 'f':
        return size == 4 ? WIRE_DTYPE_F32 : 0;
    case 'd':
        return size == 8 ? WIRE_DTYPE_F64 : 0;
    default:
        return 0;
    }
}

/* Return the dtype of a PEP 3118 format, or 0 for one that the wire does not have. */
static uint8_t
dtype_of_format(const char *format, Py_ssize_t size)
{
    if (format == NULL)
        return size == 1 ? WIRE_DTYPE_U8 : 0;
    if (*format == '@' || *format == '=' || *format == '<' ||
        ((*format == '>' || *format == '!') && size == 1))
        format++;
    if (*format == '\0')
        return 0;
    if (format[0] == 'Z' && format[1] != '\0' && format[2] == '\0')
        return format[1] == 'f' && size == 8    ? WIRE_DTYPE_C64
               : format[1] == 'd' && size == 16 ? WIRE_DTYPE_C128
                                                : 0;
    if (format[1] == '\0' && *format != 's' && *format != 'w')
        return dtype_of_code(*format, size);
    format += strspn(format, "0123456789");
    if (strcmp(format, "s") == 0 && size > 0)
        return WIRE_DTYPE_BYTES;
    if (strcmp(format, "w") == 0 && size > 0 && size % 4 == 0)
        return WIRE_DTYPE_TEXT;
    return 0;
}

/* Describe a buffer; return false for one that the wire does not have. */
static bool
describe_view(const Py_buffer *view, wire_array *array)
{
    memset(array, 0, offsetof(wire_array, shape));
    array->dtype = dtype_of_format(view->format, view->itemsize);
    if (array->dtype == 0 || view->ndim < 0 || view->ndim > WIRE_DIMENSIONS_MAX ||
        view->itemsize > INT32_MAX || (view->ndim > 0 && view->shape == NULL))
        return false;
    array->item_size = (uint32_t)view->itemsize;
    array->dimensions = (uint8_t)view->ndim;
    for (int axis = 0; axis < view->ndim; axis++)
        array->shape[axis] = view->shape[axis];
    if (wire_array_set_c_order(array) != WIRE_OK)
        return false;
    array->memory = NULL;
    array->memory_length = array->elements * array->item_size;
    bool c_order = array->elements == 0 || view->strides == NULL;
    if (!c_order) {
        c_order = true;
        int64_t fortran = array->item_size;
        bool f_order = true;
        for (int axis = 0; axis < view->ndim; axis++) {
            bool matters = array->shape[axis] > 1;
            c_order = c_order && (!matters || array->strides[axis] == view->strides[axis]);
            f_order = f_order && (!matters || fortran == view->strides[axis]);
            fortran *= array->shape[axis];
        }
        for (int axis = 0; axis < view->ndim && !c_order; axis++)
            array->strides[axis] = view->strides[axis];
        array->flags = !c_order && f_order ? WIRE_ARRAY_FORTRAN : 0;
    }
    array->c_contiguous = c_order;
    array->flags |= view->readonly ? WIRE_ARRAY_READONLY : 0;
    return true;
}

/* Write a copy of the items: as they lie if they are contiguous, else packed in C order. */
static void
write_inline(wire_writer *writer, const Py_buffer *view, const wire_array *described)
{
    wire_array array = *described;
    uint8_t *memory;
    bool as_it_lies = array.c_contiguous || (array.flags & WIRE_ARRAY_FORTRAN) != 0;

    array.placement = WIRE_INLINE;
    if (!as_it_lies && wire_array_set_c_order(&array) != WIRE_OK)
        return;
    wire_write_array(writer, &array, &memory);
    if (memory == NULL || array.elements == 0)
        return;
    if (as_it_lies)
        memcpy(memory, view->buf, (size_t)array.memory_length);
    else
        wire_array_pack(described, view->buf, memory);
}

/* Write a buffer whose view is held, with `time_of` describing DATETIME and TIMEDELTA or NULL. */
static int
encode_view(wire_python_encoder *to, PyObject *object, const Py_buffer *view, const wire_array *time_of)
{
    wire_array array;
    int written = 0;

    if (!describe_view(view, &array))
        return wire_python_encode_reference(to, object);
    if (time_of != NULL) {
        array.dtype = time_of->dtype;
        array.time_unit = time_of->time_unit;
        array.time_unit_count = time_of->time_unit_count;
    }
    if (to->hooks->write_array != NULL)
        written = to->hooks->write_array(to->hooks->context, to->writer, object, view, &array);
    if (written < 0)
        return -1;
    if (written == 0)
        write_inline(to->writer, view, &array);
    return 0;
}

/* Read a NumPy dtype's text such as "<M8[10ns]". Return false for anything else. */
static bool
parse_time_dtype(const char *text, wire_array *array)
{
    static const char *const units[] = {"",  "Y",  "M",  "W",  "D",  "h",  "m",
                                        "s", "ms", "us", "ns", "ps", "fs", "as"};
    unsigned count = 0;

    if (strncmp(text, "<M8", 3) != 0 && strncmp(text, "<m8", 3) != 0)
        return false;
    array->dtype = text[1] == 'M' ? WIRE_DTYPE_DATETIME : WIRE_DTYPE_TIMEDELTA;
    array->time_unit = WIRE_UNIT_NONE;
    array->time_unit_count = 0;
    text += 3;
    if (*text == '\0')
        return true;
    for (text++; *text >= '0' && *text <= '9' && count <= UINT16_MAX; text++)
        count = 10 * count + (unsigned)(*text - '0');
    for (uint8_t unit = WIRE_UNIT_YEAR; unit <= WIRE_UNIT_ATTOSECOND; unit++) {
        size_t length = strlen(units[unit]);
        if (strncmp(text, units[unit], length) == 0 && strcmp(text + length, "]") == 0) {
            array->time_unit = unit;
            array->time_unit_count = (uint16_t)(count > 0 ? count : 1);
            return count <= UINT16_MAX;
        }
    }
    return false;
}

/* NumPy exports no buffer of datetime64 and timedelta64: take the dtype's text, and the memory through
 * a view as integers. Leaves no exception unless it returns -1. */
static COLD int
encode_without_buffer(wire_python_encoder *to, PyObject *object)
{
    wire_array time_of;
    Py_buffer view;
    bool known = false;
    int result;

    PyObject *dtype = PyObject_GetAttrString(object, "dtype");
    PyObject *text = dtype != NULL ? PyObject_GetAttrString(dtype, "str") : NULL;
    PyObject *bytes = text != NULL && PyUnicode_Check(text) ? PyUnicode_AsUTF8String(text) : NULL;
    if (bytes != NULL)
        known = parse_time_dtype(BYTES_DATA(bytes), &time_of);
    Py_XDECREF(bytes);
    Py_XDECREF(text);
    Py_XDECREF(dtype);
    PyErr_Clear();
    PyObject *numbers = known ? PyObject_CallMethod(object, "view", "s", "<i8") : NULL;
    if (numbers == NULL || PyObject_GetBuffer(numbers, &view, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear();
        Py_XDECREF(numbers);
        return wire_python_encode_reference(to, object);
    }
    result = encode_view(to, object, &view, &time_of);
    PyBuffer_Release(&view);
    Py_DECREF(numbers);
    return result;
}

/* Write a NumPy array of the other byte order as a copy in this machine's. */
static COLD int
encode_swapped(wire_python_encoder *to, PyObject *object)
{
    PyObject *dtype = PyObject_GetAttrString(object, "dtype");
    PyObject *native = dtype != NULL ? PyObject_CallMethod(dtype, "newbyteorder", "s", "=") : NULL;
    PyObject *copy = native != NULL ? PyObject_CallMethod(object, "astype", "O", native) : NULL;
    Py_buffer view;
    int result;

    Py_XDECREF(native);
    Py_XDECREF(dtype);
    if (copy == NULL || PyObject_GetBuffer(copy, &view, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear();
        Py_XDECREF(copy);
        return wire_python_encode_reference(to, object);
    }
    result = encode_view(to, copy, &view, NULL);
    PyBuffer_Release(&view);
    Py_DECREF(copy);
    return result;
}

COLD int
wire_python_encode_exporter(wire_python_encoder *to, PyObject *object)
{
    Py_buffer view;
    int result;

    if (PyObject_GetBuffer(object, &view, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear();
        /* Nothing else is asked for its dtype: attributes of a proxy are calls to its worker. */
        return wire_python_knows_numpy() && wire_python_is(object, wire_state.numpy_array)
                   ? encode_without_buffer(to, object)
                   : wire_python_encode_reference(to, object);
    }
    bool swapped = view.itemsize > 1 && view.format != NULL &&
                   (*view.format == '>' || *view.format == '!');
    result = swapped ? encode_swapped(to, object) : encode_view(to, object, &view, NULL);
    PyBuffer_Release(&view);
    return result;
}
