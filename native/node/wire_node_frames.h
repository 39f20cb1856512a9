/* The frames of a stack, as the two halves of the errors share them. */
#ifndef NOODLE_WIRE_NODE_FRAMES_H
#define NOODLE_WIRE_NODE_FRAMES_H

#include "wire_node_internal.h"

/* Chosen: more than any reader wants; V8 keeps 10 unless it is told otherwise. */
#define FRAMES_MAX 200

typedef struct {
    const char *bytes;
    size_t length;
} slice;

typedef struct {
    slice file;      /* bytes NULL when unknown */
    slice function;
    int64_t line;    /* -1 when unknown, counted from 1 */
    int64_t column;
} frame;

/* Read at most FRAMES_MAX frames of a stack's text, innermost call first. Return how many there are. */
size_t wire_node_parse_stack(const char *stack, size_t length, frame *frames);

#endif
