/* Exceptions, both ways. */

#include "wire_python_internal.h"

#include <string.h>

/* Chosen: longer chains are loops of retries, and the first causes are the ones that explain. */
#define CAUSES_MAX 32
/* Chosen: errors within others that go along, in one value. */
#define ERRORS_MAX 256

/* ------------------------------------------------------------------------------------ Writing */

static int
encode_ascii(wire_python_encoder *to, const char *text)
{
    wire_write_text(to->writer, text, strlen(text));
    return 0;
}

/* Write `module.Class`, or the bare name of a builtin. */
static int
encode_type_name(wire_python_encoder *to, PyObject *object)
{
    PyObject *type = (PyObject *)Py_TYPE(object);
    PyObject *module = PyObject_GetAttrString(type, "__module__");
    PyObject *name = PyObject_GetAttrString(type, "__qualname__");
    PyObject *full = NULL;
    int result;

    PyErr_Clear();
    if (module != NULL && name != NULL && PyUnicode_Check(module) && PyUnicode_Check(name) &&
        PyUnicode_CompareWithASCIIString(module, "builtins") != 0)
        full = PyUnicode_FromFormat("%U.%U", module, name);
    else if (name != NULL && PyUnicode_Check(name)) {
        full = name;
        Py_INCREF(full);
    }
    result = full != NULL ? wire_python_encode_text(to, full) : encode_ascii(to, "object");
    PyErr_Clear();
    Py_XDECREF(full);
    Py_XDECREF(name);
    Py_XDECREF(module);
    return result;
}

/* Write an attribute that must be a str or an int; nil for anything else. */
static void
encode_plain_attribute(wire_python_encoder *to, PyObject *object, const char *name)
{
    PyObject *value = object != NULL ? PyObject_GetAttrString(object, name) : NULL;

    if (value != NULL && PyUnicode_Check(value))
        wire_python_encode_text(to, value);
    else if (value != NULL && PyLong_Check(value))
        wire_python_encode_int(to, value);
    else
        wire_write_nil(to->writer);
    Py_XDECREF(value);
    PyErr_Clear();
}

/* Write the frames of a traceback, outermost call first. */
static int
encode_frames(wire_python_encoder *to, PyObject *exception)
{
    PyObject *at = PyObject_GetAttrString(exception, "__traceback__");
    PyObject *entries = PyList_New(0);

    while (at != NULL && at != Py_None && entries != NULL) {
        if (PyList_Append(entries, at) < 0)
            break;
        PyObject *next = PyObject_GetAttrString(at, "tb_next");
        Py_DECREF(at);
        at = next;
    }
    Py_XDECREF(at);
    if (entries == NULL || PyErr_Occurred()) {
        Py_XDECREF(entries);
        return -1;
    }
    Py_ssize_t count = LIST_SIZE(entries);
    wire_enter_list(to->writer, (size_t)count);
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *entry = LIST_ITEM(entries, index);
        PyObject *frame = PyObject_GetAttrString(entry, "tb_frame");
        PyObject *code = frame != NULL ? PyObject_GetAttrString(frame, "f_code") : NULL;
        PyErr_Clear();
        wire_enter_list(to->writer, 4);
        encode_plain_attribute(to, code, "co_filename");
        encode_plain_attribute(to, entry, "tb_lineno");
        wire_write_nil(to->writer);
        encode_plain_attribute(to, code, "co_name");
        wire_leave(to->writer);
        Py_XDECREF(code);
        Py_XDECREF(frame);
    }
    wire_leave(to->writer);
    Py_DECREF(entries);
    return 0;
}

/* Return what an exception was raised from, or while handling: a new reference, or NULL for none. */
static PyObject *
cause_of(PyObject *exception)
{
    PyObject *cause = PyObject_GetAttrString(exception, "__cause__");
    if (cause == Py_None) {
        PyObject *hidden = PyObject_GetAttrString(exception, "__suppress_context__");
        if (hidden == Py_False) {
            Py_DECREF(cause);
            cause = PyObject_GetAttrString(exception, "__context__");
        }
        Py_XDECREF(hidden);
    }
    PyErr_Clear();
    if (cause != NULL && wire_python_is(cause, PyExc_BaseException))
        return cause;
    Py_XDECREF(cause);
    return NULL;
}

