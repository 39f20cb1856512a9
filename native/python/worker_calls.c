/* Calls of the host: read, and made. */
#define _GNU_SOURCE
#include "worker.h"

#include <stdlib.h>
#include <unistd.h>

/* Arguments of most calls, for which no tuple is made. */
#define FEW 3

/* ----------------------------------------------------------------------------------- Reading */

typedef struct payload {
    wire_reader reader;
    bool is_read;               /* its references are; see worker_reading_begin() */
    uint64_t operation;
    uint64_t id;
    uint32_t left;              /* items behind operation and id */
} payload;

static bool
open_payload(payload *from, const unsigned char *bytes, size_t length)
{
    wire_token list;
    wire_reader_init(&from->reader, bytes, length, wire_default_limits(), false);
    if (wire_read(&from->reader, &list) != WIRE_OK || list.kind != WIRE_LIST || list.count < 2
        || wire_descend(&from->reader) != WIRE_OK)
        return false;
    from->left = list.count - 2;
    return worker_read_natural(&from->reader, &from->operation)
           && worker_read_natural(&from->reader, &from->id);
}

/* The last of its values has been read, or reading has failed. */
static inline void
end_reading(payload *from)
{
    if (!from->is_read)
        worker_reading_end();
    from->is_read = true;
}

static void
drop_values(PyObject **values, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        Py_DECREF(values[i]);
}

/* Reads `count` values.  Returns false with an exception. */
static bool
read_values(wire_reader *reader, uint32_t count, PyObject **values)
{
    for (uint32_t i = 0; i < count; i++) {
        values[i] = wire_decode_object(reader, &worker_read_hooks);
        if (UNLIKELY(values[i] == NULL)) {
            drop_values(values, i);
            return false;
        }
    }
    return true;
}

static PyObject *
read_tuple(wire_reader *reader, uint32_t count)
{
    PyObject *const tuple = PyTuple_New((Py_ssize_t)count);
    for (uint32_t i = 0; tuple != NULL && i < count; i++) {
        PyObject *const value = wire_decode_object(reader, &worker_read_hooks);
        if (value == NULL) {
            Py_DECREF(tuple);
            return NULL;
        }
        PyTuple_SetItem(tuple, (Py_ssize_t)i, value);
    }
    return tuple;
}

/* ----------------------------------------------------------------------------------- Calling */

/* Notes what was called with the exception that is set: a C function has no frame that would tell. */
static COLD void
note_call(PyObject *callee)
{
    PyObject *type, *value, *traceback, *done;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    done = PyObject_CallFunctionObjArgs(worker.functions[WORKER_NOTE_CALL], value, callee, NULL);
    if (done == NULL)
        PyErr_Clear();
    Py_XDECREF(done);
    PyErr_Restore(type, value, traceback);
}

/* The result of a call that was made. */
static inline PyObject *
called(PyObject *callee, PyObject *result)
{
    if (UNLIKELY(result == NULL))
        note_call(callee);
    return result;
}

static PyObject *
call_with_tuple(PyObject *callee, PyObject *arguments, PyObject *named)
{
    if (arguments == NULL)
        return NULL;
    PyObject *const result = called(callee, PyObject_Call(callee, arguments, named));
    Py_DECREF(arguments);
    return result;
}

/* Of the stable ABI from 3.12 on, and in every CPython from 3.9 on; NULL in 3.8. */
extern PyObject *PyObject_Vectorcall(PyObject *callee, PyObject *const *values, size_t count,
                                     PyObject *names) __attribute__((weak));

/* Where there is no vectorcall: this one builds no tuple where the callee needs none, either. */
static COLD PyObject *
call_in_old_python(PyObject *callee, PyObject **values, uint32_t count)
{
    if (count == 1)
        return PyObject_CallFunctionObjArgs(callee, values[0], NULL);
    if (count == 2)
        return PyObject_CallFunctionObjArgs(callee, values[0], values[1], NULL);
    return PyObject_CallFunctionObjArgs(callee, values[0], values[1], values[2], NULL);
}

