"""Structures that have to be released: their fields are there until they are."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import noodle
from noodle.errors import ArgumentRangeError, NameNotFoundError, ReferenceReleasedError
from tests.bridges.native.conftest import compile_to

SOURCE = """
#include <stdlib.h>
typedef struct { int x, y; } corner;
typedef struct { corner start; double width; const char *name; int sizes[2]; } panel;
typedef struct { int points_to, pointee, close, free, place, origin, cdata, ownership, kept; } odd;
static int panels;
panel *panel_new(double width)
{
    panel *made = calloc(1, sizeof *made);
    made->width = width;
    made->name = "panel";
    made->sizes[1] = 7;
    panels++;
    return made;
}
void panel_free(panel *p) { panels--; free(p); }
double panel_width(const panel *p) { return p->width; }
char panel_letter(const panel *p) { return p->name[0]; }
int panel_count(void) { return panels; }
corner *panel_corner(panel *p) { return &p->start; }
int corner_sum(corner c) { return c.x + c.y; }
odd *odd_new(int close) { odd *made = calloc(1, sizeof *made); made->close = close; return made; }
void odd_free(odd *o) { free(o); }
int odd_close(const odd *o) { return o->close; }
int odd_sum(odd o) { return o.points_to + o.pointee + o.close + o.free + o.place + o.origin; }
odd *shared_odd(void) { static odd one; return &one; }
"""
PROTOTYPES = """
typedef struct { int x, y; } corner;
typedef struct { corner start; double width; const char *name; int sizes[2]; } panel;
typedef struct { int points_to, pointee, close, free, place, origin, cdata, ownership, kept; } odd;
panel *panel_new(double width); void panel_free(panel *p); double panel_width(const panel *p);
char panel_letter(const panel *p); int panel_count(void); corner *panel_corner(panel *p);
int corner_sum(corner c);
odd *odd_new(int close); void odd_free(odd *o); int odd_close(const odd *o); int odd_sum(odd o);
odd *shared_odd(void);
"""


@pytest.fixture(scope="module")
def panels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_to(tmp_path_factory.mktemp("panels") / "libpanels.so", SOURCE)


@pytest.fixture(params=["inprocess", "isolated"])
def library(request: pytest.FixtureRequest, panels: Path) -> Iterator[ModuleType]:
    """The library, in each placement; that ``panel_free`` releases panels is inferred."""
    loaded = noodle.load(
        str(panels),
        prototypes=PROTOTYPES,
        placement=request.param,
        functions={"odd_new": {"free": "odd_free"}, "panel_corner": {"borrowed": True}},
    )
    yield loaded
    noodle.unload(loaded)


def test_its_fields_are_read_and_written(library: ModuleType) -> None:
    with library.panel_new(2.5) as panel:
        assert (panel.width, panel.name, panel.sizes[1]) == (2.5, "panel", 7)
        panel.width = 4
        assert library.panel_width(panel) == 4.0
        panel.start.x, panel.start.y = 3, 4
        assert library.corner_sum(panel.start) == 7
        assert library.panel_corner(panel).y == 4
        panel.start = library.struct("corner")(1, 1)
        assert panel.start.x == 1
        assert isinstance(panel, library.struct("panel"))
        assert {"width", "close"} <= set(dir(panel))


def test_what_its_pointers_lead_to_is_kept(library: ModuleType) -> None:
    with library.panel_new(1.0) as panel:
        panel.name = "some other name " * 10
        gc.collect()
        assert library.panel_letter(panel) == ord("s")
        assert panel.name.startswith("some other name")


def test_a_use_after_its_release_is_refused(library: ModuleType) -> None:
    panel = library.panel_new(1.0)
    start, corner = panel.start, library.panel_corner(panel)
    panel.close()
    assert library.panel_count() == 0
    with pytest.raises(ReferenceReleasedError, match="panel_free has released"):
        _ = panel.width
    with pytest.raises(ReferenceReleasedError, match="panel_free has released"):
        panel.width = 2.0
    for part in (start, corner):
        with pytest.raises(ReferenceReleasedError, match="after its owner was released"):
            _ = part.x
    assert "released" in repr(panel)


def test_a_wrong_field_or_value_is_refused(library: ModuleType) -> None:
    with library.panel_new(1.0) as panel:
        with pytest.raises(NameNotFoundError) as caught:
            panel.widht = 1.0
        assert caught.value.remedy == "width"
        with pytest.raises(AttributeError, match="no field 'other'"):
            _ = panel.other
        with pytest.raises(ArgumentRangeError):
            panel.start.x = 2**31


def test_fields_may_have_the_names_of_what_pointers_have(library: ModuleType) -> None:
    shared = library.shared_odd()
    shared.points_to, shared.pointee, shared.free, shared.place, shared.origin = 1, 2, 3, 4, 5
    assert library.odd_sum(shared) == 15
    shared.close = shared.cdata = 6
    assert library.odd_close(shared) == 6
    assert shared == library.shared_odd()
    assert "odd" in repr(shared)
    shared.points_to = shared.pointee = shared.free = shared.place = shared.origin = 0


def test_a_field_goes_before_what_a_resource_has(library: ModuleType) -> None:
    with library.odd_new(7) as odd:
        odd.ownership = odd.kept = odd.origin = 2
        assert (odd.close, odd.kept, library.odd_close(odd), library.odd_sum(odd)) == (7, 2, 7, 9)
        assert {odd: 1}[odd] == 1
    assert repr(odd).endswith("released>")
    with pytest.raises(ReferenceReleasedError):
        library.odd_close(odd)
