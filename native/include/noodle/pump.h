/* The pump: carries what workers print to where the host wants it.
 *
 * One native thread serves all workers, so that output flows while the host holds an interpreter's
 * lock or computes.  Each source is the read end of a worker's stdout or stderr pipe.  Its bytes
 * go to a descriptor of the host, or to a callback where the host has replaced its own stream; the
 * last ones are kept for crash reports.
 *
 * Guarantees.  Bytes of one source keep their order and none is lost; a sink that blocks holds the
 * pump, and with it the workers, as a full terminal would.  The host's descriptor is never
 * switched to non-blocking: others share its open file description.  A sink that fails (EPIPE) is
 * no longer written to; its source is still drained.  SIGPIPE is blocked in the pump's thread.
 *
 * Threads.  Any function from any thread.  Callbacks run on the pump's thread, one at a time; they
 * must not call into the pump.  After noodle_pump_remove() returns, the callback is not running
 * and is not called again.
 */
#ifndef NOODLE_PUMP_H
#define NOODLE_PUMP_H

#include <stddef.h>
#include <stdint.h>

#include "noodle/status.h"

#define NOODLE_PUMP_KEPT_BYTES 16384u

typedef struct noodle_pump noodle_pump;
typedef struct noodle_pump_source noodle_pump_source;

typedef void (*noodle_pump_callback)(void *context, const char *bytes, size_t count);

noodle_status noodle_pump_create(noodle_pump **pump);

/* Drains nothing further, ends the thread and frees all sources. */
void noodle_pump_destroy(noodle_pump *pump);

/* Adds a source, whose descriptor the pump takes.  Either sink_fd (not taken) or, if that is -1,
 * the callback gets its bytes; with neither they are only kept. */
noodle_status noodle_pump_add(noodle_pump *pump, int source_fd, int sink_fd,
                              noodle_pump_callback callback, void *context,
                              noodle_pump_source **source);

/* Waits for the source's end of file, at most timeout_ms.  Returns OK or TIMEOUT. */
noodle_status noodle_pump_finish(noodle_pump_source *source, int timeout_ms);

/* Copies the last bytes of the source, at most `capacity`, and returns how many. */
size_t noodle_pump_last(noodle_pump_source *source, char *buffer, size_t capacity);

/* Bytes carried so far. */
uint64_t noodle_pump_count(noodle_pump_source *source);

/* Stops and frees a source. */
void noodle_pump_remove(noodle_pump *pump, noodle_pump_source *source);

#endif
