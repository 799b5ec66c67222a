import DCERPC

/// The negotiations, calls and ends of connections of a capture, in the order in which they are issued again.
///
/// What had been answered before something began is waited for; what was under way at the same time is under way at the same
/// time again.
struct ReplaySchedule: Sendable {
    enum Work: Sendable {
        case negotiation(CapturedNegotiation)
        case call(CapturedCall)
        /// The connection's end, at which a server runs down what it has held.
        case end
    }

    struct Step: Sendable {
        let work: Work
        let association: Int
        let begin: CaptureTime
        /// When it was over; nil if the capture does not have that.
        let end: CaptureTime?
        let position: Int

        /// Whether nothing else of its association may be under way meanwhile.
        var isAlone: Bool {
            if case .call = work { false } else { true }
        }
    }

    let steps: [Step]

    init(_ traffic: CapturedTraffic) {
        var steps: [Step] = []
        for association in traffic.associations {
            for negotiation in association.negotiations {
                steps.append(
                    Step(
                        work: .negotiation(negotiation), association: association.id, begin: negotiation.sent,
                        end: negotiation.sent, position: negotiation.position))
            }
        }
        for call in traffic.calls {
            let begin = call.request?.began ?? call.response?.began ?? CaptureTime(nanoseconds: 0)
            let end: CaptureTime? =
                switch call.outcome {
                case .response(let message): message.ended
                case .fault(_, _, let time): time
                case .none: call.request?.ended
                case .missing: nil
                }
            steps.append(
                Step(work: .call(call), association: call.association, begin: begin, end: end, position: call.position))
        }
        // However the packets were captured, an association ends behind all that is done on it.
        var last: [Int: CaptureTime] = [:]
        for step in steps { last[step.association] = max(last[step.association] ?? step.begin, step.begin) }
        for association in traffic.associations {
            guard let closed = association.closed else { continue }
            let time = max(closed, last[association.id] ?? closed)
            steps.append(Step(work: .end, association: association.id, begin: time, end: time, position: .max))
        }
        self.steps = steps.sorted {
            ($0.begin, $0.association, $0.position) < ($1.begin, $1.association, $1.position)
        }
    }

    /// Whether one step is to be over before another begins.
    static func precedes(_ first: Step, _ second: Step) -> Bool {
        if first.association == second.association, first.isAlone || second.isAlone { return true }
        guard let end = first.end else { return false }
        return end <= second.begin
    }
}
