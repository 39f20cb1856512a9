"""Comments of C headers belong to what they stand at."""

from __future__ import annotations

import pytest

from noodle.bridges.native.headers.comments import comments_of, plain_text

HEADER = r"""
/* License, which belongs to nothing. */

#ifndef SAMPLE_H
#define SAMPLE_H

#ifdef __cplusplus
extern "C" {
#endif

/** The largest. */
#define MOST 10
#define LEAST 1 /* the least */
#define NEITHER 2

/// Adds.
/// Twice.
API int add(int a, int b);

/*
 * Of both,
 *   indented.
 */
int one(void);
int two(void (*f)(int), int x /* a count */);

int three(const char *text /* "quoted; */);

EXPORT int CALL four OF((int a));
/*
     What four does.
*/

/* A heading, not of five: there is an empty line. */

int five(void);
int six(void); // At the end.

/* A point. */
struct point {
    int x; /**< across */
    /* down */
    int y[3];
    int z;
};

typedef enum { RED, /* the red */
    GREEN, // the green
    BLUE   /* the blue */
} colour;

static inline int hidden(void) { /* nothing */ return 1; }
/* After a body. */
int seven(void);
/* With a body. */
int eight(void) { return 8; }
int nine[2] = { 1, 2 }; // with a value

#ifdef __cplusplus
}
#endif
#endif
"""

NAMES = {"add", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"}


@pytest.fixture(scope="module")
def comments() -> dict[str, str]:
    return comments_of(HEADER, NAMES)


@pytest.mark.parametrize(
    ("name", "comment"),
    [
        ("MOST", "The largest."),
        ("LEAST", "the least"),
        ("NEITHER", None),
        ("add", "Adds.\nTwice."),
        ("one", "Of both,\n  indented."),
        ("two", "Of both,\n  indented."),
        ("three", None),
        ("four", "What four does."),
        ("five", None),
        ("six", "At the end."),
        ("seven", "After a body."),
        ("eight", "With a body."),
        ("nine", "with a value"),
        ("struct point", "A point."),
        ("struct point.x", "across"),
        ("struct point.y", "down"),
        ("struct point.z", None),
        ("RED", "the red"),
        ("GREEN", "the green"),
        ("BLUE", "the blue"),
    ],
)
def test_a_comment_belongs_to_the_declaration_that_it_stands_at(
    comments: dict[str, str], name: str, comment: str | None
):
    found = comments.get(name)
    assert (found and found.strip()) == comment


@pytest.mark.parametrize(
    "text", ["", "}", "{", "/*", "/* a", "#define", "int f(", "enum {", "struct a { /* b */", "#\\"]
)
def test_a_header_that_ends_anywhere_is_read(text: str):
    assert isinstance(comments_of(f"{text}", {"f"}), dict)


def test_signs_of_comments_are_left_out():
    assert plain_text("/*!\n ** Says:\n **   this\n */") == "Says:\n  this"
    assert plain_text("//! One.\n//! Two.") == "One.\nTwo."
    assert plain_text("/* ------ */") == ""
