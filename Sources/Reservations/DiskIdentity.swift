import Synchronization

/// By what a unit is known again: what INQUIRY says that does not change while the unit is the same.
public struct DiskIdentity: Sendable, Hashable, CustomStringConvertible {
    /// T10 VENDOR IDENTIFICATION and PRODUCT IDENTIFICATION.
    public var product: String
    /// The serial number (page 80h); nil where the unit does not say.
    public var serialNumber: String?
    /// The identifier of ``DeviceIdentifier/preferred(_:)`` (page 83h); nil where the unit has none.
    public var identifier: DeviceIdentifier?

    /// An identity of these parts.
    public init(product: String, serialNumber: String?, identifier: DeviceIdentifier?) {
        self.product = product
        self.serialNumber = serialNumber
        self.identifier = identifier
    }

    /// Asks a unit; what it refuses to say, or says in a form that is no such page, is nil.
    ///
    /// - Throws: ``SCSIError`` where the unit does not answer at all.
    init(_ sender: CommandSender, inquiry: InquiryData) throws {
        product = "\(inquiry.vendor) \(inquiry.product)"
        serialNumber = try Self.page(VitalProductData.unitSerialNumber, sender).map { paddedText($0[...]) }
        identifier = try Self.page(VitalProductData.deviceIdentification, sender)
            .flatMap { try? DeviceIdentifier.list($0[...]) }.flatMap(DeviceIdentifier.preferred)
    }

    /// Asks a unit everything.
    ///
    /// - Throws: ``SCSIError`` where the unit does not answer, or has no inquiry data.
    init(_ sender: CommandSender) throws {
        let standard = try sender.execute(.inquiry(page: nil, allocationLength: 96), dataIn: 96)
        guard let inquiry = InquiryData(standard) else {
            throw SCSIError.malformedResponse(command: "INQUIRY", reason: "\(standard.count) octets instead of 36")
        }
        try self.init(sender, inquiry: inquiry)
    }

    private static func page(_ page: UInt8, _ sender: CommandSender) throws -> [UInt8]? {
        do {
            return try sender.vitalProductData(page: page)
        } catch SCSIError.checkCondition(let sense) where sense.key != .unitAttention {
            return nil
        } catch SCSIError.malformedResponse, SCSIError.reservationConflict, SCSIError.status {
            return nil
        }
    }

    /// The parts that are known.
    public var description: String {
        ([product]
            + [serialNumber.map { "serial number \($0)" }, identifier.map { "identifier \($0.text)" }].compactMap(
                \.self))
            .joined(separator: ", ")
    }
}

/// What is known of who answers.
enum IdentityTrust {
    /// The unit that was opened.
    case trusted
    /// To be asked before anything else is sent.
    case doubted
    /// Another one, for good.
    case lost(DiskIdentity)
}

extension Disk {
    /// What commands to the unit go through: first it is made sure that it is the unit.
    func trustedSender() throws -> CommandSender {
        switch trust.withLock({ $0 }) {
        case .trusted: break
        case .doubted: try confirmIdentity()
        case .lost(let found): throw changed(found)
        }
        return CommandSender(transport: PathWatch(self), retries: retries, onSuspicion: confirmIdentity)
    }

    /// Asks the unit who it is, and keeps what follows from that.
    private func confirmIdentity() throws {
        trust.withLock { trust in
            if case .trusted = trust { trust = .doubted }
        }
        let found = try DiskIdentity(CommandSender(transport: PathWatch(self), retries: retries))
        let isSame = trust.withLock { trust in
            // Once another unit has answered, its going away again brings nothing back.
            if case .lost = trust { return false }
            trust = found == identity ? .trusted : .lost(found)
            return found == identity
        }
        if !isSame { throw changed(found) }
    }

    private func changed(_ found: DiskIdentity) -> SCSIError {
        .identityChanged(name: transport.name, expected: "\(identity)", found: "\(found)")
    }

    /// The disk's transport, whose failures cast doubt on who answers next.
    private struct PathWatch: SCSITransport {
        let disk: Disk
        var name: String { disk.transport.name }
        var attachment: DiskAttachment { disk.transport.attachment }

        init(_ disk: Disk) { self.disk = disk }

        func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
            do {
                return try disk.transport.execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
            } catch {
                if case SCSIError.protected = error { throw error }
                disk.trust.withLock { trust in
                    if case .trusted = trust { trust = .doubted }
                }
                throw error
            }
        }
    }
}
