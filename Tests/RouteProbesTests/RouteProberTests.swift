import CLinuxNetwork
import Glibc
import HostInventory
import Logging
import Testing

@testable import RouteProbes

enum Loopback {
    /// The loopback addresses to which something can be sent.
    static let families = ["127.0.0.1", "::1"].filter { text in
        guard let host = HostAddress(text),
            let socket = try? ProbeSocket(CLUSPREP_PROBE_RESPONDER, isVersion6: host.family == .v6)
        else { return false }
        return (try? socket.send([0], from: ProbeAddress(host), to: ProbeAddress(host), port: socket.port)) != nil
    }
}

/// The prober on the loopback interface, which every user has.
@Suite(.serialized, .enabled(if: !Loopback.families.isEmpty, "the loopback interface is down: ip link set lo up"))
struct RouteProberTests {
    private func prober(_ configure: (inout RouteProber.Configuration) -> Void = { _ in }) -> RouteProber {
        var configuration = RouteProber.Configuration()
        // An answer that comes late is an answer.
        configuration.patience = .seconds(60)
        configure(&configuration)
        return RouteProber(
            configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    /// A port at which the test itself listens.
    private func listener(_ text: String) throws -> (socket: ProbeSocket, address: HostAddress) {
        let host = try address(text)
        return (try ProbeSocket(CLUSPREP_PROBE_RESPONDER, isVersion6: host.family == .v6), host)
    }

    private func next(_ socket: ProbeSocket) async -> ProbeSocket.Datagram {
        while true {
            if let datagram = socket.receive() { return datagram }
            await Task.yield()
        }
    }

    @Test(arguments: Loopback.families)
    func aRoundTrip(_ text: String) async throws {
        let (prober, host) = (prober(), try address(text))
        let responder = try await prober.bind(port: 0)
        let trip = try await prober.roundTrip(from: host, to: host, port: responder.port, timeout: .seconds(60))
        #expect(trip.answer == .responder)
        await prober.close()
    }

    /// The answer comes from the address that was asked, which is not the one the kernel would choose.
    @Test func theAskedAddressAnswers() async throws {
        let prober = prober()
        let responder = try await prober.bind(port: 0)
        let (from, to) = (try address("127.0.0.5"), try address("127.0.0.9"))
        let trip = try await prober.roundTrip(from: from, to: to, port: responder.port, timeout: .seconds(60))
        #expect(trip.answer == .responder)
        await prober.close()
    }

    @Test(arguments: Loopback.families)
    func whereNothingListens(_ text: String) async throws {
        let (prober, host) = (prober(), try address(text))
        let responder = try await prober.bind(port: 0)
        await responder.close()
        // Whether there is an echo depends on what the user who runs the test may do.
        do throws(RouteProbeError) {
            let trip = try await prober.roundTrip(from: host, to: host, port: responder.port, timeout: .seconds(60))
            #expect(trip.answer == .echo)
        } catch {
            #expect(error == .noResponder(from: host, to: host))
        }
        await prober.close()
    }

    @Test func anAddressThatIsNotOurs() async throws {
        let prober = prober()
        let (from, to) = (try address("198.51.100.1"), try address("127.0.0.1"))
        await #expect {
            try await prober.roundTrip(from: from, to: to)
        } throws: { error in
            guard case .unreachable(from, to, _)? = error as? RouteProbeError else { return false }
            return true
        }
        await prober.close()
    }

    @Test func holdersOfAPortShareIt() async throws {
        let (prober, host) = (prober(), try address("127.0.0.1"))
        let first = try await prober.bind(port: 0)
        var second: ProbeResponder? = try await prober.bind(port: first.port)
        await first.close()
        await first.close()
        let trip = try await prober.roundTrip(from: host, to: host, port: first.port, timeout: .seconds(60))
        #expect(trip.answer == .responder)
        #expect(second?.port == first.port)
        second = nil
        // The port is free again: only one who does not share gets it.
        let alone = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        defer { close(alone) }
        _ = try await prober.bind(port: 0)
        var any = sockaddr_in()
        any.sin_family = sa_family_t(AF_INET)
        any.sin_port = first.port.bigEndian
        let bound = withUnsafePointer(to: &any) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(alone, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        #expect(bound == 0)
        await prober.close()
    }

    @Test func soManyPorts() async throws {
        let prober = prober { $0.ports = 1 }
        let first = try await prober.bind(port: 0)
        let again = try await prober.bind(port: first.port)
        await #expect(throws: RouteProbeError.tooManyPorts(most: 1)) { try await prober.bind(port: 0) }
        await again.close()
        await first.close()
        _ = try await prober.bind(port: 0)
        await prober.close()
    }

    /// What is not a probe gets no answer; the first thing that comes back is the answer to what is.
    @Test func theResponderAnswersProbesOnly() async throws {
        let prober = prober()
        let responder = try await prober.bind(port: 0)
        let (socket, host) = try listener("127.0.0.1")
        let us = ProbeAddress(host)
        let request = ProbeMessage(kind: .request, length: 40, session: 1, path: 2, sequence: 3)
        let wrong: [[UInt8]] = [[], [0], Array("hello".utf8), request.answer.octets, request.octets + [0]]
        for octets in wrong + [request.octets] { try socket.send(octets, from: us, to: us, port: responder.port) }
        let datagram = await next(socket)
        #expect(datagram.octets == request.answer.octets)
        #expect(datagram.remote == us)
        #expect(datagram.port == responder.port)
        await prober.close()
    }

    @Test(arguments: Loopback.families)
    func aMonitor(_ text: String) async throws {
        let host = try address(text)
        let prober = prober()
        let responder = try await prober.bind(port: 0)
        await prober.close()
        // A prober sends to the port it is configured for; another process's responder may well be there.
        let other = self.prober {
            $0.port = responder.port
            $0.interval = .milliseconds(50)
        }
        let answering = try await other.bind(port: responder.port)
        let monitor = try await other.monitor([ProbedRoute(local: host, remote: host)])
        var observed = try await monitor.status()
        while observed[0].probes < 3 {
            await Task.yield()
            observed = try await monitor.status()
        }
        #expect(observed[0].state == .up)
        await monitor.cancel()
        await #expect(throws: RouteProbeError.closed) { try await monitor.status() }
        await monitor.cancel()
        await answering.close()
        await other.close()
    }

    /// How a monitor comes to its end.
    enum End: CaseIterable {
        case cancelled
        case forgotten
        case proberClosed
    }

    @Test(arguments: End.allCases)
    func nothingIsSentAfterTheEnd(_ end: End) async throws {
        let (socket, host) = try listener("127.0.0.1")
        let prober = prober { $0.port = socket.port }
        var monitor: RouteMonitor? = try await prober.monitor([ProbedRoute(local: host, remote: host)])
        let datagram = await next(socket)
        #expect(ProbeMessage(datagram.octets)?.kind == .request)
        #expect(datagram.remote == ProbeAddress(host))
        switch end {
        case .cancelled: await monitor?.cancel()
        case .forgotten:
            monitor = nil
            // Commands are obeyed in their order.
            await (try await prober.bind(port: 0)).close()
        case .proberClosed: await prober.close()
        }
        while socket.receive() != nil {}
        // Three intervals' worth of round trips through the same thread; a closed prober has no thread.
        let clock = SuspendingClock()
        let start = clock.now
        while start.duration(to: clock.now) < .milliseconds(300) {
            if end == .proberClosed { await Task.yield() } else { await (try await prober.bind(port: 0)).close() }
        }
        #expect(socket.receive() == nil)
        _ = monitor
        await prober.close()
    }

    @Test func aClosedProber() async throws {
        let (prober, host) = (prober(), try address("127.0.0.1"))
        let monitor = try await prober.monitor([])
        #expect(try await monitor.status() == [])
        await prober.close()
        await prober.close()
        await #expect(throws: RouteProbeError.closed) { try await prober.bind(port: 0) }
        await #expect(throws: RouteProbeError.closed) { try await prober.roundTrip(from: host, to: host) }
        await #expect(throws: RouteProbeError.closed) { try await prober.monitor([]) }
        await #expect(throws: RouteProbeError.closed) { try await monitor.status() }
        await self.prober().close()
    }

    /// A listener that never answers keeps a round trip waiting until the prober is closed or the task is cancelled.
    @Test(arguments: [true, false])
    func aRoundTripThatIsCutShort(isCancelled: Bool) async throws {
        let (socket, host) = try listener("127.0.0.1")
        let prober = prober { $0.patience = .seconds(1_000) }
        let port = socket.port
        let trip = Task {
            try await prober.roundTrip(from: host, to: host, port: port, timeout: .seconds(1_000))
        }
        _ = await next(socket)
        if isCancelled { trip.cancel() } else { await prober.close() }
        await #expect(throws: RouteProbeError.closed) { try await trip.value }
        await prober.close()
    }

    @Test func limitsOfALists() async throws {
        let host = try address("127.0.0.1")
        let prober = prober { $0.routesPerMonitor = 2 }
        let route = ProbedRoute(local: host, remote: host)
        _ = try await prober.monitor([route, route])
        await #expect(throws: RouteProbeError.tooManyRoutes(asked: 3, most: 2)) {
            try await prober.monitor([route, route, route])
        }
        await prober.close()
    }
}
