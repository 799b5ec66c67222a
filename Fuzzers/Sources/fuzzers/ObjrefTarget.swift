import NDR

@testable import DCOM

/// Object references and what stands in them: bindings, error information, and the headers of ORPC calls with their extensions.
struct ObjrefTarget: FuzzTarget {
    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let kind = input.octet()
        let octets = input.octets(.max)
        switch kind % 6 {
        case 0: reference(octets)
        case 1: bindings(octets, offset: nil)
        case 2: bindings(Array(octets.dropFirst()), offset: octets.first.map(Int.init))
        case 3: errorInformation(octets)
        case 4: header(octets)
        default: results(octets)
        }
    }

    private func reference(_ octets: [UInt8]) {
        guard let reference = try? OBJREF(octets) else { return }
        promise((try? OBJREF(reference.octets)) == reference, "a reference that comes back as another one")
        promise(
            (try? OBJREF(reference.interfacePointer)) == reference, "a reference that another way comes back different")
        if let bindings = reference.resolverBindings { check(bindings) }
        if let information = try? ErrorInformation(reference) { check(information) }
        _ = try? ContextData.check(reference.interfacePointer)
    }

    /// A DUALSTRINGARRAY as a packet, or as units with an offset of its own.
    private func bindings(_ octets: [UInt8], offset: Int?) {
        if let offset {
            let units = stride(from: 0, to: octets.count - 1, by: 2).map {
                UInt16(octets[$0]) | UInt16(octets[$0 + 1]) << 8
            }
            if let array = try? DualStringArray(units: units, securityOffset: offset) { check(array) }
            return
        }
        var reader = PacketReader(octets)
        if let array = try? DualStringArray(from: &reader) { check(array) }
        var decoder = NDRDecoder(octets)
        if let idl = try? decoder.decode(DUALSTRINGARRAY.self), let array = try? DualStringArray(idl) { check(array) }
    }

    private func check(_ array: DualStringArray) {
        promise((try? DualStringArray(array.idl)) == array, "bindings that come back as others")
        var writer = PacketWriter()
        array.write(into: &writer)
        var reader = PacketReader(writer.octets)
        promise((try? DualStringArray(from: &reader)) == array && reader.remaining == 0, "bindings that do not fit")
        for binding in array.strings {
            promise(binding.tower != 0, "an empty binding")
            promise(binding.host.utf16.count <= binding.address.utf16.count, "a host that is longer than its binding")
            if let port = binding.port {
                promise(
                    StringBinding(host: binding.host, port: port).host == binding.host, "a host that is another one")
            }
        }
    }

    private func errorInformation(_ octets: [UInt8]) {
        let reference = OBJREF(
            iid: DCOMIdentifier.errorInfo, body: .custom(clsid: DCOMIdentifier.errorObject, data: octets))
        if let information = try? ErrorInformation(reference) { check(information) }
        if let found = try? ErrorInformation(ORPCCall.Extension(id: DCOMIdentifier.errorExtension, data: octets)) {
            check(found)
        }
    }

    private func check(_ information: ErrorInformation) {
        promise(
            (try? ErrorInformation(information.reference)) == information, "error information that comes back different"
        )
    }

    private func header(_ octets: [UInt8]) {
        var decoder = NDRDecoder(octets)
        if let this = try? decoder.decode(ORPCTHIS.self) { extensions(this.extensions) }
        decoder = NDRDecoder(octets)
        if let that = try? decoder.decode(ORPCTHAT.self) { extensions(that.extensions) }
    }

    private func extensions(_ array: ORPC_EXTENT_ARRAY?) {
        guard let list = try? array?.list() else { return }
        promise(list.count <= ORPCCall.maximumExtensions, "more extensions than there may be")
        guard let written = ORPC_EXTENT_ARRAY(list) else { return }
        promise((try? written.list()) == list, "extensions that come back as others")
        var encoder = NDREncoder()
        do {
            try encoder.encode(ORPCTHAT(extensions: written))
            var decoder = NDRDecoder(encoder.bytes)
            let again = try decoder.decode(ORPCTHAT.self)
            try decoder.finish()
            promise((try again.extensions?.list()) == list, "extensions that are read differently")
            promise(encoder.count.isMultiple(of: 8), "a header that shifts what follows")
        } catch {
            promise(false, "sound extensions that cannot be written and read: \(error)")
        }
        for element in list { _ = try? ErrorInformation(element) }
    }

    /// What a client reads from a server's remote unknown.
    private func results(_ octets: [UInt8]) {
        var decoder = NDRDecoder(octets)
        let query = IRemUnknown.RemQueryInterface.Request(cIids: 2, iids: [.zero, .zero])
        _ = try? IRemUnknown.RemQueryInterface.Response(from: &decoder, for: query)
        decoder = NDRDecoder(octets)
        let second = IRemUnknown2.RemQueryInterface2.Request(cIids: 2, iids: [.zero, .zero])
        if let response = try? IRemUnknown2.RemQueryInterface2.Response(from: &decoder, for: second) {
            for pointer in response.ppMIF.compactMap(\.self) { _ = try? OBJREF(pointer) }
        }
        decoder = NDRDecoder(octets)
        if let request = try? IRemUnknown.RemRelease.Request(from: &decoder) {
            promise(request.InterfaceRefs.count == Int(request.cInterfaceRefs), "a count that is not one")
        }
    }
}
