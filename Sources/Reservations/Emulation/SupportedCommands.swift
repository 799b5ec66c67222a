/// What REPORT SUPPORTED OPERATION CODES says of the emulated unit (SPC-3 6.23).
enum SupportedCommands {
    /// One command: its usage map has a one for every bit of the CDB that the unit looks at, and the operation code and
    /// service action themselves.
    private struct Entry {
        var code: UInt8
        var serviceAction: UInt16?
        var usage: [UInt8]
    }

    private static let entries: [Entry] = {
        let address4: [UInt8] = [0xFF, 0xFF, 0xFF, 0xFF]
        let address8 = address4 + address4
        var entries: [Entry] = [
            Entry(code: 0x00, usage: [0x00, 0, 0, 0, 0, 0x04]),
            Entry(code: 0x03, usage: [0x03, 0x01, 0, 0, 0xFF, 0x04]),
            Entry(code: 0x08, usage: [0x08, 0x1F, 0xFF, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x0A, usage: [0x0A, 0x1F, 0xFF, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x12, usage: [0x12, 0x03, 0xFF, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x16, usage: [0x16, 0x1F, 0, 0, 0, 0x04]),
            Entry(code: 0x17, usage: [0x17, 0x1F, 0, 0, 0, 0x04]),
            Entry(code: 0x1A, usage: [0x1A, 0x08, 0xFF, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x25, usage: [0x25, 0] + address4 + [0, 0, 0x01, 0x04]),
            Entry(code: 0x28, usage: [0x28, 0xE0] + address4 + [0, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x2A, usage: [0x2A, 0xE8] + address4 + [0, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x35, usage: [0x35, 0] + address4 + [0, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x41, usage: [0x41, 0xFF] + address4 + [0, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x42, usage: [0x42, 0x01, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x4D, usage: [0x4D, 0x03, 0x3F, 0xFF, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x5A, usage: [0x5A, 0x08, 0xFF, 0xFF, 0, 0, 0, 0xFF, 0xFF, 0x04]),
            Entry(code: 0x88, usage: [0x88, 0xE0] + address8 + address4 + [0, 0x04]),
            Entry(code: 0x8A, usage: [0x8A, 0xE8] + address8 + address4 + [0, 0x04]),
            Entry(code: 0x91, usage: [0x91, 0] + address8 + address4 + [0, 0x04]),
            Entry(code: 0x93, usage: [0x93, 0xFF] + address8 + address4 + [0, 0x04]),
            Entry(code: 0x9E, serviceAction: 0x10, usage: [0x9E, 0x10] + address8 + address4 + [0x01, 0x04]),
            Entry(code: 0xA0, usage: [0xA0, 0, 0xFF, 0, 0, 0] + address4 + [0, 0x04]),
            Entry(
                code: 0xA3, serviceAction: 0x0C, usage: [0xA3, 0x0C, 0x07, 0xFF, 0xFF, 0xFF] + address4 + [0, 0x04]),
            Entry(code: 0xA8, usage: [0xA8, 0xE0] + address4 + address4 + [0, 0x04]),
            Entry(code: 0xAA, usage: [0xAA, 0xE8] + address4 + address4 + [0, 0x04]),
        ]
        entries += SCSICommand.ReserveInAction.allCases.map { action in
            Entry(
                code: 0x5E, serviceAction: UInt16(action.rawValue),
                usage: [0x5E, action.rawValue, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0x04])
        }
        entries += SCSICommand.ReserveOutAction.allCases.map { action in
            Entry(
                code: 0x5F, serviceAction: UInt16(action.rawValue),
                usage: [0x5F, action.rawValue, 0xFF, 0, 0] + address4 + [0x04])
        }
        return entries.sorted { ($0.code, $0.serviceAction ?? 0) < ($1.code, $1.serviceAction ?? 0) }
    }()

    /// The parameter data for a query.
    ///
    /// - Throws: INVALID FIELD IN CDB where the query names a service action for a command that has none, or leaves it out for
    ///   one that has (SPC-3 6.23.1).
    static func parameterData(
        for query: SCSICommand.OperationCodeQuery, isThin: Bool
    ) throws(SCSICommandRefusal) -> [UInt8] {
        // A fully provisioned unit has nothing to unmap.
        let entries = entries.filter { isThin || $0.code != OperationCode.unmap }
        switch query {
        case .all:
            let list = entries.flatMap(descriptor)
            var octets: [UInt8] = []
            octets.append(bigEndian: UInt32(list.count))
            return octets + list
        case .one(let code):
            let entry = entries.first { $0.code == code }
            guard entry?.serviceAction == nil else { throw .invalidField(octet: 2, bit: 2) }
            return support(entry)
        case .oneWithServiceAction(let code, let action):
            let entries = entries.filter { $0.code == code }
            guard entries.allSatisfy({ $0.serviceAction != nil }) else { throw .invalidField(octet: 2, bit: 2) }
            return support(entries.first { $0.serviceAction == action })
        }
    }

    /// A command descriptor (6.23.2).
    private static func descriptor(_ entry: Entry) -> [UInt8] {
        var octets: [UInt8] = [entry.code, 0]
        octets.append(bigEndian: entry.serviceAction ?? 0)
        octets += [0, entry.serviceAction == nil ? 0 : 1]
        octets.append(bigEndian: UInt16(entry.usage.count))
        return octets
    }

    /// The answer for one command (6.23.3): SUPPORT is 3 for a command as in the standard, 1 for one that is not supported.
    private static func support(_ entry: Entry?) -> [UInt8] {
        guard let entry else { return [0, 1, 0, 0] }
        return [0, 3, 0, UInt8(entry.usage.count)] + entry.usage
    }
}
