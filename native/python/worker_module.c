/* The extension's doors: what the Python half calls, and how the worker attaches to its host. */
#define _GNU_SOURCE
#include "worker.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* Chosen: a host that looks once a second sees several. */
#define BEAT_MS 250
/* Where descriptors are kept: beyond what a loop over the low ones closes, and as far below the limit
 * as 64 channels need.  A table of descriptors so long takes 32 KiB. */
#define DESCRIPTORS_FROM 3800
#define DESCRIPTORS_NEEDED 160

worker_state worker;

static PyObject *
read_error(void *Py_UNUSED(context), PyObject *fields)
{
    return PyObject_CallFunctionObjArgs(worker.functions[WORKER_MAKE_ERROR], fields, NULL);
}

const wire_python_hooks worker_read_hooks = {
    .read_reference = worker_read_reference,
    .read_array = worker_read_array,
    .read_error = read_error,
    .keeps_python = true,
};

/* In the order of enum worker_function. */
static const char *const function_names[WORKER_FUNCTIONS] = {
    "serve",      "describe",     "note_call",    "make_error", "make_array",     "proxy_types",
    "start_lane", "start_helper", "await_result", "cancel",     "settle",         "current",
    "cancelled",  "overdue",      "end_fork",     "coroutine",  "function_types",
};

/* ------------------------------------------------------------------------------------ Failing */

_Noreturn void
worker_condemn(const char *reason)
{
    dprintf(STDERR_FILENO, "noodle: the worker ends: %s\n", reason);
    noodle_worker_exit(&worker.core);
}

COLD void
worker_complain(const char *what)
{
    PyObject *text = PyUnicode_FromString(what);
    PyErr_WriteUnraisable(text);
    Py_XDECREF(text);
}

/* -------------------------------------------------------------------------------------- Forks */

