/* Python objects to wire values. */

#include "wire_python_internal.h"

#include <stdio.h>
#include <string.h>

/* What a list mostly holds is decided here, without a call into another source. */
static int encode(wire_python_encoder *to, PyObject *object);

COLD int
wire_python_climb(wire_python_encoder *to, PyObject *container)
{
    char name[40];
    size_t used = strlen(to->path);

    if (to->writer->status != WIRE_TOO_DEEP || to->cyclic)
        return -1;
    if (to->deepest == NULL) {
        to->deepest = container;
        return -1;
    }
    to->levels++;
    to->cyclic = container == to->deepest;
    if (to->levels <= 6) {
        wire_python_type_name(container, name, sizeof name);
        snprintf(to->path + used, sizeof to->path - used, "%s%s", used > 0 ? " in " : "", name);
    }
    return -1;
}

/* Write the magnitude of an int that is beyond 64 bits. */
static COLD int
encode_big_int(wire_python_encoder *to, PyObject *number, bool negative)
{
    PyObject *magnitude = NULL;
    PyObject *bytes = NULL;
    PyObject *bits = NULL;
    int result = -1;

    magnitude = PyObject_CallMethod((PyObject *)&PyLong_Type, negative ? "__neg__" : "__pos__", "O",
                                    number);
    if (magnitude == NULL)
        return -1;
    bits = PyObject_CallMethod(magnitude, "bit_length", NULL);
    Py_ssize_t count = bits != NULL ? PyLong_AsSsize_t(bits) : -1;
    if (count > 0) {
        Py_ssize_t length = count / 8 + 1;
        if (length > WIRE_BIGINT_MAX + 1)
            wire_raise(WIRE_TOO_LARGE, "an int of more than 524288 bits");
        else
            bytes = PyObject_CallMethod(magnitude, "to_bytes", "ns", length, "little");
    }
    if (bytes != NULL) {
        wire_write_bigint(to->writer, negative, (const uint8_t *)BYTES_DATA(bytes),
                          (size_t)BYTES_SIZE(bytes));
        result = 0;
    }
    Py_XDECREF(bytes);
    Py_XDECREF(bits);
    Py_DECREF(magnitude);
    return result;
}

static inline int
encode_int(wire_python_encoder *to, PyObject *number)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);

    if (UNLIKELY(overflow != 0))
        return encode_big_int(to, number, overflow < 0);
    wire_write_int(to->writer, value);
    return 0;
}

static COLD int
encode_text16(wire_python_encoder *to, PyObject *text)
{
    if (!PyErr_ExceptionMatches(PyExc_UnicodeEncodeError))
        return -1;
    PyErr_Clear();
    PyObject *bytes = PyUnicode_AsEncodedString(text, "utf-16-le", "surrogatepass");
    if (bytes == NULL)
        return -1;
    wire_write_text16(to->writer, (const uint16_t *)(const void *)BYTES_DATA(bytes),
                      (size_t)BYTES_SIZE(bytes) / 2);
    Py_DECREF(bytes);
    return 0;
}

static inline int
encode_text(wire_python_encoder *to, PyObject *text)
{
#ifdef Py_LIMITED_API
    PyObject *bytes = PyUnicode_AsUTF8String(text);
    if (bytes == NULL)
        return encode_text16(to, text);
    wire_write_text(to->writer, BYTES_DATA(bytes), (size_t)BYTES_SIZE(bytes));
    Py_DECREF(bytes);
#else
    Py_ssize_t length;
    const char *bytes = PyUnicode_AsUTF8AndSize(text, &length);
    if (UNLIKELY(bytes == NULL))
        return encode_text16(to, text);
    wire_write_text(to->writer, bytes, (size_t)length);
#endif
    return 0;
}

static int
encode_list(wire_python_encoder *to, PyObject *list)
{
    Py_ssize_t size = LIST_SIZE(list);

    if (wire_enter_list(to->writer, (size_t)size) > WIRE_FULL)
        return wire_python_climb(to, list);
    for (Py_ssize_t index = 0; index < size; index++) {
        if (UNLIKELY(LIST_SIZE(list) != size))
            return wire_python_refuse(WIRE_CHANGED, "a %s got another length", list);
        PyObject *item = LIST_ITEM(list, index);
        Py_INCREF(item);
        int result = encode(to, item);
        Py_DECREF(item);
        if (UNLIKELY(result < 0) || wire_python_failed(to))
            return wire_python_climb(to, list);
    }
    wire_leave(to->writer);
    return 0;
}

static int
encode_tuple(wire_python_encoder *to, PyObject *tuple)
{
    Py_ssize_t size = TUPLE_SIZE(tuple);

    if (to->hooks->keeps_python)
        return wire_python_encode_own(to, tuple);
    if (wire_enter_list(to->writer, (size_t)size) > WIRE_FULL)
        return wire_python_climb(to, tuple);
    for (Py_ssize_t index = 0; index < size; index++)
        if (UNLIKELY(encode(to, TUPLE_ITEM(tuple, index)) < 0) || wire_python_failed(to))
            return wire_python_climb(to, tuple);
    wire_leave(to->writer);
    return 0;
}

