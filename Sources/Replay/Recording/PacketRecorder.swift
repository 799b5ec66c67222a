import CPCAP
import Foundation

/// Records what goes over an interface of this host into a pcap file, as a fixture.
public struct PacketRecorder: Sendable {
    /// The interface; `any` is all of them.
    public var interface: String
    /// Which packets, in libpcap's words (pcap-filter(7)).
    public var filter: String
    /// How long packets may wait until they are looked at.
    public var pause: Duration

    /// From its parts.
    public init(interface: String = "any", filter: String = "tcp", pause: Duration = .milliseconds(20)) {
        self.interface = interface
        self.filter = filter
        self.pause = pause
    }

    /// Records until the task is cancelled.
    ///
    /// - Parameters:
    ///   - path: The file, which is made anew and is for its owner alone; `-` is standard output.
    ///   - began: Is called as soon as nothing is missed any more.
    /// - Returns: How many packets were recorded.
    /// - Throws: ``RecordingError``.
    public func record(to path: String, began: @Sendable () -> Void = {}) async throws(RecordingError) -> Int {
        let source = try PacketSource(interface: interface, filter: filter)
        let sink = try source.sink(path)
        began()
        var count = 0
        while !Task.isCancelled {
            count += try source.copy(to: sink)
            try sink.check(path)
            // Cancelled while it sleeps: the loop ends after the packets that came meanwhile.
            try? await Task.sleep(for: pause)
        }
        count += try source.copy(to: sink)
        try sink.finish(path)
        return count
    }
}

/// Why nothing can be recorded.
public enum RecordingError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The interface cannot be opened; the reason is libpcap's.
    case interface(String, reason: String)
    /// The kernel does not let this user see packets.
    case notPermitted(interface: String)
    /// The filter is none; the reason is libpcap's.
    case filter(String, reason: String)
    /// The file cannot be written; the reason is libpcap's, or the system's.
    case file(String, reason: String)

    /// One sentence, with what to do.
    public var description: String {
        switch self {
        case .interface(let name, let reason): "cannot record on the interface \(name): \(reason)"
        case .notPermitted(let name):
            "not permitted to record on the interface \(name): be root, or give the program the right with "
                + "'setcap cap_net_raw+ep PROGRAM'"
        case .filter(let text, let reason): "'\(text)' is no filter (see pcap-filter(7)): \(reason)"
        case .file(let path, let reason): "cannot write \(path): \(reason)"
        }
    }
}

/// An interface whose packets are copied to a file, without waiting for any.
private struct PacketSource: ~Copyable {
    /// The most packets of one copy: under steady traffic there are always more.
    private static let maximumPackets = 1 << 16

    private let handle: OpaquePointer
    private let interface: String

    init(interface: String, filter: String) throws(RecordingError) {
        var reason = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        guard let handle = pcap_create(interface, &reason) else {
            throw .interface(interface, reason: Self.text(reason))
        }
        // Whole packets of any offload, and room for what comes between two looks.
        pcap_set_snaplen(handle, 262_144)
        pcap_set_buffer_size(handle, 16 << 20)
        pcap_set_immediate_mode(handle, 1)
        let status = pcap_activate(handle)
        guard status >= 0 else {
            let words = pcap_geterr(handle).map { String(cString: $0) } ?? ""
            pcap_close(handle)
            if status == PCAP_ERROR_PERM_DENIED { throw .notPermitted(interface: interface) }
            throw .interface(interface, reason: words.isEmpty ? String(cString: pcap_statustostr(status)) : words)
        }
        var program = bpf_program()
        guard pcap_compile(handle, &program, filter, 1, bpf_u_int32(PCAP_NETMASK_UNKNOWN)) == 0 else {
            let words = pcap_geterr(handle).map { String(cString: $0) } ?? ""
            pcap_close(handle)
            throw .filter(filter, reason: words)
        }
        let isSet = pcap_setfilter(handle, &program) == 0
        pcap_freecode(&program)
        guard isSet, pcap_setnonblock(handle, 1, &reason) == 0 else {
            let words = pcap_geterr(handle).map { String(cString: $0) } ?? Self.text(reason)
            pcap_close(handle)
            throw .interface(interface, reason: words)
        }
        self.handle = handle
        self.interface = interface
    }

    deinit { pcap_close(handle) }

    func sink(_ path: String) throws(RecordingError) -> PacketSink {
        let dumper: OpaquePointer?
        if path == "-" {
            dumper = pcap_dump_open(handle, path)
        } else {
            // What goes over a network is not for everybody on this host.
            let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else { throw .file(path, reason: String(cString: strerror(errno))) }
            // A file that was there has the mode that it had; what is no file, such as /dev/null, is left as it is.
            var status = stat()
            if fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, fchmod(descriptor, 0o600) != 0 {
                let reason = String(cString: strerror(errno))
                close(descriptor)
                throw .file(path, reason: reason)
            }
            guard let file = fdopen(descriptor, "w") else {
                let reason = String(cString: strerror(errno))
                close(descriptor)
                throw .file(path, reason: reason)
            }
            // Where it fails, libpcap has closed the file.
            dumper = pcap_dump_fopen(handle, file)
        }
        guard let dumper else {
            throw .file(path, reason: pcap_geterr(handle).map { String(cString: $0) } ?? "")
        }
        return PacketSink(dumper: dumper)
    }

    /// Copies the packets that are there, but no more than ``maximumPackets`` and what comes with them.
    func copy(to sink: borrowing PacketSink) throws(RecordingError) -> Int {
        var count = 0
        while count < Self.maximumPackets {
            let copied = pcap_dispatch(handle, 4096, pcap_dump, UnsafeMutablePointer<UInt8>(sink.dumper))
            guard copied >= 0 else {
                throw .interface(interface, reason: pcap_geterr(handle).map { String(cString: $0) } ?? "")
            }
            if copied == 0 { break }
            count += Int(copied)
        }
        return count
    }

    private static func text(_ reason: [CChar]) -> String {
        String(decoding: reason.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

/// A pcap file that is written.
private struct PacketSink: ~Copyable {
    let dumper: OpaquePointer

    deinit { pcap_dump_close(dumper) }

    /// libpcap does not say that a packet could not be written, the file does.
    func check(_ path: String) throws(RecordingError) {
        guard ferror(pcap_dump_file(dumper)) == 0 else { throw .file(path, reason: "the disk may be full") }
    }

    func finish(_ path: String) throws(RecordingError) {
        guard pcap_dump_flush(dumper) == 0 else { throw .file(path, reason: String(cString: strerror(errno))) }
        try check(path)
    }
}
