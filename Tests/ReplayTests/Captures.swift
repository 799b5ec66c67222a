import Foundation
import Security

@testable import Replay

/// A capture of the fixtures, with what opens it.
struct Capture: Decodable, Sendable, CustomTestStringConvertible {
    var file: String
    var kerberos: Bool
    var user: String?
    var domain: String?
    var password: String?
    var keytab: String?
    var principal: String?

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Fixtures/captures")

    /// All of them.
    static let all: [Capture] = {
        do {
            let data = try Data(contentsOf: folder.appending(path: "captures.json"))
            return try JSONDecoder().decode([Capture].self, from: data)
        } catch {
            fatalError("the list of captures cannot be read: \(error)")
        }
    }()

    static func named(_ name: String) throws -> Capture {
        try #require(all.first { $0.file == name + ".pcap" })
    }

    var testDescription: String { file }

    var octets: [UInt8] {
        get throws { Array(try Data(contentsOf: Self.folder.appending(path: file))) }
    }

    var keys: ObservationKeys {
        get throws {
            var keys = ObservationKeys()
            if let password { try keys.add(ntPassword: password) }
            if let keytab { try keys.add(keytab: Self.folder.appending(path: keytab).path) }
            return keys
        }
    }

    /// What there is to read in it.
    func traffic() throws -> CapturedTraffic {
        try CaptureReader(keys: try keys).read(octets: try octets)
    }

    /// What tshark says of it.
    var judgement: [Judgement] {
        get throws {
            let data = try Data(contentsOf: Self.folder.appending(path: "tshark.json"))
            return try #require(try JSONDecoder().decode([String: [Judgement]].self, from: data)[file])
        }
    }
}

/// A message as tshark sees it.
struct Judgement: Decodable {
    var stream: Int
    var kind: String
    var call: UInt32
    var context: UInt16
    var opnum: UInt16?
    var object: String?
    var size: Int?
    var status: UInt32?
    var sha256: String?
}

/// A pcap file, written by the tests.
struct CaptureWriter {
    private(set) var octets: [UInt8] = []

    /// - Parameter link: LINKTYPE_ number.
    init(link: UInt32 = 1) {
        append(0xA1B2_3C4D)
        append(UInt32(2) | UInt32(4) << 16)
        append(0)
        append(0)
        append(262_144)
        append(link)
    }

    mutating func packet(_ packet: [UInt8], at nanoseconds: Int64) {
        append(UInt32(nanoseconds / 1_000_000_000))
        append(UInt32(nanoseconds % 1_000_000_000))
        append(UInt32(packet.count))
        append(UInt32(packet.count))
        octets += packet
    }

    private mutating func append(_ value: UInt32) {
        withUnsafeBytes(of: value.littleEndian) { octets += $0 }
    }
}

/// The packets of a pcap file, without libpcap.
func packets(of file: [UInt8]) -> [(time: Int64, octets: [UInt8])] {
    var found: [(Int64, [UInt8])] = []
    var offset = 24
    func number(_ at: Int) -> Int { (0..<4).reduce(0) { $0 | Int(file[at + $1]) << (8 * $1) } }
    let unit: Int64 = number(0) == 0xA1B2_3C4D ? 1 : 1000
    while offset + 16 <= file.count {
        let length = number(offset + 8)
        let time = Int64(number(offset)) * 1_000_000_000 + Int64(number(offset + 4)) * unit
        found.append((time, Array(file[offset + 16..<offset + 16 + length])))
        offset += 16 + length
    }
    return found
}

import Testing