/* Calls with values that it takes. */
static inline PyObject *
call_with_values(PyObject *callee, PyObject **values, uint32_t count)
{
    PyObject *const result = LIKELY(PyObject_Vectorcall != NULL)
                                 ? PyObject_Vectorcall(callee, values, count, NULL)
                                 : call_in_old_python(callee, values, count);
    drop_values(values, count);
    return called(callee, result);
}

/* Reads the arguments of a call, and calls. */
static PyObject *
call_with(PyObject *callee, payload *from, uint32_t count)
{
    PyObject *values[FEW];
    if (UNLIKELY(count == 0 || count > FEW)) {
        PyObject *const arguments = read_tuple(&from->reader, count);
        end_reading(from);
        return call_with_tuple(callee, arguments, NULL);
    }
    if (UNLIKELY(!read_values(&from->reader, count, values)))
        return NULL;
    end_reading(from);
    return call_with_values(callee, values, count);
}

static PyObject *
call_named(PyObject *callee, payload *from)
{
    PyObject *named, *arguments, *result = NULL;
    if (from->left == 0 || (named = wire_decode_object(&from->reader, &worker_read_hooks)) == NULL)
        return NULL;
    arguments = read_tuple(&from->reader, from->left - 1);
    end_reading(from);
    if (PyDict_Check(named))
        result = call_with_tuple(callee, arguments, named);
    else
        Py_XDECREF(arguments);
    Py_DECREF(named);
    return result;
}

static bool
is_special(PyObject *name)
{
    const Py_ssize_t length = PyUnicode_GetLength(name);
    return length > 4 && PyUnicode_ReadChar(name, 0) == '_' && PyUnicode_ReadChar(name, 1) == '_'
           && PyUnicode_ReadChar(name, length - 1) == '_';
}

static PyObject *serve_in_python(payload *from, PyObject *target, PyObject *first);

/* Reads the name, finds the method, calls it.  Operators are Python's matter: each has two sides. */
static PyObject *
call_method(PyObject *target, payload *from)
{
    PyObject *name, *method, *result = NULL;
    if (from->left == 0 || (name = wire_decode_object(&from->reader, &worker_read_hooks)) == NULL)
        return NULL;
    from->left--;
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "the name of a method is a text");
    } else if (is_special(name)) {
        result = serve_in_python(from, target, name);
    } else if ((method = PyObject_GetAttr(target, name)) != NULL) {
        result = call_with(method, from, from->left);
        Py_DECREF(method);
    }
    Py_DECREF(name);
    return result;
}

/* ----------------------------------------------------------------------------------- Batches */

/* How many arguments the next call of a batch has; false: what follows is no list of arguments. */
static bool
next_row(wire_reader *reader, uint32_t arity, uint32_t *count)
{
    wire_token row;
    *count = arity;
    if (arity != 0)
        return true;
    if (wire_read(reader, &row) != WIRE_OK || row.kind != WIRE_LIST
        || wire_descend(reader) != WIRE_OK)
        return false;
    *count = row.count;
    return true;
}

static PyObject *
call_row(PyObject *callee, wire_reader *reader, uint32_t arity)
{
    PyObject *values[FEW];
    PyObject *result;
    uint32_t count;
    if (!next_row(reader, arity, &count))
        return NULL;
    if (LIKELY(count - 1 < FEW))
        result = read_values(reader, count, values) ? call_with_values(callee, values, count) : NULL;
    else
        result = call_with_tuple(callee, read_tuple(reader, count), NULL);
    if (arity == 0)
        wire_ascend(reader);
    return result;
}

/* Calls until one fails: the exception is left set. */
static PyObject *
call_rows(PyObject *callee, wire_reader *reader, uint32_t arity, uint32_t items)
{
    PyObject *const results = PyList_New(0);
    for (uint32_t left = items; results != NULL && left > 0; left -= arity != 0 ? arity : 1) {
        PyObject *const result = call_row(callee, reader, arity);
        const int kept = result != NULL ? PyList_Append(results, result) : -1;
        Py_XDECREF(result);
        if (UNLIKELY(kept < 0))
            break;
    }
    return results;
}

