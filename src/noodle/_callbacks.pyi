from collections.abc import Callable
from typing import Any, Final

MOST_ARGUMENTS: Final[int]

class Trampoline:
    def __init__(
        self,
        function: Callable[..., Any],
        converters: tuple[Callable[[Any], Any] | None, ...],
        result: Callable[[Any], Any] | None,
        fallback: Any,
        report: Callable[[BaseException], None],
        /,
    ) -> None: ...
    function: Callable[..., Any]
    converters: tuple[Callable[[Any], Any] | None, ...]
    result: Callable[[Any], Any] | None
    report: Callable[[BaseException], None]
    def __call__(self, *args: Any) -> Any: ...
    def failed(
        self, type: type[BaseException], error: BaseException, traceback: Any, /
    ) -> None: ...

class PendingCall:
    def __init__(self, entry: Callable[..., Any], /) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

class PointerMaker:
    def __init__(
        self, made: type, slots: tuple[Any, ...], values: tuple[Any, ...], /
    ) -> None: ...
    def __call__(self, address: Any, /) -> Any: ...
