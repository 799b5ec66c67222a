#pragma once

#include <stddef.h>
#include <stdint.h>

/*
 * The requests to Linux that need the kernel's own structures: their layouts come from the kernel's headers, and
 * Swift sees plain numbers and pointers. Every function returns 0 or more, or the negated error number.
 */

/// What became of a SCSI command (struct sg_io_hdr of <scsi/sg.h>, the output members).
struct cls_scsi_outcome {
    uint8_t status;         ///< the SCSI status
    uint8_t sense_length;   ///< the octets written to the sense buffer
    uint16_t host_status;   ///< DID_*: what the host adapter's driver says
    uint16_t driver_status; ///< DRIVER_*: what the SCSI middle layer says
    int32_t residual;       ///< the octets announced that were not transferred
};

/// Which way the data of a SCSI command goes.
enum cls_direction { CLS_NO_DATA = 0, CLS_TO_DEVICE = 1, CLS_FROM_DEVICE = 2 };

/// An NVM Express command (struct nvme_passthru_cmd of <linux/nvme_ioctl.h>).
struct cls_nvme_command {
    uint8_t opcode;
    uint32_t namespace_id;
    uint32_t cdw10, cdw11, cdw12, cdw13, cdw14, cdw15;
    void *data;
    uint32_t data_length;
    uint32_t timeout_milliseconds;
    uint32_t result; ///< output: doubleword 0 of the completion
};

/// SG_IO: one SCSI command with its data and its sense.
int cls_scsi_execute(int fd, enum cls_direction direction, const uint8_t *cdb, uint8_t cdb_length, void *data,
                     uint32_t data_length, uint8_t *sense, uint8_t sense_capacity, uint32_t timeout_milliseconds,
                     struct cls_scsi_outcome *outcome);

/// SG_GET_VERSION_NUM: the version of the SCSI generic interface; -ENOTTY where the device has none.
int cls_scsi_generic_version(int fd);

/// NVME_IOCTL_ADMIN_CMD or NVME_IOCTL_IO_CMD. Returns the NVM Express status (0 is success) or a negated error number.
int cls_nvme_execute(int fd, int is_admin, struct cls_nvme_command *command);

/// NVME_IOCTL_ID: the number of the namespace.
int cls_nvme_namespace(int fd);

/// BLKGETSIZE64: the octets of a block device.
int cls_block_size(int fd, uint64_t *octets);

/// BLKSSZGET: the octets of a logical block.
int cls_logical_block_size(int fd, uint32_t *octets);

/// BLKROGET: whether the device is read-only.
int cls_is_read_only(int fd, int *is_read_only);

/// BLKFLSBUF: writes the buffers of a block device and forgets what they hold.
int cls_flush_buffers(int fd);

/// O_DIRECT, which the C library declares for GNU sources only.
int cls_direct_access_flag(void);

/// Memory that devices reach directly, for O_DIRECT: a multiple of 4096 octets, at such an address. NULL where there is none.
void *cls_allocate_pages(size_t octets);

/// DM_LIST_VERSIONS on /dev/mapper/control: the target types of the device mapper with their versions, each given to `found`.
int cls_list_dm_targets(int fd, void *context,
                        void (*found)(void *context, const char *name, uint32_t major, uint32_t minor, uint32_t patch));
