import TestSupport
import Testing

@testable import Reservations

/// Every command from every kind of nexus under every type of reservation: A is allowed, C is RESERVATION CONFLICT.
///
/// A row has the five columns of the standards' tables: under Write Exclusive from any other nexus; under Exclusive Access from any
/// other nexus; from a registered nexus under a type that admits registrants; from an unregistered nexus under the Write Exclusive
/// types of those; under their Exclusive Access types. Each row says which clause has it. Where the clause could not be
/// consulted itself, the row was compared with two targets that were written from it, LIO (`core_scsi3_pr_seq_non_holder`)
/// and SCST (its table of operation codes).
@Suite(.offThePool) struct ConflictMatrixTests {
    /// What is sent.
    enum Request: Sendable {
        /// A descriptor block in hexadecimal, with so many blocks of data.
        case command(String, blocks: Int = 0)
        /// UNMAP with an empty list of ranges.
        case unmap
        /// PERSISTENT RESERVE OUT with this key as SERVICE ACTION RESERVATION KEY; the sender's own key is put in.
        case reserveOut(SCSICommand.ReserveOutAction, to: UInt64 = 0)
    }

    struct Row: Sendable, CustomTestStringConvertible {
        var name: String
        var clause: String
        var request: Request
        var columns: String
        var testDescription: String { "\(name) (\(clause))" }

        init(_ name: String, _ clause: String, _ request: Request, _ columns: String) {
            self.name = name
            self.clause = clause
            self.request = request
            self.columns = columns
        }
    }

    private static let spc = "SPC-3 5.6.1, SPC commands"
    private static let sbc = "SBC-2 4.13, block commands"
    private static let thin = "SBC-3, reservations of the direct-access model"
    private static let out = "SPC-3 5.6.1, PERSISTENT RESERVE OUT"
    private static let legacy = "SPC-3 5.6.3, SPC-2 5.5.1"

