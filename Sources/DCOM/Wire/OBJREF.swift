import NDR

/// A marshaled object reference ([MS-DCOM] 2.2.18).
public struct OBJREF: Sendable, Equatable {
    /// The four formats.
    public enum Body: Sendable, Equatable {
        /// OBJREF_STANDARD (2.2.18.4): the reference, and the bindings of the resolver that knows its exporter.
        case standard(STDOBJREF, DualStringArray)
        /// OBJREF_HANDLER (2.2.18.5): the same, and the class of a helper object on the client.
        case handler(STDOBJREF, clsid: GUID, DualStringArray)
        /// OBJREF_CUSTOM (2.2.18.6): data for an unmarshaler of the given class.
        case custom(clsid: GUID, data: [UInt8])
        /// OBJREF_EXTENDED (2.2.18.7): as the standard one, with an envoy context.
        case extended(STDOBJREF, DualStringArray, DataElement)
    }

    /// DATAELEMENT (2.2.18.8): an envoy context.
    public struct DataElement: Sendable, Hashable {
        /// The context's identifier; never zero.
        public var id: GUID
        /// The marshaled context, without padding; never empty.
        public var data: [UInt8]

        /// From its parts.
        public init(id: GUID, data: [UInt8]) {
            self.id = id
            self.data = data
        }
    }

    /// The interface for which the reference was marshaled.
    public var iid: GUID
    /// What follows the common header.
    public var body: Body

    /// From its parts.
    public init(iid: GUID, body: Body) {
        self.iid = iid
        self.body = body
    }

    /// The reference inside; nil for a custom one.
    public var standard: STDOBJREF? {
        switch body {
        case .standard(let reference, _), .handler(let reference, _, _), .extended(let reference, _, _): reference
        case .custom: nil
        }
    }

    /// The bindings of the object resolver; nil for a custom reference.
    public var resolverBindings: DualStringArray? {
        switch body {
        case .standard(_, let bindings), .handler(_, _, let bindings), .extended(_, let bindings, _): bindings
        case .custom: nil
        }
    }

    /// "MEOW".
    static let signature: UInt32 = 0x574F_454D
    /// The two signatures inside OBJREF_EXTENDED.
    static let extendedSignature: UInt32 = 0x4E53_5956

    private enum Format: UInt32 {
        case standard = 1
        case handler = 2
        case custom = 4
        case extended = 8
    }
}

extension OBJREF {
    /// Parses an OBJREF, which has to fill the octets.
    ///
    /// - Throws: ``DCOMError/malformedReference(_:)`` or ``DCOMError/malformedBindings(_:)``.
    public init(_ octets: some Collection<UInt8>) throws(DCOMError) {
        var reader = PacketReader(octets)
        do {
            try self.init(from: &reader)
        } catch let error as DCOMError {
            throw error
        } catch let error as PacketReader.Truncated {
            throw .malformedReference("\(error.needed) octets are needed, \(error.available) are left")
        } catch {
            throw .malformedReference("\(error)")
        }
        guard reader.remaining == 0 else {
            throw .malformedReference("\(reader.remaining) octets follow the reference")
        }
    }

    private init(from reader: inout PacketReader) throws {
        guard try reader.read(UInt32.self) == Self.signature else {
            throw DCOMError.malformedReference("the signature is not MEOW")
        }
        let flags = try reader.read(UInt32.self)
        guard let format = Format(rawValue: flags) else {
            throw DCOMError.malformedReference("the flags \(flags) do not name one format")
        }
        iid = try reader.readGUID()
        guard iid != .zero else { throw DCOMError.malformedReference("the interface is GUID_NULL") }
        switch format {
        case .standard:
            body = .standard(try Self.readStandard(&reader), try DualStringArray(from: &reader))
        case .handler:
            let reference = try Self.readStandard(&reader)
            let clsid = try reader.readGUID()
            body = .handler(reference, clsid: clsid, try DualStringArray(from: &reader))
        case .custom:
            let clsid = try reader.readGUID()
            // cbExtension and the reserved field are ignored on receipt.
            _ = try reader.read(octets: 8)
            body = .custom(clsid: clsid, data: Array(reader.rest()))
        case .extended:
            let reference = try Self.readStandard(&reader)
            try Self.expectSignature(&reader)
            let bindings = try DualStringArray(from: &reader)
            guard try reader.read(UInt32.self) == 1 else {
                throw DCOMError.malformedReference("an extended reference has one element")
            }
            try Self.expectSignature(&reader)
            body = .extended(reference, bindings, try Self.readElement(&reader))
        }
    }

