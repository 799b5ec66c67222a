/// A reservation key (SPC-3 5.6.6): eight octets by which an I_T nexus' registration is named.
public struct ReservationKey: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    /// The key as a big-endian number; zero means "no key".
    public var rawValue: UInt64

    /// Any key, zero included.
    public init(rawValue: UInt64) {
        self.rawValue = rawValue
    }

    /// A key of two halves: the node's part above, the random part below.
    public init(node: UInt32, random: UInt32) {
        rawValue = UInt64(node) << 32 | UInt64(random)
    }

    /// A fresh key for a node: never zero, and never another node's.
    ///
    /// The upper half is the CRC-32C of the node's name, the lower is random, so two nodes share a key only if their names'
    /// checksums agree *and* they draw the same number. Keys drawn from 64 random bits alone carry no trace of who drew
    /// them; with the node in the key, an operator can tell whose registration stands on the disk (``belongs(to:)``).
    ///
    /// - Parameter nodeName: the node's unique name; the case of ASCII letters does not matter.
    public static func unique(nodeName: String) -> ReservationKey {
        ReservationKey(node: nodePart(of: nodeName), random: UInt32.random(in: 1...UInt32.max))
    }

    /// The part of the key that names the node.
    public var node: UInt32 {
        UInt32(truncatingIfNeeded: rawValue >> 32)
    }

    /// Whether the key was made by ``unique(nodeName:)`` for this node.
    public func belongs(to nodeName: String) -> Bool {
        node == Self.nodePart(of: nodeName)
    }

    /// No key: what unregisters, and what all-registrants reservations report.
    public static let none = ReservationKey(rawValue: 0)

    /// Sixteen hexadecimal digits with their prefix.
    public var description: String {
        let digits = String(rawValue, radix: 16)
        return "0x" + String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static func nodePart(of name: String) -> UInt32 {
        CRC32C.checksum(name.lowercased().utf8)
    }
}

/// The type of a persistent reservation (SPC-3 6.11.3.4).
public enum ReservationType: UInt8, Sendable, CaseIterable {
    /// Only the holder writes.
    case writeExclusive = 1
    /// Only the holder reads or writes.
    case exclusiveAccess = 3
    /// Only registered I_T nexuses write; one of them holds the reservation.
    case writeExclusiveRegistrantsOnly = 5
    /// Only registered I_T nexuses read or write; one of them holds the reservation.
    case exclusiveAccessRegistrantsOnly = 6
    /// Only registered I_T nexuses write, and all of them are holders.
    case writeExclusiveAllRegistrants = 7
    /// Only registered I_T nexuses read or write, and all of them are holders.
    case exclusiveAccessAllRegistrants = 8

    /// Whether every registered I_T nexus holds the reservation.
    public var isAllRegistrants: Bool {
        self == .writeExclusiveAllRegistrants || self == .exclusiveAccessAllRegistrants
    }

    /// Whether every registered I_T nexus has the access the holder has.
    public var admitsRegistrants: Bool {
        self != .writeExclusive && self != .exclusiveAccess
    }

    /// Whether those outside may still read.
    public var admitsReaders: Bool {
        switch self {
        case .writeExclusive, .writeExclusiveRegistrantsOnly, .writeExclusiveAllRegistrants: true
        case .exclusiveAccess, .exclusiveAccessRegistrantsOnly, .exclusiveAccessAllRegistrants: false
        }
    }
}

/// What READ KEYS says (SPC-3 6.11.2).
public struct RegisteredKeys: Sendable, Equatable {
    /// PRgeneration: changes with every change of the registrations.
    public var generation: UInt32
    /// One key for each registered I_T nexus, so a key may occur more than once.
    public var keys: [ReservationKey]

    /// Keys at a generation.
    public init(generation: UInt32, keys: [ReservationKey]) {
        self.generation = generation
        self.keys = keys
    }
}

/// What READ RESERVATION says (SPC-3 6.11.3).
public struct CurrentReservation: Sendable, Equatable {
    /// PRgeneration.
    public var generation: UInt32
    /// The reservation; nil where nobody holds one.
    public var holder: Holder?

    /// A reservation at a generation.
    public init(generation: UInt32, holder: Holder?) {
        self.generation = generation
        self.holder = holder
    }

    /// A reservation that is held.
    public struct Holder: Sendable, Hashable {
        /// The holder's key; ``ReservationKey/none`` for the all-registrants types, which have no single holder.
        public var key: ReservationKey
        /// The type of the reservation.
        public var type: ReservationType

        /// A reservation of this type, held with this key.
        public init(key: ReservationKey, type: ReservationType) {
            self.key = key
            self.type = type
        }
    }
}

/// What REPORT CAPABILITIES says (SPC-3 6.11.4).
public struct ReservationCapabilities: Sendable, Equatable {
    /// CRH: RESERVE(6) and RELEASE(6) are tolerated beside persistent reservations.
    public var compatibleReservationHandling: Bool
    /// SIP_C: REGISTER may name other initiator ports.
    public var specifyInitiatorPorts: Bool
    /// ATP_C: REGISTER may register through all target ports at once.
    public var allTargetPorts: Bool
    /// PTPL_C: the unit can persist reservations through power loss.
    public var persistThroughPowerLoss: Bool
    /// PTPL_A: and does so at present.
    public var persistThroughPowerLossActivated: Bool
    /// The types the unit supports; nil where it does not say (TMV is zero).
    public var types: Set<ReservationType>?

    /// Capabilities, all named.
    public init(
        compatibleReservationHandling: Bool, specifyInitiatorPorts: Bool, allTargetPorts: Bool,
        persistThroughPowerLoss: Bool, persistThroughPowerLossActivated: Bool, types: Set<ReservationType>?
    ) {
        self.compatibleReservationHandling = compatibleReservationHandling
        self.specifyInitiatorPorts = specifyInitiatorPorts
        self.allTargetPorts = allTargetPorts
        self.persistThroughPowerLoss = persistThroughPowerLoss
        self.persistThroughPowerLossActivated = persistThroughPowerLossActivated
        self.types = types
    }
}

/// One descriptor of READ FULL STATUS (SPC-3 6.11.5).
public struct RegistrationStatus: Sendable, Equatable {
    /// The key.
    public var key: ReservationKey
    /// Whether this I_T nexus holds the reservation, and of which type it then is.
    public var heldType: ReservationType?
    /// Whether the descriptor stands for every target port.
    public var allTargetPorts: Bool
    /// The target port of the nexus; without meaning where ``allTargetPorts`` is set.
    public var relativeTargetPort: UInt16
    /// The initiator port, as the target describes it (SPC-3 7.5.4); an iSCSI one decodes with ``InitiatorIdentity``.
    public var transportID: [UInt8]

    /// A descriptor of these parts.
    public init(
        key: ReservationKey, heldType: ReservationType?, allTargetPorts: Bool, relativeTargetPort: UInt16,
        transportID: [UInt8]
    ) {
        self.key = key
        self.heldType = heldType
        self.allTargetPorts = allTargetPorts
        self.relativeTargetPort = relativeTargetPort
        self.transportID = transportID
    }
}

/// What READ FULL STATUS says.
public struct FullReservationStatus: Sendable, Equatable {
    /// PRgeneration.
    public var generation: UInt32
    /// One descriptor for each registered I_T nexus, or for several where the target folds them.
    public var registrations: [RegistrationStatus]

    /// Registrations at a generation.
    public init(generation: UInt32, registrations: [RegistrationStatus]) {
        self.generation = generation
        self.registrations = registrations
    }
}
