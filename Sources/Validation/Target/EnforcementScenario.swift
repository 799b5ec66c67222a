import Reservations

/// Whether a reservation of one type lets through whom it has to, and nobody else (SPC-3 table 31).
struct EnforcementScenario {
    let bench: TargetBench
    let type: ReservationType

    /// Reads and writes as the holder, as a stranger and as a registrant. What is written is what was there, so that an
    /// unenforced reservation costs no data.
    func run() throws {
        guard let scratch = bench.scratch else { return }
        let (first, second) = (bench.first, bench.second)
        try bench.demand("Register", by: first, .register, rule: "Nobody is registered.") { [key = first.key] in
            try $0.register(existing: .none, new: key)
        }
        try bench.demand("Reserve: \(type.standardName)", by: first, .reserve, rule: "The type is supported.") {
            [type, key = first.key] in
            try $0.reserve(key: key, type: type)
        }
        // Every all-registrants reservation tells a key of zero (SPC-3 6.11.3.3).
        let answer = try bench.demand("Read the reservation", by: first, .readReservation, rule: "Everybody may.") {
            try $0.readReservation()
        }
        try bench.conclude(
            answer?.holder?.type == type, "It is of that type",
            else: "RESERVE with the type \(type.standardName) made a reservation of the type "
                + "\(answer?.holder.map { $0.type.standardName } ?? "none").", .reserve)

        let content = try bench.demand("Read", by: first, .read, rule: "The holder may read.") {
            try $0.read(block: scratch, count: 1)
        }
        guard let content else { return }
        try write(content, scratch, by: first, expecting: .good, "The holder may write.")

        let reader: SCSIOutcome = type.admitsReaders ? .good : .conflict
        try bench.demand(
            "Read as a stranger", by: second, .read, expecting: reader,
            rule: type.admitsReaders
                ? "\(type.standardName) lets everybody read." : "\(type.standardName) lets no stranger read."
        ) { _ = try $0.read(block: scratch, count: 1) }
        try write(
            content, scratch, by: second, expecting: .conflict, "\(type.standardName) lets no stranger write.",
            "as a stranger")

        try bench.demand("Register", by: second, .register, rule: "A reservation does not forbid it.") {
            [key = second.key] in
            try $0.register(existing: .none, new: key)
        }
        let mayRead = type.admitsReaders || type.admitsRegistrants
        try bench.demand(
            "Read as a registrant", by: second, .read, expecting: mayRead ? .good : .conflict,
            rule: "\(type.standardName) lets \(mayRead ? "" : "no ")registrants read."
        ) { _ = try $0.read(block: scratch, count: 1) }
        try write(
            content, scratch, by: second, expecting: type.admitsRegistrants ? .good : .conflict,
            "\(type.standardName) lets \(type.admitsRegistrants ? "" : "no ")registrants write.", "as a registrant")
    }

    private func write(
        _ content: [UInt8], _ block: UInt64, by initiator: TargetInitiator, expecting expected: SCSIOutcome,
        _ rule: String,
        _ role: String = "as the holder"
    ) throws {
        try bench.demand("Write \(role)", by: initiator, .write, expecting: expected, rule: rule) {
            try $0.write(block: block, content)
        }
    }
}
