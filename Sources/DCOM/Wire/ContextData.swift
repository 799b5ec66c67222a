import NDR

/// A marshaled context ([MS-DCOM] 2.2.20), as far as a class without an application identifier needs it.
///
/// Activations carry a client context. None of our classes belongs to an application that would read its properties
/// (3.1.2.5.2.3), so a server only looks whether it is one, and clients that send NULL there, as impacket does, are served. A
/// client of ours sends a context without properties, because a server may refuse an activation that has none (2.2.22.2.5).
struct ContextData: Equatable {
    /// The context's identifier.
    var id: GUID

    /// A PROPMARSHALHEADER without its buffer (2.2.20.1).
    private static let propertyHeaderLength = 40

    /// Looks whether a reference is a marshaled context, as a server MUST before it takes an activation that has one
    /// (2.2.22.2.5). What the properties hold is for an application identifier's class to judge, and there is none here.
    ///
    /// - Throws: ``DCOMError``, all of whose cases that are thrown here are RPC_E_INVALID_OBJREF.
    static func check(_ pointer: MInterfacePointer) throws(DCOMError) {
        guard case .custom(DCOMIdentifier.contextMarshaler, let data) = try OBJREF(pointer).body else {
            throw .malformedContext("not a custom-marshaled context")
        }
        var reader = PacketReader(data)
        do {
            guard try reader.read(UInt16.self) == 1, try reader.read(UInt16.self) == 1 else {
                throw DCOMError.malformedContext("its version is not 1.1")
            }
            _ = try reader.read(octets: 16 + 5 * 4)
            let count = Int(try reader.read(UInt32.self))
            _ = try reader.read(UInt32.self)
            guard count <= reader.remaining / propertyHeaderLength else {
                throw DCOMError.malformedContext("\(count) properties in \(reader.remaining) octets")
            }
        } catch let error as DCOMError {
            throw error
        } catch {
            throw .malformedContext("cut off")
        }
    }

    /// The context as an object reference.
    var reference: OBJREF {
        var writer = PacketWriter()
        writer.write(UInt16(1))
        writer.write(UInt16(1))
        writer.write(id)
        // CTXMSHLFLAGS_BYVAL, then the reserved field, dwNumExtents, cbExtents, and MshlFlags, which is ours to choose.
        writer.write(UInt32(2))
        for _ in 0..<4 { writer.write(UInt32(0)) }
        // No properties, and frozen.
        writer.write(UInt32(0))
        writer.write(UInt32(1))
        return OBJREF(
            iid: DCOMIdentifier.context,
            body: .custom(clsid: DCOMIdentifier.contextMarshaler, data: writer.octets))
    }
}
