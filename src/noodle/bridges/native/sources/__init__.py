"""Sources of C, C++ and Rust: compiled on the spot, and read for what their functions take."""

from noodle.bridges.native.sources.builds import (
    CompiledSource,
    Language,
    Source,
    SourceFiles,
    compile_source,
)
from noodle.bridges.native.sources.interfaces import Interface, LeftOut, unescaped
from noodle.bridges.native.sources.languages import (
    Choices,
    is_source,
    language_of,
    refuse_other_language,
)

__all__ = [
    "Choices",
    "CompiledSource",
    "Interface",
    "Language",
    "LeftOut",
    "Source",
    "SourceFiles",
    "compile_source",
    "is_source",
    "language_of",
    "refuse_other_language",
    "unescaped",
]
