import Foundation
import InterfaceValues
import NDR
import Security
import Testing

@testable import Replay

/// Calls by their names and values.
@Suite struct DissectionTests {
    private func text(_ traffic: CapturedTraffic, width: Int? = nil, isBrief: Bool = false) -> [String] {
        var lines: [String] = []
        DissectionText(traffic, width: width, isBrief: isBrief).write { lines += $0 }
        return lines
    }

    /// What is not to be read in the fixtures: calls that are wrong on purpose.
    private static let known = ["impacket-storage2.pcap": 2, "impacket-dcom.pcap": 1]

    @Test(arguments: Capture.all)
    func everyCallHasItsNamesAndValues(_ capture: Capture) throws {
        let traffic = try capture.traffic()
        var dissector = Dissector()
        var problems = 0
        for call in traffic.calls {
            let dissected = dissector.dissect(call)
            for message in [dissected.request, dissected.response].compactMap(\.self) {
                if message.problem != nil {
                    problems += 1
                } else {
                    #expect(dissected.operation != nil)
                    let size = call.request?.stub.octets?.count
                    if size != 0 { #expect(!message.fields.isEmpty || message.rest.isEmpty) }
                }
            }
            #expect(dissected.interface != nil)
            // Every object but those of wrong calls was told of by an earlier call.
            if let ipid = call.object, ipid != .zero, case .response = call.outcome {
                #expect(dissected.object != nil, "call \(call.id): \(ipid)")
                // The remote unknown answers IRemUnknown2's calls under the same identifier.
                guard dissected.interface != "IRemUnknown2" else { continue }
                #expect(dissected.object?.interface == call.interface?.uuid, "call \(call.id)")
            }
        }
        #expect(problems == Self.known[capture.file, default: 0])
    }

    /// The values that are shown are those that are on the wire: written again they are the same octets.
    @Test(arguments: Capture.all)
    func valuesAreWhole(_ capture: Capture) throws {
        for call in try capture.traffic().calls {
            guard let interface = call.interface, let schema = InterfaceCatalogue.standard.interface(interface),
                let operation = call.opnum.flatMap({ schema.operation($0) }),
                let syntax = call.transferSyntax.flatMap({ TransferSyntax($0) })
            else { continue }
            if let request = call.request, let octets = request.stub.octets,
                let tree = try? operation.decodeRequest(octets, syntax: syntax, isBigEndian: request.isBigEndian)
            {
                #expect(try operation.encodeRequest(tree) == octets)
            }
            if let response = call.response, let octets = response.stub.octets {
                let tree = try operation.decodeResponse(octets, syntax: syntax, isBigEndian: response.isBigEndian)
                #expect(try operation.encodeResponse(tree) == octets)
            }
        }
    }

    @Test func asText() throws {
        let lines = text(try Capture.named("impacket-disk").traffic())
        #expect(lines.contains("  NTLM of LAB\\clusadmin, sealed, opened"))
        #expect(lines.contains("  bind: context 0 IRemoteSCMActivator, accepted with NDR 2.0"))
        let online = try #require(lines.firstIndex { $0.hasSuffix("IClusterStorage2::CprepDiskOnline (13)") })
        let call = Array(lines[online...].prefix { !$0.isEmpty })
        #expect(call[1].hasSuffix(", sealed by NTLM of LAB\\clusadmin"))
        #expect(call[2].contains(", IClusterStorage2 of ClusterStorage2, exporter 0x"))
        #expect(call[2].hasSuffix(", told by call 1"))
        #expect(call.contains("  request: 52 octets"))
        #expect(call.contains("      DiskIdType: CprepIdGuid (1)"))
        #expect(call.contains("  response: 16 octets"))
        #expect(call.contains { $0.contains("MaxPartitionNumber: ") })
        #expect(call.last == "    returnValue: 0x00000000 S_OK")
        #expect(lines.last?.hasPrefix("19 calls on 2 associations, 78 packets") == true)
    }

    @Test func requestsBesideTheirResponses() throws {
        let traffic = try Capture.named("impacket-dcom").traffic()
        for width in [120, 133, 200] {
            let lines = text(traffic, width: width)
            #expect(lines.contains { $0.contains("request: ") && $0.contains(" │ response: ") })
            #expect(lines.contains { $0.contains("request: ") && $0.contains(" │ fault: access denied (0x00000005)") })
            for line in lines where line.contains(" │ ") { #expect(line.count <= width) }
        }
        // Nothing is cut off: without the spaces and the rule, both forms have the same characters.
        func characters(_ lines: [String]) -> [Character: Int] {
            lines.joined().filter { !$0.isWhitespace && $0 != "│" }.reduce(into: [:]) { $0[$1, default: 0] += 1 }
        }
        #expect(characters(text(traffic, width: 120)) == characters(text(traffic)))
    }

    @Test func inBrief() throws {
        let lines = text(try Capture.named("impacket-storage2").traffic(), isBrief: true)
        #expect(
            lines.contains {
                $0.contains("CprepDiskGetProps (7)") && $0.hasSuffix(": 0x80070548 ERROR_INVALID_SERVER_STATE")
            })
        #expect(
            lines.contains { $0.contains("operation 77") && $0.contains("fault RPC_E_VERSION_MISMATCH (0x80010110)") })
    }

