import NDR
import Security
import Testing

@testable import DCOM

/// The golden octets were made by impacket 0.12 (`OBJREF_STANDARD`, `OBJREF_HANDLER`, `OBJREF_CUSTOM` of dcomrt.py) from the
/// values in this file; those of OBJREF_EXTENDED were put together by hand from [MS-DCOM] 2.2.18.7 and 2.2.18.8.
struct OBJREFTests {
    static let iid: GUID = "12108a88-6858-4467-b92f-e6cf4568dfb6"
    static let clsid: GUID = "30313233-3435-3637-3839-3a3b3c3d3e3f"
    static let standard = STDOBJREF(
        flags: 0, cPublicRefs: 5, oxid: 0x0102_0304_0506_0708, oid: 0x1112_1314_1516_1718,
        ipid: "20212223-2425-2627-2829-2a2b2c2d2e2f")
    static let bindings = DualStringArray(
        strings: [StringBinding(host: "127.0.0.1")], security: [SecurityBinding(.ntlm)])

    static let header = "888a101258686744b92fe6cf4568dfb6"
    static let standardOctets =
        "0000000005000000080706050403020118171615141312112322212025242726" + "28292a2b2c2d2e2f"
    static let bindingOctets =
        "10000c00" + "0700 3100 3200 3700 2e00 3000 2e00 3000 2e00 3100 0000" + "0000" + "0a00 ffff 0000" + "0000"

    @Test("each format has the octets that others give it, and comes back from them")
    func golden() throws {
        let expected: [(OBJREF.Body, String)] = [
            (
                .standard(Self.standard, Self.bindings),
                "01000000" + Self.header + Self.standardOctets + Self.bindingOctets
            ),
            (
                .handler(Self.standard, clsid: Self.clsid, Self.bindings),
                "02000000" + Self.header + Self.standardOctets + "333231303534373638393a3b3c3d3e3f" + Self.bindingOctets
            ),
            (
                .custom(clsid: Self.clsid, data: Array("abc".utf8)),
                "04000000" + Self.header + "333231303534373638393a3b3c3d3e3f" + "00000000" + "0b000000" + "616263"
            ),
            (
                .extended(
                    Self.standard, Self.bindings, OBJREF.DataElement(id: Self.clsid, data: [1, 2, 3, 4, 5, 6, 7, 8, 9])),
                "08000000" + Self.header + Self.standardOctets + "5659534e" + Self.bindingOctets
                    + "01000000" + "5659534e" + "333231303534373638393a3b3c3d3e3f" + "09000000" + "10000000"
                    + "010203040506070809" + "00000000000000"
            ),
        ]
        for (body, text) in expected {
            let reference = OBJREF(iid: Self.iid, body: body)
            let golden = octets("4d454f57" + text)
            #expect(reference.octets == golden)
            #expect(try OBJREF(golden) == reference)
        }
    }

    @Test("a reference cut off at any octet is refused")
    func truncated() throws {
        for body in [
            OBJREF.Body.standard(Self.standard, Self.bindings),
            .handler(Self.standard, clsid: Self.clsid, Self.bindings),
            .extended(Self.standard, Self.bindings, OBJREF.DataElement(id: Self.clsid, data: [1])),
        ] {
            let whole = OBJREF(iid: Self.iid, body: body).octets
            for count in 0..<whole.count {
                #expect(throws: DCOMError.self) { try OBJREF(whole[..<count]) }
            }
            #expect(throws: DCOMError.self) { try OBJREF(whole + [0]) }
        }
        // A custom reference may end after its fixed part.
        let custom = OBJREF(iid: Self.iid, body: .custom(clsid: Self.clsid, data: [])).octets
        #expect(try OBJREF(custom).body == .custom(clsid: Self.clsid, data: []))
        for count in 0..<custom.count {
            #expect(throws: DCOMError.self) { try OBJREF(custom[..<count]) }
        }
    }

    @Test("a wrong signature, wrong flags and a null interface are refused", arguments: [0, 4, 8])
    func malformed(offset: Int) throws {
        var bytes = OBJREF(iid: Self.iid, body: .standard(Self.standard, Self.bindings)).octets
        switch offset {
        case 0: bytes[0] ^= 1
        case 4: bytes[4] = 3
        default: for index in 8..<24 { bytes[index] = 0 }
        }
        let error = #expect(throws: DCOMError.self) { try OBJREF(bytes) }
        #expect(error?.hresult == .invalidObjectReference)
    }

    @Test("the data element's two sizes must agree")
    func dataElement() throws {
        let reference = OBJREF(
            iid: Self.iid, body: .extended(Self.standard, Self.bindings, OBJREF.DataElement(id: Self.clsid, data: [1])))
        let whole = reference.octets
        // cbRounded stands before the last eight octets.
        for rounded in [UInt8(0), 1, 16, 0xFF] {
            var bytes = whole
            bytes[whole.count - 12] = rounded
            #expect(throws: DCOMError.self) { try OBJREF(bytes) }
        }
        #expect(try OBJREF(whole) == reference)
    }
}

struct DualStringArrayTests {
    @Test("the empty array is the smallest one of [MS-DCOM] 2.2.19.1")
    func empty() throws {
        let (units, offset) = DualStringArray().units
        #expect(units == [0, 0, 0, 0])
        #expect(offset == 2)
        #expect(try DualStringArray(units: units, securityOffset: offset) == DualStringArray())
    }

    @Test("both lists come back, in their order")
    func roundTrip() throws {
        let array = DualStringArray(
            strings: [
                StringBinding(host: "192.0.2.1", port: 49_152), StringBinding(host: "2001:db8::1", port: 49_152),
                StringBinding(tower: 15, address: #"\\NODE[\pipe\x]"#),
            ],
            security: [SecurityBinding(.ntlm), SecurityBinding(authenticationService: 16, principal: "host/node")])
        let (units, offset) = array.units
        #expect(try DualStringArray(units: units, securityOffset: offset) == array)
        #expect(try DualStringArray(array.idl) == array)
        #expect(array.idl.wNumEntries == UInt16(units.count))
    }

    @Test("a binding's host and port")
    func parts() {
        #expect(StringBinding(tower: 7, address: "10.0.0.1[5000]").host == "10.0.0.1")
        #expect(StringBinding(tower: 7, address: "10.0.0.1[5000]").port == 5000)
        #expect(StringBinding(tower: 7, address: "::1[5000]").host == "::1")
        #expect(StringBinding(tower: 7, address: "node1").port == nil)
        #expect(StringBinding(tower: 15, address: #"node[\pipe\x]"#).port == nil)
        #expect(StringBinding(tower: 7, address: "node[70000]").port == nil)
    }

    @Test(
        "lists and strings without an end, and an offset outside, are refused",
        arguments: [
            ([], 0), ([0, 0], 3), ([7], 1), ([7, 0x31], 2), ([7, 0x31, 0], 3), ([0, 0, 10], 2),
            ([0, 0, 10, 0xFFFF], 2),
            ([0, 0, 10, 0xFFFF, 0], 2), ([0, 0], 2),
        ] as [([UInt16], Int)])
    func malformed(units: [UInt16], offset: Int) {
        #expect(throws: DCOMError.self) { try DualStringArray(units: units, securityOffset: offset) }
    }
}
