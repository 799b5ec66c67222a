import NDR

/// What a server has to say about a failure besides its HRESULT: the error information ORPC extension
/// ([MS-DCOM] 2.2.21.1), marshaled in the custom form of 2.2.21.2.
///
/// A method that serves a call adds it to its reply by ``ORPCCall/reply(with:)``; a client finds it among the extensions that
/// ``InterfaceProxy/observingReplies(_:)`` shows it.
public struct ErrorInformation: Sendable, Hashable {
    /// The interface whose method failed.
    public var iid: GUID
    /// The component that failed, for a person to read.
    public var source: String?
    /// What went wrong, for a person to read.
    public var description: String?
    /// The path of a Windows Help file.
    public var helpFile: String?
    /// The topic in that file; without one it means nothing.
    public var helpContext: UInt32

    /// From its parts.
    public init(
        iid: GUID, source: String? = nil, description: String? = nil, helpFile: String? = nil, helpContext: UInt32 = 0
    ) {
        self.iid = iid
        self.source = source
        self.description = description
        self.helpFile = helpFile
        self.helpContext = helpContext
    }

    private static let presentSignature: UInt32 = 0xFFFF_FFFF
    /// How many characters a text may have, on its way out and on its way in. The specification names no bound; a text that is
    /// to be shown to a person needs none that is larger.
    static let maximumCharacters = 4096
}

// MARK: - The octets

extension ErrorInformation {
    /// The reference that the extension carries (2.2.21.2).
    public var reference: OBJREF {
        var writer = PacketWriter()
        writer.write(UInt32(0))
        writer.write(helpContext)
        writer.write(iid)
        for text in [source, description, helpFile] { Self.write(text, into: &writer) }
        return OBJREF(
            iid: DCOMIdentifier.errorInfo,
            body: .custom(clsid: DCOMIdentifier.errorObject, data: writer.octets))
    }

    /// From a reference.
    ///
    /// - Throws: ``DCOMError/malformedReference(_:)`` if it is not a custom one of the error object's class, or if its data do
    ///   not keep to the format.
    public init(_ reference: OBJREF) throws(DCOMError) {
        guard case .custom(DCOMIdentifier.errorObject, let data) = reference.body else {
            throw .malformedReference("not a custom-marshaled error object")
        }
        var reader = PacketReader(data)
        do {
            guard try reader.read(UInt32.self) == 0 else {
                throw DCOMError.malformedReference("error information of an unknown version")
            }
            let context = try reader.read(UInt32.self)
            let iid = try reader.readGUID()
            self.init(
                iid: iid, source: try Self.text(&reader), description: try Self.text(&reader),
                helpFile: try Self.text(&reader), helpContext: context)
        } catch let error as DCOMError {
            throw error
        } catch {
            throw .malformedReference("error information is cut off")
        }
    }

    /// A signature that says whether there is a text, and an ErrorInfoString (2.2.21.3).
    private static func write(_ text: String?, into writer: inout PacketWriter) {
        guard let text else {
            writer.write(UInt32(0))
            return
        }
        let units = text.utf16.prefix(maximumCharacters - 1).map { $0 == 0 ? 0x20 : $0 }
        let count = UInt32(units.count + 1)
        writer.write(presentSignature)
        writer.write(count)
        writer.write(UInt32(0))
        writer.write(count)
        for unit in units { writer.write(unit) }
        writer.write(UInt16(0))
    }

    private static func text(_ reader: inout PacketReader) throws -> String? {
        switch try reader.read(UInt32.self) {
        case 0: return nil
        case presentSignature: break
        default: throw DCOMError.malformedReference("a text of error information is neither there nor absent")
        }
        let maximum = try reader.read(UInt32.self)
        let offset = try reader.read(UInt32.self)
        let actual = try reader.read(UInt32.self)
        guard offset == 0, actual == maximum, maximum > 0, maximum <= maximumCharacters else {
            throw DCOMError.malformedReference("a text of error information has impossible lengths")
        }
        var octets = PacketReader(try reader.read(octets: Int(actual) * 2))
        var units: [UInt16] = []
        for _ in 0..<actual { units.append(try octets.read()) }
        guard let end = units.firstIndex(of: 0) else {
            throw DCOMError.malformedReference("a text of error information has no terminator")
        }
        return String(decoding: units[..<end], as: UTF16.self)
    }
}

// MARK: - The extension

extension ErrorInformation {
    /// As it travels behind ORPCTHAT.
    public var `extension`: ORPCCall.Extension {
        ORPCCall.Extension(id: DCOMIdentifier.errorExtension, data: reference.octets)
    }

    /// From an extension; nil if it is another one.
    ///
    /// - Throws: ``DCOMError`` if it says that it is error information, and is not.
    public init?(_ extension: ORPCCall.Extension) throws(DCOMError) {
        guard `extension`.id == DCOMIdentifier.errorExtension else { return nil }
        try self.init(OBJREF(`extension`.data))
    }
}
