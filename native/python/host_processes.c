/* Processes: one native thread starts every worker, and one pump carries what they print.
 *
 * A worker is killed when the thread that started it ends, so that thread lives as long as the host and
 * never needs the GIL. */
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "noodle/pump.h"

/* ----------------------------------------------------------------------------------- Starting */

typedef struct {
    char **argv;
    const int *inherited;     /* descriptors that the new process keeps under their numbers */
    size_t inherited_count;
    pid_t pid;
    int pidfd;
    int error;
    bool done;
} start;

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    start *pending;
    bool running;
} starter = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int
perform_start(start *asked)
{
    static char *const no_environment[] = {NULL};
    posix_spawn_file_actions_t actions;
    int error = posix_spawn_file_actions_init(&actions);
    for (size_t i = 0; i < asked->inherited_count && error == 0; i++)
        error = posix_spawn_file_actions_adddup2(&actions, asked->inherited[i], asked->inherited[i]);
    if (error == 0)
        error = posix_spawn(&asked->pid, asked->argv[0], &actions, NULL, asked->argv, no_environment);
    posix_spawn_file_actions_destroy(&actions);
    if (error != 0)
        return error;
    asked->pidfd = (int)syscall(SYS_pidfd_open, asked->pid, 0);
    if (asked->pidfd >= 0)
        return 0;
    /* Nobody else knows of the process yet: it must leave no zombie. */
    error = errno;
    kill(asked->pid, SIGKILL);
    while (waitpid(asked->pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return error;
}

static void *
run_starter(void *Py_UNUSED(context))
{
    pthread_mutex_lock(&starter.lock);
    for (;;) {
        while (starter.pending == NULL)
            pthread_cond_wait(&starter.changed, &starter.lock);
        start *const asked = starter.pending;
        pthread_mutex_unlock(&starter.lock);
        asked->error = perform_start(asked);
        pthread_mutex_lock(&starter.lock);
        asked->done = true;
        starter.pending = NULL;
        pthread_cond_broadcast(&starter.changed);
    }
    return NULL;
}

/* Signals are for the interpreter's threads. */
static int
ensure_starter(void)
{
    pthread_t thread;
    sigset_t all, before;
    int error = 0;
    if (starter.running)
        return 0;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, NULL, run_starter, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    starter.running = error == 0;
    return error;
}

static void
start_there(start *asked)
{
    pthread_mutex_lock(&starter.lock);
    asked->error = ensure_starter();
    if (asked->error == 0) {
        while (starter.pending != NULL)
            pthread_cond_wait(&starter.changed, &starter.lock);
        starter.pending = asked;
        pthread_cond_broadcast(&starter.changed);
        while (!asked->done)
            pthread_cond_wait(&starter.changed, &starter.lock);
    }
    pthread_mutex_unlock(&starter.lock);
}

static char **
read_arguments(PyObject *list)
{
    const Py_ssize_t count = PyList_GET_SIZE(list);
    char **argv = PyMem_Calloc((size_t)count + 1, sizeof *argv);
    for (Py_ssize_t i = 0; argv != NULL && i < count; i++) {
        argv[i] = PyBytes_AsString(PyList_GET_ITEM(list, i));
        if (argv[i] == NULL) {
            PyMem_Free(argv);
            return NULL;
        }
    }
    if (argv == NULL)
        PyErr_NoMemory();
    return argv;
}

static int *
read_descriptors(PyObject *list)
{
    const Py_ssize_t count = PyList_GET_SIZE(list);
    int *numbers = PyMem_Calloc((size_t)count + 1, sizeof *numbers);
    if (numbers == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    for (Py_ssize_t i = 0; i < count; i++)
        numbers[i] = (int)PyLong_AsLong(PyList_GET_ITEM(list, i));
    if (PyErr_Occurred()) {
        PyMem_Free(numbers);
        return NULL;
    }
    return numbers;
}

static PyObject *
module_start(PyObject *Py_UNUSED(module), PyObject *args)
{
    PyObject *arguments, *descriptors;
    if (!PyArg_ParseTuple(args, "O!O!:start", &PyList_Type, &arguments, &PyList_Type, &descriptors))
        return NULL;
    start asked = {.pidfd = -1};
    int *inherited = read_descriptors(descriptors);
    asked.argv = inherited != NULL ? read_arguments(arguments) : NULL;
    asked.inherited = inherited;
    asked.inherited_count = (size_t)PyList_GET_SIZE(descriptors);
    if (asked.argv != NULL) {
        Py_BEGIN_ALLOW_THREADS
        start_there(&asked);
        Py_END_ALLOW_THREADS
    }
    PyMem_Free(asked.argv);
    PyMem_Free(inherited);
    if (PyErr_Occurred())
        return NULL;
    if (asked.error != 0) {
        errno = asked.error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return Py_BuildValue("(ii)", (int)asked.pid, asked.pidfd);
}

/* ------------------------------------------------------------------------------------- Output */

static noodle_pump *pump;
static PyTypeObject *output_type;

typedef struct {
    PyObject_HEAD
    noodle_pump_source *source;
    PyObject *write;           /* (bytes), or NULL */
    uint32_t generation;
} Output;

/* While the interpreter ends, the pump's thread must not ask for the GIL: it would end there, with what
 * it carries in its hands, and whoever waits for it would wait for ever. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool over;
    bool busy;
} passing = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static bool
begin_passing(void)
{
    pthread_mutex_lock(&passing.lock);
    const bool allowed = !passing.over;
    passing.busy = allowed;
    pthread_mutex_unlock(&passing.lock);
    return allowed;
}

static void
end_passing(void)
{
    pthread_mutex_lock(&passing.lock);
    passing.busy = false;
    pthread_cond_broadcast(&passing.changed);
    pthread_mutex_unlock(&passing.lock);
}

/* From here on nothing more is passed to Python; what is being passed has so many seconds to end. */
static void
end_all_passing(double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)seconds;
    pthread_mutex_lock(&passing.lock);
    passing.over = true;
    while (passing.busy
           && pthread_cond_timedwait(&passing.changed, &passing.lock, &until) != ETIMEDOUT)
        continue;
    pthread_mutex_unlock(&passing.lock);
}

/* On the pump's thread. */
static void
pass_on(void *context, const char *bytes, size_t count)
{
    if (!begin_passing())
        return;
    const PyGILState_STATE state = PyGILState_Ensure();
    const Output *const self = context;
    PyObject *done = PyObject_CallFunction(self->write, "y#", bytes, (Py_ssize_t)count);
    if (done == NULL)
        PyErr_WriteUnraisable(self->write);
    Py_XDECREF(done);
    PyGILState_Release(state);
    end_passing();
}

static void
detach_output(Output *self)
{
    noodle_pump_source *const source = self->source;
    self->source = NULL;
    if (source == NULL || self->generation != noodle_process_generation())
        return;
    Py_BEGIN_ALLOW_THREADS
    noodle_pump_remove(pump, source);
    Py_END_ALLOW_THREADS
}

static PyObject *
output_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    static char *keywords[] = {"source", "sink", "write", NULL};
    int source, sink = -1;
    PyObject *write = Py_None;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "i|iO:Output", keywords, &source, &sink, &write))
        return NULL;
    if (pump == NULL && noodle_pump_create(&pump) != NOODLE_OK)
        return PyErr_NoMemory();
    Output *self = (Output *)type->tp_alloc(type, 0);
    if (self == NULL)
        return NULL;
    self->generation = noodle_process_generation();
    self->write = write == Py_None ? NULL : Py_NewRef(write);
    const noodle_status status =
        noodle_pump_add(pump, source, sink, self->write != NULL ? pass_on : NULL, self, &self->source);
    if (status != NOODLE_OK) {
        self->source = NULL;
        Py_DECREF(self);
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return (PyObject *)self;
}

static void
output_dealloc(PyObject *object)
{
    Output *const self = (Output *)object;
    PyTypeObject *type = Py_TYPE(object);
    detach_output(self);
    Py_XDECREF(self->write);
    type->tp_free(object);
    Py_DECREF(type);
}

static PyObject *
output_finish(PyObject *object, PyObject *seconds)
{
    Output *const self = (Output *)object;
    const double limit = PyFloat_AsDouble(seconds);
    noodle_status status = NOODLE_OK;
    if (PyErr_Occurred())
        return NULL;
    if (self->source != NULL && self->generation == noodle_process_generation()) {
        Py_BEGIN_ALLOW_THREADS
        status = noodle_pump_finish(self->source, (int)(limit * 1e3));
        Py_END_ALLOW_THREADS
    }
    return PyBool_FromLong(status == NOODLE_OK);
}

static PyObject *
output_last(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    Output *const self = (Output *)object;
    char kept[NOODLE_PUMP_KEPT_BYTES];
    size_t count = 0;
    if (self->source != NULL && self->generation == noodle_process_generation())
        count = noodle_pump_last(self->source, kept, sizeof kept);
    return PyBytes_FromStringAndSize(kept, (Py_ssize_t)count);
}

static PyObject *
output_close(PyObject *object, PyObject *Py_UNUSED(ignored))
{
    detach_output((Output *)object);
    Py_RETURN_NONE;
}

static PyMethodDef output_methods[] = {
    {"finish", output_finish, METH_O,
     "finish(seconds)\n--\n\nWait for the end of the output; return whether it has come."},
    {"last", output_last, METH_NOARGS, "last()\n--\n\nReturn the last bytes."},
    {"close", output_close, METH_NOARGS, "close()\n--\n\nStop carrying it."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot output_slots[] = {
    {Py_tp_doc, "Output(source, sink=-1, write=None)\n--\n\nWhat a worker prints, carried by the pump."},
    {Py_tp_new, output_new},
    {Py_tp_dealloc, output_dealloc},
    {Py_tp_methods, output_methods},
    {0, NULL},
};

static PyType_Spec output_spec = {
    .name = "noodle._host.Output",
    .basicsize = sizeof(Output),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_IMMUTABLETYPE,
    .slots = output_slots,
};

/* ------------------------------------------------------------------------------------- Module */

static PyObject *
module_silence(PyObject *Py_UNUSED(module), PyObject *seconds)
{
    const double limit = PyFloat_AsDouble(seconds);
    if (PyErr_Occurred())
        return NULL;
    Py_BEGIN_ALLOW_THREADS
    end_all_passing(limit);
    Py_END_ALLOW_THREADS
    Py_RETURN_NONE;
}

/* The child of a fork has neither thread, nor the parent's arena: it makes its own. */
static PyObject *
module_forked(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(ignored))
{
    const noodle_arena_options options = {0};
    pthread_mutex_init(&starter.lock, NULL);
    pthread_cond_init(&starter.changed, NULL);
    starter.pending = NULL;
    starter.running = false;
    pthread_mutex_init(&passing.lock, NULL);
    pthread_cond_init(&passing.changed, NULL);
    passing.over = passing.busy = false;
    pump = NULL;
    if (noodle_arena_create(&options, &host_arena) != NOODLE_OK)
        return PyErr_NoMemory();
    Py_RETURN_NONE;
}

static PyMethodDef process_methods[] = {
    {"start", module_start, METH_VARARGS,
     "start(arguments, descriptors)\n--\n\nStart a process from the thread that lives as long as the "
     "host; return (pid, pidfd)."},
    {"silence", module_silence, METH_O,
     "silence(seconds)\n--\n\nPass no more output to Python: the interpreter ends."},
    {"forked", module_forked, METH_NOARGS, "forked()\n--\n\nForget what belongs to the parent."},
    {NULL, NULL, 0, NULL},
};

int
host_processes_init(PyObject *module)
{
    output_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &output_spec, NULL);
    if (output_type == NULL || PyModule_AddObjectRef(module, "Output", (PyObject *)output_type) < 0)
        return -1;
    return PyModule_AddFunctions(module, process_methods);
}
