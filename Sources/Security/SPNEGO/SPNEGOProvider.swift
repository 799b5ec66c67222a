import SwiftASN1

/// SPNEGO as a server offers it: the client names the mechanisms that it can, and the first one that we have, too, is taken
/// (RFC 4178, [MS-SPNG]).
///
/// Works over associations of DCE/RPC whichever way the client sends its last token: the answer to an alter_context carries
/// what is left to say; an auth3 has none, and a client that sends one wants none.
public struct SPNEGOProvider: SecurityProvider {
    /// SPNEGO's number.
    public let authenticationType = AuthenticationType.spnego

    private let providers: [any NegotiableProvider]

    /// Offers some mechanisms.
    ///
    /// - Parameter providers: the mechanisms' providers. Their order matters only where a server speaks first; otherwise the
    ///   client's decides.
    public init(_ providers: [any NegotiableProvider]) {
        self.providers = providers
    }

    /// Starts one negotiation.
    public func makeAcceptor(for peer: SecurityPeer) -> any SecurityAcceptor {
        SPNEGOAcceptor(providers: providers, peer: peer)
    }

    /// NegTokenInit2: the token of a server that speaks first ([MS-SPNG] 3.2.5.2), as SMB's and HTTP's do. DCE/RPC has no
    /// place for it.
    public var serverOffer: [UInt8] {
        SPNEGOOffer(
            mechanisms: providers.flatMap(\.mechanisms), mechanismToken: nil,
            hint: "not_defined_in_RFC4178@please_ignore"
        ).encoded
    }
}
