/* The call path of a handle, in one file, so that the compiler sees all of it. */
#include "exceptions.h"
#include "handle.h"

#include <time.h>

Py_ssize_t handle_deadline_scopes;
PyObject *handle_deadline_check;

/* ---------------------------------------------------------------------------- Finding a plan */

static inline Plan *
find_plan(const Handle *handle, PyObject *const *args, Py_ssize_t positional, PyObject *keyword_names)
{
    int64_t epoch = handle->epoch->value;
    for (int i = 0; i < PLAN_SLOTS; i++) {
        Plan *plan = handle->plans[i];
        if (plan == NULL)
            return NULL;
        if (plan_accepts(plan, epoch, args, positional, keyword_names))
            return plan;
    }
    return NULL;
}

/* Drop stale plans and the oldest if there is no room; put the new one first.  Takes no reference:
 * the handle's own is added.  Decrementing may run code, so it comes last. */
static void
keep_plan(Handle *handle, Plan *plan)
{
    Plan *dropped[PLAN_SLOTS];
    Plan *kept[PLAN_SLOTS + 1] = {NULL};
    int drop_count = 0, keep_count = 1;
    kept[0] = (Plan *)Py_NewRef((PyObject *)plan);
    for (int i = 0; i < PLAN_SLOTS; i++) {
        Plan *old = handle->plans[i];
        if (old == NULL)
            continue;
        if (old->epoch != plan->epoch || plan->any_types || keep_count == PLAN_SLOTS)
            dropped[drop_count++] = old;
        else
            kept[keep_count++] = old;
    }
    memcpy(handle->plans, kept, sizeof(handle->plans));
    for (int i = 0; i < drop_count; i++)
        Py_DECREF(dropped[i]);
}

static bool
all_slots_share(const Handle *handle, const Plan *plan)
{
    for (int i = 0; i < PLAN_SLOTS; i++) {
        const Plan *other = handle->plans[i];
        if (other == NULL || other->epoch != plan->epoch || !other->generic
            || other->callable != plan->callable || other->translate != plan->translate)
            return false;
    }
    return true;
}

/* ---------------------------------------------------------------------------------- Planning */

static PyObject *
positional_tuple(PyObject *const *args, Py_ssize_t positional)
{
    PyObject *tuple = PyTuple_New(positional);
    if (tuple == NULL)
        return NULL;
    for (Py_ssize_t i = 0; i < positional; i++)
        PyTuple_SET_ITEM(tuple, i, Py_NewRef(args[i]));
    return tuple;
}

static PyObject *
keyword_dict(PyObject *const *values, PyObject *names)
{
    PyObject *dict = PyDict_New();
    Py_ssize_t count = names ? PyTuple_GET_SIZE(names) : 0;
    for (Py_ssize_t i = 0; dict != NULL && i < count; i++)
        if (PyDict_SetItem(dict, PyTuple_GET_ITEM(names, i), values[i]) < 0)
            Py_CLEAR(dict);
    return dict;
}

static PyObject *
ask_binding(Handle *handle, PyObject *const *args, Py_ssize_t positional, PyObject *keyword_names)
{
    PyObject *decision = NULL;
    PyObject *kwargs = NULL;
    PyObject *tuple = positional_tuple(args, positional);
    if (tuple != NULL && (kwargs = keyword_dict(args + positional, keyword_names)) != NULL)
        decision = PyObject_CallMethodObjArgs(handle->binding, handle_name_plan, tuple, kwargs, NULL);
    Py_XDECREF(kwargs);
    Py_XDECREF(tuple);
    return decision;
}

/* Returns a new reference, or NULL with an exception: then nothing was called.  The epoch and the
 * types are read before planning begins: a change of the epoch during it makes the plan stale at
 * once, and an argument that changes its class meanwhile finds no plan that was not made for it. */
static Plan *
make_plan(Handle *handle, PyObject *const *args, Py_ssize_t positional, PyObject *keyword_names)
{
    handle->misses++;
    Plan *plan = handle_new_plan(handle->epoch->value, args, positional, keyword_names);
    if (plan == NULL)
        return NULL;
    PyObject *decision = ask_binding(handle, args, positional, keyword_names);
    if (decision == NULL || handle_decide_plan(plan, decision) < 0) {
        Py_CLEAR(plan);
    } else {
        plan->any_types = plan->generic && all_slots_share(handle, plan);
        keep_plan(handle, plan);
    }
    Py_XDECREF(decision);
    return plan;
}

