/* What the parts of an Array share: its layout, and the methods of DLPack. */
#ifndef NOODLE_HOST_EXPORTER_INTERNAL_H
#define NOODLE_HOST_EXPORTER_INTERNAL_H

#include "host.h"

typedef struct {
    PyObject_HEAD
    PyObject *memory;          /* NULL: released */
    PyObject *dtype;           /* as NumPy writes it: "<f8" */
    char format[24];           /* the same in the buffer protocol's words */
    uint8_t code, bits;        /* and in DLPack's; bits 0: it has none for it */
    bool read_only;
    bool released;
    Py_ssize_t exports;        /* buffers and tensors that are out */
    unsigned char *first;      /* the item at index 0 */
    Py_ssize_t item_size;
    Py_ssize_t bytes;          /* of its items */
    int dimensions;
    Py_ssize_t shape[NOODLE_DIMENSIONS];
    Py_ssize_t strides[NOODLE_DIMENSIONS];
} Array;

/* Types of items, as DLPack numbers them. */
enum { DL_INT = 0, DL_UINT = 1, DL_FLOAT = 2, DL_COMPLEX = 5, DL_BOOL = 6 };

/* After the end of a buffer or a tensor: a released array's memory goes with the last. */
void host_array_let_memory_go(Array *self);
/* Reads the dtype: format, item size, and the code of DLPack.  Returns 0, or -1 with an exception. */
int host_array_read_type(Array *self);
int host_array_get_buffer(PyObject *object, Py_buffer *view, int flags);
void host_array_release_buffer(PyObject *object, Py_buffer *view);
PyObject *host_array_dlpack(PyObject *object, PyObject *args, PyObject *kwargs);
PyObject *host_array_dlpack_device(PyObject *self, PyObject *ignored);

#endif
