// FirstCall HOST PORT DOMAIN USER, and the password on standard input: asks a node for its name.
import ClusPrepClient
import Foundation

let arguments = CommandLine.arguments
guard arguments.count == 5, let port = UInt16(arguments[2]), let password = readLine() else {
    FileHandle.standardError.write(Data("usage: FirstCall HOST PORT DOMAIN USER < password\n".utf8))
    exit(64)
}
let node = ClusPrepClient(
    host: arguments[1], port: port, credentials: .init(domain: arguments[3], user: arguments[4], password: password))
let setup = try await node.setup()
print("The node calls itself \(try await setup.hostLabel()).")
try await setup.release()
