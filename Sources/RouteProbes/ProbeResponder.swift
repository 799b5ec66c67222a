/// A UDP port at which other nodes' probes are answered.
public final class ProbeResponder: Sendable {
    /// The port.
    public let port: UInt16
    private let mailbox: ProbeMailbox
    private let isClosed = Flag()

    init(port: UInt16, mailbox: ProbeMailbox) {
        self.port = port
        self.mailbox = mailbox
    }

    deinit {
        if isClosed.raise() { mailbox.post(.unbind(port: port, reply: nil)) }
    }

    /// Gives the port up; it is free, unless another responder has it, when this returns.
    public func close() async {
        guard isClosed.raise() else { return }
        _ = await mailbox.ask { .unbind(port: port, reply: $0) }
    }
}
