/* The CPython side of noodle/wire.h; wire_python.h is the contract. */

#include "wire_python.h"

#include <stdio.h>
#include <string.h>

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COLD __attribute__((noinline, cold))

/* The stable ABI has functions where the full one has macros. */
#ifdef Py_LIMITED_API
#  define LIST_SIZE(list) PyList_Size(list)
#  define LIST_ITEM(list, index) PyList_GetItem(list, index)
#  define LIST_SET(list, index, item) PyList_SetItem(list, index, item)
#  define TUPLE_SIZE(tuple) PyTuple_Size(tuple)
#  define TUPLE_ITEM(tuple, index) PyTuple_GetItem(tuple, index)
#  define TUPLE_SET(tuple, index, item) PyTuple_SetItem(tuple, index, item)
#  define BYTES_DATA(bytes) PyBytes_AsString(bytes)
#  define BYTES_SIZE(bytes) PyBytes_Size(bytes)
#  define FLOAT_VALUE(object) PyFloat_AsDouble(object)
#else
#  define LIST_SIZE(list) PyList_GET_SIZE(list)
#  define LIST_ITEM(list, index) PyList_GET_ITEM(list, index)
#  define LIST_SET(list, index, item) PyList_SET_ITEM(list, index, item)
#  define TUPLE_SIZE(tuple) PyTuple_GET_SIZE(tuple)
#  define TUPLE_ITEM(tuple, index) PyTuple_GET_ITEM(tuple, index)
#  define TUPLE_SET(tuple, index, item) PyTuple_SET_ITEM(tuple, index, item)
#  define BYTES_DATA(bytes) PyBytes_AS_STRING(bytes)
#  define BYTES_SIZE(bytes) PyBytes_GET_SIZE(bytes)
#  define FLOAT_VALUE(object) PyFloat_AS_DOUBLE(object)
#endif

/* Chosen: longer chains are loops of retries, and the first causes are the ones that explain. */
#define CAUSES_MAX 32

static struct {
    PyObject *error;
    PyObject *datetime;    /* datetime.datetime */
    PyObject *timedelta;
    PyObject *epoch;       /* 1970-01-01, naive */
    PyObject *epoch_utc;   /* the same, aware */
    PyObject *numpy_generic, *numpy_bool, *numpy_integer, *numpy_floating; /* NULL until needed */
} state;

static const wire_python_hooks no_hooks;

/* ------------------------------------------------------------------------------------- Errors */

void
wire_raise(wire_status status, const char *detail)
{
    PyObject *exception;

    if (status == WIRE_NO_MEMORY) {
        PyErr_NoMemory();
        return;
    }
    const char *text = wire_status_text(status);
    exception = detail == NULL ? PyObject_CallFunction(state.error, "s", text)
                               : PyObject_CallFunction(state.error, "N",
                                                       PyUnicode_FromFormat("%s: %s", text, detail));
    if (exception == NULL)
        return;
    PyObject *number = PyLong_FromLong(status);
    if (number != NULL && PyObject_SetAttrString(exception, "status", number) == 0)
        PyErr_SetObject((PyObject *)Py_TYPE(exception), exception);
    Py_XDECREF(number);
    Py_DECREF(exception);
}

/* Copy the name of an object's type; "object" where it has none. Leaves no exception. */
static void
copy_type_name(PyObject *object, char *to, size_t size)
{
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(object), "__name__");
    PyObject *bytes = name != NULL && PyUnicode_Check(name) ? PyUnicode_AsUTF8String(name) : NULL;

    snprintf(to, size, "%s", bytes != NULL ? BYTES_DATA(bytes) : "object");
    Py_XDECREF(bytes);
    Py_XDECREF(name);
    PyErr_Clear();
}

static COLD int
refuse(wire_status status, const char *format, PyObject *object)
{
    char name[80];
    char text[240];

    copy_type_name(object, name, sizeof name);
    snprintf(text, sizeof text, format, name);
    wire_raise(status, text);
    return -1;
}

