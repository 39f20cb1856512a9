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

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#if defined(__GNUC__) || defined(__clang__)
#  define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#else
#  define UNLIKELY(condition) (condition)
#endif

/* Chosen: two cache lines of pointers cover nearly all call sites; beyond it plans are found again
 * by the binding, or generalised. */
#define PLAN_SLOTS 4

static PyTypeObject *epoch_type;
static PyTypeObject *plan_type;
static PyTypeObject *handle_type;

/* Names that are looked up on the binding or on the handle's type, all interned. */
static PyObject *binding_names;   /* frozenset: explain options aio batch map */
static PyObject *type_names;      /* frozenset: __class__ __call__ ... */
static PyObject *name_wrapped;    /* "__wrapped__" */
static PyObject *name_plan;
static PyObject *name_translated;

/* Number of open deadline scopes in the process, and what checks the current one.  While it is zero,
 * a deadline costs one load and one branch a call. */
static Py_ssize_t deadline_scopes;
static PyObject *deadline_check;

/* ------------------------------------------------------------------------------------- Epoch */

typedef struct {
    PyObject_HEAD
    int64_t value;
} Epoch;

static PyObject *
epoch_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, ":Epoch", keywords))
        return NULL;
    return type->tp_alloc(type, 0);
}

static void
epoch_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
epoch_advance(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    ((Epoch *)self)->value++;
    Py_RETURN_NONE;
}

static PyObject *
epoch_get_value(PyObject *self, void *Py_UNUSED(closure))
{
    return PyLong_FromLongLong(((Epoch *)self)->value);
}

