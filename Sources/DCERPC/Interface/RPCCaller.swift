import NDR

/// What can make calls on one interface of a server: a bound interface of an ``RPCClient``, or a DCOM proxy over it.
public protocol RPCCaller: Sendable {
    /// Makes one call and waits for its answer.
    ///
    /// - Parameters:
    ///   - opnum: the operation's number.
    ///   - encode: writes the request's stub; it is called once.
    ///   - decode: reads the response's stub; it is called once, with a decoder that stands at the stub's first octet.
    /// - Throws: ``RPCFault`` if the server answered with a fault, ``RPCClientError`` if there was no answer, and whatever
    ///   the two closures throw.
    func call<Response: Sendable>(
        opnum: UInt16, encode: @Sendable (inout NDREncoder) throws -> Void,
        decode: @Sendable (inout NDRDecoder) throws -> Response
    ) async throws -> Response
}
