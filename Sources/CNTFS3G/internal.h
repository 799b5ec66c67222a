// What the shim's own files share.

#ifndef CNTFS_INTERNAL_H
#define CNTFS_INTERNAL_H

#include "cntfs.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <time.h>

#include <ntfs-3g/types.h>
#include <ntfs-3g/attrib.h>
#include <ntfs-3g/device.h>
#include <ntfs-3g/dir.h>
#include <ntfs-3g/index.h>
#include <ntfs-3g/inode.h>
#include <ntfs-3g/layout.h>
#include <ntfs-3g/logging.h>
#include <ntfs-3g/unistr.h>
#include <ntfs-3g/volume.h>

struct cntfs_volume {
    ntfs_volume *ntfs;
    struct cntfs_device device;
    /// Where the calls without a position continue.
    int64_t position;
};

struct cntfs_file {
    cntfs_volume *volume;
    ntfs_inode *inode;
    ntfs_attr *data;
};

/// The device operations that call back into `cntfs_volume.device`.
extern struct ntfs_device_operations cntfs_device_operations;

/// Names the volume whose log lines this thread is about to cause; returns the one it replaces.
cntfs_volume *cntfs_enter(cntfs_volume *volume);

/// Takes back what `cntfs_enter` returned.
void cntfs_leave(cntfs_volume *previous);

/// Directs the library's log to `cntfs_device.log` and makes it read multi-octet names as UTF-8. Done once a process.
void cntfs_initialize(void);

/// Puts `count` octets into the file's unnamed stream and nothing behind them.
int cntfs_replace_contents(ntfs_inode *inode, bool created, const uint8_t *data, int64_t count);

/// errno as a status; never success.
static inline int cntfs_errno(void) {
    return errno != 0 ? errno : EIO;
}

#endif