    static let rows: [Row] = [
        Row("TEST UNIT READY", spc, .command("00 00 00 00 00 00"), "AAAAA"),
        Row("REQUEST SENSE", spc, .command("03 00 00 00 12 00"), "AAAAA"),
        Row("INQUIRY", spc, .command("12 00 00 00 24 00"), "AAAAA"),
        Row("INQUIRY page 83h", spc, .command("12 01 83 00 FF 00"), "AAAAA"),
        Row("REPORT LUNS", spc, .command("A0 00 00 00 00 00 00 00 00 10 00 00"), "AAAAA"),
        Row("LOG SENSE", spc, .command("4D 00 40 00 00 00 00 00 40 00"), "AAAAA"),
        Row("READ KEYS", spc, .command("5E 00 00 00 00 00 00 00 FF 00"), "AAAAA"),
        Row("READ RESERVATION", spc, .command("5E 01 00 00 00 00 00 00 FF 00"), "AAAAA"),
        Row("REPORT CAPABILITIES", spc, .command("5E 02 00 00 00 00 00 00 FF 00"), "AAAAA"),
        Row("READ FULL STATUS", spc, .command("5E 03 00 00 00 00 00 00 FF 00"), "AAAAA"),
        Row("MODE SENSE (6)", spc, .command("1A 00 3F 00 FF 00"), "ACAAC"),
        Row("MODE SENSE (10)", spc, .command("5A 00 3F 00 00 00 00 00 FF 00"), "ACAAC"),
        Row(
            "REPORT SUPPORTED OPERATION CODES", spc, .command("A3 0C 00 00 00 00 00 00 10 00 00 00"), "ACAAC"),
        Row("READ CAPACITY (10)", sbc, .command("25 00 00 00 00 00 00 00 00 00"), "AAAAA"),
        Row("READ CAPACITY (16)", sbc, .command("9E 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00"), "AAAAA"),
        Row("READ (6)", sbc, .command("08 00 00 01 01 00"), "ACAAC"),
        Row("READ (10)", sbc, .command("28 00 00 00 00 01 00 00 01 00"), "ACAAC"),
        Row("READ (12)", sbc, .command("A8 00 00 00 00 01 00 00 00 01 00 00"), "ACAAC"),
        Row("READ (16)", sbc, .command("88 00 00 00 00 00 00 00 00 01 00 00 00 01 00 00"), "ACAAC"),
        Row("WRITE (6)", sbc, .command("0A 00 00 01 01 00", blocks: 1), "CCACC"),
        Row("WRITE (10)", sbc, .command("2A 00 00 00 00 01 00 00 01 00", blocks: 1), "CCACC"),
        Row("WRITE (12)", sbc, .command("AA 00 00 00 00 01 00 00 00 01 00 00", blocks: 1), "CCACC"),
        Row("WRITE (16)", sbc, .command("8A 00 00 00 00 00 00 00 00 01 00 00 00 01 00 00", blocks: 1), "CCACC"),
        Row("SYNCHRONIZE CACHE (10)", sbc, .command("35 00 00 00 00 00 00 00 00 00"), "CCACC"),
        Row("SYNCHRONIZE CACHE (16)", sbc, .command("91 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00"), "CCACC"),
        Row("WRITE SAME (10)", sbc, .command("41 00 00 00 00 01 00 00 02 00", blocks: 1), "CCACC"),
        Row(
            "WRITE SAME (16)", sbc, .command("93 00 00 00 00 00 00 00 00 01 00 00 00 02 00 00", blocks: 1), "CCACC"),
        Row("WRITE SAME (16), unmapping", thin, .command("93 09 00 00 00 00 00 00 00 01 00 00 00 02 00 00"), "CCACC"),
        Row("UNMAP", thin, .unmap, "CCACC"),
        // GOOD without effect where it is allowed.
        Row("RESERVE (6)", legacy, .command("16 00 00 00 00 00"), "CCACC"),
        Row("RELEASE (6)", legacy, .command("17 00 00 00 00 00"), "CCACC"),
        // The first two columns are of both kinds of nexus; PERSISTENT RESERVE OUT tells them apart in every type: registered
        // first, unregistered second.
        Row("CLEAR", out, .reserveOut(.clear), "AC"),
        Row("PREEMPT", out, .reserveOut(.preempt, to: 1), "AC"),
        Row("PREEMPT AND ABORT", out, .reserveOut(.preemptAndAbort, to: 1), "AC"),
        Row("REGISTER", out, .reserveOut(.register, to: 22), "AA"),
        Row("REGISTER AND IGNORE EXISTING KEY", out, .reserveOut(.registerAndIgnoreExistingKey, to: 22), "AA"),
        Row("REGISTER AND MOVE", out, .reserveOut(.registerAndMove, to: 22), "CC"),
        Row("RELEASE", out, .reserveOut(.release), "AC"),
        Row("RESERVE", out, .reserveOut(.reserve), "CC"),
    ]

    /// Who sends the command.
    enum Role: Int, CaseIterable, Sendable {
        case holder
        case registrant
        case stranger
    }

    /// A unit reserved by node 1 (key 1), with node 2 registered (key 2) and node 3 not.
    static func reserved(_ type: ReservationType) throws -> (image: TemporaryImage, nodes: [EmulatedLogicalUnit]) {
        let image = try TemporaryImage()
        let nodes = try (1...3).map { try image.settledUnit($0) }
        nodes[0].mustReserveOut(.register, to: 1)
        nodes[1].mustReserveOut(.register, to: 2)
        nodes[0].mustReserveOut(.reserve, key: 1, type: type)
        return (image, nodes)
    }

    /// What a row says of a role under a type.
    static func conflicts(_ row: Row, _ type: ReservationType, _ role: Role) -> Bool {
        let columns = Array(row.columns)
        if case .reserveOut(let action, _) = row.request {
            // Of the all-registrants types every registrant is a holder, who may ask for what it has; but nobody may move what all
            // hold (SPC-3 5.6.7).
            let isHolder = role == .holder || type.isAllRegistrants && role == .registrant
            if isHolder { return action == .registerAndMove && type.isAllRegistrants }
            return columns[role == .registrant ? 0 : 1] == "C"
        }
        if role == .holder { return false }
        let isRegistrant = role == .registrant
        let column =
            switch type {
            case .writeExclusive: 0
            case .exclusiveAccess: 1
            case .writeExclusiveRegistrantsOnly, .writeExclusiveAllRegistrants: isRegistrant ? 2 : 3
            case .exclusiveAccessRegistrantsOnly, .exclusiveAccessAllRegistrants: isRegistrant ? 2 : 4
            }
        return columns[column] == "C"
    }

