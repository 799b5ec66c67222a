// The I/O manager.

#include "internal.h"

_Thread_local cext_volume *cext_opening;

static cext_volume *volume_of(io_channel channel) {
    return channel->private_data;
}

static errcode_t manager_open(const char *name, int flags, io_channel *result) {
    (void)flags;
    if (cext_opening == NULL) return EXT2_ET_BAD_DEVICE_NAME;
    io_channel channel = calloc(1, sizeof *channel);
    if (channel == NULL) return EXT2_ET_NO_MEMORY;
    channel->name = strdup(name);
    if (channel->name == NULL) {
        free(channel);
        return EXT2_ET_NO_MEMORY;
    }
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = &cext_io_manager;
    channel->block_size = EXT2_MIN_BLOCK_SIZE;
    channel->refcount = 1;
    channel->private_data = cext_opening;
    *result = channel;
    return 0;
}

static errcode_t manager_close(io_channel channel) {
    if (--channel->refcount > 0) return 0;
    free(channel->name);
    free(channel);
    return 0;
}

static errcode_t manager_set_block_size(io_channel channel, int size) {
    if (size < EXT2_MIN_BLOCK_SIZE || size > EXT2_MAX_BLOCK_SIZE) return EXT2_ET_INVALID_ARGUMENT;
    channel->block_size = size;
    return 0;
}

/// The octets of a request, whose count is of blocks or, negative, of octets.
static bool extent_of(
    io_channel channel, unsigned long long block, int count, uint64_t *offset, int64_t *octets) {
    *octets = count < 0 ? -(int64_t)count : (int64_t)count * channel->block_size;
    return !__builtin_mul_overflow(block, (uint64_t)channel->block_size, offset)
        && *offset <= INT64_MAX - (uint64_t)*octets;
}

static errcode_t manager_read64(io_channel channel, unsigned long long block, int count, void *buffer) {
    uint64_t offset;
    int64_t octets;
    if (!extent_of(channel, block, count, &offset, &octets)) return EXT2_ET_SHORT_READ;
    const struct cext_device *device = &volume_of(channel)->device;
    return device->read(device->context, buffer, octets, offset);
}

static errcode_t manager_write64(io_channel channel, unsigned long long block, int count, const void *buffer) {
    uint64_t offset;
    int64_t octets;
    if (!extent_of(channel, block, count, &offset, &octets)) return EXT2_ET_SHORT_WRITE;
    const struct cext_device *device = &volume_of(channel)->device;
    if (device->read_only) return EROFS;
    return device->stage(device->context, buffer, octets, offset);
}

static errcode_t manager_read(io_channel channel, unsigned long block, int count, void *buffer) {
    return manager_read64(channel, block, count, buffer);
}

static errcode_t manager_write(io_channel channel, unsigned long block, int count, const void *buffer) {
    return manager_write64(channel, block, count, buffer);
}

/// Without it, and where it fails, the library would zero through a buffer that all threads share. So a failure is
/// remembered instead, and ends the operation when it is completed.
static errcode_t manager_zero_out(io_channel channel, unsigned long long block, unsigned long long count) {
    cext_volume *volume = volume_of(channel);
    const struct cext_device *device = &volume->device;
    uint64_t offset;
    uint64_t octets;
    int error = EIO;
    if (!__builtin_mul_overflow(block, (uint64_t)channel->block_size, &offset)
        && !__builtin_mul_overflow(count, (uint64_t)channel->block_size, &octets)) {
        error = device->read_only ? EROFS : device->stage_zeros(device->context, octets, offset);
    }
    if (volume->zeroing_failure == 0) volume->zeroing_failure = error;
    return 0;
}

/// What is staged becomes durable when the caller commits it.
static errcode_t manager_flush(io_channel channel) {
    (void)channel;
    return 0;
}

struct struct_io_manager cext_io_manager = {
    .magic = EXT2_ET_MAGIC_IO_MANAGER,
    .name = "block device",
    .open = manager_open,
    .close = manager_close,
    .set_blksize = manager_set_block_size,
    .read_blk = manager_read,
    .write_blk = manager_write,
    .flush = manager_flush,
    .read_blk64 = manager_read64,
    .write_blk64 = manager_write64,
    .zeroout = manager_zero_out,
};
