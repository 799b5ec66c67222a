import Testing

@testable import Reservations

/// Every command from every kind of nexus under every type of reservation.
///
/// The expectations are copied from SPC-3 table 31 (SPC commands), SBC-2 table 7 (block commands) and SPC-3 table 32
/// (PERSISTENT RESERVE OUT): A is allowed, C is conflict. The five columns of the first two tables are: under Write
/// Exclusive from any other nexus; under Exclusive Access from any other nexus; from a registered nexus under a type that
/// admits registrants; from an unregistered nexus under the Write Exclusive types of those; under the Exclusive Access types.
@Suite struct ConflictMatrixTests {
    struct Row: Sendable {
        var name: String
        var cdb: String
        var data = 0
        var columns: String
    }

    static let rows: [Row] = [
        Row(name: "TEST UNIT READY", cdb: "00 00 00 00 00 00", columns: "AAAAA"),
        Row(name: "REQUEST SENSE", cdb: "03 00 00 00 12 00", columns: "AAAAA"),
        Row(name: "INQUIRY", cdb: "12 00 00 00 24 00", columns: "AAAAA"),
        Row(name: "INQUIRY page 83h", cdb: "12 01 83 00 FF 00", columns: "AAAAA"),
        Row(name: "REPORT LUNS", cdb: "A0 00 00 00 00 00 00 00 00 10 00 00", columns: "AAAAA"),
        Row(name: "READ CAPACITY (10)", cdb: "25 00 00 00 00 00 00 00 00 00", columns: "AAAAA"),
        Row(
            name: "READ CAPACITY (16)", cdb: "9E 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00", columns: "AAAAA"),
        Row(name: "READ KEYS", cdb: "5E 00 00 00 00 00 00 00 FF 00", columns: "AAAAA"),
        Row(name: "READ RESERVATION", cdb: "5E 01 00 00 00 00 00 00 FF 00", columns: "AAAAA"),
        Row(name: "REPORT CAPABILITIES", cdb: "5E 02 00 00 00 00 00 00 FF 00", columns: "AAAAA"),
        Row(name: "READ FULL STATUS", cdb: "5E 03 00 00 00 00 00 00 FF 00", columns: "AAAAA"),
        Row(name: "MODE SENSE (6)", cdb: "1A 00 3F 00 FF 00", columns: "ACAAC"),
        Row(name: "MODE SENSE (10)", cdb: "5A 00 3F 00 00 00 00 00 FF 00", columns: "ACAAC"),
        Row(
            name: "REPORT SUPPORTED OPERATION CODES", cdb: "A3 0C 00 00 00 00 00 00 10 00 00 00", columns: "ACAAC"),
        Row(name: "READ (6)", cdb: "08 00 00 01 01 00", columns: "ACAAC"),
        Row(name: "READ (10)", cdb: "28 00 00 00 00 01 00 00 01 00", columns: "ACAAC"),
        Row(name: "READ (12)", cdb: "A8 00 00 00 00 01 00 00 00 01 00 00", columns: "ACAAC"),
        Row(name: "READ (16)", cdb: "88 00 00 00 00 00 00 00 00 01 00 00 00 01 00 00", columns: "ACAAC"),
        Row(name: "WRITE (6)", cdb: "0A 00 00 01 01 00", data: 512, columns: "CCACC"),
        Row(name: "WRITE (10)", cdb: "2A 00 00 00 00 01 00 00 01 00", data: 512, columns: "CCACC"),
        Row(name: "WRITE (12)", cdb: "AA 00 00 00 00 01 00 00 00 01 00 00", data: 512, columns: "CCACC"),
        Row(name: "WRITE (16)", cdb: "8A 00 00 00 00 00 00 00 00 01 00 00 00 01 00 00", data: 512, columns: "CCACC"),
        Row(name: "SYNCHRONIZE CACHE (10)", cdb: "35 00 00 00 00 00 00 00 00 00", columns: "CCACC"),
        Row(name: "SYNCHRONIZE CACHE (16)", cdb: "91 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00", columns: "CCACC"),
    ]

    /// A unit reserved by node 1 (key 1), with node 2 registered (key 2) and node 3 not.
    static func reserved(
        _ type: ReservationType
    ) throws -> (image: TemporaryImage, nodes: [EmulatedLogicalUnit]) {
        let image = try TemporaryImage()
        let nodes = try (1...3).map { try image.settledUnit($0) }
        nodes[0].mustReserveOut(.register, to: 1)
        nodes[1].mustReserveOut(.register, to: 2)
        nodes[0].mustReserveOut(.reserve, key: 1, type: type)
        return (image, nodes)
    }

    @Test(arguments: ReservationType.allCases)
    func commandsFollowTheTables(type: ReservationType) throws {
        let (image, nodes) = try Self.reserved(type)
        defer { withExtendedLifetime(image) {} }
        for row in Self.rows {
            let columns = row.columns.map { $0 == "C" }
            let registrant: Bool
            let stranger: Bool
            switch type {
            case .writeExclusive: (registrant, stranger) = (columns[0], columns[0])
            case .exclusiveAccess: (registrant, stranger) = (columns[1], columns[1])
            case .writeExclusiveRegistrantsOnly, .writeExclusiveAllRegistrants:
                (registrant, stranger) = (columns[2], columns[3])
            case .exclusiveAccessRegistrantsOnly, .exclusiveAccessAllRegistrants:
                (registrant, stranger) = (columns[2], columns[4])
            }
            for (node, conflicts) in zip(nodes, [false, registrant, stranger]) {
                let result = node.execute(
                    cdb: octets(row.cdb), dataOut: [UInt8](repeating: 7, count: row.data), dataInLength: 4096)
                let expected: SCSIStatus = conflicts ? .reservationConflict : .good
                #expect(result.status == expected, "\(row.name) under \(type) from \(node.nexus.initiator.name)")
            }
        }
    }

    /// SPC-3 table 32: from a registered nexus, from an unregistered one.
    @Test(arguments: ReservationType.allCases)
    func reserveOutFollowsItsTable(type: ReservationType) throws {
        let rows: [(SCSICommand.ReserveOutAction, to: UInt64, registrant: SCSIStatus, stranger: SCSIStatus)] = [
            (.clear, 0, .good, .reservationConflict),
            (.preempt, 1, .good, .reservationConflict),
            (.preemptAndAbort, 1, .good, .reservationConflict),
            (.register, 22, .good, .good),
            (.registerAndIgnoreExistingKey, 22, .good, .good),
            (.release, 0, .good, .reservationConflict),
            // The registrants of the all-registrants types are holders, who may ask for what they have.
            (.reserve, 0, type.isAllRegistrants ? .good : .reservationConflict, .reservationConflict),
        ]
        for row in rows {
            for node in [1, 2] {
                let (image, nodes) = try Self.reserved(type)
                defer { withExtendedLifetime(image) {} }
                let key: UInt64 = row.0 == .register && node == 2 ? 0 : 2
                let result = nodes[node].reserveOut(row.0, key: key, to: row.to, type: type)
                #expect(result.status == (node == 1 ? row.registrant : row.stranger), "\(row.0) from node \(node + 1)")
            }
        }
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
