import CLinuxNetwork
import Glibc

/// An address of a link (RTM_NEWADDR, rtnetlink(7)).
struct AddressRecord: Sendable, Hashable {
    /// The link's index.
    var index: UInt32
    /// The address.
    var address: HostAdapter.Address

    private static let operation = "read an address"
    /// The octets of struct ifaddrmsg.
    private static let fixedSize = 8

    /// The request for all addresses of both families.
    static var request: [UInt8] { [UInt8](repeating: 0, count: fixedSize) }

    /// Reads what follows the message's header; nil for an address of another family, and for one that duplicate address detection
    /// has found elsewhere, which the kernel keeps and does not use.
    init?(_ payload: ArraySlice<UInt8>) throws(HostNetworkError) {
        guard payload.count >= Self.fixedSize else {
            throw .malformed(operation: Self.operation, reason: "\(payload.count) octets of an address")
        }
        let family = Int32(payload.native(UInt8.self, at: 0))
        guard family == AF_INET || family == AF_INET6 else { return nil }
        let length = payload.native(UInt8.self, at: 1)
        let index = payload.native(UInt32.self, at: 4)
        let attributes = try NetlinkAttributes(payload.dropFirst(Self.fixedSize), operation: Self.operation)
        // The octet in the fixed part has room for the lower flags only.
        let flags = attributes.number(IFA_FLAGS) ?? UInt32(payload.native(UInt8.self, at: 2))
        guard flags & UInt32(IFA_F_DADFAILED) == 0 else { return nil }
        // IFA_LOCAL is the address, and IFA_ADDRESS its prefix or the other end; IPv6 has IFA_LOCAL only with another end.
        guard let own = attributes[IFA_LOCAL] ?? attributes[IFA_ADDRESS] else { return nil }
        let size = family == AF_INET ? 4 : 16
        guard own.count == size, length <= size * 8, let address = HostAddress(octets: own, scope: index) else {
            throw .malformed(
                operation: Self.operation, reason: "an address of family \(family) with \(own.count) octets, /\(length)"
            )
        }
        let other = attributes[IFA_ADDRESS].flatMap { HostAddress(octets: $0, scope: index) }
        self.index = index
        self.address = HostAdapter.Address(
            address: address, prefixLength: length, peer: other == address ? nil : other,
            isTentative: flags & UInt32(IFA_F_TENTATIVE) != 0 && flags & UInt32(IFA_F_OPTIMISTIC) == 0)
    }
}
