import ErrorCodes
import Testing

@testable import Reservations

/// Octets on the wire, laid out by hand from the standards' tables.
@Suite struct LayoutTests {
    static let commands: [(SCSICommand, String)] = [
        (.testUnitReady, "00 00 00 00 00 00"),
        (.requestSense(descriptorFormat: true, allocationLength: 252), "03 01 00 00 FC 00"),
        (.inquiry(page: nil, allocationLength: 0x1234), "12 00 00 12 34 00"),
        (.inquiry(page: 0x83, allocationLength: 255), "12 01 83 00 FF 00"),
        (
            .modeSense(
                .init(page: 0x3F, subpage: 0xFF, control: 2, disablesBlockDescriptors: true), allocationLength: 192,
                isTenOctets: false), "1A 08 BF FF C0 00"
        ),
        (
            .modeSense(.init(page: 0x08), allocationLength: 0x0200, isTenOctets: true),
            "5A 00 08 00 00 00 00 02 00 00"
        ),
        (.readCapacity10, "25 00 00 00 00 00 00 00 00 00"),
        (.readCapacity16(allocationLength: 32), "9E 10 00 00 00 00 00 00 00 00 00 00 00 20 00 00"),
        (.read(.init(first: 0x12345, count: 9), form: .six), "08 01 23 45 09 00"),
        (.read(.init(first: 0x1234_5678, count: 0x9ABC), form: .ten), "28 00 12 34 56 78 00 9A BC 00"),
        (
            .read(.init(first: 0x1234_5678, count: 0x9ABC_DEF0), form: .twelve),
            "A8 00 12 34 56 78 9A BC DE F0 00 00"
        ),
        (
            .read(.init(first: 0x0123_4567_89AB_CDEF, count: 0x1122_3344), form: .sixteen),
            "88 00 01 23 45 67 89 AB CD EF 11 22 33 44 00 00"
        ),
        (.write(.init(first: 1, count: 2), form: .ten, forceUnitAccess: true), "2A 08 00 00 00 01 00 00 02 00"),
        (
            .write(.init(first: 1, count: 2), form: .sixteen, forceUnitAccess: false),
            "8A 00 00 00 00 00 00 00 00 01 00 00 00 02 00 00"
        ),
        (.synchronizeCache(.init(first: 0, count: 0), isSixteenOctets: false), "35 00 00 00 00 00 00 00 00 00"),
        (
            .synchronizeCache(.init(first: 5, count: 6), isSixteenOctets: true),
            "91 00 00 00 00 00 00 00 00 05 00 00 00 06 00 00"
        ),
        (.persistentReserveIn(.readFullStatus, allocationLength: 0x0800), "5E 03 00 00 00 00 00 08 00 00"),
        (
            .persistentReserveOut(.preempt, scope: 0, type: 5, parameterListLength: 24),
            "5F 04 05 00 00 00 00 00 18 00"
        ),
        (.reportLUNs(selectReport: 2, allocationLength: 16), "A0 00 02 00 00 00 00 00 00 10 00 00"),
        (
            .reportSupportedOperationCodes(.oneWithServiceAction(0x5F, 6), allocationLength: 64),
            "A3 0C 02 5F 00 06 00 00 00 40 00 00"
        ),
    ]

