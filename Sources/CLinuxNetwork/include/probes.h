/*
 * Datagrams with both of their addresses: what sendmsg, recvmsg and the error queue say in control messages, whose macros
 * Swift's importer cannot read.
 */
#ifndef CLINUXNETWORK_PROBES_H
#define CLINUXNETWORK_PROBES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* An address of either family. */
struct clusprep_address {
    uint8_t octets[16]; /* network order; the first four of IPv4's */
    uint32_t scope;     /* IPv6: the index of the interface of a link-local address, or 0 */
    uint8_t version;    /* 4 or 6; 0 where there is none */
};

/* Where a datagram comes from and goes to. */
struct clusprep_envelope {
    struct clusprep_address local;  /* ours */
    struct clusprep_address remote; /* theirs */
    uint16_t port;                  /* theirs, in the order of the host */
    uint8_t is_unicast;             /* of what was received: whether it was sent to one of our addresses and not to a group */
};

/* What the kernel says about a datagram of ours that came to nothing. */
struct clusprep_failure {
    struct clusprep_address reporter; /* who sent the ICMP message */
    int error;                        /* an errno */
    uint8_t is_port_unreachable;      /* whether it says that nothing listens at the port */
};

/* What a socket is for. */
enum clusprep_probe_socket_kind {
    CLUSPREP_PROBE_UDP,       /* probes; keeps its errors */
    CLUSPREP_PROBE_RESPONDER, /* answers probes; one of several that share the port */
    CLUSPREP_PROBE_PING,      /* ICMP echo, the kernel's way (ping_group_range) */
    CLUSPREP_PROBE_RAW,       /* ICMP echo replies only, raw (CAP_NET_RAW) */
};

/*
 * Opens a nonblocking socket of IP version 4 or 6 for all local addresses that tells at which address a datagram arrived.
 * `port` is bound where the kind is the responder's; 0 there leaves the choice to the kernel.
 * Returns the descriptor, or -1 with errno.
 */
int clusprep_probe_socket(enum clusprep_probe_socket_kind kind, uint8_t version, uint16_t port);

/* The port a socket is bound to, or 0 where it is to none. */
uint16_t clusprep_bound_port(int descriptor);

/* Sends a datagram from `local` to `remote`. Returns the octets sent, or -1 with errno. */
ssize_t clusprep_send(int descriptor, const void *octets, size_t count, const struct clusprep_envelope *envelope);

/* Receives a datagram; one longer than the buffer has its real length returned. -1 with errno: EAGAIN where there is none. */
ssize_t clusprep_receive(int descriptor, void *octets, size_t capacity, struct clusprep_envelope *envelope);

/* A nonblocking eventfd, or -1 with errno. */
int clusprep_bell(void);

/*
 * Takes one entry off the error queue: the datagram that was sent (`envelope->remote` is where to) and what became of it.
 * Returns the octets of the datagram the entry holds, which may be fewer than were sent, or -1 with errno.
 */
ssize_t clusprep_receive_failure(
    int descriptor, void *octets, size_t capacity, struct clusprep_envelope *envelope, struct clusprep_failure *failure);

#endif
