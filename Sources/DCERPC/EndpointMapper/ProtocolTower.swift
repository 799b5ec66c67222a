import NDR

/// A protocol tower: the name of an interface, and floor by floor the protocols and addresses by which it is reached
/// ([C706] appendices I and L, [MS-RPCE] 3.1.3.5.3).
public struct ProtocolTower: Sendable, Hashable {
    /// One floor above the two that name interface and transfer syntax.
    public struct Floor: Sendable, Hashable {
        /// The protocol's number ([C706] appendix I).
        public var protocolIdentifier: UInt8
        /// What follows the number on the floor's left side; nothing, in every protocol here.
        public var data: [UInt8]
        /// The right side: a version, a port, an address.
        public var address: [UInt8]

        /// Makes a floor.
        public init(protocolIdentifier: UInt8, data: [UInt8] = [], address: [UInt8]) {
            self.protocolIdentifier = protocolIdentifier
            self.data = data
            self.address = address
        }

        /// The connection-oriented protocol, version 5.0.
        static let connectionOriented = Floor(protocolIdentifier: Identifier.connectionOriented, address: [0, 0])
    }

    /// The interface.
    public var interface: SyntaxIdentifier
    /// The transfer syntax.
    public var transferSyntax: SyntaxIdentifier
    /// The floors above.
    public var floors: [Floor]

    /// The protocols' numbers.
    enum Identifier {
        static let uuid: UInt8 = 0x0D
        static let connectionOriented: UInt8 = 0x0B
        static let tcp: UInt8 = 0x07
        static let ip: UInt8 = 0x09
    }

    /// [MS-RPCE] 3.1.3.5.3: higher towers are refused.
    static let maximumHeight = 6

    /// Makes a tower of its parts.
    public init(interface: SyntaxIdentifier, transferSyntax: SyntaxIdentifier = .ndr20, floors: [Floor]) {
        self.interface = interface
        self.transferSyntax = transferSyntax
        self.floors = floors
    }

    /// Makes the tower of ncacn_ip_tcp.
    ///
    /// - Parameter address: the port, and an IPv4 address; any other address becomes 0.0.0.0, since a floor has no room for
    ///   it. Clients ignore it anyway and use the host they asked ([MS-RPCE] 3.1.3.5.3).
    public init(interface: SyntaxIdentifier, address: NetworkAddress) {
        let octets = address.ip.split(separator: ".", omittingEmptySubsequences: false).compactMap { UInt8($0) }
        self.init(
            interface: interface,
            floors: [
                .connectionOriented,
                Floor(
                    protocolIdentifier: Identifier.tcp,
                    address: [UInt8(address.port >> 8), UInt8(truncatingIfNeeded: address.port)]),
                Floor(protocolIdentifier: Identifier.ip, address: octets.count == 4 ? octets : [0, 0, 0, 0]),
            ])
    }

    /// Whether these are the floors of ncacn_ip_tcp, whatever port and address they name.
    public var isTCP: Bool {
        floors.map(\.protocolIdentifier) == [Identifier.connectionOriented, Identifier.tcp, Identifier.ip]
    }

    /// The port and address of a tower of ncacn_ip_tcp, or nil.
    public var address: NetworkAddress? {
        guard isTCP, floors[1].address.count == 2, floors[2].address.count == 4 else { return nil }
        return NetworkAddress(
            ip: floors[2].address.map { String($0) }.joined(separator: "."),
            port: UInt16(floors[1].address[0]) << 8 | UInt16(floors[1].address[1]))
    }

    /// Reads a tower's octet string, which is little endian whatever the PDU is.
    ///
    /// - Throws: ``PDUError`` if it is none.
    public init(_ octets: [UInt8]) throws(PDUError) {
        var reader = PDUReader(octets, from: 0, to: octets.count, representation: .littleEndianASCIIIEEE)
        let height = Int(try reader.read(UInt16.self))
        guard (2...Self.maximumHeight).contains(height) else { throw .malformed("the tower's height") }
        interface = try Self.readSyntax(&reader)
        transferSyntax = try Self.readSyntax(&reader)
        floors = []
        for _ in 2..<height {
            let left = try reader.read(octets: Int(try reader.read(UInt16.self)))
            guard let identifier = left.first else { throw .malformed("an empty floor") }
            let right = try reader.read(octets: Int(try reader.read(UInt16.self)))
            floors.append(
                Floor(protocolIdentifier: identifier, data: Array(left.dropFirst()), address: Array(right)))
        }
        guard reader.remaining == 0 else { throw .malformed("the tower's end") }
    }

    private static func readSyntax(_ reader: inout PDUReader) throws(PDUError) -> SyntaxIdentifier {
        guard try reader.read(UInt16.self) == 19, try reader.read(UInt8.self) == Identifier.uuid else {
            throw .malformed("a floor that should be an identifier")
        }
        let uuid = try reader.readGUID()
        let major = try reader.read(UInt16.self)
        guard try reader.read(UInt16.self) == 2 else { throw .malformed("a floor's minor version") }
        return SyntaxIdentifier(uuid: uuid, major: major, minor: try reader.read())
    }

    /// The tower's octet string.
    public var octets: [UInt8] {
        var octets: [UInt8] = []
        func append(_ value: Int) {
            octets.append(UInt8(truncatingIfNeeded: value))
            octets.append(UInt8(truncatingIfNeeded: value >> 8))
        }
        append(2 + floors.count)
        for syntax in [interface, transferSyntax] {
            append(19)
            octets.append(Identifier.uuid)
            octets.append(contentsOf: syntax.uuid.littleEndianBytes)
            append(Int(syntax.major))
            append(2)
            append(Int(syntax.minor))
        }
        for floor in floors {
            append(1 + floor.data.count)
            octets.append(floor.protocolIdentifier)
            octets.append(contentsOf: floor.data)
            append(floor.address.count)
            octets.append(contentsOf: floor.address)
        }
        return octets
    }
}
