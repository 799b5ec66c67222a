#pragma once

#include <stdint.h>

/*
 * What the C library declares for GNU sources only, and Swift therefore does not see. Every function returns 0, or the
 * negated error number.
 */

/// FALLOC_FL_PUNCH_HOLE: gives the space of a range of a file back; the range then reads as zeros, the file keeps its length.
int cls_punch_hole(int fd, uint64_t offset, uint64_t length);

/// SEEK_DATA: the first octet from the offset on that takes space; -ENXIO where there is none.
int cls_next_data(int fd, uint64_t offset, uint64_t *next);

/// SEEK_HOLE: the first octet from the offset on that takes no space, the file's length where there is none before.
int cls_next_hole(int fd, uint64_t offset, uint64_t *next);