static bool
is_coroutine(PyObject *value)
{
    return (PyObject *)Py_TYPE(value) == worker.functions[WORKER_COROUTINE];
}

static bool
has_coroutine(PyObject *results)
{
    for (Py_ssize_t i = 0, count = PyList_Size(results); i < count; i++)
        if (UNLIKELY(is_coroutine(PyList_GetItem(results, i))))
            return true;
    return false;
}

/* Reads the number of arguments of each call: 0 where each brings its own. */
static bool
open_batch(payload *from, uint32_t *arity, uint32_t *items)
{
    wire_reader *const reader = &from->reader;
    wire_token token;
    if (from->left != 2 || wire_read(reader, &token) != WIRE_OK)
        return false;
    if (token.kind != WIRE_NIL
        && (token.kind != WIRE_INT || token.integer < 1 || token.integer > UINT32_MAX))
        return false;
    *arity = token.kind == WIRE_NIL ? 0 : (uint32_t)token.integer;
    if (wire_read(reader, &token) != WIRE_OK || token.kind != WIRE_LIST
        || wire_descend(reader) != WIRE_OK)
        return false;
    *items = token.count;
    return *arity == 0 || *items % *arity == 0;
}

/* [results], or [results, the exception of the call behind them]; coroutines are awaited first. */
static PyObject *
answer_of_batch(PyObject *results, PyObject *failure)
{
    if (UNLIKELY(has_coroutine(results)))
        return PyObject_CallFunction(worker.functions[WORKER_SERVE], "iOO", (int)NOODLE_OP_BATCH,
                                     results, failure != NULL ? failure : Py_None);
    return failure != NULL ? Py_BuildValue("[OO]", results, failure) : Py_BuildValue("[O]", results);
}

static PyObject *
call_batch(PyObject *callee, payload *from)
{
    uint32_t arity, items;
    PyObject *results, *failure, *answer = NULL;
    if (!open_batch(from, &arity, &items))
        return NULL;
    results = call_rows(callee, &from->reader, arity, items);
    end_reading(from);
    if (results != NULL && from->reader.status == WIRE_OK) {
        failure = PyErr_Occurred() ? take_exception() : NULL;
        answer = answer_of_batch(results, failure);
        Py_XDECREF(failure);
    }
    Py_XDECREF(results);
    return answer;
}

/* ----------------------------------------------------------------------------------- Serving */

/* Everything but the hot operations is in Python. */
static COLD PyObject *
serve_in_python(payload *from, PyObject *target, PyObject *first)
{
    const Py_ssize_t given = first != NULL ? 3 : 2;
    PyObject *const arguments = PyTuple_New((Py_ssize_t)from->left + given);
    PyObject *result;
    if (arguments == NULL)
        return NULL;
    PyTuple_SetItem(arguments, 0, PyLong_FromUnsignedLongLong(from->operation));
    Py_INCREF(target);
    PyTuple_SetItem(arguments, 1, target);
    Py_XINCREF(first);
    if (first != NULL)
        PyTuple_SetItem(arguments, 2, first);
    for (Py_ssize_t i = 0; i < (Py_ssize_t)from->left; i++) {
        PyObject *const value = wire_decode_object(&from->reader, &worker_read_hooks);
        if (value == NULL) {
            Py_DECREF(arguments);
            return NULL;
        }
        PyTuple_SetItem(arguments, i + given, value);
    }
    end_reading(from);
    result = PyObject_Call(worker.functions[WORKER_SERVE], arguments, NULL);
    Py_DECREF(arguments);
    return result;
}

static PyObject *
perform_on(PyObject *target, payload *from)
{
    switch (from->operation) {
    case NOODLE_OP_CALL:
    case NOODLE_OP_NEW:
        return call_with(target, from, from->left);
    case NOODLE_OP_CALL_NAMED:
        return call_named(target, from);
    case NOODLE_OP_METHOD:
        return call_method(target, from);
    case NOODLE_OP_BATCH:
        return call_batch(target, from);
    default:
        return serve_in_python(from, target, NULL);
    }
}

