// What the shim's own files share.

#ifndef CEXT_INTERNAL_H
#define CEXT_INTERNAL_H

#include "cext.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

struct cext_volume {
    ext2_filsys fs;
    struct cext_device device;
    /// Whether memory and disk differ.
    bool changed;
    /// The first failure to stage zeros, which the library does not get to hear of.
    int zeroing_failure;
    /// One octet a group: whether its bitmaps have to be written.
    uint8_t *touched;
    /// The free blocks of each group when its bitmaps were last written.
    uint32_t *free_counts;
};

/// A file's inode and the way to its blocks.
struct cext_file {
    cext_volume *volume;
    ext2_ino_t number;
    struct ext2_inode inode;
    /// NULL unless the blocks are mapped by extents.
    ext2_extent_handle_t extents;
    /// The contents, if they are in the inode.
    uint8_t *inline_data;
    size_t inline_size;
};

/// Some blocks of a file that follow each other on the disk as well.
struct cext_run {
    /// 0 for a hole or blocks that were never written.
    uint64_t block;
    uint64_t count;
};

/// The I/O manager whose channels call back into `cext_volume.device`. A channel belongs to the volume in `cext_opening`.
extern struct struct_io_manager cext_io_manager;
extern _Thread_local cext_volume *cext_opening;

/// Reads the bitmaps if that has not been done, before anything is allocated or freed.
int cext_prepare(cext_volume *volume);

/// Stages the bitmaps that changed, the group descriptors and the superblock.
int cext_complete(cext_volume *volume);

/// Opens the folder that a path's last component is in, and gives that component.
int cext_open_parent(
    cext_volume *volume, const char *path, size_t path_length, ext2_ino_t *folder, const char **name, size_t *length);

/// Looks a name up and reads its inode, whatever it is; ENOENT if there is none.
int cext_lookup(
    cext_volume *volume, ext2_ino_t folder, const char *name, size_t length, ext2_ino_t *number,
    struct ext2_inode *inode);

/// Whether the inode is a file that can be read here.
int cext_check_file(const struct ext2_inode *inode);

/// Prepares a file whose inode has been read for `cext_map`.
int cext_begin(cext_file *file);

/// Frees what `cext_begin` allocated.
void cext_end(cext_file *file);

/// Finds the blocks from `block` on, at most `limit` of them. Every block it gives lies inside the volume.
int cext_map(cext_file *file, uint64_t block, uint64_t limit, struct cext_run *run);

/// Folds the library's codes into errno where there is one. ext2_err.h begins at 2133571328, so all of them fit.
int cext_status(errcode_t code);

#endif
