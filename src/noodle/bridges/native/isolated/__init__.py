"""Native libraries in worker processes.

The host finds the library, compiles what is to be compiled, reads the prototypes and checks every
argument; the worker opens the library and calls its functions. ``serving`` is the worker's half.
"""