/* ------------------------------------------------------------------------------------ Errors */

/* Raise `exception` (reference stolen) with the traceback that it already has. */
static void
raise_again(PyObject *exception)
{
    PyObject *type = Py_NewRef((PyObject *)Py_TYPE(exception));
    PyErr_Restore(type, exception, PyException_GetTraceback(exception));
}

/* The callable failed and its plan has a translation: put the translated exception in place. */
static void
translate_failure(Handle *handle, Plan *plan, PyObject *const *args, Py_ssize_t positional,
                  PyObject *keyword_names)
{
    PyObject *exception = take_exception();
    PyObject *kwargs = NULL;
    PyObject *translated = NULL;
    PyObject *tuple = positional_tuple(args, positional);
    if (tuple != NULL && (kwargs = keyword_dict(args + positional, keyword_names)) != NULL)
        translated = PyObject_CallMethodObjArgs(handle->binding, handle_name_translated, plan->translate,
                                                exception, tuple, kwargs, NULL);
    Py_XDECREF(kwargs);
    Py_XDECREF(tuple);
    Py_DECREF(exception);
    if (translated == NULL)
        return;
    if (PyExceptionInstance_Check(translated)) {
        raise_again(translated);
    } else {
        PyErr_SetString(PyExc_TypeError, "binding.translated must return an exception");
        Py_DECREF(translated);
    }
}

/* ------------------------------------------------------------------------------------- Calls */

static int
check_deadline(Handle *handle)
{
    PyObject *check = Py_NewRef(handle_deadline_check);
    PyObject *checked = PyObject_CallOneArg(check, (PyObject *)handle);
    Py_DECREF(check);
    Py_XDECREF(checked);
    return checked == NULL ? -1 : 0;
}

static uint64_t
nanoseconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static inline PyObject *
call_plan(Handle *handle, Plan *plan, PyObject *const *args, size_t nargsf, PyObject *keyword_names)
{
    PyObject *result = PyObject_Vectorcall(plan->callable, args, nargsf, keyword_names);
    if (UNLIKELY(result == NULL) && plan->translate != NULL)
        translate_failure(handle, plan, args, PyVectorcall_NARGS(nargsf), keyword_names);
    return result;
}

/* A call that is timed, or that runs within a deadline scope.  An error of the deadline is not the
 * callable's, and is not translated. */
static PyObject *
observed_call(Handle *handle, Plan *plan, bool timed, PyObject *const *args, size_t nargsf,
              PyObject *keyword_names)
{
    bool limited = handle_deadline_scopes > 0;
    if (limited && check_deadline(handle) < 0)
        return NULL;
    uint64_t start = timed ? nanoseconds_now() : 0;
    PyObject *result = call_plan(handle, plan, args, nargsf, keyword_names);
    if (timed) {
        handle->timed_calls++;
        handle->timed_nanoseconds += nanoseconds_now() - start;
    }
    if (limited && result != NULL && check_deadline(handle) < 0)
        Py_CLEAR(result);
    return result;
}

/* Whether this call is the one in N.  Counting begins anew at once, because the call may come back
 * to this handle, or let other threads call it, before it ends. */
static inline bool
is_sample(Handle *handle)
{
    if (handle->sample_every == 0 || --handle->until_sample != 0)
        return false;
    handle->until_sample = handle->sample_every;
    return true;
}

PyObject *
handle_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf, PyObject *keyword_names)
{
    Handle *handle = (Handle *)self;
    Py_ssize_t positional = PyVectorcall_NARGS(nargsf);
    if (UNLIKELY(keyword_names != NULL) && PyTuple_GET_SIZE(keyword_names) == 0)
        keyword_names = NULL;
    Plan *plan = find_plan(handle, args, positional, keyword_names);
    handle->calls++;
    if (UNLIKELY(plan == NULL)) {
        plan = make_plan(handle, args, positional, keyword_names);
        if (plan == NULL) {
            handle->errors++;
            return NULL;
        }
    } else {
        Py_INCREF(plan);
    }
    PyObject *result;
    bool timed = is_sample(handle);
    if (UNLIKELY(timed || handle_deadline_scopes > 0))
        result = observed_call(handle, plan, timed, args, nargsf, keyword_names);
    else
        result = call_plan(handle, plan, args, nargsf, keyword_names);
    if (UNLIKELY(result == NULL))
        handle->errors++;
    Py_DECREF(plan);
    return result;
}
