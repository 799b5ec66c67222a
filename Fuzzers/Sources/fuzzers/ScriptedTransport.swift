import Reservations
import Synchronization

/// A unit that answers INQUIRY for pages and PERSISTENT RESERVE IN with whatever it was given, and the rest as a disk does.
final class ScriptedTransport: SCSITransport {
    let name = "fuzzer"
    private let answer = Mutex<[UInt8]>([])

    /// What it answers from now on.
    func set(_ octets: [UInt8]) {
        answer.withLock { $0 = octets }
    }

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) -> SCSIResult {
        let data: [UInt8]
        switch cdb.first {
        case 0x12 where cdb[1] & 1 == 1, 0x5E: data = answer.withLock { $0 }
        case 0x12: data = InquiryData(vendor: "FUZZ", product: "FUZZ", revision: "1").octets
        case 0x25: data = [0, 0, 0x0F, 0xFF, 0, 0, 2, 0]
        default: data = []
        }
        return SCSIResult(status: .good, data: Array(data.prefix(dataInLength)))
    }
}
