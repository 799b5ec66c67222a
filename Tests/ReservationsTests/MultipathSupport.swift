import Synchronization

@testable import Reservations

/// One path of several: a unit behind a cable that tests pull out, before or after a command gets through.
final class CablePath: SCSITransport {
    enum Loss: Sendable {
        /// The command does not reach the unit.
        case before
        /// The unit executes the command, and its status is lost.
        case after
    }

    private struct State {
        var isDown = false
        /// How many commands get through before the cable goes out, and how it does.
        var cut: (after: Int, Loss)?
        var log: [[UInt8]] = []
        /// What the path answers instead of the unit.
        var answers: [SCSIResult] = []
    }

    let unit: any SCSITransport
    let name: String
    /// Whether INQUIRY is a command like any other, or goes by without a trace: how often paths are asked who is at their end
    /// is not what most tests are about.
    let countsInquiries: Bool
    private let state = Mutex(State())

    init(_ unit: any SCSITransport, name: String, countsInquiries: Bool = true) {
        self.unit = unit
        self.name = name
        self.countsInquiries = countsInquiries
    }

    var isDown: Bool {
        get { state.withLock { $0.isDown } }
        set {
            state.withLock {
                $0.isDown = newValue
                $0.cut = nil
            }
        }
    }

    /// Pulls the cable at the command after so many.
    func cut(after count: Int, _ loss: Loss) {
        state.withLock { $0.cut = (count, loss) }
    }

    /// Lets the path itself answer the next commands.
    func answer(_ results: SCSIResult...) {
        state.withLock { $0.answers += results }
    }

    /// The commands that came by since the last call.
    func takeLog() -> [[UInt8]] {
        state.withLock { state in
            defer { state.log = [] }
            return state.log
        }
    }

    var attachment: DiskAttachment { unit.attachment }

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        let (loss, answer): (Loss?, SCSIResult?) = state.withLock { state in
            if state.isDown { return (.before, nil) }
            if !countsInquiries, cdb.first == 0x12 { return (nil, nil) }
            state.log.append(cdb)
            if let cut = state.cut {
                if cut.after == 0 {
                    state.isDown = true
                    state.cut = nil
                    return (cut.1, nil)
                }
                state.cut = (cut.after - 1, cut.1)
            }
            return (nil, state.answers.isEmpty ? nil : state.answers.removeFirst())
        }
        if loss == .before { throw SCSIError.transport(name: name, cause: CableError()) }
        let result =
            try answer ?? unit.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        if loss == .after { throw SCSIError.transport(name: name, cause: CableError()) }
        return result
    }

    struct CableError: Error {}
}

/// A host with several paths to an image, and what tests do with it.
struct MultipathHost {
    let paths: [CablePath]
    let transport: MultipathTransport
    let disk: Disk

    /// - Parameter ports: for each path its initiator port's number and the target port.
    init(_ image: TemporaryImage, node: Int = 1, ports: [(Int, UInt16)] = [(0, 1), (0, 2), (1, 1)]) throws {
        paths = try ports.map { initiator, port in
            let identity = InitiatorIdentity(
                name: "iqn.2024-01.net.clusprep:node\(node)-hba\(initiator)", sessionID: 0x8000_0000_0000)
            return CablePath(
                try EmulatedLogicalUnit(image: image.path, initiator: identity!, targetPort: port),
                name: "path \(initiator):\(port)", countsInquiries: false)
        }
        transport = MultipathTransport(name: "unit", paths: paths, probing: .whenNeeded)
        disk = try Disk(transport: transport)
    }

    /// The same paths in a new process, which remembers nothing.
    func restarted() throws -> Disk {
        try Disk(transport: MultipathTransport(name: "unit", paths: paths, probing: .whenNeeded))
    }
}

/// How a command ended.
enum Ending: Equatable {
    case good
    case conflict
    case lost
    case other(String)

    init(_ body: () throws -> Void) {
        do {
            try body()
            self = .good
        } catch SCSIError.reservationConflict {
            self = .conflict
        } catch SCSIError.transport {
            self = .lost
        } catch {
            self = .other("\(error)")
        }
    }
}
