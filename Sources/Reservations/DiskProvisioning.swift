/// What a unit says about its room and about reservations. Nothing here throws: a unit that does not know a page or a command has
/// nothing to say on the matter.
extension Disk {
    /// Whether the unit is thinly provisioned and has no room for another block.
    ///
    /// Either the unit says so of itself (TEST UNIT READY: SPACE ALLOCATION FAILED WRITE PROTECT), or its Logical Block Provisioning
    /// page (B2h, SBC-3 6.5.4) calls it thinly provisioned and its log (page 0Ch, SBC-3 6.4.4) counts no available resource.
    public var isOutOfSpace: Bool {
        do {
            try testUnitReady()
        } catch SCSIError.checkCondition(let sense) where sense.code == .spaceAllocationFailed {
            return true
        } catch {
            return false
        }
        guard isThinlyProvisioned, let page = logPage(ProvisioningLog.page) else { return false }
        guard let count = ProvisioningLog.parameter(ProvisioningLog.availableMappingResource, in: page) else {
            return false
        }
        return count.allSatisfy { $0 == 0 }
    }

    /// PROVISIONING TYPE 2 of page B2h.
    private var isThinlyProvisioned: Bool {
        guard let pages = try? supportedPages(), pages.contains(ProvisioningLog.vitalProductDataPage),
            let content = try? vitalProductData(page: ProvisioningLog.vitalProductDataPage), content.count >= 3
        else { return false }
        return content[2] & 0x07 == 2
    }

    /// Whether the unit knows PERSISTENT RESERVE IN. One whose reservation or trouble keeps it from answering is taken to know it.
    public var knowsReservations: Bool {
        do {
            _ = try readKeys()
            return true
        } catch SCSIError.checkCondition(let sense) {
            return sense.code != .invalidOperationCode
        } catch {
            return true
        }
    }

    /// LOG SENSE (SPC-3 6.6) for a page's cumulative values: the parameters behind the header; nil where the unit has none.
    private func logPage(_ page: UInt8) -> [UInt8]? {
        let length = 512
        let cdb: [UInt8] = [0x4D, 0, 0x40 | page, 0, 0, 0, 0, UInt8(length >> 8), UInt8(length & 0xFF), 0]
        // As after every command, a unit attention says nothing about this one.
        for _ in 0..<8 {
            guard let result = try? transport.execute(cdb: cdb, dataOut: [], dataInLength: length) else { return nil }
            if result.status == .checkCondition, result.sense?.key == .unitAttention { continue }
            guard result.status == .good, result.data.count >= 4, result.data[0] & 0x3F == page else { return nil }
            let promised = Int(result.data.field16(2))
            return Array(result.data[4...].prefix(promised))
        }
        return nil
    }
}

/// The Logical Block Provisioning pages.
private enum ProvisioningLog {
    /// The vital product data page (SBC-3 6.5.4).
    static let vitalProductDataPage: UInt8 = 0xB2
    /// The log page (SBC-3 6.4.4).
    static let page: UInt8 = 0x0C
    /// Available LBA mapping resource count: the parameter of the log page that says how much room is left.
    static let availableMappingResource: UInt16 = 0x0001

    /// The count of a resource (four octets) among a page's parameters; nil where there is no such parameter, or it is cut off.
    static func parameter(_ code: UInt16, in page: [UInt8]) -> ArraySlice<UInt8>? {
        var rest = page[...]
        while rest.count >= 4 {
            let length = Int(rest[rest.startIndex + 3])
            guard rest.count >= 4 + length else { return nil }
            if rest.field16(0) == code { return length >= 4 ? rest.dropFirst(4).prefix(4) : nil }
            rest.removeFirst(4 + length)
        }
        return nil
    }
}
