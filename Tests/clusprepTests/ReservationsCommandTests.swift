import ArgumentParser
import Foundation
import Reservations
import Testing

@testable import clusprep

/// `clusprep reservations` on images: what each action does, what it refuses, and how it says so.
struct ReservationsCommandTests {
    // MARK: Arguments

    @Test(
        arguments: [
            ("1", 1), ("0x1", 1), ("ABCDEF", 0xABCDEF), ("0XfF", 0xFF), ("ffffffffffffffff", .max), ("0", 0),
        ] as [(String, UInt64)])
    func keys(_ text: String, _ value: UInt64) {
        #expect(ReservationKey(argument: text)?.rawValue == value)
    }

    @Test(arguments: ["", "0x", "g", "-1", "+1", "10000000000000000", " 1", "0x0x1", "１"])
    func noKeys(_ text: String) {
        #expect(ReservationKey(argument: text) == nil)
    }

    @Test func types() {
        for type in ReservationType.allCases {
            for text in ["\(type.rawValue)", "0x\(type.rawValue)", type.shortName, type.longName] {
                #expect(ReservationType(argument: text) == type)
                #expect(ReservationType(argument: text.uppercased()) == type)
            }
        }
        for text in ["0", "2", "4", "9", "", "write", "wx", "100"] { #expect(ReservationType(argument: text) == nil) }
        #expect(
            ReservationType.allCases.map(\.longName) == [
                "write-exclusive", "exclusive-access", "write-exclusive-registrants-only",
                "exclusive-access-registrants-only", "write-exclusive-all-registrants",
                "exclusive-access-all-registrants",
            ])
    }

    @Test(arguments: [
        ("register", "register needs --new-key"),
        ("register --new-key 1 --type we", "register does not take --type"),
        ("register --new-key 1 --key 2 --ignore-existing", "--key together with --ignore-existing"),
        ("reserve --type we", "reserve needs --key"),
        ("reserve --key 1", "reserve needs --type"),
        ("reserve --key 1 --type we --new-key 2", "reserve does not take --service-action-key"),
        ("reserve --key 1 --type we --aptpl", "reserve does not take --aptpl"),
        ("release --key 1", "release needs --type"),
        ("preempt --key 1 --type we", "preempt needs --service-action-key"),
        ("preempt --key 1 --new-key 2", "preempt needs --type"),
        ("clear", "clear needs --key"),
        ("clear --key 1 --abort", "clear does not take --abort"),
        ("clear --key 1 keys", "clear does not take what to show"),
        ("show --key 1", "show does not take --key"),
        ("show --all-target-ports", "show does not take --all-target-ports"),
        ("show --register-first", "show does not take --register-first"),
        ("register --new-key 1 --register-first", "register does not take --register-first"),
        ("show everything", "everything"),
        ("steal", "steal"),
        ("reserve --key nonsense --type we", "nonsense"),
        ("reserve --key 1 --type 2", "--type"),
        ("show --as iqn.a,b", "is no iSCSI name"),
    ])
    func wrongCommandLines(_ line: String, _ part: String) throws {
        let arguments = ["/tmp/x.img"] + line.split(separator: " ").map(String.init)
        let message = try #require(refusal(of: ReservationsCommand.self, arguments))
        #expect(message.contains(part))
    }

    @Test func aTargetThatIsNone() throws {
        let message = try #require(refusal(of: ReservationsCommand.self, ["http://host/x", "show"]))
        #expect(message.contains("http"))
    }

    @Test func identities() throws {
        func identity(_ arguments: String...) throws -> InitiatorIdentity {
            try TargetOptions.parse(arguments).identity()
        }
        #expect(try identity("--as", "a") == .node("a"))
        #expect(try identity("--as", "iqn.2024-05.example:X").name == "iqn.2024-05.example:x")
        // The same each time, and nobody else's.
        #expect(try identity() == identity())
        #expect(try identity() != identity("--as", "a"))
    }

    // MARK: Actions

    @Test func aLifeOfAReservation() async throws {
        try await withFolder { folder async throws in
            let image = folder.appendingPathComponent("a.img")
            try makeImage(image)
            let disk = image.path
            #expect(try reservations(disk, "show", "--as", "a").state?.keys == [])

            var report = try reservations(disk, "register", "--new-key", "A1", "--as", "a")
            #expect(report.result == .done)
            #expect(report.state?.keys == ["0x00000000000000a1"])
            // Registering again needs the key; the ignoring kind does not.
            #expect(try reservations(disk, "register", "--new-key", "A2", "--as", "a").result == .conflict)
            #expect(
                try reservations(disk, "register", "--key", "A1", "--new-key", "A2", "--as", "a").result == .done)
            report = try reservations(disk, "register", "--ignore-existing", "--new-key", "A3", "--as", "a")
            #expect(report.state?.keys == ["0x00000000000000a3"])

            report = try reservations(disk, "reserve", "--key", "A3", "--type", "wero", "--as", "a")
            #expect(report.state?.reservation?.key == "0x00000000000000a3")
            #expect(report.state?.reservation?.type == 5)

            // Another initiator: may not reserve, not release, and clear only once registered.
            #expect(try reservations(disk, "reserve", "--key", "A3", "--type", "5", "--as", "b").result == .conflict)
            #expect(try reservations(disk, "clear", "--key", "A3", "--as", "b").result == .conflict)
            #expect(try reservations(disk, "register", "--new-key", "B1", "--as", "b").state?.keys.count == 2)
            // A registrant that does not hold it releases nothing, and that is no error.
            report = try reservations(disk, "release", "--key", "B1", "--type", "5", "--as", "b")
            #expect(report.result == .done)
            #expect(report.state?.reservation != nil)

            // The victim's key, not the holder's own.
            #expect(
                try reservations(
                    disk, "preempt", "--key", "B1", "--service-action-key", "C1", "--type", "5", "--as", "b"
                ).result == .conflict)
            report = try reservations(
                disk, "preempt", "--key", "B1", "--service-action-key", "A3", "--type", "ea", "--abort", "--as", "b")
            #expect(report.result == .done)
            #expect(report.state?.keys == ["0x00000000000000b1"])
            #expect(report.state?.reservation?.typeName == "Exclusive Access")