int
wire_python_init(PyObject *error)
{
    Py_INCREF(error);
    Py_XDECREF(state.error);
    state.error = error;
    if (state.datetime != NULL)
        return 0;

    PyObject *module = PyImport_ImportModule("datetime");
    PyObject *zone_type = module != NULL ? PyObject_GetAttrString(module, "timezone") : NULL;
    PyObject *utc = zone_type != NULL ? PyObject_GetAttrString(zone_type, "utc") : NULL;
    PyObject *datetime = utc != NULL ? PyObject_GetAttrString(module, "datetime") : NULL;
    if (datetime != NULL) {
        state.timedelta = PyObject_GetAttrString(module, "timedelta");
        state.epoch = PyObject_CallFunction(datetime, "iii", 1970, 1, 1);
        state.epoch_utc =
            PyObject_CallFunction(datetime, "iiiiiiiO", 1970, 1, 1, 0, 0, 0, 0, utc);
        if (state.timedelta != NULL && state.epoch != NULL && state.epoch_utc != NULL) {
            Py_INCREF(datetime);
            state.datetime = datetime;
        }
    }
    Py_XDECREF(datetime);
    Py_XDECREF(utc);
    Py_XDECREF(zone_type);
    Py_XDECREF(module);
    return state.datetime != NULL ? 0 : -1;
}

/* Look up NumPy's scalar types once some other code has imported it. Leaves no exception. */
static bool
know_numpy(void)
{
    if (state.numpy_generic != NULL)
        return true;
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *numpy = modules != NULL ? PyDict_GetItemString(modules, "numpy") : NULL;
    if (numpy == NULL)
        return false;
    Py_INCREF(numpy);
    PyObject *generic = PyObject_GetAttrString(numpy, "generic");
    PyObject *boolean = PyObject_GetAttrString(numpy, "bool_");
    PyObject *integer = PyObject_GetAttrString(numpy, "integer");
    PyObject *floating = PyObject_GetAttrString(numpy, "floating");
    Py_DECREF(numpy);
    if (generic != NULL && boolean != NULL && integer != NULL && floating != NULL &&
        PyType_Check(generic) && PyType_Check(boolean) && PyType_Check(integer) &&
        PyType_Check(floating)) {
        state.numpy_bool = boolean;
        state.numpy_integer = integer;
        state.numpy_floating = floating;
        state.numpy_generic = generic;
        return true;
    }
    PyErr_Clear();
    Py_XDECREF(generic);
    Py_XDECREF(boolean);
    Py_XDECREF(integer);
    Py_XDECREF(floating);
    return false;
}

static inline bool
is_a(PyObject *object, PyObject *type)
{
    return PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)type) != 0;
}

/* ------------------------------------------------------------------------------------ Writing */

/* What one call of wire_encode_object carries down.
 *
 * A value that contains itself runs into the depth limit. On the way back up, the container that hit
 * the limit is compared with each one around it: meeting it again proves the cycle and gives its
 * path. So values without cycles pay nothing. */
typedef struct {
    wire_writer *writer;
    const wire_python_hooks *hooks;
    PyObject *deepest; /* compared only, while the containers around it are alive */
    unsigned levels;
    bool cyclic;
    char path[160];
} encoder;

static int encode(encoder *to, PyObject *object);

/* WIRE_FULL goes on counting; anything after it is an error. */
static inline bool
failed(const encoder *to)
{
    return UNLIKELY(to->writer->status > WIRE_FULL);
}

static COLD int
climb_from(encoder *to, PyObject *container)
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
        copy_type_name(container, name, sizeof name);
        snprintf(to->path + used, sizeof to->path - used, "%s%s", used > 0 ? " in " : "", name);
    }
    return -1;
}

/* Write the magnitude of an int that is beyond 64 bits. */
static COLD int
encode_big_int(encoder *to, PyObject *number, bool negative)
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
encode_int(encoder *to, PyObject *number)
{
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(number, &overflow);

    if (UNLIKELY(overflow != 0))
        return encode_big_int(to, number, overflow < 0);
    wire_write_int(to->writer, value);
    return 0;
}

