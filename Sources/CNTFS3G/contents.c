// What a file holds.

#include "internal.h"

/// Whether there is room to overwrite a stream that has holes or is compressed: that must not be given up half-way.
static int check_room(ntfs_attr *stream, int64_t count) {
    ntfs_volume *volume = stream->ni->vol;
    bool is_compressed = (stream->data_flags & ATTR_COMPRESSION_MASK) != 0;
    if (!is_compressed && (stream->data_flags & ATTR_IS_SPARSE) == 0) return CNTFS_OK;
    // Counts once and keeps the sum up to date from then on.
    errno = 0;
    if (ntfs_volume_get_free_space(volume) != 0) return cntfs_errno();
    // As if nothing could be compressed: whole units of sixteen clusters, and one more for the lists of them.
    int64_t unit = is_compressed ? (int64_t)volume->cluster_size * 16 : volume->cluster_size;
    int64_t needed = (count + unit - 1) / unit * unit + unit;
    int64_t own = NAttrNonResident(stream) ? stream->compressed_size : 0;
    // The stream's own word for it, which a damaged volume can make anything.
    if (own < 0 || own > volume->nr_clusters << volume->cluster_size_bits) return CNTFS_CORRUPT;
    int64_t available = (volume->free_clusters << volume->cluster_size_bits) + own;
    return needed > available ? ENOSPC : CNTFS_OK;
}

static int write_stream(ntfs_attr *stream, const uint8_t *data, int64_t count) {
    for (int64_t done = 0; done < count;) {
        errno = 0;
        s64 written = ntfs_attr_pwrite(stream, done, count - done, data + done);
        if (written <= 0) return cntfs_errno();
        done += written;
    }
    return CNTFS_OK;
}

/// Writes a compressed stream from its beginning, for the library compresses only what is appended.
static int replace_compressed(ntfs_attr *stream, const uint8_t *data, int64_t count) {
    if ((stream->data_flags & ATTR_COMPRESSION_MASK) != ATTR_IS_COMPRESSED) return CNTFS_COMPRESSED;
    errno = 0;
    if (stream->data_size > 0 && ntfs_attr_truncate(stream, 0) != 0) return cntfs_errno();
    int status = write_stream(stream, data, count);
    // The last unit is compressed when it is known to be the last.
    errno = 0;
    if (ntfs_attr_pclose(stream) != 0 && status == CNTFS_OK) status = cntfs_errno();
    return status;
}

static int replace_plain(ntfs_attr *stream, const uint8_t *data, int64_t count) {
    errno = 0;
    if (count > stream->data_size && ntfs_attr_truncate_solid(stream, count) != 0) return cntfs_errno();
    int status = write_stream(stream, data, count);
    errno = 0;
    if (status == CNTFS_OK && stream->data_size > count && ntfs_attr_truncate(stream, count) != 0) {
        status = cntfs_errno();
    }
    return status;
}

int cntfs_replace_contents(ntfs_inode *inode, bool created, const uint8_t *data, int64_t count) {
    if (!created && (inode->flags & FILE_ATTR_READONLY) != 0) return CNTFS_READ_ONLY_FILE;
    errno = 0;
    ntfs_attr *stream = ntfs_attr_open(inode, AT_DATA, AT_UNNAMED, 0);
    if (stream == NULL) return cntfs_errno();
    int status = NAttrEncrypted(stream) ? CNTFS_ENCRYPTED : check_room(stream, count);
    if (status == CNTFS_OK) {
        bool is_compressed = (stream->data_flags & ATTR_COMPRESSION_MASK) != 0;
        status = is_compressed ? replace_compressed(stream, data, count) : replace_plain(stream, data, count);
    }
    ntfs_attr_close(stream);
    if (status == CNTFS_OK) {
        inode->flags |= FILE_ATTR_ARCHIVE;
        ntfs_inode_update_times(inode, NTFS_UPDATE_MCTIME);
        NInoFileNameSetDirty(inode);
        ntfs_inode_mark_dirty(inode);
    }
    return status;
}
