/* What every part of the host's side needs: limits, and what Python code decides. */
#ifndef NOODLE_HOST_POLICY_H
#define NOODLE_HOST_POLICY_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "noodle/arena.h"
#include "noodle/channel.h"
#include "noodle/protocol.h"
#include "exceptions.h"
#include "wire_python.h"

#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define COLD __attribute__((noinline, cold))

/* Nested calls on one thread, callbacks included. */
#define HOST_DEPTH_MAX 64
/* Nearly every message fits here, on the stack of its call. */
#define HOST_SMALL_BYTES 512

/* ------------------------------------------------------------------------------------- Policy
 * What Python code decides; installed once by noodle.workers. */
enum host_policy {
    POLICY_CRASHED,            /* (link, name) -> exception */
    POLICY_OVERDUE,            /* (link, name, seconds) -> exception */
    POLICY_REFUSED,            /* (link, name, status name, errno) -> exception */
    POLICY_FORKED,             /* (link, name) -> exception */
    POLICY_TOO_DEEP,           /* (link, name, depth) -> exception */
    POLICY_RELEASED,           /* (name, why) -> exception */
    POLICY_STUCK,              /* (link, name, chain, seconds) -> exception or None */
    POLICY_REMOTE_ERROR,       /* (link, fields) -> exception */
    POLICY_ARRAY,              /* (memory, dtype, item size, unit, units, shape, strides, offset,
                                * read only) -> array */
    POLICY_PERFORM,            /* (link, operation, object, arguments) -> result */
    POLICY_RETURNED,           /* (link, error, failure) -> failure if the error is that, else error */
    POLICY_DESCRIBE,           /* (link, exception, with cause) -> fields of an ERROR */
    POLICY_UNREADABLE,         /* (link, name, exception) -> exception for an answer */
    POLICY_SETTLE,             /* (link, call id, awaitable) -> result */
    POLICY_SETTLE_LATER,       /* (later answer, awaitable, chain, blocks): gives that its result */
    POLICY_CANCEL,             /* (link, call id): nobody waits for that callback any more */
    POLICY_UNCAUGHT,           /* (link, exception) */
    POLICY_REFERENCE_TYPES,    /* tuple of subclasses of Reference, by wire_reference_kind */
    POLICY_MOST_ARGUMENTS,     /* (callable) -> how many a callback takes by position, or None */
    POLICY_NOTE_CALLBACK,      /* (link, callable, arguments, exception): says what was called */
    POLICY_UNDEFINED,          /* the object that stands for JavaScript's undefined */
    POLICY_DEADLINE_SCOPE,     /* a ContextVar, None while no deadline was set */
    POLICY_REMAINING_SECONDS,  /* () -> float or None */
    POLICY_COUNT
};

extern PyObject *host_policy[POLICY_COUNT];

/* Raises what a policy returns.  Returns -1. */
int host_raise(enum host_policy policy, const char *format, ...);

#endif
