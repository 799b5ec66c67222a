// Opening, closing and completing an operation.

#include "internal.h"

#include <pthread.h>

static void initialize(void) {
    initialize_ext2_error_table();
}

int cext_status(errcode_t code) {
    switch (code) {
    case 0:
        return CEXT_OK;
    case EXT2_ET_FILE_NOT_FOUND:
        return ENOENT;
    case EXT2_ET_BLOCK_ALLOC_FAIL:
    case EXT2_ET_INODE_ALLOC_FAIL:
    case EXT2_ET_DIR_NO_SPACE:
        return ENOSPC;
    case EXT2_ET_NO_MEMORY:
        return ENOMEM;
    case EXT2_ET_FILE_TOO_BIG:
        return EFBIG;
    case EXT2_ET_RO_FILSYS:
        return EROFS;
    case EXT2_ET_DIR_EXISTS:
    case EXT2_ET_FILE_EXISTS:
        return EEXIST;
    default:
        return code > 0 && code <= INT32_MAX ? (int)code : EIO;
    }
}

const char *cext_message(int status) {
    return error_message(status);
}

/// The library tells of every single block that it allocates or frees, so that not all bitmaps of a large volume have to be
/// written. Of ranges it tells too little (their end, and a count that is used up): those show in the groups' counts.
static void touch_block(ext2_filsys fs, blk64_t block, int in_use) {
    (void)in_use;
    cext_volume *volume = fs->priv_data;
    dgrp_t group = ext2fs_group_of_blk2(fs, block);
    if (group < fs->group_desc_count) volume->touched[group] = 1;
    volume->changed = true;
}

/// Whether a group's bitmaps may differ from those on the disk. Ranges are only ever allocated, so that no two changes can
/// cancel each other out in the count; where there are clusters ranges are freed as well, and every group is written.
static bool is_touched(const cext_volume *volume, dgrp_t group) {
    ext2_filsys fs = volume->fs;
    return volume->touched[group] || fs->cluster_ratio_bits > 0
        || volume->free_counts[group] != ext2fs_bg_free_blocks_count(fs, group);
}

static void remember_groups(cext_volume *volume) {
    ext2_filsys fs = volume->fs;
    memset(volume->touched, 0, fs->group_desc_count);
    for (dgrp_t group = 0; group < fs->group_desc_count; group++) {
        volume->free_counts[group] = ext2fs_bg_free_blocks_count(fs, group);
    }
}

cext_volume *cext_open(const struct cext_device *device, int *status) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize);
    cext_volume *volume = calloc(1, sizeof *volume);
    if (volume == NULL) {
        *status = ENOMEM;
        return NULL;
    }
    volume->device = *device;
    // Multiple-mount protection would wait, and read past the device; whoever calls has refused to write such a volume.
    int flags = EXT2_FLAG_64BITS | EXT2_FLAG_SKIP_MMP | (device->read_only ? 0 : EXT2_FLAG_RW);
    cext_volume *previous = cext_opening;
    cext_opening = volume;
    *status = cext_status(ext2fs_open2("volume", NULL, flags, 0, 0, &cext_io_manager, &volume->fs));
    cext_opening = previous;
    if (*status == CEXT_OK) {
        volume->touched = calloc(volume->fs->group_desc_count, 1);
        volume->free_counts = calloc(volume->fs->group_desc_count, sizeof *volume->free_counts);
        if (volume->touched == NULL || volume->free_counts == NULL) *status = ENOMEM;
    }
    if (*status != CEXT_OK) {
        cext_close(volume);
        return NULL;
    }
    ext2_filsys fs = volume->fs;
    fs->priv_data = volume;
    // As large as the volume says, and never larger: a tree would grow with the number of holes.
    fs->default_bitmap_type = EXT2FS_BMAP64_BITARRAY;
    ext2fs_set_block_alloc_stats_callback(fs, touch_block, NULL);
    remember_groups(volume);
    return volume;
}

void cext_close(cext_volume *volume) {
    if (volume->fs != NULL) ext2fs_free(volume->fs);
    free(volume->touched);
    free(volume->free_counts);
    free(volume);
}

uint64_t cext_free_octets(const cext_volume *volume) {
    return ext2fs_free_blocks_count(volume->fs->super) * volume->fs->blocksize;
}

bool cext_is_changed(const cext_volume *volume) {
    return volume->changed;
}

