// ValidateCluster DOMAIN USER PORT HOST..., and the password on standard input: whether these nodes can be a cluster.
import ClusPrepClient
import Foundation
import Validation

let arguments = CommandLine.arguments
guard arguments.count > 4, let port = UInt16(arguments[3]), let password = readLine() else {
    FileHandle.standardError.write(Data("usage: ValidateCluster DOMAIN USER PORT HOST... < password\n".utf8))
    exit(64)
}
let credentials = ClusPrepClient.Credentials(domain: arguments[1], user: arguments[2], password: password)
let nodes = arguments[4...].map { host in
    RemoteNode(name: host, client: ClusPrepClient(host: host, port: port, credentials: credentials))
}

var options = NodeValidationOptions()
options.include = ["persistent-reservation", "network"]
let validation = NodeValidation(nodes: nodes, options: options)

// The plan changes nothing; it says what the run would do.
let plan = await validation.plan()
for disk in plan.testedDisks { print("disk \(disk.name) is shared by \(disk.places.count) nodes") }

let report = await validation.run(plan, generator: "ValidateCluster") { progress in
    if case .ended(let result) = progress, result.verdict != .excluded {
        print("\(result.verdict.words): \(result.title)")
    }
}
try Data(HTMLReport.page(report).utf8).write(to: URL(fileURLWithPath: "cluster.html"))
print("\(report.verdict.words); see cluster.html")
exit(report.exitStatus)
