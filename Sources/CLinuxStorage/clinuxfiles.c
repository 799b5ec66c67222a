#define _GNU_SOURCE

#include "clinuxfiles.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

int cls_punch_hole(int fd, uint64_t offset, uint64_t length)
{
    int result;

    do
        result = fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset, (off_t)length);
    while (result < 0 && errno == EINTR);
    return result < 0 ? -errno : 0;
}

static int seek(int fd, uint64_t offset, int whence, uint64_t *next)
{
    off_t result = lseek(fd, (off_t)offset, whence);

    if (result < 0)
        return -errno;
    *next = (uint64_t)result;
    return 0;
}

int cls_next_data(int fd, uint64_t offset, uint64_t *next) { return seek(fd, offset, SEEK_DATA, next); }

int cls_next_hole(int fd, uint64_t offset, uint64_t *next) { return seek(fd, offset, SEEK_HOLE, next); }
