import DCERPC
import Foundation
import InterfaceValues
import NDR
import Security

/// A capture as one JSON object, whose form `docs/dissect.md` describes: `associations`, `calls`, `remarks` and `counts`.
public struct DissectionJSON {
    private let traffic: CapturedTraffic
    private let catalogue: InterfaceCatalogue

    /// - Parameter traffic: what was captured.
    public init(_ traffic: CapturedTraffic, catalogue: InterfaceCatalogue = .standard) {
        self.traffic = traffic
        self.catalogue = catalogue
    }

    /// Hands out the text, a piece at a time.
    public func write(_ emit: (String) throws -> Void) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        func json(_ value: some Encodable) throws -> String {
            String(decoding: try encoder.encode(value), as: UTF8.self)
        }
        func list<Element>(_ elements: [Element], _ body: (Element) throws -> String) throws {
            for (index, element) in elements.enumerated() {
                try emit((index == 0 ? "\n" : ",\n") + (try body(element)))
            }
        }
        try emit("{\"associations\": [")
        try list(traffic.associations) { try json(Association($0, catalogue)) }
        try emit("],\n\"calls\": [")
        var dissector = Dissector(catalogue: catalogue)
        try list(traffic.calls) { try json(Call(dissector.dissect($0))) }
        try emit("],\n\"remarks\": [")
        try list(traffic.remarks) {
            try json(
                Remark(association: $0.association, time: $0.time.map(CaptureWords.seconds), text: $0.text))
        }
        try emit("],\n\"counts\": \(try json(Counts(traffic.counts)))}\n")
    }

    private struct Remark: Encodable {
        var association: Int?
        var time: String?
        var text: String
    }

    private struct Counts: Encodable {
        var packets, otherPackets, fragments, connections, foreignConnections: Int
        var retransmissions, outOfOrder, lostOctets: Int

        init(_ counts: CaptureCounts) {
            packets = counts.packets
            otherPackets = counts.otherPackets
            fragments = counts.fragments
            connections = counts.connections
            foreignConnections = counts.foreignConnections
            retransmissions = counts.retransmissions
            outOfOrder = counts.outOfOrder
            lostOctets = counts.lostOctets
        }
    }

    private struct Identifier: Encodable {
        var uuid: String
        var version: String
        var name: String?

        init(_ identifier: SyntaxIdentifier, _ name: String?) {
            uuid = identifier.uuid.description
            version = "\(identifier.major).\(identifier.minor)"
            self.name = name
        }
    }

    private struct Association: Encodable {
        struct Negotiation: Encodable {
            var kind: String
            var callID: UInt32
            var time: String
            var contexts: [Context]
            var answer: String
        }

        struct Context: Encodable {
            var id: UInt16
            var interface: Identifier
            var transferSyntaxes: [String]
            var result: String?
        }

        struct Authentication: Encodable {
            var contextID: UInt32
            var provider, mechanism: String
            var level: UInt8
            var client: String?
            var isOpen: Bool
            var reason: String?
        }

        var id: Int
        var client, server, began, ended: String
        var hasBeginning: Bool
        var group: UInt32
        var negotiations: [Negotiation]
        var authentications: [Authentication]

        init(_ association: CapturedAssociation, _ catalogue: InterfaceCatalogue) {
            id = association.id
            client = association.client.description
            server = association.server.description
            began = CaptureWords.seconds(association.began)
            ended = CaptureWords.seconds(association.ended)
            hasBeginning = association.hasBeginning
            group = association.group
            negotiations = association.negotiations.map { negotiation in
                var results: [PresentationResult] = []
                let answer: String
                switch negotiation.answer {
                case .accepted(let given):
                    results = given
                    answer = "accepted"
                case .refused(let reason): answer = "refused, reason \(reason.rawValue)"
                case .fault(let fault): answer = "fault \(CaptureWords.fault(fault))"
                case .missing: answer = "missing"
                }
                return Negotiation(
                    kind: negotiation.isAlteration ? "alter_context" : "bind", callID: negotiation.callID,
                    time: CaptureWords.seconds(negotiation.sent),
                    contexts: negotiation.offers.enumerated().map { index, offer in
                        Context(
                            id: offer.id,
                            interface: Identifier(offer.abstractSyntax, catalogue.name(of: offer.abstractSyntax.uuid)),
                            transferSyntaxes: offer.transferSyntaxes.map(CaptureWords.syntax),
                            result: index < results.count ? CaptureWords.result(results[index]) : nil)
                    }, answer: answer)
            }
            authentications = association.authentications.map { authentication in
                var reason: String?
                if case .closed(let text) = authentication.access { reason = text }
                return Authentication(
                    contextID: authentication.contextID, provider: "\(authentication.provider)",
                    mechanism: "\(authentication.mechanism)", level: authentication.level,
                    client: authentication.client,
                    isOpen: reason == nil, reason: reason)
            }
        }
    }

    private struct Call: Encodable {
        struct Operation: Encodable {
            var opnum: UInt16
            var name: String?
        }

        struct Security: Encodable {
            var contextID: UInt32
            var provider: String
            var level: UInt8
        }

        struct Object: Encodable {
            var ipid: String
            var interface, classID, oxid, oid: String?
            var call: Int?
        }

        struct Message: Encodable {
            var time: String
            var size, fragments: Int
            var isBigEndian, isComplete: Bool
            var verificationTrailer: String?
            var fields: [FieldNode]
            var problem: String?
            var rest: String?

            init(_ message: CapturedMessage, _ dissected: DissectedMessage?) {
                time = CaptureWords.seconds(message.ended)
                size = message.stubLength
                fragments = message.fragments
                isBigEndian = message.isBigEndian
                isComplete = message.isComplete
                if !message.verificationTrailer.isEmpty {
                    verificationTrailer = CaptureWords.digits(message.verificationTrailer)
                }
                fields = dissected?.fields ?? []
                problem = dissected?.problem
                if let octets = dissected?.rest, !octets.isEmpty { rest = CaptureWords.digits(octets) }
            }
        }

        struct Fault: Encodable {
            var status: UInt32
            var words: String
            var didNotExecute: Bool
            var time: String
        }

        var number, association: Int
        var callID: UInt32
        var context: UInt16
        var interface: Identifier?
        var operation: Operation?
        var transferSyntax: String?
        var object: Object?
        var security: Security?
        var request, response: Message?
        var fault: Fault?
        var wantsNoResponse: Bool?
        var cancelled, orphaned: String?

        init(_ dissected: DissectedCall) {
            let call = dissected.call
            number = call.id
            association = call.association
            callID = call.callID
            context = call.presentationContext
            interface = call.interface.map { Identifier($0, dissected.interface) }
            operation = call.opnum.map { Operation(opnum: $0, name: dissected.operation) }
            transferSyntax = call.transferSyntax.map(CaptureWords.syntax)
            object = call.object.map { ipid in
                let known = dissected.object
                return Object(
                    ipid: ipid.description, interface: known?.interface?.description,
                    classID: known?.classID?.description,
                    oxid: known?.oxid.map { "0x" + String($0, radix: 16) },
                    oid: known?.oid.map { "0x" + String($0, radix: 16) }, call: known?.call)
            }
            security = call.protection.map {
                Security(contextID: $0.contextID, provider: "\($0.provider)", level: $0.level)
            }
            request = call.request.map { Message($0, dissected.request) }
            switch call.outcome {
            case .response(let message): response = Message(message, dissected.response)
            case .fault(let status, let didNotExecute, let time):
                fault = Fault(
                    status: status.status, words: CaptureWords.fault(status), didNotExecute: didNotExecute,
                    time: CaptureWords.seconds(time))
            case .none: wantsNoResponse = true
            case .missing: break
            }
            cancelled = call.cancelled.map(CaptureWords.seconds)
            orphaned = call.orphaned.map(CaptureWords.seconds)
        }
    }
}
