import DCERPC
import ErrorCodes
import NDR
import Testing

@testable import DCOM

/// What activations may carry besides a class and its interfaces: contexts, initial states, headers, several interfaces, and
/// too much of anything.
struct ActivationPropertiesTests {
    // MARK: Contexts

    @Test("a context is looked at: NULL and a sound one are taken, anything else is RPC_E_INVALID_OBJREF (2.2.22.2.5)")
    func contexts() async throws {
        let test = TestServer()
        let sound = ContextData(id: .random()).reference
        guard case .custom(let clsid, let data) = sound.body else {
            Issue.record("a context is a custom reference")
            return
        }
        func altered(_ offset: Int, _ value: UInt8) -> OBJREF {
            var data = data
            data[offset] = value
            return OBJREF(iid: DCOMIdentifier.context, body: .custom(clsid: clsid, data: data))
        }
        // 2.2.20: versions at 0 and 2, the identifier at 4, flags 20, reserved 24, dwNumExtents 28, cbExtents 32, MshlFlags 36,
        // Count 40, Frozen 44.
        let property = [UInt8](repeating: 0, count: 40)
        let cases: [(OBJREF, Bool)] = [
            (sound, true), (altered(24, 9), true), (altered(36, 4), true), (altered(44, 0), true),
            (
                OBJREF(
                    iid: DCOMIdentifier.context, body: .custom(clsid: clsid, data: altered(40, 1).custom + property)),
                true
            ),
            (altered(40, 1), false), (altered(43, 0x80), false), (altered(0, 2), false), (altered(2, 0), false),
            (OBJREF(iid: DCOMIdentifier.context, body: .custom(clsid: .random(), data: data)), false),
            (OBJREF(iid: DCOMIdentifier.context, body: .custom(clsid: clsid, data: data.dropLast())), false),
            (OBJREF(iid: DCOMIdentifier.context, body: .custom(clsid: clsid, data: [])), false),
            (OBJREF(iid: TestObject.a, body: .standard(STDOBJREF(), DualStringArray())), false),
        ]
        for (reference, isTaken) in cases {
            for field in [\ActivationContextInfoData.pIFDClientCtx, \.pIFDPrototypeCtx] {
                var context = ActivationContextInfoData()
                context[keyPath: field] = reference.interfacePointer
                let result = try await activate(test, context, as: DCOMIdentifier.activationContextInfo)
                #expect(result == (isTaken ? .ok : .invalidObjectReference))
            }
        }
        var rubbish = ActivationContextInfoData()
        rubbish.pIFDClientCtx = MInterfacePointer(ulCntData: 3, abData: [1, 2, 3])
        #expect(
            try await activate(test, rubbish, as: DCOMIdentifier.activationContextInfo) == .invalidObjectReference)
        #expect(
            try await activate(test, ActivationContextInfoData(), as: DCOMIdentifier.activationContextInfo) == .ok)
    }

    // MARK: Initial states

    @Test("no class here can be initialized: a file or a storage is E_NOINTERFACE, whichever way it comes")
    func persistent() async throws {
        let test = TestServer()
        // Stored objects of every kind, with any of MSHLFLAGS' bits in the flags of the reference.
        for flags: UInt32 in [0, 1, 2, 4, 8, 0x1000] {
            let storage = OBJREF(
                iid: "0000000b-0000-0000-c000-000000000046",
                body: .standard(STDOBJREF(flags: flags, cPublicRefs: 5), DualStringArray()))
            let data = InstanceInfoData(ifdStg: storage.interfacePointer)
            #expect(try await activate(test, data, as: DCOMIdentifier.instanceInfo) == .noInterface)
            #expect(try await remoteActivation(test) { $0.pObjectStorage = storage.interfacePointer } == .noInterface)
        }
        let file = InstanceInfoData(fileName: "C:\\object", mode: 2)
        #expect(try await activate(test, file, as: DCOMIdentifier.instanceInfo) == .noInterface)
        #expect(try await remoteActivation(test) { $0.pwszObjectName = "C:\\object" } == .noInterface)
        // ifdROT is ignored (2.2.22.2.3), and so is a structure that names nothing.
        let running = InstanceInfoData(ifdROT: MInterfacePointer(ulCntData: 1, abData: [0]))
        #expect(try await activate(test, running, as: DCOMIdentifier.instanceInfo) == .ok)
        #expect(try await activate(test, InstanceInfoData(), as: DCOMIdentifier.instanceInfo) == .ok)
        #expect(test.log.objects.count == 2)
    }

    @Test("a storage that is no reference is RPC_E_INVALID_OBJREF")
    func badStorage() async throws {
        let test = TestServer()
        let rubbish = MInterfacePointer(ulCntData: 4, abData: [1, 2, 3, 4])
        let data = InstanceInfoData(ifdStg: rubbish)
        #expect(try await activate(test, data, as: DCOMIdentifier.instanceInfo) == .invalidObjectReference)
        #expect(try await remoteActivation(test) { $0.pObjectStorage = rubbish } == .invalidObjectReference)
    }

    @Test("a class object has no initial state, so a file's name does not matter to it")
    func classObject() async throws {
        let test = TestServer()
        let file = InstanceInfoData(fileName: "C:\\object")
        let result = try await activate(
            test, file, as: DCOMIdentifier.instanceInfo, iids: [DCOMIdentifier.classFactory], target: .classObject)
        #expect(result == .ok)
        let old = try await remoteActivation(test) { request in
            request.Mode = 0xFFFF_FFFF
            request.pwszObjectName = "C:\\object"
            request.pIIDs = [DCOMIdentifier.classFactory]
        }
        #expect(old == .ok)
        #expect(test.log.objects.isEmpty)
    }

    // MARK: Headers

    @Test("an activation's ORPCTHIS may have any flags, reserved fields and extensions (2.2.13.3)")
    func headers() async throws {
        let test = TestServer()
        let extensions = ORPC_EXTENT_ARRAY(
            size: 1, reserved: 9, extent: [ORPC_EXTENT(id: .random(), size: 1, data: [1, 0, 0, 0, 0, 0, 0, 0]), nil])
        let header = ORPCTHIS(
            version: .current, flags: 0xFFFF_FFFF, reserved1: 7, cid: .random(), extensions: extensions)
        #expect(try await remoteActivation(test) { $0.ORPCthis = header } == .ok)
        #expect(try await activate(test, LocationInfoData(), as: .random(), header: header) == .ok)
        // What comes back has none: "the extensions field MUST be set to NULL".
        let response = try await test.activate()
        #expect(response.ORPCthat == ORPCTHAT())
    }

    @Test("an activation is in the version of its header, not in that of its properties")
    func versions() async throws {
        let test = TestServer()
        let instantiation = InstantiationInfoData(
            classId: TestObject.clsid, cIID: 1, pIID: [TestObject.a],
            clientCOMVersion: COMVERSION(MajorVersion: 9, MinorVersion: 9))
        #expect(try await activate(test, instantiation, as: DCOMIdentifier.instantiationInfo) == .ok)
        for minor: UInt16 in [1, 2, 4, 6, 7, 8] {
            let header = ORPCTHIS(version: COMVERSION(MajorVersion: 5, MinorVersion: minor))
            let expected: HRESULT = minor == 8 ? .versionMismatch : .ok
            for target in [ActivationRequest.Target.instance, .classObject] {
                let iid = target == .instance ? TestObject.a : DCOMIdentifier.classFactory
                let result = try await activate(
                    test, LocationInfoData(), as: .random(), iids: [iid], target: target, header: header)
                #expect(result == expected)
            }
        }
    }

    @Test("the outer unknown is ignored, whatever it is (3.1.2.5.2.3.3)")
    func outerUnknown() async throws {
        let test = TestServer()
        let client = try activator(test)
        let blob = try ActivationRequest(clsid: TestObject.clsid, iids: [TestObject.a]).blob(version: .current)
        let response = try await client.remoteCreateInstance(
            .init(
                orpcthis: ORPCTHIS(version: .current), pUnkOuter: MInterfacePointer(ulCntData: 2, abData: [1, 2]),
                pActProperties: blob.requestReference().interfacePointer))
        #expect(response.returnValue == .ok)
    }

    // MARK: Numbers

    @Test("several interfaces come back in their order, by each method, and the same one twice is the same reference")
    func severalInterfaces() async throws {
        let test = TestServer()
        let iids = [TestObject.b, TestObject.missing, TestObject.a, TestObject.b, .random(), DCOMIdentifier.unknown]
        let old = try await test.activate(iids)
        #expect(old.pResults == [.ok, .noInterface, .ok, .ok, .noInterface, .ok])
        #expect(try test.reference(old, 0).ipid == test.reference(old, 3).ipid)
        let client = try activator(test)
        let blob = try ActivationRequest(clsid: TestObject.clsid, iids: iids).blob(version: .current)
        let response = try await client.remoteCreateInstance(
            .init(
                orpcthis: ORPCTHIS(version: .current), pActProperties: blob.requestReference().interfacePointer))
        let reply = try ActivationReply(
            ActivationBlob(
                #require(response.ppActProperties), marshaler: DCOMIdentifier.activationPropertiesOutMarshaler))
        #expect(reply.interfaces.map(\.iid) == iids)
        #expect(reply.interfaces.map(\.result) == old.pResults)
        #expect(reply.interfaces.map { $0.reference == nil } == [false, true, false, false, true, false])
    }

    @Test("128 interfaces may be asked for, 129 are E_OUTOFMEMORY, by each method")
    func tooManyInterfaces() async throws {
        let test = TestServer()
        for (count, expected) in [(128, HRESULT.ok), (129, .outOfMemory)] {
            let iids = Array(repeating: TestObject.a, count: count)
            #expect(try await test.activate(iids).phr == expected)
            #expect(try await activate(test, LocationInfoData(), as: .random(), iids: iids) == expected)
        }
    }

    @Test("ten properties may be sent, none and eleven are a malformed blob (2.2.22.1)")
    func tooManyProperties() async throws {
        let test = TestServer()
        let malformed = HRESULT(rawValue: 0x8007_06F7)
        for (count, expected) in [(10, HRESULT.ok), (11, malformed), (0, malformed)] {
            var blob = try ActivationRequest(clsid: TestObject.clsid, iids: [TestObject.a]).blob(version: .current)
            while blob.properties.count < count { try blob.append(LocationInfoData(), as: .random()) }
            let octets = try blob.octets(cIfs: UInt32(count))
            #expect(try await send(test, octets) == expected)
        }
    }

    @Test("a property that is there twice counts the first time")
    func twice() async throws {
        let test = TestServer()
        let other = InstantiationInfoData(classId: .random(), cIID: 1, pIID: [TestObject.a])
        var blob = try ActivationRequest(clsid: TestObject.clsid, iids: [TestObject.a]).blob(version: .current)
        try blob.append(other, as: DCOMIdentifier.instantiationInfo)
        #expect(try await send(test, blob.octets()) == .ok)
    }

    @Test("before the exporter listens an activation is RPC_S_SERVER_UNAVAILABLE, and its OXID is unknown")
    func notListening() async throws {
        let type = COMClass(clsid: TestObject.clsid, name: "Test", interfaces: []) { _ in throw HRESULT.unexpected }
        let server = DCOMServer(classes: [type])
        let service = try #require(
            server.resolverServices.first { $0.interface.syntax == IActivation.interface.syntax })
        let request = ActivationRequest(clsid: TestObject.clsid, iids: [TestObject.a])
            .remoteActivation(ORPCTHIS(version: .current))
        let response = try await IActivationClient(LocalCaller(service: service, context: .test()))
            .remoteActivation(request)
        #expect(response.phr == HRESULT(rawValue: 0x8007_06BA))
        let resolver = IObjectExporterClient(
            LocalCaller(service: try #require(server.resolverServices.first), context: .test()))
        #expect(try await resolver.resolveOxid(.init(pOxid: server.exporter.oxid)).returnValue == 1910)
    }

    // MARK: Helpers

    private func activator(_ test: TestServer) throws -> IRemoteSCMActivatorClient {
        IRemoteSCMActivatorClient(try test.resolver(.test(), IRemoteSCMActivator.interface.syntax.uuid))
    }

    /// Activates with a property instead of the one of its class that a client sends anyway.
    private func activate<Property: NDRCodable>(
        _ test: TestServer, _ property: Property, as clsid: GUID, iids: [GUID] = [TestObject.a],
        target: ActivationRequest.Target = .instance, header: ORPCTHIS = ORPCTHIS(version: .current)
    ) async throws -> HRESULT {
        var blob = try ActivationRequest(clsid: TestObject.clsid, iids: iids).blob(version: .current)
        blob.properties.removeAll { $0.clsid == clsid }
        try blob.append(property, as: clsid)
        return try await send(test, blob.octets(), target: target, header: header)
    }

    private func send(
        _ test: TestServer, _ octets: [UInt8], target: ActivationRequest.Target = .instance,
        header: ORPCTHIS = ORPCTHIS(version: .current)
    ) async throws -> HRESULT {
        let properties = OBJREF(
            iid: DCOMIdentifier.activationPropertiesIn,
            body: .custom(clsid: DCOMIdentifier.activationPropertiesInMarshaler, data: octets)
        ).interfacePointer
        let client = try activator(test)
        switch target {
        case .instance:
            return try await client.remoteCreateInstance(.init(orpcthis: header, pActProperties: properties))
                .returnValue
        case .classObject:
            return try await client.remoteGetClassObject(.init(orpcthis: header, pActProperties: properties))
                .returnValue
        }
    }

    private func remoteActivation(
        _ test: TestServer, _ change: (inout IActivation.RemoteActivation.Request) -> Void
    ) async throws -> HRESULT {
        var request = ActivationRequest(clsid: TestObject.clsid, iids: [TestObject.a])
            .remoteActivation(ORPCTHIS(version: .current))
        change(&request)
        let client = IActivationClient(try test.resolver(.test(), IActivation.interface.syntax.uuid))
        let response = try await client.remoteActivation(request)
        if response.phr != .ok {
            #expect(response.pResults == [.ok] && response.ppInterfaceData == [nil])
            #expect(response.returnValue == 0 && response.pServerVersion == .current)
        }
        return response.phr
    }
}

extension OBJREF {
    /// The data of a custom reference.
    fileprivate var custom: [UInt8] {
        if case .custom(_, let data) = body { data } else { [] }
    }
}

extension ActivationBlob {
    /// The blob with any number in its header's `cIfs`, which our encoder would not write: the number, and the maximum counts of
    /// the two arrays behind it, which have to be the same.
    fileprivate func octets(cIfs: UInt32) throws -> [UInt8] {
        var octets = try ActivationBlob(properties: Array(properties.prefix(10))).octets()
        guard cIfs == 0 || cIfs > 10 else { return octets }
        // Behind dwSize, dwReserved and sixteen octets of type serialization: totalSize, headerSize, dwReserved, destCtx, cIfs.
        octets.replaceSubrange(40..<44, with: withUnsafeBytes(of: cIfs.littleEndian) { Array($0) })
        return octets
    }
}
