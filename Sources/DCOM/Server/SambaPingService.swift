import DCERPC
import ErrorCodes
import NDR
import Synchronization

/// IObjectExporter for a lab in which Samba's test suites run; it comes with ``COMClass/activationProbe(clsid:name:)``.
///
/// `smbtorture`'s rpc.oxidresolve pings as no other client does: its ComplexPing names GUIDs where [MS-DCOM] 3.1.2.5.1.3 has
/// pointers to OIDs (`IDL/samba.idl`), and its SimplePing then names a set that it has read from uninitialized memory. Here, a
/// stub that can be read in no other way makes a set, an empty one since a GUID is no OID; and a SimplePing of a set that
/// does not exist means that set, if it comes from the same association group. All else is answered to the letter.
final class SambaPingService: RPCService {
    let interface = IObjectExporter.interface
    let transferSyntaxes = RPCInterface.objectSyntaxes

    private let strict: HandlerService
    private let resolver: ObjectResolverService
    /// The set that each association group has made in Samba's way.
    private let sets = Mutex<[UInt32: UInt64]>([:])

    init(resolver: ObjectResolverService) {
        self.resolver = resolver
        strict = HandlerService(
            interface: IObjectExporter.interface, handlers: IObjectExporter.handlers(resolver), authorize: { _ in })
    }

    /// Two methods are open to everybody, so each of the others asks for itself.
    func authorize(_ context: CallContext) throws {}

    func handle(
        opnum: UInt16, decoder: inout NDRDecoder, encoder: inout NDREncoder, context: CallContext
    ) async throws {
        switch opnum {
        case IObjectExporter.ComplexPing.opnum:
            guard let ping = Self.complexPing(of: decoder) else { break }
            let response = try await complexPing(ping, context)
            return try response.encode(into: &encoder, for: ping)
        case IObjectExporter.SimplePing.opnum:
            guard let set = sets.withLock({ $0[context.associationGroup] }) else { break }
            let ping = try IObjectExporter.SimplePing.Request(from: &decoder)
            try decoder.finish()
            let response = try await simplePing(ping, or: set, context)
            return try response.encode(into: &encoder, for: ping)
        default:
            break
        }
        try await strict.handle(opnum: opnum, decoder: &decoder, encoder: &encoder, context: context)
    }

    func associationGroupEnded(_ group: UInt32) async {
        _ = sets.withLock { $0.removeValue(forKey: group) }
    }

    /// What a stub asks for that is Samba's and cannot be read by the letter; nil for any other.
    private static func complexPing(of decoder: NDRDecoder) -> IObjectExporter.ComplexPing.Request? {
        var literal = decoder
        if (try? IObjectExporter.ComplexPing.Request(from: &literal)) != nil, (try? literal.finish()) != nil {
            return nil
        }
        var samba = decoder
        guard let ping = try? SambaObjectExporter.ComplexPing.Request(from: &samba), (try? samba.finish()) != nil else {
            return nil
        }
        return IObjectExporter.ComplexPing.Request(pSetId: ping.pSetId, SequenceNum: ping.SequenceNum)
    }

    private func complexPing(
        _ ping: IObjectExporter.ComplexPing.Request, _ context: CallContext
    ) async throws -> IObjectExporter.ComplexPing.Response {
        do {
            let response = try await resolver.complexPing(ping, context: context)
            if response.returnValue == Win32Error.success.rawValue {
                sets.withLock { $0[context.associationGroup] = response.pSetId }
            }
            return response
        } catch let error as Win32Error {
            return IObjectExporter.ComplexPing.Response(returnValue: error.rawValue, for: ping)
        }
    }

    private func simplePing(
        _ ping: IObjectExporter.SimplePing.Request, or set: UInt64, _ context: CallContext
    ) async throws -> IObjectExporter.SimplePing.Response {
        do {
            let response = try await resolver.simplePing(ping, context: context)
            guard response.returnValue == Win32Error.invalidPingSet.rawValue else { return response }
            return try await resolver.simplePing(.init(pSetId: set), context: context)
        } catch let error as Win32Error {
            return IObjectExporter.SimplePing.Response(returnValue: error.rawValue, for: ping)
        }
    }
}
