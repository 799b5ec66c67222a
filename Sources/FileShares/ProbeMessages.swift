import Foundation

/// What `clusprep-smb-probe` is asked on its standard input: one JSON object. Passwords travel there, not on the command line,
/// which every user of the host can read.
package struct ProbeRequest: Codable, Equatable, Sendable {
    /// The server's address, as inet_pton reads it.
    package var address: String
    /// The server's port.
    package var port: UInt16
    /// Milliseconds that the connection may take.
    package var timeout: Int
    /// What to read; nil to do no more than see whether an SMB server answers.
    package var file: File?

    /// A file on a share, and who reads it.
    package struct File: Codable, Equatable, Sendable {
        package var share: String
        package var name: String
        package var user: String
        package var password: String
        /// The octets to read at most.
        package var limit: Int
    }
}

/// What it says on its standard output: one JSON object.
package struct ProbeReply: Codable, Equatable, Sendable {
    /// What came of it.
    package enum Outcome: String, Codable, Sendable {
        /// An SMB server answers; the file was read.
        case ok
        case unreachable
        case timedOut
        case notSMB
        case accessDenied
        /// There is no such share, or no such file on it.
        case noShare
    }

    package var outcome: Outcome
    /// The file's text, where there was one to read.
    package var text: String?
    /// The system's own words, for the log.
    package var detail: String?

    package init(_ outcome: Outcome, text: String? = nil, detail: String? = nil) {
        self.outcome = outcome
        self.text = text
        self.detail = detail
    }
}
