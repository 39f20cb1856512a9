/* Entries: addresses of this module that C calls, before the trampolines of cffi.
 *
 * cffi makes a tuple of the arguments, and its objects for addresses; libffi sorts the registers
 * anew with each call. An entry reads the registers by letters that were found out once. There are
 * entries for functions of numbers and pointers on x86-64 with System V's calling convention;
 * elsewhere C is given cffi's trampoline itself. A thread that Python has not seen yet is led
 * there, too: cffi makes a state for it, which the thread keeps.
 */
#ifndef NOODLE_CALLBACKS_ENTRIES_H
#define NOODLE_CALLBACKS_ENTRIES_H

#include "callbacks.h"

#if defined(__x86_64__) && defined(__linux__) && !defined(__ILP32__)
#define HAVE_ENTRIES 1
#else
#define HAVE_ENTRIES 0
#endif

typedef struct {
    Trampoline *trampoline;
    void *closure;     /* cffi's trampoline */
    PyObject *types;   /* cffi's types of the arguments, and of the result */
    PyObject *failed;  /* takes type, error and traceback of what went wrong */
    Register fallback; /* what C gets where the function is not called, or fails */
    Py_ssize_t count;
    char letters[MOST_ARGUMENTS + 1]; /* of the arguments, and of the result */
} Entry;

/* Where the next arguments are: in registers as long as there are any, then on the stack. */
typedef struct {
    const Register *integers, *integers_end, *numbers, *numbers_end, *stack;
} Places;

/* Calls the function and returns what C gets. */
Register callbacks_called(const Entry *entry, Places places);

/* Writes a value as C takes it in a register. Returns 0, or -1 with an exception. */
int callbacks_taken(const Entry *entry, PyObject *value, Register *found);

#endif
