// Files and folders.

#include "internal.h"

/// Closes an inode even if it cannot be written back: the library keeps, and so leaks, an inode whose write fails.
static int release(ntfs_inode *inode) {
    int status = CNTFS_OK;
    errno = 0;
    if (ntfs_inode_sync(inode) != 0) {
        status = cntfs_errno();
        for (s32 index = 0; index < inode->nr_extents; index++) {
            NInoClearDirty(inode->extent_nis[index]);
        }
        NInoClearDirty(inode);
        NInoFileNameClearDirty(inode);
        NInoAttrListClearDirty(inode);
    }
    errno = 0;
    if (ntfs_inode_close(inode) != 0 && status == CNTFS_OK) status = cntfs_errno();
    return status;
}

/// Whether the inode is one of NTFS's own files, which nobody opens by name.
static bool is_system_file(const ntfs_inode *inode) {
    return inode->mft_no < FILE_first_user && inode->mft_no != FILE_root;
}

static bool is_folder(const ntfs_inode *inode) {
    return (inode->mrec->flags & MFT_RECORD_IS_DIRECTORY) != 0;
}

/// A folder's entry whose record is not in use: what a writer leaves that dies between the two. Internal.
enum { DANGLING_ENTRY = -100 };

/// Opens what `folder` holds under that name.
static int open_child(ntfs_inode *folder, const uint16_t *name, size_t length, ntfs_inode **child) {
    errno = 0;
    u64 reference = ntfs_inode_lookup_by_name(folder, name, (int)length);
    if (reference == (u64)-1) return cntfs_errno();
    // The root's entry for itself would open a second inode of the same record.
    if (MREF(reference) == folder->mft_no) return CNTFS_SYSTEM_FILE;
    errno = 0;
    // With its sequence number: the record may be another file's by now.
    ntfs_inode *inode = ntfs_inode_open(folder->vol, reference);
    if (inode == NULL) return errno == ENOENT ? DANGLING_ENTRY : cntfs_errno();
    int status = CNTFS_OK;
    if (is_system_file(inode)) {
        status = CNTFS_SYSTEM_FILE;
    } else if ((inode->flags & FILE_ATTR_REPARSE_POINT) != 0) {
        status = CNTFS_REPARSE_POINT;
    }
    if (status != CNTFS_OK) {
        release(inode);
        return status;
    }
    *child = inode;
    return CNTFS_OK;
}

/// Opens the folder that a path's last component is in, and tells where that component begins.
static int open_parent(
    cntfs_volume *volume, const uint16_t *path, size_t path_length, ntfs_inode **parent, size_t *last) {
    errno = 0;
    ntfs_inode *folder = ntfs_inode_open(volume->ntfs, FILE_root);
    if (folder == NULL) return cntfs_errno();
    size_t start = 0;
    for (size_t index = 0; index < path_length; index++) {
        if (path[index] != '\\') continue;
        ntfs_inode *child = NULL;
        int status = open_child(folder, path + start, index - start, &child);
        if (status == ENOENT || status == DANGLING_ENTRY) status = CNTFS_NO_FOLDER;
        if (status == CNTFS_OK && !is_folder(child)) {
            release(child);
            status = CNTFS_NO_FOLDER;
        }
        int closed = release(folder);
        if (status == CNTFS_OK && closed != CNTFS_OK) {
            release(child);
            status = closed;
        }
        if (status != CNTFS_OK) return status;
        folder = child;
        start = index + 1;
    }
    *parent = folder;
    *last = start;
    return CNTFS_OK;
}

/// Opens a file that exists.
static int open_existing(cntfs_volume *volume, const uint16_t *path, size_t path_length, ntfs_inode **file) {
    ntfs_inode *folder = NULL;
    size_t last = 0;
    int status = open_parent(volume, path, path_length, &folder, &last);
    if (status != CNTFS_OK) return status;
    ntfs_inode *inode = NULL;
    status = open_child(folder, path + last, path_length - last, &inode);
    int closed = release(folder);
    if (status == CNTFS_OK) {
        if (is_folder(inode)) {
            status = CNTFS_IS_FOLDER;
        } else {
            status = closed;
        }
        if (status != CNTFS_OK) release(inode);
    }
    if (status == CNTFS_OK) *file = inode;
    return status == DANGLING_ENTRY ? ENOENT : status;
}

