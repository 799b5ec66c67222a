import CPCAP

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#else
    import Darwin
#endif

/// The packets of a pcap or pcapng file, read by libpcap one after the other.
///
/// The file's lengths are libpcap's to check; what it hands out here has at most the octets that are there.
struct CaptureFile: ~Copyable {
    /// One packet as it was captured.
    struct Packet {
        /// When.
        let time: CaptureTime
        /// The octets, from the link layer's header on; there may be fewer than were on the wire.
        let octets: [UInt8]
    }

    /// How packets begin.
    let link: LinkLayer
    private let handle: OpaquePointer
    private let name: String

    /// Opens a file; `-` is standard input.
    init(path: String) throws(CaptureError) {
        var reason = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        let handle = pcap_open_offline_with_tstamp_precision(path, UInt32(PCAP_TSTAMP_PRECISION_NANO), &reason)
        try self.init(handle, name: path == "-" ? "standard input" : path, reason: reason)
    }

    /// Reads a file's octets from memory.
    ///
    /// - Parameter octets: have to live for as long as the value does.
    init(octets: UnsafeMutableRawBufferPointer, name: String) throws(CaptureError) {
        guard !octets.isEmpty, let file = fmemopen(octets.baseAddress, octets.count, "r") else {
            throw .unreadable(file: name, reason: "it is empty")
        }
        var reason = [CChar](repeating: 0, count: Int(PCAP_ERRBUF_SIZE))
        let handle = pcap_fopen_offline_with_tstamp_precision(file, UInt32(PCAP_TSTAMP_PRECISION_NANO), &reason)
        if handle == nil { fclose(file) }
        try self.init(handle, name: name, reason: reason)
    }

    private init(_ handle: OpaquePointer?, name: String, reason: [CChar]) throws(CaptureError) {
        guard let handle else {
            let text = String(decoding: reason.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
            throw .unreadable(file: name, reason: text.isEmpty ? "no reason given" : text)
        }
        let type = pcap_datalink(handle)
        guard let link = LinkLayer(dataLink: type) else {
            let known = pcap_datalink_val_to_name(type).map { String(cString: $0) }
            pcap_close(handle)
            throw .linkType(file: name, name: known ?? "\(type)")
        }
        self.handle = handle
        self.link = link
        self.name = name
    }

    deinit { pcap_close(handle) }

    /// What comes next.
    enum Step {
        case packet(Packet)
        case end
        /// The file is damaged from here on; the reason is libpcap's.
        case damaged(String)
    }

    /// The next packet.
    mutating func next() -> Step {
        var header: UnsafeMutablePointer<pcap_pkthdr>?
        var data: UnsafePointer<UInt8>?
        switch pcap_next_ex(handle, &header, &data) {
        case 1:
            guard let header = header?.pointee, let data else { return .damaged("a packet without octets") }
            // With nanoseconds asked for, the field for microseconds holds those.
            let (seconds, overflows) = Int64(header.ts.tv_sec).multipliedReportingOverflow(by: 1_000_000_000)
            let time = overflows ? 0 : seconds.addingReportingOverflow(Int64(header.ts.tv_usec)).partialValue
            return .packet(
                Packet(
                    time: CaptureTime(nanoseconds: time),
                    octets: Array(UnsafeBufferPointer(start: data, count: Int(header.caplen)))))
        case PCAP_ERROR_BREAK: return .end
        default: return .damaged(pcap_geterr(handle).map { String(cString: $0) } ?? "no reason given")
        }
    }
}
