/*
 * The kernel's structures for networks: rtnetlink messages, and the requests of ethtool.
 *
 * What Swift's importer cannot read of their headers (macros that compute, flexible arrays) has functions here.
 */
#ifndef CLINUXNETWORK_H
#define CLINUXNETWORK_H

#include <linux/netlink.h>
#include <linux/rtnetlink.h>

#include "links.h"
#include "probes.h"

#endif