/* Does what a payload asks for.  NULL: it failed, with an exception unless the payload is broken. */
static PyObject *
perform(payload *from)
{
    const worker_object *const object = worker_find_object(from->id);
    PyObject *target, *result;
    if (UNLIKELY(object == NULL)) {
        if (from->id == 0)
            return serve_in_python(from, Py_None, NULL);
        PyErr_Format(PyExc_ReferenceError, "there is no object %llu any more",
                     (unsigned long long)from->id);
        return NULL;
    }
    target = object->value;
    Py_INCREF(target);
    result = perform_on(target, from);
    Py_DECREF(target);
    return result;
}

static COLD void
fail_call(const worker_call *call, const payload *from)
{
    if (!PyErr_Occurred() && from->reader.status != WIRE_OK)
        wire_raise(from->reader.status, "a request");
    else if (!PyErr_Occurred())
        PyErr_SetString(PyExc_RuntimeError, "the request has not the form of its operation");
    worker_answer_error(call);
}

/* Answers with a value, or later if it is a coroutine. */
static void
answer(const worker_call *call, PyObject *value)
{
    if (UNLIKELY(is_coroutine(value))) {
        if (!worker_answer_later(call, value))
            worker_answer_error(call);
    } else {
        worker_answer_value(call, value);
    }
    Py_DECREF(value);
}

static PyObject *
run(worker_call *call, payload *from, const unsigned char *bytes, size_t length)
{
    PyObject *result = NULL;
    if (UNLIKELY(call->deadline_ns != 0 && noodle_now() >= call->deadline_ns)) {
        PyErr_SetString(worker.functions[WORKER_OVERDUE], "the deadline passed before the call began");
    } else if (UNLIKELY(call->thread->depth > WORKER_DEPTH_MAX)) {
        PyErr_Format(PyExc_RecursionError, "more than %d calls within calls", WORKER_DEPTH_MAX);
    } else if (LIKELY(open_payload(from, bytes, length))) {
        worker_reading_begin();
        call->interruptible = true;
        result = perform(from);
        call->interruptible = false;
        end_reading(from);
    }
    return result;
}

/* What was to interrupt the call must not interrupt what comes after it. */
static COLD void
forget_interrupt(const worker_thread *thread)
{
    PyThreadState_SetAsyncExc(thread->ident, NULL);
}

static COLD void
end_fork(void)
{
    PyErr_Clear();
    PyObject_CallFunctionObjArgs(worker.functions[WORKER_END_FORK], NULL);
    _exit(1);
}

void
worker_serve(worker_thread *thread, worker_lane *lane, const noodle_record *record,
             const unsigned char *bytes, size_t length)
{
    worker_call call = {
        .next = thread->innermost,
        .lane = lane,
        .thread = thread,
        .id = record->call_id,
        .chain = record->chain_id,
        .deadline_ns = record->deadline_ns,
    };
    payload from = {.left = 0};
    PyObject *result;
    thread->innermost = &call;
    thread->depth++;
    worker.counts.calls++;
    if (LIKELY(thread->lane != NULL))
        worker_lane_leave(thread->lane);
    result = run(&call, &from, bytes, length);
    if (worker_is_forked())
        end_fork();
    if (UNLIKELY(call.cancelled))
        forget_interrupt(thread);
    if (UNLIKELY(worker_has_releases()))
        worker_flush_releases(lane, !call.cancelled);
    if (LIKELY(result != NULL))
        answer(&call, result);
    else
        fail_call(&call, &from);
    if (LIKELY(thread->lane != NULL))
        worker_lane_return(thread->lane);
    thread->depth--;
    thread->innermost = call.next;
    if (UNLIKELY(worker_has_releases()))
        worker_flush_releases(lane, false);
}
