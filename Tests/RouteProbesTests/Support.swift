import HostInventory
import TestSupport

@testable import RouteProbes

/// An address that the test has written down.
func address(_ text: String, scope: UInt32 = 0) throws -> HostAddress {
    guard let address = HostAddress(text, scope: scope) else { throw NotAnAddress(text: text) }
    return address
}

struct NotAnAddress: Error { var text: String }

func path(_ local: String, _ remote: String) throws -> ProbePath {
    try ProbePath(ProbedRoute(local: address(local), remote: address(remote)))
}

/// Two hosts, as an engine sees them: a clock that is moved by hand and a wire that the test is.
struct Wire {
    let clock = ManualClock()
    var engine: ProbeEngine
    var finished: [UInt64: Result<RoundTrip, RouteProbeError>] = [:]
    var sent: [OutgoingProbe] = []

    init(echo: Bool = true, configure: (inout RouteProber.Configuration) -> Void = { _ in }) {
        var configuration = RouteProber.Configuration()
        configure(&configuration)
        var next: UInt64 = 0x1000
        engine = ProbeEngine(configuration: configuration) {
            next += 1
            return next
        }
        engine.echo = EchoAbility(version4: echo, version6: echo)
    }

    var now: Duration { clock.now.offset }

    /// What the other host does with a message.
    enum Fate {
        case answer
        case loss
        case refusal
        case failure(Int32)
        case noRoom
    }

    /// Does what is due, and to every message what its fate says.
    mutating func poll(_ fate: (OutgoingProbe) -> Fate) {
        var actions = engine.poll(now: now)
        while !actions.isEmpty {
            for action in actions {
                switch action {
                case .finish(let number, let result): finished[number] = result
                case .send(let probe):
                    sent.append(probe)
                    deliver(probe, fate(probe))
                }
            }
            actions = engine.takeActions()
        }
    }

    mutating func deliver(_ probe: OutgoingProbe, _ fate: Fate) {
        switch fate {
        case .answer: answer(probe)
        case .loss: break
        case .refusal: engine.refuse(probe.message, now: now)
        case .failure(let errno): engine.fail(probe.message, errno: errno, isOurs: false)
        case .noRoom: engine.fail(probe.message, errno: 11, isOurs: true)
        }
    }

    mutating func answer(_ probe: OutgoingProbe) {
        let message = probe.carrier == .datagram ? probe.message.answer : probe.message
        engine.answer(message, from: probe.path.remote, to: probe.path.local, by: probe.carrier, now: now)
    }

    /// Lets time pass in steps of ten milliseconds.
    mutating func run(_ time: Duration, _ fate: (OutgoingProbe) -> Fate) {
        let end = now + time
        while now < end {
            poll(fate)
            clock.advance(by: .milliseconds(10))
        }
    }
}
