#define _GNU_SOURCE
#include "clinuxstorage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/dm-ioctl.h>
#include <linux/fs.h>
#include <linux/nvme_ioctl.h>
#include <scsi/sg.h>

/* The result of a call as the header promises it. */
static int result_of(int result) { return result < 0 ? -errno : result; }

int cls_scsi_execute(int fd, enum cls_direction direction, const uint8_t *cdb, uint8_t cdb_length, void *data,
                     uint32_t data_length, uint8_t *sense, uint8_t sense_capacity, uint32_t timeout_milliseconds,
                     struct cls_scsi_outcome *outcome)
{
    struct sg_io_hdr header;
    uint8_t command[16] = {0};

    if (cdb_length > sizeof(command))
        return -EINVAL;
    memcpy(command, cdb, cdb_length);
    memset(&header, 0, sizeof(header));
    header.interface_id = 'S';
    header.dxfer_direction = direction == CLS_TO_DEVICE     ? SG_DXFER_TO_DEV
                             : direction == CLS_FROM_DEVICE ? SG_DXFER_FROM_DEV
                                                            : SG_DXFER_NONE;
    header.cmd_len = cdb_length;
    header.mx_sb_len = sense_capacity;
    header.dxfer_len = data_length;
    header.dxferp = data;
    header.cmdp = command;
    header.sbp = sense;
    header.timeout = timeout_milliseconds;
    if (ioctl(fd, SG_IO, &header) < 0)
        return -errno;
    outcome->status = header.status;
    outcome->sense_length = header.sb_len_wr;
    outcome->host_status = header.host_status;
    outcome->driver_status = header.driver_status;
    outcome->residual = header.resid;
    return 0;
}

int cls_scsi_generic_version(int fd)
{
    int version = 0;

    return ioctl(fd, SG_GET_VERSION_NUM, &version) < 0 ? -errno : version;
}

int cls_nvme_execute(int fd, int is_admin, struct cls_nvme_command *command)
{
    struct nvme_passthru_cmd passthrough;
    int result;

    memset(&passthrough, 0, sizeof(passthrough));
    passthrough.opcode = command->opcode;
    passthrough.nsid = command->namespace_id;
    passthrough.addr = (uint64_t)(uintptr_t)command->data;
    passthrough.data_len = command->data_length;
    passthrough.cdw10 = command->cdw10;
    passthrough.cdw11 = command->cdw11;
    passthrough.cdw12 = command->cdw12;
    passthrough.cdw13 = command->cdw13;
    passthrough.cdw14 = command->cdw14;
    passthrough.cdw15 = command->cdw15;
    passthrough.timeout_ms = command->timeout_milliseconds;
    result = result_of(ioctl(fd, is_admin ? NVME_IOCTL_ADMIN_CMD : NVME_IOCTL_IO_CMD, &passthrough));
    command->result = passthrough.result;
    return result;
}

int cls_nvme_namespace(int fd) { return result_of(ioctl(fd, NVME_IOCTL_ID)); }

int cls_block_size(int fd, uint64_t *octets) { return result_of(ioctl(fd, BLKGETSIZE64, octets)); }

int cls_logical_block_size(int fd, uint32_t *octets)
{
    int size = 0;
    int result = result_of(ioctl(fd, BLKSSZGET, &size));

    *octets = (uint32_t)size;
    return result;
}

int cls_is_read_only(int fd, int *is_read_only) { return result_of(ioctl(fd, BLKROGET, is_read_only)); }

int cls_flush_buffers(int fd) { return result_of(ioctl(fd, BLKFLSBUF)); }

int cls_direct_access_flag(void) { return O_DIRECT; }

void *cls_allocate_pages(size_t octets)
{
    void *memory = NULL;

    return posix_memalign(&memory, 4096, octets) == 0 ? memory : NULL;
}

int cls_list_dm_targets(int fd, void *context,
                        void (*found)(void *context, const char *name, uint32_t major, uint32_t minor, uint32_t patch))
{
    /* The list of a kernel with every target type there is takes about two kibibytes. */
    const size_t capacity = 64 * 1024;
    struct dm_ioctl *request = calloc(1, capacity);
    int result;

    if (request == NULL)
        return -ENOMEM;
    request->version[0] = DM_VERSION_MAJOR;
    request->data_size = (uint32_t)capacity;
    request->data_start = sizeof(*request);
    result = result_of(ioctl(fd, DM_LIST_VERSIONS, request));
    if (result >= 0 && request->data_size > request->data_start) {
        size_t offset = request->data_start;

        while (offset + sizeof(struct dm_target_versions) < capacity) {
            const struct dm_target_versions *target = (const void *)((const char *)request + offset);

            found(context, target->name, target->version[0], target->version[1], target->version[2]);
            if (target->next == 0)
                break;
            offset += target->next;
        }
    }
    free(request);
    return result;
}
