/* Memory files: made, sealed, mapped and checked in one place. */
#define _GNU_SOURCE
#include "memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#ifndef MFD_NOEXEC_SEAL
#  define MFD_NOEXEC_SEAL 0x0008U   /* Linux 6.3 */
#endif

static int
create_file(const char *name)
{
    const int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd >= 0 || errno != EINVAL)
        return fd;
    return memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
}

noodle_status
noodle_memory_create(const char *name, uint64_t bytes, int seals, int *fd)
{
    *fd = create_file(name);
    if (*fd < 0)
        return NOODLE_SYSTEM;
    if (bytes > INT64_MAX || ftruncate(*fd, (off_t)bytes) != 0
        || (seals != 0 && fcntl(*fd, F_ADD_SEALS, seals) != 0)) {
        noodle_close(fd);
        return NOODLE_SYSTEM;
    }
    return NOODLE_OK;
}

noodle_status
noodle_memory_map(int fd, uint64_t bytes, bool writable, void **address)
{
    const int protection = writable ? PROT_READ | PROT_WRITE : PROT_READ;
    *address = mmap(NULL, bytes, protection, MAP_SHARED, fd, 0);
    if (*address != MAP_FAILED)
        return NOODLE_OK;
    *address = NULL;
    return NOODLE_SYSTEM;
}

noodle_status
noodle_memory_check(int fd, uint64_t *bytes)
{
    struct stat facts;
    struct statfs system;
    const int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & NOODLE_SEALS_SIZE) != NOODLE_SEALS_SIZE)
        return NOODLE_PROTOCOL;
    if (fstat(fd, &facts) != 0 || !S_ISREG(facts.st_mode))
        return NOODLE_PROTOCOL;
    /* Of huge pages neither the sizes nor the accounting would be as everything here takes them. */
    if (fstatfs(fd, &system) != 0 || system.f_type != TMPFS_MAGIC)
        return NOODLE_PROTOCOL;
    *bytes = (uint64_t)facts.st_size;
    return NOODLE_OK;
}

void
noodle_close(int *fd)
{
    const int kept = errno;
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
    errno = kept;
}
