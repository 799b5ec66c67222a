import ClusterEngine
import Foundation

/// The user by whom a lab's nodes are called.
enum LabUsers {
    /// Sees to it that a node knows the lab's user by the lab's password. Makes the node's state where there is none.
    static func add(_ lab: LabDescription, stateFolder: URL) async throws {
        let directory = try NodeUserDirectory(state: try NodeState.open(folder: stateFolder.path, as: .tool))
        do throws(UserDirectoryError) {
            try await directory.add(name: lab.user, password: lab.password, isAdministrator: true)
        } catch .exists {
            try await directory.setPassword(name: lab.user, password: lab.password)
        }
    }
}
