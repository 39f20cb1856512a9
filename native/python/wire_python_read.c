/* Wire values to Python objects. */

#include "wire_python_internal.h"

static PyObject *decode(wire_reader *reader, const wire_python_hooks *hooks, bool hashable);

/* Run `make` on bytes that nobody else can change: CPython's decoders read them more than once. */
static COLD PyObject *
make_from_copy(const wire_token *token, PyObject *(*make)(const uint8_t *bytes, size_t length))
{
    PyObject *copy = PyBytes_FromStringAndSize((const char *)token->bytes, (Py_ssize_t)token->length);
    if (copy == NULL)
        return NULL;
    PyObject *result = make((const uint8_t *)BYTES_DATA(copy), token->length);
    Py_DECREF(copy);
    return result;
}

static PyObject *
make_text(const uint8_t *bytes, size_t length)
{
    PyObject *text = PyUnicode_DecodeUTF8((const char *)bytes, (Py_ssize_t)length, NULL);
    if (UNLIKELY(text == NULL) && PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
        PyErr_Clear();
        wire_raise(WIRE_BAD_TEXT, NULL);
    }
    return text;
}

static PyObject *
make_text16(const uint8_t *bytes, size_t length)
{
    int little_endian = -1;

    if (length % 2 != 0)
        return wire_python_raise(WIRE_BAD_TEXT);
    return PyUnicode_DecodeUTF16((const char *)bytes, (Py_ssize_t)length, "surrogatepass",
                                 &little_endian);
}

static inline PyObject *
decode_text(const wire_reader *reader, const wire_token *token)
{
    if (UNLIKELY(reader->shared))
        return make_from_copy(token, make_text);
    return make_text(token->bytes, token->length);
}

static PyObject *
decode_list(wire_reader *reader, uint32_t count, const wire_python_hooks *hooks)
{
    if (wire_descend(reader) != WIRE_OK)
        return wire_python_raise(reader->status);
    PyObject *list = PyList_New((Py_ssize_t)count);
    if (UNLIKELY(list == NULL))
        return NULL;
    for (uint32_t index = 0; index < count; index++) {
        PyObject *item = decode(reader, hooks, false);
        if (UNLIKELY(item == NULL)) {
            Py_DECREF(list);
            return NULL;
        }
        LIST_SET(list, (Py_ssize_t)index, item);
    }
    wire_ascend(reader);
    return list;
}

static PyObject *
decode_tuple(wire_reader *reader, uint32_t count, const wire_python_hooks *hooks)
{
    if (wire_descend(reader) != WIRE_OK)
        return wire_python_raise(reader->status);
    PyObject *tuple = PyTuple_New((Py_ssize_t)count);
    if (tuple == NULL)
        return NULL;
    for (uint32_t index = 0; index < count; index++) {
        PyObject *item = decode(reader, hooks, true);
        if (item == NULL) {
            Py_DECREF(tuple);
            return NULL;
        }
        TUPLE_SET(tuple, (Py_ssize_t)index, item);
    }
    wire_ascend(reader);
    return tuple;
}

/* A TypeError here comes from a key or member without a hash: the peer's mistake, not the caller's. */
static COLD int
explain_unhashable(PyObject *value)
{
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
        return -1;
    PyErr_Clear();
    return wire_python_refuse(WIRE_UNHASHABLE, "%s as key of a dict or member of a set", value);
}

static PyObject *
decode_map(wire_reader *reader, uint32_t count, const wire_python_hooks *hooks)
{
    if (wire_descend(reader) != WIRE_OK)
        return wire_python_raise(reader->status);
    PyObject *dict = PyDict_New();
    if (UNLIKELY(dict == NULL))
        return NULL;
    for (uint32_t index = 0; index < count; index++) {
        PyObject *key = decode(reader, hooks, true);
        PyObject *value = key != NULL ? decode(reader, hooks, false) : NULL;
        int result = value != NULL ? PyDict_SetItem(dict, key, value) : -1;
        if (UNLIKELY(result < 0)) {
            if (value != NULL)
                explain_unhashable(key);
            Py_CLEAR(dict);
        }
        Py_XDECREF(value);
        Py_XDECREF(key);
        if (UNLIKELY(dict == NULL))
            return NULL;
    }
    wire_ascend(reader);
    return dict;
}

static PyObject *
decode_members(wire_reader *reader, const wire_python_hooks *hooks, bool hashable)
{
    wire_token list;

    if (wire_read(reader, &list) != WIRE_OK || list.kind != WIRE_LIST)
        return wire_python_raise(reader->status != WIRE_OK ? reader->status : WIRE_BAD_EXTENSION);
    if (wire_descend(reader) != WIRE_OK)
        return wire_python_raise(reader->status);
    /* PySet_Add fills a frozenset too, as long as nobody else has seen it. */
    PyObject *set = hashable ? PyFrozenSet_New(NULL) : PySet_New(NULL);
    for (uint32_t index = 0; index < list.count && set != NULL; index++) {
        PyObject *member = decode(reader, hooks, true);
        if (member == NULL || PySet_Add(set, member) < 0) {
            if (member != NULL)
                explain_unhashable(member);
            Py_CLEAR(set);
        }
        Py_XDECREF(member);
    }
    wire_ascend(reader);
    return set;
}

static COLD PyObject *
decode_set(wire_reader *reader, const wire_token *token, const wire_python_hooks *hooks, bool hashable)
{
    wire_reader inner;

    if (wire_open(reader, token, &inner) != WIRE_OK)
        return wire_python_raise(reader->status);
    PyObject *set = decode_members(&inner, hooks, hashable);
    if (set != NULL && wire_close(reader, &inner) != WIRE_OK) {
        Py_DECREF(set);
        return wire_python_raise(reader->status);
    }
    return set;
}

