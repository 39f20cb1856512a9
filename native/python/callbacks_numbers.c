/* Numbers of C: read where they lie, and written as C takes them in a register. */
#include "callbacks.h"

#include <string.h>

size_t
callbacks_number_size(char letter)
{
    switch (letter) {
    case 'b': case 'B': return 1;
    case 'h': case 'H': return 2;
    case 'i': case 'I': case 'f': return 4;
    case 'q': case 'Q': case 'd': return 8;
    default: return 0;
    }
}

#define READ(type, made)                     \
    {                                        \
        type value;                          \
        memcpy(&value, place, sizeof value); \
        return made(value);                  \
    }

PyObject *
callbacks_number_at(const void *place, char letter)
{
    switch (letter) {
    case 'b': READ(int8_t, PyLong_FromLong)
    case 'B': READ(uint8_t, PyLong_FromLong)
    case 'h': READ(int16_t, PyLong_FromLong)
    case 'H': READ(uint16_t, PyLong_FromLong)
    case 'i': READ(int32_t, PyLong_FromLong)
    case 'I': READ(uint32_t, PyLong_FromUnsignedLong)
    case 'q': READ(int64_t, PyLong_FromLongLong)
    case 'Q': READ(uint64_t, PyLong_FromUnsignedLongLong)
    case 'f': READ(float, PyFloat_FromDouble)
    case 'd': READ(double, PyFloat_FromDouble)
    case '?': READ(uint8_t, PyBool_FromLong)
    }
    PyErr_BadInternalCall();
    return NULL;
}

/* Writes an integer between two limits. */
static int
integer_from(PyObject *value, long long least, long long most, Register *found)
{
    int overflow;
    if (!PyLong_Check(value))
        return -1;
    long long number = PyLong_AsLongLongAndOverflow(value, &overflow);
    if (overflow || number < least || number > most)
        return -1;
    found->bits = (uint64_t)number;
    return 0;
}

int
callbacks_number_from(PyObject *value, char letter, Register *found)
{
    switch (letter) {
    case 'b': return integer_from(value, INT8_MIN, INT8_MAX, found);
    case 'B': return integer_from(value, 0, UINT8_MAX, found);
    case 'h': return integer_from(value, INT16_MIN, INT16_MAX, found);
    case 'H': return integer_from(value, 0, UINT16_MAX, found);
    case 'i': return integer_from(value, INT32_MIN, INT32_MAX, found);
    case 'I': return integer_from(value, 0, UINT32_MAX, found);
    case 'q': return integer_from(value, INT64_MIN, INT64_MAX, found);
    case 'Q': return integer_from(value, 0, INT64_MAX, found);
    case 'd':
        if (!PyFloat_Check(value))
            return -1;
        found->number = PyFloat_AS_DOUBLE(value);
        return 0;
    default: return -1;
    }
}