static COLD int
encode_text16(encoder *to, PyObject *text)
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
encode_text(encoder *to, PyObject *text)
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
encode_list(encoder *to, PyObject *list)
{
    Py_ssize_t size = LIST_SIZE(list);

    if (wire_enter_list(to->writer, (size_t)size) > WIRE_FULL)
        return climb_from(to, list);
    for (Py_ssize_t index = 0; index < size; index++) {
        if (UNLIKELY(LIST_SIZE(list) != size))
            return refuse(WIRE_CHANGED, "a %s got another length", list);
        PyObject *item = LIST_ITEM(list, index);
        Py_INCREF(item);
        int result = encode(to, item);
        Py_DECREF(item);
        if (UNLIKELY(result < 0) || failed(to))
            return climb_from(to, list);
    }
    wire_leave(to->writer);
    return 0;
}

static int
encode_tuple(encoder *to, PyObject *tuple)
{
    Py_ssize_t size = TUPLE_SIZE(tuple);

    if (wire_enter_list(to->writer, (size_t)size) > WIRE_FULL)
        return climb_from(to, tuple);
    for (Py_ssize_t index = 0; index < size; index++)
        if (UNLIKELY(encode(to, TUPLE_ITEM(tuple, index)) < 0) || failed(to))
            return climb_from(to, tuple);
    wire_leave(to->writer);
    return 0;
}

static int
encode_pair(encoder *to, PyObject *key, PyObject *value)
{
    Py_INCREF(key);
    Py_INCREF(value);
    int result = encode(to, key) < 0 ? -1 : encode(to, value);
    Py_DECREF(value);
    Py_DECREF(key);
    return failed(to) ? -1 : result;
}

static int
encode_dict(encoder *to, PyObject *dict)
{
    Py_ssize_t size = PyDict_Size(dict);
    Py_ssize_t position = 0;
    Py_ssize_t written = 0;
    PyObject *key;
    PyObject *value;

    if (wire_enter_map(to->writer, (size_t)size) > WIRE_FULL)
        return climb_from(to, dict);
    while (PyDict_Next(dict, &position, &key, &value)) {
        if (UNLIKELY(written++ == size))
            break;
        if (UNLIKELY(encode_pair(to, key, value) < 0))
            return climb_from(to, dict);
        if (UNLIKELY(PyDict_Size(dict) != size))
            break;
    }
    if (UNLIKELY(written != size || PyDict_Size(dict) != size))
        return refuse(WIRE_CHANGED, "a %s got other keys", dict);
    wire_leave(to->writer);
    return 0;
}

