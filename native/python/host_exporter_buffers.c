/* The items of an Array for the buffer protocol: their types, and buffers over them. */
#include "host_exporter_internal.h"

#include <stdlib.h>

/* --------------------------------------------------------------------------------------- Types */

static const struct {
    char text[5];
    char format[3];
    uint8_t code, bytes;
} numbers[] = {
    {"?", "?", DL_BOOL, 1},    {"b1", "?", DL_BOOL, 1},   {"i1", "b", DL_INT, 1},
    {"i2", "h", DL_INT, 2},    {"i4", "i", DL_INT, 4},    {"i8", "q", DL_INT, 8},
    {"u1", "B", DL_UINT, 1},   {"u2", "H", DL_UINT, 2},   {"u4", "I", DL_UINT, 4},
    {"u8", "Q", DL_UINT, 8},   {"f2", "e", DL_FLOAT, 2},  {"f4", "f", DL_FLOAT, 4},
    {"f8", "d", DL_FLOAT, 8},  {"c8", "Zf", DL_COMPLEX, 8}, {"c16", "Zd", DL_COMPLEX, 16},
};

/* Texts and times, which DLPack does not have. */
static bool
read_other_type(Array *self, const char *text)
{
    char *end;
    const long count = strtol(text + 1, &end, 10);
    if ((*text == 'M' || *text == 'm') && text[1] == '8') {
        strcpy(self->format, "q");
        self->item_size = 8;
        return true;
    }
    if ((*text != 'S' && *text != 'U') || count < 1 || count > INT32_MAX / 4 || *end != '\0')
        return false;
    snprintf(self->format, sizeof self->format, "%ld%c", count, *text == 'S' ? 's' : 'w');
    self->item_size = *text == 'S' ? count : 4 * count;
    return true;
}

int
host_array_read_type(Array *self)
{
    const char *text = PyUnicode_AsUTF8(self->dtype);
    if (text == NULL)
        return -1;
    text += *text == '<' || *text == '|' || *text == '=';
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (strcmp(text, numbers[i].text) == 0) {
            strcpy(self->format, numbers[i].format);
            self->item_size = numbers[i].bytes;
            self->code = numbers[i].code;
            self->bits = (uint8_t)(8 * numbers[i].bytes);
            return 0;
        }
    if (read_other_type(self, text))
        return 0;
    PyErr_Format(PyExc_TypeError, "no array can have the dtype %R", self->dtype);
    return -1;
}

/* ------------------------------------------------------------------------------------- Buffers */

/* Whether the items lie behind each other, the last axis fastest, or else the first. */
static bool
is_contiguous(const Array *self, bool fortran)
{
    Py_ssize_t expected = self->item_size;
    for (int k = 0; k < self->dimensions; k++) {
        const int i = fortran ? k : self->dimensions - 1 - k;
        if (self->shape[i] != 1 && self->strides[i] != expected)
            return false;
        expected *= self->shape[i];
    }
    return true;
}

static const char *
refusal(const Array *self, int flags)
{
    const bool c_order = self->bytes == 0 || is_contiguous(self, false);
    const bool fortran = self->bytes == 0 || is_contiguous(self, true);
    if ((flags & PyBUF_WRITABLE) && self->read_only)
        return "the array is read-only";
    if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !c_order)
        return "the array is not contiguous in C order";
    if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !fortran)
        return "the array is not contiguous in Fortran order";
    if ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !c_order && !fortran)
        return "the array is not contiguous";
    if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES && !c_order)
        return "the array has strides";
    return NULL;
}

int
host_array_get_buffer(PyObject *object, Py_buffer *view, int flags)
{
    Array *const self = (Array *)object;
    const char *const refused = refusal(self, flags);
    view->obj = NULL;
    if (host_array_check(object) < 0)
        return -1;
    if (refused != NULL) {
        PyErr_SetString(PyExc_BufferError, refused);
        return -1;
    }
    *view = (Py_buffer){
        .buf = self->first,
        .obj = Py_NewRef(object),
        .len = self->bytes,
        .itemsize = self->item_size,
        .readonly = self->read_only,
        .ndim = self->dimensions,
        .format = flags & PyBUF_FORMAT ? self->format : NULL,
        .shape = flags & PyBUF_ND ? self->shape : NULL,
        .strides = (flags & PyBUF_STRIDES) == PyBUF_STRIDES ? self->strides : NULL,
    };
    self->exports++;
    return 0;
}

void
host_array_release_buffer(PyObject *object, Py_buffer *Py_UNUSED(view))
{
    ((Array *)object)->exports--;
    host_array_let_memory_go((Array *)object);
}