static int encode_error(wire_python_encoder *to, PyObject *exception, unsigned causes);

/* Write the notes that were added to an exception. */
static void
encode_notes(wire_python_encoder *to, PyObject *notes)
{
    const Py_ssize_t count = LIST_SIZE(notes);

    encode_ascii(to, "notes");
    wire_enter_list(to->writer, (size_t)count);
    for (Py_ssize_t index = 0; index < count; index++) {
        PyObject *note = LIST_ITEM(notes, index);
        if (!PyUnicode_Check(note) || wire_python_encode_text(to, note) < 0)
            encode_ascii(to, "");
        PyErr_Clear();
    }
    wire_leave(to->writer);
}

/* Return the exceptions of a group, or what an error of another language has collected, as a tuple, a new
 * reference; NULL for what has none. */
static PyObject *
inner_errors(wire_python_encoder *to, PyObject *exception)
{
    PyObject *inner = PyObject_GetAttrString(exception, "exceptions");
    if (inner == NULL) {
        PyErr_Clear();
        inner = PyObject_GetAttrString(exception, "errors");
    }
    bool fits = inner != NULL && PyTuple_Check(inner) && TUPLE_SIZE(inner) > 0 &&
                to->errors + TUPLE_SIZE(inner) <= ERRORS_MAX;

    PyErr_Clear();
    for (Py_ssize_t index = 0; fits && index < TUPLE_SIZE(inner); index++)
        fits = wire_python_is(TUPLE_ITEM(inner, index), PyExc_BaseException);
    if (!fits)
        Py_CLEAR(inner);
    else
        to->errors += (unsigned)TUPLE_SIZE(inner);
    return inner;
}

static int
encode_inner_errors(wire_python_encoder *to, PyObject *inner, unsigned causes)
{
    const Py_ssize_t count = TUPLE_SIZE(inner);

    encode_ascii(to, "errors");
    wire_enter_list(to->writer, (size_t)count);
    for (Py_ssize_t index = 0; index < count; index++)
        if (encode_error(to, TUPLE_ITEM(inner, index), causes + 1) < 0)
            return -1;
    wire_leave(to->writer);
    return 0;
}

/* Write what else belongs to an exception: notes, the exceptions of a group, a reference of itself. */
static int
encode_extra(wire_python_encoder *to, PyObject *exception, unsigned causes)
{
    PyObject *notes = PyObject_GetAttrString(exception, "__notes__");
    PyErr_Clear();
    PyObject *inner = causes < CAUSES_MAX ? inner_errors(to, exception) : NULL;
    const bool refers = to->hooks->refers_to_errors;
    int result = 0;

    if (notes != NULL && (!PyList_Check(notes) || LIST_SIZE(notes) == 0))
        Py_CLEAR(notes);
    wire_enter_map(to->writer, (size_t)(notes != NULL) + (inner != NULL) + refers);
    if (notes != NULL)
        encode_notes(to, notes);
    if (inner != NULL)
        result = encode_inner_errors(to, inner, causes);
    if (refers && result == 0) {
        encode_ascii(to, "original");
        result = wire_python_encode_reference(to, exception);
    }
    wire_leave(to->writer);
    Py_XDECREF(inner);
    Py_XDECREF(notes);
    return result;
}

static int
encode_error_fields(wire_python_encoder *to, PyObject *exception, unsigned causes)
{
    size_t start;

    if (wire_enter_extension(to->writer, WIRE_ERROR, &start) > WIRE_FULL ||
        wire_enter_list(to->writer, 6) > WIRE_FULL)
        return wire_python_climb(to, exception);
    encode_ascii(to, "python");
    if (encode_type_name(to, exception) < 0)
        return -1;
    PyObject *message = PyObject_Str(exception);
    if (message == NULL) {
        PyErr_Clear();
        encode_ascii(to, "(its text could not be made)");
    } else {
        int result = wire_python_encode_text(to, message);
        Py_DECREF(message);
        if (result < 0)
            return -1;
    }
    if (encode_frames(to, exception) < 0)
        return -1;
    PyObject *cause = causes < CAUSES_MAX ? cause_of(exception) : NULL;
    if (cause == NULL) {
        wire_write_nil(to->writer);
    } else {
        int result = encode_error(to, cause, causes + 1);
        Py_DECREF(cause);
        if (result < 0)
            return -1;
    }
    if (encode_extra(to, exception, causes) < 0)
        return -1;
    wire_leave(to->writer);
    wire_leave_extension(to->writer, start);
    return 0;
}

