import ClusPrepClient
import Foundation

/// Whether a node of a lab really answers.
enum LabProbe {
    /// Activates an object and calls it: the whole way through the node.
    static func ask(_ node: LabDescription.Node, of lab: LabDescription) async throws {
        do {
            let client = ClusPrepClient(
                host: node.address, port: UInt16(node.endpointMapperPort),
                credentials: .init(domain: lab.domain, user: lab.user, password: lab.password))
            let setup = try await client.setup()
            let label = try await setup.hostLabel()
            try await setup.release()
            guard label == node.name else { throw CommandFailure("it calls itself \(label)") }
        } catch {
            throw CommandFailure("\(node.name) at \(node.address) does not answer: \(error)")
        }
    }
}
