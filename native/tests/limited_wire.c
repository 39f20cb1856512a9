/* A module of the stable ABI that sends an object to itself: again(object) -> object. */

#include "wire_python.h"

static PyObject *
again(PyObject *Py_UNUSED(module), PyObject *object)
{
    uint8_t buffer[4096];
    wire_writer writer;
    wire_reader reader;

    wire_writer_init(&writer, buffer, sizeof buffer, wire_default_limits());
    if (wire_encode_object(&writer, object, NULL) < 0)
        return NULL;
    if (writer.status == WIRE_FULL) {
        wire_raise(WIRE_FULL, NULL);
        return NULL;
    }
    wire_reader_init(&reader, buffer, writer.length, wire_default_limits(), false);
    return wire_decode_object(&reader, NULL);
}

static PyMethodDef functions[] = {
    {"again", again, METH_O, "Return what an object is after it was written and read."},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "limited_wire",
    .m_size = -1,
    .m_methods = functions,
};

PyMODINIT_FUNC
PyInit_limited_wire(void)
{
    PyObject *error = PyErr_NewException("limited_wire.WireError", PyExc_ValueError, NULL);
    if (error == NULL || wire_python_init(error) < 0)
        return NULL;
    return PyModule_Create(&definition);
}
