#define _GNU_SOURCE
#include "probes.h"

#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <linux/errqueue.h>

/* linux/icmp.h defines ICMP_FILTER, but cannot be included beside netinet/ip_icmp.h. */
#define CLUSPREP_ICMP_FILTER 1

union socket_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static void read_address(const union socket_address *from, struct clusprep_address *address, uint16_t *port)
{
    memset(address, 0, sizeof *address);
    if (from->any.sa_family == AF_INET) {
        address->version = 4;
        memcpy(address->octets, &from->v4.sin_addr, 4);
        if (port) *port = ntohs(from->v4.sin_port);
    } else if (from->any.sa_family == AF_INET6) {
        address->version = 6;
        memcpy(address->octets, &from->v6.sin6_addr, 16);
        address->scope = from->v6.sin6_scope_id;
        if (port) *port = ntohs(from->v6.sin6_port);
    }
}

static int set(int descriptor, int level, int option, int value)
{
    return setsockopt(descriptor, level, option, &value, sizeof value);
}

static int configure_icmp(int descriptor, enum clusprep_probe_socket_kind kind, uint8_t version)
{
    if (kind != CLUSPREP_PROBE_RAW) return 0;
    if (version == 4) {
        uint32_t blocked = ~(1u << ICMP_ECHOREPLY);
        return setsockopt(descriptor, SOL_RAW, CLUSPREP_ICMP_FILTER, &blocked, sizeof blocked);
    }
    struct icmp6_filter filter;
    ICMP6_FILTER_SETBLOCKALL(&filter);
    ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &filter);
    return setsockopt(descriptor, IPPROTO_ICMPV6, ICMP6_FILTER, &filter, sizeof filter);
}

static int configure(int descriptor, enum clusprep_probe_socket_kind kind, uint8_t version, uint16_t port)
{
    if (configure_icmp(descriptor, kind, version)) return -1;
    if (version == 4 ? set(descriptor, IPPROTO_IP, IP_PKTINFO, 1)
                     : set(descriptor, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1))
        return -1;
    if (version == 6 && (kind == CLUSPREP_PROBE_UDP || kind == CLUSPREP_PROBE_RESPONDER)
        && set(descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 1))
        return -1;
    if (kind == CLUSPREP_PROBE_UDP
        && (version == 4 ? set(descriptor, IPPROTO_IP, IP_RECVERR, 1) : set(descriptor, IPPROTO_IPV6, IPV6_RECVERR, 1)))
        return -1;
    if (kind == CLUSPREP_PROBE_RESPONDER && set(descriptor, SOL_SOCKET, SO_REUSEPORT, 1)) return -1;
    if (kind == CLUSPREP_PROBE_RAW) return 0;

    union socket_address any;
    memset(&any, 0, sizeof any);
    any.any.sa_family = version == 4 ? AF_INET : AF_INET6;
    if (kind == CLUSPREP_PROBE_RESPONDER) {
        if (version == 4) any.v4.sin_port = htons(port);
        else any.v6.sin6_port = htons(port);
    }
    return bind(descriptor, &any.any, version == 4 ? sizeof any.v4 : sizeof any.v6);
}

int clusprep_probe_socket(enum clusprep_probe_socket_kind kind, uint8_t version, uint16_t port)
{
    int is_echo = kind == CLUSPREP_PROBE_PING || kind == CLUSPREP_PROBE_RAW;
    int protocol = !is_echo ? IPPROTO_UDP : version == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    int type = (kind == CLUSPREP_PROBE_RAW ? SOCK_RAW : SOCK_DGRAM) | SOCK_NONBLOCK | SOCK_CLOEXEC;
    int descriptor = socket(version == 4 ? AF_INET : AF_INET6, type, protocol);
    if (descriptor < 0) return -1;
    if (configure(descriptor, kind, version, port)) {
        int error = errno;
        close(descriptor);
        errno = error;
        return -1;
    }
    return descriptor;
}