static int
encode_pair(wire_python_encoder *to, PyObject *key, PyObject *value)
{
    Py_INCREF(key);
    Py_INCREF(value);
    int result = encode(to, key) < 0 ? -1 : encode(to, value);
    Py_DECREF(value);
    Py_DECREF(key);
    return wire_python_failed(to) ? -1 : result;
}

static int
encode_dict(wire_python_encoder *to, PyObject *dict)
{
    Py_ssize_t size = PyDict_Size(dict);
    Py_ssize_t position = 0;
    Py_ssize_t written = 0;
    PyObject *key;
    PyObject *value;

    if (wire_enter_map(to->writer, (size_t)size) > WIRE_FULL)
        return wire_python_climb(to, dict);
    while (PyDict_Next(dict, &position, &key, &value)) {
        if (UNLIKELY(written++ == size))
            break;
        if (UNLIKELY(encode_pair(to, key, value) < 0))
            return wire_python_climb(to, dict);
        if (UNLIKELY(PyDict_Size(dict) != size))
            break;
    }
    if (UNLIKELY(written != size || PyDict_Size(dict) != size))
        return wire_python_refuse(WIRE_CHANGED, "a %s got other keys", dict);
    wire_leave(to->writer);
    return 0;
}

/* A set that changes while it is iterated raises RuntimeError by itself. */
static int
encode_set(wire_python_encoder *to, PyObject *set)
{
    Py_ssize_t size = PySet_Size(set);
    Py_ssize_t written = 0;
    size_t start;
    PyObject *member;

    if (wire_enter_extension(to->writer, WIRE_SET, &start) > WIRE_FULL ||
        wire_enter_list(to->writer, (size_t)size) > WIRE_FULL)
        return wire_python_climb(to, set);
    PyObject *iterator = PyObject_CallMethod(
        PyFrozenSet_Check(set) ? (PyObject *)&PyFrozenSet_Type : (PyObject *)&PySet_Type, "__iter__",
        "O", set);
    if (iterator == NULL)
        return -1;
    while ((member = PyIter_Next(iterator)) != NULL) {
        int result = encode(to, member);
        Py_DECREF(member);
        if (result < 0 || wire_python_failed(to)) {
            Py_DECREF(iterator);
            return wire_python_climb(to, set);
        }
        written++;
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return -1;
    if (written != size)
        return wire_python_refuse(WIRE_CHANGED, "a %s got other members", set);
    wire_leave(to->writer);
    wire_leave_extension(to->writer, start);
    return 0;
}

/* Read one integer attribute of a timedelta. Return -1 with an exception. */
static int
read_part(PyObject *duration, const char *name, int64_t *part)
{
    PyObject *value = PyObject_GetAttrString(duration, name);
    if (value == NULL)
        return -1;
    *part = PyLong_AsLongLong(value);
    Py_DECREF(value);
    return *part == -1 && PyErr_Occurred() ? -1 : 0;
}

static COLD int
encode_datetime(wire_python_encoder *to, PyObject *datetime)
{
    int64_t days;
    int64_t seconds;
    int64_t microseconds;

    PyObject *offset = PyObject_CallMethod(datetime, "utcoffset", NULL);
    if (offset == NULL)
        return -1;
    bool aware = offset != Py_None;
    Py_DECREF(offset);
    PyObject *duration = PyNumber_Subtract(datetime, aware ? wire_state.epoch_utc : wire_state.epoch);
    if (duration == NULL)
        return -1;
    int result = read_part(duration, "days", &days);
    if (result == 0)
        result = read_part(duration, "seconds", &seconds);
    if (result == 0)
        result = read_part(duration, "microseconds", &microseconds);
    Py_DECREF(duration);
    if (result < 0)
        return -1;
    wire_instant instant = {.seconds = days * 86400 + seconds,
                            .nanoseconds = (uint32_t)microseconds * 1000};
    if (aware)
        wire_write_timestamp(to->writer, instant);
    else
        wire_write_local_time(to->writer, instant);
    return 0;
}

/* --------------------------------------------------------------- Writing everything that is rare */

COLD int
wire_python_encode_reference(wire_python_encoder *to, PyObject *object)
{
    int written = 0;

    if (to->hooks->write_reference != NULL)
        written = to->hooks->write_reference(to->hooks->context, to->writer, object);
    if (written < 0)
        return -1;
    return written > 0 ? 0 : wire_python_refuse(WIRE_UNSENDABLE, "%s goes by reference, and none can be made here", object);
}

/* Write a NumPy scalar as the number that it stands for. */
static COLD int
encode_numpy_scalar(wire_python_encoder *to, PyObject *scalar)
{
    if (wire_python_is(scalar, wire_state.numpy_bool)) {
        int truth = PyObject_IsTrue(scalar);
        if (truth < 0)
            return -1;
        wire_write_bool(to->writer, truth);
        return 0;
    }
    bool whole = wire_python_is(scalar, wire_state.numpy_integer);
    if (!whole && !wire_python_is(scalar, wire_state.numpy_floating))
        return wire_python_encode_reference(to, scalar);
    PyObject *number = whole ? PyNumber_Index(scalar) : PyNumber_Float(scalar);
    if (number == NULL) {
        /* timedelta64 is an integer to NumPy, but has no __index__. */
        PyErr_Clear();
        return wire_python_encode_reference(to, scalar);
    }
    int result = 0;
    if (whole) {
        result = encode_int(to, number);
    } else {
        double value = PyFloat_AsDouble(number);
        int exact = value != value ? 1 : PyObject_RichCompareBool(number, scalar, Py_EQ);
        if (exact > 0)
            wire_write_float(to->writer, value);
        else
            result = exact < 0 ? -1 : wire_python_encode_reference(to, scalar);
    }
    Py_DECREF(number);
    return result;
}

/* Masks, units and the like: a subclass of ndarray has more to it than its buffer shows. */
static bool
means_more_than_its_memory(PyObject *object)
{
    return wire_python_is(object, wire_state.numpy_array) &&
           (PyObject *)Py_TYPE(object) != wire_state.numpy_array &&
           (PyObject *)Py_TYPE(object) != wire_state.numpy_memmap;
}

static COLD int
encode_rare(wire_python_encoder *to, PyObject *object)
{
    int own;

    if (PyUnicode_Check(object))
        return encode_text(to, object);
    if (PyLong_Check(object))
        return encode_int(to, object);
    if (to->hooks->keeps_python && (own = wire_python_encode_own(to, object)) <= 0)
        return own;
    if (PyList_Check(object))
        return encode_list(to, object);
    if (PyDict_Check(object))
        return encode_dict(to, object);
    if (PyTuple_Check(object))
        return encode_tuple(to, object);
    if (PyAnySet_Check(object))
        return encode_set(to, object);
    if (PyFloat_Check(object)) {
        wire_write_float(to->writer, FLOAT_VALUE(object));
        return 0;
    }
    if (PyBytes_Check(object)) {
        wire_write_binary(to->writer, BYTES_DATA(object), (size_t)BYTES_SIZE(object));
        return 0;
    }
    if (wire_python_is(object, wire_state.datetime))
        return encode_datetime(to, object);
    if (wire_python_is(object, PyExc_BaseException))
        return wire_python_encode_error(to, object);
    if (wire_python_knows_numpy()) {
        if (wire_python_is(object, wire_state.numpy_generic))
            return encode_numpy_scalar(to, object);
        if (means_more_than_its_memory(object))
            return wire_python_encode_reference(to, object);
    }
    return wire_python_encode_exporter(to, object);
}

static int
encode(wire_python_encoder *to, PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);

    if (type == &PyFloat_Type) {
        wire_write_float(to->writer, FLOAT_VALUE(object));
        return 0;
    }
    if (type == &PyLong_Type)
        return encode_int(to, object);
    if (type == &PyUnicode_Type)
        return encode_text(to, object);
    if (UNLIKELY(object == to->hooks->undefined)) {
        wire_write_undefined(to->writer);
        return 0;
    }
    if (object == Py_None) {
        wire_write_nil(to->writer);
        return 0;
    }
    if (type == &PyBool_Type) {
        wire_write_bool(to->writer, object == Py_True);
        return 0;
    }
    if (type == &PyList_Type)
        return encode_list(to, object);
    if (type == &PyTuple_Type)
        return encode_tuple(to, object);
    if (type == &PyDict_Type)
        return encode_dict(to, object);
    if (type == &PyBytes_Type) {
        wire_write_binary(to->writer, BYTES_DATA(object), (size_t)BYTES_SIZE(object));
        return 0;
    }
    return encode_rare(to, object);
}

