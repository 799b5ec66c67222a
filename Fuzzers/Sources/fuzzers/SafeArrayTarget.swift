import ClusterProtocols
import NDR

/// SAFEARRAYs and BSTRs: stubs of octets, and arrays whose parts are chosen one by one.
struct SafeArrayTarget: FuzzTarget {
    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        switch input.octet() % 3 {
        case 0: stub(input.octets(.max))
        case 1: string(input.octets(.max))
        default: parts(&input)
        }
    }

    private func stub(_ octets: [UInt8]) {
        var decoder = NDRDecoder(octets)
        guard let wire = try? decoder.decode(wireSAFEARRAYStr.self), (try? decoder.finish()) != nil else { return }
        check(wire)
    }

    private func string(_ octets: [UInt8]) {
        var decoder = NDRDecoder(octets)
        guard let blob = try? decoder.decode(FLAGGED_WORD_BLOB.self), let value = try? BSTRValue(blob) else { return }
        promise((try? BSTRValue(value.blob)) == value, "a BSTR that comes back as another one")
        promise((value.text == nil) == (value == .null), "NULL is the only BSTR without a text")
        if let address = NodeAddress(value) {
            promise(
                NodeAddress(address.description) == address, "an address that comes back as another one: \(address)")
        }
    }

    private func parts(_ input: inout FuzzInput) {
        var wire = wireSAFEARRAYStr()
        wire.fFeatures = input.integer()
        wire.cbElements = UInt32(input.octet())
        wire.cLocks = UInt32(input.octet()) << 16 | UInt32(input.octet())
        for _ in 0..<input.octet() % 4 {
            wire.rgsabound.append(SAFEARRAYBOUND(cElements: input.integer(), lLbound: input.integer()))
        }
        wire.cDims = UInt16(wire.rgsabound.count)
        let kind = input.octet()
        let octets = input.octets(.max)
        let size = UInt32(octets.count)
        wire.uArrayStructs =
            switch kind % 5 {
            case 0: .init(sfType: 0x10, u: .ByteStr(BYTE_SIZEDARR(clSize: size, pData: octets)))
            case 1: .init(sfType: 2, u: .WordStr(WORD_SIZEDARR(clSize: size, pData: octets.map(UInt16.init))))
            case 2: .init(sfType: 3, u: .LongStr(DWORD_SIZEDARR(clSize: size, pData: octets.map(UInt32.init))))
            case 3: .init(sfType: 0x14, u: .HyperStr(HYPER_SIZEDARR(clSize: size, pData: octets.map(Int64.init))))
            default: .init(sfType: 8, u: .BstrStr(SAFEARR_BSTR(Size: size, aBstr: octets.map(Self.blob))))
            }
        check(wire)
    }

    private static func blob(_ octet: UInt8) -> FLAGGED_WORD_BLOB? {
        let units = UInt32(octet & 3)
        return octet & 0x80 != 0
            ? nil
            : FLAGGED_WORD_BLOB(
                cBytes: UInt32(octet >> 2 & 7), clSize: units, asData: .init(repeating: 0x31, count: Int(units)))
    }

    /// What is accepted is consistent, and is written as something that is read the same.
    private func check(_ wire: wireSAFEARRAYStr) {
        guard let array = try? SafeArray(wire) else { return }
        let product = array.bounds.reduce(1) { $0 * Int($1.count) }
        promise(
            !array.bounds.isEmpty && array.elements.count == product, "\(array.elements.count) in bounds of \(product)")
        promise(array.wire.cbElements > 0, "elements of no size")
        var encoder = NDREncoder()
        do {
            try encoder.encode(array.wire)
            var decoder = NDRDecoder(encoder.bytes)
            let again = try SafeArray(decoder.decode(wireSAFEARRAYStr.self))
            try decoder.finish()
            promise(
                again.elements.count == array.elements.count && again.bounds == array.bounds, "another array came back")
        } catch {
            promise(false, "a sound array that cannot be written and read: \(error)")
        }
        _ = try? array.octets()
        _ = try? array.longs()
        _ = try? array.strings()
        _ = try? array.records().decode(ROUTE_LOSS_AND_STATE.self, memorySizes: [8])
    }
}