static PyMethodDef epoch_methods[] = {
    {"advance", epoch_advance, METH_NOARGS,
     "advance()\n--\n\nInvalidate every plan; takes effect on the next call of each handle."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef epoch_getset[] = {
    {"value", epoch_get_value, NULL, "How often the epoch was advanced.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot epoch_slots[] = {
    {Py_tp_doc, "Epoch()\n--\n\nThe number that says which plans are still valid."},
    {Py_tp_new, epoch_new},
    {Py_tp_dealloc, epoch_dealloc},
    {Py_tp_methods, epoch_methods},
    {Py_tp_getset, epoch_getset},
    {0, NULL},
};

static PyType_Spec epoch_spec = {
    .name = "noodle._handle.Epoch",
    .basicsize = sizeof(Epoch),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = epoch_slots,
};

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

static int
plan_traverse(PyObject *self, visitproc visit, void *arg)
{
    Plan *plan = (Plan *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(plan->callable);
    Py_VISIT(plan->translate);
    Py_VISIT(plan->keyword_names);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++)
        Py_VISIT(plan->types[i]);
    return 0;
}

static void
plan_dealloc(PyObject *self)
{
    Plan *plan = (Plan *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    Py_XDECREF(plan->callable);
    Py_XDECREF(plan->translate);
    Py_XDECREF(plan->keyword_names);
    for (Py_ssize_t i = 0; i < Py_SIZE(self); i++)
        Py_XDECREF(plan->types[i]);
    PyObject_GC_Del(self);
    Py_DECREF(type);
}

/* Without tp_clear: a cycle through a plan always passes a handle, which clears it. */
static PyType_Slot plan_slots[] = {
    {Py_tp_traverse, plan_traverse},
    {Py_tp_dealloc, plan_dealloc},
    {0, NULL},
};

static PyType_Spec plan_spec = {
    .name = "noodle._handle.Plan",
    .basicsize = offsetof(Plan, types),
    .itemsize = sizeof(PyTypeObject *),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE
             | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = plan_slots,
};

static bool
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

/* The guard of a plan that is not decided yet, and is unknown to the collector until it is. */
static Plan *
new_plan(int64_t epoch, PyObject *const *args, Py_ssize_t positional, PyObject *keyword_names)
{
    Py_ssize_t count = positional + (keyword_names ? PyTuple_GET_SIZE(keyword_names) : 0);
    Plan *plan = PyObject_GC_NewVar(Plan, plan_type, count);
    if (plan == NULL)
        return NULL;
    plan->callable = NULL;
    plan->translate = NULL;
    plan->keyword_names = Py_XNewRef(keyword_names);
    plan->positional = positional;
    plan->epoch = epoch;
    plan->generic = false;
    plan->any_types = false;
    for (Py_ssize_t i = 0; i < count; i++)
        plan->types[i] = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(args[i]));
    return plan;
}

static int
decide_plan(Plan *plan, PyObject *decision)
{
    if (!PyTuple_Check(decision) || PyTuple_GET_SIZE(decision) != 3
        || !PyCallable_Check(PyTuple_GET_ITEM(decision, 0))) {
        PyErr_SetString(PyExc_TypeError, "binding.plan must return (callable, translate, generic)");
        return -1;
    }
    int generic = PyObject_IsTrue(PyTuple_GET_ITEM(decision, 2));
    if (generic < 0)
        return -1;
    PyObject *translate = PyTuple_GET_ITEM(decision, 1);
    plan->callable = Py_NewRef(PyTuple_GET_ITEM(decision, 0));
    plan->translate = translate == Py_None ? NULL : Py_NewRef(translate);
    plan->generic = generic;
    PyObject_GC_Track((PyObject *)plan);
    return 0;
}

static PyObject *
ask_binding(Handle *handle, PyObject *const *args, Py_ssize_t positional, PyObject *keyword_names)
{
    PyObject *decision = NULL;
    PyObject *kwargs = NULL;
    PyObject *tuple = positional_tuple(args, positional);
    if (tuple != NULL && (kwargs = keyword_dict(args + positional, keyword_names)) != NULL)
        decision = PyObject_CallMethodObjArgs(handle->binding, name_plan, tuple, kwargs, NULL);
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
    Plan *plan = new_plan(handle->epoch->value, args, positional, keyword_names);
    if (plan == NULL)
        return NULL;
    PyObject *decision = ask_binding(handle, args, positional, keyword_names);
    if (decision == NULL || decide_plan(plan, decision) < 0) {
        Py_CLEAR(plan);
    } else {
        plan->any_types = plan->generic && all_slots_share(handle, plan);
        keep_plan(handle, plan);
    }
    Py_XDECREF(decision);
    return plan;
}

/* Raise `exception` (reference stolen) with the traceback that it already has. */
static void
raise_again(PyObject *exception)
{
    PyObject *type = Py_NewRef((PyObject *)Py_TYPE(exception));
    PyErr_Restore(type, exception, PyException_GetTraceback(exception));
}

static PyObject *
take_exception(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback != NULL)
        PyException_SetTraceback(value, traceback);
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
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
        translated = PyObject_CallMethodObjArgs(handle->binding, name_translated, plan->translate,
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

static int
check_deadline(Handle *handle)
{
    PyObject *check = Py_NewRef(deadline_check);
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
    bool limited = deadline_scopes > 0;
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

static PyObject *
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
    if (UNLIKELY(timed || deadline_scopes > 0))
        result = observed_call(handle, plan, timed, args, nargsf, keyword_names);
    else
        result = call_plan(handle, plan, args, nargsf, keyword_names);
    if (UNLIKELY(result == NULL))
        handle->errors++;
    Py_DECREF(plan);
    return result;
}

static PyObject *
handle_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"function", "binding", "epoch", "sample_every", NULL};
    PyObject *function, *binding, *epoch;
    long sample_every = 64;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOO!|l:Handle", keywords, &function, &binding,
                                     epoch_type, &epoch, &sample_every))
        return NULL;
    if (!PyCallable_Check(function)) {
        PyErr_Format(PyExc_TypeError, "a handle needs a callable, got %.200s",
                     Py_TYPE(function)->tp_name);
        return NULL;
    }
    if (sample_every < 0 || sample_every > INT32_MAX) {
        PyErr_Format(PyExc_ValueError, "sample_every must be 0 to %d, got %ld", INT32_MAX,
                     sample_every);
        return NULL;
    }
    Handle *handle = (Handle *)type->tp_alloc(type, 0);
    if (handle == NULL)
        return NULL;
    handle->vectorcall = handle_vectorcall;
    handle->function = Py_NewRef(function);
    handle->binding = Py_NewRef(binding);
    handle->epoch = (Epoch *)Py_NewRef(epoch);
    handle->sample_every = (uint32_t)sample_every;
    handle->until_sample = (uint32_t)sample_every;
    return (PyObject *)handle;
}