    @Test(arguments: Capture.all)
    func asJSON(_ capture: Capture) throws {
        let traffic = try capture.traffic()
        var text = ""
        try DissectionJSON(traffic).write { text += $0 }
        let object = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        let calls = try #require(object["calls"] as? [[String: Any]])
        #expect(calls.count == traffic.calls.count)
        for (entry, call) in zip(calls, traffic.calls) {
            #expect(entry["number"] as? Int == call.id)
            #expect((entry["operation"] as? [String: Any])?["opnum"] as? Int == call.opnum.map(Int.init))
            #expect((entry["request"] as? [String: Any])?["size"] as? Int == call.request?.stubLength)
        }
        #expect((object["associations"] as? [Any])?.count == traffic.associations.count)
    }

    /// A capture that begins behind the binds: the activation told what the object's interface is.
    @Test func objectsTellTheirInterfaces() throws {
        var call = try #require(try Capture.named("impacket-disk").traffic().calls.last { $0.opnum == 13 })
        let activation = try #require(try Capture.named("impacket-disk").traffic().calls.first)
        call.interface = nil
        call.transferSyntax = nil
        var dissector = Dissector()
        #expect(dissector.dissect(call).title == "an interface that is not in the capture::operation 13")
        _ = dissector.dissect(activation)
        let dissected = dissector.dissect(call)
        #expect(dissected.title == "IClusterStorage2::CprepDiskOnline")
        #expect(dissected.request?.problem == nil)
    }

    /// What a peer sends does not get to command the terminal.
    @Test func controlCharactersAreWrittenOut() {
        #expect(CaptureWords.printable("a\u{1B}[2Jb\u{9B}c\n") == "a\\u{1B}[2Jb\\u{9B}c\\u{A}")
        #expect(CaptureWords.printable("käse \"quoted\"") == "käse \"quoted\"")
    }

    @Test func timesInWords() {
        #expect(CaptureWords.clock(CaptureTime(nanoseconds: 1_795_294_241_857_373_000)) == "20:50:41.857373")
        #expect(CaptureWords.seconds(CaptureTime(nanoseconds: 1_795_294_241_857_373_001)) == "1795294241.857373001")
        #expect(CaptureWords.seconds(CaptureTime(nanoseconds: -1)) == "-0.000000001")
        #expect(CaptureWords.milliseconds(.microseconds(1_234)) == "1.234 ms")
        #expect(CaptureWords.milliseconds(.microseconds(-7)) == "-0.007 ms")
        #expect(CaptureWords.clock(CaptureTime(nanoseconds: .min)).count == 15)
    }

    @Test func octetsInRows() {
        let rows = CaptureWords.hexadecimal(Array(0..<20), most: 18)
        #expect(
            rows == [
                "0000  00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f", "0010  10 11 12 13", "… and 2 octets more",
            ])
    }
}
