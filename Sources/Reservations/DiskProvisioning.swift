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
        guard let pages = try? supportedPages(), pages.contains(VitalProductData.logicalBlockProvisioning),
            let content = try? vitalProductData(page: VitalProductData.logicalBlockProvisioning), content.count >= 3
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

    /// LOG SENSE for a page's cumulative values: the parameters behind the header; nil where the unit has none.
    private func logPage(_ page: UInt8) -> [UInt8]? {
        let command = SCSICommand.logSense(.init(page: page), allocationLength: 512)
        guard let octets = try? execute(command, dataIn: 512), octets.count >= 4, octets[0] & 0x3F == page else {
            return nil
        }
        return Array(octets[4...].prefix(Int(octets.field16(2))))
    }
}

/// The Logical Block Provisioning log page (SBC-3 6.4.4).
private enum ProvisioningLog {
    /// Its code.
    static let page: UInt8 = 0x0C
    /// Available LBA mapping resource count: the parameter that says how much room is left.
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
