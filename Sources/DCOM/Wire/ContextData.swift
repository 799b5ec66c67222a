import NDR

/// A marshaled context ([MS-DCOM] 2.2.20), as far as a class without an application identifier needs it.
///
/// Activations carry a client context. None of our classes belongs to an application that would read its properties, so a
/// server need not look at it (3.1.2.5.2.3), and clients that send NULL there are served. A client of ours sends a context
/// without properties, because a server may refuse an activation that has none (2.2.22.2.5).
struct ContextData: Equatable {
    /// The context's identifier.
    var id: GUID

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