static int
handle_traverse(PyObject *self, visitproc visit, void *arg)
{
    Handle *handle = (Handle *)self;
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(handle->function);
    Py_VISIT(handle->binding);
    Py_VISIT(handle->epoch);
    for (int i = 0; i < PLAN_SLOTS; i++)
        Py_VISIT(handle->plans[i]);
    return 0;
}

/* Only the plans and the binding are cleared: the function stays for attribute access by whatever
 * the collector still runs, and a call then fails with the AttributeError of None. */
static int
handle_clear(PyObject *self)
{
    Handle *handle = (Handle *)self;
    for (int i = 0; i < PLAN_SLOTS; i++)
        Py_CLEAR(handle->plans[i]);
    PyObject *binding = handle->binding;
    handle->binding = Py_NewRef(Py_None);
    Py_XDECREF(binding);
    return 0;
}

static void
handle_dealloc(PyObject *self)
{
    Handle *handle = (Handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    PyObject_GC_UnTrack(self);
    if (handle->weak_references != NULL)
        PyObject_ClearWeakRefs(self);
    for (int i = 0; i < PLAN_SLOTS; i++)
        Py_CLEAR(handle->plans[i]);
    Py_CLEAR(handle->function);
    Py_CLEAR(handle->binding);
    Py_CLEAR(handle->epoch);
    type->tp_free(self);
    Py_DECREF(type);
}

static PyObject *
handle_getattro(PyObject *self, PyObject *name)
{
    Handle *handle = (Handle *)self;
    int own = PySet_Contains(binding_names, name);
    if (own > 0)
        return PyObject_GetAttr(handle->binding, name);
    if (own == 0)
        own = PySet_Contains(type_names, name);
    if (own < 0)
        return NULL;
    if (own > 0)
        return PyObject_GenericGetAttr(self, name);
    if (PyUnicode_Compare(name, name_wrapped) == 0)
        return Py_NewRef(handle->function);
    return PyObject_GetAttr(handle->function, name);
}

static int
handle_setattro(PyObject *self, PyObject *name, PyObject *value)
{
    Handle *handle = (Handle *)self;
    int own = PySet_Contains(binding_names, name);
    if (own == 0)
        own = PySet_Contains(type_names, name);
    if (own > 0) {
        PyErr_Format(PyExc_AttributeError, "attribute %R of a handle cannot be set", name);
        return -1;
    }
    if (own < 0)
        return -1;
    return PyObject_SetAttr(handle->function, name, value);
}

static PyObject *
handle_repr(PyObject *self)
{
    return PyObject_Repr(((Handle *)self)->binding);
}

/* Bind as a method where the function itself would. */
static PyObject *
handle_descr_get(PyObject *self, PyObject *instance, PyObject *Py_UNUSED(owner))
{
    Handle *handle = (Handle *)self;
    if (instance == NULL || instance == Py_None || Py_TYPE(handle->function)->tp_descr_get == NULL)
        return Py_NewRef(self);
    return PyMethod_New(self, instance);
}

static PyObject *
handle_dir(PyObject *self, PyObject *Py_UNUSED(ignored))
{
    PyObject *names = PyObject_Dir(((Handle *)self)->function);
    PyObject *own = names ? PySequence_List(binding_names) : NULL;
    if (own == NULL || PyList_SetSlice(names, PyList_GET_SIZE(names), PyList_GET_SIZE(names), own) < 0)
        Py_CLEAR(names);
    Py_XDECREF(own);
    return names;
}

/* Like a function, a handle is copied by reference. */
static PyObject *
handle_copy(PyObject *self, PyObject *Py_UNUSED(memo))
{
    return Py_NewRef(self);
}

/* Called for each base of a class statement that is no class. */
static PyObject *
handle_mro_entries(PyObject *self, PyObject *Py_UNUSED(bases))
{
    return PyObject_CallMethod(((Handle *)self)->binding, "refuse_subclass", NULL);
}

static PyMethodDef handle_methods[] = {
    {"__dir__", handle_dir, METH_NOARGS, NULL},
    {"__mro_entries__", handle_mro_entries, METH_O, NULL},
    {"__copy__", handle_copy, METH_NOARGS, NULL},
    {"__deepcopy__", handle_copy, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

/* `object.__getattribute__(handle, "__doc__")` is how `inspect.getdoc` asks, so that the docstring
 * has to be a descriptor of the type as well; the type itself therefore has none. */
static PyObject *
handle_get_doc(PyObject *self, void *Py_UNUSED(closure))
{
    return PyObject_GetAttrString(((Handle *)self)->function, "__doc__");
}

static PyGetSetDef handle_getset[] = {
    {"__doc__", handle_get_doc, NULL, NULL, NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyMemberDef handle_members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(Handle, vectorcall), READONLY, NULL},
    {"__weaklistoffset__", T_PYSSIZET, offsetof(Handle, weak_references), READONLY, NULL},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot handle_slots[] = {
    {Py_tp_new, handle_new},
    {Py_tp_dealloc, handle_dealloc},
    {Py_tp_traverse, handle_traverse},
    {Py_tp_clear, handle_clear},
    {Py_tp_call, PyVectorcall_Call},
    {Py_tp_getattro, handle_getattro},
    {Py_tp_setattro, handle_setattro},
    {Py_tp_descr_get, handle_descr_get},
    {Py_tp_repr, handle_repr},
    {Py_tp_methods, handle_methods},
    {Py_tp_members, handle_members},
    {Py_tp_getset, handle_getset},
    {0, NULL},
};

static PyType_Spec handle_spec = {
    .name = "noodle._handle.Handle",
    .basicsize = sizeof(Handle),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_HAVE_VECTORCALL
             | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = handle_slots,
};

/* ------------------------------------------------------------------------------------ module */

static Handle *
as_handle(PyObject *object)
{
    if (Py_TYPE(object) != handle_type) {
        PyErr_Format(PyExc_TypeError, "expected a handle, got %.200s", Py_TYPE(object)->tp_name);
        return NULL;
    }
    return (Handle *)object;
}

static PyObject *
module_binding(PyObject *Py_UNUSED(module), PyObject *object)
{
    Handle *handle = as_handle(object);
    return handle ? Py_NewRef(handle->binding) : NULL;
}

static PyObject *
module_counters(PyObject *Py_UNUSED(module), PyObject *object)
{
    Handle *handle = as_handle(object);
    if (handle == NULL)
        return NULL;
    return Py_BuildValue("(KKKKK)", (unsigned long long)handle->calls,
                         (unsigned long long)handle->errors, (unsigned long long)handle->misses,
                         (unsigned long long)handle->timed_calls,
                         (unsigned long long)handle->timed_nanoseconds);
}

static PyObject *
module_set_deadline_check(PyObject *Py_UNUSED(module), PyObject *check)
{
    if (!PyCallable_Check(check)) {
        PyErr_SetString(PyExc_TypeError, "the deadline check must be callable");
        return NULL;
    }
    Py_XSETREF(deadline_check, Py_NewRef(check));
    Py_RETURN_NONE;
}

static PyObject *
module_enter_deadline(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (deadline_check == NULL) {
        PyErr_SetString(PyExc_RuntimeError, "no deadline check is set");
        return NULL;
    }
    deadline_scopes++;
    Py_RETURN_NONE;
}

static PyObject *
module_leave_deadline(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    if (deadline_scopes == 0) {
        PyErr_SetString(PyExc_RuntimeError, "no deadline scope is open");
        return NULL;
    }
    deadline_scopes--;
    Py_RETURN_NONE;
}

static PyMethodDef module_methods[] = {
    {"binding", module_binding, METH_O,
     "binding(handle)\n--\n\nReturn the object that plans the handle's calls."},
    {"counters", module_counters, METH_O,
     "counters(handle)\n--\n\nReturn (calls, errors, plan misses, timed calls, timed nanoseconds)."},
    {"set_deadline_check", module_set_deadline_check, METH_O,
     "set_deadline_check(check)\n--\n\nSet what raises when the current deadline has passed."},
    {"enter_deadline", module_enter_deadline, METH_NOARGS,
     "enter_deadline()\n--\n\nHave every call checked against the current deadline."},
    {"leave_deadline", module_leave_deadline, METH_NOARGS,
     "leave_deadline()\n--\n\nUndo one enter_deadline."},
    {NULL, NULL, 0, NULL},
};

static PyObject *
frozen_names(const char *const *names)
{
    PyObject *set = PyFrozenSet_New(NULL);
    for (; set != NULL && *names != NULL; names++) {
        PyObject *name = PyUnicode_InternFromString(*names);
        if (name == NULL || PySet_Add(set, name) < 0)
            Py_CLEAR(set);
        Py_XDECREF(name);
    }
    return set;
}

static int
add_type(PyObject *module, PyTypeObject **type, PyType_Spec *spec, const char *name)
{
    *type = (PyTypeObject *)PyType_FromModuleAndSpec(module, spec, NULL);
    if (*type == NULL)
        return -1;
    return name ? PyModule_AddObjectRef(module, name, (PyObject *)*type) : 0;
}

static int
module_exec(PyObject *module)
{
    static const char *const own[] = {"explain", "options", "aio", "batch", "map", NULL};
    static const char *const generic[] = {
        "__call__", "__class__", "__copy__", "__deepcopy__", "__delattr__", "__dir__", "__eq__",
        "__format__", "__ge__", "__get__", "__getattribute__", "__getstate__", "__gt__", "__hash__",
        "__init__", "__le__", "__lt__", "__mro_entries__", "__ne__", "__new__", "__reduce__",
        "__reduce_ex__", "__repr__", "__setattr__", "__sizeof__", "__str__", "__subclasshook__", NULL};
    if (handle_type != NULL) {
        PyErr_SetString(PyExc_ImportError, "noodle._handle can be loaded once in a process");
        return -1;
    }
    binding_names = frozen_names(own);
    type_names = frozen_names(generic);
    name_wrapped = PyUnicode_InternFromString("__wrapped__");
    name_plan = PyUnicode_InternFromString("plan");
    name_translated = PyUnicode_InternFromString("translated");
    if (!binding_names || !type_names || !name_wrapped || !name_plan || !name_translated)
        return -1;
    if (add_type(module, &epoch_type, &epoch_spec, "Epoch") < 0
        || add_type(module, &plan_type, &plan_spec, NULL) < 0
        || add_type(module, &handle_type, &handle_spec, "Handle") < 0)
        return -1;
    return PyModule_AddIntConstant(module, "PLAN_SLOTS", PLAN_SLOTS);
}

static PyModuleDef_Slot module_slots[] = {
    {Py_mod_exec, module_exec},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, NULL},
};

static struct PyModuleDef module_definition = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_handle",
    .m_doc = "The call handle in C; noodle.ffi_dispatcher makes and governs them.",
    .m_methods = module_methods,
    .m_slots = module_slots,
};

PyMODINIT_FUNC
PyInit__handle(void)
{
    return PyModuleDef_Init(&module_definition);
}
