import NDR
import Testing

@testable import DCERPC

@Suite struct ProtocolTowerTests {
    /// [C706] appendix L by hand: five floors; the interface, NDR, ncacn 5.0, TCP 135 (big endian), 192.0.2.7.
    private static let octetsOfMapper = octets(
        """
        0500
        1300 0d 0883afe11f5dc91191a408002b14a0fa 0300 0200 0000
        1300 0d 045d888aeb1cc9119fe808002b104860 0200 0200 0000
        0100 0b 0200 0000
        0100 07 0200 0087
        0100 09 0400 c0000207
        """)

    @Test func isReadAndWritten() throws {
        let tower = ProtocolTower(interface: .epmapper, address: NetworkAddress(ip: "192.0.2.7", port: 135))
        #expect(tower.octets == Self.octetsOfMapper)
        #expect(try ProtocolTower(Self.octetsOfMapper) == tower)
        #expect(tower.address == NetworkAddress(ip: "192.0.2.7", port: 135))
        #expect(tower.isTCP)
    }

    @Test func hasNoRoomForIPv6() {
        #expect(
            ProtocolTower(interface: .epmapper, address: NetworkAddress(ip: "2001:db8::1", port: 1)).address
                == NetworkAddress(ip: "0.0.0.0", port: 1))
    }

    @Test func isRefusedAtEveryCut() {
        for length in 0..<Self.octetsOfMapper.count {
            #expect(throws: PDUError.self) { try ProtocolTower(Array(Self.octetsOfMapper[..<length])) }
        }
        #expect(throws: PDUError.self) { try ProtocolTower(Self.octetsOfMapper + [0]) }
    }

    /// [MS-RPCE] 3.1.3.5.3: six floors, not seven.
    @Test func isNoHigherThanSixFloors() throws {
        var tower = ProtocolTower(interface: .epmapper, address: NetworkAddress(ip: "192.0.2.7", port: 135))
        tower.floors.append(.connectionOriented)
        #expect(try ProtocolTower(tower.octets) == tower)
        tower.floors.append(.connectionOriented)
        #expect(throws: PDUError.self) { try ProtocolTower(tower.octets) }
    }
}

@Suite struct EndpointMapperTests {
    private static let object: GUID = "00000000-0000-0000-0000-0000000000aa"

    private static func syntax(_ number: UInt32, _ major: UInt16 = 1, _ minor: UInt16 = 0) -> SyntaxIdentifier {
        SyntaxIdentifier(uuid: GUID(data1: number, data2: 1, data3: 2, data4: 3), major: major, minor: minor)
    }

    private let inquiries: EndpointInquiries
    private let registry = EndpointRegistry(maximumInquiriesOfGroup: 2, maximumInquiries: 3)

    init() {
        inquiries = EndpointInquiries(registry: registry)
        for (interface, object, port, annotation) in [
            (Self.syntax(1, 1, 2), GUID.zero, UInt16(101), "one"), (Self.syntax(1, 2, 0), .zero, 102, "one v2"),
            (Self.syntax(2), Self.object, 103, "with object"), (Self.syntax(3), .zero, 104, ""),
        ] {
            registry.register(
                .init(
                    interface: interface, object: object, endpoint: NetworkAddress(ip: "0.0.0.0", port: port),
                    annotation: annotation))
        }
    }

    private func context(group: UInt32 = 1) -> CallContext {
        CallContext(
            associationGroup: group, localAddress: NetworkAddress(ip: "192.0.2.9", port: 135),
            remoteAddress: NetworkAddress(ip: "192.0.2.1", port: 9), interface: epmapper.interface.syntax)
    }

