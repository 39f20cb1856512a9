/* Awaited calls: what a plan jumps to for a function of a worker whose result asyncio waits for. */
#include "host.h"

static PyObject *get_running_loop;   /* NULL until it is needed: asyncio is loaded by then */

/* NULL without an exception if no loop runs. */
static PyObject *
running_loop(void)
{
    if (get_running_loop == NULL) {
        PyObject *asyncio = PyImport_ImportModule("asyncio");
        if (asyncio != NULL)
            get_running_loop = PyObject_GetAttrString(asyncio, "get_running_loop");
        Py_XDECREF(asyncio);
    }
    PyObject *loop = get_running_loop != NULL ? PyObject_CallNoArgs(get_running_loop) : NULL;
    if (loop == NULL)
        PyErr_Clear();
    return loop;
}

/* The running loop's channel to a worker, borrowed; NULL: it has none. */
static struct LoopChannel *
running_channel(const Link *link)
{
    const host_thread *const thread = host_this_thread;
    struct LoopChannel *found = NULL;
    if (thread == NULL || thread->loop_lanes == 0)
        return NULL;
    PyObject *loop = running_loop();
    for (const host_lane *lane = thread->lanes; lane != NULL; lane = lane->next_of_thread)
        if (lane->link == link && lane->loop_channel != NULL
            && host_loop_belongs_to(lane->loop_channel, loop))
            found = lane->loop_channel;
    Py_XDECREF(loop);
    return found;
}

/* What is not at hand, the function in its worker or the loop's channel to that, is the other's to
 * find. */
static PyObject *
module_call_awaited(PyObject *Py_UNUSED(module), PyObject *const *args, Py_ssize_t count,
                    PyObject *names)
{
    if (count < 2) {
        PyErr_SetString(PyExc_TypeError, "call_awaited takes a callable and what it calls");
        return NULL;
    }
    Reference *reference =
        PyObject_TypeCheck(args[1], host_function_type) ? host_function_known(args[1]) : NULL;
    struct LoopChannel *channel = reference != NULL ? running_channel(reference->link) : NULL;
    PyObject *result;
    if (LIKELY(channel != NULL)) {
        const int operation = reference->kind == WIRE_KIND_CLASS ? NOODLE_OP_NEW : NOODLE_OP_CALL;
        result = host_loop_call(channel, reference, operation, args + 2, count - 2, names);
    } else {
        result = PyObject_Vectorcall(args[0], args + 1, (size_t)count - 1, names);
    }
    Py_XDECREF(reference);
    return result;
}

static PyMethodDef awaited_functions[] = {
    {"call_awaited", (PyCFunction)(void (*)(void))module_call_awaited,
     METH_FASTCALL | METH_KEYWORDS,
     "call_awaited(otherwise, function, /, *args, **kwargs)\n--\n\nCall a worker's function for the "
     "running loop; return the future, or what otherwise(function, *args, **kwargs) does where the "
     "function is not known yet or the loop has no channel to its worker."},
    {NULL, NULL, 0, NULL},
};

int
host_awaited_init(PyObject *module)
{
    return PyModule_AddFunctions(module, awaited_functions);
}
