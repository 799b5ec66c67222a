import CISCSI

extension ISCSIConnection {
    /// Asks a portal for its targets: names, and the addresses of their portals as they stand in the answer.
    func discover(until deadline: Deadline) throws -> [(name: String, addresses: [String])] {
        guard let context else { throw error(.connectionLost("it has ended")) }
        let answer = DiscoveryAnswer(completion)
        discovery = answer
        completion.pointee = Completion()
        stream?.begin(.text)
        let onAnswer: iscsi_command_cb = { _, status, list, place in
            guard let place else { return }
            let answer = Unmanaged<DiscoveryAnswer>.fromOpaque(place).takeUnretainedValue()
            if status == 0 { answer.read(list?.assumingMemoryBound(to: iscsi_discovery_address.self)) }
            ISCSIConnection.onCompletion(nil, status, nil, answer.completion)
        }
        guard iscsi_discovery_async(context, onAnswer, Unmanaged.passUnretained(answer).toOpaque()) == 0 else {
            throw error(.discoveryFailed(lastError))
        }
        do {
            try drive(until: deadline) { iscsi_service($0, $1) }
        } catch is DeadlinePassed {
            throw error(.noAnswer(seconds: deadline.limit.seconds))
        }
        guard completion.pointee.status == 0 else { throw error(.discoveryFailed(lastError)) }
        return answer.targets
    }
}

/// What a discovery's callback leaves behind.
final class DiscoveryAnswer {
    var targets: [(name: String, addresses: [String])] = []
    let completion: UnsafeMutableRawPointer

    init(_ completion: UnsafeMutableRawPointer) {
        self.completion = completion
    }

    /// Copies the list, which lives no longer than the callback.
    func read(_ list: UnsafeMutablePointer<iscsi_discovery_address>?) {
        var next = list
        while let entry = next?.pointee {
            var addresses: [String] = []
            var portal = entry.portals
            while let found = portal?.pointee {
                if let address = found.portal { addresses.append(String(cString: address)) }
                portal = found.next
            }
            if let name = entry.target_name { targets.append((String(cString: name), addresses)) }
            next = entry.next
        }
    }
}
