// libpcap, as Replay uses it: the reading of capture files.
#ifndef CLUSPREP_PCAP_H
#define CLUSPREP_PCAP_H

#include <pcap/pcap.h>

#endif