int clusprep_bell(void)
{
    return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

uint16_t clusprep_bound_port(int descriptor)
{
    union socket_address address;
    socklen_t length = sizeof address;
    struct clusprep_address ignored;
    uint16_t port = 0;
    memset(&address, 0, sizeof address);
    if (getsockname(descriptor, &address.any, &length)) return 0;
    read_address(&address, &ignored, &port);
    return port;
}

ssize_t clusprep_send(int descriptor, const void *octets, size_t count, const struct clusprep_envelope *envelope)
{
    union socket_address to;
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof(struct in6_pktinfo))];
    } control;
    struct iovec vector = {(void *)octets, count};
    struct msghdr message = {&to, 0, &vector, 1, &control, 0, 0};
    memset(&to, 0, sizeof to);
    memset(&control, 0, sizeof control);

    if (envelope->remote.version == 4) {
        to.v4.sin_family = AF_INET;
        to.v4.sin_port = htons(envelope->port);
        memcpy(&to.v4.sin_addr, envelope->remote.octets, 4);
        message.msg_namelen = sizeof to.v4;
        message.msg_controllen = CMSG_SPACE(sizeof(struct in_pktinfo));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IP;
        header->cmsg_type = IP_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(struct in_pktinfo));
        struct in_pktinfo information = {0};
        memcpy(&information.ipi_spec_dst, envelope->local.octets, 4);
        memcpy(CMSG_DATA(header), &information, sizeof information);
    } else {
        to.v6.sin6_family = AF_INET6;
        to.v6.sin6_port = htons(envelope->port);
        to.v6.sin6_scope_id = envelope->remote.scope;
        memcpy(&to.v6.sin6_addr, envelope->remote.octets, 16);
        message.msg_namelen = sizeof to.v6;
        message.msg_controllen = CMSG_SPACE(sizeof(struct in6_pktinfo));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = IPPROTO_IPV6;
        header->cmsg_type = IPV6_PKTINFO;
        header->cmsg_len = CMSG_LEN(sizeof(struct in6_pktinfo));
        struct in6_pktinfo information = {0};
        memcpy(&information.ipi6_addr, envelope->local.octets, 16);
        information.ipi6_ifindex = envelope->local.scope;
        memcpy(CMSG_DATA(header), &information, sizeof information);
    }
    ssize_t result;
    do result = sendmsg(descriptor, &message, MSG_NOSIGNAL);
    while (result < 0 && errno == EINTR);
    return result;
}

static ssize_t receive(int descriptor, void *octets, size_t capacity, int flags, struct clusprep_envelope *envelope,
    struct clusprep_failure *failure)
{
    union socket_address from;
    union {
        struct cmsghdr header;
        char space[512];
    } control;
    struct iovec vector = {octets, capacity};
    struct msghdr message = {&from, sizeof from, &vector, 1, &control, sizeof control, 0};
    memset(&from, 0, sizeof from);
    memset(envelope, 0, sizeof *envelope);

    ssize_t result;
    do result = recvmsg(descriptor, &message, flags);
    while (result < 0 && errno == EINTR);
    if (result < 0) return result;

    read_address(&from, &envelope->remote, &envelope->port);
    for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
            struct in_pktinfo information;
            memcpy(&information, CMSG_DATA(header), sizeof information);
            envelope->local.version = 4;
            memcpy(envelope->local.octets, &information.ipi_addr, 4);
            /* ipi_spec_dst is the address of ours that stands for a broadcast or a group; else both are the same. */
            envelope->is_unicast = information.ipi_addr.s_addr == information.ipi_spec_dst.s_addr;
        } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
            struct in6_pktinfo information;
            memcpy(&information, CMSG_DATA(header), sizeof information);
            envelope->local.version = 6;
            memcpy(envelope->local.octets, &information.ipi6_addr, 16);
            if (IN6_IS_ADDR_LINKLOCAL(&information.ipi6_addr)) envelope->local.scope = information.ipi6_ifindex;
            envelope->is_unicast = !IN6_IS_ADDR_MULTICAST(&information.ipi6_addr);
        } else if (failure
            && ((header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_RECVERR)
                || (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_RECVERR))
            && header->cmsg_len >= CMSG_LEN(sizeof(struct sock_extended_err))) {
            struct sock_extended_err extended;
            union socket_address reporter;
            size_t rest = header->cmsg_len - CMSG_LEN(sizeof extended);
            memcpy(&extended, CMSG_DATA(header), sizeof extended);
            memset(&reporter, 0, sizeof reporter);
            memcpy(&reporter, CMSG_DATA(header) + sizeof extended, rest < sizeof reporter ? rest : sizeof reporter);
            failure->error = (int)extended.ee_errno;
            failure->is_port_unreachable = extended.ee_origin == SO_EE_ORIGIN_ICMP
                ? extended.ee_type == ICMP_DEST_UNREACH && extended.ee_code == ICMP_PORT_UNREACH
                : extended.ee_origin == SO_EE_ORIGIN_ICMP6 && extended.ee_type == ICMP6_DST_UNREACH
                    && extended.ee_code == ICMP6_DST_UNREACH_NOPORT;
            read_address(&reporter, &failure->reporter, NULL);
        }
    }
    return result;
}

ssize_t clusprep_receive(int descriptor, void *octets, size_t capacity, struct clusprep_envelope *envelope)
{
    return receive(descriptor, octets, capacity, MSG_DONTWAIT | MSG_TRUNC, envelope, NULL);
}

ssize_t clusprep_receive_failure(
    int descriptor, void *octets, size_t capacity, struct clusprep_envelope *envelope, struct clusprep_failure *failure)
{
    memset(failure, 0, sizeof *failure);
    return receive(descriptor, octets, capacity, MSG_DONTWAIT | MSG_ERRQUEUE, envelope, failure);
}
