"""The C text of a loop that calls one function for each element of arrays.

A loop knows the types of the function and nothing else: its address, the memory of the arrays and
their strides come with each run, so that functions of equal types share one compiled loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from string import Template

from noodle.bridges.native.declarations import Declaration
from noodle.bridges.native.native_types import NativeType
from noodle.values import FLOAT_TYPES, INTEGER_RANGES

__all__ = ["can_loop", "item_types", "loop_source"]

_ITEM_TYPES = (*INTEGER_RANGES, *FLOAT_TYPES, "bool")

_MOST_SPECIALISED = 3
"""Chosen: with more parameters only rows of adjacent items get a loop of their own, for the number
of combinations with single values doubles with each parameter."""

_SOURCE = Template(
    r"""$include#include <stdbool.h>
#include <stdint.h>
#include <time.h>

typedef $result noodle_function($types);

/* What one run works on. `layout` holds the lengths of the dimensions, the innermost last, then for
 * each parameter and for the result an address and one stride in bytes for each dimension.
 * Threads share it: `next` is the first element that none has taken, `stop` asks all to end. */
struct noodle_loop {
    int64_t function, count, grain, next, stop, dimensions, layout[];
};

/* The elements that a thread has taken and not done yet. */
struct noodle_part {
    int64_t begin, end;
};

static inline __attribute__((always_inline)) void
noodle_row(noodle_function *call, char *const *at, int64_t count, $strides)
{
    (void)call;
    $pointers
    for (int64_t i = 0; i < count; i++)
        *($result *)(p$arity + i * s$arity) = $called($arguments);
}

static void
noodle_any_row(noodle_function *call, char *const *at, int64_t count, const int64_t *s)
{
$rows
}

static void
noodle_items(const struct noodle_loop *loop, int64_t begin, int64_t end)
{
    const int64_t *lengths = loop->layout, last = loop->dimensions - 1;
    while (begin < end) {
        char *at[$arity + 1];
        int64_t strides[$arity + 1], rest = begin, count = lengths[last] - begin % lengths[last];
        for (int k = 0; k <= $arity; k++) {
            const int64_t *operand = lengths + (last + 1) + k * (last + 2);
            at[k] = (char *)(intptr_t)operand[0];
            strides[k] = operand[1 + last];
        }
        for (int64_t d = last; d >= 0; d--) {
            int64_t index = rest % lengths[d];
            rest /= lengths[d];
            for (int k = 0; k <= $arity; k++)
                at[k] += index * lengths[(last + 1) + k * (last + 2) + 1 + d];
        }
        if (count > end - begin)
            count = end - begin;
        noodle_any_row((noodle_function *)(intptr_t)loop->function, at, count, strides);
        begin += count;
    }
}

static int64_t
noodle_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool
noodle_take(struct noodle_loop *loop, struct noodle_part *part)
{
    if (__atomic_load_n(&loop->next, __ATOMIC_RELAXED) >= loop->count)
        return false;
    part->begin = __atomic_fetch_add(&loop->next, loop->grain, __ATOMIC_RELAXED);
    part->end = loop->count - part->begin < loop->grain ? loop->count : part->begin + loop->grain;
    return part->begin < loop->count;
}

/* Calls the function for elements until all are done (returns 0), or until it was asked to stop or
 * the time is over (returns 1). The clock is read after blocks of about BLOCK nanoseconds: the
 * first is one element, and each next one grows or shrinks with what the last one took. */
enum { BLOCK = 250000 };

__attribute__((visibility("default"))) int
noodle_run(struct noodle_loop *loop, struct noodle_part *part, int64_t nanoseconds)
{
    int64_t started = noodle_now(), before = started, block = 1;
    while (part->begin < part->end || noodle_take(loop, part)) {
        if (__atomic_load_n(&loop->stop, __ATOMIC_RELAXED))
            return 1;
        int64_t end = part->end - part->begin < block ? part->end : part->begin + block;
        noodle_items(loop, part->begin, end);
        part->begin = end;
        int64_t now = noodle_now(), elapsed = now - before;
        before = now;
        if (elapsed > BLOCK)
            block = block * BLOCK / elapsed > 0 ? block * BLOCK / elapsed : 1;
        else if (elapsed < BLOCK / 2 && block < INT64_C(1) << 30)
            block *= 2;
        if (now - started >= nanoseconds && (part->begin < part->end || loop->next < loop->count))
            return 1;
    }
    return 0;
}
"""
)


def can_loop(declaration: Declaration) -> bool:
    """Return whether a function takes numbers and bools, at least one, and gives one."""
    types = [parameter.type for parameter in declaration.parameters]
    return (
        bool(types)
        and not declaration.fixed
        and all(native.type.name in _ITEM_TYPES for native in item_types(declaration))
    )


def item_types(declaration: Declaration) -> list[NativeType]:
    """Return the types of the parameters and, last, of the result."""
    return [*(parameter.type for parameter in declaration.parameters), declaration.result]


def loop_source(declaration: Declaration, include: str | None = None) -> str:
    """Return the C text of the loop for a function of numbers.

    Args:
        declaration: The function.
        include: A C source that defines the function: its code then becomes part of the loop. None
            for a loop that calls the address that it is given.
    """
    *parameters, result = [native.binary for native in item_types(declaration)]
    arity = len(parameters)
    called = "call" if include is None else declaration.name
    return _SOURCE.substitute(
        include="" if include is None else f'#include "{include}"\n',
        result=result,
        types=", ".join(parameters),
        arity=arity,
        strides=", ".join(f"int64_t s{k}" for k in range(arity + 1)),
        pointers=" ".join(f"char *p{k} = at[{k}];" for k in range(arity + 1)),
        called=called,
        arguments=", ".join(_item(k, kind) for k, kind in enumerate(parameters)),
        rows=_rows(parameters, result),
    )


def _item(index: int, kind: str) -> str:
    # NumPy holds a bool in a byte, and a byte that is neither 0 nor 1 is no value of C's bool.
    if kind == "_Bool":
        return f"*(const uint8_t *)(p{index} + i * s{index}) != 0"
    return f"*(const {kind} *)(p{index} + i * s{index})"


def _rows(parameters: Sequence[str], result: str) -> str:
    """Return the choice between loops whose strides the compiler knows, and one for all others."""
    arity = len(parameters)
    choices = [(True,) * arity]
    if arity <= _MOST_SPECIALISED:
        choices = [c for c in product((True, False), repeat=arity) if any(c)]
    lines = []
    for adjacent in choices:
        pairs = zip(parameters, adjacent, strict=True)
        strides = [f"(int64_t)sizeof({kind})" if near else "0" for kind, near in pairs]
        strides.append(f"(int64_t)sizeof({result})")
        condition = " && ".join(f"s[{k}] == {stride}" for k, stride in enumerate(strides))
        lines.append(f"    if ({condition})\n        {_row(strides)};\n    else")
    lines.append(f"        {_row([f's[{k}]' for k in range(arity + 1)])};")
    return "\n".join(lines)


def _row(strides: Sequence[str]) -> str:
    return f"noodle_row(call, at, count, {', '.join(strides)})"
