/// Asks portals what is to be had behind them.
public enum ISCSIDiscovery {
    /// A target that a portal told of.
    public struct FoundTarget: Sendable, Hashable {
        /// The target's iSCSI name.
        public let name: String
        /// Its portals, in the order in which they were told; those whose address makes no sense are left out.
        public let portals: [ISCSIPortal]
        /// Its logical units (REPORT LUNS); empty where ``problem`` says why they are not known.
        public let units: [FoundUnit]
        /// Why the units are not known, for people; nil where they are.
        public let problem: String?
    }

    /// A logical unit of a found target.
    public struct FoundUnit: Sendable, Hashable {
        /// Its number.
        public let number: UInt16
        /// PERIPHERAL DEVICE TYPE: zero is a disk. Nil where the unit did not say.
        public let deviceType: UInt8?
        /// The vendor and the product, as the unit names them.
        public let product: String

        /// Whether it is a disk.
        public var isDisk: Bool { deviceType == 0 }
    }

    /// The targets behind a portal (SendTargets, RFC 3720 appendix D), and the units of each.
    ///
    /// Blocks; every session and every command has the time-out for itself. A target that cannot be logged in to is part of the result,
    /// with its problem.
    ///
    /// - Parameters:
    ///   - portal: where to ask.
    ///   - initiator: who asks.
    ///   - credentials: secrets, for the discovery and for the targets.
    ///   - timeout: the seconds each step may take.
    /// - Throws: ``ISCSIError`` where the portal itself did not answer.
    public static func targets(
        at portal: ISCSIPortal, initiator: InitiatorIdentity, credentials: ISCSICredentials? = nil,
        timeout: Int = ISCSITarget.defaultTimeout
    ) throws -> [FoundTarget] {
        let limit = Duration.seconds(max(1, timeout))
        let found = try names(at: portal, initiator: initiator, secret: credentials?.secret(for: nil), limit: limit)
        return found.map { entry in
            let portals = entry.addresses.compactMap(Self.portal)
            do {
                let units = try units(
                    of: ISCSIConnection.Parameters(
                        // The portal that answered is known to be reachable; others may be on networks this host has no part in.
                        portal: portals.contains(portal) ? portal : portals.first ?? portal, target: entry.name,
                        initiator: initiator, secret: credentials?.secret(for: entry.name)), limit: limit)
                return FoundTarget(name: entry.name, portals: portals, units: units, problem: nil)
            } catch {
                return FoundTarget(name: entry.name, portals: portals, units: [], problem: "\(error)")
            }
        }
    }

    private static func names(
        at portal: ISCSIPortal, initiator: InitiatorIdentity, secret: ISCSISecret?, limit: Duration
    ) throws -> [(name: String, addresses: [String])] {
        let connection = try ISCSIConnection(
            .init(portal: portal, target: nil, initiator: initiator, secret: secret), until: Deadline(after: limit))
        let found = try connection.discover(until: Deadline(after: limit))
        connection.logOut(until: Deadline(after: limit))
        return found
    }

    /// An address of SendTargets: `HOST:PORT,GROUP`, where the port and the group may be missing.
    static func portal(_ address: String) -> ISCSIPortal? {
        try? ISCSIPortal(parsing: String(address.prefix { $0 != "," }))
    }

    private static func units(of parameters: ISCSIConnection.Parameters, limit: Duration) throws -> [FoundUnit] {
        // One of the ports that units have would end the unit's session (RFC 3720 5.3.5).
        var parameters = parameters
        parameters.initiator = parameters.initiator.port(ISCSITarget.initiatorPorts)
        let connection = try ISCSIConnection(parameters, until: Deadline(after: limit))
        func data(_ command: SCSICommand, unit: UInt16, length: Int) throws -> [UInt8]? {
            for _ in 0..<8 {
                let result = try connection.execute(
                    unit: unit, cdb: command.cdb, dataOut: [], dataInLength: length, until: Deadline(after: limit))
                if result.sense?.key == .unitAttention { continue }
                return result.status == .good ? result.data : nil
            }
            return nil
        }
        do {
            let length = 8 + 8 * 512
            let command = SCSICommand.reportLUNs(selectReport: 0, allocationLength: UInt32(length))
            guard let list = try data(command, unit: 0, length: length) else {
                throw connection.error(.discoveryFailed("REPORT LUNS was refused"))
            }
            let found = try numbers(list).map { number in
                let inquiry = try data(
                    .inquiry(page: nil, allocationLength: 96), unit: number < 256 ? number : 0x4000 | number, length: 96
                ).flatMap(InquiryData.init)
                return FoundUnit(
                    number: number, deviceType: inquiry?.deviceType,
                    product: inquiry.map { "\($0.vendor) \($0.product)" } ?? "")
            }
            connection.logOut(until: Deadline(after: limit))
            return found
        } catch is ISCSIConnection.DeadlinePassed {
            throw connection.error(.noAnswer(seconds: limit.seconds))
        }
    }

    /// The numbers in REPORT LUNS' answer (SPC-3 6.21) that are of a single level: peripheral device addressing on bus zero, or flat
    /// space addressing (SAM-3 4.9).
    static func numbers(_ list: [UInt8]) -> [UInt16] {
        guard list.count >= 8 else { return [] }
        let octets = list[8...].prefix(Int(min(list.field32(0), UInt32(list.count))))
        return stride(from: octets.startIndex, to: octets.endIndex - octets.count % 8, by: 8).compactMap { start in
            guard octets[(start + 2)..<(start + 8)].allSatisfy({ $0 == 0 }) else { return nil }
            switch octets[start] {
            case 0: return UInt16(octets[start + 1])
            case 0x40...0x7F: return UInt16(octets[start] & 0x3F) << 8 | UInt16(octets[start + 1])
            default: return nil
            }
        }
    }
}

extension ISCSIDiscovery {
    /// The disks behind portals, one portal after the other, and in words what did not answer.
    ///
    /// Each by the portal that was asked: the others that its target tells of may be on networks that this host has no part in.
    ///
    /// - Parameters:
    ///   - portals: where to ask.
    ///   - initiator: who asks.
    ///   - credentials: secrets, for the discovery and for the targets.
    ///   - executor: what waits for the answers.
    public static func disks(
        behind portals: [ISCSIPortal], initiator: InitiatorIdentity, credentials: ISCSICredentials? = nil,
        executor: BlockingExecutor
    ) async -> (found: [DiskTarget], problems: [String]) {
        var disks: [DiskTarget] = []
        var problems: [String] = []
        for portal in portals {
            do {
                let found = try await executor.run {
                    try targets(at: portal, initiator: initiator, credentials: credentials)
                }
                for target in found {
                    if let problem = target.problem { problems.append("\(target.name) behind \(portal): \(problem)") }
                    disks += target.units.filter(\.isDisk).compactMap { unit in
                        ISCSITarget(portals: [portal], name: target.name, unit: unit.number).map(DiskTarget.iscsi)
                    }
                }
            } catch {
                problems.append("cannot discover targets behind \(portal): \(error)")
            }
        }
        return (disks, problems)
    }
}