    @Test(arguments: commands.indices)
    func commandsAreWrittenAndRead(index: Int) throws {
        let (command, text) = Self.commands[index]
        #expect(command.cdb == octets(text))
        #expect(try SCSICommand(cdb: octets(text)) == command)
        // A block that ends early is no command.
        #expect(throws: SCSICommandRefusal.invalidOperationCode) {
            try SCSICommand(cdb: Array(octets(text).dropLast()))
        }
    }

    @Test func readSixOfZeroMeansTwoHundredFiftySix() throws {
        #expect(
            try SCSICommand(cdb: octets("08 00 00 00 00 00")) == .read(.init(first: 0, count: 256), form: .six))
    }

    static let refusals: [(String, SCSICommandRefusal)] = [
        ("", .invalidOperationCode),
        ("15 00 00 00 00 00", .invalidOperationCode),  // MODE SELECT: nothing can be changed
        ("16 10 00 00 00 00", .invalidField(octet: 1, bit: 4)),  // RESERVE (6) for a third party
        ("41 02 00 00 00 00 00 00 01 00", .invalidField(octet: 1, bit: 2)),  // LBDATA
        ("41 01 00 00 00 00 00 00 01 00", .invalidField(octet: 1, bit: 0)),  // NDOB has no 10-octet form
        ("4D 01 00 00 00 00 00 00 FF 00", .invalidField(octet: 1, bit: 0)),  // SP
        ("C0 00 00 00 00 00", .invalidOperationCode),  // vendor specific
        ("00 00 00 00 00 04", .invalidField(octet: 5, bit: 2)),  // NACA
        ("12 00 80 00 FF 00", .invalidField(octet: 2)),  // a page without EVPD
        ("12 02 00 00 FF 00", .invalidField(octet: 1, bit: 1)),  // CMDDT
        ("25 00 00 00 00 01 00 00 00 00", .invalidField(octet: 2)),
        ("25 00 00 00 00 00 00 00 01 00", .invalidField(octet: 8, bit: 0)),
        ("28 20 00 00 00 00 00 00 01 00", .invalidField(octet: 1, bit: 7)),  // RDPROTECT
        ("5E 04 00 00 00 00 00 00 FF 00", .invalidField(octet: 1, bit: 4)),
        ("5F 08 00 00 00 00 00 00 18 00", .invalidField(octet: 1, bit: 4)),  // REPLACE LOST RESERVATION of SPC-4
        ("5F 1F 00 00 00 00 00 00 18 00", .invalidField(octet: 1, bit: 4)),
        ("9E 11 00 00 00 00 00 00 00 00 00 00 00 20 00 00", .invalidField(octet: 1, bit: 4)),
        ("A3 0B 00 00 00 00 00 00 00 FF 00 00", .invalidField(octet: 1, bit: 4)),
    ]

    @Test(arguments: refusals.indices)
    func refusalsNameThePlace(index: Int) {
        let (text, refusal) = Self.refusals[index]
        #expect(throws: refusal) { try SCSICommand(cdb: octets(text)) }
    }

    // MARK: Sense data

    /// SPC-3 4.5.3: key at octet 2, code and qualifier at 12 and 13, SKSV, C/D, BPV and bit pointer at 15, field at 16.
    @Test func fixedSenseData() {
        let sense = SenseData(
            key: .illegalRequest, code: .invalidFieldInCDB, information: 0x1234,
            fieldPointer: .init(isInCDB: true, octet: 2, bit: 3))
        let expected = octets("F0 00 05 00 00 12 34 0A 00 00 00 00 24 00 00 CB 00 02")
        #expect(sense.fixedFormat == expected)
        #expect(SenseData(expected) == sense)
    }

    /// SPC-3 4.5.2: an information descriptor, then a sense key specific one.
    @Test func descriptorSenseData() {
        let sense = SenseData(
            key: .illegalRequest, code: .invalidFieldInParameterList, information: 0x1_0000_0000,
            fieldPointer: .init(isInCDB: false, octet: 20, bit: nil))
        let expected = octets(
            "72 05 26 00 00 00 00 14  00 0A 80 00 00 00 00 01 00 00 00 00  02 06 00 00 80 00 14 00")
        #expect(sense.descriptorFormat == expected)
        #expect(SenseData(expected) == sense)
        // The number does not fit into the fixed format.
        #expect(SenseData(sense.fixedFormat)?.information == nil)
    }

    @Test func senseDataCutShort() {
        let whole = SenseData(
            key: .unitAttention, code: .registrationsPreempted, information: 1,
            fieldPointer: .init(isInCDB: true, octet: 1, bit: 1))
        for format in [whole.fixedFormat, whole.descriptorFormat] {
            for count in 0..<format.count {
                let sense = SenseData(Array(format.prefix(count)))
                #expect(sense == nil || sense?.key == .unitAttention)
            }
        }
        #expect(SenseData(octets("7F 00 05 00 00 00 00 00")) == nil)
        #expect(SenseData(octets("71 00 03 00 00 00 00 0A 00 00 00 00 11 00 00 00 00 00"))?.isDeferred == true)
    }

    // MARK: Win32

    static let codes: [(SCSIError, UInt32)] = [
        (.reservationConflict, 170), (.busy, 170), (.status(.taskAborted), 1117), (.status(.checkCondition), 1117),
        (.checkCondition(.init(key: .notReady, code: .manualInterventionRequired)), 21),
        (.checkCondition(.init(key: .notReady, code: .mediumNotPresent)), 21),
        (.checkCondition(.init(key: .mediumError, code: .unrecoveredReadError)), 23),
        (.checkCondition(.init(key: .mediumError, code: .writeError)), 29),
        (.checkCondition(.init(key: .hardwareError, code: .internalTargetFailure)), 1117),
        (.checkCondition(.init(key: .illegalRequest, code: .invalidOperationCode)), 1),
        (.checkCondition(.init(key: .illegalRequest, code: .blockAddressOutOfRange)), 27),
        (.checkCondition(.init(key: .illegalRequest, code: .invalidFieldInCDB)), 87),
        (.checkCondition(.init(key: .illegalRequest, code: .logicalUnitNotSupported)), 55),
        (.checkCondition(.init(key: .illegalRequest, code: .insufficientRegistrationResources)), 1450),
        (.checkCondition(.init(key: .unitAttention, code: .powerOnOrReset)), 1111),
        (.checkCondition(.init(key: .unitAttention, code: .registrationsPreempted)), 170),
        (.checkCondition(.init(key: .unitAttention, code: .init(rawValue: 0x2800))), 1110),
        (.checkCondition(.init(key: .dataProtect, code: .writeProtected)), 19),
        (.checkCondition(.init(key: .dataProtect, code: .spaceAllocationFailed)), 112),
        (.checkCondition(.init(key: .abortedCommand, code: .none)), 1117),
        (.checkCondition(.init(key: .miscompare, code: .none)), 1117),
        (.transport(name: "x", cause: FileError("open", "x", 13)), 5),
        (.transport(name: "x", cause: CancellationError()), 1117),
        (.malformedResponse(command: "x", reason: "y"), 1117), (.unalignedTransfer(octets: 1, blockSize: 512), 87),
    ]

    @Test(arguments: codes.indices)
    func errorsHaveTheirCode(index: Int) {
        let (error, code) = Self.codes[index]
        #expect(error.hresult == HRESULT(rawValue: 0x8007_0000 | code))
    }

    // MARK: Parameter data

    static let twoNodes: PersistentReservations = {
        var state = PersistentReservations()
        state.generation = 0x0102_0304
        let initiators = [("iqn.x:a", UInt64(0x8000_0000_0001)), ("iqn.x:bb", 2)]
        state.registrations = initiators.enumerated().compactMap { index, port in
            InitiatorIdentity(name: port.0, sessionID: port.1).map {
                .init(
                    nexus: Nexus(initiator: $0, targetPort: UInt16(index + 1)),
                    key: ReservationKey(rawValue: 0x1111_2222_3333_4440 + UInt64(index)))
            }
        }
        state.reservation = .init(type: .writeExclusiveRegistrantsOnly, holder: state.registrations[1].nexus)
        return state
    }()

    /// SPC-3 6.11.2.
    @Test func readKeys() {
        #expect(
            Self.twoNodes.data(for: .readKeys)
                == octets("01020304 00000010 1111222233334440 1111222233334441"))
    }

    /// SPC-3 6.11.3: the key, four obsolete octets, a reserved one, scope and type, two obsolete ones.
    @Test func readReservation() {
        var state = Self.twoNodes
        #expect(
            state.data(for: .readReservation) == octets("01020304 00000010 1111222233334441 00000000 00 05 0000"))
        state.reservation = .init(type: .exclusiveAccessAllRegistrants, holder: nil)
        #expect(
            state.data(for: .readReservation) == octets("01020304 00000010 0000000000000000 00000000 00 08 0000"))
        state.reservation = nil
        #expect(state.data(for: .readReservation) == octets("01020304 00000000"))
    }

    /// SPC-3 6.11.4: CRH (bit 4), SIP_C (bit 3), ATP_C (bit 2), PTPL_C (bit 0); TMV (bit 7), PTPL_A (bit 0); the mask EA00h
    /// with 01h in its second octet.
    @Test func reportCapabilities() {
        var state = Self.twoNodes
        #expect(state.data(for: .reportCapabilities) == octets("0008 1D 80 EA01 0000"))
        state.persistsThroughPowerLoss = true
        #expect(state.data(for: .reportCapabilities) == octets("0008 1D 81 EA01 0000"))
    }

    /// SPC-3 6.11.5 and 7.5.4.6. `iqn.x:a,i,0x800000000001` is 24 characters and needs a null, so the field has 28 octets.
    @Test func readFullStatus() {
        let first = "69716E2E783A61 2C692C3078 383030303030303030303031 00000000"
        let second = "69716E2E783A6262 2C692C3078 303030303030303030303032 000000"
        #expect(
            Self.twoNodes.data(for: .readFullStatus)
                == octets(
                    """
                    01020304 00000070
                    1111222233334440 00000000 00 00 00000000 0001 00000020  4500001C \(first)
                    1111222233334441 00000000 01 05 00000000 0002 00000020  4500001C \(second)
                    """))
    }

    /// SPC-3 6.12.3.
    @Test func reserveOutParameters() throws {
        let text = "0000000000000001 0000000000000002 00000000 05 00 0000"
        let list = ReserveOutParameters(
            key: key(1), serviceActionKey: key(2), allTargetPorts: true, persistsThroughPowerLoss: true)
        #expect(list.octets == octets(text))
        #expect(try ReserveOutParameters(octets(text), length: 24) == list)
        var named = list
        named.initiatorPorts = [InitiatorIdentity.node("n").transportID]
        #expect(try ReserveOutParameters(named.octets, length: UInt32(named.octets.count)) == named)
    }

    @Test func reserveOutParameterLengths() {
        let basic = [UInt8](repeating: 0, count: 24)
        for length: UInt32 in [0, 23, 25, 28, .max] {
            let octets = basic + [0, 0, 0, 0]
            #expect(throws: ReserveOutRefusal.parameterListLength) {
                try ReserveOutParameters(octets, length: length)
            }
        }
        // Less data than the length.
        #expect(throws: ReserveOutRefusal.parameterListLength) { try ReserveOutParameters([], length: 24) }
        var named = ReserveOutParameters(
            key: .none, serviceActionKey: key(1), initiatorPorts: [InitiatorIdentity.node("n").transportID]
        ).octets
        let length = UInt32(named.count)
        // The list is longer than the parameter list, then the TransportID than the list.
        #expect(throws: ReserveOutRefusal.invalidParameter(octet: 24)) {
            try ReserveOutParameters(named, length: length - 1)
        }
        named[31] += 4
        #expect(throws: ReserveOutRefusal.invalidParameter(octet: 28)) {
            try ReserveOutParameters(named, length: length)
        }
    }

    @Test func transportIDs() throws {
        let port = try #require(InitiatorIdentity(name: "IQN.X:A", sessionID: 0xFFFF_FFFF_FFFF))
        #expect(port.name == "iqn.x:a")
        #expect(InitiatorIdentity(transportID: port.transportID) == port)
        #expect(InitiatorIdentity(name: String(repeating: "a", count: 223), sessionID: 0) != nil)
        #expect(InitiatorIdentity(name: String(repeating: "a", count: 224), sessionID: 0) == nil)
        #expect(InitiatorIdentity(name: "", sessionID: 0) == nil)
        #expect(InitiatorIdentity(name: "a,b", sessionID: 0) == nil)
        #expect(InitiatorIdentity(name: "a", sessionID: 1 << 48) == nil)
        // Format 00b names a device, not a port.
        #expect(InitiatorIdentity(transportID: octets("05000014") + [UInt8](repeating: 0, count: 20)) == nil)
        for count in 0..<port.transportID.count {
            #expect(InitiatorIdentity(transportID: Array(port.transportID.prefix(count))) == nil)
        }
        #expect(InitiatorIdentity.node("Node 1").name == "iqn.2024-01.net.clusprep:node-1")
        #expect(InitiatorIdentity.node("a b") != InitiatorIdentity.node("a-b"))
    }

    /// RFC 3720 B.4: 32 octets of zeroes, of ones, rising and falling.
    @Test func checksum() {
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(0..<32) == 0x46DD_794E)
        #expect(CRC32C.checksum((0..<32).reversed()) == 0x113F_DB5C)
    }

    @Test func keysNameTheirNode() {
        let key = ReservationKey.unique(nodeName: "Node1")
        #expect(key != .none)
        #expect(key.belongs(to: "node1"))
        #expect(!key.belongs(to: "node2"))
        #expect(ReservationKey(node: 0x0102_0304, random: 0x0506_0708).rawValue == 0x0102_0304_0506_0708)
    }
}
