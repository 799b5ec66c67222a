import ClusterProtocols
import ErrorCodes
import HostInventory
import NDR

// The host's adapters in the protocol's layouts ([MS-CSVP] 2.2.11 to 2.2.17).

extension NetworkRelease {
    /// The list of adapters as this release returns it (3.6.4.3).
    ///
    /// - Parameter server: the node's fully qualified domain name.
    /// - Throws: `LayoutError` where something of the host's does not fit into its field.
    func serialized(_ adapters: [HostAdapter], server: String) throws(LayoutError) -> [UInt8] {
        let guids = adapters.flatMap(\.serializedIDs)
        let descriptions = Self.unique(adapters.map(\.summary))
        let written = zip(adapters, descriptions).map { ADAPTER2($0, description: $1) }
        if returnsOlderAdapterList {
            return try ADAPTERLIST(serverName: server, adapters: written.map(\.adapter), guids: guids).encoded()
        }
        return try ADAPTERLIST2(serverName: server, adapters: written, guids: guids).encoded()
    }

    /// "The string SHOULD be unique" (2.2.17), which the models of two equal adapters are not: the second one becomes `… #2`, as
    /// it does on Windows.
    static func unique(_ descriptions: [String]) -> [String] {
        var seen: Set<String> = []
        return descriptions.map { description in
            var (candidate, number) = (description, 2)
            while !seen.insert(candidate).inserted {
                candidate = "\(description) #\(number)"
                number += 1
            }
            return candidate
        }
    }
}

extension ADAPTER2 {
    /// What is told of an adapter of this host.
    ///
    /// Its name is its identifier in braces, as on Windows, by which IClusterFirewall's adapters are found in the list; what people know it
    /// by, the kernel's name, is the friendly one.
    init(_ host: HostAdapter, description: String) {
        self.init(
            adapter: ADAPTER(
                description: description, friendlyName: host.name, name: "{\(host.id)}",
                prefixes: host.addresses.map {
                    IPPREFIX(endpoint: SocketAddress($0.address), prefixLength: UInt32($0.prefixLength))
                },
                physicalAddress: ADAPTER.physicalAddress(of: host.hardwareAddress, type: host.type.rawValue),
                addresses: host.addresses.map { SocketAddress($0.address) },
                gateways: host.gateways.map { SocketAddress($0) },
                adapterType: host.type.rawValue, tunnelType: host.tunnelType.rawValue, operStatus: host.status.rawValue,
                isDHCPEnabled: host.usesDHCP, isInternalNetwork: host.suitsPrivateNetwork),
            interfaceIndex: host.index, isConnectedToISCSI: host.carriesISCSI, linkSpeed: host.speed,
            isRDMACapable: host.hasRDMA, isRSSCapable: host.hasRSS)
    }
}

extension SocketAddress {
    /// An address without a port.
    init(_ address: HostAddress) {
        self =
            switch address.family {
            case .v4: .v4(address: address.octets)
            case .v6: .v6(address: address.octets, scope: address.scope)
            }
    }
}

extension HostAdapter {
    /// The two GUIDs that a list has for each adapter: identifiers that a client may use for what it makes of the adapter. The first is the
    /// adapter's own, and the second differs from it in its last bit; both stay what they are.
    fileprivate var serializedIDs: [GUID] {
        [GUID(id), GUID(id, lastBit: 1)]
    }
}

extension GUID {
    /// From an adapter's identifier, with a bit of it turned over where that is told.
    init(_ id: HostAdapter.ID, lastBit: UInt8 = 0) {
        let octets = id.octets
        func number<Value: FixedWidthInteger>(_ range: Range<Int>) -> Value {
            octets[range].reduce(0) { $0 << 8 | Value($1) }
        }
        self.init(
            data1: number(0..<4), data2: number(4..<6), data3: number(6..<8),
            data4: number(8..<16) as UInt64 ^ UInt64(lastBit))
    }
}
