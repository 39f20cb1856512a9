/* CPython objects to wire values and back.
 *
 * Written (the type is compared exactly first, so these cost a few nanoseconds)
 *   None, bool, int, float, str, bytes      nil, bool, int or BIGINT, float, text or TEXT16, binary
 *   list, tuple; dict; set, frozenset       list; map, in its order; SET
 *   tuple, named tuple, Counter, slice, ... PYTHON, where `keeps_python`; else as above, or by reference
 *   other subclasses (IntEnum, numpy.str_)  as their base class, by its own data: overridden methods
 *                                           are not asked
 *   NumPy's scalars                         bool by truth, integers by __index__, floats by __float__
 *                                           when that is exact; any other by reference
 *   datetime.datetime                       TIMESTAMP when aware (the instant; the zone is lost),
 *                                           LOCAL_TIME when naive: nobody guesses a zone
 *   BaseException                           ERROR, with frames, notes and at most 32 causes
 *   exporters of the buffer protocol        ARRAY, through `write_array`; a format that is none of
 *   (NumPy arrays, bytearray, array.array)  wire_dtype by reference, and so do subclasses of ndarray
 *                                           (masked arrays, quantities) other than memmap. NumPy arrays
 *                                           of the other byte order are written as a swapped copy
 *   `hooks.undefined`                       UNDEFINED
 *   anything else                           through `write_reference`
 *
 * Read: the types on the left of the first rows; where not `keeps_python`, tuples come back as lists and
 * frozensets as sets. Where
 * a value must be hashed (a key of a dict, a member of a set) lists become tuples and sets
 * frozensets. UNDEFINED is `hooks.undefined`, or None without one. TIMESTAMP is an aware datetime in
 * UTC, and nanoseconds are cut to microseconds. In TEXT16 a high surrogate followed by a low one is
 * one character, also where a str held them as two.
 *
 * Errors.  Failures of the codec raise the class given to wire_python_init with one argument, a text,
 * and the attribute `status` (a wire_status). What an object's own code or a hook raises passes
 * through.
 *
 * Ownership.  Hooks borrow their arguments. `context` and `undefined` belong to the caller.
 *
 * Re-entrancy.  Hooks and objects run Python code, which may change what is being written: lists and
 * dicts that change their length meanwhile are an error, never a crash. A hook may write nested values
 * with wire_encode_object on the same writer; levels go on counting.
 *
 * Threads.  The GIL is held throughout.
 *
 * This source also builds with Py_LIMITED_API=0x03080000. */
#ifndef NOODLE_WIRE_PYTHON_H
#define NOODLE_WIRE_PYTHON_H

#ifndef PY_SSIZE_T_CLEAN
#  define PY_SSIZE_T_CLEAN
#endif
#include <Python.h>

#include "noodle/wire.h"

#if defined(Py_LIMITED_API) && Py_LIMITED_API + 0 < 0x030b0000
/* The limited headers declare the buffer protocol since 3.11; its layout and functions are the same
 * in every version since 3.0. */
typedef struct {
    void *buf;
    PyObject *obj;
    Py_ssize_t len;
    Py_ssize_t itemsize;
    int readonly;
    int ndim;
    char *format;
    Py_ssize_t *shape;
    Py_ssize_t *strides;
    Py_ssize_t *suboffsets;
    void *internal;
} Py_buffer;
PyAPI_FUNC(int) PyObject_GetBuffer(PyObject *exporter, Py_buffer *view, int flags);
PyAPI_FUNC(void) PyBuffer_Release(Py_buffer *view);
#  define PyBUF_FORMAT 0x0004
#  define PyBUF_STRIDES (0x0010 | 0x0008)
#  define PyBUF_RECORDS_RO (PyBUF_STRIDES | PyBUF_FORMAT)
#endif

/* Each hook may be NULL. The ones that write return 1 when they have written exactly one value, 0 to
 * leave it to the default, -1 with an exception. */
typedef struct wire_python_hooks {
    void *context;
    /* Default: the error that the object cannot be sent. */
    int (*write_reference)(void *context, wire_writer *writer, PyObject *object);
    /* `array` describes `view`: dtype, shape, strides, flags. Placement, segment and offset are for
     * the hook to fill in. Default: a copy inline, in the order of its memory if it is contiguous. */
    int (*write_array)(void *context, wire_writer *writer, PyObject *object, const Py_buffer *view,
                       const wire_array *array);
    /* Default: language "python", fields from the exception. */
    int (*write_error)(void *context, wire_writer *writer, PyObject *exception);
    /* Return a new reference. Default of each: the error that this end does not take such values. */
    PyObject *(*read_reference)(void *context, const wire_reference *reference);
    /* An inline array has passed wire_array_check; its memory belongs to the message, and is to be
     * copied and checked with wire_items_valid. A segment is for the hook to find and to check. */
    PyObject *(*read_array)(void *context, const wire_array *array);
    /* `fields` is (language, type, message, frames, cause, extra): str, str, str, list of [file,
     * line, column, function], what this hook returned for the cause or None, dict. */
    PyObject *(*read_error)(void *context, PyObject *fields);
    PyObject *undefined;
    /* Exceptions are written with a reference of themselves, so that one that comes back is the same. */
    bool refers_to_errors;
    /* The peer is Python, too: what only Python has goes by value, and is taken. */
    bool keeps_python;
} wire_python_hooks;

/* Prepare the process; `error` is the exception class to raise. Return 0, or -1 with an exception. May
 * be called again, with the class to use from then on. */
int wire_python_init(PyObject *error);

/* Write one object. Return 0 when it is written, or when the writer is WIRE_FULL without `grow` and
 * has counted what it takes; -1 with an exception. `hooks` may be NULL. */
int wire_encode_object(wire_writer *writer, PyObject *object, const wire_python_hooks *hooks);

/* Read one object. Return a new reference, or NULL with an exception. `hooks` may be NULL. */
PyObject *wire_decode_object(wire_reader *reader, const wire_python_hooks *hooks);

/* Raise the error class for a status, with `detail` behind its text unless it is NULL. */
void wire_raise(wire_status status, const char *detail);

#endif