    private static func readStandard(_ reader: inout PacketReader) throws -> STDOBJREF {
        STDOBJREF(
            flags: try reader.read(), cPublicRefs: try reader.read(), oxid: try reader.read(), oid: try reader.read(),
            ipid: try reader.readGUID())
    }

    private static func expectSignature(_ reader: inout PacketReader) throws {
        guard try reader.read(UInt32.self) == extendedSignature else {
            throw DCOMError.malformedReference("a signature of the extended reference is wrong")
        }
    }

    private static func readElement(_ reader: inout PacketReader) throws -> DataElement {
        let id = try reader.readGUID()
        let size = Int(try reader.read(UInt32.self))
        let rounded = Int(try reader.read(UInt32.self))
        guard id != .zero, size > 0, rounded == (size + 7) & ~7 else {
            throw DCOMError.malformedReference("the data element is inconsistent")
        }
        return DataElement(id: id, data: Array(try reader.read(octets: rounded).prefix(size)))
    }

    /// The octets of the reference.
    public var octets: [UInt8] {
        var writer = PacketWriter()
        writer.write(Self.signature)
        switch body {
        case .standard(let reference, let bindings):
            writer.write(Format.standard.rawValue)
            writer.write(iid)
            Self.write(reference, into: &writer)
            bindings.write(into: &writer)
        case .handler(let reference, let clsid, let bindings):
            writer.write(Format.handler.rawValue)
            writer.write(iid)
            Self.write(reference, into: &writer)
            writer.write(clsid)
            bindings.write(into: &writer)
        case .custom(let clsid, let data):
            writer.write(Format.custom.rawValue)
            writer.write(iid)
            writer.write(clsid)
            writer.write(UInt32(0))
            // Reserved; other implementations put the size of the data and of these two fields here.
            writer.write(UInt32(clamping: data.count + 8))
            writer.write(octets: data)
        case .extended(let reference, let bindings, let element):
            writer.write(Format.extended.rawValue)
            writer.write(iid)
            Self.write(reference, into: &writer)
            writer.write(Self.extendedSignature)
            bindings.write(into: &writer)
            writer.write(UInt32(1))
            writer.write(Self.extendedSignature)
            writer.write(element.id)
            let rounded = (element.data.count + 7) & ~7
            writer.write(UInt32(clamping: element.data.count))
            writer.write(UInt32(clamping: rounded))
            writer.write(octets: element.data)
            writer.write(octets: repeatElement(0, count: rounded - element.data.count))
        }
        return writer.octets
    }

    private static func write(_ reference: STDOBJREF, into writer: inout PacketWriter) {
        writer.write(reference.flags)
        writer.write(reference.cPublicRefs)
        writer.write(reference.oxid)
        writer.write(reference.oid)
        writer.write(reference.ipid)
    }
}

extension OBJREF {
    /// From the form in which NDR carries a reference (2.2.14).
    public init(_ pointer: MInterfacePointer) throws(DCOMError) {
        try self.init(pointer.abData)
    }

    /// The form in which NDR carries a reference.
    public var interfacePointer: MInterfacePointer {
        let octets = octets
        return MInterfacePointer(ulCntData: UInt32(clamping: octets.count), abData: octets)
    }
}
