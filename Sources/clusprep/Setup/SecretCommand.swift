import ArgumentParser
import ClusterProtocols
import Foundation

/// `clusprep setup secret`.
struct SecretCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "secret", abstract: "Shows or configures a node's cluster secret.",
        subcommands: [Show.self, Set.self], defaultSubcommand: Show.self)

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Prints the cluster secret.",
            discussion: """
                  clusprep setup secret show --hex

                Ends with status 2 where none was ever configured.
                """)

        @Flag(help: "Print the octets in hexadecimal digits instead of text.")
        var hex = false

        @Flag(help: "Print JSON: the octets in hexadecimal digits, null for the NULL BSTR.")
        var json = false

        @OptionGroup var place: SetupNodeOptions

        func run() async throws {
            guard let secret = try await place.with({ try await $0.secret() }) else {
                Terminal.complain("no cluster secret was ever configured")
                throw SetupCommand.missingStatus
            }
            var digits: String?
            if case .octets(let octets) = secret { digits = hexDigits(octets) }
            let terminal = Terminal.standardOutput
            if json {
                terminal.line(try ["secret": digits].prettyJSON())
            } else {
                terminal.line((hex ? digits : secret.text.map(Terminal.printable)) ?? "")
            }
        }
    }

    struct Set: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "set", abstract: "Configures the cluster secret that is read from standard input.",
            discussion: """
                  openssl rand -hex 32 | clusprep setup secret set --hex

                A terminal is asked without showing what is typed. Otherwise the secret is one line, without its end; with \
                --node it is the second one, after the password. Durable when the command ends.
                """)

        @Flag(help: "What is read are octets in hexadecimal digits, not text.")
        var hex = false

        @OptionGroup var place: SetupNodeOptions

        func run() async throws {
            // The password is asked for first.
            try await place.with { node in
                let text = try SecretInput.read()
                guard hex else { return try await node.setSecret(BSTRValue(text)) }
                guard let octets = octets(ofHexDigits: text) else {
                    throw CommandFailure("the secret is not an even number of hexadecimal digits")
                }
                try await node.setSecret(.octets(octets))
            }
        }
    }
}

/// Where a cluster secret comes from.
enum SecretInput {
    /// Asks twice on a terminal, without showing it; or takes the next line of standard input, which may be empty.
    ///
    /// - Throws: ``CommandFailure`` where there is none.
    static func read() throws -> String {
        if isatty(STDIN_FILENO) == 1 { return try PasswordPrompt.ask(for: "the cluster secret") }
        guard let line = readLine(strippingNewline: true) else {
            throw CommandFailure("there is no secret on standard input")
        }
        return line
    }
}

/// Two digits for each octet.
func hexDigits(_ octets: [UInt8]) -> String {
    octets.map { octet in (octet < 16 ? "0" : "") + String(octet, radix: 16) }.joined()
}

/// The octets of an even number of hexadecimal digits; nil for any other text.
func octets(ofHexDigits text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count.isMultiple(of: 2) else { return nil }
    var octets: [UInt8] = []
    for index in stride(from: 0, to: digits.count, by: 2) {
        let pair = digits[index..<(index + 2)]
        // UInt8 would take a sign, too.
        guard pair.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }),
            let octet = UInt8(String(decoding: pair, as: UTF8.self), radix: 16)
        else { return nil }
        octets.append(octet)
    }
    return octets
}
