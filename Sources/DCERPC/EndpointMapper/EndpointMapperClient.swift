import NDR

/// Asks an endpoint mapper where an interface is served.
public struct EndpointMapperClient: Sendable {
    /// The mapper's well-known port ([MS-RPCE] 2.1.1.1).
    public static let port: UInt16 = 135

    private let mapper: epmapperClient

    /// Makes a client over a caller that is bound to the interface `epmapper`.
    public init(_ caller: any RPCCaller) {
        mapper = epmapperClient(caller)
    }

    /// Where an interface is served over TCP.
    ///
    /// - Returns: the addresses, as the mapper tells them: at least one.
    /// - Throws: ``RPCClientError/endpointMapper(status:)`` if there is none.
    public func map(_ interface: SyntaxIdentifier, object: GUID? = nil) async throws -> [NetworkAddress] {
        let octets = ProtocolTower(interface: interface, address: NetworkAddress(ip: "0.0.0.0", port: 0)).octets
        let tower = twr_t(tower_length: UInt32(octets.count), tower_octet_string: octets)
        let response = try await mapper.ept_map(.init(obj: object, map_tower: tower, max_towers: 16))
        if !response.entry_handle.isNull {
            // Sixteen are enough; the mapper need not keep the rest for us.
            _ = try await mapper.ept_lookup_handle_free(.init(entry_handle: response.entry_handle))
        }
        guard response.status == EndpointMapperStatus.ok else {
            throw RPCClientError.endpointMapper(status: response.status)
        }
        let addresses = try response.ITowers.compactMap { tower -> NetworkAddress? in
            guard let octets = tower?.tower_octet_string else { return nil }
            do throws(PDUError) {
                return try ProtocolTower(octets).address
            } catch {
                throw RPCClientError.malformed(error)
            }
        }
        guard !addresses.isEmpty else {
            throw RPCClientError.endpointMapper(status: EndpointMapperStatus.notRegistered)
        }
        return addresses
    }

    /// Connects to a host's endpoint mapper, asks it where an interface is served, and closes the connection.
    ///
    /// - Returns: the ports, in the mapper's order. The addresses in its answer are not looked at: the host that was asked
    ///   is the one to connect to ([MS-RPCE] 3.1.3.5.3).
    /// - Throws: ``RPCClientError``.
    public static func ports(
        of interface: SyntaxIdentifier, host: String, mapperPort: UInt16 = port
    ) async throws -> [UInt16] {
        let client = try await RPCClient.connect(host: host, port: mapperPort)
        do {
            let caller = try await client.bind(epmapper.interface.syntax)
            let addresses = try await EndpointMapperClient(caller).map(interface)
            await client.close()
            return addresses.map(\.port)
        } catch {
            await client.close()
            throw error
        }
    }
}
