/* The addresses of entries, and how C comes from there to a call and back. */
#include "callbacks_entries.h"

#include <string.h>

/* Chosen: eight types of functions may have as many trampolines as rest after their release. */
#define MOST_ENTRIES 8192

#if HAVE_ENTRIES

/* The arguments, as they came; and where to go on instead of an answer, or NULL. */
typedef struct {
    Register integers[6], numbers[8];
    void *instead;
} Registers;

/* What C takes, by the calling convention in the first register of integers and of numbers. */
typedef struct {
    uint64_t integer;
    double number;
} Answer;

static Entry entries[MOST_ENTRIES];
static int entries_made;

/* ---- The machine's side -------------------------------------------------------------------- */

/* Entry number i loads i, and all go on to one place, which puts the registers into memory, asks
 * callbacks_answer, and returns or goes on to cffi's trampoline. Each takes 16 bytes. */
extern const char callbacks_first_entry[] __attribute__((visibility("hidden")));
enum { ENTRY_SIZE = 16 };

#ifdef __CET__
#define LANDING "    endbr64\n"
#else
#define LANDING ""
#endif
#define TEXT_OF(number) #number
#define REPEATED(number) "    .rept " TEXT_OF(number) "\n"

/* clang-format off */
__asm__(
    "    .pushsection .text\n"
    "    .p2align 4\n"
    "    .globl callbacks_first_entry\n"
    "    .hidden callbacks_first_entry\n"
    "    .type callbacks_first_entry, @function\n"
    "callbacks_first_entry:\n"
    "    .set .Lnoodle_entry, 0\n"
    REPEATED(MOST_ENTRIES)
    "    .p2align 4\n"
    LANDING
    "    movl $.Lnoodle_entry, %eax\n"
    "    jmp .Lnoodle_entered\n"
    "    .set .Lnoodle_entry, .Lnoodle_entry + 1\n"
    "    .endr\n"
    "    .size callbacks_first_entry, . - callbacks_first_entry\n"
    "    .p2align 4\n"
    "    .type .Lnoodle_entered, @function\n"
    ".Lnoodle_entered:\n"
    "    .cfi_startproc\n"
    "    pushq %rbp\n"
    "    .cfi_def_cfa_offset 16\n"
    "    .cfi_offset %rbp, -16\n"
    "    movq %rsp, %rbp\n"
    "    .cfi_def_cfa_register %rbp\n"
    "    subq $128, %rsp\n"
    "    movq %rdi, 0(%rsp)\n"
    "    movq %rsi, 8(%rsp)\n"
    "    movq %rdx, 16(%rsp)\n"
    "    movq %rcx, 24(%rsp)\n"
    "    movq %r8, 32(%rsp)\n"
    "    movq %r9, 40(%rsp)\n"
    "    movsd %xmm0, 48(%rsp)\n"
    "    movsd %xmm1, 56(%rsp)\n"
    "    movsd %xmm2, 64(%rsp)\n"
    "    movsd %xmm3, 72(%rsp)\n"
    "    movsd %xmm4, 80(%rsp)\n"
    "    movsd %xmm5, 88(%rsp)\n"
    "    movsd %xmm6, 96(%rsp)\n"
    "    movsd %xmm7, 104(%rsp)\n"
    "    movq $0, 112(%rsp)\n"
    "    movl %eax, %edi\n"
    "    movq %rsp, %rsi\n"
    "    leaq 16(%rbp), %rdx\n"
    "    call callbacks_answer\n"
    "    movq 112(%rsp), %r11\n"
    "    testq %r11, %r11\n"
    "    jne 1f\n"
    "    .cfi_remember_state\n"
    "    leave\n"
    "    .cfi_def_cfa %rsp, 8\n"
    "    ret\n"
    "    .cfi_restore_state\n"
    "1:  movq 0(%rsp), %rdi\n"
    "    movq 8(%rsp), %rsi\n"
    "    movq 16(%rsp), %rdx\n"
    "    movq 24(%rsp), %rcx\n"
    "    movq 32(%rsp), %r8\n"
    "    movq 40(%rsp), %r9\n"
    "    movsd 48(%rsp), %xmm0\n"
    "    movsd 56(%rsp), %xmm1\n"
    "    movsd 64(%rsp), %xmm2\n"
    "    movsd 72(%rsp), %xmm3\n"
    "    movsd 80(%rsp), %xmm4\n"
    "    movsd 88(%rsp), %xmm5\n"
    "    movsd 96(%rsp), %xmm6\n"
    "    movsd 104(%rsp), %xmm7\n"
    "    leave\n"
    "    .cfi_def_cfa %rsp, 8\n"
    "    jmp *%r11\n"
    "    .cfi_endproc\n"
    "    .size .Lnoodle_entered, . - .Lnoodle_entered\n"
    "    .popsection\n"
);
/* clang-format on */

