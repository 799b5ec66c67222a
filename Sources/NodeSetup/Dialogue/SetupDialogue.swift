/// Somebody who answers questions: a person at a terminal, or a test.
public protocol SetupDialogue: Sendable {
    /// Says something.
    func say(_ text: String)
    /// Asks for a line.
    ///
    /// - Returns: the line without its end; nil where nobody answers any more.
    func ask(_ question: String) -> String?
    /// Asks for a password, twice, without showing it.
    ///
    /// - Throws: ``SetupError/noAnswer(question:)`` where none was given, or two different ones.
    func password(for user: String) throws(SetupError) -> String
}

/// Questions with usual answers, asked again where an answer makes no sense.
struct Questions<Dialogue: SetupDialogue> {
    /// How often one question is asked: whoever answers wrongly that often is no person.
    private static var trials: Int { 5 }

    let dialogue: Dialogue

    /// Asks for a line that makes sense.
    ///
    /// - Parameters:
    ///   - usual: what an empty line means.
    ///   - read: makes sense of an answer.
    func ask<Value>(
        _ question: String, usual: String, _ read: (String) throws(SetupError) -> Value
    ) throws(SetupError) -> Value {
        let prompt = usual.isEmpty ? "\(question): " : "\(question) [\(usual)]: "
        for _ in 0..<Self.trials {
            guard let line = dialogue.ask(prompt) else { break }
            let words = line.split(whereSeparator: \.isWhitespace).joined(separator: " ")
            do throws(SetupError) {
                return try read(words.isEmpty ? usual : words)
            } catch {
                dialogue.say("  \(error)")
            }
        }
        throw .noAnswer(question: question)
    }

    /// Asks for yes or no.
    func confirm(_ question: String, usual: Bool) throws(SetupError) -> Bool {
        try ask(question, usual: usual ? "yes" : "no") { text throws(SetupError) in
            switch text.lowercased() {
            case "yes", "y": true
            case "no", "n": false
            default: throw SetupError.badAnswer(question, reason: "yes or no")
            }
        }
    }
}