    private func ports(_ entries: [ept_entry_t]) throws -> [UInt16] {
        try entries.map { entry in
            let tower = try ProtocolTower(try #require(entry.tower).tower_octet_string)
            return try #require(tower.address).port
        }
    }

    private func lookup(
        _ type: UInt32, _ interface: SyntaxIdentifier? = nil, object: GUID? = nil, version: UInt32 = 1
    ) async throws -> [UInt16] {
        let id = interface.map { RPC_IF_ID(Uuid: $0.uuid, VersMajor: $0.major, VersMinor: $0.minor) }
        let response = try await inquiries.ept_lookup(
            .init(inquiry_type: type, object: object, Ifid: id, vers_option: version, max_ents: 500), context: context()
        )
        #expect(response.entry_handle.isNull)
        #expect((response.status == 0x16C9_A0D6) == response.entries.isEmpty)
        return try ports(response.entries)
    }

    @Test func looksUpByEveryInquiry() async throws {
        #expect(try await lookup(0) == [101, 102, 103, 104])
        // [MS-RPCE] product note 25: any other number is taken for zero.
        #expect(try await lookup(4) == [101, 102, 103, 104])
        #expect(try await lookup(1, Self.syntax(3)) == [104])
        #expect(try await lookup(1, Self.syntax(9)) == [])
        #expect(try await lookup(2, object: Self.object) == [103])
        #expect(try await lookup(3, Self.syntax(2), object: Self.object) == [103])
        #expect(try await lookup(3, Self.syntax(3), object: Self.object) == [])
    }

    @Test(
        arguments: [
            // all, compatible, exact, major only, up to
            (1, 9, 9, [101, 102]), (2, 1, 1, [101]), (2, 1, 2, [101]), (2, 1, 3, []), (3, 1, 2, [101]), (3, 1, 1, []),
            (4, 1, 9, [101]), (5, 1, 2, [101]), (5, 1, 1, []), (5, 2, 0, [101, 102]),
        ] as [(UInt32, UInt16, UInt16, [UInt16])])
    func looksUpByVersion(_ option: UInt32, _ major: UInt16, _ minor: UInt16, _ found: [UInt16]) async throws {
        #expect(try await lookup(1, Self.syntax(1, major, minor), version: option) == found)
    }

    @Test func refusesAnUnknownVersionOption() async throws {
        for option: UInt32 in [0, 6] {
            let response = try await inquiries.ept_lookup(
                .init(inquiry_type: 1, Ifid: RPC_IF_ID(), vers_option: option, max_ents: 1), context: context())
            #expect(response.status == 0x6DC)
        }
    }

    /// As Samba answers, and impacket and smbtorture expect: a full page has a handle, the last of several has the status.
    @Test func turnsPages() async throws {
        var request = epmapper.ept_lookup.Request(inquiry_type: 0, vers_option: 1, max_ents: 3)
        let first = try await inquiries.ept_lookup(request, context: context())
        #expect(first.status == 0)
        #expect(first.num_ents == 3)
        #expect(!first.entry_handle.isNull)
        request.entry_handle = first.entry_handle
        let last = try await inquiries.ept_lookup(request, context: context())
        #expect(last.num_ents == 1)
        #expect(last.status == 0x16C9_A0D6)
        #expect(last.entry_handle.isNull)

        request = .init(inquiry_type: 0, vers_option: 1, max_ents: 4)
        let whole = try await inquiries.ept_lookup(request, context: context())
        #expect(whole.status == 0)
        request.entry_handle = whole.entry_handle
        let empty = try await inquiries.ept_lookup(request, context: context())
        #expect(empty == .init(entry_handle: .null, num_ents: 0, entries: [], status: 0x16C9_A0D6))
        await #expect(throws: RPCFault.contextMismatch) {
            try await inquiries.ept_lookup(request, context: context())
        }
    }

