// A narrow door to libext2fs: one ext2, ext3 or ext4 volume over a device that the caller implements.
//
// What the library changes is handed to the device as staged octets and goes to the disk only when the caller says so: an
// operation that fails half-way is forgotten by dropping them and reopening the volume. The contents of files, which nothing
// on the disk refers to yet or which are overwritten in place, are written at once. A volume and its files are used by one
// thread at a time; different volumes may be used at the same time.

#ifndef CEXT_H
#define CEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// What a volume is read from and written to. Offsets and counts are octets from the volume's beginning.
struct cext_device {
    /// Handed to every callback.
    void *context;
    /// Whether writing is out of the question.
    bool read_only;
    /// All return 0, or a positive errno. `read` sees what was staged; `stage` and `stage_zeros` only change what it sees.
    int (*read)(void *context, void *buffer, int64_t count, uint64_t offset);
    int (*stage)(void *context, const void *buffer, int64_t count, uint64_t offset);
    int (*stage_zeros)(void *context, uint64_t count, uint64_t offset);
    /// Writes through to the disk.
    int (*write)(void *context, const void *buffer, int64_t count, uint64_t offset);
};

/// What went wrong where neither errno nor the library has a good word for it; other failures are positive: errno values
/// or the library's codes, which `cext_message` explains.
enum cext_status {
    CEXT_OK = 0,
    /// A folder on the way to the file is missing, or is a file.
    CEXT_NO_FOLDER = -1,
    /// The name is a folder's.
    CEXT_IS_FOLDER = -2,
    /// The file is immutable or can only be appended to.
    CEXT_READ_ONLY_FILE = -3,
    /// The inode is one of the file system's own.
    CEXT_SYSTEM_FILE = -4,
    /// The file or a folder is a symbolic link.
    CEXT_SYMBOLIC_LINK = -5,
    /// A device, a pipe or a socket.
    CEXT_SPECIAL_FILE = -6,
    /// The file or a folder is encrypted.
    CEXT_ENCRYPTED = -7,
    /// The folder does not tell cases apart.
    CEXT_CASE_FOLDED = -8,
    /// The file is sealed by fs-verity.
    CEXT_SEALED = -9,
    /// The inode has a flag whose meaning nobody knows, or that speaks against its other fields.
    CEXT_BAD_INODE = -10,
};

typedef struct cext_volume cext_volume;
typedef struct cext_file cext_file;

/// Opens the volume; NULL and a status if it cannot be. The callbacks are copied; their context must outlive the volume.
cext_volume *cext_open(const struct cext_device *device, int *status);

/// Frees everything and writes nothing: what was done is staged, or forgotten.
void cext_close(cext_volume *volume);

/// The octets of the blocks that nobody uses.
uint64_t cext_free_octets(const cext_volume *volume);

/// Whether something was changed in memory since the volume was opened or the last operation was completed.
bool cext_is_changed(const cext_volume *volume);

/// Changes a superblock of 1024 octets to say whether the file system is consistent, and its checksum with it.
void cext_mark_superblock(const cext_volume *volume, uint8_t *superblock, bool is_consistent);

/// The library's or the C library's words for a positive status; lives for ever.
const char *cext_message(int status);

// Paths are UTF-8 without a terminator, their components separated by single slashes, relative to the root, no component
// longer than 255 octets. What the functions below changed is staged, complete and consistent, when they return CEXT_OK.

/// Creates the file or overwrites it from its beginning and cuts it to `count` octets.
///
/// The space is allocated before anything is overwritten.
int cext_write_file(cext_volume *volume, const char *path, size_t path_length, const uint8_t *data, int64_t count);

/// Removes a name, and the file if it was the last.
int cext_delete_file(cext_volume *volume, const char *path, size_t path_length);

/// Makes a folder, whose parent must exist; EEXIST if the name is taken.
int cext_create_folder(cext_volume *volume, const char *path, size_t path_length);

/// Opens a file for reading; NULL and a status if it cannot be.
cext_file *cext_open_file(cext_volume *volume, const char *path, size_t path_length, int *status);

/// The file's length in octets.
uint64_t cext_file_size(const cext_file *file);

/// Reads exactly `count` octets inside the file. Returns a status.
int cext_read_file(cext_file *file, uint64_t offset, uint8_t *buffer, int64_t count);

/// Closes a file that was opened for reading.
void cext_close_file(cext_file *file);

#ifdef __cplusplus
}
#endif

#endif
