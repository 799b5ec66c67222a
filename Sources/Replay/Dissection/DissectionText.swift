import DCERPC
import InterfaceValues
import NDR
import Security

/// A capture as text: its associations, each call with its request and its response, and what is to be said besides.
public struct DissectionText {
    /// The octets that are shown of a stub that has no values.
    static let mostOctets = 1024
    /// What two columns need at least.
    static let leastWidth = 120

    private let traffic: CapturedTraffic
    private let columns: Int?
    private let isBrief: Bool
    private let catalogue: InterfaceCatalogue

    /// - Parameters:
    ///   - traffic: what was captured.
    ///   - width: the columns of a terminal: requests stand beside their responses where there is room; nil for one below the
    ///     other.
    ///   - isBrief: whether calls are shown without their values.
    public init(
        _ traffic: CapturedTraffic, width: Int? = nil, isBrief: Bool = false, catalogue: InterfaceCatalogue = .standard
    ) {
        self.traffic = traffic
        columns = width.flatMap { $0 >= Self.leastWidth ? $0 : nil }
        self.isBrief = isBrief
        self.catalogue = catalogue
    }

    /// Hands out all lines, a few at a time.
    public func write(_ emit: ([String]) -> Void) {
        for association in traffic.associations { emit(lines(association) + [""]) }
        var dissector = Dissector(catalogue: catalogue)
        for call in traffic.calls { emit(lines(dissector.dissect(call))) }
        emit(remarks() + [summary()])
    }

    // MARK: Associations

    private func lines(_ association: CapturedAssociation) -> [String] {
        var lines = [
            "Association \(association.id): \(association.client) to \(association.server), "
                + "\(CaptureWords.clock(association.began)) to \(CaptureWords.clock(association.ended)) UTC"
        ]
        for negotiation in association.negotiations {
            let kind = negotiation.isAlteration ? "alter_context" : "bind"
            switch negotiation.answer {
            case .accepted(let results):
                for (index, offer) in negotiation.offers.enumerated() {
                    let result = index < results.count ? CaptureWords.result(results[index]) : "not answered"
                    lines.append("  \(kind): context \(offer.id) \(name(offer.abstractSyntax)), \(result)")
                }
                if negotiation.offers.isEmpty { lines.append("  \(kind) without contexts") }
            case .refused(let reason):
                lines.append("  \(kind) of \(names(negotiation)): refused, reason \(reason.rawValue)")
            case .fault(let fault):
                lines.append("  \(kind) of \(names(negotiation)): fault \(CaptureWords.fault(fault))")
            case .missing: lines.append("  \(kind) of \(names(negotiation)): no answer in the capture")
            }
        }
        for authentication in association.authentications {
            let mechanism =
                authentication.mechanism == authentication.provider
                ? "\(authentication.mechanism)" : "\(authentication.mechanism) by \(authentication.provider)"
            let client = authentication.client.map { " of \(CaptureWords.printable($0))" } ?? ""
            let head = "  \(mechanism)\(client), \(CaptureWords.level(authentication.level))"
            switch authentication.access {
            case .open: lines.append(head + ", opened")
            case .closed(let reason): lines.append(head + ", not opened: \(CaptureWords.printable(reason))")
            }
        }
        return lines
    }

    private func names(_ negotiation: CapturedNegotiation) -> String {
        negotiation.offers.isEmpty
            ? "nothing" : negotiation.offers.map { name($0.abstractSyntax) }.joined(separator: ", ")
    }

    private func name(_ identifier: SyntaxIdentifier) -> String {
        catalogue.name(of: identifier.uuid) ?? identifier.description
    }

    // MARK: Calls

    private func lines(_ dissected: DissectedCall) -> [String] {
        let call = dissected.call
        var facts = ["association \(call.association)", CaptureWords.clock(call.began)]
        if let duration = call.duration { facts.append(CaptureWords.milliseconds(duration)) }
        var title = "Call \(call.id): \(dissected.title)"
        if dissected.operation != nil, let opnum = call.opnum { title += " (\(opnum))" }
        if isBrief { return ["\(title), \(facts.joined(separator: ", ")): \(outcome(dissected))"] }
        var lines = [title, "  " + facts.joined(separator: ", ") + protection(call)]
        if let object = call.object { lines.append("  on " + words(object, dissected.object)) }
        if let time = call.cancelled { lines.append("  cancelled by the client at \(CaptureWords.clock(time))") }
        if let time = call.orphaned { lines.append("  given up by the client at \(CaptureWords.clock(time))") }
        let request = column("request", call.request, dissected.request)
        let response: [String]
        switch call.outcome {
        case .response(let message): response = column("response", message, dissected.response)
        case .fault(let fault, let didNotExecute, _):
            response = ["fault: \(CaptureWords.fault(fault))" + (didNotExecute ? ", it did not begin" : "")]
        case .none: response = ["no response is wanted"]
        case .missing: response = ["the capture has no response"]
        }
        return lines + arrange(request, response) + [""]
    }