/// Removes a folder's entry that leads nowhere, as chkdsk would.
static int remove_dangling(ntfs_inode *folder, const uint16_t *name, size_t length) {
    size_t size = sizeof(FILE_NAME_ATTR) + length * sizeof(ntfschar);
    FILE_NAME_ATTR *key = calloc(1, size);
    if (key == NULL) return ENOMEM;
    key->file_name_length = (u8)length;
    memcpy(key->file_name, name, length * sizeof(ntfschar));
    errno = 0;
    int status = ntfs_index_remove(folder, NULL, key, (int)size) == 0 ? CNTFS_OK : cntfs_errno();
    free(key);
    return status;
}

/// Looks for something that can be created if it is not there: ENOENT also after an entry that led nowhere is gone.
static int open_or_clear(ntfs_inode *folder, const uint16_t *name, size_t length, ntfs_inode **child) {
    int status = open_child(folder, name, length, child);
    if (status != DANGLING_ENTRY) return status;
    status = remove_dangling(folder, name, length);
    return status == CNTFS_OK ? ENOENT : status;
}

/// Makes a file or folder whose record is on the disk before its entry is, as far as the library lets us.
static int create_entry(
    ntfs_inode *folder, const uint16_t *name, size_t length, mode_t type, ntfs_inode **created) {
    errno = 0;
    ntfs_inode *inode = ntfs_create(folder, const_cpu_to_le32(0), name, (u8)length, type);
    if (inode == NULL) return cntfs_errno();
    *created = inode;
    // Updating the entry would open the folder a second time; it waits until the folder is closed.
    BOOL waiting = NInoFileNameTestAndClearDirty(inode);
    errno = 0;
    int status = ntfs_inode_sync(inode) == 0 ? CNTFS_OK : cntfs_errno();
    if (waiting) NInoFileNameSetDirty(inode);
    return status;
}

/// Removes an entry. Both inodes are closed by the library, also when it fails.
static int remove_entry(ntfs_inode *folder, ntfs_inode *inode, const uint16_t *name, size_t length) {
    errno = 0;
    return ntfs_delete(folder->vol, NULL, inode, folder, name, (u8)length) == 0 ? CNTFS_OK : cntfs_errno();
}

static int delete_file(cntfs_volume *volume, const uint16_t *path, size_t path_length, bool force) {
    ntfs_inode *folder = NULL;
    size_t last = 0;
    int status = open_parent(volume, path, path_length, &folder, &last);
    if (status != CNTFS_OK) return status;
    ntfs_inode *inode = NULL;
    status = open_child(folder, path + last, path_length - last, &inode);
    if (status == DANGLING_ENTRY) {
        // It was listed, and is gone now: deleted.
        status = remove_dangling(folder, path + last, path_length - last);
    } else if (status == CNTFS_OK) {
        if (is_folder(inode)) {
            status = CNTFS_IS_FOLDER;
        } else if (!force && (inode->flags & FILE_ATTR_READONLY) != 0) {
            status = CNTFS_READ_ONLY_FILE;
        }
        if (status == CNTFS_OK) return remove_entry(folder, inode, path + last, path_length - last);
        release(inode);
    }
    int closed = release(folder);
    return status == CNTFS_OK ? closed : status;
}

static int write_file(
    cntfs_volume *volume, const uint16_t *path, size_t path_length, const uint8_t *data, int64_t count) {
    ntfs_inode *folder = NULL;
    size_t last = 0;
    int status = open_parent(volume, path, path_length, &folder, &last);
    if (status != CNTFS_OK) return status;

    ntfs_inode *inode = NULL;
    bool created = false;
    status = open_or_clear(folder, path + last, path_length - last, &inode);
    if (status == ENOENT) {
        status = create_entry(folder, path + last, path_length - last, S_IFREG, &inode);
        created = inode != NULL;
    } else if (status == CNTFS_OK && is_folder(inode)) {
        status = CNTFS_IS_FOLDER;
    }
    // The folder goes first: writing the file back opens it again to update the entry's size and times.
    int closed = release(folder);
    if (status == CNTFS_OK) status = closed;
    if (inode == NULL) return status;

    if (status == CNTFS_OK) status = cntfs_replace_contents(inode, created, data, count);
    closed = release(inode);
    if (status == CNTFS_OK) status = closed;
    if (status == ENOSPC && created) delete_file(volume, path, path_length, true);
    return status;
}

