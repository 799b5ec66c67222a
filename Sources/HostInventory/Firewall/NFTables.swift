import CNFTables
import Foundation

/// A conversation with nf_tables through libnftables. It blocks, and belongs to the thread and the network namespace that made it.
struct NFTables: ~Copyable {
    private let context: OpaquePointer

    init() throws(FirewallError) {
        context = try Self.makeContext()
    }

    private static func makeContext() throws(FirewallError) -> OpaquePointer {
        guard let context = nft_ctx_new(UInt32(NFT_CTX_DEFAULT)) else { throw .unavailable }
        guard nft_ctx_buffer_output(context) == 0, nft_ctx_buffer_error(context) == 0 else {
            nft_ctx_free(context)
            throw .unavailable
        }
        return context
    }

    deinit {
        nft_ctx_free(context)
    }

    /// The two descriptions of one ruleset that ``Ruleset/init(json:listing:)`` reads.
    func snapshot() throws(FirewallError) -> (json: [UInt8], listing: [UInt8]) {
        let operation = "list the ruleset"
        // Counters and the time that elements have left change all the time, and are not asked for.
        let plain = UInt32(NFT_CTX_OUTPUT_STATELESS) | UInt32(NFT_CTX_OUTPUT_NUMERIC_ALL)
        let listingFlags = plain | UInt32(NFT_CTX_OUTPUT_HANDLE)
        var listing = try run("list ruleset", flags: listingFlags, for: operation)
        for _ in 0..<5 {
            let json = try run("list ruleset", flags: plain | UInt32(NFT_CTX_OUTPUT_JSON), for: operation)
            let after = try run("list ruleset", flags: listingFlags, for: operation)
            if after == listing { return (json, listing) }
            listing = after
        }
        throw .refused(operation: operation, reason: "it changed during each of five attempts")
    }

    /// Runs commands of nft(8) as one transaction.
    func run(_ commands: String, for operation: String) throws(FirewallError) {
        _ = try run(commands, flags: 0, for: operation)
    }

    private func run(_ commands: String, flags: UInt32, for operation: String) throws(FirewallError) -> [UInt8] {
        nft_ctx_output_set_flags(context, flags)
        let status = nft_run_cmd_from_buffer(context, commands)
        // Both buffers are read each time, which empties them.
        let output = Self.octets(nft_ctx_get_output_buffer(context))
        let problem = Self.octets(nft_ctx_get_error_buffer(context))
        guard status == 0 else {
            let lines = String(decoding: problem, as: UTF8.self).split(separator: "\n")
            throw .refused(operation: operation, reason: lines.first.map(String.init) ?? "libnftables does not say why")
        }
        return output
    }

    private static func octets(_ text: UnsafePointer<CChar>?) -> [UInt8] {
        guard let text else { return [] }
        return UnsafeBufferPointer(start: text, count: strlen(text)).map { UInt8(bitPattern: $0) }
    }
}