    private func protection(_ call: CapturedCall) -> String {
        guard let protection = call.protection else { return ", in the clear" }
        // Associations are numbered from 1, in their order.
        let place = call.association - 1
        let known =
            traffic.associations.indices.contains(place)
            ? traffic.associations[place].authentications.last { $0.contextID == protection.contextID } : nil
        let client = known?.client.map { " of \(CaptureWords.printable($0))" } ?? ""
        return ", \(CaptureWords.level(protection.level)) by \(known?.mechanism ?? protection.provider)\(client)"
    }

    private func words(_ ipid: GUID, _ object: DissectedObject?) -> String {
        guard let object else { return "\(ipid)" }
        var text = "\(ipid)"
        if let interface = object.interface { text += ", \(catalogue.name(of: interface) ?? "\(interface)")" }
        if let classID = object.classID { text += " of \(className(classID))" }
        if let oxid = object.oxid { text += ", exporter 0x\(String(oxid, radix: 16))" }
        return text + ", told by call \(object.call)"
    }

    private func className(_ classID: GUID) -> String {
        guard let name = catalogue.name(of: classID) else { return "\(classID)" }
        return name.hasPrefix("CLSID_") ? String(name.dropFirst(6)) : name
    }

    private func outcome(_ dissected: DissectedCall) -> String {
        switch dissected.call.outcome {
        case .response:
            if let problem = dissected.response?.problem { return CaptureWords.printable(problem) }
            guard let last = dissected.response?.fields.last, let words = last.words(catalogue) else {
                return "answered"
            }
            return last.name == "returnValue" ? words : "answered"
        case .fault(let fault, _, _): return "fault \(CaptureWords.fault(fault))"
        case .none: return "no response is wanted"
        case .missing: return "the capture has no response"
        }
    }

    private func column(_ title: String, _ message: CapturedMessage?, _ dissected: DissectedMessage?) -> [String] {
        guard let message, let dissected else { return ["the capture has no \(title)"] }
        let pieces = message.fragments == 1 ? "" : " in \(message.fragments) fragments"
        let order = message.isBigEndian ? ", big endian" : ""
        var lines = ["\(title): \(message.stubLength) octets\(pieces)\(order)"]
        if !message.verificationTrailer.isEmpty {
            lines.append("  with a verification trailer of \(message.verificationTrailer.count) octets behind it")
        }
        lines += dissected.fields.flatMap { $0.lines(catalogue, indentation: 2) }.map(CaptureWords.printable)
        if let problem = dissected.problem { lines.append("  cannot be read: \(CaptureWords.printable(problem))") }
        if !dissected.rest.isEmpty {
            if dissected.problem == nil { lines.append("  behind the last value:") }
            lines += CaptureWords.hexadecimal(dissected.rest, most: Self.mostOctets).map { "    " + $0 }
        }
        return lines
    }

    /// Beside each other where there is room, otherwise below.
    private func arrange(_ left: [String], _ right: [String]) -> [String] {
        guard let columns else { return (left + right).map { "  " + $0 } }
        let width = (columns - 6) / 2
        let (left, right) = (left.flatMap { wrapped($0, width) }, right.flatMap { wrapped($0, width) })
        return (0..<max(left.count, right.count)).map { index in
            let first = index < left.count ? left[index] : ""
            guard index < right.count else { return "  " + first }
            return "  \(first)\(String(repeating: " ", count: max(0, width - first.count))) │ \(right[index])"
        }
    }

    /// A line in pieces that fit; those after the first are indented further.
    private func wrapped(_ line: String, _ width: Int) -> [String] {
        guard line.count > width else { return [line] }
        let indentation = String(repeating: " ", count: min(line.prefix { $0 == " " }.count + 4, width / 2))
        var pieces = [String(line.prefix(width))]
        var rest = line.dropFirst(width)
        while !rest.isEmpty {
            let count = width - indentation.count
            pieces.append(indentation + rest.prefix(count))
            rest = rest.dropFirst(count)
        }
        return pieces
    }

    // MARK: The end

    private func remarks() -> [String] {
        guard !traffic.remarks.isEmpty else { return [] }
        return ["Remarks:"]
            + traffic.remarks.map { remark in
                let place = remark.association.map { "association \($0): " } ?? ""
                return "  \(place)\(CaptureWords.printable(remark.text))"
            } + [""]
    }

    private func summary() -> String {
        let counts = traffic.counts
        var parts = [
            "\(traffic.calls.count) calls on \(traffic.associations.count) associations, \(counts.packets) packets"
        ]
        if counts.foreignConnections > 0 {
            parts.append("\(counts.foreignConnections) TCP connections of other protocols")
        }
        if counts.otherPackets > 0 { parts.append("\(counts.otherPackets) packets that are not TCP") }
        if counts.retransmissions > 0 { parts.append("\(counts.retransmissions) segments retransmitted") }
        if counts.outOfOrder > 0 { parts.append("\(counts.outOfOrder) out of order") }
        if counts.lostOctets > 0 { parts.append("\(counts.lostOctets) octets not captured") }
        return parts.joined(separator: ", ")
    }
}