_Static_assert(sizeof(Registers) <= 128 && offsetof(Registers, instead) == 112, "the places above");

/* ---- A call -------------------------------------------------------------------------------- */

static PyThreadState *
current_thread(void)
{
#if PY_VERSION_HEX >= 0x030D0000
    return PyThreadState_GetUnchecked();
#else
    return _PyThreadState_UncheckedGet();
#endif
}

Answer callbacks_answer(uint32_t index, Registers *registers, const Register *stack)
    __attribute__((used, visibility("hidden")));

/* Called on any thread, with the GIL or without. */
Answer
callbacks_answer(uint32_t index, Registers *registers, const Register *stack)
{
    const Entry *entry = &entries[index];
    PyThreadState *thread = PyGILState_GetThisThreadState();
    if (thread == NULL) {
        registers->instead = entry->closure;
        return (Answer){0};
    }
    callbacks_cffi.save_errno();
    int had_gil = thread == current_thread();
    if (!had_gil)
        PyEval_RestoreThread(thread);
    Places places = {registers->integers, registers->integers + 6,
                     registers->numbers, registers->numbers + 8, stack};
    Register found = callbacks_called(entry, places);
    if (!had_gil)
        PyEval_SaveThread();
    callbacks_cffi.restore_errno();
    return (Answer){found.bits, found.number};
}

/* ---- New entries --------------------------------------------------------------------------- */

/* Fills an entry whose fields own nothing yet. Returns 0, or -1 with an exception. */
static int
fill(Entry *entry, PyObject *trampoline, PyObject *types, PyObject *failed)
{
    entry->types = types;
    entry->fallback.bits = 0;
    if (callbacks_taken(entry, ((Trampoline *)trampoline)->fallback, &entry->fallback) < 0)
        return -1;
    entry->trampoline = (Trampoline *)Py_NewRef(trampoline);
    entry->failed = Py_NewRef(failed);
    Py_INCREF(types);
    return 0;
}

/* Returns the address of an entry before cffi's trampoline, or 0 where there is none any more. */
static PyObject *
make_entry(PyObject *trampoline, PyObject *closure, const char *letters, PyObject *types,
           PyObject *failed)
{
    if (entries_made == MOST_ENTRIES)
        return PyLong_FromLong(0);
    /* Whatever code runs here, it gets another one. */
    ptrdiff_t number = entries_made++;
    Entry *entry = &entries[number];
    entry->count = PyTuple_GET_SIZE(types) - 1;
    memcpy(entry->letters, letters, (size_t)entry->count + 1);
    entry->closure = PyLong_AsVoidPtr(closure);
    if (PyErr_Occurred() || callbacks_cffi_ready() < 0
        || fill(entry, trampoline, types, failed) < 0)
        return NULL;
    return PyLong_FromVoidPtr((void *)(callbacks_first_entry + ENTRY_SIZE * number));
}

#else

static PyObject *
make_entry(PyObject *trampoline, PyObject *closure, const char *letters, PyObject *types,
           PyObject *failed)
{
    (void)trampoline, (void)closure, (void)letters, (void)types, (void)failed;
    return PyLong_FromLong(0);
}

#endif

/* entry_address(trampoline, closure, letters, types, failed) */
static PyObject *
entry_address(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *trampoline, *closure, *types, *failed;
    const char *letters;
    Py_ssize_t length;
    if (!PyArg_ParseTuple(args, "OO!s#O!O", &trampoline, &PyLong_Type, &closure, &letters, &length,
                          &PyTuple_Type, &types, &failed))
        return NULL;
    Py_ssize_t arguments = length - 1;
    if (Py_TYPE(trampoline) != callbacks_trampoline_type || PyTuple_GET_SIZE(types) != length
        || arguments != PyTuple_GET_SIZE(((Trampoline *)trampoline)->converters)) {
        PyErr_SetString(PyExc_TypeError, "expected a Trampoline, and a letter and type of each");
        return NULL;
    }
    return make_entry(trampoline, closure, letters, types, failed);
}

const int callbacks_most_entries = HAVE_ENTRIES ? MOST_ENTRIES : 0;

PyMethodDef callbacks_entry_methods[] = {
    {"entry_address", entry_address, METH_VARARGS,
     "Return the address of an entry before cffi's trampoline, or 0 where there is none."},
    {NULL, NULL, 0, NULL},
};
