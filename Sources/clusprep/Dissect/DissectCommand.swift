import ArgumentParser
import Foundation
import Replay
import Security

/// `clusprep dissect`: every call of a capture, with its names and its values.
struct DissectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "dissect",
        abstract: "Prints the calls of a capture by their names, with every value.",
        discussion: """
            Reads pcap and pcapng, puts TCP connections together, follows DCE/RPC and DCOM on whichever port, and opens \
            sealed calls with the secrets given. What cannot be read is said where it stands, and at the end.

            The exit status is 0 if the capture was read, 1 if none of the secrets given opens anything, and 2 if the file \
            is no capture or a secret cannot be read. See docs/dissect.md.
            """)

    @Argument(help: "The capture; - for standard input.", completion: .file(extensions: ["pcap", "pcapng", "cap"]))
    var file: String

    @OptionGroup(title: "Secrets") var secrets: CaptureKeyOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    @Flag(help: "Print one line for each call, without values.")
    var brief = false

    func validate() throws {
        guard !(json && brief) else { throw ValidationError("--json and --brief exclude each other") }
        guard !(file == "-" && secrets.ntPassword.contains("-")) else {
            throw ValidationError("standard input cannot be both the capture and the password")
        }
    }

    func run() async throws {
        let traffic: CapturedTraffic
        do {
            traffic = try CaptureReader(keys: secrets.keys()).read(path: file)
        } catch {
            Terminal.complain("Error: \(error)")
            throw ExitCode(2)
        }
        if json {
            try DissectionJSON(traffic).write { Terminal.write($0) }
        } else {
            DissectionText(traffic, width: Self.width, isBrief: brief).write { lines in
                Terminal.write(lines.joined(separator: "\n") + "\n")
            }
        }
        guard secrets.isEmpty || !traffic.needsOtherSecrets else {
            Terminal.complain("Error: none of the secrets given opens a security context of this capture")
            throw ExitCode(1)
        }
    }

    /// The terminal's columns; nil where there is none.
    private static var width: Int? {
        var size = winsize()
        guard isatty(STDOUT_FILENO) == 1, ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return nil
        }
        return Int(size.ws_col)
    }
}
