import NDR

/// An activation properties BLOB ([MS-DCOM] 2.2.22): a header, and type-serialized structures that it names by CLSID.
struct ActivationBlob: Equatable {
    struct Property: Equatable {
        /// Names the structure's type.
        var clsid: GUID
        /// The structure, behind the headers of type serialization and padded to eight octets.
        var octets: [UInt8]
    }

    /// In their order on the wire.
    var properties: [Property] = []

    mutating func append<Value: NDRCodable>(_ value: Value, as clsid: GUID) throws(NDRError) {
        properties.append(Property(clsid: clsid, octets: try NDRTypeSerialization.encode(value)))
    }

    /// The structure of the first property of a class; nil if there is none.
    ///
    /// - Throws: ``DCOMError/malformedActivationProperties(_:)`` if the property is there, but not what it should be.
    func decode<Value: NDRCodable>(_ type: Value.Type, _ clsid: GUID) throws(DCOMError) -> Value? {
        guard let property = properties.first(where: { $0.clsid == clsid }) else { return nil }
        return try Self.decode(type, property.octets)
    }

    static func decode<Value: NDRCodable>(_ type: Value.Type, _ octets: [UInt8]) throws(DCOMError) -> Value {
        do {
            return try NDRTypeSerialization.decode(type, from: octets)
        } catch {
            throw .malformedActivationProperties("\(type): \(error)")
        }
    }

    // MARK: The octets

    /// The blob, for an OBJREF_CUSTOM.
    func octets() throws(NDRError) -> [UInt8] {
        var header = CustomHeader(
            destCtx: DCOMConstant.differentMachine, cIfs: UInt32(clamping: properties.count),
            pclsid: properties.map(\.clsid), pSizes: properties.map { UInt32(clamping: $0.octets.count) })
        // The header states its own size, which does not depend on what it states.
        let headerSize = try NDRTypeSerialization.encode(header).count
        let totalSize = properties.reduce(headerSize) { $0 + $1.octets.count }
        header.headerSize = UInt32(clamping: headerSize)
        header.totalSize = UInt32(clamping: totalSize)
        var writer = PacketWriter()
        writer.write(UInt32(clamping: totalSize))
        writer.write(UInt32(0))
        writer.write(octets: try NDRTypeSerialization.encode(header))
        for property in properties { writer.write(octets: property.octets) }
        return writer.octets
    }

    init(properties: [Property] = []) {
        self.properties = properties
    }

    /// From the octets of an OBJREF_CUSTOM.
    init(_ octets: [UInt8]) throws(DCOMError) {
        do {
            try self.init(parsing: octets)
        } catch let error as DCOMError {
            throw error
        } catch let error as PacketReader.Truncated {
            throw .malformedActivationProperties("\(error.needed) octets are needed, \(error.available) are left")
        } catch {
            throw .malformedActivationProperties("\(error)")
        }
    }

    private init(parsing octets: [UInt8]) throws {
        var reader = PacketReader(octets)
        let size = Int(try reader.read(UInt32.self))
        _ = try reader.read(UInt32.self)
        let blob = Array(try reader.read(octets: size))

        // The header's own stream says how long it is; only then can the header say where the properties begin.
        guard blob.count >= NDRTypeSerialization.headerLength else {
            throw DCOMError.malformedActivationProperties("there is no header")
        }
        var lengths = NDRDecoder(
            blob, representation: blob[1] == 0 ? .bigEndianASCIIIEEE : .littleEndianASCIIIEEE, offset: 8)
        let headerEnd = NDRTypeSerialization.headerLength + Int(try lengths.read(UInt32.self))
        guard headerEnd <= blob.count else {
            throw DCOMError.malformedActivationProperties("the header is longer than the properties")
        }
        let header = try Self.decode(CustomHeader.self, Array(blob[..<headerEnd]))
        guard header.headerSize >= headerEnd, header.headerSize <= blob.count, let classes = header.pclsid,
            let sizes = header.pSizes
        else { throw DCOMError.malformedActivationProperties("the header does not fit") }

        var rest = PacketReader(blob[Int(header.headerSize)...])
        for (clsid, size) in zip(classes, sizes) {
            properties.append(Property(clsid: clsid, octets: Array(try rest.read(octets: Int(size)))))
        }
    }
}

extension ActivationBlob {
    /// The blob as a reference that goes to the server.
    func requestReference() throws(NDRError) -> OBJREF {
        OBJREF(
            iid: DCOMIdentifier.activationPropertiesIn,
            body: .custom(clsid: DCOMIdentifier.activationPropertiesInMarshaler, data: try octets()))
    }

    /// The blob as a reference that goes to the client.
    func replyReference() throws(NDRError) -> OBJREF {
        OBJREF(
            iid: DCOMIdentifier.activationPropertiesOut,
            body: .custom(clsid: DCOMIdentifier.activationPropertiesOutMarshaler, data: try octets()))
    }

    /// The blob of a reference that came from the other side.
    init(_ pointer: MInterfacePointer, marshaler: GUID) throws(DCOMError) {
        guard case .custom(let clsid, let data) = try OBJREF(pointer).body, clsid == marshaler else {
            throw .malformedActivationProperties("not an activation properties BLOB")
        }
        try self.init(data)
    }
}
