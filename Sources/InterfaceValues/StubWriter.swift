import NDR

/// The octets of a stub, as they are written.
struct StubWriter {
    private(set) var bytes: [UInt8] = []
    let syntax: TransferSyntax
    let isBigEndian: Bool
    private let padding: [Int: [UInt8]]
    private var gap = 0

    init(_ tree: FieldTree) {
        syntax = tree.syntax
        isBigEndian = tree.isBigEndian && tree.syntax == .ndr20
        padding = tree.padding
    }

    mutating func align(_ alignment: Int) {
        gap += 1
        let skipped = -bytes.count & (alignment - 1)
        guard skipped > 0 else { return }
        if let octets = padding[gap], octets.count == skipped || octets.isEmpty {
            bytes += octets
        } else {
            bytes.append(contentsOf: repeatElement(0, count: skipped))
        }
    }

    mutating func integer(_ value: UInt64, _ octets: Int) {
        align(octets)
        for index in 0..<octets {
            let shift = UInt64(8 * (isBigEndian ? octets - 1 - index : index))
            bytes.append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }

    mutating func word(_ value: UInt64) {
        integer(value, syntax == .ndr64 ? 8 : 4)
    }

    mutating func guid(_ value: GUID) {
        integer(UInt64(value.data1), 4)
        integer(UInt64(value.data2), 2)
        integer(UInt64(value.data3), 2)
        for shift in stride(from: UInt64(56), through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: value.data4 >> shift))
        }
    }

    mutating func write(_ octets: some Sequence<UInt8>) {
        bytes.append(contentsOf: octets)
    }
}
