import Logging
import NDR

/// Runs one call from its stub to its answer.
enum CallRunner {
    enum Outcome: Sendable {
        case reply([UInt8])
        case fault(RPCFault)
    }

    /// Asks the service whether it may be called, and lets it answer on the spot, if it can; nil if it has to be given a task.
    static func runAtOnce(
        _ call: IncomingCall, by service: any RPCService, context: CallContext, logger: Logger
    ) -> Outcome? {
        do {
            try service.authorize(context)
            var (decoder, encoder) = try coders(for: call)
            guard
                try service.handleAtOnce(
                    opnum: call.opnum, decoder: &decoder, encoder: &encoder, context: context)
            else { return nil }
            return .reply(encoder.bytes)
        } catch {
            return outcome(of: error, call, service, context, logger)
        }
    }

    /// Lets a service answer that had no answer to ``runAtOnce(_:by:context:logger:)``.
    static func run(
        _ call: IncomingCall, by service: any RPCService, context: CallContext, logger: Logger
    ) async -> Outcome {
        do {
            var (decoder, encoder) = try coders(for: call)
            try await service.handle(opnum: call.opnum, decoder: &decoder, encoder: &encoder, context: context)
            return .reply(encoder.bytes)
        } catch {
            return outcome(of: error, call, service, context, logger)
        }
    }

    private static func coders(for call: IncomingCall) throws(NDRError) -> (NDRDecoder, NDREncoder) {
        // NDR64 has one byte order only ([MS-RPCE] 2.2.5).
        guard call.transferSyntax == .ndr20 || call.representation == .littleEndianASCIIIEEE else {
            throw NDRError(.unsupportedRepresentation, offset: 0, subject: "NDR64")
        }
        var decoder = NDRDecoder(call.stub, representation: call.representation, syntax: call.transferSyntax)
        decoder.paddingAllowance = call.paddingAllowance
        return (decoder, NDREncoder(syntax: call.transferSyntax))
    }

    /// Whatever a service throws becomes a fault ([MS-RPCE] 3.3.3.4.1 and 3.1.3.5.2).
    private static func outcome(
        of error: any Error, _ call: IncomingCall, _ service: any RPCService, _ context: CallContext, _ logger: Logger
    ) -> Outcome {
        switch error {
        case let fault as RPCFault:
            log(logger, .debug, call, service, context, "fault", fault)
            return .fault(fault)
        case let error as NDRError:
            log(logger, .debug, call, service, context, "malformed stub", error)
            return .fault(.badStubData)
        case is CancellationError:
            return .fault(.cancelled)
        default:
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
