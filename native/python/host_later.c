/* Later answers: of asynchronous callbacks that belong to no call.
 *
 * They run on an event loop of another thread, so that the serving thread goes on at once.  Whoever has
 * their result gives it to the LaterAnswer, on any thread; the serving thread, to which the lane belongs,
 * is woken and sends it.  Until then the lane stays in use. */
#include "host.h"

typedef struct LaterAnswer {
    PyObject_HEAD
    LaterAnswer *next;         /* in the link's queue, which owns it then */
    Link *link;
    PyObject *request;
    PyObject *callable;        /* of a chain that began in the worker, for what is told of a failure; or NULL */
    PyObject *result;          /* once it is given: a value, or the exception if `failed` */
    uint64_t call_id;
    uint64_t chain_id;
    uint32_t channel;
    bool failed;
    bool given;
} LaterAnswer;

static PyTypeObject *later_type;

/* The lane that the request came on; NULL: it has gone with its worker. */
static host_lane *
lane_of(const LaterAnswer *self)
{
    for (host_lane *lane = self->link->lanes; lane != NULL; lane = lane->next_of_link)
        if (lane->core->index == self->channel)
            return lane;
    return NULL;
}

/* Nobody sends it any more. */
static void
leave_lane(LaterAnswer *self)
{
    host_lane *const lane = link_is_forked(self->link) ? NULL : lane_of(self);
    self->given = true;
    if (lane != NULL)
        lane->open--;
}

/* ------------------------------------------------------------------------------------ Sending */

/* The failure of a callback that no call of this process has led to says what was called. */
static void
set_failure(const LaterAnswer *self)
{
    PyErr_SetObject((PyObject *)Py_TYPE(self->result), self->result);
    if (self->callable != NULL)
        host_note_callback(self->link, self->callable, self->request);
}

static void
send_one(host_thread *thread, const LaterAnswer *self)
{
    host_lane *const lane = lane_of(self);
    const noodle_record request = {.call_id = self->call_id, .chain_id = self->chain_id};
    if (lane == NULL || link_is_dead(self->link))
        return;
    if (self->failed)
        set_failure(self);
    if (host_answer(thread, lane, &request, self->failed ? NULL : self->result) == 0)
        return;
    /* That the worker has ended is told to its callers. */
    if (link_is_dead(self->link))
        PyErr_Clear();
    else
        PyErr_WriteUnraisable((PyObject *)self->link);
}

static LaterAnswer *
take_first(Link *link)
{
    LaterAnswer *const first = link->later_first;
    if (first == NULL)
        return NULL;
    link->later_first = first->next;
    if (link->later_first == NULL)
        link->later_last = NULL;
    return first;
}

static void
end_one(LaterAnswer *self)
{
    leave_lane(self);
    Py_CLEAR(self->result);    /* an exception refers to the frames that gave it */
    Py_DECREF(self);
}

/* To send may wait for space, and serve callbacks meanwhile, whose calls may need these answers: so a
 * callback further in goes on with them, but not the wait itself. */
COLD void
host_later_send(host_thread *thread)
{
    PyObject *type, *value, *traceback;
    LaterAnswer *answer;
    const uint32_t outer = thread->sends_at;
    if (outer == thread->depth)
        return;
    PyErr_Fetch(&type, &value, &traceback);
    thread->sends_at = thread->depth;
    while ((answer = take_first(thread->serves)) != NULL) {
        send_one(thread, answer);
        end_one(answer);
    }
    thread->sends_at = outer;
    PyErr_Restore(type, value, traceback);
}

void
host_later_drop(Link *link)
{
    LaterAnswer *answer;
    while ((answer = take_first(link)) != NULL)
        end_one(answer);
}

/* ------------------------------------------------------------------------------------ Request */

static LaterAnswer *
new_later(host_lane *lane, const noodle_record *record, PyObject *request)
{
    Link *const link = lane->link;
    LaterAnswer *const self = PyObject_New(LaterAnswer, later_type);
    if (self == NULL)
        return NULL;
    self->next = NULL;
    self->link = (Link *)Py_NewRef((PyObject *)link);
    self->request = Py_NewRef(request);
    self->callable = host_called_unexpectedly(link, request, record->chain_id);
    self->result = NULL;
    self->call_id = record->call_id;
    self->chain_id = record->chain_id;
    self->channel = lane->core->index;
    self->failed = self->given = false;
    lane->open++;
    return self;
}

