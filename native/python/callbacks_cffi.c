/* What cffi exports to the modules that it compiles: the same places since its version 1.0. */
#include "callbacks.h"

Cffi callbacks_cffi;

enum { OBJECT_OF_POINTER = 10, RESTORE_ERRNO = 13, SAVE_ERRNO = 14, WRITE = 17 };

int
callbacks_cffi_ready(void)
{
    if (callbacks_cffi.write != NULL)
        return 0;
    PyObject *module = PyImport_ImportModule("_cffi_backend");
    PyObject *capsule = module ? PyObject_GetAttrString(module, "_C_API") : NULL;
    void **exports = capsule ? PyCapsule_GetPointer(capsule, "cffi") : NULL;
    Py_XDECREF(module);
    Py_XDECREF(capsule);
    if (exports == NULL)
        return -1;
    callbacks_cffi.object_of_pointer = (PyObject * (*)(char *, PyObject *))
        exports[OBJECT_OF_POINTER];
    callbacks_cffi.restore_errno = (void (*)(void))exports[RESTORE_ERRNO];
    callbacks_cffi.save_errno = (void (*)(void))exports[SAVE_ERRNO];
    callbacks_cffi.write = (int (*)(char *, PyObject *, PyObject *))exports[WRITE];
    return 0;
}
