// What changes a volume.

#include "internal.h"

/// Sets times, the octets beyond 2038 included, where the inode has room for them.
static errcode_t set_times(ext2_filsys fs, ext2_ino_t number, bool is_new) {
    size_t size = EXT2_INODE_SIZE(fs->super);
    if (size < sizeof(struct ext2_inode_large)) size = sizeof(struct ext2_inode_large);
    struct ext2_inode_large *inode = calloc(1, size);
    if (inode == NULL) return EXT2_ET_NO_MEMORY;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint32_t seconds = (uint32_t)now.tv_sec;
    // ext4's disk layout: two bits that extend the signed seconds, then the nanoseconds.
    uint32_t extra = ((uint32_t)((now.tv_sec - (int32_t)seconds) >> 32) & 3) | (uint32_t)now.tv_nsec << 2;
    errcode_t code = ext2fs_read_inode_full(fs, number, (struct ext2_inode *)inode, (int)size);
    if (code == 0) {
        bool has_extra = EXT2_INODE_SIZE(fs->super) > EXT2_GOOD_OLD_INODE_SIZE;
        inode->i_mtime = inode->i_ctime = seconds;
        if (has_extra && inode_includes(inode->i_extra_isize, i_mtime_extra)) {
            inode->i_mtime_extra = inode->i_ctime_extra = extra;
        }
        if (is_new) {
            inode->i_atime = seconds;
            if (has_extra && inode_includes(inode->i_extra_isize, i_crtime_extra)) {
                inode->i_crtime = seconds;
                inode->i_atime_extra = inode->i_crtime_extra = extra;
            }
        }
        code = ext2fs_write_inode_full(fs, number, (struct ext2_inode *)inode, (int)size);
    }
    free(inode);
    return code;
}

/// A name as the library wants it: with a terminator.
struct entry_name {
    char text[EXT2_NAME_LEN + 1];
};

static int make_name(struct entry_name *name, const char *text, size_t length) {
    if (length > EXT2_NAME_LEN) return ENAMETOOLONG;
    memcpy(name->text, text, length);
    name->text[length] = 0;
    return CEXT_OK;
}

/// Enters a name, in a new block of the folder if need be.
static errcode_t enter_name(
    ext2_filsys fs, ext2_ino_t folder, const struct entry_name *name, ext2_ino_t number, int type) {
    errcode_t code = ext2fs_link(fs, folder, name->text, number, type);
    if (code == EXT2_ET_DIR_NO_SPACE) {
        code = ext2fs_expand_dir(fs, folder);
        if (code == 0) code = ext2fs_link(fs, folder, name->text, number, type);
    }
    if (code == 0) code = set_times(fs, folder, false);
    return code;
}

static void count_inode(cext_volume *volume, ext2_ino_t number, int in_use, int is_folder) {
    ext2fs_inode_alloc_stats2(volume->fs, number, in_use, is_folder);
    volume->touched[ext2fs_group_of_ino(volume->fs, number)] = 1;
    volume->changed = true;
}

static errcode_t create_file(
    cext_volume *volume, ext2_ino_t folder, const char *name, size_t length, ext2_ino_t *number,
    struct ext2_inode *inode) {
    ext2_filsys fs = volume->fs;
    struct entry_name entry;
    int status = make_name(&entry, name, length);
    if (status != CEXT_OK) return status;
    errcode_t code = ext2fs_new_inode(fs, folder, LINUX_S_IFREG | 0644, NULL, number);
    if (code != 0) return code;
    volume->changed = true;
    memset(inode, 0, sizeof *inode);
    inode->i_mode = LINUX_S_IFREG | 0644;
    inode->i_links_count = 1;
    if (ext2fs_has_feature_extents(fs->super)) {
        // Opening a handle on an inode without blocks makes the root of the tree.
        ext2_extent_handle_t handle;
        code = ext2fs_extent_open2(fs, *number, inode, &handle);
        if (code != 0) return code;
        ext2fs_extent_free(handle);
    }
    code = ext2fs_write_new_inode(fs, *number, inode);
    if (code != 0) return code;
    count_inode(volume, *number, +1, 0);
    return enter_name(fs, folder, &entry, *number, EXT2_FT_REG_FILE);
}

