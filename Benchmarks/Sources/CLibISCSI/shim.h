#pragma once

#include <stdint.h>
#include <sys/time.h>

#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