    static func send(_ request: Request, from unit: EmulatedLogicalUnit, _ role: Role, _ type: ReservationType)
        -> SCSIResult
    {
        switch request {
        case .command(let cdb, let blocks):
            return unit.execute(
                cdb: octets(cdb), dataOut: [UInt8](repeating: 7, count: blocks * 512), dataInLength: 4096)
        case .unmap:
            return unit.send(.unmap(isAnchored: false, parameterListLength: 8), octets("0006 0000 00000000"))
        case .reserveOut(.registerAndMove, let to):
            let list = ReserveOutParameters(
                key: key(UInt64(role == .stranger ? 0 : role.rawValue + 1)), serviceActionKey: key(to),
                move: .init(unregisters: false, targetPort: 1, transportID: InitiatorIdentity.node("node9").transportID)
            ).octets
            return unit.send(
                .persistentReserveOut(
                    .registerAndMove, scope: 0, type: 0, parameterListLength: UInt32(list.count)), list)
        case .reserveOut(let action, let to):
            return unit.reserveOut(
                action, key: role == .stranger ? 0 : UInt64(role.rawValue + 1), to: to, type: type)
        }
    }

    @Test(arguments: rows)
    func matrix(row: Row) throws {
        for type in ReservationType.allCases {
            for role in Role.allCases {
                let (image, nodes) = try Self.reserved(type)
                defer { withExtendedLifetime(image) {} }
                let result = Self.send(row.request, from: nodes[role.rawValue], role, type)
                let expected: SCSIStatus = Self.conflicts(row, type, role) ? .reservationConflict : .good
                #expect(result.status == expected, "\(row.name) under \(type) from a \(role): \(row.clause)")
            }
        }
    }

    /// Every command that the unit reports has its row.
    @Test func everyCommandHasARow() throws {
        let (image, nodes) = try Self.reserved(.writeExclusive)
        defer { withExtendedLifetime(image) {} }
        let list = nodes[0].send(.reportSupportedOperationCodes(.all, allocationLength: 4096)).data
        var missing: [UInt8] = []
        for offset in stride(from: 4, to: list.count, by: 8) where list[offset] != 0x5F {
            let code = list[offset]
            let isThere = Self.rows.contains { row in
                switch row.request {
                case .command(let cdb, _): octets(cdb)[0] == code
                case .unmap: code == 0x42
                case .reserveOut: false
                }
            }
            if !isThere { missing.append(code) }
        }
        #expect(missing == [])
        let actions = Self.rows.compactMap { row -> SCSICommand.ReserveOutAction? in
            if case .reserveOut(let action, _) = row.request { action } else { nil }
        }
        #expect(Set(actions) == Set(SCSICommand.ReserveOutAction.allCases))
    }

    /// A refused write leaves the medium as it was.
    @Test func refusedWriteWritesNothing() throws {
        let (image, nodes) = try Self.reserved(.writeExclusiveRegistrantsOnly)
        defer { withExtendedLifetime(image) {} }
        let write = SCSICommand.write(.init(first: 3, count: 1), form: .ten, forceUnitAccess: false)
        let read = SCSICommand.read(.init(first: 3, count: 1), form: .ten)
        #expect(nodes[0].send(write, [UInt8](repeating: 0xAA, count: 512)).status == .good)
        #expect(nodes[2].send(write, [UInt8](repeating: 0xBB, count: 512)).status == .reservationConflict)
        #expect(nodes[2].send(read).data == [UInt8](repeating: 0xAA, count: 512))
    }
}
