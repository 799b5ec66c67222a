@testable import Reservations

/// Inquiry data, vital product data pages and the designation descriptors in them.
struct VitalProductDataTarget: FuzzTarget {
    private let transport = ScriptedTransport()
    private let disk: Disk

    init() throws {
        disk = try Disk(transport: transport)
    }

    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let choice = input.octet()
        var octets = input.octets(.max)
        if choice & 0x80 == 0 {
            // A header that fits, so that the content is reached.
            let page: UInt8 = choice & 1 == 0 ? 0x83 : 0x80
            octets = [choice & 0x1F, page, UInt8(octets.count >> 8 & 0xFF), UInt8(octets.count & 0xFF)] + octets
        }
        transport.set(octets)
        if let inquiry = InquiryData(octets) {
            promise(InquiryData(inquiry.octets) != nil, "inquiry data of \(inquiry.octets.count) octets")
            promise(inquiry.vendor.utf8.count <= 8 && inquiry.product.utf8.count <= 16, "a field that grew")
        } else {
            promise(octets.count < 36, "inquiry data that was refused")
        }
        if let serial = try? disk.serialNumber() {
            promise(serial.utf8.allSatisfy { (0x20...0x7E).contains($0) }, "a serial number that is no text")
        }
        _ = try? disk.supportedPages()
        guard let identifiers = try? disk.identifiers() else { return }
        let written = identifiers.flatMap(\.octets)
        promise((try? DeviceIdentifier.list(written[...])) == identifiers, "identifiers that are read back differently")
        for identifier in identifiers { _ = identifier.text }
        if let preferred = DeviceIdentifier.preferred(identifiers) {
            promise(identifiers.contains(preferred), "an identifier out of nowhere")
        }
    }
}