/* A set that changes while it is iterated raises RuntimeError by itself. */
static int
encode_set(encoder *to, PyObject *set)
{
    Py_ssize_t size = PySet_Size(set);
    Py_ssize_t written = 0;
    size_t start;
    PyObject *member;

    if (wire_enter_extension(to->writer, WIRE_SET, &start) > WIRE_FULL ||
        wire_enter_list(to->writer, (size_t)size) > WIRE_FULL)
        return climb_from(to, set);
    PyObject *iterator = PyObject_CallMethod(
        PyFrozenSet_Check(set) ? (PyObject *)&PyFrozenSet_Type : (PyObject *)&PySet_Type, "__iter__",
        "O", set);
    if (iterator == NULL)
        return -1;
    while ((member = PyIter_Next(iterator)) != NULL) {
        int result = encode(to, member);
        Py_DECREF(member);
        if (result < 0 || failed(to)) {
            Py_DECREF(iterator);
            return climb_from(to, set);
        }
        written++;
    }
    Py_DECREF(iterator);
    if (PyErr_Occurred())
        return -1;
    if (written != size)
        return refuse(WIRE_CHANGED, "a %s got other members", set);
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
encode_datetime(encoder *to, PyObject *datetime)
{
    int64_t days;
    int64_t seconds;
    int64_t microseconds;

    PyObject *offset = PyObject_CallMethod(datetime, "utcoffset", NULL);
    if (offset == NULL)
        return -1;
    bool aware = offset != Py_None;
    Py_DECREF(offset);
    PyObject *duration = PyNumber_Subtract(datetime, aware ? state.epoch_utc : state.epoch);
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

/* ------------------------------------------------------------------------------ Writing errors */

static int
encode_ascii(encoder *to, const char *text)
{
    wire_write_text(to->writer, text, strlen(text));
    return 0;
}

/* Write `module.Class`, or the bare name of a builtin. */
static int
encode_type_name(encoder *to, PyObject *object)
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
    result = full != NULL ? encode_text(to, full) : encode_ascii(to, "object");
    PyErr_Clear();
    Py_XDECREF(full);
    Py_XDECREF(name);
    Py_XDECREF(module);
    return result;
}

/* Write an attribute that must be a str or an int; nil for anything else. */
static void
encode_plain_attribute(encoder *to, PyObject *object, const char *name)
{
    PyObject *value = object != NULL ? PyObject_GetAttrString(object, name) : NULL;

    if (value != NULL && PyUnicode_Check(value))
        encode_text(to, value);
    else if (value != NULL && PyLong_Check(value))
        encode_int(to, value);
    else
        wire_write_nil(to->writer);
    Py_XDECREF(value);
    PyErr_Clear();
}

/* Write the frames of a traceback, outermost call first. */
static int
encode_frames(encoder *to, PyObject *exception)
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
    if (cause != NULL && is_a(cause, PyExc_BaseException))
        return cause;
    Py_XDECREF(cause);
    return NULL;
}

/* Write the notes that were added to an exception; whatever else hangs on it stays here. */
static void
encode_notes(encoder *to, PyObject *exception)
{
    PyObject *notes = PyObject_GetAttrString(exception, "__notes__");
    Py_ssize_t count = notes != NULL && PyList_Check(notes) ? LIST_SIZE(notes) : 0;

    PyErr_Clear();
    wire_enter_map(to->writer, count > 0);
    if (count > 0) {
        encode_ascii(to, "notes");
        wire_enter_list(to->writer, (size_t)count);
        for (Py_ssize_t index = 0; index < count; index++) {
            PyObject *note = LIST_ITEM(notes, index);
            if (!PyUnicode_Check(note) || encode_text(to, note) < 0)
                encode_ascii(to, "");
            PyErr_Clear();
        }
        wire_leave(to->writer);
    }
    wire_leave(to->writer);
    Py_XDECREF(notes);
}

static int encode_error(encoder *to, PyObject *exception, unsigned causes);

static int
encode_error_fields(encoder *to, PyObject *exception, unsigned causes)
{
    size_t start;

    if (wire_enter_extension(to->writer, WIRE_ERROR, &start) > WIRE_FULL ||
        wire_enter_list(to->writer, 6) > WIRE_FULL)
        return climb_from(to, exception);
    encode_ascii(to, "python");
    if (encode_type_name(to, exception) < 0)
        return -1;
    PyObject *message = PyObject_Str(exception);
    if (message == NULL) {
        PyErr_Clear();
        encode_ascii(to, "(its text could not be made)");
    } else {
        int result = encode_text(to, message);
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
    encode_notes(to, exception);
    wire_leave(to->writer);
    wire_leave_extension(to->writer, start);
    return 0;
}

static COLD int
encode_error(encoder *to, PyObject *exception, unsigned causes)
{
    int written = 0;

    if (to->hooks->write_error != NULL)
        written = to->hooks->write_error(to->hooks->context, to->writer, exception);
    if (written != 0)
        return written < 0 ? -1 : 0;
    return encode_error_fields(to, exception, causes);
}

/* ------------------------------------------------------------------------------ Writing arrays */

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

static COLD int encode_reference(encoder *to, PyObject *object);

/* Write a buffer whose view is held, with `time_of` describing DATETIME and TIMEDELTA or NULL. */
static int
encode_view(encoder *to, PyObject *object, const Py_buffer *view, const wire_array *time_of)
{
    wire_array array;
    int written = 0;

    if (!describe_view(view, &array))
        return encode_reference(to, object);
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
encode_without_buffer(encoder *to, PyObject *object)
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
        return encode_reference(to, object);
    }
    result = encode_view(to, object, &view, &time_of);
    PyBuffer_Release(&view);
    Py_DECREF(numbers);
    return result;
}