static void
close_own(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Runs in the child, where only what is safe in a signal handler may be done. */
static void
leave_parent(void)
{
    noodle_worker *const core = &worker.core;
    if (!worker.attached)
        return;
    mmap(core->control, core->control_bytes, PROT_READ | PROT_WRITE,
         MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    close_own(&core->event.wait_fd);
    close_own(&core->event.wake_fd);
    close_own(&core->lifeline_fd);
    close_own(&worker.socket);
    for (uint32_t i = 0; i < core->channel_count; i++) {
        close_own(&core->channels[i].own_event.wait_fd);
        close_own(&core->channels[i].peer_event.wake_fd);
    }
}

/* ----------------------------------------------------------------------------------- Starting */

static uint64_t
make_incarnation(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((uint64_t)now.tv_sec << 22 ^ (uint64_t)now.tv_nsec ^ (uint64_t)getpid() << 32)
           & ((UINT64_C(1) << 53) - 1);
}

int
worker_move_descriptor(int fd)
{
    struct rlimit limit;
    int lowest = DESCRIPTORS_FROM;
    int moved;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0
        && limit.rlim_cur < DESCRIPTORS_FROM + DESCRIPTORS_NEEDED)
        lowest = limit.rlim_cur > 2 * DESCRIPTORS_NEEDED
                     ? (int)limit.rlim_cur - DESCRIPTORS_NEEDED
                     : (int)limit.rlim_cur / 2;
    moved = fcntl(fd, F_DUPFD_CLOEXEC, lowest);
    if (moved < 0)
        worker_condemn("its descriptors could not be moved out of the way");
    close(fd);
    return moved;
}

static int
attach(void)
{
    const int socket = worker_move_descriptor(NOODLE_FD_SOCKET);
    const int event = worker_move_descriptor(NOODLE_FD_EVENT);
    const int lifeline = worker_move_descriptor(NOODLE_FD_LIFELINE);
    const noodle_status status =
        noodle_worker_attach(&worker.core, NOODLE_FD_CONTROL, event, lifeline);
    if (status != NOODLE_OK) {
        PyErr_Format(PyExc_RuntimeError, "descriptors 3 to 6 are no channel of this version: %s",
                     noodle_status_name(status));
        return -1;
    }
    worker.socket = socket;
    worker.generation = noodle_process_generation();
    for (uint32_t i = 0; i < worker.core.channel_count; i++) {
        worker.lanes[i].core = &worker.core.channels[i];
        worker.lanes[i].pace.spin_ns = NOODLE_SPIN_DEFAULT_NS;
    }
    worker.attached = true;
    if (pthread_atfork(NULL, NULL, leave_parent) != 0
        || noodle_worker_watch(&worker.core, BEAT_MS) != NOODLE_OK) {
        PyErr_SetString(PyExc_OSError, "the worker's threads could not be set up");
        return -1;
    }
    return 0;
}

/* start({name: function}) */
static PyObject *
start(PyObject *Py_UNUSED(module), PyObject *functions)
{
    if (worker.attached) {
        PyErr_SetString(PyExc_RuntimeError, "this process is a worker already");
        return NULL;
    }
    for (int i = 0; i < WORKER_FUNCTIONS; i++) {
        PyObject *const value = PyDict_GetItemString(functions, function_names[i]);
        if (value == NULL) {
            PyErr_Format(PyExc_TypeError, "start() needs %s", function_names[i]);
            return NULL;
        }
        Py_INCREF(value);
        worker.functions[i] = value;
    }
    if (attach() < 0)
        return NULL;
    Py_RETURN_NONE;
}

/* ------------------------------------------------------------------------------------- Others */

static PyObject *
statistics(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const worker_counts *const counts = &worker.counts;
    uint64_t segment_bytes;
    const uint32_t segments = worker_segment_count(&segment_bytes);
    unsigned threads = 0;
    for (const worker_thread *at = worker.threads; at != NULL; at = at->next)
        threads++;
    return Py_BuildValue(
        "{sKsIsKsKsKsIsIsIsIsKsKsKsKsKsKsK}", "calls", (unsigned long long)counts->calls,
        "open_calls", (unsigned)worker_open_calls(), "requests", (unsigned long long)counts->requests,
        "errands", (unsigned long long)counts->errands, "blocked_ns",
        (unsigned long long)counts->blocked_ns, "threads", threads, "objects",
        (unsigned)worker_object_count(), "proxies", (unsigned)worker_proxy_count(), "segments",
        (unsigned)segments, "segment_bytes", (unsigned long long)segment_bytes, "views",
        (unsigned long long)counts->views, "copies_in", (unsigned long long)counts->copies_in,
        "copied_in_bytes", (unsigned long long)counts->copied_in_bytes, "copies_out",
        (unsigned long long)counts->copies_out, "copied_out_bytes",
        (unsigned long long)counts->copied_out_bytes, "shared_out",
        (unsigned long long)counts->shared_out);
}

static PyMethodDef functions[] = {
    {"start", start, METH_O, "start(functions)\n--\n\nAttach to the host."},
    {"keep", worker_keep, METH_NOARGS, "keep()\n--\n\nBe the keeper, until the process ends."},
    {"serve_main", worker_serve_main, METH_NOARGS,
     "serve_main()\n--\n\nServe the first lane on the main thread, until the host says stop."},
    {"serve_lane", worker_serve_lane, METH_O, "serve_lane(index)\n--\n\nServe a lane."},
    {"help", worker_help, METH_NOARGS, "help()\n--\n\nRun calls whose lane is busy."},
    {"answer", worker_answer, METH_VARARGS, "answer(call, value)\n--\n\nAnswer an awaited call."},
    {"fail", worker_fail, METH_VARARGS, "fail(call, error)\n--\n\nAnswer it with an exception."},
    {"pending", worker_pending, METH_O,
     "pending(call)\n--\n\nSay that a cancelled call waits for something, and runs no code."},
    {"abandon", worker_abandon, METH_O,
     "abandon(number)\n--\n\nSay that nobody waits for that request of request_later() any more."},
    {"uncaught", worker_uncaught, METH_O,
     "uncaught(error)\n--\n\nTell the host of an error that no call was waiting for."},
    {"interrupted", worker_interrupted, METH_VARARGS,
     "interrupted(signal, frame)\n--\n\nRaise in the main thread if its call was cancelled."},
    {"request", worker_request_now, METH_VARARGS,
     "request(reference, operation, *arguments)\n--\n\nAsk the host, and wait."},
    {"request_later", worker_request_later, METH_VARARGS,
     "request_later(future, reference, operation, *arguments)\n--\n\nAsk the host for a future."},
    {"statistics", statistics, METH_NOARGS, "statistics()\n--\n\nReturn the counters by name."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "core",
    .m_doc = "The native half of a Python worker.",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit_core(void)
{
    static bool is_used;
    if (is_used) {
        PyErr_SetString(PyExc_ImportError, "a worker serves the main interpreter of its process; "
                                           "sub-interpreters have none of their own");
        return NULL;
    }
    is_used = true;
    PyObject *module = PyModule_Create(&definition);
    PyObject *error = PyErr_NewException("noodle.WireError", PyExc_ValueError, NULL);
    worker.incarnation = make_incarnation();
    if (module == NULL || error == NULL || wire_python_init(error) < 0
        || worker_references_init(module) < 0 || worker_leases_init(module) < 0)
        Py_CLEAR(module);
    Py_XDECREF(error);
    return module;
}
