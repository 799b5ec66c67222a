import ClusterProtocols
import ErrorCodes
import FileShares
import Logging
import NDR
import Testing

@testable import ClusPrepServer

/// File sharing that does what it is told to, and writes down what was asked of it.
private actor RecordedShares: FileShareService {
    private(set) var log: [String] = []
    private(set) var holders: [ShareHolder: TestShare] = [:]
    private var failure: FileShareError?

    func fail(_ failure: FileShareError?) {
        self.failure = failure
    }

    private func note(_ what: String) throws {
        log.append(what)
        if let failure { throw failure }
    }

    func check() async throws { try note("check") }

    func makeShare(_ share: TestShare, for holder: ShareHolder) async throws {
        try note("make \(share.name)")
        holders[holder] = share
    }

    func removeShare(of holder: ShareHolder) async {
        log.append("remove")
        holders[holder] = nil
    }

    func paths() async throws -> [SharePath] {
        try note("paths")
        return try SharePath.list(parsing: [Array(#"\\192.0.2.7"#.utf16), Array(#"\\[2001:db8::7]"#.utf16)])
    }

    func connect(to paths: [SharePath], share: TestShare) async throws {
        try note("connect " + paths.map { "\($0)" }.joined(separator: " "))
    }

    func stop() async {}
}

/// CprepCheckNetFtBindings3, CprepCsvTestSetup3, CprepCreateNewSmbShares3 and CprepConnectToNewSmbShares3 as clients meet them,
/// in NDR.
struct ShareTests {
    private static let id: GUID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9"
    private static let other: GUID = "0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8fa"

    private static func node(_ shares: (any FileShareService)?) -> ClusterStorage {
        var environment = ClusterStorage.Environment(
            disks: [], majorVersion: 10, minorVersion: 0,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        environment.shares = shares
        return ClusterStorage(environment: environment)
    }

    private static func client(_ object: ClusterStorage) -> IClusterStorage3Client {
        IClusterStorage3Client(LocalCaller(object.handlers(for: IClusterStorage3.interface.syntax.uuid)))
    }

    private static func prepare(_ object: ClusterStorage, phases: Int = 2) async throws {
        let client = IClusterStorage2Client(LocalCaller(object.handlers(for: IClusterStorage2.interface.syntax.uuid)))
        if phases > 0 { #expect(try await client.cprepPrepareNode(.init()).returnValue == .ok) }
        if phases > 1 { #expect(try await client.cprepPrepareNodePhase2(.init(Flags: 0)).returnValue == .ok) }
    }

    private static func connection(_ paths: String?...) -> IClusterStorage3.CprepConnectToNewSmbShares3.Request {
        .init(
            ppwszSharePaths: paths.map { $0.map { WideString($0) } }, dwNumberOfPaths: UInt32(paths.count))
    }

    @Test("All four need Prepare State Online", arguments: [0, 1])
    func prepareState(_ phases: Int) async throws {
        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object, phases: phases)
        let client = Self.client(object)
        let answers = try await [
            client.cprepCheckNetFtBindings3(.init()).returnValue,
            client.cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue,
            client.cprepCreateNewSmbShares3(.init()).returnValue,
            client.cprepConnectToNewSmbShares3(Self.connection(#"\\192.0.2.7"#)).returnValue,
        ]
        #expect(answers == Array(repeating: Win32Error.invalidServerState.hresult, count: 4))
        #expect(await shares.log.isEmpty)
    }

    @Test("Shares need the setup of their test first; the check does not")
    func setupState() async throws {
        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object)
        let client = Self.client(object)
        #expect(try await client.cprepCheckNetFtBindings3(.init()).returnValue == .ok)
        let early = try await [
            client.cprepCreateNewSmbShares3(.init()).returnValue,
            client.cprepConnectToNewSmbShares3(Self.connection(#"\\192.0.2.7"#)).returnValue,
        ]
        #expect(early == Array(repeating: Win32Error.invalidState.hresult, count: 2))
        #expect(await shares.log == ["check"])

        #expect(try await client.cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue == .ok)
        let created = try await client.cprepCreateNewSmbShares3(.init())
        #expect(created.returnValue == .ok)
        // The number of strings, not of octets.
        #expect(created.pdwNumberOfPaths == 2)
        #expect(created.ppwszSharePaths?.map(\.?.string) == [#"\\192.0.2.7"#, #"\\[2001:db8::7]"#])
        let connected = try await client.cprepConnectToNewSmbShares3(
            Self.connection(#"\\192.0.2.9"#, #"\\[2001:db8::9]"#, #"\\192.0.2.9"#))
        #expect(connected.returnValue == .ok)
        #expect(await shares.log.last == #"connect \\192.0.2.9 \\[2001:db8::9]"#)
        await object.released()
        #expect(await shares.holders.isEmpty)
        #expect(await shares.log.last == "remove")
    }

    @Test("The setup may be called again, for the same test or another; the earlier one's share goes")
    func setupAgain() async throws {
        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object)
        let client = Self.client(object)
        let (first, second) = (try share(Self.id), try share(Self.other))
        for id in [Self.id, Self.id, Self.other] {
            #expect(try await client.cprepCsvTestSetup3(.init(TestShareGuid: id)).returnValue == .ok)
        }
        #expect(
            await shares.log == ["make \(first.name)", "make \(first.name)", "remove", "make \(second.name)"])
        #expect(await Array(shares.holders.values) == [second])
        // A third test that cannot be set up leaves none.
        await shares.fail(.busy)
        let failed = try await client.cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue
        #expect(failed == Win32Error.busy.hresult)
        await shares.fail(nil)
        #expect(try await client.cprepCreateNewSmbShares3(.init()).returnValue == Win32Error.invalidState.hresult)
    }

    private func share(_ id: GUID) throws -> TestShare {
        try TestShare(id: id.littleEndianBytes)
    }

    @Test("Two objects of a node have parts of their own")
    func twoObjects() async throws {
        let shares = RecordedShares()
        let objects = [Self.node(shares), Self.node(shares)]
        for object in objects {
            try await Self.prepare(object)
            #expect(
                try await Self.client(object).cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue == .ok)
        }
        #expect(await shares.holders.count == 2)
        await objects[0].released()
        #expect(await shares.holders.count == 1)
        await objects[1].released()
        #expect(await shares.holders.isEmpty)
    }

    @Test("An object that never asked for a share removes none")
    func nothingToRemove() async throws {
        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object)
        await object.released()
        #expect(await shares.log.isEmpty)
    }

    @Test(
        "Arguments that are none of 3.4.4.6's are E_INVALIDARG",
        arguments: [
            [], [nil], [#"\\192.0.2.7"#, nil], ["192.0.2.7"], [#"\\localhost"#], [#"\\192.0.2.7:445"#],
            [#"\\192.0.2.7\share"#], ["\\\\192.0.2.7\u{1}"], [#"\\192.0.2.7"#, ""],
            Array(repeating: #"\\192.0.2.7"#, count: 65), [#"\\"# + String(repeating: "1", count: 4000)],
        ] as [[String?]])
    func badPaths(_ paths: [String?]) async throws {
        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object)
        let client = Self.client(object)
        #expect(try await client.cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue == .ok)
        let answer = try await client.cprepConnectToNewSmbShares3(
            .init(ppwszSharePaths: paths.map { $0.map { WideString($0) } }, dwNumberOfPaths: UInt32(paths.count)))
        #expect(answer.returnValue == HRESULT.invalidArgument)
        #expect(await shares.log.count == 1)
    }

    @Test("Sixty-four addresses are not too many")
    func manyPaths() async throws {
        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object)
        let client = Self.client(object)
        #expect(try await client.cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue == .ok)
        let paths = (1...64).map { WideString(#"\\192.0.2."# + "\($0)") }
        let answer = try await client.cprepConnectToNewSmbShares3(.init(ppwszSharePaths: paths, dwNumberOfPaths: 64))
        #expect(answer.returnValue == .ok)
    }

    @Test("A nil identifier and a text without end are E_INVALIDARG")
    func badTest() async throws {
        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object)
        let client = Self.client(object)
        #expect(try await client.cprepCsvTestSetup3(.init()).returnValue == HRESULT.invalidArgument)
        let long = WideString(String(repeating: "x", count: 1025))
        let answer = try await client.cprepCsvTestSetup3(.init(TestShareGuid: Self.id, Reserved: long))
        #expect(answer.returnValue == HRESULT.invalidArgument)
        #expect(await shares.log.isEmpty)
    }

    @Test("Without file sharing, and where it fails, the codes say so and no list comes")
    func failures() async throws {
        let without = Self.node(nil)
        try await Self.prepare(without)
        // ERROR_SERVICE_DOES_NOT_EXIST.
        let missing = HRESULT(rawValue: 0x8007_0424)
        #expect(try await Self.client(without).cprepCheckNetFtBindings3(.init()).returnValue == missing)
        #expect(
            try await Self.client(without).cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue == missing)

        let shares = RecordedShares()
        let object = Self.node(shares)
        try await Self.prepare(object)
        let client = Self.client(object)
        #expect(try await client.cprepCsvTestSetup3(.init(TestShareGuid: Self.id)).returnValue == .ok)
        await shares.fail(.notServed(addresses: ["192.0.2.7"], port: 445, reason: "nobody answers"))
        let created = try await client.cprepCreateNewSmbShares3(.init())
        // ERROR_SERVICE_NOT_ACTIVE.
        #expect(created.returnValue.rawValue == 0x8007_0426)
        #expect(created.ppwszSharePaths == nil)
        #expect(created.pdwNumberOfPaths == 0)
        await shares.fail(.notReached(path: #"\\192.0.2.9"#, failure: .noShare))
        let connected = try await client.cprepConnectToNewSmbShares3(Self.connection(#"\\192.0.2.9"#))
        // ERROR_BAD_NET_NAME.
        #expect(connected.returnValue.rawValue == 0x8007_0043)
    }
}