static COLD int
encode_error(wire_python_encoder *to, PyObject *exception, unsigned causes)
{
    int written = 0;

    if (to->hooks->write_error != NULL)
        written = to->hooks->write_error(to->hooks->context, to->writer, exception);
    if (written != 0)
        return written < 0 ? -1 : 0;
    return encode_error_fields(to, exception, causes);
}

COLD int
wire_python_encode_error(wire_python_encoder *to, PyObject *exception)
{
    return encode_error(to, exception, 0);
}

/* ------------------------------------------------------------------------------------ Reading */

static bool
has_field_type(Py_ssize_t field, PyObject *value)
{
    if (field < 3)
        return PyUnicode_Check(value);
    if (field == 3)
        return PyList_Check(value);
    return field == 4 || PyDict_Check(value);
}

/* Read the fields of an ERROR; a cause must be one itself, or nil. */
static PyObject *
decode_error_fields(wire_reader *reader, const wire_python_hooks *hooks)
{
    wire_token list;

    if (wire_read(reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count != 6)
        return wire_python_raise(reader->status != WIRE_OK ? reader->status : WIRE_BAD_EXTENSION);
    if (wire_descend(reader) != WIRE_OK)
        return wire_python_raise(reader->status);
    PyObject *fields = PyTuple_New(6);
    for (Py_ssize_t field = 0; field < 6 && fields != NULL; field++) {
        if (field == 4) {
            wire_reader ahead = *reader;
            wire_token cause;
            if (wire_read(&ahead, &cause) == WIRE_OK && cause.kind != WIRE_NIL &&
                (cause.kind != WIRE_EXTENSION || cause.type != WIRE_ERROR)) {
                Py_DECREF(fields);
                return wire_python_raise(WIRE_BAD_EXTENSION);
            }
        }
        PyObject *value = wire_python_decode(reader, hooks, false);
        if (value == NULL || !has_field_type(field, value)) {
            Py_CLEAR(fields);
            Py_XDECREF(value);
            wire_python_raise(WIRE_BAD_EXTENSION);
        } else {
            TUPLE_SET(fields, field, value);
        }
    }
    wire_ascend(reader);
    return fields;
}

static PyObject *
decode_payload(wire_reader *reader, const wire_token *token, const wire_python_hooks *hooks)
{
    wire_reader inner;

    if (wire_open(reader, token, &inner) != WIRE_OK)
        return wire_python_raise(reader->status);
    inner.shared = false;
    PyObject *fields = decode_error_fields(&inner, hooks);
    PyObject *error = NULL;
    if (fields == NULL)
        return NULL;
    if (wire_close(reader, &inner) != WIRE_OK)
        wire_python_raise(reader->status);
    else if (hooks->read_error != NULL)
        error = hooks->read_error(hooks->context, fields);
    else
        wire_raise(WIRE_UNREADABLE, "no errors are taken here");
    Py_DECREF(fields);
    return error;
}

/* The cause is looked at before it is read, so the payload may not change in between. */
COLD PyObject *
wire_python_decode_error(wire_reader *reader, const wire_token *token,
                         const wire_python_hooks *hooks)
{
    wire_token copied = *token;

    if (!reader->shared)
        return decode_payload(reader, token, hooks);
    PyObject *copy = PyBytes_FromStringAndSize((const char *)token->bytes, (Py_ssize_t)token->length);
    if (copy == NULL)
        return NULL;
    copied.bytes = (const uint8_t *)BYTES_DATA(copy);
    PyObject *error = decode_payload(reader, &copied, hooks);
    Py_DECREF(copy);
    return error;
}
