"""Arrays in structures, and structures as arrays of NumPy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from _cffi_backend import FFI

from noodle.bridges.native.native_types import NativeType
from noodle.bridges.native.pointers import AnyPointer, Pointer, own, points_to
from noodle.bridges.native.shown_memory import ShownMemory
from noodle.bridges.native.structure_items import Item, Memory, StructureItem
from noodle.bridges.native.structure_objects import StructureObject
from noodle.bridges.native.structure_pointers import part_of
from noodle.errors import ArgumentTypeError, MissingPackageError
from noodle.values import describe

if TYPE_CHECKING:
    from noodle.bridges.native.structures import StructureType

__all__ = [
    "UNBOUNDED",
    "ArrayItem",
    "FieldArray",
    "array_at",
    "bytes_of",
    "dtype_of",
    "is_array",
    "numpy_for",
]

UNBOUNDED = 1 << 128
"""More bytes than any length asks for."""

_FFI = FFI()


class ArrayItem(Item):
    """An array in a structure.

    Args:
        native: The type of an item.
        where: The field in messages.
        item: How an item is read and written.
        length: How many there are.
    """

    def __init__(self, native: NativeType, where: str, item: Item, length: int) -> None:
        super().__init__(native, where)
        self.item = item
        self.length = length
        self.size = item.size * length

    def read(self, address: int, memory: Memory) -> FieldArray:
        """Return the array itself, not a copy."""
        return FieldArray(self, address, memory)

    def write(self, address: int, value: Any, memory: Memory) -> None:
        """Put as many items there; see ``Item``."""
        if isinstance(value, (str, bytes)) or not hasattr(value, "__len__"):
            raise self._misfit(describe(value))
        if len(value) != self.length:
            raise self._misfit(f"{len(value)} items")
        for index, item in enumerate(list(value)):
            self.item.write(address + index * self.item.size, item, memory)

    def interface(self) -> Any:
        """Return what NumPy calls the type."""
        return (self.item.interface(), (self.length,))

    def _misfit(self, received: str) -> ArgumentTypeError:
        return ArgumentTypeError(
            f"{self.where} does not accept the value",
            expected=f"{self.length} items",
            received=received,
            where=self.where,
        )


class FieldArray(Sequence[Any]):
    """The items of an array in a structure. It keeps the structure's memory alive.

    ``numpy.asarray`` makes an array of it without a copy. In a structure that has to be released,
    the items are refused after that, and an array is there to be let go of before.

    Args:
        array: What it is.
        address: Where it is.
        memory: What it is in.
    """

    __slots__ = ("_address", "_array", "_memory")

    def __init__(self, array: ArrayItem, address: int, memory: Memory) -> None:
        self._array, self._address, self._memory = array, address, memory

    def __len__(self) -> int:
        return self._array.length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        place, item, owner = self._place(index), self._array.item, self._memory.owner
        if owner is not None and isinstance(item, StructureItem):
            return part_of(owner, item.type, item.where, place)
        return item.read(place, self._memory)

    def __setitem__(self, index: int, value: Any) -> None:
        self._array.item.write(self._place(index), value, self._memory)

    def _place(self, index: int) -> int:
        if self._memory.owner is not None:
            own(self._memory.owner, "cdata")
        return self._address + range(len(self))[index] * self._array.item.size

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, (str, bytes)):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return repr(list(self))

    @property
    def __array_interface__(self) -> dict[str, Any]:
        if self._memory.owner is not None:
            raise AttributeError("NumPy asks __array__ for memory that has to be released")
        return self._interface()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        import numpy

        owner = self._memory if self._memory.owner is None else self._memory.owner
        shown = numpy.asarray(ShownMemory(owner, self._interface()))
        if copy:
            return numpy.array(shown, dtype)
        return shown if dtype is None else shown.astype(dtype, copy=False)

    def _interface(self) -> dict[str, Any]:
        kind, shape = self._array.item.interface(), [len(self)]
        while isinstance(kind, tuple):
            kind, inner = kind
            shape += inner
        described = {} if isinstance(kind, str) else {"descr": kind.descr}
        name = kind if isinstance(kind, str) else kind.str
        address = (self._address, False)
        return {"version": 3, "shape": tuple(shape), "typestr": name, "data": address, **described}


def numpy_for(structure: str) -> Any:
    """Return NumPy.

    Args:
        structure: What is to be an array, in messages.

    Raises:
        MissingPackageError: It is not installed.
    """
    try:
        import numpy
    except ImportError as error:
        raise MissingPackageError(
            f"arrays of {structure} are NumPy's",
            expected="the package numpy",
            received="none",
            where=structure,
            remedy="pip install numpy",
        ) from error
    return numpy


def array_at(type: StructureType, count: int, place: Any) -> Any:
    """Return an array of NumPy's that shows structures of the library's; in a worker, a copy.

    Args:
        type: What they are.
        count: How many there are.
        place: A pointer to the first, or the first itself.

    Raises:
        ArgumentTypeError: It is neither.
    """
    numpy, size = numpy_for(str(type)), count * type.size
    if isinstance(place, AnyPointer) and points_to(place, str(type)):
        if isinstance(place, Pointer):
            return numpy.frombuffer(own(place, "memory")(size), type.dtype)
        return numpy.frombuffer(bytearray(own(place, "content")(size)), type.dtype)
    memory = getattr(place, "__noodle_memory__", None)
    if not type.holds(place) or memory is None or not memory.of_library:
        raise ArgumentTypeError(
            f"there are no further {type}",
            expected=f"a pointer to {type}, or one that the library has given",
            received=str(getattr(place, "__noodle_type__", "")) or describe(place),
            where=str(type),
        )
    shown = _FFI.gc(_FFI.cast("char *", place.__noodle_address__), lambda _: memory)
    return numpy.frombuffer(_FFI.buffer(shown, size), type.dtype)


def dtype_of(type: StructureType) -> Any:
    """Return NumPy's type of a structure, without its bit-fields, which NumPy does not know."""
    numpy = numpy_for(str(type))
    fields = {name: at for name, at in type.places.items() if at.bits == 0}
    return numpy.dtype(
        {
            "names": list(fields),
            "formats": [at.item.interface() for at in fields.values()],
            "offsets": [at.offset for at in fields.values()],
            "itemsize": type.size,
        }
    )


def is_array(value: Any) -> bool:
    """Return whether a value is an array of NumPy's with fields, which is not imported for it."""
    return getattr(getattr(value, "dtype", None), "names", None) is not None and hasattr(
        value, "__array_interface__"
    )


def bytes_of(value: Any) -> int:
    """Return how many bytes there are of an argument that is memory.

    Args:
        value: A structure, an array or a buffer. Of a structure that lies in the library's memory,
            ``UNBOUNDED``: C alone knows how many follow it.
    """
    if isinstance(value, StructureObject):
        memory = value.__noodle_memory__
        is_apart = not memory.of_library and memory.owner is None
        return value.__noodle_type__.size if is_apart else UNBOUNDED
    nbytes: int = value.nbytes if is_array(value) else memoryview(value).nbytes
    return nbytes