            // Releasing with another type is a mistake, not a conflict.
            report = try reservations(disk, "release", "--key", "B1", "--type", "we", "--as", "b")
            #expect(report.result == .failed)
            #expect(report.problem?.contains("of another type") == true)
            #expect(
                try reservations(disk, "release", "--key", "B1", "--type", "ea", "--as", "b").state?.reservation == nil)
            #expect(try reservations(disk, "clear", "--key", "B1", "--as", "b").state?.keys == [])
        }
    }

    @Test func registeringFirst() async throws {
        try await withFolder { folder async throws in
            let image = folder.appendingPathComponent("a.img")
            try makeImage(image)
            let arguments = [image.path, "reserve", "--key", "A1", "--type", "wero", "--as", "a"]
            let refused = try ReservationsCommand.parse(arguments)
            #expect(refused.report(with: try refused.options.opener()).result == .conflict)
            let command = try ReservationsCommand.parse(arguments + ["--register-first"])
            let report = command.report(with: try command.options.opener())
            #expect(report.result == .done)
            #expect(report.state?.keys == ["0x00000000000000a1"])
            #expect(report.state?.reservation?.key == "0x00000000000000a1")
        }
    }

    @Test func powerLossAndTargetPorts() async throws {
        try await withFolder { folder async throws in
            let image = folder.appendingPathComponent("a.img")
            try makeImage(image)
            _ = try reservations(image.path, "register", "--new-key", "1", "--aptpl", "--as", "a")
            var state = try #require(try reservations(image.path, "show", "--as", "a").state)
            #expect(state.capabilities?.persistThroughPowerLossActivated == true)
            #expect(state.registrations?.map(\.allTargetPorts) == [false])
            _ = try reservations(
                image.path, "register", "--ignore-existing", "--new-key", "2", "--all-target-ports", "--as", "a")
            state = try #require(try reservations(image.path, "show", "--as", "a").state)
            // The last REGISTER decides over APTPL (SPC-3 6.12.3).
            #expect(state.capabilities?.persistThroughPowerLossActivated == false)
            // An image is a device of two target ports.
            #expect(state.keys == ["0x0000000000000002", "0x0000000000000002"])
        }
    }

    @Test func whatCannotBeOpened() throws {
        let report = try reservations("/nonexistent/disk.img", "show")
        #expect(report.result == .failed)
        #expect(report.state == nil)
        #expect(report.problem?.hasPrefix("cannot open /nonexistent/disk.img: ") == true)
    }

    // MARK: Output

    /// The schema is a promise: a change of this text is a change of the schema.
    @Test func json() async throws {
        try await withFolder { folder async throws in
            let image = folder.appendingPathComponent("a.img")
            try makeImage(image)
            _ = try reservations(image.path, "register", "--new-key", "A1", "--as", "a")
            var report = try reservations(image.path, "reserve", "--key", "a1", "--type", "7", "--as", "a")
            report.disk = "/disks/a.img"
            #expect(
                try report.prettyJSON() == """
                    {
                      "action" : "reserve",
                      "disk" : "/disks/a.img",
                      "result" : "done",
                      "schema" : 1,
                      "state" : {
                        "generation" : 1,
                        "keys" : [
                          "0x00000000000000a1"
                        ],
                        "reservation" : {
                          "type" : 7,
                          "typeName" : "Write Exclusive, All Registrants"
                        }
                      }
                    }
                    """)
            report = try reservations(image.path, "show", "--as", "a")
            let registration = try #require(report.state?.registrations?.first)
            #expect(registration.key == "0x00000000000000a1")
            #expect(registration.isHolder)
            let identity = InitiatorIdentity.node("a")
            #expect(
                registration.initiator == "\(identity.name),i,0x" + String(identity.sessionID, radix: 16))
            #expect(registration.transportID.hasPrefix("45"))
            #expect(report.state?.capabilities?.types == [1, 3, 5, 6, 7, 8])
        }
    }

    @Test func linesForPeople() async throws {
        try await withFolder { folder async throws in
            let image = folder.appendingPathComponent("a.img")
            try makeImage(image)
            let plain = Terminal(isColoured: false)
            #expect(
                try reservations(image.path, "show").lines(on: plain, questions: [.keys, .reservation]) == [
                    "Generation     0",
                    "Keys           none",
                    "Reservation    none",
                ])
            _ = try reservations(image.path, "register", "--new-key", "1", "--as", "a")
            _ = try reservations(image.path, "register", "--new-key", "2", "--as", "b")
            let report = try reservations(image.path, "reserve", "--key", "1", "--type", "ea", "--as", "a")
            #expect(
                report.lines(on: plain, questions: [.keys, .reservation]) == [
                    "Generation     2",
                    "Keys           0x0000000000000001",
                    "               0x0000000000000002",
                    "Reservation    Exclusive Access (3), held with 0x0000000000000001",
                ])
            let all = try reservations(image.path, "show", "--as", "a").lines(on: plain)
            let holder = InitiatorIdentity.node("a")
            #expect(
                all.contains {
                    $0.contains("0x0000000000000001  yes     1     \(holder.name),i,0x")
                })
            #expect(all.contains("               types: we ea wero earo wear eaar"))
        }
    }
}
