/// Routes that are being probed ([MS-CSVP] 3.6.4.6 through 3.6.4.8).
public final class RouteMonitor: Sendable {
    private let number: UInt64
    private let mailbox: ProbeMailbox

    init(number: UInt64, mailbox: ProbeMailbox) {
        self.number = number
        self.mailbox = mailbox
    }

    deinit {
        mailbox.post(.cancel(number: number, reply: nil))
    }

    /// What was observed since the monitor started, one for each route in the order they were given. Probing goes on.
    ///
    /// - Throws: ``RouteProbeError/closed`` after ``cancel()``, or when the prober is closed.
    public func status() async throws(RouteProbeError) -> [RouteObservation] {
        try await mailbox.ask { .status(number: number, reply: $0) }.get()
    }

    /// Ends the probing; nothing is sent after it returns. Once is enough; a monitor that goes does so by itself.
    public func cancel() async {
        _ = await mailbox.ask { .cancel(number: number, reply: $0) }
    }
}