static int create_folder(cntfs_volume *volume, const uint16_t *path, size_t path_length) {
    ntfs_inode *folder = NULL;
    size_t last = 0;
    int status = open_parent(volume, path, path_length, &folder, &last);
    if (status != CNTFS_OK) return status;
    ntfs_inode *inode = NULL;
    status = open_or_clear(folder, path + last, path_length - last, &inode);
    if (status == CNTFS_OK) {
        status = EEXIST;
    } else if (status == ENOENT) {
        status = create_entry(folder, path + last, path_length - last, S_IFDIR, &inode);
    }
    int closed = release(folder);
    if (status == CNTFS_OK) status = closed;
    if (inode != NULL) {
        closed = release(inode);
        if (status == CNTFS_OK) status = closed;
    }
    return status;
}

int cntfs_write_file(
    cntfs_volume *volume, const uint16_t *path, size_t path_length, const uint8_t *data, int64_t count) {
    if (NVolReadOnly(volume->ntfs)) return EROFS;
    cntfs_volume *previous = cntfs_enter(volume);
    int status = write_file(volume, path, path_length, data, count);
    cntfs_leave(previous);
    return status;
}

int cntfs_delete_file(cntfs_volume *volume, const uint16_t *path, size_t path_length) {
    if (NVolReadOnly(volume->ntfs)) return EROFS;
    cntfs_volume *previous = cntfs_enter(volume);
    int status = delete_file(volume, path, path_length, false);
    cntfs_leave(previous);
    return status;
}

int cntfs_create_folder(cntfs_volume *volume, const uint16_t *path, size_t path_length) {
    if (NVolReadOnly(volume->ntfs)) return EROFS;
    cntfs_volume *previous = cntfs_enter(volume);
    int status = create_folder(volume, path, path_length);
    cntfs_leave(previous);
    return status;
}

cntfs_file *cntfs_open_file(cntfs_volume *volume, const uint16_t *path, size_t path_length, int *status) {
    cntfs_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        *status = ENOMEM;
        return NULL;
    }
    file->volume = volume;
    cntfs_volume *previous = cntfs_enter(volume);
    *status = open_existing(volume, path, path_length, &file->inode);
    if (*status == CNTFS_OK) {
        errno = 0;
        file->data = ntfs_attr_open(file->inode, AT_DATA, AT_UNNAMED, 0);
        if (file->data == NULL) {
            *status = cntfs_errno();
        } else if (NAttrEncrypted(file->data)) {
            ntfs_attr_close(file->data);
            *status = CNTFS_ENCRYPTED;
        }
        if (*status != CNTFS_OK) release(file->inode);
    }
    cntfs_leave(previous);
    if (*status == CNTFS_OK) return file;
    free(file);
    return NULL;
}

int64_t cntfs_file_size(const cntfs_file *file) {
    return file->data->data_size;
}

int cntfs_read_file(cntfs_file *file, int64_t offset, uint8_t *buffer, int64_t count) {
    cntfs_volume *previous = cntfs_enter(file->volume);
    int status = CNTFS_OK;
    for (int64_t done = 0; status == CNTFS_OK && done < count;) {
        errno = 0;
        s64 result = ntfs_attr_pread(file->data, offset + done, count - done, buffer + done);
        if (result < 0) {
            status = cntfs_errno();
        } else if (result == 0) {
            status = CNTFS_SHORT_READ;
        } else {
            done += result;
        }
    }
    cntfs_leave(previous);
    return status;
}

void cntfs_close_file(cntfs_file *file) {
    cntfs_volume *previous = cntfs_enter(file->volume);
    ntfs_attr_close(file->data);
    release(file->inode);
    cntfs_leave(previous);
    free(file);
}
