// Names, inodes and the way to a file's blocks.

#include "internal.h"

/// Whether the inode is one of the file system's own: a reserved one, or one that the superblock names.
static bool is_system_inode(ext2_filsys fs, ext2_ino_t number) {
    const struct ext2_super_block *super = fs->super;
    if (number == EXT2_ROOT_INO) return false;
    return number < EXT2_FIRST_INODE(super) || number == super->s_journal_inum || number == super->s_usr_quota_inum
        || number == super->s_grp_quota_inum || number == super->s_prj_quota_inum
        || (ext2fs_has_feature_orphan_file(fs->super) && number == super->s_orphan_file_inum);
}

/// Whether a folder's names can be looked up.
static int check_folder(const struct ext2_inode *inode) {
    if (LINUX_S_ISLNK(inode->i_mode)) return CEXT_SYMBOLIC_LINK;
    if (!LINUX_S_ISDIR(inode->i_mode)) return CEXT_NO_FOLDER;
    if ((inode->i_flags & EXT4_ENCRYPT_FL) != 0) return CEXT_ENCRYPTED;
    if ((inode->i_flags & EXT4_CASEFOLD_FL) != 0) return CEXT_CASE_FOLDED;
    return CEXT_OK;
}

int cext_check_file(const struct ext2_inode *inode) {
    if (LINUX_S_ISDIR(inode->i_mode)) return CEXT_IS_FOLDER;
    if (LINUX_S_ISLNK(inode->i_mode)) return CEXT_SYMBOLIC_LINK;
    if (!LINUX_S_ISREG(inode->i_mode)) return CEXT_SPECIAL_FILE;
    if ((inode->i_flags & EXT4_ENCRYPT_FL) != 0) return CEXT_ENCRYPTED;
    // Compression of ext2 never became part of Linux; an extended attribute's inode is nobody's file.
    if ((inode->i_flags & (EXT2_COMPRBLK_FL | EXT2_NOCOMPR_FL)) == EXT2_COMPRBLK_FL) return CEXT_BAD_INODE;
    if ((inode->i_flags & EXT4_EA_INODE_FL) != 0) return CEXT_SYSTEM_FILE;
    return CEXT_OK;
}

int cext_lookup(
    cext_volume *volume, ext2_ino_t folder, const char *name, size_t length, ext2_ino_t *number,
    struct ext2_inode *inode) {
    ext2_filsys fs = volume->fs;
    ext2_ino_t found = 0;
    errcode_t code = ext2fs_lookup(fs, folder, name, (int)length, NULL, &found);
    if (code != 0) return cext_status(code);
    if (found == 0 || found > fs->super->s_inodes_count) return CEXT_BAD_INODE;
    if (found == EXT2_ROOT_INO || is_system_inode(fs, found)) return CEXT_SYSTEM_FILE;
    code = ext2fs_read_inode(fs, found, inode);
    if (code != 0) return cext_status(code);
    // An entry of a removed file: its number may be given away again at any time.
    if (inode->i_links_count == 0) return CEXT_BAD_INODE;
    *number = found;
    return CEXT_OK;
}

int cext_open_parent(
    cext_volume *volume, const char *path, size_t path_length, ext2_ino_t *folder, const char **name, size_t *length) {
    struct ext2_inode inode;
    ext2_ino_t current = EXT2_ROOT_INO;
    errcode_t code = ext2fs_read_inode(volume->fs, current, &inode);
    if (code != 0) return cext_status(code);
    int status = check_folder(&inode);
    if (status != CEXT_OK) return status == CEXT_NO_FOLDER ? CEXT_BAD_INODE : status;
    const char *end = path + path_length;
    for (;;) {
        const char *separator = memchr(path, '/', (size_t)(end - path));
        if (separator == NULL) break;
        status = cext_lookup(volume, current, path, (size_t)(separator - path), &current, &inode);
        if (status == ENOENT) return CEXT_NO_FOLDER;
        if (status == CEXT_OK) status = check_folder(&inode);
        if (status != CEXT_OK) return status;
        path = separator + 1;
    }
    *folder = current;
    *name = path;
    *length = (size_t)(end - path);
    return CEXT_OK;
}

static int read_inline(cext_file *file) {
    ext2_filsys fs = file->volume->fs;
    size_t size = 0;
    errcode_t code = ext2fs_inline_data_size(fs, file->number, &size);
    if (code != 0) return cext_status(code);
    // It lives in the inode and its attributes; more cannot be there.
    if (size > EXT2_MAX_BLOCK_SIZE || EXT2_I_SIZE(&file->inode) > size) return CEXT_BAD_INODE;
    file->inline_data = calloc(1, size + EXT2_MAX_BLOCK_SIZE);
    if (file->inline_data == NULL) return ENOMEM;
    file->inline_size = size;
    return cext_status(ext2fs_inline_data_get(fs, file->number, &file->inode, file->inline_data, &size));
}

