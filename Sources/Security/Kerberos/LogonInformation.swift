/// What a domain says of a user in a ticket: KERB_VALIDATION_INFO of a PAC ([MS-PAC] 2.5), as far as it is needed here.
///
/// It is NDR behind the headers of type serialization version 1 ([MS-RPCE] 2.2.6): the structure first, then what its pointers
/// point to, in the order of the pointers. Whoever calls this has verified the PAC's signature, so the octets are the domain's
/// controller's; they are checked all the same.
struct LogonInformation: Sendable, Hashable {
    /// The account's name.
    let user: String
    /// The NetBIOS name of the account's domain.
    let domain: String
    /// The account's security identifier in string form.
    let sid: String
    /// The security identifiers of the groups that the account is a member of.
    let groups: [String]

    /// More groups than a Windows token has room for (1,015, [MS-PAC] has no limit) are refused, before memory is taken for
    /// them.
    static let maximumGroups = 4096

    /// Decodes the buffer of type 1 of a PAC.
    ///
    /// - Throws: ``SecurityError/malformedToken(_:)``.
    init(_ octets: [UInt8]) throws(SecurityError) {
        var reader = Reader(octets)
        try reader.readSerializationHeader()
        guard try reader.pointer() else { throw Reader.malformed("an empty logon information") }
        // Six times: logon, logoff, kick-off, password set, can change, must change.
        try reader.skip(6 * 8)
        let effectiveName = try reader.stringHeader()
        // Full name, script, profile, home directory and its drive.
        var between: [Reader.StringHeader] = []
        for _ in 0..<5 { between.append(try reader.stringHeader()) }
        // LogonCount and BadPasswordCount.
        try reader.skip(4)
        let userID = try reader.number()
        let primaryGroupID = try reader.number()
        let groupCount = try reader.number()
        let hasGroups = try reader.pointer()
        // UserFlags and UserSessionKey.
        try reader.skip(4 + 16)
        let logonServer = try reader.stringHeader()
        let logonDomain = try reader.stringHeader()
        let hasDomainID = try reader.pointer()
        // Reserved1, UserAccountControl, SubAuthStatus, two times, FailedILogonCount, Reserved3.
        try reader.skip(8 + 4 + 4 + 8 + 8 + 4 + 4)
        let extraCount = try reader.number()
        let hasExtra = try reader.pointer()
        let hasResourceDomain = try reader.pointer()
        let resourceCount = try reader.number()
        let hasResources = try reader.pointer()

        // The pointees.
        user = try reader.string(effectiveName)
        for header in between { _ = try reader.string(header) }
        let groupIDs = hasGroups ? try reader.memberships(groupCount) : []
        _ = try reader.string(logonServer)
        domain = try reader.string(logonDomain)
        guard hasDomainID else { throw Reader.malformed("no domain identifier") }
        let domainID = try reader.securityIdentifier()
        let extra = hasExtra ? try reader.identifiersAndAttributes(extraCount) : []
        let resourceDomain = hasResourceDomain ? try reader.securityIdentifier() : nil
        let resources = hasResources ? try reader.memberships(resourceCount) : []

        guard !user.isEmpty else { throw Reader.malformed("no user name") }
        sid = "\(domainID)-\(userID)"
        var groups = ["\(domainID)-\(primaryGroupID)"]
        groups += groupIDs.map { "\(domainID)-\($0)" }
        groups += extra
        if let resourceDomain { groups += resources.map { "\(resourceDomain)-\($0)" } }
        self.groups = groups
    }
}

extension LogonInformation {
    /// Reads little-endian NDR 2.0 and never past its end.
    private struct Reader {
        private let octets: [UInt8]
        private var offset = 0

        /// The place and size of a RPC_UNICODE_STRING ([MS-DTYP] 2.3.10) whose characters follow later.
        struct StringHeader {
            var length: Int
            var maximumLength: Int
            var isThere: Bool
        }

        /// SE_GROUP_ENABLED ([MS-PAC] 2.2.1): a group that is not enabled is only there to be denied by.
        private static let enabled: UInt32 = 4

        init(_ octets: [UInt8]) {
            self.octets = octets
        }

        static func malformed(_ what: String) -> SecurityError {
            .malformedToken("PAC: \(what)")
        }

