/* A call of C by way of an entry: arguments, the function, its result. */
#include "callbacks_entries.h"

/* ---- Arguments ----------------------------------------------------------------------------- */

static const Register *
next_place(Places *places, char letter)
{
    if (letter == 'f' || letter == 'd')
        return places->numbers < places->numbers_end ? places->numbers++ : places->stack++;
    return places->integers < places->integers_end ? places->integers++ : places->stack++;
}

/* Returns what the function gets for an argument, or NULL with an exception. */
static PyObject *
given(PyObject *converter, char letter, PyObject *c_type, const Register *place)
{
    char *address = (char *)place->bits;
    if (letter == 'p' && Py_TYPE(converter) == callbacks_pointer_maker)
        return callbacks_pointer_at(converter, address);
    PyObject *value = letter == 'p' ? callbacks_cffi.object_of_pointer(address, c_type)
                                    : callbacks_number_at(place, letter);
    if (value == NULL || converter == Py_None)
        return value;
    PyObject *converted = PyObject_CallOneArg(converter, value);
    Py_DECREF(value);
    return converted;
}

/* Gives back what an argument's converter has made. */
static void
done(PyObject *converter, PyObject *value)
{
    if (Py_TYPE(converter) == callbacks_pointer_maker)
        callbacks_pointer_done(converter, value);
    else
        Py_DECREF(value);
}

/* Returns 0, or -1 with an exception. */
static int
all_given(const Entry *entry, PyObject *converters, Places places, PyObject **values)
{
    for (Py_ssize_t i = 0; i < entry->count; i++) {
        const Register *place = next_place(&places, entry->letters[i]);
        values[i] = given(PyTuple_GET_ITEM(converters, i), entry->letters[i],
                          PyTuple_GET_ITEM(entry->types, i), place);
        if (values[i] == NULL) {
            while (i-- > 0)
                Py_DECREF(values[i]);
            return -1;
        }
    }
    return 0;
}

/* ---- Results ------------------------------------------------------------------------------- */

/* Returns an integer that was written in its own size as a register has it. */
static uint64_t
extended(uint64_t bits, char letter)
{
    switch (letter) {
    case 'b': return (uint64_t)(int64_t)(int8_t)bits;
    case 'h': return (uint64_t)(int64_t)(int16_t)bits;
    case 'i': return (uint64_t)(int64_t)(int32_t)bits;
    default: return bits;
    }
}

int
callbacks_taken(const Entry *entry, PyObject *value, Register *found)
{
    char letter = entry->letters[entry->count];
    if (letter == 'v' || callbacks_number_from(value, letter, found) == 0)
        return 0;
    Register written = {0};
    PyObject *c_type = PyTuple_GET_ITEM(entry->types, entry->count);
    if (callbacks_cffi.write((char *)&written, c_type, value) < 0)
        return -1;
    found->bits = extended(written.bits, letter);
    return 0;
}

/* Tells of an exception that is set. */
static void
tell(const Entry *entry)
{
    PyObject *type, *error, *traceback;
    PyErr_Fetch(&type, &error, &traceback);
    PyErr_NormalizeException(&type, &error, &traceback);
    PyObject *told = PyObject_CallFunctionObjArgs(entry->failed, type, error,
                                                  traceback ? traceback : Py_None, NULL);
    if (told == NULL)
        PyErr_WriteUnraisable(entry->trampoline->told);
    Py_XDECREF(told);
    Py_DECREF(type);
    Py_XDECREF(error);
    Py_XDECREF(traceback);
}

/* ---- A call -------------------------------------------------------------------------------- */

/* Returns the function's result, converted, or NULL with an exception. */
static PyObject *
result_of(const Entry *entry, Places places)
{
    PyObject *around[MOST_ARGUMENTS + 1], **values = around + 1;
    /* Conversions and the function run Python code, which may release the trampoline. */
    PyObject *function = Py_NewRef(entry->trampoline->function);
    PyObject *converters = Py_NewRef(entry->trampoline->converters);
    PyObject *result = NULL;
    if (all_given(entry, converters, places, values) == 0) {
        /* The place before the arguments is the callee's to use: methods need no copy then. */
        size_t count = (size_t)entry->count | PY_VECTORCALL_ARGUMENTS_OFFSET;
        result = PyObject_Vectorcall(function, values, count, NULL);
        for (Py_ssize_t i = 0; i < entry->count; i++)
            done(PyTuple_GET_ITEM(converters, i), values[i]);
    }
    Py_DECREF(converters);
    Py_DECREF(function);
    int dropped = entry->letters[entry->count] == 'v';
    return dropped ? result : callbacks_convert_result(entry->trampoline, result);
}

Register
callbacks_called(const Entry *entry, Places places)
{
    callbacks_gave_result = 0;
    if (callbacks_pending_error != NULL)
        return entry->fallback;
    Register found = {0};
    PyObject *result = result_of(entry, places);
    if (result == NULL || callbacks_taken(entry, result, &found) < 0) {
        callbacks_gave_result = result != NULL;
        Py_XSETREF(callbacks_given, Py_XNewRef(result));
        tell(entry);
        Py_CLEAR(callbacks_given);
        found = entry->fallback;
    }
    Py_XDECREF(result);
    return found;
}
