"""Fields that are called like what Noodle's or Python's own objects have."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import noodle
from noodle.errors import NameNotFoundError
from tests.bridges.native.conftest import compile_to

USUAL = (
    "_raw _type _pointer _memory _address _cdata _place _module _hold _shown _items __pad __val "
    "self cls name size fields places at array copy address origin pointee cdata place kept "
    "ownership owners ends released claimed close content memory text read_at items class from"
).split()
OWN = ["__class__", "__dict__", "__slots__", "__init__", "__noodle_type__", "__noodle_pointer__"]
NAMES = [*USUAL, *OWN]

TYPES = f"typedef struct {{ int {', '.join(NAMES)}; }} odd;"
SOURCE = f"""
#include <stdlib.h>
{TYPES}
odd *odd_new(void)
{{
    odd *made = calloc(1, sizeof *made);
    for (int i = 0; i < {len(NAMES)}; i++) ((int *)made)[i] = i;
    return made;
}}
void odd_free(odd *o) {{ free(o); }}
int odd_sum(const odd *o)
{{
    int sum = 0;
    for (int i = 0; i < {len(NAMES)}; i++) sum += ((const int *)o)[i] * (i + 1);
    return sum;
}}
int odd_value(odd o) {{ return odd_sum(&o); }}
odd *odd_shared(void) {{ static odd one; return &one; }}
"""
PROTOTYPES = f"""
{TYPES} odd *odd_new(void); void odd_free(odd *o); int odd_sum(const odd *o);
int odd_value(odd o); odd *odd_shared(void);
"""
EXPECTED = sum(index * (index + 1) for index in range(len(NAMES)))


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_to(tmp_path_factory.mktemp("odd") / "libodd.so", SOURCE)


@pytest.fixture(params=["inprocess", "isolated"])
def library(request: pytest.FixtureRequest, odd: Path) -> Iterator[ModuleType]:
    """The library, in each placement."""
    loaded = noodle.load(
        str(odd),
        prototypes=PROTOTYPES,
        placement=request.param,
        functions={"odd_new": {"free": "odd_free"}},
    )
    yield loaded
    noodle.unload(loaded)


def made_here(library: ModuleType) -> Any:
    return library.struct("odd")(*range(len(NAMES)))


def made_by_name(library: ModuleType) -> Any:
    return library.struct("odd")(**{name: index for index, name in enumerate(NAMES)})


def made_by_c(library: ModuleType) -> Any:
    return library.odd_new()


def filled(library: ModuleType) -> Any:
    shared = library.odd_shared()
    for index, name in enumerate(NAMES):
        shared[name] = index
    return shared


WAYS = [made_here, made_by_name, made_by_c, filled]


@pytest.mark.parametrize("make", WAYS)
def test_every_field_is_an_attribute_or_an_item(library: ModuleType, make: Any) -> None:
    value = make(library)
    assert [getattr(value, name) for name in USUAL] == list(range(len(USUAL)))
    assert [value[name] for name in NAMES] == list(range(len(NAMES)))
    assert isinstance(value, library.struct("odd"))
    assert (library.odd_sum(value), library.odd_value(value)) == (EXPECTED, EXPECTED)
    assert "odd" in repr(value)
    for index, name in enumerate(USUAL):
        setattr(value, name, -index)
        value[name] = getattr(value, name) + 1
    assert [getattr(value, name) for name in USUAL] == [1 - i for i in range(len(USUAL))]
    with pytest.raises(NameNotFoundError, match="no field 'nowhere'"):
        _ = value["nowhere"]
    with pytest.raises(NameNotFoundError, match="no field 'nowhere'"):
        value["nowhere"] = 1


def test_a_structure_with_such_fields_is_released(library: ModuleType) -> None:
    with library.odd_new() as value:
        assert (value.close, value.released) == (NAMES.index("close"), NAMES.index("released"))
    with pytest.raises(ReferenceError):
        _ = value.close


def test_such_fields_are_in_dicts_and_arrays(library: ModuleType) -> None:
    fields = {name: index for index, name in enumerate(NAMES)}
    assert library.odd_value(fields) == library.odd_sum(fields) == EXPECTED
    many = library.struct("odd").array(2)
    assert many.dtype.names == tuple(NAMES)
    many[0] = tuple(range(len(NAMES)))
    assert library.odd_sum(many) == EXPECTED
    assert np.asarray(many["_raw"]).tolist() == [0, 0]