        mutating func take(_ count: Int) throws(SecurityError) -> ArraySlice<UInt8> {
            guard count >= 0, count <= octets.count - offset else {
                throw Self.malformed("\(count) octets at \(offset) of \(octets.count)")
            }
            defer { offset += count }
            return octets[offset..<offset + count]
        }

        mutating func skip(_ count: Int) throws(SecurityError) {
            _ = try take(count)
        }

        mutating func align() throws(SecurityError) {
            try skip((4 - offset % 4) % 4)
        }

        mutating func number() throws(SecurityError) -> UInt32 {
            try align()
            return try take(4).reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }

        mutating func short() throws(SecurityError) -> Int {
            try take(2).reversed().reduce(0) { $0 << 8 | Int($1) }
        }

        mutating func pointer() throws(SecurityError) -> Bool {
            try number() != 0
        }

        /// The common header (version 1, little endian, 8 octets, filler) and the private one (length, filler).
        mutating func readSerializationHeader() throws(SecurityError) {
            guard try take(4).elementsEqual([1, 0x10, 8, 0]) else { throw Self.malformed("the serialization header") }
            try skip(4)
            let length = try number()
            try skip(4)
            // Padding behind the value may be counted or not.
            guard Int(length) <= octets.count - offset else { throw Self.malformed("a length of \(length)") }
        }

        mutating func stringHeader() throws(SecurityError) -> StringHeader {
            try align()
            let length = try short()
            let maximumLength = try short()
            return StringHeader(length: length, maximumLength: maximumLength, isThere: try pointer())
        }

        /// The characters of a string: maximum count, offset, actual count, and so many of two octets.
        mutating func string(_ header: StringHeader) throws(SecurityError) -> String {
            guard header.isThere else {
                guard header.length == 0 else { throw Self.malformed("a string without characters") }
                return ""
            }
            let maximum = try number()
            let first = try number()
            let count = try number()
            guard first == 0, count <= maximum, Int(count) * 2 == header.length,
                Int(maximum) * 2 == header.maximumLength
            else { throw Self.malformed("a string's counts at \(offset)") }
            let characters = Array(try take(header.length))
            var units: [UInt16] = []
            units.reserveCapacity(characters.count / 2)
            for index in stride(from: 0, to: characters.count, by: 2) {
                units.append(UInt16(characters[index]) | UInt16(characters[index + 1]) << 8)
            }
            return String(decoding: units, as: UTF16.self)
        }

        private mutating func count(_ expected: UInt32) throws(SecurityError) -> Int {
            let maximum = try number()
            guard maximum == expected, maximum <= LogonInformation.maximumGroups else {
                throw Self.malformed("\(maximum) groups where \(expected) were said")
            }
            return Int(maximum)
        }

        /// An array of GROUP_MEMBERSHIP ([MS-PAC] 2.2.2): the enabled ones' relative identifiers.
        mutating func memberships(_ expected: UInt32) throws(SecurityError) -> [UInt32] {
            var identifiers: [UInt32] = []
            for _ in 0..<(try count(expected)) {
                let identifier = try number()
                if try number() & Self.enabled != 0 { identifiers.append(identifier) }
            }
            return identifiers
        }

        /// An array of KERB_SID_AND_ATTRIBUTES ([MS-PAC] 2.2.1): the enabled ones'.
        mutating func identifiersAndAttributes(_ expected: UInt32) throws(SecurityError) -> [String] {
            var isEnabled: [Bool] = []
            for _ in 0..<(try count(expected)) {
                guard try pointer() else { throw Self.malformed("a group without identifier") }
                isEnabled.append(try number() & Self.enabled != 0)
            }
            var identifiers: [String] = []
            for isEnabled in isEnabled {
                let identifier = try securityIdentifier()
                if isEnabled { identifiers.append(identifier) }
            }
            return identifiers
        }

        /// RPC_SID ([MS-DTYP] 2.4.2.3) behind its conformance, in string form (2.4.2.1).
        mutating func securityIdentifier() throws(SecurityError) -> String {
            let conformance = try number()
            let revision = try take(1).first
            let count = try take(1).first ?? 0
            guard revision == 1, count <= 15, conformance == UInt32(count) else {
                throw Self.malformed("a security identifier at \(offset)")
            }
            let authority = try take(6).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            var text = "S-1-\(authority)"
            for _ in 0..<count { text += "-\(try number())" }
            return text
        }
    }
}
