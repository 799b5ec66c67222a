/// An internet address and a port, as text and number.
public struct NetworkAddress: Sendable, Hashable {
    /// The address in its usual notation ("192.0.2.7", "2001:db8::1"), without brackets or port.
    public let ip: String
    /// The port.
    public let port: UInt16

    /// Makes an address from its parts; the text is not checked.
    public init(ip: String, port: UInt16) {
        self.ip = ip
        self.port = port
    }
}

extension NetworkAddress: CustomStringConvertible {
    /// `address:port`, with brackets around an IPv6 address.
    public var description: String {
        ip.utf8.contains(UInt8(ascii: ":")) ? "[\(ip)]:\(port)" : "\(ip):\(port)"
    }
}
