/* Memory files, for the core's own use. */
#ifndef NOODLE_CORE_MEMORY_FILE_H
#define NOODLE_CORE_MEMORY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "noodle/status.h"

/* What keeps every access to a mapping free of SIGBUS. */
#define NOODLE_SEALS_SIZE (F_SEAL_SHRINK | F_SEAL_GROW)

/* Makes a memfd of `bytes` under the given seals (0: none yet).  Returns OK or SYSTEM. */
noodle_status noodle_memory_create(const char *name, uint64_t bytes, int seals, int *fd);

/* Maps all of it, shared.  Returns OK or SYSTEM. */
noodle_status noodle_memory_map(int fd, uint64_t bytes, bool writable, void **address);

/* Checks that a descriptor is a memfd that cannot change its size, and returns the size. */
noodle_status noodle_memory_check(int fd, uint64_t *bytes);

/* Closes and sets to -1; errno is kept. */
void noodle_close(int *fd);

#endif
