import ClusterProtocols
import DCOM
import ErrorCodes
import NDR

/// An activation of ClusterLog on a node ([MS-CSVP] 3.12, 3.18, 3.19, 3.20): it has the node make files of its log.
///
/// Paths are `<share>\<file>`; with `\\<node>\` before them they are what an SMB client opens. The methods throw as
/// ``StorageClient``'s do.
public struct LogClient: Sendable {
    /// Which log (ClusterLogType, 2.2.28).
    public enum Kind: UInt16, Sendable, Hashable, CaseIterable {
        /// The cluster log.
        case cluster = 0
        /// The health log.
        case health = 1
        /// The log of cluster sets.
        case clusterSet = 2
        /// The network log.
        case network = 3
        /// The log of the routes between nodes.
        case netft = 4
    }

    /// How a log is made (ClusterLogExFlag, 2.2.25).
    public struct Flags: OptionSet, Sendable, Hashable {
        /// The bits.
        public let rawValue: UInt16
        /// From bits.
        public init(rawValue: UInt16) { self.rawValue = rawValue }
        /// In the node's local time.
        public static let localTime = Flags(rawValue: 1)
        /// Without the cluster's state.
        public static let skipsClusterState = Flags(rawValue: 2)

        var wire: ClusterLogExFlag { ClusterLogExFlag(rawValue: rawValue) }
    }

    /// The methods of IClusterLog as the IDL has them.
    public let log: IClusterLogClient
    /// The methods of IClusterLogEx, IClusterLogEx2 and IClusterLogEx3 as the IDL has them.
    public let logEx: IClusterLogEx3Client
    private let object: ObjectReference

    init(object: ObjectReference) async throws {
        self.object = object
        log = IClusterLogClient(try await object.proxy(IClusterLog.interface))
        logEx = IClusterLogEx3Client(try await object.proxy(IClusterLogEx3.interface))
    }

    /// Gives the object back; the files stay.
    public func release() async throws {
        try await object.release()
    }

    /// GenerateClusterLog, GenerateTimeSpanLog and their twins in local time (IClusterLog, opnums 3 to 6), which every version of
    /// the protocol has.
    ///
    /// - Parameters:
    ///   - minutes: how far back the log goes; nil for everything that the node keeps.
    ///   - inLocalTime: whether times are the node's, not UTC.
    /// - Returns: the path of the file.
    public func generate(minutes: UInt32? = nil, inLocalTime: Bool = false) async throws -> String {
        switch (minutes, inLocalTime) {
        case (nil, false):
            let response = try await log.generateClusterLog(.init())
            return try Self.path(response.LogFilePath, response.returnValue)
        case (nil, true):
            let response = try await log.generateClusterLogInLocalTime(.init())
            return try Self.path(response.LogFilePath, response.returnValue)
        case (let minutes?, false):
            let response = try await log.generateTimeSpanLog(.init(SpanMinutes: minutes))
            return try Self.path(response.LogFilePath, response.returnValue)
        case (let minutes?, true):
            let response = try await log.generateTimeSpanLogInLocalTime(.init(SpanMinutes: minutes))
            return try Self.path(response.LogFilePath, response.returnValue)
        }
    }

    /// GenerateLogEx2 (IClusterLogEx3, opnum 12).
    ///
    /// - Parameters:
    ///   - kind: which log.
    ///   - minutes: how far back it goes.
    ///   - flags: the flags of the protocol.
    ///   - separatesSections: whether each section gets a file of its own (NoCollate).
    /// - Returns: the paths of all files, the one with the events first.
    public func generate(
        _ kind: Kind, minutes: UInt32 = .max, flags: Flags = [], separatesSections: Bool = false
    ) async throws -> [String] {
        let response = try await logEx.generateLogEx2(
            .init(
                Type: ClusterLogType(rawValue: kind.rawValue), SpanMinutes: minutes, flags: flags.wire,
                NoCollate: separatesSections ? 1 : 0))
        let list = try Self.path(response.SemicolonSeperatedLogFilesPath, response.returnValue)
        return list.split(separator: ";").map(String.init)
    }

    /// ExportClusterPerformanceHistory (IClusterLogEx, opnum 7).
    ///
    /// - Parameters:
    ///   - stream: the stream's name; nil for all.
    ///   - flags: the flags of the protocol.
    /// - Returns: the path of the file.
    public func exportPerformanceHistory(of stream: String? = nil, flags: Flags = []) async throws -> String {
        let response = try await logEx.exportClusterPerformanceHistory(
            .init(
                Pattern: BSTRValue.null.blob, StreamName: (stream.map { BSTRValue($0) } ?? .null).blob,
                flags: flags.wire))
        return try Self.path(response.LogFilePath, response.returnValue)
    }

    private static func path(_ blob: FLAGGED_WORD_BLOB?, _ code: HRESULT) throws -> String {
        try code.throwIfFailed()
        return try BSTRValue(blob).text ?? ""
    }
}

extension ClusPrepClient {
    /// Activates ClusterLog (CLSID 88E7AC6D-…).
    ///
    /// - Throws: as ``storage()``; `DCOMError` also where the node has no IClusterLogEx3, as before Windows Server 2025.
    public func log() async throws -> LogClient {
        try await activate(
            "88e7ac6d-c561-4f03-9a60-39dd768f867d", [IClusterLog.interface, IClusterLogEx3.interface]
        ) { try await LogClient(object: $0) }
    }
}