/// Blocks that were reserved and never written read as zeros until their extents say otherwise.
static errcode_t initialize_extents(cext_volume *volume, cext_file *file) {
    struct ext2fs_extent extent;
    errcode_t code = ext2fs_extent_get(file->extents, EXT2_EXTENT_ROOT, &extent);
    while (code == 0) {
        bool is_leaf = (extent.e_flags & EXT2_EXTENT_FLAGS_LEAF) != 0;
        if (is_leaf && (extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0) {
            volume->changed = true;
            extent.e_flags &= ~(uint32_t)EXT2_EXTENT_FLAGS_UNINIT;
            code = ext2fs_extent_replace(file->extents, 0, &extent);
            if (code != 0) break;
        }
        code = ext2fs_extent_get(file->extents, EXT2_EXTENT_NEXT, &extent);
    }
    return code == EXT2_ET_EXTENT_NO_NEXT || code == EXT2_ET_NO_CURRENT_NODE ? 0 : code;
}

static int write_contents(cext_file *file, const uint8_t *data, int64_t count) {
    const struct cext_device *device = &file->volume->device;
    uint64_t block_size = file->volume->fs->blocksize;
    uint64_t blocks = ((uint64_t)count + block_size - 1) / block_size;
    for (uint64_t block = 0; block < blocks;) {
        struct cext_run run;
        int status = cext_map(file, block, blocks - block, &run);
        if (status != CEXT_OK) return status;
        // Everything was allocated; a hole is a lie of the library or of the volume.
        if (run.block == 0) return CEXT_BAD_INODE;
        uint64_t begin = block * block_size;
        uint64_t octets = run.count * block_size;
        uint64_t whole = octets;
        if (begin + octets > (uint64_t)count) whole = ((uint64_t)count - begin) / block_size * block_size;
        int error = whole == 0 ? 0 : device->write(device->context, data + begin, (int64_t)whole, run.block * block_size);
        if (error == 0 && whole < octets) {
            // The last block, zeros behind the file's end.
            uint8_t *last = calloc(1, block_size);
            if (last == NULL) return ENOMEM;
            memcpy(last, data + begin + whole, (uint64_t)count - begin - whole);
            error = device->write(device->context, last, (int64_t)block_size, run.block * block_size + whole);
            free(last);
        }
        if (error != 0) return error;
        block += run.count;
    }
    return CEXT_OK;
}

/// Has every block up to `blocks` allocated.
static errcode_t allocate(cext_file *file, uint64_t blocks) {
    ext2_filsys fs = file->volume->fs;
    int flags = EXT2_FALLOCATE_FORCE_INIT | EXT2_FALLOCATE_INIT_BEYOND_EOF;
    errcode_t code = ext2fs_fallocate(fs, flags, file->number, &file->inode, ~0ULL, 0, blocks);
    if (code != EXT2_ET_BLOCK_ALLOC_FAIL && code != EXT2_ET_BAD_BLOCK_NUM) return code;
    // It gives up where nothing is free behind the place it would like best; one by one they are found.
    code = 0;
    for (uint64_t block = 0; code == 0 && block < blocks; block++) {
        blk64_t found = 0;
        code = ext2fs_bmap2(fs, file->number, &file->inode, NULL, 0, block, NULL, &found);
        if (code == 0 && found == 0) {
            code = ext2fs_bmap2(fs, file->number, &file->inode, NULL, BMAP_ALLOC, block, NULL, &found);
        }
    }
    return code;
}

/// Allocates, writes, cuts. The inode is read and written through the library, which keeps its checksums.
static int replace_blocks(cext_volume *volume, cext_file *file, const uint8_t *data, int64_t count) {
    ext2_filsys fs = volume->fs;
    uint64_t blocks = ((uint64_t)count + fs->blocksize - 1) / fs->blocksize;
    uint64_t used = ext2fs_inode_i_blocks(fs, &file->inode) / (fs->blocksize / 512);
    if (blocks > used && blocks - used > ext2fs_free_blocks_count(fs->super)) return ENOSPC;
    volume->changed = true;
    errcode_t code = 0;
    if (blocks > 0) code = allocate(file, blocks);
    if (code == 0) code = ext2fs_inode_size_set(fs, &file->inode, (ext2_off64_t)count);
    if (code == 0) code = ext2fs_write_inode(fs, file->number, &file->inode);
    if (code != 0) return cext_status(code);
    int status = cext_begin(file);
    if (status == CEXT_OK && file->extents != NULL) status = cext_status(initialize_extents(volume, file));
    if (status == CEXT_OK) status = write_contents(file, data, count);
    cext_end(file);
    if (status != CEXT_OK) return status;
    code = ext2fs_read_inode(fs, file->number, &file->inode);
    if (code == 0) code = ext2fs_punch(fs, file->number, &file->inode, NULL, blocks, ~0ULL);
    return cext_status(code);
}

/// Takes the contents out of an inode that holds them itself, so that they get blocks. The library would put the new ones in
/// their place, but through a buffer of one block, whatever their length.
static errcode_t empty_inline(cext_file *file) {
    ext2_filsys fs = file->volume->fs;
    struct ext2_xattr_handle *attributes = NULL;
    file->volume->changed = true;
    errcode_t code = ext2fs_xattrs_open(fs, file->number, &attributes);
    if (code != 0) return code;
    code = ext2fs_xattrs_read(attributes);
    if (code == 0) code = ext2fs_xattr_remove(attributes, "system.data");
    errcode_t closed = ext2fs_xattrs_close(&attributes);
    if (code == 0) code = closed;
    if (code == 0) code = ext2fs_read_inode(fs, file->number, &file->inode);
    if (code != 0) return code;
    file->inode.i_flags &= ~EXT4_INLINE_DATA_FL;
    memset(file->inode.i_block, 0, sizeof file->inode.i_block);
    if (ext2fs_has_feature_extents(fs->super)) {
        ext2_extent_handle_t handle;
        code = ext2fs_extent_open2(fs, file->number, &file->inode, &handle);
        if (code != 0) return code;
        ext2fs_extent_free(handle);
    }
    return ext2fs_write_inode(fs, file->number, &file->inode);
}

static int check_writable(const struct ext2_inode *inode) {
    int status = cext_check_file(inode);
    if (status != CEXT_OK) return status;
    if ((inode->i_flags & (EXT2_IMMUTABLE_FL | EXT2_APPEND_FL)) != 0) return CEXT_READ_ONLY_FILE;
    if ((inode->i_flags & EXT4_VERITY_FL) != 0) return CEXT_SEALED;
    return CEXT_OK;
}

int cext_write_file(cext_volume *volume, const char *path, size_t path_length, const uint8_t *data, int64_t count) {
    cext_file file = {.volume = volume};
    ext2_ino_t folder = 0;
    const char *name = NULL;
    size_t length = 0;
    int status = cext_open_parent(volume, path, path_length, &folder, &name, &length);
    if (status != CEXT_OK) return status;
    status = cext_lookup(volume, folder, name, length, &file.number, &file.inode);
    bool is_new = status == ENOENT;
    if (status == CEXT_OK) status = check_writable(&file.inode);
    if (is_new) {
        status = cext_prepare(volume);
        if (status == CEXT_OK) {
            status = cext_status(create_file(volume, folder, name, length, &file.number, &file.inode));
        }
    } else if (status == CEXT_OK) {
        status = cext_prepare(volume);
    }
    if (status != CEXT_OK) return status;
    if ((file.inode.i_flags & EXT4_INLINE_DATA_FL) != 0) status = cext_status(empty_inline(&file));
    if (status == CEXT_OK) status = replace_blocks(volume, &file, data, count);
    if (status == CEXT_OK) status = cext_status(set_times(volume->fs, file.number, is_new));
    if (status == CEXT_OK && count > INT32_MAX && !ext2fs_has_feature_large_file(volume->fs->super)) {
        ext2fs_set_feature_large_file(volume->fs->super);
    }
    return status == CEXT_OK ? cext_complete(volume) : status;
}

/// Frees what belongs to an inode that has no name left.
static errcode_t free_inode(cext_volume *volume, ext2_ino_t number, struct ext2_inode *inode) {
    ext2_filsys fs = volume->fs;
    errcode_t code = ext2fs_free_ext_attr(fs, number, (struct ext2_inode_large *)inode);
    if (code == 0 && ext2fs_inode_has_valid_blocks2(fs, inode)) {
        code = ext2fs_punch(fs, number, inode, NULL, 0, ~0ULL);
    }
    if (code != 0) return code;
    inode->i_links_count = 0;
    inode->i_dtime = (uint32_t)time(NULL);
    code = ext2fs_write_inode(fs, number, inode);
    if (code == 0) count_inode(volume, number, -1, 0);
    return code;
}

int cext_delete_file(cext_volume *volume, const char *path, size_t path_length) {
    ext2_filsys fs = volume->fs;
    ext2_ino_t folder = 0;
    ext2_ino_t number = 0;
    struct ext2_inode_large inode = {0};
    struct ext2_inode *small = (struct ext2_inode *)&inode;
    const char *name = NULL;
    size_t length = 0;
    int status = cext_open_parent(volume, path, path_length, &folder, &name, &length);
    if (status == CEXT_OK) status = cext_lookup(volume, folder, name, length, &number, small);
    if (status == CEXT_OK) status = check_writable(small);
    if (status == CEXT_OK) status = cext_prepare(volume);
    if (status != CEXT_OK) return status;
    struct entry_name entry;
    status = make_name(&entry, name, length);
    if (status != CEXT_OK) return status;
    volume->changed = true;
    errcode_t code = ext2fs_unlink(fs, folder, entry.text, number, 0);
    if (code == 0) code = set_times(fs, folder, false);
    if (code == 0 && small->i_links_count > 1) {
        small->i_links_count--;
        code = ext2fs_write_inode(fs, number, small);
    } else if (code == 0) {
        code = free_inode(volume, number, small);
    }
    return code == 0 ? cext_complete(volume) : cext_status(code);
}

int cext_create_folder(cext_volume *volume, const char *path, size_t path_length) {
    ext2_filsys fs = volume->fs;
    ext2_ino_t folder = 0;
    ext2_ino_t number = 0;
    struct ext2_inode inode;
    const char *name = NULL;
    size_t length = 0;
    int status = cext_open_parent(volume, path, path_length, &folder, &name, &length);
    if (status != CEXT_OK) return status;
    status = cext_lookup(volume, folder, name, length, &number, &inode);
    if (status != ENOENT) return status == CEXT_OK ? EEXIST : status;
    status = cext_prepare(volume);
    if (status != CEXT_OK) return status;
    struct entry_name entry;
    status = make_name(&entry, name, length);
    if (status != CEXT_OK) return status;
    volume->changed = true;
    errcode_t code = ext2fs_new_inode(fs, folder, LINUX_S_IFDIR | 0755, NULL, &number);
    if (code == 0) code = ext2fs_mkdir(fs, folder, number, entry.text);
    if (code == EXT2_ET_DIR_NO_SPACE) {
        code = ext2fs_expand_dir(fs, folder);
        if (code == 0) code = ext2fs_mkdir(fs, folder, number, entry.text);
    }
    if (code == 0) {
        volume->touched[ext2fs_group_of_ino(fs, number)] = 1;
        code = set_times(fs, number, true);
    }
    if (code == 0) code = set_times(fs, folder, false);
    return code == 0 ? cext_complete(volume) : cext_status(code);
}