    @Test func handlesBelongToTheirGroup() async throws {
        var request = epmapper.ept_lookup.Request(inquiry_type: 0, vers_option: 1, max_ents: 1)
        request.entry_handle = try await inquiries.ept_lookup(request, context: context()).entry_handle
        await #expect(throws: RPCFault.contextMismatch) {
            try await inquiries.ept_lookup(request, context: context(group: 2))
        }
        await #expect(throws: RPCFault.contextMismatch) {
            try await inquiries.ept_lookup_handle_free(
                .init(entry_handle: request.entry_handle), context: context(group: 2))
        }
        #expect(
            try await inquiries.ept_lookup_handle_free(.init(entry_handle: request.entry_handle), context: context())
                == .init(entry_handle: .null, status: 0))
        await #expect(throws: RPCFault.contextMismatch) {
            try await inquiries.ept_lookup(request, context: context())
        }
    }

    @Test func limitsInquiries() async throws {
        let request = epmapper.ept_lookup.Request(inquiry_type: 0, vers_option: 1, max_ents: 1)
        var handles: [ContextHandle] = []
        for _ in 0..<3 { handles.append(try await inquiries.ept_lookup(request, context: context()).entry_handle) }
        // The group's first has given way to its third.
        func goesOn(_ handle: ContextHandle) async -> Bool {
            var request = request
            request.entry_handle = handle
            let response = try? await inquiries.ept_lookup(request, context: context())
            return response != nil
        }
        #expect(await goesOn(handles[0]) == false)
        #expect(await goesOn(handles[1]))
        #expect(await goesOn(handles[2]))
        // Three altogether, two are there: the fourth takes the place of the oldest of all, whose ever it is.
        let second = try await inquiries.ept_lookup(request, context: context(group: 2)).entry_handle
        _ = try await inquiries.ept_lookup(request, context: context(group: 3))
        #expect(await goesOn(handles[1]) == false)
        #expect(await goesOn(handles[2]))
        var continuation = request
        continuation.entry_handle = second
        _ = try await inquiries.ept_lookup(continuation, context: context(group: 2))
    }

    private func map(
        _ tower: ProtocolTower?, object: GUID? = nil, maximum: UInt32 = 10
    ) async throws -> epmapper.ept_map.Response {
        let octets = tower?.octets
        return try await inquiries.ept_map(
            .init(
                obj: object,
                map_tower: octets.map { twr_t(tower_length: UInt32($0.count), tower_octet_string: $0) },
                max_towers: maximum), context: context())
    }

    private func tower(_ syntax: SyntaxIdentifier) -> ProtocolTower {
        ProtocolTower(interface: syntax, address: NetworkAddress(ip: "0.0.0.0", port: 0))
    }

    @Test func mapsToTheAddressByWhichTheClientCame() async throws {
        let response = try await map(tower(Self.syntax(1, 1, 1)))
        #expect(response.status == 0)
        #expect(response.num_towers == 1)
        #expect(response.entry_handle.isNull)
        let octets = try #require(response.ITowers.first ?? nil).tower_octet_string
        #expect(try ProtocolTower(octets).address == NetworkAddress(ip: "192.0.2.9", port: 101))
    }

    @Test func mapsObjects() async throws {
        #expect(try await map(tower(Self.syntax(2))).status == 0x16C9_A0D6)
        #expect(try await map(tower(Self.syntax(2)), object: Self.object).status == 0)
        // An interface without an object serves every one.
        #expect(try await map(tower(Self.syntax(3)), object: Self.object).status == 0)
    }

    @Test func doesNotMapWhatIsNotThere() async throws {
        var otherSyntax = tower(Self.syntax(3))
        otherSyntax.transferSyntax = .ndr64
        var pipe = tower(Self.syntax(3))
        pipe.floors[1].protocolIdentifier = 0x0F
        for tower in [nil, tower(Self.syntax(9)), tower(Self.syntax(1, 1, 3)), otherSyntax, pipe] {
            #expect(try await map(tower) == .init(status: 0x16C9_A0D6))
        }
    }

    @Test func refusesToBeChanged() async throws {
        #expect(try await inquiries.ept_insert(.init(), context: context()).status == 0x6D8)
        #expect(try await inquiries.ept_delete(.init(), context: context()).status == 0x6D8)
        #expect(try await inquiries.ept_inq_object(.init(), context: context()).status == 0x6D8)
        #expect(try await inquiries.ept_mgmt_delete(.init(), context: context()).status == 0x6D8)
    }

    @Test func answersOurClient() async throws {
        let mapper = EndpointMapper()
        try await withServer([mapper]) { _, port in
            mapper.register(
                interface: Self.syntax(7), endpoint: NetworkAddress(ip: "", port: 4711),
                annotation: String(repeating: "ä", count: 40))
            let ports = try await EndpointMapperClient.ports(of: Self.syntax(7), host: "127.0.0.1", mapperPort: port)
            #expect(ports == [4711])
            await #expect(throws: RPCClientError.endpointMapper(status: 0x16C9_A0D6)) {
                try await EndpointMapperClient.ports(of: Self.syntax(8), host: "127.0.0.1", mapperPort: port)
            }
            mapper.unregister(interface: Self.syntax(7), endpoint: NetworkAddress(ip: "", port: 4711))
            await #expect(throws: RPCClientError.endpointMapper(status: 0x16C9_A0D6)) {
                try await EndpointMapperClient.ports(of: Self.syntax(7), host: "127.0.0.1", mapperPort: port)
            }
        }
    }
}
