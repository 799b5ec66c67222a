import NDR

/// ADAPTERLIST ([MS-CSVP] 2.2.11): the network adapters of a server, as Windows Server 2008 and 2008 R2 tell them.
public struct ADAPTERLIST: Sendable, Hashable {
    /// ServerName: the server's fully qualified domain name.
    public var serverName: String
    /// Adapter.
    public var adapters: [ADAPTER]
    /// Guid: at least two for each adapter.
    public var guids: [GUID]

    private static let name = "ADAPTERLIST"
    private static let identifier = "class mscs::AdapterList"

    /// A list of these parts.
    public init(serverName: String, adapters: [ADAPTER], guids: [GUID]) {
        self.serverName = serverName
        self.adapters = adapters
        self.guids = guids
    }

    /// The octets.
    ///
    /// - Throws: ``LayoutError`` where a text or a number does not fit into its field, or there are too few GUIDs.
    public func encoded() throws(LayoutError) -> [UInt8] {
        var octets: [UInt8] = []
        try octets.append(text: Self.identifier, of: "AdapterListName", in: Self.name)
        try octets.append(text: serverName, of: "ServerName", in: Self.name)
        try octets.append(items: adapters, of: "adapters", in: Self.name) { (item, octets) throws(LayoutError) in
            try item.write(to: &octets)
        }
        try octets.append(guids: guids, adapters: adapters.count, in: Self.name)
        return octets
    }

    /// Reads a list. What follows behind the last GUID is not looked at: a server's buffer may be larger than the list.
    ///
    /// - Throws: ``LayoutError`` where the octets end too early, or break one of the specification's demands.
    public init(_ octets: [UInt8]) throws(LayoutError) {
        var cursor = LayoutCursor(octets, structure: Self.name)
        let identifier = try cursor.text("AdapterListName")
        guard identifier == Self.identifier else {
            throw .contradiction(structure: Self.name, reason: "AdapterListName is \"\(identifier)\"")
        }
        serverName = try cursor.text("ServerName")
        adapters = try cursor.items("Adapter", smallest: ADAPTER.smallest) { (cursor) throws(LayoutError) in
            try ADAPTER(&cursor)
        }
        guids = try cursor.guids(adapters: adapters.count)
    }
}

/// ADAPTERLIST2 ([MS-CSVP] 2.2.16): the network adapters of a server.
public struct ADAPTERLIST2: Sendable, Hashable {
    /// ServerName: the server's fully qualified domain name.
    public var serverName: String
    /// Adapter2.
    public var adapters: [ADAPTER2]
    /// Guid: at least two for each adapter.
    public var guids: [GUID]

    private static let name = "ADAPTERLIST2"
    private static let identifier: UInt16 = 0x227A

    /// A list of these parts.
    public init(serverName: String, adapters: [ADAPTER2], guids: [GUID]) {
        self.serverName = serverName
        self.adapters = adapters
        self.guids = guids
    }

    /// The octets.
    ///
    /// - Throws: ``LayoutError`` where a text or a number does not fit into its field, or there are too few GUIDs.
    public func encoded() throws(LayoutError) -> [UInt8] {
        var octets: [UInt8] = []
        octets.append(littleEndian: UInt16(2))
        octets.append(littleEndian: Self.identifier)
        try octets.append(text: serverName, of: "ServerName", in: Self.name)
        try octets.append(items: adapters, of: "adapters", in: Self.name) { (item, octets) throws(LayoutError) in
            try item.write(to: &octets)
        }
        try octets.append(guids: guids, adapters: adapters.count, in: Self.name)
        return octets
    }

    /// Reads a list. What follows behind the last GUID is not looked at: a server's buffer may be larger than the list.
    ///
    /// - Throws: ``LayoutError`` where the octets end too early, or break one of the specification's demands.
    public init(_ octets: [UInt8]) throws(LayoutError) {
        var cursor = LayoutCursor(octets, structure: Self.name)
        try cursor.constant(UInt16(2), "AdapterList2IdentifierLength")
        try cursor.constant(Self.identifier, "AdapterList2Identifier")
        serverName = try cursor.text("ServerName")
        adapters = try cursor.items("Adapter2", smallest: ADAPTER2.smallest) { (cursor) throws(LayoutError) in
            try ADAPTER2(&cursor)
        }
        guids = try cursor.guids(adapters: adapters.count)
    }
}

// MARK: SERIALIZEDGUID (2.2.12): a GUID's text behind its size

extension [UInt8] {
    fileprivate mutating func append(guids: [GUID], adapters: Int, in structure: String) throws(LayoutError) {
        guard guids.count >= 2 * adapters else {
            throw .contradiction(structure: structure, reason: "\(guids.count) GUIDs for \(adapters) adapters")
        }
        try append(items: guids, of: "GUIDs", in: structure) { (guid, octets) throws(LayoutError) in
            try octets.append(text: guid.description, of: "Guid", in: structure)
        }
    }
}

extension LayoutCursor {
    /// The octets of a SERIALIZEDGUID.
    private static let serializedGUIDSize = 2 + 72

    fileprivate mutating func guids(adapters: Int) throws(LayoutError) -> [GUID] {
        let guids = try items("Guid", smallest: Self.serializedGUIDSize) { (cursor) throws(LayoutError) in
            let text = try cursor.text("Guid")
            // Braces, which GUID reads as well, would make it longer than 72 octets.
            guard text.utf16.count == 36, let guid = GUID(String(text)) else {
                throw LayoutError.contradiction(structure: cursor.structure, reason: "\"\(text)\" is no GUID")
            }
            return guid
        }
        guard guids.count >= 2 * adapters else {
            throw .contradiction(structure: structure, reason: "\(guids.count) GUIDs for \(adapters) adapters")
        }
        return guids
    }
}
