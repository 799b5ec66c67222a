import DCERPC
import InterfaceValues
import NDR

/// Gives calls their names and values, one after the other in their order: what earlier calls tell of objects helps with later ones.
public struct Dissector {
    private let catalogue: InterfaceCatalogue
    private var objects = ObjectDirectory()

    /// - Parameter catalogue: the interfaces that are known.
    public init(catalogue: InterfaceCatalogue = .standard) {
        self.catalogue = catalogue
    }

    /// Dissects the next call.
    public mutating func dissect(_ call: CapturedCall) -> DissectedCall {
        let object = call.object.flatMap { objects[$0] }
        // Where the bind is not in the capture, the object may tell what it is an interface of.
        let schema =
            call.interface.flatMap { catalogue.interface($0) }
            ?? (call.interface == nil ? object?.interface.flatMap { catalogue.interface(uuid: $0) } : nil)
        let operation = call.opnum.flatMap { schema?.operation($0) }
        let request = call.request.map { message in
            dissect(message, call, schema, operation) { octets, syntax, isBigEndian throws(ValueError) in
                try operation?.decodeRequest(octets, syntax: syntax, isBigEndian: isBigEndian)
            }
        }
        let response = call.response.map { message in
            dissect(message, call, schema, operation) { octets, syntax, isBigEndian throws(ValueError) in
                try operation?.decodeResponse(octets, syntax: syntax, isBigEndian: isBigEndian)
            }
        }
        if let response { objects.learn(call.id, request: request?.fields ?? [], response: response.fields) }
        return DissectedCall(
            call: call, interface: schema?.name ?? call.interface.flatMap { catalogue.name(of: $0.uuid) },
            operation: operation?.name, object: object, request: request, response: response)
    }

    private func dissect(
        _ message: CapturedMessage, _ call: CapturedCall, _ schema: InterfaceSchema?, _ operation: OperationSchema?,
        _ decode: ([UInt8], TransferSyntax, Bool) throws(ValueError) -> FieldTree?
    ) -> DissectedMessage {
        let octets: [UInt8]
        switch message.stub {
        case .plain(let plain): octets = plain
        case .unreadable(let reason): return DissectedMessage(fields: [], problem: reason, rest: [])
        }
        func unread(_ problem: String) -> DissectedMessage {
            DissectedMessage(fields: [], problem: problem, rest: octets)
        }
        guard message.isComplete else { return unread("its last fragment is not in the capture") }
        guard schema != nil else { return unread("the interface is not known here") }
        guard let operation else { return unread("the interface has no such operation") }
        let syntax: TransferSyntax
        if let named = call.transferSyntax {
            guard let known = TransferSyntax(named) else {
                return unread("the transfer syntax \(named) is not known here")
            }
            syntax = known
        } else {
            syntax = .ndr20
        }
        do throws(ValueError) {
            guard let tree = try decode(octets, syntax, message.isBigEndian) else {
                return unread("the interface has no such operation")
            }
            return DissectedMessage(fields: tree.fields, problem: nil, rest: tree.trailing)
        } catch {
            return unread("it is no stub of \(operation.name): \(error)")
        }
    }
}
