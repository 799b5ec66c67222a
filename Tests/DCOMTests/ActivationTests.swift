import DCERPC
import ErrorCodes
import NDR
import Security
import Testing

@testable import DCOM

/// Activation through the services, with every way to be refused.
struct ActivationTests {
    @Test("RemoteActivation answers each interface for itself")
    func remoteActivation() async throws {
        let test = TestServer()
        let response = try await test.activate([TestObject.a, .random(), DCOMIdentifier.unknown, TestObject.missing])
        #expect(response.returnValue == 0)
        #expect(response.phr == .ok)
        #expect(response.pResults == [.ok, .noInterface, .ok, .noInterface])
        #expect(response.ppInterfaceData.map { $0 != nil } == [true, false, true, false])
        #expect(response.pOxid == test.server.exporter.oxid)
        #expect(response.pipidRemUnknown == test.server.exporter.remoteUnknown)
        #expect(response.pAuthnHint == 6)
        #expect(response.pServerVersion == COMVERSION(MajorVersion: 5, MinorVersion: 7))
        let bindings = try DualStringArray(#require(response.ppdsaOxidBindings))
        #expect(bindings.strings.map(\.address) == ["192.0.2.1[49152]", "node1[49152]"])
        #expect(bindings.security == [SecurityBinding(authenticationService: 10)])
        let reference = try OBJREF(#require(response.ppInterfaceData[0]))
        #expect(reference.iid == TestObject.a)
        // A resolver's bindings carry no port.
        #expect(reference.resolverBindings?.strings.map(\.address) == ["192.0.2.1", "node1"])
        let standard = try #require(reference.standard)
        #expect(standard.cPublicRefs == 5 && standard.flags == 0 && standard.oxid == response.pOxid)
        #expect(try test.reference(response, 2).oid == standard.oid)
        #expect(try test.reference(response, 2).ipid != standard.ipid)
        #expect(test.server.exporter.objectCount == 1)
    }

    @Test("RemoteCreateInstance returns the same in its properties")
    func createInstance() async throws {
        let test = TestServer()
        let reply = try await create(test, [TestObject.a, TestObject.missing])
        #expect(reply.interfaces.map(\.iid) == [TestObject.a, TestObject.missing])
        #expect(reply.interfaces.map(\.result) == [.ok, .noInterface])
        #expect(reply.exporter.oxid == test.server.exporter.oxid)
        #expect(reply.exporter.authenticationHint == 6)
        #expect(reply.exporter.bindings.strings.first?.address == "192.0.2.1[49152]")
        let reference = try OBJREF(#require(reply.interfaces[0].reference))
        let proxy = try test.proxy(TestObject.a, ipid: #require(reference.standard).ipid)
        #expect(try await double(21, proxy) == 42)
    }

    @Test("RemoteGetClassObject returns a class factory that makes instances")
    func classObject() async throws {
        let test = TestServer()
        let reply = try await create(test, [DCOMIdentifier.classFactory], target: .classObject)
        #expect(test.log.objects.isEmpty)
        let pointer = try #require(reply.interfaces[0].reference)
        let reference = try #require(try OBJREF(pointer).standard)
        let factory = IClassFactoryClient(try test.proxy(DCOMIdentifier.classFactory, ipid: reference.ipid))
        #expect(try await factory.remoteLockServer(.init(fLock: 1)).returnValue == .ok)
        let made = try await factory.remoteCreateInstance(.init(riid: TestObject.a))
        #expect(made.returnValue == .ok)
        let product = try #require(made.ppvObject)
        let instance = try #require(try OBJREF(product).standard)
        #expect(try await double(4, test.proxy(TestObject.a, ipid: instance.ipid)) == 8)
        let none = try await factory.remoteCreateInstance(.init(riid: .random()))
        #expect(none.returnValue == .noInterface && none.ppvObject == nil)
        // The class object of RemoteActivation's mode is the same thing.
        let old = try await test.activate([DCOMIdentifier.classFactory], mode: 0xFFFF_FFFF)
        #expect(old.phr == .ok && old.pResults == [.ok])
        let refused = try await test.activate([TestObject.a], mode: 0xFFFF_FFFF)
        #expect(refused.phr == .noInterface && refused.pResults == [.ok])
    }

    @Test("an object none of whose interfaces was wanted is released at once")
    func nothingWanted() async throws {
        let test = TestServer()
        let response = try await test.activate([TestObject.missing, .random()])
        #expect(response.phr == .noInterface)
        #expect(response.pResults == [.ok, .ok])
        #expect(response.ppInterfaceData == [nil, nil])
        #expect(test.log.releasedCount == 1)
        #expect(test.server.exporter.objectCount == 0)
    }

    @Test("an unknown class is REGDB_E_CLASSNOTREG")
    func unknownClass() async throws {
        let test = TestServer()
        #expect(try await test.activate(clsid: .random()).phr == .classNotRegistered)
        await #expect(throws: DCOMError.activationFailed(.classNotRegistered)) {
            try await create(test, [TestObject.a], clsid: .random())
        }
    }

    @Test("a class that cannot make its object answers its own error")
    func factoryFails() async throws {
        let test = TestServer(failure: HRESULT(win32: .notReady))
        #expect(try await test.activate().phr == HRESULT(rawValue: 0x8007_0015))
    }

    @Test("what the specification wants checked before an object is made")
    func preconditions() async throws {
        let test = TestServer()
        let base = ActivationRequest(clsid: TestObject.clsid, iids: [TestObject.a])
        var blob = try base.blob(version: .current)
        blob.properties.removeAll { $0.clsid == DCOMIdentifier.specialSystemProperties }

        var console = blob
        try console.append(SpecialPropertiesData(dwFlags: 1), as: DCOMIdentifier.specialSystemProperties)
        await #expect(throws: DCOMError.activationFailed(.runAsLogonFailure)) { try await send(test, console) }
        var session = blob
        try session.append(SpecialPropertiesData(dwSessionId: 2), as: DCOMIdentifier.specialSystemProperties)
        await #expect(throws: DCOMError.activationFailed(.runAsLogonFailure)) { try await send(test, session) }
        var services = blob
        try services.append(SpecialPropertiesData(dwSessionId: 0), as: DCOMIdentifier.specialSystemProperties)
        #expect(try await send(test, services).interfaces[0].result == .ok)

        var persistent = blob
        try persistent.append(InstanceInfoData(fileName: "C:\\x"), as: DCOMIdentifier.instanceInfo)
        await #expect(throws: DCOMError.activationFailed(.noInterface)) { try await send(test, persistent) }

        for (flags, result) in [(UInt32(4), HRESULT.classNotRegistered), (8, .ok), (2, .ok), (0x20, .ok)] {
            var wide = blob
            wide.properties.removeAll { $0.clsid == DCOMIdentifier.instantiationInfo }
            try wide.append(
                InstantiationInfoData(classId: TestObject.clsid, actvflags: flags, cIID: 1, pIID: [TestObject.a]),
                as: DCOMIdentifier.instantiationInfo)
            if result == .ok {
                #expect(try await send(test, wide).interfaces[0].result == .ok)
            } else {
                await #expect(throws: DCOMError.activationFailed(result)) { try await send(test, wide) }
            }
        }

        var pipes = base
        pipes.protocolSequences = [15]
        await #expect(throws: DCOMError.activationFailed(HRESULT(rawValue: 0x8007_06A7))) {
            try await send(test, pipes.blob(version: .current))
        }
    }

    @Test("missing or foreign properties are refused")
    func badProperties() async throws {
        let test = TestServer()
        let client = IRemoteSCMActivatorClient(try test.resolver(.test(), IRemoteSCMActivator.interface.syntax.uuid))
        let orpc = ORPCTHIS(version: .current)
        #expect(try await client.remoteCreateInstance(.init(orpcthis: orpc)).returnValue == .invalidArgument)
        let foreign = OBJREF(iid: TestObject.a, body: .custom(clsid: TestObject.a, data: [])).interfacePointer
        let response = try await client.remoteCreateInstance(.init(orpcthis: orpc, pActProperties: foreign))
        #expect(response.returnValue == HRESULT(rawValue: 0x8007_06F7))
        let rubbish = MInterfacePointer(ulCntData: 4, abData: [1, 2, 3, 4])
        #expect(
            try await client.remoteCreateInstance(.init(orpcthis: orpc, pActProperties: rubbish)).returnValue
                == .invalidObjectReference)
        await #expect(throws: RPCFault.operationRange) {
            try await client.opnum0NotUsedOnWire(.init())
        }
    }

