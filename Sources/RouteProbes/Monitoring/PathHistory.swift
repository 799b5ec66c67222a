/// What a message travels in.
enum ProbeCarrier: Sendable, Hashable {
    /// UDP, to a responder.
    case datagram
    /// An ICMP echo request.
    case echo
}

/// What was sent on one path, and what came of it.
///
/// The outcome of a probe is counted when the time for its answer is over, in the order of sending, so the loss is that of
/// finished probes, and losses that follow each other are told from such that only became known together.
///
/// A path begins with probes to the responder. Echo requests take their place where the other host says that no responder is
/// there, or has never answered one and has been silent for as long as makes a path down. Among the echo requests
/// every sixteenth probe asks for a responder again, which counts only if it is answered.
struct PathHistory: Sendable {
    /// What probes of one carrier showed.
    private struct Tally {
        var answered: UInt32 = 0
        var lost: UInt32 = 0
        var wasDown = false
    }

    /// One bit for each of the last 32 probes.
    private struct Probes {
        private var bits: UInt32 = 0

        subscript(sequence: UInt32) -> Bool {
            get { bits & (1 << (sequence & 31)) != 0 }
            set {
                let bit: UInt32 = 1 << (sequence & 31)
                bits = newValue ? bits | bit : bits & ~bit
            }
        }
    }

    private static let scoutEvery: UInt32 = 16

    private(set) var carrier = ProbeCarrier.datagram
    private var sequence: UInt32 = 0
    /// Waits for its answer.
    private var open = Probes()
    /// Is not to be counted.
    private var void = Probes()
    /// Was an echo request.
    private var echo = Probes()
    private var datagrams = Tally()
    private var echoes = Tally()
    /// How many probes were lost since one was answered.
    private var run: UInt32 = 0
    /// Whether a responder, or an echo, ever answered.
    private var hasResponder = false
    private var hasEcho = false

    /// Numbers the next probe and says what it is to travel in.
    mutating func send() -> (sequence: UInt32, carrier: ProbeCarrier) {
        let number = sequence
        sequence &+= 1
        let isScout = carrier == .echo && number % Self.scoutEvery == Self.scoutEvery - 1
        open[number] = true
        void[number] = isScout
        echo[number] = carrier == .echo && !isScout
        return (number, isScout ? .datagram : carrier)
    }

    /// Takes the answer to a probe; false where the probe does not wait for one.
    mutating func answer(_ number: UInt32, by answering: ProbeCarrier) -> Bool {
        guard isRecent(number), open[number], echo[number] == (answering == .echo) else { return false }
        open[number] = false
        void[number] = false
        if answering == .datagram {
            hasResponder = true
            carrier = .datagram
        } else {
            hasEcho = true
        }
        return true
    }

    /// The other host said that it has no responder for a probe.
    mutating func refuse(_ number: UInt32, canEcho: Bool) {
        guard isRecent(number), open[number], !echo[number] else { return }
        open[number] = false
        void[number] = true
        if canEcho { carrier = .echo }
    }

    /// A probe never left, for a reason that is this host's own and says nothing about the path.
    mutating func forget(_ number: UInt32) {
        guard isRecent(number) else { return }
        open[number] = false
        void[number] = true
    }

    /// As ``forget(_:)``, but for a probe that has been answered.
    mutating func forgetIfOpen(_ number: UInt32) {
        if open[number] { forget(number) }
    }

    /// The time for a probe's answer is over.
    ///
    /// - Parameter downAfter: how many lost probes in a row make the path down.
    mutating func settle(_ number: UInt32, downAfter: UInt32, canEcho: Bool) {
        let isLost = open[number]
        open[number] = false
        guard !void[number] else { return }
        var tally = echo[number] ? echoes : datagrams
        if isLost {
            tally.lost &+= 1
            run += 1
            // More where the path's share of the probes has shrunk meanwhile.
            if run >= downAfter {
                tally.wasDown = true
                run = 0
                turn(canEcho: canEcho)
            }
        } else {
            tally.answered &+= 1
            run = 0
        }
        if echo[number] { echoes = tally } else { datagrams = tally }
    }

    /// Tries the other carrier where this one has never had an answer.
    private mutating func turn(canEcho: Bool) {
        switch carrier {
        case .datagram: if canEcho, !hasResponder { carrier = .echo }
        case .echo: if !hasEcho { carrier = .datagram }
        }
    }

    /// What was observed so far.
    var observation: RouteObservation {
        // Probes that asked for a responder nobody has say nothing about the path.
        let counted = !hasResponder && hasEcho ? [echoes] : [datagrams, echoes]
        let answered = counted.reduce(0) { $0 + Int($1.answered) }
        let lost = counted.reduce(0) { $0 + Int($1.lost) }
        let wasUp = answered > 0 || (lost == 0 && (hasResponder || hasEcho))
        let wasDown = counted.contains(where: \.wasDown)
        let total = answered + lost
        return RouteObservation(
            loss: total == 0 ? 0 : (lost * 100 + total / 2) / total,
            state: wasUp ? (wasDown ? .upAndDown : .up) : .down, probes: total)
    }

    private func isRecent(_ number: UInt32) -> Bool {
        let age = sequence &- number
        return age >= 1 && age <= 32
    }
}