void cext_mark_superblock(const cext_volume *volume, uint8_t *superblock, bool is_consistent) {
    // A copy, for alignment's sake. Its fields are little-endian, as on the disk.
    struct ext2_super_block copy;
    memcpy(&copy, superblock, sizeof copy);
    uint16_t state = ext2fs_le16_to_cpu(copy.s_state);
    state = is_consistent ? state | EXT2_VALID_FS : state & ~EXT2_VALID_FS;
    copy.s_state = ext2fs_cpu_to_le16(state);
    ext2fs_superblock_csum_set(volume->fs, &copy);
    memcpy(superblock, &copy, sizeof copy);
}

int cext_prepare(cext_volume *volume) {
    ext2_filsys fs = volume->fs;
    if (fs->block_map != NULL && fs->inode_map != NULL) return CEXT_OK;
    return cext_status(ext2fs_read_bitmaps(fs));
}

static errcode_t stage_block_bitmap(ext2_filsys fs, dgrp_t group, char *buffer) {
    uint64_t clusters = EXT2_CLUSTERS_PER_GROUP(fs->super);
    uint64_t first = EXT2FS_B2C(fs, fs->super->s_first_data_block) + clusters * group;
    memset(buffer, 0xFF, fs->blocksize);
    errcode_t code = ext2fs_get_block_bitmap_range2(fs->block_map, first, clusters, buffer);
    if (code != 0) return code;
    if (group == fs->group_desc_count - 1) {
        // What lies behind the volume's end counts as used.
        uint64_t blocks = ext2fs_blocks_count(fs->super) - fs->super->s_first_data_block;
        uint64_t used = EXT2FS_NUM_B2C(fs, blocks % EXT2_BLOCKS_PER_GROUP(fs->super));
        for (uint64_t bit = used; used != 0 && bit < (uint64_t)fs->blocksize * 8; bit++) {
            ext2fs_set_bit64(bit, buffer);
        }
    }
    code = ext2fs_block_bitmap_csum_set(fs, group, buffer, (int)(clusters / 8));
    if (code != 0) return code;
    return io_channel_write_blk64(fs->io, ext2fs_block_bitmap_loc(fs, group), 1, buffer);
}

static errcode_t stage_inode_bitmap(ext2_filsys fs, dgrp_t group, char *buffer) {
    uint64_t inodes = EXT2_INODES_PER_GROUP(fs->super);
    memset(buffer, 0xFF, fs->blocksize);
    errcode_t code = ext2fs_get_inode_bitmap_range2(fs->inode_map, inodes * group + 1, inodes, buffer);
    if (code == 0) code = ext2fs_inode_bitmap_csum_set(fs, group, buffer, (int)(inodes / 8));
    if (code != 0) return code;
    return io_channel_write_blk64(fs->io, ext2fs_inode_bitmap_loc(fs, group), 1, buffer);
}

/// A group whose bitmaps are implied by its descriptor has none on the disk that count.
static errcode_t stage_bitmaps(ext2_filsys fs, dgrp_t group, char *buffer) {
    errcode_t code = 0;
    bool has_flags = ext2fs_has_group_desc_csum(fs);
    if (!has_flags || !ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT)) {
        code = stage_block_bitmap(fs, group, buffer);
    }
    if (code == 0 && (!has_flags || !ext2fs_bg_flags_test(fs, group, EXT2_BG_INODE_UNINIT))) {
        code = stage_inode_bitmap(fs, group, buffer);
    }
    ext2fs_group_desc_csum_set(fs, group);
    return code;
}

int cext_complete(cext_volume *volume) {
    ext2_filsys fs = volume->fs;
    if (volume->zeroing_failure != 0) return volume->zeroing_failure;
    if (fs->block_map != NULL && fs->inode_map != NULL) {
        char *buffer = malloc(fs->blocksize);
        if (buffer == NULL) return ENOMEM;
        errcode_t code = 0;
        for (dgrp_t group = 0; code == 0 && group < fs->group_desc_count; group++) {
            if (is_touched(volume, group)) code = stage_bitmaps(fs, group, buffer);
        }
        free(buffer);
        if (code != 0) return cext_status(code);
    }
    remember_groups(volume);
    fs->flags &= ~(EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY);
    errcode_t code = ext2fs_flush2(fs, EXT2_FLAG_FLUSH_NO_SYNC);
    if (code == 0) volume->changed = false;
    return cext_status(code);
}
