import TestSupport
import Testing

@testable import Reservations

/// What must hold whatever comes in. The seeds are fixed, so a failure can be repeated.
@Suite(.offThePool) struct RandomInputTests {
    /// No sequence of commands makes a state that could not be read back, or loses count.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func everyStateMakesSense(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        let nexuses = (0..<4).flatMap { node in
            (1...2).map { Nexus(initiator: .node("n\(node)"), targetPort: UInt16($0)) }
        }
        var state = UnitState(imageLength: 512, blockSize: 512, bootIdentifier: "")
        for _ in 0..<1000 {
            let before = state.reservations
            let action = try #require(SCSICommand.ReserveOutAction.allCases.randomElement(using: &random))
            let nexus = try #require(nexuses.randomElement(using: &random))
            let known = before.key(of: nexus) ?? .none
            let parameters = ReserveOutParameters(
                key: Bool.random(using: &random) ? known : key(.random(in: 0...3, using: &random)),
                serviceActionKey: key(.random(in: 0...3, using: &random)),
                allTargetPorts: Int.random(in: 0..<4, using: &random) == 0,
                persistsThroughPowerLoss: Bool.random(using: &random),
                initiatorPorts: Int.random(in: 0..<8, using: &random) == 0
                    ? [nexuses[Int.random(in: 0..<8, using: &random)].initiator.transportID] : nil)
            let request = ReserveOutRequest(
                action: action, scope: 0, type: .random(in: 0...9, using: &random), parameters: parameters,
                nexus: nexus, targetPorts: 1...2)
            do throws(ReserveOutRefusal) {
                try state.reservations.execute(request)
            } catch {
                #expect(state.reservations == before)
            }
            if state.reservations.registrations != before.registrations {
                #expect(state.reservations.generation == before.generation &+ 1)
            }
            if let attentive = nexuses.randomElement(using: &random) {
                _ = state.reservations.takeAttention(of: attentive)
            }
            try #require(state.defect == nil)
        }
        #expect(try UnitState(encoded: state.encoded()) == state)
    }

    /// No octets make a reader of theirs crash, and what is read back is what was written.
    @Test(arguments: 0..<20 as Range<UInt64>)
    func readersSurviveAnything(seed: UInt64) throws {
        var random = SplitMix64(state: seed)
        let initiator = InitiatorIdentity.node("n")
        let samples: [[UInt8]] = [
            SenseData(
                key: .illegalRequest, code: .invalidFieldInCDB, information: 1,
                fieldPointer: .init(isInCDB: true, octet: 1, bit: 2)
            ).descriptorFormat,
            SenseData(key: .unitAttention, code: .powerOnOrReset).fixedFormat,
            initiator.transportID,
            ReserveOutParameters(
                key: key(1), serviceActionKey: key(2), initiatorPorts: [initiator.transportID, initiator.transportID]
            ).octets,
            StateFileHeader(slot: 1, sequence: 2, length: 3, checksum: 4).octets,
            DeviceIdentifier(codeSet: 1, association: .logicalUnit, kind: .naa, value: [1, 2, 3]).octets,
            LayoutTests.twoNodes.data(for: .readFullStatus),
        ]
        for sample in samples {
            for _ in 0..<300 {
                var octets = sample
                for _ in 0..<Int.random(in: 0...3, using: &random) {
                    octets[Int.random(in: 0..<octets.count, using: &random)] = .random(in: 0...255, using: &random)
                }
                octets.removeLast(Int.random(in: 0...octets.count, using: &random) / 4)
                if let sense = SenseData(octets) { #expect(SenseData(sense.descriptorFormat) == sense) }
                if let port = InitiatorIdentity(transportID: octets) {
                    #expect(InitiatorIdentity(transportID: port.transportID) == port)
                }
                _ = try? ReserveOutParameters(octets, length: UInt32(octets.count))
                _ = try? StateFileHeader(octets, path: "")
                _ = try? DeviceIdentifier.list(octets[...])
                _ = try? VitalProductData.content(of: octets, page: 0)
                _ = try? SCSICommand(cdb: octets)
                let answer = octets
                let script = DiskTests.Script([{ SCSIResult(status: .good, data: answer) }])
                _ = try? Disk(transport: script)
            }
        }
    }
}
