from collections.abc import Callable
from typing import Any, Final

MOST_ARGUMENTS: Final[int]
MOST_ENTRIES: Final[int]

class Trampoline:
    def __init__(
        self,
        function: Callable[..., Any],
        converters: tuple[Callable[[Any], Any] | None, ...],
        result: Callable[[Any], Any] | None,
        fallback: Any,
        told: object,
        /,
    ) -> None: ...
    function: Callable[..., Any]
    converters: tuple[Callable[[Any], Any] | None, ...]
    result: Callable[[Any], Any] | None
    told: object
    lent: bool
    def __call__(self, *args: Any) -> Any: ...
    def failed(
        self, type: type[BaseException], error: BaseException, traceback: Any, /
    ) -> None: ...
    def end_lending(self) -> BaseException | None: ...
    def report(self, error: BaseException, /) -> None: ...
    def unfit_result(self) -> tuple[Any, ...] | None: ...

class PendingCall:
    def __init__(self, entry: Callable[..., Any], /) -> None: ...
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...

class PointerBase:
    cdata: Any
    pointee: str
    origin: str
    def __getitem__(self, index: Any, /) -> Any: ...

class PointerMaker:
    def __init__(
        self, made: type[PointerBase], pointee: str, origin: str, c_type: Any, letter: str, /
    ) -> None: ...
    def __call__(self, address: Any, /) -> Any: ...

def entry_address(
    trampoline: Trampoline,
    closure: int,
    letters: str,
    types: tuple[Any, ...],
    failed: Callable[[type[BaseException], BaseException, Any], None],
    /,
) -> int: ...
