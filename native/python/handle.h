/* The call handle: what `np.matmul` is when numpy was loaded by noodle.
 *
 * Purpose.  A handle stands in for a function.  It finds the plan for the exact types of the
 * arguments, jumps to the plan's callable, counts the call, and times one call in N.  Everything
 * that can be decided per signature is decided by the binding, a Python object, on the first call.
 *
 * The binding gives
 *     plan(args, kwargs)              -> (callable, translate or None, generic)
 *     translated(translate, exception, args, kwargs) -> the exception to raise
 *     explain, options, aio, batch, map       the handle's own attributes
 *     repr(binding)                           the handle's repr
 *
 * Guarantees.
 *   - A plan is used only for arguments of exactly the types, number and keyword names it was made
 *     for, and only in the epoch in which its planning began.  `Epoch.advance()` therefore takes
 *     effect on the next call of every handle, on every thread.
 *   - `generic` says that the callable does not depend on the types.  A handle that sees more
 *     signatures than it has slots, all with one generic callable, stops guarding types.
 *   - The counters rise by one for each call that is made, whether it succeeds or fails.
 *   - Every other attribute is the function's own, and setting one sets it on the function.
 *
 * Ownership.  A handle owns its function, binding, epoch and plans; a plan owns its callable and the
 * types it guards, so that an address cannot come to mean another type.  A call holds its own
 * reference to the plan, because planning, and the call itself, may run code that replaces it.
 *
 * Threads.  All state is protected by the GIL; the module declares nothing to a free-threaded
 * interpreter, which then keeps its GIL.  State is per process: a second interpreter is refused.
 */
#ifndef NOODLE_HANDLE_H
#define NOODLE_HANDLE_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stdint.h>

#if defined(__GNUC__) || defined(__clang__)
#  define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#  define UNLIKELY(condition) (condition)
#endif

/* Chosen: two cache lines of pointers cover nearly all call sites; beyond it plans are found again
 * by the binding, or generalised. */
#define PLAN_SLOTS 4

/* ------------------------------------------------------------------------------------- Epoch */

typedef struct {
    PyObject_HEAD
    int64_t value;
} Epoch;

extern PyTypeObject *handle_epoch_type;
extern PyType_Spec handle_epoch_spec;

/* -------------------------------------------------------------------------------------- Plan
 * What a guard protects.  Never reachable from Python. */

typedef struct {
    PyObject_VAR_HEAD
    PyObject *callable;
    PyObject *translate;      /* NULL: exceptions pass as they are */
    PyObject *keyword_names;  /* tuple of str, or NULL */
    Py_ssize_t positional;
    int64_t epoch;
    bool generic;
    bool any_types;           /* the guard accepts every signature */
    PyTypeObject *types[];    /* positional first, then keywords in call order */
} Plan;

extern PyTypeObject *handle_plan_type;
extern PyType_Spec handle_plan_spec;

/* The guard of a plan that is not decided yet, and is unknown to the collector until it is.  A new
 * reference, or NULL with an exception. */
Plan *handle_new_plan(int64_t epoch, PyObject *const *args, Py_ssize_t positional,
                      PyObject *keyword_names);
/* Fills in what the binding decided; the plan is known to the collector from then on.  Returns 0, or -1
 * with an exception. */
int handle_decide_plan(Plan *plan, PyObject *decision);

static inline bool
same_names(PyObject *left, PyObject *right)
{
    Py_ssize_t count = PyTuple_GET_SIZE(left);
    if (count != PyTuple_GET_SIZE(right))
        return false;
    for (Py_ssize_t i = 0; i < count; i++) {
        PyObject *a = PyTuple_GET_ITEM(left, i);
        PyObject *b = PyTuple_GET_ITEM(right, i);
        /* Nearly always interned, so that one comparison of addresses decides. */
        if (a != b && PyUnicode_Compare(a, b) != 0)
            return false;
    }
    return true;
}

static inline bool
plan_accepts(const Plan *plan, int64_t epoch, PyObject *const *args, Py_ssize_t positional,
             PyObject *keyword_names)
{
    if (plan->epoch != epoch)
        return false;
    if (plan->any_types)
        return true;
    if (plan->positional != positional)
        return false;
    if (plan->keyword_names != keyword_names
        && (plan->keyword_names == NULL || keyword_names == NULL
            || !same_names(plan->keyword_names, keyword_names)))
        return false;
    Py_ssize_t count = Py_SIZE(plan);
    for (Py_ssize_t i = 0; i < count; i++)
        if (Py_TYPE(args[i]) != plan->types[i])
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------ Handle */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;
    PyObject *binding;
    Epoch *epoch;
    Plan *plans[PLAN_SLOTS];   /* NULL or owned; newest first */
    uint64_t calls;
    uint64_t errors;
    uint64_t misses;
    uint64_t timed_calls;
    uint64_t timed_nanoseconds;
    uint32_t sample_every;     /* 0: never time */
    uint32_t until_sample;
    PyObject *weak_references;
} Handle;

extern PyTypeObject *handle_type;
extern PyType_Spec handle_spec;

/* Names that are looked up on the binding or on the handle's type, all interned. */
extern PyObject *handle_binding_names;   /* frozenset: explain options aio batch map */
extern PyObject *handle_type_names;      /* frozenset: __class__ __call__ ... */
extern PyObject *handle_name_wrapped;    /* "__wrapped__" */
extern PyObject *handle_name_plan;
extern PyObject *handle_name_translated;

/* Number of open deadline scopes in the process, and what checks the current one.  While it is zero,
 * a deadline costs one load and one branch a call. */
extern Py_ssize_t handle_deadline_scopes;
extern PyObject *handle_deadline_check;

/* The call path: handle_calls.c. */
PyObject *handle_vectorcall(PyObject *self, PyObject *const *args, size_t nargsf,
                            PyObject *keyword_names);

#endif
