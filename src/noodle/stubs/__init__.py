"""What a library declares, as data: written as ``.pyi``, offered by completion, used by checks.

Bridges fill it. Nothing here loads a library.
"""
