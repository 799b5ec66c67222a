import DCERPC
import NDR
import Security
import TestSupport
import Testing

@testable import Replay

/// The captures of the fixtures, judged by tshark.
@Suite(.offThePool) struct FixtureTests {
    @Test(arguments: Capture.all)
    func agreesWithTshark(_ capture: Capture) throws {
        let traffic = try capture.traffic()
        let judgement = try capture.judgement
        let requests = judgement.filter { $0.kind == "request" }
        let places = judgement.indices.filter { judgement[$0].kind == "request" }
        #expect(traffic.calls.count == requests.count)
        for (call, place) in zip(traffic.calls, places) {
            let request = judgement[place]
            #expect(call.callID == request.call)
            #expect(call.presentationContext == request.context)
            #expect(call.opnum == request.opnum)
            #expect(call.object?.description == request.object)
            try compare(call.request, request)
            let answer = try #require(
                // impacket uses identifiers again as soon as it has altered a context.
                judgement[place...].first {
                    $0.kind != "request" && $0.stream == request.stream && $0.call == request.call
                })
            switch call.outcome {
            case .response(let message):
                #expect(answer.kind == "response")
                try compare(message, answer)
            case .fault(let fault, _, _):
                #expect(answer.kind == "fault")
                #expect(fault.status == answer.status)
            case .none, .missing: Issue.record("call \(call.id) has no answer")
            }
        }
        #expect(Set(requests.map(\.stream)).count == Set(traffic.calls.map(\.association)).count)
    }

    private func compare(_ message: CapturedMessage?, _ judged: Judgement) throws {
        let message = try #require(message)
        #expect(message.isComplete)
        #expect(message.stubLength == judged.size)
        guard let octets = message.stub.octets else { return }
        let whole = octets + message.verificationTrailer
        #expect(whole.count == judged.size)
        guard let digest = judged.sha256 else { return }
        #expect(
            try Digest.sha256(whole).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined() == digest,
            "call \(judged.call), \(judged.kind)")
    }

    /// Everything can be opened, but the calls of somebody who logged on with a wrong password.
    @Test(arguments: Capture.all)
    func opensEverything(_ capture: Capture) throws {
        let traffic = try capture.traffic()
        for call in traffic.calls {
            if case .fault(.accessDenied, _, _) = call.outcome { continue }
            #expect(call.request?.stub.octets != nil, "\(call.id): \(String(describing: call.request?.stub))")
            if let response = call.response { #expect(response.stub.octets != nil, "\(call.id): \(response.stub)") }
            #expect(call.interface != nil)
            #expect(call.transferSyntax != nil)
        }
        #expect(traffic.remarks == [])
        // The realm's own.
        if !capture.kerberos { #expect(traffic.counts.foreignConnections == 0) }
        for authentication in traffic.associations.flatMap(\.authentications) {
            guard capture.kerberos else {
                #expect(authentication.client == "LAB\\clusadmin")
                continue
            }
            #expect(authentication.client == "alice@LAB.TEST")
            #expect(authentication.mechanism == .kerberos)
            #expect(authentication.access == .open)
        }
    }

    @Test func withoutSecretsStubsAreSealedAndAllElseIsKnown() throws {
        for capture in Capture.all {
            let open = try capture.traffic()
            let closed = try CaptureReader().read(octets: try capture.octets)
            #expect(closed.calls.map(\.opnum) == open.calls.map(\.opnum))
            #expect(closed.calls.map(\.object) == open.calls.map(\.object))
            #expect(closed.calls.map(\.request?.stubLength) == open.calls.map(\.request?.stubLength))
            for call in closed.calls where call.protection?.level == AuthenticationLevel.packetPrivacy.rawValue {
                guard case .unreadable(let reason) = call.request?.stub else {
                    Issue.record("call \(call.id) of \(capture.file) was opened without a secret")
                    continue
                }
                #expect(reason.contains("not given"))
            }
        }
    }

    @Test func aWrongPasswordIsNamed() throws {
        var keys = ObservationKeys()
        try keys.add(ntPassword: "wrong")
        let traffic = try CaptureReader(keys: keys).read(octets: try Capture.named("impacket-disk").octets)
        for authentication in traffic.associations.flatMap(\.authentications) {
            #expect(
                authentication.access
                    == .closed("the password given is not that which LAB\\clusadmin logged on with"))
        }
        #expect(traffic.calls.allSatisfy { $0.request?.stub.octets == nil })
    }

    @Test func aWrongKeytabIsNamed() throws {
        var keys = ObservationKeys()
        try keys.add(
            keytab: Capture.folder.deletingLastPathComponent().appending(path: "kerberos/services.keytab").path)
        let traffic = try CaptureReader(keys: keys).read(octets: try Capture.named("impacket-kerberos").octets)
        for authentication in traffic.associations.flatMap(\.authentications) {
            #expect(
                authentication.access
                    == .closed("no key of the keytab opens the ticket for host/aes256-sha1.lab.test@LAB.TEST"))
        }
    }

    /// What the fixtures have to show.
    @Test func theFixturesShowEveryProtection() throws {
        var seen: Set<CapturedCall.Protection> = []
        var syntaxes: Set<SyntaxIdentifier> = []
        var bigEndian = false
        for capture in Capture.all {
            for call in try capture.traffic().calls {
                if let protection = call.protection {
                    seen.insert(.init(contextID: 0, provider: protection.provider, level: protection.level))
                }
                if let syntax = call.transferSyntax { syntaxes.insert(syntax) }
                bigEndian = bigEndian || call.request?.isBigEndian == true
            }
        }
        for provider in [AuthenticationType.ntlm, .spnego, .kerberos] {
            for level in [AuthenticationLevel.packetIntegrity, .packetPrivacy] {
                #expect(seen.contains(.init(contextID: 0, provider: provider, level: level.rawValue)))
            }
        }
        #expect(syntaxes == [.ndr20, .ndr64])
        #expect(bigEndian)
    }
}
