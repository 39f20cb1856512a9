/* JavaScript values to wire values and back, through N-API (version 8; Node.js 20 and later).
 *
 * Written
 *   null, undefined, boolean              nil, UNDEFINED, bool
 *   number                                int when integral, safe (below 2^53) and not -0; else float
 *   bigint                                int or BIGINT
 *   string                                text; TEXT16 with a lone surrogate
 *   arrays, holes as undefined            list
 *   objects whose prototype is            map of the own enumerable properties with string keys; getters
 *   Object.prototype or null              run, and what they throw passes through
 *   Map, Set, Date                        map, SET, TIMESTAMP; an invalid Date is an error
 *   Error                                 ERROR: frames from `stack`, `cause`, and own enumerable
 *                                         properties that are primitive as `extra`
 *   Buffer                                binary: it is JavaScript's bytes
 *   typed arrays, ArrayBuffer, DataView   ARRAY, through `write_array`; the last two as u8
 *   a Proxy                               a map of what it presents, unless `claim` takes it
 *   functions, symbols, Promises, class   through `write_reference`
 *   instances, objects of other realms
 *
 * Read
 *   ints                                  number when safe, else bigint
 *   binary, list                          Buffer, Array
 *   map                                   a plain object when every key is text, else a Map; the key
 *                                         "__proto__" is a property like any other. An object shows
 *                                         keys that look like array indices first
 *   TIMESTAMP                             Date, nanoseconds cut to milliseconds
 *   LOCAL_TIME                            refused: JavaScript has no time without a zone
 *   ERROR                                 an Error with name, message, stack, cause, `language`, and
 *                                         the entries of `extra`, unless `read_error` makes one
 *   ARRAY                                 inline: a typed array of its own, packed in C order, with a
 *                                         property `shape` unless it has one dimension; bool as
 *                                         Uint8Array. Other dtypes are refused. In a segment: only
 *                                         through `read_array`
 *
 * Errors.  Functions that fail leave a JavaScript exception pending: an Error whose `code` is the
 * status's name, or what the value's own code has thrown.
 *
 * Ownership.  A codec belongs to one napi_env and to its thread, and must be freed before the
 * environment is torn down. Handles are closed in batches, so large values need no large scopes.
 *
 * Speed.  N-API costs 15 to 60 ns a step, and an element takes two or three. Long lists of numbers are
 * therefore handed over through a Float64Array by a function in JavaScript. */
#ifndef NOODLE_WIRE_NODE_H
#define NOODLE_WIRE_NODE_H

#ifndef NAPI_VERSION
#  define NAPI_VERSION 8
#endif
#include <node_api.h>

#include "noodle/wire.h"

typedef struct wire_node_codec wire_node_codec;

/* Each hook may be NULL. The ones that write return 1 when they have written exactly one value, 0 to
 * leave it to the default, -1 with an exception pending. The ones that read return NULL then. */
typedef struct wire_node_hooks {
    void *context;
    /* Default: the error that the value cannot be sent. */
    int (*write_reference)(void *context, napi_env env, wire_writer *writer, napi_value value);
    /* Asked about objects without a prototype, among which N-API counts every Proxy: return whether it
     * goes through `write_reference`. Leaves no exception. Default: it is a map. */
    bool (*claim)(void *context, napi_env env, napi_value value);
    /* `array` describes `memory`, C-contiguous, which belongs to `value`. Placement, segment and offset
     * are for the hook to fill in. Default: a copy inline. */
    int (*write_array)(void *context, napi_env env, wire_writer *writer, napi_value value,
                       const wire_array *array, const void *memory);
    napi_value (*read_reference)(void *context, napi_env env, const wire_reference *reference);
    /* Return NULL without an exception to leave it to the default. */
    napi_value (*read_array)(void *context, napi_env env, const wire_array *array);
    /* `error` is what the default has made. Return it, or another value. */
    napi_value (*read_error)(void *context, napi_env env, napi_value error);
} wire_node_hooks;

/* Look up what the codec needs from the environment. Returns NULL with an exception pending. */
wire_node_codec *wire_node_codec_new(napi_env env);
void wire_node_codec_free(wire_node_codec *codec);

/* Write one value. Return 0 when it is written, or when the writer is WIRE_FULL without `grow` and has
 * counted what it takes; -1 with an exception pending. `hooks` may be NULL. */
int wire_encode_value(wire_node_codec *codec, wire_writer *writer, napi_value value,
                      const wire_node_hooks *hooks);

/* Read one value. Return NULL with an exception pending. `hooks` may be NULL. */
napi_value wire_decode_value(wire_node_codec *codec, wire_reader *reader,
                             const wire_node_hooks *hooks);

/* The same for the items of a list, without a JavaScript array between: the arguments of a call. They
 * cost a sixth of an array's elements. Reading stores at most `room` values and sets `*count` to their
 * number in the message, also when that is more: nothing is read then, and false is returned without
 * an exception, so that the caller can come again with more room. */
int wire_encode_values(wire_node_codec *codec, wire_writer *writer, const napi_value *values,
                       size_t count, const wire_node_hooks *hooks);
bool wire_decode_values(wire_node_codec *codec, wire_reader *reader, napi_value *values, size_t room,
                        size_t *count, const wire_node_hooks *hooks);

/* Throw the Error for a status, with `detail` behind its text unless it is NULL. */
void wire_throw(napi_env env, wire_status status, const char *detail);

#endif
