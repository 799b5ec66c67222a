import ErrorCodes

/// What to do about what a node says.
enum NodeAdvice {
    /// Advice for a call that failed.
    static func words(for failure: NodeFailure) -> String {
        if failure.isUnsupported {
            return
                "The node does not have this method: it presents an older release of the protocol. Give all nodes the same release."
        }
        switch failure.kind {
        case .answered(let code):
            return codes[code.rawValue] ?? "Look at the node's own log for what \(code) came from."
        case .refused: return "Look at the node's own log for why it refused the call."
        case .lost: return "Look whether the node still runs, and whether a firewall on the way forgets connections."
        }
    }

    private static let codes: [UInt32: String] = [
        0x8007_0005: "Call with an account of the node's administrators.",
        0x8007_0002: "The node does not have the disk any more: look at its connection to the storage.",
        0x8007_0013: "Lift the write protection at the storage.",
        0x8007_0015: "The disk is not ready: look at the storage and the node's paths to it.",
        0x8007_00AA:
            "Somebody else holds the disk: another validation, a cluster, or a reservation that was left behind.",
        0x8007_045D: "The disk answered with an input or output error: look at the paths and at the storage's log.",
        0x8007_0490: "The node does not have the disk any more: look at its connection to the storage.",
        0x8007_139F: "The disk was lost in the middle: somebody else took it, or the node gave it up.",
    ]
}
