import Reservations

/// What `clusprep reservations --json` prints.
struct ReservationReport: Encodable, Equatable {
    /// Grows when a field changes its meaning or goes; new fields do not change it.
    var schema = 1
    /// The target.
    var disk: String
    /// What was done.
    var action: ReservationAction
    /// `done`, `conflict` or `failed`.
    var result: Result
    /// Why it was not done.
    var problem: String?
    /// What is registered and reserved afterwards; missing where the disk does not say.
    var state: ReservationState?

    /// How it ended.
    enum Result: String, Encodable {
        case done, conflict, failed
    }

    /// For people.
    func lines(on terminal: Terminal, questions: Set<ReservationQuestion> = Set(ReservationQuestion.allCases))
        -> [String]
    {
        guard let state else { return [] }
        var lines: [String] = []
        func add(_ title: String, _ values: [String]) {
            for (index, value) in values.enumerated() {
                let title = index == 0 ? title : ""
                let padding = String(repeating: " ", count: 15 - title.count)
                lines.append(terminal.styled(title, .bold) + padding + value)
            }
        }
        add("Generation", ["\(state.generation)"])
        if questions.contains(.keys) { add("Keys", state.keys.isEmpty ? ["none"] : state.keys) }
        if questions.contains(.reservation) { add("Reservation", [Self.text(of: state.reservation)]) }
        if questions.contains(.capabilities) {
            add("Capabilities", state.capabilities.map(Self.lines) ?? ["the disk does not tell them"])
        }
        if questions.contains(.fullStatus) {
            add("Registrations", Self.lines(of: state.registrations))
        }
        return lines
    }

    private static func text(of reservation: ReservationState.Held?) -> String {
        guard let reservation else { return "none" }
        let holder = reservation.key.map { "held with \($0)" } ?? "held by all registrants"
        return "\(reservation.typeName) (\(reservation.type)), \(holder)"
    }

    private static func lines(of capabilities: ReservationState.Capabilities) -> [String] {
        func word(_ value: Bool) -> String { value ? "yes" : "no" }
        return [
            "tolerates RESERVE and RELEASE (CRH): \(word(capabilities.compatibleReservationHandling))",
            "registers for other initiator ports (SIP_C): \(word(capabilities.specifyInitiatorPorts))",
            "registers through all target ports (ATP_C): \(word(capabilities.allTargetPorts))",
            "persists through power loss (PTPL_C): \(word(capabilities.persistThroughPowerLoss))",
            "and does so now (PTPL_A): \(word(capabilities.persistThroughPowerLossActivated))",
            "types: "
                + (capabilities.types.map { types in
                    types.compactMap { ReservationType(rawValue: $0)?.shortName }.joined(separator: " ")
                } ?? "not told"),
        ]
    }

    private static func lines(of registrations: [ReservationState.Registration]?) -> [String] {
        guard let registrations else { return ["the disk does not tell them"] }
        guard !registrations.isEmpty else { return ["none"] }
        var table = TextTable("KEY", "HOLDER", "PORT", "INITIATOR")
        for registration in registrations {
            table.add([
                registration.key, registration.isHolder ? "yes" : "no",
                registration.targetPort.map { "\($0)" } ?? "all",
                registration.initiator ?? "TransportID \(registration.transportID)",
            ])
        }
        return table.lines
    }
}
