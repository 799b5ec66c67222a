import DCERPC
import InterfaceValues
import NDR

/// Captured answers and live ones.
extension ReplaySession {
    /// What a live server answers.
    enum LiveAnswer {
        case response([UInt8])
        case fault(RPCFault)
    }

    func compare(
        _ call: CapturedCall, _ live: LiveAnswer, _ operation: OperationSchema?, _ path: String,
        _ syntax: TransferSyntax,
        _ result: (ReplayReport.Verdict, String?, [FieldDifference]) -> ReplayReport.Call
    ) -> ReplayReport.Call {
        switch (call.outcome, live) {
        case (.missing, _), (.none, _): return result(.notCompared, "the capture has no answer", [])
        case (.fault(let captured, _, _), .fault(let now)):
            let words = "\(captured) in the capture, \(now) now"
            return captured == now ? result(.same, nil, []) : result(.differs, words, [])
        case (.fault(let captured, _, _), .response):
            return result(.differs, "a fault in the capture, \(captured), and a response now", [])
        case (.response, .fault(let now)):
            return result(.differs, "a response in the capture, and a fault now, \(now)", [])
        case (.response(let message), .response(let octets)):
            guard message.isComplete else {
                return result(.notCompared, "the capture does not have all of the answer", [])
            }
            let captured: [UInt8]
            switch message.stub {
            case .plain(let plain): captured = plain
            case .unreadable(let reason):
                return result(.notCompared, "the captured answer cannot be read: \(reason)", [])
            }
            guard let operation, operation.isOnWire else {
                return captured == octets
                    ? result(.same, nil, [])
                    : result(.differs, "the octets of an unknown operation's answer differ", [])
            }
            return compare(captured, message, octets, operation, path, call, syntax, result)
        }
    }

    private func compare(
        _ captured: [UInt8], _ message: CapturedMessage, _ live: [UInt8], _ operation: OperationSchema, _ path: String,
        _ call: CapturedCall, _ syntax: TransferSyntax,
        _ result: (ReplayReport.Verdict, String?, [FieldDifference]) -> ReplayReport.Call
    ) -> ReplayReport.Call {
        let old: FieldTree
        do throws(ValueError) {
            old = try operation.decodeResponse(
                captured, syntax: call.transferSyntax.flatMap { TransferSyntax($0) } ?? syntax,
                isBigEndian: message.isBigEndian)
        } catch {
            return captured == live
                ? result(.same, nil, []) : result(.notCompared, "the captured answer cannot be read: \(error)", [])
        }
        let new: FieldTree
        do throws(ValueError) {
            new = try operation.decodeResponse(live, syntax: syntax)
        } catch {
            return result(.differs, "the answer cannot be read: \(error)", [])
        }
        var comparison = AnswerComparison(
            identities: identities, rules: options.rules, servers: servers(call.association))
        comparison.compare(old, new, path: path)
        identities = comparison.identities
        let differences = comparison.differences
        if differences.isEmpty { return result(.same, nil, []) }
        return result(differences.contains { $0.allowed == nil } ? .differs : .allowed, nil, differences)
    }
}
