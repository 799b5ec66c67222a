import Logging
import NDR

/// Runs one call from its stub to its answer.
enum CallRunner {
    enum Outcome: Sendable {
        case reply([UInt8])
        case fault(RPCFault)
    }

    /// Lets the service answer; whatever it throws becomes a fault ([MS-RPCE] 3.3.3.4.1 and 3.1.3.5.2).
    static func run(
        _ call: IncomingCall, by service: any RPCService, context: CallContext, logger: Logger
    ) async -> Outcome {
        do {
            try service.authorize(context)
            // NDR64 has one byte order only ([MS-RPCE] 2.2.5).
            guard call.transferSyntax == .ndr20 || call.representation == .littleEndianASCIIIEEE else {
                throw NDRError(.unsupportedRepresentation, offset: 0, subject: "NDR64")
            }
            var decoder = NDRDecoder(
                call.stub, representation: call.representation, syntax: call.transferSyntax)
            decoder.paddingAllowance = call.paddingAllowance
            var encoder = NDREncoder(syntax: call.transferSyntax)
            try await service.handle(opnum: call.opnum, decoder: &decoder, encoder: &encoder, context: context)
            return .reply(encoder.bytes)
        } catch let fault as RPCFault {
            log(logger, .debug, call, service, context, "fault", fault)
            return .fault(fault)
        } catch let error as NDRError {
            log(logger, .debug, call, service, context, "malformed stub", error)
            return .fault(.badStubData)
        } catch is CancellationError {
            return .fault(.cancelled)
        } catch {
            // The cause is for our log, not for the peer.
            log(logger, .error, call, service, context, "call failed", String(reflecting: error))
            return .fault(.unspecified)
        }
    }

    private static func log(
        _ logger: Logger, _ level: Logger.Level, _ call: IncomingCall, _ service: any RPCService,
        _ context: CallContext,
        _ message: Logger.Message, _ cause: Any
    ) {
        guard logger.logLevel <= level else { return }
        logger.log(
            level: level, message,
            metadata: [
                "rpc.association": "\(context.association)", "rpc.client": "\(context.remoteAddress)",
                "rpc.interface": "\(service.interface.name)", "rpc.opnum": "\(call.opnum)", "rpc.cause": "\(cause)",
            ])
    }
}