    @Test(
        "versions 5.1 to 5.7 are served",
        arguments: [(5, 1, true), (5, 7, true), (5, 8, false), (5, 0, false), (4, 7, false), (6, 1, false)])
    func versions(major: UInt16, minor: UInt16, isServed: Bool) async throws {
        let test = TestServer()
        let version = COMVERSION(MajorVersion: major, MinorVersion: minor)
        let old = try await test.activate(version: version)
        #expect(old.phr == (isServed ? .ok : .versionMismatch))
        #expect(old.returnValue == (isServed ? 0 : 0x8001_0110))
        if isServed {
            _ = try await create(test, [TestObject.a], version: version)
        } else {
            await #expect(throws: DCOMError.activationFailed(.versionMismatch)) {
                try await create(test, [TestObject.a], version: version)
            }
        }
    }

    @Test("activation needs an administrator and PKT_INTEGRITY, or it is denied before anything is decoded")
    func authorization() async throws {
        let test = TestServer()
        let denied: [CallContext] = [
            .test(nil, level: .none), .test(.administrator, level: .packet), .test(.ordinary), .test(.anonymous),
        ]
        for context in denied {
            for iid in [IActivation.interface.syntax.uuid, IRemoteSCMActivator.interface.syntax.uuid] {
                let service = try test.service(iid)
                #expect(throws: RPCFault.accessDenied) { try service.authorize(context) }
            }
        }
        let allowed = try await test.activate(clsid: TestObject.clsid, .test(level: .packetIntegrity))
        #expect(allowed.phr == .ok)
    }

    @Test("the limits of objects and of interfaces in one request hold")
    func limits() async throws {
        let test = TestServer(limits: ExporterLimits(objects: 1, interfacesPerRequest: 2))
        #expect(try await test.activate([TestObject.a, TestObject.b, TestObject.a]).phr == .outOfMemory)
        #expect(try await test.activate([TestObject.a, TestObject.a]).phr == .ok)
        #expect(try await test.activate().phr == .outOfMemory)
        #expect(test.log.releasedCount == 1)
    }

    @Test("before the exporter listens, nothing is activated")
    func notListening() async throws {
        let server = DCOMServer(classes: [])
        let bindings = ServerBindings(hostNames: [], providers: [.ntlm])
        #expect(bindings.exporter(for: .test()) == nil)
        #expect(server.exporter.objectCount == 0)
    }

    @Test("an IPv4 client of a socket for both protocols is told an IPv4 address")
    func mappedAddress() {
        let bindings = ServerBindings(hostNames: ["192.0.2.1"], providers: [.ntlm, .spnego])
        let array = bindings.resolver(for: .test(address: "::ffff:192.0.2.1"))
        #expect(array.strings == [StringBinding(host: "192.0.2.1")])
        #expect(array.security.map(\.authenticationService) == [10, 9])
        #expect(bindings.resolver(for: .test(address: "fe80::1")).strings.map(\.address) == ["fe80::1", "192.0.2.1"])
    }

    @Test("a probe class succeeds without an object")
    func probe() async throws {
        let clsid: GUID = "02b01c80-e03d-101a-b294-00dd010f2bf9"
        let test = TestServer(more: [.activationProbe(clsid: clsid, name: "probe")])
        let response = try await test.activate([DCOMIdentifier.unknown], clsid: clsid)
        #expect(response.phr == .ok && response.pResults == [.ok] && response.ppInterfaceData == [nil])
        let factory = try await test.activate([DCOMIdentifier.classFactory], clsid: clsid, mode: 0xFFFF_FFFF)
        #expect(factory.phr == .ok && factory.pResults == [.ok])
        #expect(try await test.activate([TestObject.a], clsid: clsid).phr == .noInterface)
        #expect(test.server.exporter.objectCount == 0)
    }

    // MARK: Helpers

    private func double(_ number: UInt32, _ proxy: InterfaceProxy) async throws -> UInt32 {
        try await doubled(number, by: proxy)
    }

    @discardableResult
    private func create(
        _ test: TestServer, _ iids: [GUID], clsid: GUID = TestObject.clsid,
        target: ActivationRequest.Target = .instance, version: COMVERSION = .current
    ) async throws -> ActivationReply {
        try await send(
            test, ActivationRequest(clsid: clsid, iids: iids).blob(version: version), target: target, version: version)
    }

    @discardableResult
    private func send(
        _ test: TestServer, _ blob: ActivationBlob, target: ActivationRequest.Target = .instance,
        version: COMVERSION = .current
    ) async throws -> ActivationReply {
        let client = IRemoteSCMActivatorClient(try test.resolver(.test(), IRemoteSCMActivator.interface.syntax.uuid))
        let properties = try blob.requestReference().interfacePointer
        let orpc = ORPCTHIS(version: version)
        let result: (HRESULT, MInterfacePointer?)
        switch target {
        case .instance:
            let response = try await client.remoteCreateInstance(.init(orpcthis: orpc, pActProperties: properties))
            result = (response.returnValue, response.ppActProperties)
        case .classObject:
            let response = try await client.remoteGetClassObject(.init(orpcthis: orpc, pActProperties: properties))
            result = (response.returnValue, response.ppActProperties)
        }
        guard result.0 == .ok else { throw DCOMError.activationFailed(result.0) }
        return try ActivationReply(
            ActivationBlob(#require(result.1), marshaler: DCOMIdentifier.activationPropertiesOutMarshaler))
    }
}

/// Calls opnum 3 of a ``TestObject``.
func doubled(_ number: UInt32, by proxy: InterfaceProxy) async throws -> UInt32 {
    try await proxy.call(
        opnum: 3, encode: { $0.write(number) },
        decode: { decoder in
            let result = try decoder.read(UInt32.self)
            let status = try decoder.read(UInt32.self)
            try decoder.finish()
            return status == 0 ? result : 0
        })
}
