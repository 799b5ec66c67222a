import NDR
import Security

/// Where a resolver or an exporter can be reached: an RPC protocol and a network address ([MS-DCOM] 2.2.19.3).
public struct StringBinding: Sendable, Hashable {
    /// The protocol's identifier (C706 appendix I); 7 is ncacn_ip_tcp.
    public var tower: UInt16
    /// The host, and for an object exporter its endpoint: `10.0.0.1[5000]`.
    public var address: String

    /// From the two parts as they stand on the wire.
    public init(tower: UInt16, address: String) {
        self.tower = tower
        self.address = address
    }

    /// A TCP binding. Without a port it names a resolver, whose endpoint is well known.
    public init(host: String, port: UInt16? = nil) {
        self.init(tower: DCOMConstant.tcp, address: port.map { "\(host)[\($0)]" } ?? host)
    }

    /// The address without its endpoint.
    public var host: String {
        split.host
    }

    /// The endpoint as a TCP port; nil if there is none, or if it is not a port's number.
    public var port: UInt16? {
        split.endpoint.flatMap { UInt16($0) }
    }

    private var split: (host: String, endpoint: Substring?) {
        guard address.last == "]", let bracket = address.lastIndex(of: "[") else { return (address, nil) }
        return (String(address[..<bracket]), address[address.index(after: bracket)...].dropLast())
    }
}

/// Which security provider a resolver or an exporter takes ([MS-DCOM] 2.2.19.4).
public struct SecurityBinding: Sendable, Hashable {
    /// The provider's number ([MS-RPCE] 2.2.1.1.7); never zero, and never RPC_C_AUTHN_DEFAULT (0xFFFF).
    public var authenticationService: UInt16
    /// The service principal name, or empty.
    public var principal: String

    /// From its parts.
    public init(authenticationService: UInt16, principal: String = "") {
        self.authenticationService = authenticationService
        self.principal = principal
    }

    /// The provider without a principal name.
    public init(_ type: AuthenticationType) {
        self.init(authenticationService: UInt16(type.rawValue))
    }
}

/// A DUALSTRINGARRAY ([MS-DCOM] 2.2.19): string bindings and security bindings, both in the order of preference.
public struct DualStringArray: Sendable, Hashable {
    /// Where the server can be reached.
    public var strings: [StringBinding]
    /// How it authenticates.
    public var security: [SecurityBinding]

    /// From its parts.
    public init(strings: [StringBinding] = [], security: [SecurityBinding] = []) {
        self.strings = strings
        self.security = security
    }

    /// The 16-bit units of both lists, and the number of those that come before the security bindings.
    ///
    /// An empty list is an entry of zero and a terminator, which makes the smallest array that the specification allows
    /// (2.2.19.1): four zeros, the security bindings at two.
    var units: (units: [UInt16], securityOffset: Int) {
        var units: [UInt16] = []
        for binding in strings {
            units.append(binding.tower)
            units += binding.address.utf16.prefix { $0 != 0 }
            units.append(0)
        }
        if strings.isEmpty { units.append(0) }
        units.append(0)
        let offset = units.count
        for binding in security {
            units += [binding.authenticationService, 0xFFFF]
            units += binding.principal.utf16.prefix { $0 != 0 }
            units.append(0)
        }
        if security.isEmpty { units.append(0) }
        units.append(0)
        return (units, offset)
    }

    /// From the units of both lists.
    ///
    /// - Throws: ``DCOMError/malformedBindings(_:)`` if the offset lies outside, or a string or a list has no end.
    init(units: [UInt16], securityOffset: Int) throws(DCOMError) {
        guard securityOffset <= units.count else {
            throw .malformedBindings("security bindings at \(securityOffset) of \(units.count)")
        }
        self.init()
        var rest = units[..<securityOffset]
        while let tower = try Self.entry(&rest) {
            strings.append(StringBinding(tower: tower, address: try Self.string(&rest)))
        }
        rest = units[securityOffset...]
        while let service = try Self.entry(&rest) {
            // The reserved field is ignored (2.2.19.4).
            guard rest.popFirst() != nil else { throw .malformedBindings("a security binding is cut off") }
            security.append(SecurityBinding(authenticationService: service, principal: try Self.string(&rest)))
        }
    }

    private static func entry(_ rest: inout ArraySlice<UInt16>) throws(DCOMError) -> UInt16? {
        guard let first = rest.popFirst() else { throw .malformedBindings("a list of bindings has no terminator") }
        return first == 0 ? nil : first
    }

    private static func string(_ rest: inout ArraySlice<UInt16>) throws(DCOMError) -> String {
        guard let end = rest.firstIndex(of: 0) else { throw .malformedBindings("a string has no terminator") }
        defer { rest = rest[(end + 1)...] }
        return String(decoding: rest[..<end], as: UTF16.self)
    }
}

extension DualStringArray {
    /// From the IDL's form (2.2.19.2).
    public init(_ array: DUALSTRINGARRAY) throws(DCOMError) {
        try self.init(units: array.aStringArray, securityOffset: Int(array.wSecurityOffset))
    }

    /// The IDL's form.
    public var idl: DUALSTRINGARRAY {
        let (units, offset) = units
        return DUALSTRINGARRAY(
            wNumEntries: UInt16(clamping: units.count), wSecurityOffset: UInt16(clamping: offset), aStringArray: units)
    }

    init(from reader: inout PacketReader) throws(DCOMError) {
        do {
            let count = try reader.read(UInt16.self)
            let offset = try reader.read(UInt16.self)
            var octets = PacketReader(try reader.read(octets: Int(count) * 2))
            var units: [UInt16] = []
            units.reserveCapacity(Int(count))
            for _ in 0..<count { units.append(try octets.read()) }
            try self.init(units: units, securityOffset: Int(offset))
        } catch let error as DCOMError {
            throw error
        } catch {
            throw .malformedBindings("cut off")
        }
    }

    func write(into writer: inout PacketWriter) {
        let (units, offset) = units
        writer.write(UInt16(clamping: units.count))
        writer.write(UInt16(clamping: offset))
        for unit in units { writer.write(unit) }
    }
}
