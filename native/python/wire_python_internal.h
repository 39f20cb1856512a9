/* What the parts of the CPython adapter share. The contract is wire_python.h. */
#ifndef NOODLE_WIRE_PYTHON_INTERNAL_H
#define NOODLE_WIRE_PYTHON_INTERNAL_H

#include "wire_python.h"

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

typedef struct {
    PyObject *error;
    PyObject *datetime;    /* datetime.datetime */
    PyObject *timedelta;
    PyObject *epoch;       /* 1970-01-01, naive */
    PyObject *epoch_utc;   /* the same, aware */
    /* NULL until needed. */
    PyObject *named_tuples; /* classes by name and fields */
    PyObject *numpy_generic, *numpy_bool, *numpy_integer, *numpy_floating;
    PyObject *numpy_array, *numpy_memmap;
} wire_python_state;

extern wire_python_state wire_state;
extern const wire_python_hooks wire_python_no_hooks;

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
    unsigned errors; /* that were written within others, as a bound for those that contain each other */
    bool cyclic;
    char path[160];
} wire_python_encoder;

/* WIRE_FULL goes on counting; anything after it is an error. */
static inline bool
wire_python_failed(const wire_python_encoder *to)
{
    return UNLIKELY(to->writer->status > WIRE_FULL);
}

static inline bool
wire_python_is(PyObject *object, PyObject *type)
{
    return PyType_IsSubtype(Py_TYPE(object), (PyTypeObject *)type) != 0;
}

/* Copy the name of an object's type; "object" where it has none. Leaves no exception. */
void wire_python_type_name(PyObject *object, char *to, size_t size);
/* Raise with a text about an object, in which %s is its type's name. Returns -1. */
int wire_python_refuse(wire_status status, const char *format, PyObject *object);
/* Raise unless an exception is set already. Returns NULL. */
PyObject *wire_python_raise(wire_status status);
/* Look up NumPy's scalar types once some other code has imported it. Leaves no exception. */
bool wire_python_knows_numpy(void);

int wire_python_encode(wire_python_encoder *to, PyObject *object);
int wire_python_encode_int(wire_python_encoder *to, PyObject *number);
int wire_python_encode_dict(wire_python_encoder *to, PyObject *dict);
int wire_python_encode_text(wire_python_encoder *to, PyObject *text);
int wire_python_encode_reference(wire_python_encoder *to, PyObject *object);
/* Keep the container that hit the depth limit, or count one level above it. Returns -1. */
int wire_python_climb(wire_python_encoder *to, PyObject *container);
int wire_python_encode_error(wire_python_encoder *to, PyObject *exception);
/* Write what exports a buffer, or is an array of times; by reference what does neither. */
int wire_python_encode_exporter(wire_python_encoder *to, PyObject *object);

/* What only Python has, for a peer that has it as well.  Encoding returns 0, -1 with an exception, or 1
 * where the object is nothing of that kind. */
int wire_python_encode_own(wire_python_encoder *to, PyObject *object);
int wire_python_open_own(wire_python_encoder *to, wire_python_kind kind, Py_ssize_t size,
                         size_t *start);
void wire_python_close_own(wire_python_encoder *to, size_t start);
/* The same for an instance of a subclass of tuple, and of dict. */
int wire_python_encode_named_tuple(wire_python_encoder *to, PyObject *tuple);
int wire_python_encode_dict_class(wire_python_encoder *to, PyObject *dict);
/* Make the value from the items of its kind; of the second, from two. */
PyObject *wire_python_make_named_tuple(PyObject *items);
PyObject *wire_python_make_dict_class(PyObject *items);
PyObject *wire_python_decode_own(wire_reader *reader, const wire_token *token,
                                 const wire_python_hooks *hooks);

PyObject *wire_python_decode(wire_reader *reader, const wire_python_hooks *hooks, bool hashable);
PyObject *wire_python_decode_error(wire_reader *reader, const wire_token *token,
                                   const wire_python_hooks *hooks);

#endif
