import FileShares
import Foundation

/// One connection to one SMB server, for clusprepd: see `ProbeRequest`.
///
/// A program of its own, because libsmbclient has state that is global, blocks without a way to be called off, and parses
/// what strangers send: here it can be killed, and takes nothing down with it.
@main
enum Probe {
    /// What a request takes at most.
    private static let requestLimit = 64 << 10

    static func main() {
        do {
            let input = try FileHandle.standardInput.read(upToCount: requestLimit) ?? Data()
            let request = try JSONDecoder().decode(ProbeRequest.self, from: input)
            let reply =
                if let file = request.file {
                    try SMBFile.read(file, from: request)
                } else {
                    try NegotiationProbe.ask(request)
                }
            FileHandle.standardOutput.write(try JSONEncoder().encode(reply))
        } catch {
            FileHandle.standardError.write(Data("clusprep-smb-probe: \(error)\n".utf8))
            exit(2)
        }
    }
}
