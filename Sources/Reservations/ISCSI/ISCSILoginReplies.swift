import CISCSI
import Synchronization

/// What a target answered during a login.
///
/// libiscsi takes what it understands of a target's answers and says nothing of the rest: it goes on without header digests
/// where the target has none, without the target's proof where the target leaves that stage out, and with segment lengths
/// of zero. The one place where it shows the answers is its log, so that is where they are read, and judged
/// before the first command is sent.
struct ISCSILoginReplies {
    /// One answered key, and in which of the target's messages it stood.
    struct Reply: Equatable {
        var message: Int
        var key: Substring
        var value: Substring
    }

    private(set) var replies: [Reply] = []
    private var messages = 0

    /// Runs libiscsi's part in one of the target's messages and takes down what it answered.
    mutating func listen(_ context: OpaquePointer, _ body: () -> Int32) -> Int32 {
        let lines = LineCapture()
        // libiscsi writes its log lines into one buffer for all threads, so only one thread at a time may make it log.
        let result = Self.oneAtATime.withLock { _ in
            LineCapture.$current.withValue(lines) {
                iscsi_set_log_level(context, 6)
                defer { iscsi_set_log_level(context, 0) }
                return body()
            }
        }
        messages += 1
        for line in lines.lines { note(line) }
        return result
    }

    /// Takes down a line of the log, if it is about an answer: `TargetLoginReply: KEY=VALUE [TARGET]`.
    mutating func note(_ line: String) {
        let prefix = "TargetLoginReply: "
        guard line.hasPrefix(prefix) else { return }
        let pair = line.dropFirst(prefix.count)
        let key = pair.prefix { $0 != "=" }
        var value = pair.dropFirst(key.count + 1)
        if let end = value.range(ofLast: " [") { value = value[..<end] }
        replies.append(Reply(message: messages, key: key, value: value))
    }

    /// What of the answers cannot be accepted.
    func problem(headerDigest: ISCSITarget.HeaderDigest, isMutual: Bool) -> ISCSIError.Reason? {
        let digests = replies.filter { $0.key == "HeaderDigest" }
        if headerDigest == .crc32c, digests.isEmpty || digests.contains(where: { $0.value != "CRC32C" }) {
            return .headerDigestRefused
        }
        for reply in replies where Self.lengths.contains(reply.key) {
            // RFC 3720 12.12 to 12.14.
            guard let octets = Int(reply.value), (512...0xFF_FFFF).contains(octets) else {
                return .badParameter(key: String(reply.key), value: String(reply.value.prefix(40)))
            }
        }
        guard isMutual else { return nil }
        // The proof answers the challenge that went out after the target's own: one that came earlier proves nothing.
        let challenge = replies.last { $0.key == "CHAP_C" }
        let proof = replies.last { $0.key == "CHAP_R" }
        guard let challenge, let proof, proof.message > challenge.message else { return .targetNotAuthenticated }
        return nil
    }

    private static let lengths: Set<Substring> = ["MaxRecvDataSegmentLength", "MaxBurstLength", "FirstBurstLength"]
    private static let oneAtATime = Mutex(())
}

extension Substring {
    /// Where the text stands for the last time.
    fileprivate func range(ofLast text: String) -> Index? {
        indices.reversed().first { self[$0...].hasPrefix(text) }
    }
}

/// The lines libiscsi logs on this thread.
final class LineCapture: Sendable {
    /// Where the lines go.
    @TaskLocal static var current: LineCapture?

    private let captured = Mutex<[String]>([])

    var lines: [String] { captured.withLock { $0 } }

    /// Makes a context log to ``current`` and nowhere else; libiscsi itself would write to the standard error stream where an
    /// environment variable asks for it.
    static func install(_ context: OpaquePointer) {
        iscsi_set_log_level(context, 0)
        iscsi_set_log_fn(context) { _, message in
            guard let message else { return }
            LineCapture.current?.add(String(cString: message))
        }
    }

    private func add(_ line: String) {
        captured.withLock { lines in
            // A target's login has few keys; one that sends no end of them has no say in how much is kept.
            if lines.count < 1000 { lines.append(line) }
        }
    }
}