static COLD PyObject *
decode_big_int(const wire_token *token)
{
    wire_bigint number;
    wire_status status = wire_bigint_read(token->bytes, token->length, &number);

    if (status != WIRE_OK)
        return wire_python_raise(status);
    PyObject *magnitude =
        PyObject_CallMethod((PyObject *)&PyLong_Type, "from_bytes", "y#s", number.magnitude,
                            (Py_ssize_t)number.length, "little");
    if (magnitude == NULL || !number.negative)
        return magnitude;
    PyObject *negative = PyNumber_Negative(magnitude);
    Py_DECREF(magnitude);
    return negative;
}

static COLD PyObject *
decode_instant(const wire_token *token)
{
    wire_instant instant;
    wire_status status =
        wire_instant_read(token->type, token->bytes, token->length, &instant);

    if (status != WIRE_OK)
        return wire_python_raise(status);
    PyObject *duration =
        PyObject_CallFunction(wire_state.timedelta, "iLI", 0, (long long)instant.seconds,
                              (unsigned int)(instant.nanoseconds / 1000));
    PyObject *datetime = NULL;
    if (duration != NULL)
        datetime = PyNumber_Add(token->type == WIRE_TIMESTAMP ? wire_state.epoch_utc : wire_state.epoch,
                                duration);
    Py_XDECREF(duration);
    if (datetime == NULL && PyErr_ExceptionMatches(PyExc_OverflowError)) {
        PyErr_Clear();
        wire_raise(WIRE_UNREADABLE, "an instant outside of the years 1 to 9999");
    }
    return datetime;
}

static COLD PyObject *
decode_reference(const wire_token *token, const wire_python_hooks *hooks)
{
    wire_reference reference;
    wire_status status = wire_reference_read(token->bytes, token->length, &reference);

    if (status != WIRE_OK)
        return wire_python_raise(status);
    if (hooks->read_reference != NULL)
        return hooks->read_reference(hooks->context, &reference);
    wire_raise(WIRE_UNREADABLE, "no references are taken here");
    return NULL;
}

static COLD PyObject *
decode_array(wire_reader *reader, const wire_token *token, const wire_python_hooks *hooks)
{
    wire_array array;
    wire_status status = wire_array_read(token->bytes, token->length, reader->elements, &array);

    if (status != WIRE_OK)
        return wire_python_raise(status);
    reader->elements -= array.elements;
    if (hooks->read_array != NULL)
        return hooks->read_array(hooks->context, &array);
    wire_raise(WIRE_UNREADABLE, "no arrays are taken here");
    return NULL;
}

static COLD PyObject *
decode_extension(wire_reader *reader, const wire_token *token, const wire_python_hooks *hooks,
                 bool hashable)
{
    switch (token->type) {
    case WIRE_TIMESTAMP:
    case WIRE_LOCAL_TIME:
        return decode_instant(token);
    case WIRE_BIGINT:
        return decode_big_int(token);
    case WIRE_TEXT16:
        return reader->shared ? make_from_copy(token, make_text16)
                              : make_text16(token->bytes, token->length);
    case WIRE_SET:
        return decode_set(reader, token, hooks, hashable);
    case WIRE_UNDEFINED: {
        PyObject *undefined = hooks->undefined != NULL ? hooks->undefined : Py_None;
        if (token->length != 0)
            return wire_python_raise(WIRE_BAD_EXTENSION);
        Py_INCREF(undefined);
        return undefined;
    }
    case WIRE_ARRAY:
        return decode_array(reader, token, hooks);
    case WIRE_REFERENCE:
        return decode_reference(token, hooks);
    case WIRE_ERROR:
        return wire_python_decode_error(reader, token, hooks);
    case WIRE_PYTHON:
        return wire_python_decode_own(reader, token, hooks);
    default:
        return wire_python_raise(WIRE_BAD_EXTENSION);
    }
}

static PyObject *
decode(wire_reader *reader, const wire_python_hooks *hooks, bool hashable)
{
    wire_token token;

    if (UNLIKELY(wire_read(reader, &token) != WIRE_OK))
        return wire_python_raise(reader->status);
    switch (token.kind) {
    case WIRE_NIL:
        Py_INCREF(Py_None);
        return Py_None;
    case WIRE_BOOL:
        return PyBool_FromLong(token.boolean);
    case WIRE_INT:
        return PyLong_FromLongLong(token.integer);
    case WIRE_UINT:
        return PyLong_FromUnsignedLongLong(token.natural);
    case WIRE_FLOAT:
        return PyFloat_FromDouble(token.number);
    case WIRE_TEXT:
        return decode_text(reader, &token);
    case WIRE_BINARY:
        return PyBytes_FromStringAndSize((const char *)token.bytes, (Py_ssize_t)token.length);
    case WIRE_LIST:
        return hashable ? decode_tuple(reader, token.count, hooks)
                        : decode_list(reader, token.count, hooks);
    case WIRE_MAP:
        return decode_map(reader, token.count, hooks);
    case WIRE_EXTENSION:
        return decode_extension(reader, &token, hooks, hashable);
    }
    return wire_python_raise(WIRE_INVALID);
}

PyObject *
wire_python_decode(wire_reader *reader, const wire_python_hooks *hooks, bool hashable)
{
    return decode(reader, hooks, hashable);
}

PyObject *
wire_decode_object(wire_reader *reader, const wire_python_hooks *hooks)
{
    return decode(reader, hooks != NULL ? hooks : &wire_python_no_hooks, false);
}