int
host_answer_later(host_lane *lane, const noodle_record *record, PyObject *request, PyObject *awaitable,
                  PyObject *chain)
{
    Link *const link = lane->link;
    const noodle_status status = noodle_waiter_admit_wakes(lane->owner->waiter);
    if (status != NOODLE_OK)
        return host_raise(POLICY_REFUSED, "OOsi", link, Py_None, noodle_status_name(status), errno);
    PyObject *const answer = (PyObject *)new_later(lane, record, request);
    PyObject *const begun =
        answer == NULL ? NULL
                       : PyObject_CallFunction(host_policy[POLICY_SETTLE_LATER], "OOOO", answer, awaitable,
                                               chain, record->flags & NOODLE_BLOCKING ? Py_True : Py_False);
    Py_XDECREF(answer);
    Py_XDECREF(begun);
    return begun == NULL ? -1 : 0;
}

/* --------------------------------------------------------------------------------------- Type */

static void
queue(LaterAnswer *self)
{
    Link *const link = self->link;
    Py_INCREF(self);
    if (link->later_last == NULL)
        link->later_first = self;
    else
        link->later_last->next = self;
    link->later_last = self;
    noodle_waiter_wake(link->server->waiter);
}

static PyObject *
later_give(PyObject *object, PyObject *args)
{
    LaterAnswer *const self = (LaterAnswer *)object;
    PyObject *result, *error;
    if (!PyArg_ParseTuple(args, "OO:give", &result, &error))
        return NULL;
    if (self->given)
        Py_RETURN_NONE;
    if (link_is_forked(self->link) || self->link->server == NULL) {
        leave_lane(self);
        Py_RETURN_NONE;
    }
    self->given = true;
    self->failed = error != Py_None;
    self->result = Py_NewRef(self->failed ? error : result);
    queue(self);
    Py_RETURN_NONE;
}

static void
later_dealloc(PyObject *object)
{
    LaterAnswer *const self = (LaterAnswer *)object;
    PyTypeObject *const type = Py_TYPE(object);
    if (!self->given)
        leave_lane(self);
    Py_XDECREF(self->result);
    Py_XDECREF(self->callable);
    Py_DECREF(self->request);
    Py_DECREF(self->link);
    PyObject_Free(object);
    Py_DECREF(type);
}

static PyMethodDef later_methods[] = {
    {"give", later_give, METH_VARARGS,
     "give(result, error)\n--\n\nHave the worker answered; a worker that has ended needs no answer."},
    {NULL, NULL, 0, NULL},
};

static PyMemberDef later_members[] = {
    {"link", T_OBJECT_EX, offsetof(LaterAnswer, link), READONLY, "The worker that asked."},
    {"call_id", T_ULONGLONG, offsetof(LaterAnswer, call_id), READONLY, "Its number for the callback."},
    {"chain_id", T_ULONGLONG, offsetof(LaterAnswer, chain_id), READONLY, "The callback's chain."},
    {NULL, 0, 0, 0, NULL},
};

static PyType_Slot later_slots[] = {
    {Py_tp_doc, "The answer to a callback that goes on elsewhere; its serving thread sends it."},
    {Py_tp_dealloc, later_dealloc},
    {Py_tp_methods, later_methods},
    {Py_tp_members, later_members},
    {0, NULL},
};

static PyType_Spec later_spec = {
    .name = "noodle._host.LaterAnswer",
    .basicsize = sizeof(LaterAnswer),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION,
    .slots = later_slots,
};

int
host_later_init(PyObject *module)
{
    later_type = (PyTypeObject *)PyType_FromModuleAndSpec(module, &later_spec, NULL);
    if (later_type == NULL)
        return -1;
    return PyModule_AddObjectRef(module, "LaterAnswer", (PyObject *)later_type);
}
