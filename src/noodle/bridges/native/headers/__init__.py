"""Headers: what a C header declares, and the compiler's word on its layouts and constants.

``preprocessing`` runs the real preprocessor, ``scanning`` leaves only the declarations that the
library's exports need, ``reading`` turns them into declarations, ``facts`` asks the compiler for
sizes, offsets and values, and ``library`` keeps what was compiled for as long as it holds.
"""