/* --------------------------------------------------------------- Writing everything that is rare */

static COLD int
encode_reference(encoder *to, PyObject *object)
{
    int written = 0;

    if (to->hooks->write_reference != NULL)
        written = to->hooks->write_reference(to->hooks->context, to->writer, object);
    if (written < 0)
        return -1;
    return written > 0 ? 0 : refuse(WIRE_UNSENDABLE, "%s goes by reference, and none can be made here", object);
}

/* Write a NumPy scalar as the number that it stands for. */
static COLD int
encode_numpy_scalar(encoder *to, PyObject *scalar)
{
    if (is_a(scalar, state.numpy_bool)) {
        int truth = PyObject_IsTrue(scalar);
        if (truth < 0)
            return -1;
        wire_write_bool(to->writer, truth);
        return 0;
    }
    bool whole = is_a(scalar, state.numpy_integer);
    if (!whole && !is_a(scalar, state.numpy_floating))
        return encode_reference(to, scalar);
    PyObject *number = whole ? PyNumber_Index(scalar) : PyNumber_Float(scalar);
    if (number == NULL) {
        /* timedelta64 is an integer to NumPy, but has no __index__. */
        PyErr_Clear();
        return encode_reference(to, scalar);
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
            result = exact < 0 ? -1 : encode_reference(to, scalar);
    }
    Py_DECREF(number);
    return result;
}

static COLD int
encode_exporter(encoder *to, PyObject *object)
{
    Py_buffer view;

    if (PyObject_GetBuffer(object, &view, PyBUF_RECORDS_RO) < 0) {
        PyErr_Clear();
        return encode_without_buffer(to, object);
    }
    int result = encode_view(to, object, &view, NULL);
    PyBuffer_Release(&view);
    return result;
}

static COLD int
encode_rare(encoder *to, PyObject *object)
{
    if (PyUnicode_Check(object))
        return encode_text(to, object);
    if (PyLong_Check(object))
        return encode_int(to, object);
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
    if (is_a(object, state.datetime))
        return encode_datetime(to, object);
    if (is_a(object, PyExc_BaseException))
        return encode_error(to, object, 0);
    if (know_numpy() && is_a(object, state.numpy_generic))
        return encode_numpy_scalar(to, object);
    return encode_exporter(to, object);
}

static int
encode(encoder *to, PyObject *object)
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

static COLD int
raise_for_writer(const encoder *to)
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
    encoder to;

    to.writer = writer;
    to.hooks = hooks != NULL ? hooks : &no_hooks;
    to.deepest = NULL;
    to.levels = 0;
    to.cyclic = false;
    to.path[0] = '\0';
    if (UNLIKELY(encode(&to, object) < 0 || writer->status > WIRE_FULL))
        return raise_for_writer(&to);
    return 0;
}

/* ------------------------------------------------------------------------------------ Reading */

static PyObject *decode(wire_reader *reader, const wire_python_hooks *hooks, bool hashable);

static COLD PyObject *
raise_status(wire_status status)
{
    if (!PyErr_Occurred())
        wire_raise(status, NULL);
    return NULL;
}

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
        return raise_status(WIRE_BAD_TEXT);
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
        return raise_status(reader->status);
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
        return raise_status(reader->status);
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
    return refuse(WIRE_UNHASHABLE, "%s as key of a dict or member of a set", value);
}

