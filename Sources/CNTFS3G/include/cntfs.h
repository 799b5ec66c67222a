// A narrow door to libntfs-3g: one NTFS volume over a device that the caller implements.
//
// The library's own headers change their structures with configuration macros and define names as common as `min` and
// `BOOL`; they stay behind this one. Every function that takes a volume may block in the device's callbacks. A volume
// and its files are used by one thread at a time; different volumes may be used at the same time, for the library keeps
// no state between them but its logging handler and character encoding, which are set once.

#ifndef CNTFS_H
#define CNTFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a volume is read from and written to. Offsets and counts are octets from the volume's beginning, any alignment.
struct cntfs_device {
    /// Handed to every callback.
    void *context;
    /// The volume's octets.
    int64_t size;
    /// The device's block size, which the library only uses as a hint.
    uint32_t sector_size;
    /// Whether writing is out of the question.
    bool read_only;
    /// Both return how many octets were transferred, or a negative errno.
    int64_t (*read)(void *context, void *buffer, int64_t count, int64_t offset);
    int64_t (*write)(void *context, const void *buffer, int64_t count, int64_t offset);
    /// Returns 0 or a negative errno.
    int (*flush)(void *context);
    /// One line of the library's log, without a line feed; `failure` tells errors from remarks.
    void (*log)(void *context, bool failure, const char *message);
};

/// What went wrong where errno has no good word for it; other failures are positive errno values.
enum cntfs_status {
    CNTFS_OK = 0,
    /// A folder on the way to the file is missing, or is a file.
    CNTFS_NO_FOLDER = -1,
    /// The name is a folder's.
    CNTFS_IS_FOLDER = -2,
    /// The file has the read-only attribute.
    CNTFS_READ_ONLY_FILE = -3,
    /// The file is one of NTFS's own.
    CNTFS_SYSTEM_FILE = -4,
    /// The file or a folder is a reparse point.
    CNTFS_REPARSE_POINT = -5,
    /// The file is compressed in a way that can be read, not written.
    CNTFS_COMPRESSED = -6,
    /// The file is encrypted.
    CNTFS_ENCRYPTED = -7,
    /// Windows hibernated with this volume mounted.
    CNTFS_HIBERNATED = -8,
    /// The log holds changes that Windows has not made yet.
    CNTFS_UNCLEAN_LOG = -9,
    /// The boot sector or the volume's own files make no sense.
    CNTFS_CORRUPT = -10,
    /// The device ended before the request did.
    CNTFS_SHORT_READ = -11,
};

typedef struct cntfs_volume cntfs_volume;
typedef struct cntfs_file cntfs_file;

/// Mounts the volume; NULL and a status if it cannot be. The callbacks are copied; their context must outlive the volume.
cntfs_volume *cntfs_open(const struct cntfs_device *device, int *status);

/// Frees everything, whatever the device says. Returns the first failure.
int cntfs_close(cntfs_volume *volume);

/// Has the device make durable what was written.
int cntfs_flush(cntfs_volume *volume);

/// Whether Windows is asked to check the volume at its next mount.
bool cntfs_is_dirty(const cntfs_volume *volume);

/// The volume's label in UTF-8; lives as long as the volume.
const char *cntfs_label(const cntfs_volume *volume);

/// The clusters nobody uses, in octets, or -1.
int64_t cntfs_free_octets(cntfs_volume *volume);

// Paths are UTF-16 without a terminator, their components separated by single backslashes, relative to the root, and
// already found to hold only valid names.

/// Creates the file or overwrites it from its beginning and cuts it to `count` octets.
///
/// The space is allocated before anything is overwritten: a full volume leaves an existing file as it was and no new one.
int cntfs_write_file(
    cntfs_volume *volume, const uint16_t *path, size_t path_length, const uint8_t *data, int64_t count);

/// Removes a file.
int cntfs_delete_file(cntfs_volume *volume, const uint16_t *path, size_t path_length);

/// Makes a folder, whose parent must exist; EEXIST if the name is taken.
int cntfs_create_folder(cntfs_volume *volume, const uint16_t *path, size_t path_length);

/// Opens a file for reading; NULL and a status if it cannot be.
cntfs_file *cntfs_open_file(cntfs_volume *volume, const uint16_t *path, size_t path_length, int *status);

/// The file's length in octets.
int64_t cntfs_file_size(const cntfs_file *file);

/// Reads exactly `count` octets. Returns a status.
int cntfs_read_file(cntfs_file *file, int64_t offset, uint8_t *buffer, int64_t count);

/// Closes a file that was opened for reading.
void cntfs_close_file(cntfs_file *file);

#ifdef __cplusplus
}
#endif

#endif
