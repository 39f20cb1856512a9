/* Segments: their memory, their sizes, and the lists of free ones. */
#define _GNU_SOURCE
#include "segments.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "memory_file.h"

#ifndef F_SEAL_FUTURE_WRITE
#  define F_SEAL_FUTURE_WRITE 0x0010
#endif

#define LEAST_EXPONENT 16   /* log2 of NOODLE_SEGMENT_LEAST */

/* ------------------------------------------------------------------------------------ Sizes */

unsigned
noodle_size_class(uint64_t bytes)
{
    unsigned exponent;
    uint64_t quarter;
    if (bytes <= NOODLE_SEGMENT_LEAST)
        return 0;
    exponent = 63 - (unsigned)__builtin_clzll(bytes - 1);
    quarter = ((bytes - 1) >> (exponent - 2)) - 4;
    exponent = 4 * (exponent - LEAST_EXPONENT) + (unsigned)quarter + 1;
    return exponent < NOODLE_SIZE_CLASSES ? exponent : NOODLE_SIZE_CLASSES;
}

uint64_t
noodle_class_bytes(unsigned size_class)
{
    const unsigned quarter = size_class == 0 ? 0 : (size_class - 1) % 4 + 1;
    const unsigned exponent = LEAST_EXPONENT + (size_class == 0 ? 0 : (size_class - 1) / 4);
    return (4 + (uint64_t)quarter) << (exponent - 2);
}

/* ------------------------------------------------------------------------------- Free lists */

void
noodle_free_list_add(noodle_free_list *list, noodle_segment *segment)
{
    const unsigned size = noodle_size_class(segment->bytes);
    segment->newer = NULL;
    segment->older = list->newest[size];
    if (segment->older != NULL)
        segment->older->newer = segment;
    else
        list->oldest[size] = segment;
    list->newest[size] = segment;
}

void
noodle_free_list_remove(noodle_free_list *list, noodle_segment *segment)
{
    const unsigned size = noodle_size_class(segment->bytes);
    if (segment->newer != NULL)
        segment->newer->older = segment->older;
    else
        list->newest[size] = segment->older;
    if (segment->older != NULL)
        segment->older->newer = segment->newer;
    else
        list->oldest[size] = segment->newer;
    segment->newer = segment->older = NULL;
}

noodle_segment *
noodle_free_list_oldest(const noodle_free_list *list)
{
    noodle_segment *oldest = NULL;
    for (unsigned i = 0; i < NOODLE_SIZE_CLASSES; i++) {
        noodle_segment *const here = list->oldest[i];
        if (here != NULL && (oldest == NULL || here->freed_at < oldest->freed_at))
            oldest = here;
    }
    return oldest;
}

/* ----------------------------------------------------------------------------------- Memory */

static noodle_status
lacking(void)
{
    return errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOSPC
               ? NOODLE_LIMIT
               : NOODLE_SYSTEM;
}

/* Future writable mappings are refused only after ours is there. */
static noodle_status
map_and_seal(noodle_segment *segment, bool frozen)
{
    const int seals = NOODLE_SEALS_SIZE | (frozen ? F_SEAL_FUTURE_WRITE : 0) | F_SEAL_SEAL;
    if (noodle_memory_create("noodle-array", segment->bytes, 0, &segment->fd) != NOODLE_OK)
        return lacking();
    if (noodle_memory_map(segment->fd, segment->bytes, true, &segment->address) != NOODLE_OK)
        return lacking();
    return fcntl(segment->fd, F_ADD_SEALS, seals) == 0 ? NOODLE_OK : NOODLE_SYSTEM;
}

static noodle_segment *
blank_segment(uint64_t bytes)
{
    noodle_segment *const segment = calloc(1, sizeof *segment);
    if (segment == NULL)
        return NULL;
    segment->bytes = bytes;
    segment->fd = segment->read_only_fd = -1;
    return segment;
}

noodle_status
noodle_segment_create(uint64_t bytes, bool frozen, noodle_segment **result)
{
    noodle_segment *const segment = blank_segment(bytes);
    noodle_status status;
    *result = NULL;
    if (segment == NULL)
        return NOODLE_LIMIT;
    segment->frozen = frozen;
    status = map_and_seal(segment, frozen);
    if (status != NOODLE_OK) {
        noodle_segment_close(segment);
        free(segment);
        return status;
    }
    *result = segment;
    return NOODLE_OK;
}

/* Through read(), which a peer cannot turn into a fault whatever it does to the file. */
static noodle_status
copy_file(noodle_segment *segment, int fd)
{
    segment->address = mmap(NULL, segment->bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (segment->address == MAP_FAILED) {
        segment->address = NULL;
        return lacking();
    }
    for (uint64_t done = 0; done < segment->bytes;) {
        const ssize_t count = pread(fd, (unsigned char *)segment->address + done,
                                    segment->bytes - done, (off_t)done);
        if (count == 0)
            return NOODLE_PROTOCOL;
        if (count < 0 && errno != EINTR)
            return NOODLE_SYSTEM;
        done += count < 0 ? 0 : (uint64_t)count;
    }
    return mprotect(segment->address, segment->bytes, PROT_READ) == 0 ? NOODLE_OK : NOODLE_SYSTEM;
}

noodle_status
noodle_segment_take(int fd, uint64_t bytes, noodle_segment **result, bool *copied)
{
    noodle_segment *const segment = blank_segment(bytes);
    noodle_status status;
    *result = NULL;
    if (segment == NULL) {
        noodle_close(&fd);
        return NOODLE_LIMIT;
    }
    segment->read_only = segment->condemned = true;
    *copied = fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) != 0;
    if (*copied) {
        status = copy_file(segment, fd);
        noodle_close(&fd);
    } else {
        segment->fd = fd;
        status = noodle_memory_map(fd, bytes, false, &segment->address);
    }
    if (status != NOODLE_OK) {
        noodle_segment_close(segment);
        free(segment);
        return status;
    }
    *result = segment;
    return NOODLE_OK;
}

static bool
has_holder(const noodle_segment *segment)
{
    uint64_t any = 0;
    for (size_t i = 0; i < NOODLE_WORKER_WORDS; i++)
        any |= segment->holders.bits[i];
    return any != 0;
}

void
noodle_segment_close(noodle_segment *segment)
{
    if (segment->address != NULL) {
        /* A worker's mapping would keep the pages.  Where the kernel refuses (sealed against
         * writing) they go with that mapping. */
        if (has_holder(segment) && !segment->read_only && !segment->frozen)
            madvise(segment->address, segment->bytes, MADV_REMOVE);
        munmap(segment->address, segment->bytes);
    }
    segment->address = NULL;
    noodle_close(&segment->fd);
    noodle_close(&segment->read_only_fd);
}
