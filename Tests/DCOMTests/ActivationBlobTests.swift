import ErrorCodes
import NDR
import Testing

@testable import DCOM

struct ActivationBlobTests {
    /// The `abData` of RemoteCreateInstance's `pActProperties` as impacket 0.12 sends it for IClusterStorage2. Its properties
    /// are padded outside of their private headers' lengths, and it sends no client context.
    static let impacket = octets(
        """
        4d454f5704000000a201000000000000c0000000000000463803000000000000c00000000000004600000000780100006801000000000000
        01100800cccccccc88000000cccccccc6801000098000000000000000200000004000000000000000000000000000000000000002eaf0000
        5f9700000000000004000000ab01000000000000c000000000000046a501000000000000c000000000000046a401000000000000c0000000
        00000046aa01000000000000c000000000000046040000005800000028000000200000003000000001100800cccccccc44000000cccccccc
        db092bc7534d414f8dcc2d752ab56f7c000000000000000000000000010000000000000034710000000000000500070001000000888a1012
        58686744b92fe6cf4568dfb6fafafafa01100800cccccccc18000000cccccccc000000000000000000000000000000000000000000000000
        01100800cccccccc10000000cccccccc0000000000000000000000000000000001100800cccccccc1a000000cccccccc000000008d560000
        000000000100aaaac8ba0000010000000700fafafafafafa
        """)

    static func blob(_ data: [UInt8]) throws -> ActivationBlob {
        try ActivationBlob(
            OBJREF(data).interfacePointer, marshaler: DCOMIdentifier.activationPropertiesInMarshaler)
    }

    @Test("impacket's request is understood")
    func impacketRequest() throws {
        let request = try ActivationRequest(Self.blob(Self.impacket), target: .instance)
        #expect(
            request
                == ActivationRequest(
                    clsid: "c72b09db-4d53-4f41-8dcc-2d752ab56f7c", iids: ["12108a88-6858-4467-b92f-e6cf4568dfb6"],
                    protocolSequences: [7]))
    }

    @Test("our request comes back as it was")
    func request() throws {
        let request = ActivationRequest(
            clsid: "c72b09db-4d53-4f41-8dcc-2d752ab56f7c", iids: [DCOMIdentifier.unknown, TestObject.a],
            protocolSequences: [7, 9])
        let reference = try request.blob(version: .current).requestReference()
        #expect(try ActivationRequest(Self.blob(reference.octets), target: .instance) == request)
    }

    @Test("the reply has exactly two properties: PropsOutInfo, then ScmReplyInfo")
    func reply() throws {
        let reply = ActivationReply(
            exporter: ActivationReply.Exporter(
                oxid: 77,
                bindings: DualStringArray(
                    strings: [StringBinding(host: "127.0.0.1", port: 49_152)], security: [SecurityBinding(.ntlm)]),
                remoteUnknown: .random(), authenticationHint: 6, version: .current),
            interfaces: [
                ActivationReply.Interface(
                    iid: TestObject.a, result: .ok, reference: MInterfacePointer(ulCntData: 3, abData: [1, 2, 3])),
                ActivationReply.Interface(iid: TestObject.b, result: .noInterface),
            ])
        let blob = try reply.blob()
        #expect(blob.properties.map(\.clsid) == [DCOMIdentifier.propsOutInfo, DCOMIdentifier.scmReplyInfo])
        let decoded = try ActivationBlob(
            blob.replyReference().interfacePointer, marshaler: DCOMIdentifier.activationPropertiesOutMarshaler)
        #expect(decoded == blob)
        #expect(try ActivationReply(decoded) == reply)
    }

    @Test("the header states the sizes of itself and of everything")
    func header() throws {
        var blob = ActivationBlob()
        try blob.append(LocationInfoData(), as: DCOMIdentifier.serverLocationInfo)
        let octets = try blob.octets()
        var reader = PacketReader(octets)
        let size = try reader.read(UInt32.self)
        #expect(Int(size) == octets.count - 8)
        // Behind dwReserved and the sixteen octets of type serialization stand totalSize and headerSize.
        _ = try reader.read(octets: 4 + 16)
        #expect(try reader.read(UInt32.self) == size)
        #expect(Int(try reader.read(UInt32.self)) == octets.count - 8 - blob.properties[0].octets.count)
    }

    @Test("both definitions of SpecialPropertiesData name the logon session")
    func specialProperties() throws {
        let base = try Self.blob(Self.impacket)
        let cases: [(UInt32, UInt32, ActivationRequest.Session?)] = [
            (0xFFFF_FFFF, 0, nil), (0, 0, .number(0)), (3, 0, .number(3)), (0xFFFF_FFFF, 1, .console),
            // Other flags are ignored (2.2.22.2.2).
            (0xFFFF_FFFF, 2, nil),
        ]
        for (number, flags, expected) in cases {
            var first = base
            try first.append(
                SpecialPropertiesData(dwSessionId: number, dwFlags: flags), as: DCOMIdentifier.specialSystemProperties)
            #expect(try ActivationRequest(first, target: .instance).session == expected)
            var second = base
            try second.append(
                SpecialPropertiesData_Alternate(dwSessionId: number, dwFlags: flags),
                as: DCOMIdentifier.specialSystemProperties)
            #expect(try ActivationRequest(second, target: .instance).session == expected)
        }
    }

    @Test("a blob that is cut off, altered or incomplete is refused, and never crashes")
    func malformed() throws {
        let whole = Self.impacket
        for count in 0..<whole.count - 6 {
            #expect(throws: DCOMError.self) {
                try ActivationRequest(Self.blob(Array(whole[..<count])), target: .instance)
            }
        }
        for index in whole.indices {
            var altered = whole
            altered[index] ^= 0xFF
            // Many octets are ignored on receipt; what matters is that each outcome is a value or a DCOMError.
            do {
                _ = try ActivationRequest(Self.blob(altered), target: .instance)
            } catch {
                #expect(error is DCOMError)
            }
        }
        for missing in [DCOMIdentifier.instantiationInfo, DCOMIdentifier.scmRequestInfo] {
            var blob = try Self.blob(whole)
            blob.properties.removeAll { $0.clsid == missing }
            let error = #expect(throws: DCOMError.self) { try ActivationRequest(blob, target: .instance) }
            #expect(error?.hresult == HRESULT(rawValue: 0x8007_06F7))
        }
    }

    @Test("a property that we do not know is passed over")
    func unknownProperty() throws {
        var blob = try Self.blob(Self.impacket)
        blob.properties.insert(ActivationBlob.Property(clsid: .random(), octets: [1, 2, 3]), at: 0)
        let again = try ActivationBlob(blob.octets())
        #expect(again == blob)
        #expect(try ActivationRequest(again, target: .instance).iids.count == 1)
    }
}
