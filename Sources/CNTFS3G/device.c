// The device operations and the log.

#include "internal.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <unistd.h>

static cntfs_volume *volume_of(struct ntfs_device *device) {
    return device->d_private;
}

static int device_open(struct ntfs_device *device, int flags) {
    if (NDevOpen(device)) {
        errno = EBUSY;
        return -1;
    }
    if ((flags & O_ACCMODE) == O_RDONLY) {
        NDevSetReadOnly(device);
    } else if (volume_of(device)->device.read_only) {
        errno = EROFS;
        return -1;
    }
    NDevSetOpen(device);
    return 0;
}

static int device_sync(struct ntfs_device *device) {
    cntfs_volume *volume = volume_of(device);
    if (NDevReadOnly(device) || !NDevDirty(device)) return 0;
    int result = volume->device.flush(volume->device.context);
    if (result < 0) {
        errno = -result;
        return -1;
    }
    NDevClearDirty(device);
    return 0;
}

static int device_close(struct ntfs_device *device) {
    // The library frees a device only once it is closed, so closing always succeeds; what the flush has to say has been
    // said to the callback.
    if (NDevOpen(device)) device_sync(device);
    NDevClearOpen(device);
    return 0;
}

static s64 device_pread(struct ntfs_device *device, void *buffer, s64 count, s64 offset) {
    cntfs_volume *volume = volume_of(device);
    int64_t result = volume->device.read(volume->device.context, buffer, count, offset);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static s64 device_pwrite(struct ntfs_device *device, const void *buffer, s64 count, s64 offset) {
    cntfs_volume *volume = volume_of(device);
    if (NDevReadOnly(device)) {
        errno = EROFS;
        return -1;
    }
    NDevSetDirty(device);
    int64_t result = volume->device.write(volume->device.context, buffer, count, offset);
    if (result < 0) {
        errno = (int)-result;
        return -1;
    }
    return result;
}

static s64 device_seek(struct ntfs_device *device, s64 offset, int whence) {
    cntfs_volume *volume = volume_of(device);
    s64 base = whence == SEEK_CUR ? volume->position : whence == SEEK_END ? volume->device.size : 0;
    s64 position;
    if (__builtin_add_overflow(base, offset, &position) || position < 0 || position > volume->device.size) {
        errno = EINVAL;
        return -1;
    }
    volume->position = position;
    return position;
}

static s64 device_read(struct ntfs_device *device, void *buffer, s64 count) {
    cntfs_volume *volume = volume_of(device);
    s64 result = device_pread(device, buffer, count, volume->position);
    if (result > 0) volume->position += result;
    return result;
}

static s64 device_write(struct ntfs_device *device, const void *buffer, s64 count) {
    cntfs_volume *volume = volume_of(device);
    s64 result = device_pwrite(device, buffer, count, volume->position);
    if (result > 0) volume->position += result;
    return result;
}

static int device_stat(struct ntfs_device *device, struct stat *result) {
    cntfs_volume *volume = volume_of(device);
    memset(result, 0, sizeof *result);
    result->st_mode = S_IFBLK | S_IRUSR | S_IWUSR;
    result->st_size = volume->device.size;
    result->st_blksize = volume->device.sector_size;
    result->st_blocks = volume->device.size / 512;
    return 0;
}

static int device_ioctl(struct ntfs_device *device, unsigned long request, void *argument) {
    cntfs_volume *volume = volume_of(device);
    switch (request) {
    case BLKGETSIZE64:
        *(uint64_t *)argument = (uint64_t)volume->device.size;
        return 0;
    case BLKSSZGET:
        *(int *)argument = (int)volume->device.sector_size;
        return 0;
    case BLKBSZSET:
        // Any alignment is served.
        return 0;
    default:
        errno = EOPNOTSUPP;
        return -1;
    }
}

struct ntfs_device_operations cntfs_device_operations = {
    .open = device_open,
    .close = device_close,
    .seek = device_seek,
    .read = device_read,
    .write = device_write,
    .pread = device_pread,
    .pwrite = device_pwrite,
    .sync = device_sync,
    .stat = device_stat,
    .ioctl = device_ioctl,
};

// The library's handler gets no hint whose call made it speak, so the thread remembers.
static _Thread_local cntfs_volume *current;

cntfs_volume *cntfs_enter(cntfs_volume *volume) {
    cntfs_volume *previous = current;
    current = volume;
    return previous;
}

void cntfs_leave(cntfs_volume *previous) {
    current = previous;
}

__attribute__((format(printf, 6, 0))) static int log_handler(
    const char *function, const char *file, int line, u32 level, void *data, const char *format, va_list arguments) {
    (void)function;
    (void)file;
    (void)line;
    (void)data;
    int error = errno;
    char message[512];
    int length = vsnprintf(message, sizeof message, format, arguments);
    if (current != NULL && length > 0) {
        size_t end = strlen(message);
        while (end > 0 && (message[end - 1] == '\n' || message[end - 1] == ' ')) message[--end] = 0;
        if (level == NTFS_LOG_LEVEL_PERROR && end < sizeof message) {
            snprintf(message + end, sizeof message - end, ": %s", strerror(error));
        }
        bool failure = level == NTFS_LOG_LEVEL_ERROR || level == NTFS_LOG_LEVEL_PERROR
            || level == NTFS_LOG_LEVEL_CRITICAL;
        current->device.log(current->device.context, failure, message);
    }
    errno = error;
    return length;
}

static void initialize(void) {
    ntfs_log_set_handler(log_handler);
    ntfs_set_char_encoding("UTF-8");
}

void cntfs_initialize(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, initialize);
}