int
wire_python_encode(wire_python_encoder *to, PyObject *object)
{
    return encode(to, object);
}

int
wire_python_encode_int(wire_python_encoder *to, PyObject *number)
{
    return encode_int(to, number);
}

int
wire_python_encode_dict(wire_python_encoder *to, PyObject *dict)
{
    return encode_dict(to, dict);
}

int
wire_python_encode_text(wire_python_encoder *to, PyObject *text)
{
    return encode_text(to, text);
}

static COLD int
raise_for_writer(const wire_python_encoder *to)
{
    char text[320];
    wire_status status = to->writer->status;

    if (PyErr_Occurred())
        return -1;
    if (!to->cyclic) {
        wire_raise(status, NULL);
        return -1;
    }
    snprintf(text, sizeof text, "it contains itself, through %u %s (%s%s)", to->levels,
             to->levels == 1 ? "container" : "containers", to->path, to->levels > 6 ? " in ..." : "");
    wire_raise(status, text);
    return -1;
}

int
wire_encode_object(wire_writer *writer, PyObject *object, const wire_python_hooks *hooks)
{
    wire_python_encoder to;

    to.writer = writer;
    to.hooks = hooks != NULL ? hooks : &wire_python_no_hooks;
    to.deepest = NULL;
    to.levels = 0;
    to.errors = 0;
    to.cyclic = false;
    to.path[0] = '\0';
    if (UNLIKELY(encode(&to, object) < 0 || writer->status > WIRE_FULL))
        return raise_for_writer(&to);
    return 0;
}
