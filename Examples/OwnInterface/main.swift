// OwnInterface           serves an interface of its own on loopback, and calls it
// OwnInterface --serve   serves it until standard input ends, for clients of others: the account is example, the password on
//                        the first line of standard input
import DCERPC
import Foundation
import NDR
import Security

let serves = CommandLine.arguments.dropFirst().first == "--serve"
let password = serves ? readLine() ?? "" : "\(GUID.random())"
let account = OneUser(name: "example", password: password)

// Who calls is known before the first octet of a call is read; here nobody is served who does not seal.
let service = HandlerService(interface: hostload.interface, handlers: hostload.handlers(HostLoad())) { context in
    guard context.identity != nil, context.authenticationLevel >= .packetPrivacy else { throw RPCFault.accessDenied }
}
let server = RPCServer(
    configuration: RPCServerConfiguration(
        endpoints: [RPCEndpoint(host: "127.0.0.1", services: [service])],
        providers: [
            NTLMProvider(
                environment: NTLMEnvironment(
                    netbiosComputerName: "EXAMPLE", netbiosDomainName: "EXAMPLE", dnsComputerName: "localhost",
                    dnsDomainName: "localdomain"),
                users: account)
        ]))
let address = try await server.start()[0]

if serves {
    // Who started it reads this from a pipe, which print() would not fill before the end.
    FileHandle.standardOutput.write(Data("listening on \(address)\n".utf8))
    while readLine() != nil {}
} else {
    let client = try await RPCClient.connect(host: "127.0.0.1", port: address.port)
    let bound = try await client.bind(
        hostload.interface.syntax,
        security: NTLMInitiator(domain: "EXAMPLE", user: account.name, password: account.password))
    let host = hostloadClient(bound)
    let load = try await host.readLoad().load.map { Double($0) / 1000 }
    print("load", load.map { "\($0)" }.joined(separator: " "))
    for mount in try await host.listMounts(.init(fileSystem: "proc")).mounts ?? [] {
        print(mount.Device?.string ?? "", "at", mount.Place?.string ?? "")
    }
    await client.close()
}
await server.shutdown()
