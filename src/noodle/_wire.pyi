from collections.abc import Callable
from typing import Any, Final

VERSION: Final[int]
DEPTH_MAX: Final[int]

class WireError(ValueError):
    status: int

def encode(
    value: object,
    /,
    *,
    reference: Callable[[Any], tuple[int, int, int, int, int, str] | None] = ...,
    array: Callable[[Any, tuple[Any, ...]], tuple[int, int] | None] = ...,
    undefined: object = ...,
    depth: int = ...,
    elements: int = ...,
    bytes: int = ...,
    python: bool = ...,
) -> bytes: ...
def encode_into(buffer: Any, value: object, /) -> tuple[int, int]: ...
def decode(
    data: Any,
    /,
    *,
    reference: Callable[..., Any] = ...,
    array: Callable[..., Any] = ...,
    error: Callable[..., Any] = ...,
    undefined: object = ...,
    depth: int = ...,
    elements: int = ...,
    bytes: int = ...,
    shared: bool = ...,
    python: bool = ...,
) -> Any: ...
def measure(value: object, repetitions: int, /) -> tuple[float, float]: ...
