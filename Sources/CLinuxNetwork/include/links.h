/*
 * What a network adapter's driver tells through ethtool's requests, whose structures end in arrays of no length.
 *
 * Each function takes a socket of any family, returns 0 or the negated error number, and looks in the network namespace of the
 * socket. -EOPNOTSUPP: the driver does not tell. -ENODEV: there is no such adapter (any more).
 */
#ifndef CLINUXNETWORK_LINKS_H
#define CLINUXNETWORK_LINKS_H

#include <stdint.h>

/// The octets of a driver's name or of its place on a bus, the null at the end included.
enum { CLN_TEXT_SIZE = 32 };

/// Who drives an adapter (struct ethtool_drvinfo).
struct cln_driver {
    char name[CLN_TEXT_SIZE];  ///< such as "e1000e"
    char place[CLN_TEXT_SIZE]; ///< such as "0000:00:1f.6"; empty for what is on no bus
};

/// ETHTOOL_GLINKSETTINGS: the speed in Mb/s; 0 where it is unknown, as without a carrier.
int cln_link_speed(int fd, const char *adapter, uint32_t *megabits);

/// ETHTOOL_GDRVINFO.
int cln_link_driver(int fd, const char *adapter, struct cln_driver *driver);

/// ETHTOOL_GRSSH: the entries of the table that spreads received packets over queues by a hash.
int cln_spread_table(int fd, const char *adapter, uint32_t *entries);

/// ETHTOOL_GCHANNELS: the channels in use that receive.
int cln_receive_channels(int fd, const char *adapter, uint32_t *channels);

#endif
