import NDR

@testable import DCOM

/// Activation properties as clients send them and as servers answer, from the outside in: the reference, the blob, its properties,
/// and what both ways of activation make of them.
struct ActivationTarget: FuzzTarget {
    /// The properties of a request and of a reply, which the parts of an input become.
    private static let classes = [
        DCOMIdentifier.instantiationInfo, DCOMIdentifier.scmRequestInfo, DCOMIdentifier.specialSystemProperties,
        DCOMIdentifier.instanceInfo, DCOMIdentifier.activationContextInfo, DCOMIdentifier.serverLocationInfo,
        DCOMIdentifier.securityInfo, DCOMIdentifier.propsOutInfo, DCOMIdentifier.scmReplyInfo,
    ]

    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        switch input.octet() % 5 {
        case 0:
            let octets = input.octets(.max)
            reference(MInterfacePointer(ulCntData: UInt32(octets.count), abData: octets))
        case 1: if let blob = try? ActivationBlob(input.octets(.max)) { check(blob) }
        case 2: properties(&input)
        case 3: remoteActivation(input.octets(.max))
        default: context(input.octets(.max))
        }
    }

    private func reference(_ pointer: MInterfacePointer) {
        let marshalers = [
            DCOMIdentifier.activationPropertiesInMarshaler, DCOMIdentifier.activationPropertiesOutMarshaler,
        ]
        for marshaler in marshalers {
            if let blob = try? ActivationBlob(pointer, marshaler: marshaler) { check(blob) }
        }
    }

    /// Sound headers around properties of anything.
    private func properties(_ input: inout FuzzInput) {
        var blob = ActivationBlob()
        while !input.isEmpty, blob.properties.count < 10 {
            let kind = input.octet()
            let body = input.octets(Int(input.octet()))
            let padded = body + [UInt8](repeating: 0, count: -body.count & 7)
            let size = withUnsafeBytes(of: UInt32(padded.count).littleEndian) { Array($0) }
            let header: [UInt8] = [1, kind & 0x80 == 0 ? 0x10 : 0, 8, 0, 0xCC, 0xCC, 0xCC, 0xCC]
            blob.properties.append(
                ActivationBlob.Property(
                    clsid: Self.classes[Int(kind & 0x7F) % Self.classes.count],
                    octets: header + size + [0, 0, 0, 0] + padded))
        }
        check(blob)
    }

    private func check(_ blob: ActivationBlob) {
        if (1...10).contains(blob.properties.count) {
            promise((try? ActivationBlob(blob.octets())) == blob, "a blob that comes back as another one")
        }
        for target in [ActivationRequest.Target.instance, .classObject] {
            guard let request = try? ActivationRequest(blob, target: target) else { continue }
            promise(target == .instance || !request.isPersistent, "a class object with an initial state")
            guard !request.iids.isEmpty else { continue }
            let again = try? ActivationRequest(request.blob(version: .current), target: target)
            promise(
                again?.clsid == request.clsid && again?.iids == request.iids
                    && again?.protocolSequences == request.protocolSequences, "a request that comes back as another one"
            )
        }
        guard let reply = try? ActivationReply(blob) else { return }
        for pointer in reply.interfaces.compactMap(\.reference) { _ = try? OBJREF(pointer) }
        if !reply.interfaces.isEmpty, let written = try? reply.blob() {
            promise((try? ActivationReply(written)) == reply, "a reply that comes back as another one")
        }
    }

    private func remoteActivation(_ octets: [UInt8]) {
        var decoder = NDRDecoder(octets)
        guard let request = try? IActivation.RemoteActivation.Request(from: &decoder) else { return }
        var encoder = NDREncoder()
        promise((try? request.encode(into: &encoder)) != nil, "a request that was read and cannot be written")
        _ = try? request.ORPCthis.extensions?.list()
        _ = try? ActivationRequest(request)
    }

    private func context(_ octets: [UInt8]) {
        _ = try? ContextData.check(MInterfacePointer(ulCntData: UInt32(octets.count), abData: octets))
        let reference = OBJREF(
            iid: DCOMIdentifier.context, body: .custom(clsid: DCOMIdentifier.contextMarshaler, data: octets))
        _ = try? ContextData.check(reference.interfacePointer)
    }
}
