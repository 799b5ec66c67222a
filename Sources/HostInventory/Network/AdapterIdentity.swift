import Reservations
import Security

/// Derives what names an adapter from what is lasting about the host and the adapter.
///
/// Hardware is known by the address that was burnt in, which it keeps in another slot and under another name; what is made by
/// configuration, such as a VLAN or a bond, is known by its name, since it borrows the address of something else or is given one
/// at random.
struct AdapterIdentity: Sendable {
    /// What tells this host from others.
    private let host: String

    /// Sets the identifiers apart from whatever else is derived from a host's machine-id, which is not to be given away (machine-id(5)).
    private static let purpose = "ClusPrep network adapter 1"

    init(files: HostFiles) {
        let candidates = ["/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/hostname"]
        // The first one of an image that has not been started yet is empty, or says "uninitialized".
        host = candidates.lazy.compactMap { files.text($0) }.first { !$0.isEmpty && $0 != "uninitialized" } ?? ""
    }

    init(host: String) {
        self.host = host
    }

    /// The identifiers of links, by index. Of several with the same burnt-in address, as the ports of a switch have, each one is known by its
    /// name, too.
    func identifiers(of links: [LinkRecord]) throws(HostNetworkError) -> [UInt32: HostAdapter.ID] {
        let addresses = links.reduce(into: [UInt32: [UInt8]]()) { addresses, link in
            guard link.kind == nil, !link.permanentAddress.isEmpty else { return }
            addresses[link.index] = link.permanentAddress
        }
        let uses = addresses.values.reduce(into: [[UInt8]: Int]()) { $0[$1, default: 0] += 1 }
        var result: [UInt32: HostAdapter.ID] = [:]
        for link in links {
            var trait: [UInt8] = []
            if let address = addresses[link.index] { trait = [1] + address }
            if trait.isEmpty || uses[Array(trait.dropFirst()), default: 0] > 1 { trait += [2] + Array(link.name.utf8) }
            result[link.index] = try identifier(of: trait)
        }
        return result
    }

    /// A version 8 UUID (RFC 9562 5.8): the beginning of a SHA-256 digest, with the version and the variant in their places.
    private func identifier(of trait: [UInt8]) throws(HostNetworkError) -> HostAdapter.ID {
        let digest: [UInt8]
        do {
            digest = try Digest.sha256(Array(Self.purpose.utf8) + [0] + Array(host.utf8) + [0] + trait)
        } catch {
            throw .noIdentifier(reason: "\(error)")
        }
        var octets = Array(digest.prefix(16))
        octets[6] = octets[6] & 0x0F | 0x80
        octets[8] = octets[8] & 0x3F | 0x80
        guard let id = HostAdapter.ID(octets: octets) else { throw .noIdentifier(reason: "the digest is too short") }
        return id
    }
}
