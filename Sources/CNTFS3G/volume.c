// Mounting and unmounting.

#include "internal.h"

/// What the library's errno of a failed mount means.
static int mount_status(int error) {
    switch (error) {
    case EPERM:
        return CNTFS_HIBERNATED;
    case EOPNOTSUPP:
        return CNTFS_UNCLEAN_LOG;
    case EINVAL:
    case EIO:
    case ENOENT:
    case ENOSPC:
    case ERANGE:
    case ESPIPE:
        return CNTFS_CORRUPT;
    default:
        return error != 0 ? error : EIO;
    }
}

/// The most octets that a record of files or of an index has; Windows makes them of 1 to 4 KiB.
enum { RECORD_LIMIT = 64 << 10 };

/// Whether the boot sector gives its records a size that records have: the library would allocate up to 2 GiB for one. A boot
/// sector that cannot be read, or is wrong otherwise, is left to the library.
static bool has_plausible_records(const struct cntfs_device *device) {
    uint8_t boot[512];
    if (device->read(device->context, boot, sizeof boot, 0) != (int64_t)sizeof boot) return true;
    int64_t sector = boot[11] | boot[12] << 8;
    int64_t cluster = sector * boot[13];
    // Both are clusters where they are positive, and powers of two where they are negative.
    const size_t offsets[] = {64, 68};
    for (size_t index = 0; index < 2; index++) {
        int size = (int8_t)boot[offsets[index]];
        if (size > 0 ? size * cluster > RECORD_LIMIT : size < 0 && (size < -30 || 1 << -size > RECORD_LIMIT)) return false;
    }
    return true;
}

/// Whether NTFS's own tables are of a size that the volume can have.
///
/// The library counts and searches through all that a bitmap claims to hold, and so would be busy for years with one that claims
/// to be sparse and endless.
static bool is_plausible(const ntfs_volume *volume) {
    s64 octets = volume->nr_clusters << volume->cluster_size_bits;
    // Tables are allocated in whole clusters, and grow a few at a time.
    s64 slack = (s64)volume->cluster_size + (64 << 10);
    s64 clusters = (volume->nr_clusters + 7) / 8;
    s64 records = (octets >> volume->mft_record_size_bits) / 8;
    return volume->lcnbmp_na->data_size >= clusters && volume->lcnbmp_na->data_size <= clusters + slack
        && volume->mft_na->data_size <= octets && volume->mftbmp_na->data_size <= records + slack;
}

cntfs_volume *cntfs_open(const struct cntfs_device *device, int *status) {
    cntfs_initialize();
    if (!has_plausible_records(device)) {
        device->log(device->context, true, "the boot sector tells of impossibly large records");
        *status = CNTFS_CORRUPT;
        return NULL;
    }
    cntfs_volume *volume = calloc(1, sizeof *volume);
    if (volume == NULL) {
        *status = ENOMEM;
        return NULL;
    }
    volume->device = *device;
    struct ntfs_device *ntfs_device = ntfs_device_alloc("volume", 0, &cntfs_device_operations, volume);
    if (ntfs_device == NULL) {
        free(volume);
        *status = ENOMEM;
        return NULL;
    }
    cntfs_volume *previous = cntfs_enter(volume);
    errno = 0;
    volume->ntfs = ntfs_device_mount(ntfs_device, device->read_only ? NTFS_MNT_RDONLY : NTFS_MNT_NONE);
    if (volume->ntfs == NULL) {
        *status = mount_status(errno);
    } else if (!is_plausible(volume->ntfs)) {
        device->log(device->context, true, "a system file is larger than the volume");
        *status = CNTFS_CORRUPT;
        ntfs_umount(volume->ntfs, TRUE);
        volume->ntfs = NULL;
        ntfs_device = NULL;
    } else if (ntfs_set_ignore_case(volume->ntfs) != 0) {
        // Windows looks names up without regard to case.
        *status = cntfs_errno();
        ntfs_umount(volume->ntfs, TRUE);
        volume->ntfs = NULL;
        ntfs_device = NULL;
    } else {
        *status = CNTFS_OK;
    }
    if (volume->ntfs == NULL) {
        if (ntfs_device != NULL) ntfs_device_free(ntfs_device);
        cntfs_leave(previous);
        free(volume);
        return NULL;
    }
    cntfs_leave(previous);
    return volume;
}

int cntfs_close(cntfs_volume *volume) {
    cntfs_volume *previous = cntfs_enter(volume);
    errno = 0;
    int status = ntfs_umount(volume->ntfs, TRUE) == 0 ? CNTFS_OK : cntfs_errno();
    cntfs_leave(previous);
    free(volume);
    return status;
}

int cntfs_flush(cntfs_volume *volume) {
    cntfs_volume *previous = cntfs_enter(volume);
    int status = ntfs_device_sync(volume->ntfs->dev) == 0 ? CNTFS_OK : cntfs_errno();
    cntfs_leave(previous);
    return status;
}

bool cntfs_is_dirty(const cntfs_volume *volume) {
    return (volume->ntfs->flags & VOLUME_IS_DIRTY) != 0;
}

const char *cntfs_label(const cntfs_volume *volume) {
    return volume->ntfs->vol_name != NULL ? volume->ntfs->vol_name : "";
}

int64_t cntfs_free_octets(cntfs_volume *volume) {
    cntfs_volume *previous = cntfs_enter(volume);
    // Counts once and keeps the sum up to date from then on.
    int result = ntfs_volume_get_free_space(volume->ntfs);
    int64_t octets = result == 0 ? volume->ntfs->free_clusters << volume->ntfs->cluster_size_bits : -1;
    cntfs_leave(previous);
    return octets;
}
