/* Callbacks from C: the callable behind each trampoline, the calls that raise their errors, and the
 * pointers that callbacks are given.
 *
 * A trampoline is an address that C calls. cffi makes one, which takes the GIL, on any thread, and
 * calls a Trampoline. Before most of them there is an Entry: an address of this module that does
 * the same without cffi, and leads to cffi's trampoline where it cannot. What goes wrong is kept
 * for the thread until the native call that is pending there returns: a PendingCall raises it then.
 * Meanwhile further trampolines on the thread return their fallback. Where no call is pending, as
 * on a thread of the library's own, a trampoline that is lent for a call keeps its first error for that
 * call, and any other error is reported at once.
 *
 * Everything here runs with the GIL held, unless it says otherwise. Neither a trampoline nor an
 * entry is ever freed: C code may keep its address.
 */
#ifndef NOODLE_CALLBACKS_H
#define NOODLE_CALLBACKS_H

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>

#include <stddef.h>
#include <stdint.h>

/* In the static block of thread-local memory an access is one instruction, not a call. */
#define NOODLE_THREAD __attribute__((tls_model("initial-exec"))) _Thread_local

enum { MOST_ARGUMENTS = 64 };

/* Types of C are letters as in the struct module: bhiq and BHIQ for integers of 8 to 64 bits, f, d,
 * ? for a truth value; besides p for any pointer, and v for none. */

/* ---- Trampolines --------------------------------------------------------------------------- */

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyObject *function;   /* what is called; exchanged while the trampoline lives */
    PyObject *converters; /* a tuple: for each argument what converts it, or None */
    PyObject *result;     /* converts the result, or None */
    PyObject *fallback;   /* what C gets where the function is not called */
    PyObject *told;       /* what tells of an error where no call is pending */
    PyObject *error;      /* of a thread without a pending call, while it is lent; or NULL */
    char lent;            /* whether a call waits that will take such an error */
} Trampoline;

/* Of this thread: the error that the innermost PendingCall will raise. */
extern NOODLE_THREAD PyObject *callbacks_pending_error;

/* Whether the last trampoline of this thread has given a result, which C may not take. */
extern NOODLE_THREAD int callbacks_gave_result;

/* That result, or NULL where it is not kept: no longer than until the pending call returns. */
extern NOODLE_THREAD PyObject *callbacks_given;

/* Returns what the trampoline's converter makes of a function's result, NULL included; takes the
 * reference. */
PyObject *callbacks_convert_result(Trampoline *self, PyObject *result);

/* ---- Entries ------------------------------------------------------------------------------- */

extern PyMethodDef callbacks_entry_methods[];
extern const int callbacks_most_entries;

/* ---- Numbers ------------------------------------------------------------------------------- */

/* A number of C in a register, as its lowest bytes. */
typedef union {
    uint64_t bits;
    double number;
} Register;

/* Returns the size of a number, or 0 where the letter stands for none that is read here. */
size_t callbacks_number_size(char letter);

/* Returns the number that lies at a place, which need not be aligned; NULL with an exception. */
PyObject *callbacks_number_at(const void *place, char letter);

/* Writes a number as C takes it in a register. Returns 0, or -1 without an exception where it is
 * left to cffi. */
int callbacks_number_from(PyObject *value, char letter, Register *found);

/* ---- Pointers ------------------------------------------------------------------------------ */

typedef struct {
    PyObject_HEAD
    PyObject *cdata;   /* cffi's address, or NULL: then it is made of `address` when it is needed */
    PyObject *pointee; /* what lies there */
    PyObject *origin;  /* what gave it */
    PyObject *weak_references;
    char *address;     /* where it is known without cffi, else NULL */
    PyObject *c_type;  /* cffi's type of such an address */
    char letter;       /* of the numbers that lie there, where cffi is not needed; else 0 */
} PointerBase;

enum { MOST_SPARE = 4 };

typedef struct {
    PyObject_HEAD
    vectorcallfunc vectorcall;
    PyTypeObject *made;
    PyObject *pointee, *origin, *c_type;
    char letter;
    int spares;
    PointerBase *spare[MOST_SPARE]; /* pointers that nobody refers to, to be used again */
} PointerMaker;

/* The types, set while the module is made. */
extern PyTypeObject *callbacks_pointer_base;
extern PyTypeObject *callbacks_pointer_maker;
extern PyTypeObject *callbacks_trampoline_type;

extern PyType_Spec callbacks_pointer_base_spec;
extern PyType_Spec callbacks_pointer_maker_spec;
extern PyType_Spec callbacks_trampoline_spec;
extern PyType_Spec callbacks_pending_call_spec;

/* What a PointerMaker makes of one of cffi's addresses: None of null. A new reference, or NULL with
 * an exception. */
PyObject *callbacks_pointer(PyObject *maker, PyObject *cdata);

/* The same of an address. */
PyObject *callbacks_pointer_at(PyObject *maker, char *address);

/* Takes back a reference to what callbacks_pointer_at made. */
void callbacks_pointer_done(PyObject *maker, PyObject *pointer);

/* ---- cffi ---------------------------------------------------------------------------------- */

/* What cffi exports to compiled modules; NULL until callbacks_cffi_ready. */
typedef struct {
    PyObject *(*object_of_pointer)(char *address, PyObject *c_type);
    int (*write)(char *place, PyObject *c_type, PyObject *value);
    void (*restore_errno)(void), (*save_errno)(void); /* also without the GIL */
} Cffi;

extern Cffi callbacks_cffi;

/* Returns 0, or -1 with an exception. */
int callbacks_cffi_ready(void);

#endif
