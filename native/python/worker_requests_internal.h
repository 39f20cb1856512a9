/* What the parts of requests share: those without an answer, and how one is opened, sent and awaited. */
#ifndef NOODLE_WORKER_REQUESTS_INTERNAL_H
#define NOODLE_WORKER_REQUESTS_INTERNAL_H

#include "worker.h"

#define WORKER_REQUEST_BUCKETS 256

/* A request without an answer. */
typedef struct request {
    struct request *next;
    uint64_t id;
    const worker_call *call;    /* that it belongs to, which outlives it; NULL: none */
    worker_lane *lane;
    uint64_t chain;
    uint64_t deadline_ns;
    worker_thread *thread;      /* blocked in it; NULL: a future waits, or nobody any more */
    PyThread_type_lock lock;    /* of a thread that does not serve the lane */
    PyObject *future;           /* owned */
    worker_errands inbox;       /* calls of the chain, for the thread with the lock */
    bool answered;
    noodle_record record;       /* the answer */
    const unsigned char *bytes; /* of the answer: `small` or `copy` */
    unsigned char *copy;
    size_t length;
    unsigned char small[WORKER_SMALL_BYTES];
} request;

extern request *worker_open_requests[WORKER_REQUEST_BUCKETS];

/* Where the request of that id hangs, or would. */
request **worker_request_find(uint64_t id);
/* Makes it the request of the running call, or of nobody, which goes to the host's serving thread. */
void worker_request_open(request *opened);
void worker_request_close(request *closed);
/* Raises if the host cannot be asked, or nobody waits any more.  Returns 0 or -1. */
int worker_request_check(const request *opened);
/* Returns 0, or -1 with an exception. */
int worker_request_send(const request *opened, uint64_t operation, uint64_t id, PyObject *named,
                        PyObject *const *arguments, Py_ssize_t count);

/* Blocks until the request is answered.  Returns 0, or -1 with an exception. */
int worker_request_wait(request *wanted);
/* The thread that is blocked in it looks again. */
void worker_request_wake(request *open);

#endif
