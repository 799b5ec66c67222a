import Dispatch
import Reservations
import Synchronization

/// A transport over another one that fails the way real paths and units do, when a test says so.
public final class FaultyTransport: SCSITransport {
    /// What becomes of a command.
    public enum Fault: Sendable {
        /// This answer; the unit never sees the command.
        case answer(SCSIResult)
        /// This error; the unit never sees the command.
        case failure(any Error)
        /// The unit executes the command, and its answer is lost with the connection.
        case lostAnswer(any Error)
        /// No answer before ``FaultyTransport/release()``; then the unit executes the command.
        case silence
    }

    /// The connection that breaks.
    public struct Broken: Error, Sendable {
        /// A connection that breaks.
        public init() {}
    }

    private struct Plan {
        var fault: Fault
        var remaining: Int
        var codes: Set<UInt8>?
    }

    private struct State {
        var plans: [Plan] = []
        var codes: [UInt8] = []
        var blockCount: UInt32?
        var serialNumber: String?
        var isReadOnly = false
    }

    private let transport: any SCSITransport
    private let state = Mutex(State())
    private let gate = Gate()

    /// A transport that does as the other one until told otherwise.
    public init(_ transport: any SCSITransport) {
        self.transport = transport
    }

    deinit {
        gate.open()
    }

    /// The name of the other transport.
    public var name: String { transport.name }
    /// The attachment of the other transport.
    public var attachment: DiskAttachment { transport.attachment }

    // MARK: Faults

    /// Lets the next commands fail.
    ///
    /// - Parameters:
    ///   - fault: how.
    ///   - times: how many of them.
    ///   - codes: the operation codes of the commands that fail; nil for all.
    public func inject(_ fault: Fault, times: Int = .max, codes: Set<UInt8>? = nil) {
        if case .silence = fault { gate.close() }
        state.withLock { $0.plans.append(Plan(fault: fault, remaining: times, codes: codes)) }
    }

    /// Everything works again; commands that were held back are executed.
    public func heal() {
        state.withLock { $0.plans = [] }
        gate.open()
    }

    /// Lets the commands go on that were held back.
    public func release() {
        gate.open()
    }

    /// Ends the medium after so many blocks.
    public func shrink(to blockCount: UInt32) {
        state.withLock { $0.blockCount = blockCount }
    }

    /// Gives the unit another serial number (page 80h), and takes page 83h from it.
    public func changeSerialNumber(to serialNumber: String) {
        state.withLock { $0.serialNumber = serialNumber }
    }

    /// Protects the medium against writing.
    public func turnReadOnly() {
        state.withLock { $0.isReadOnly = true }
    }

    /// The operation codes of the commands that came since the last time this was asked.
    public func takeCodes() -> [UInt8] {
        state.withLock { state in
            defer { state.codes = [] }
            return state.codes
        }
    }

    // MARK: Commands

    /// Executes one command, unless it is to fail.
    public func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        let fault: Fault? = state.withLock { state in
            state.codes.append(cdb[0])
            guard
                let index = state.plans.firstIndex(where: { $0.remaining > 0 && $0.codes?.contains(cdb[0]) ?? true })
            else { return nil }
            if state.plans[index].remaining != .max { state.plans[index].remaining -= 1 }
            return state.plans[index].fault
        }
        switch fault {
        case .answer(let result): return result
        case .failure(let error): throw error
        case .lostAnswer(let error):
            _ = try pass(cdb, dataOut, dataInLength)
            throw error
        case .silence:
            gate.wait()
            return try pass(cdb, dataOut, dataInLength)
        case nil:
            return try pass(cdb, dataOut, dataInLength)
        }
    }

    /// Executes a command on the unit, as changed as it is.
    private func pass(_ cdb: [UInt8], _ dataOut: [UInt8], _ dataInLength: Int) throws -> SCSIResult {
        let (blockCount, serialNumber, isReadOnly) = state.withLock { ($0.blockCount, $0.serialNumber, $0.isReadOnly) }
        if let serialNumber, cdb[0] == 0x12, cdb[1] & 1 == 1 {
            switch cdb[2] {
            case 0x80: return Self.page(0x80, Array(serialNumber.utf8), dataInLength)
            case 0x83: return Self.page(0x83, [], dataInLength)
            default: break
            }
        }
        if let blockCount {
            if cdb[0] == 0x25 {
                return SCSIResult(status: .good, data: Self.field(blockCount - 1) + Self.field(512))
            }
            if cdb[0] == 0x28 || cdb[0] == 0x2A {
                let end = UInt64(Self.number(cdb[2..<6])) + UInt64(Self.number(cdb[7..<9]))
                if end > UInt64(blockCount) { return Self.refusal(.illegalRequest, .blockAddressOutOfRange) }
            }
        }
        if isReadOnly, [0x0A, 0x2A, 0x8A, 0xAA, 0x41, 0x42, 0x93].contains(cdb[0]) {
            return Self.refusal(.dataProtect, .writeProtected)
        }
        var result = try transport.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        if isReadOnly, cdb[0] == 0x1A, result.data.count > 2 { result.data[2] |= 0x80 }
        return result
    }

    /// CHECK CONDITION.
    public static func refusal(_ key: SenseKey, _ code: AdditionalSenseCode) -> SCSIResult {
        SCSIResult(status: .checkCondition, sense: SenseData(key: key, code: code))
    }

    private static func page(_ page: UInt8, _ content: [UInt8], _ length: Int) -> SCSIResult {
        SCSIResult(status: .good, data: Array(([0, page, 0, UInt8(content.count)] + content).prefix(length)))
    }

    private static func number(_ octets: ArraySlice<UInt8>) -> UInt32 {
        octets.reduce(0) { $0 << 8 | UInt32($1) }
    }

    private static func field(_ value: UInt32) -> [UInt8] {
        (0..<4).map { UInt8(truncatingIfNeeded: value >> UInt32(24 - 8 * $0)) }
    }
}

/// What threads wait at until it is opened.
private final class Gate: Sendable {
    /// Those who wait; nil while it is open.
    private let waiting = Mutex<[DispatchSemaphore]?>(nil)

    func close() {
        waiting.withLock { if $0 == nil { $0 = [] } }
    }

    func open() {
        let waiting = waiting.withLock { waiting in
            defer { waiting = nil }
            return waiting ?? []
        }
        for semaphore in waiting { semaphore.signal() }
    }

    func wait() {
        let semaphore = DispatchSemaphore(value: 0)
        let isClosed = waiting.withLock { waiting in
            waiting?.append(semaphore)
            return waiting != nil
        }
        if isClosed { semaphore.wait() }
    }
}