static PyObject *
decode_map(wire_reader *reader, uint32_t count, const wire_python_hooks *hooks)
{
    if (wire_descend(reader) != WIRE_OK)
        return raise_status(reader->status);
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
        return raise_status(reader->status != WIRE_OK ? reader->status : WIRE_BAD_EXTENSION);
    if (wire_descend(reader) != WIRE_OK)
        return raise_status(reader->status);
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
        return raise_status(reader->status);
    PyObject *set = decode_members(&inner, hooks, hashable);
    if (set != NULL && wire_close(reader, &inner) != WIRE_OK) {
        Py_DECREF(set);
        return raise_status(reader->status);
    }
    return set;
}

static COLD PyObject *
decode_big_int(const wire_token *token)
{
    wire_bigint number;
    wire_status status = wire_bigint_read(token->bytes, token->length, &number);

    if (status != WIRE_OK)
        return raise_status(status);
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
        return raise_status(status);
    PyObject *duration =
        PyObject_CallFunction(state.timedelta, "iLI", 0, (long long)instant.seconds,
                              (unsigned int)(instant.nanoseconds / 1000));
    PyObject *datetime = NULL;
    if (duration != NULL)
        datetime = PyNumber_Add(token->type == WIRE_TIMESTAMP ? state.epoch_utc : state.epoch,
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
        return raise_status(status);
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
        return raise_status(status);
    reader->elements -= array.elements;
    if (hooks->read_array != NULL)
        return hooks->read_array(hooks->context, &array);
    wire_raise(WIRE_UNREADABLE, "no arrays are taken here");
    return NULL;
}

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
        return raise_status(reader->status != WIRE_OK ? reader->status : WIRE_BAD_EXTENSION);
    if (wire_descend(reader) != WIRE_OK)
        return raise_status(reader->status);
    PyObject *fields = PyTuple_New(6);
    for (Py_ssize_t field = 0; field < 6 && fields != NULL; field++) {
        if (field == 4) {
            wire_reader ahead = *reader;
            wire_token cause;
            if (wire_read(&ahead, &cause) == WIRE_OK && cause.kind != WIRE_NIL &&
                (cause.kind != WIRE_EXTENSION || cause.type != WIRE_ERROR)) {
                Py_DECREF(fields);
                return raise_status(WIRE_BAD_EXTENSION);
            }
        }
        PyObject *value = decode(reader, hooks, false);
        if (value == NULL || !has_field_type(field, value)) {
            Py_CLEAR(fields);
            Py_XDECREF(value);
            raise_status(WIRE_BAD_EXTENSION);
        } else {
            TUPLE_SET(fields, field, value);
        }
    }
    wire_ascend(reader);
    return fields;
}

static COLD PyObject *
decode_error(wire_reader *reader, const wire_token *token, const wire_python_hooks *hooks)
{
    wire_reader inner;

    if (wire_open(reader, token, &inner) != WIRE_OK)
        return raise_status(reader->status);
    PyObject *fields = decode_error_fields(&inner, hooks);
    PyObject *error = NULL;
    if (fields == NULL)
        return NULL;
    if (wire_close(reader, &inner) != WIRE_OK)
        raise_status(reader->status);
    else if (hooks->read_error != NULL)
        error = hooks->read_error(hooks->context, fields);
    else
        wire_raise(WIRE_UNREADABLE, "no errors are taken here");
    Py_DECREF(fields);
    return error;
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
            return raise_status(WIRE_BAD_EXTENSION);
        Py_INCREF(undefined);
        return undefined;
    }
    case WIRE_ARRAY:
        return decode_array(reader, token, hooks);
    case WIRE_REFERENCE:
        return decode_reference(token, hooks);
    case WIRE_ERROR:
        return decode_error(reader, token, hooks);
    default:
        return raise_status(WIRE_BAD_EXTENSION);
    }
}

static PyObject *
decode(wire_reader *reader, const wire_python_hooks *hooks, bool hashable)
{
    wire_token token;

    if (UNLIKELY(wire_read(reader, &token) != WIRE_OK))
        return raise_status(reader->status);
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
    return raise_status(WIRE_INVALID);
}

PyObject *
wire_decode_object(wire_reader *reader, const wire_python_hooks *hooks)
{
    return decode(reader, hooks != NULL ? hooks : &no_hooks, false);
}