int cext_begin(cext_file *file) {
    if ((file->inode.i_flags & EXT4_INLINE_DATA_FL) != 0) return read_inline(file);
    if ((file->inode.i_flags & EXT4_EXTENTS_FL) == 0) return CEXT_OK;
    return cext_status(ext2fs_extent_open2(file->volume->fs, file->number, &file->inode, &file->extents));
}

void cext_end(cext_file *file) {
    if (file->extents != NULL) ext2fs_extent_free(file->extents);
    free(file->inline_data);
    file->extents = NULL;
    file->inline_data = NULL;
}

static int map_extent(cext_file *file, uint64_t block, struct cext_run *run) {
    errcode_t code = ext2fs_extent_goto(file->extents, block);
    if (code == EXT2_ET_EXTENT_NOT_FOUND) return CEXT_OK;
    if (code != 0) return cext_status(code);
    struct ext2fs_extent extent;
    code = ext2fs_extent_get(file->extents, EXT2_EXTENT_CURRENT, &extent);
    if (code != 0) return cext_status(code);
    if (block < extent.e_lblk || block - extent.e_lblk >= extent.e_len) return CEXT_BAD_INODE;
    uint64_t inside = block - extent.e_lblk;
    run->count = extent.e_len - inside;
    if ((extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT) == 0) run->block = extent.e_pblk + inside;
    return CEXT_OK;
}

int cext_map(cext_file *file, uint64_t block, uint64_t limit, struct cext_run *run) {
    ext2_filsys fs = file->volume->fs;
    *run = (struct cext_run){.block = 0, .count = 1};
    if (file->extents != NULL) {
        int status = map_extent(file, block, run);
        if (status != CEXT_OK) return status;
    } else {
        blk64_t found = 0;
        errcode_t code = ext2fs_bmap2(fs, file->number, &file->inode, NULL, 0, block, NULL, &found);
        if (code != 0) return cext_status(code);
        run->block = found;
        // As long as they follow each other.
        while (found != 0 && run->count < limit) {
            blk64_t next = 0;
            code = ext2fs_bmap2(fs, file->number, &file->inode, NULL, 0, block + run->count, NULL, &next);
            if (code != 0) return cext_status(code);
            if (next != found + run->count) break;
            run->count++;
        }
    }
    if (run->count > limit) run->count = limit;
    uint64_t blocks = ext2fs_blocks_count(fs->super);
    if (run->block != 0
        && (run->block < fs->super->s_first_data_block || run->block >= blocks || run->count > blocks - run->block)) {
        return CEXT_BAD_INODE;
    }
    return CEXT_OK;
}

cext_file *cext_open_file(cext_volume *volume, const char *path, size_t path_length, int *status) {
    cext_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        *status = ENOMEM;
        return NULL;
    }
    file->volume = volume;
    ext2_ino_t folder = 0;
    const char *name = NULL;
    size_t length = 0;
    *status = cext_open_parent(volume, path, path_length, &folder, &name, &length);
    if (*status == CEXT_OK) *status = cext_lookup(volume, folder, name, length, &file->number, &file->inode);
    if (*status == CEXT_OK) *status = cext_check_file(&file->inode);
    if (*status == CEXT_OK) *status = cext_begin(file);
    if (*status == CEXT_OK) return file;
    cext_close_file(file);
    return NULL;
}

void cext_close_file(cext_file *file) {
    cext_end(file);
    free(file);
}

uint64_t cext_file_size(const cext_file *file) {
    return EXT2_I_SIZE(&file->inode);
}

int cext_read_file(cext_file *file, uint64_t offset, uint8_t *buffer, int64_t count) {
    if (count < 0 || offset > cext_file_size(file) || (uint64_t)count > cext_file_size(file) - offset) return EINVAL;
    if (file->inline_data != NULL) {
        memcpy(buffer, file->inline_data + offset, (size_t)count);
        return CEXT_OK;
    }
    const struct cext_device *device = &file->volume->device;
    uint64_t block_size = file->volume->fs->blocksize;
    for (int64_t done = 0; done < count;) {
        uint64_t block = (offset + (uint64_t)done) / block_size;
        uint64_t inside = (offset + (uint64_t)done) % block_size;
        struct cext_run run;
        int status = cext_map(file, block, ((uint64_t)(count - done) + inside + block_size - 1) / block_size, &run);
        if (status != CEXT_OK) return status;
        int64_t octets = (int64_t)(run.count * block_size - inside);
        if (octets > count - done) octets = count - done;
        if (run.block == 0) {
            memset(buffer + done, 0, (size_t)octets);
        } else {
            int error = device->read(device->context, buffer + done, octets, run.block * block_size + inside);
            if (error != 0) return error;
        }
        done += octets;
    }
    return CEXT_OK;
}
