import ClusterProtocols
import DCERPC
import ErrorCodes
import EventLog

// The methods themselves: each says which log is meant. Where the text and the IDL differ, the IDL is what clients marshal:
// GenerateClusterNetworkLog has four parameters, and GenerateLogEx2 answers at opnum 12.

extension ClusterLog: IClusterLogServer {
    /// GenerateClusterLog (3.12.4.1).
    public func generateClusterLog(
        _ request: IClusterLog.GenerateClusterLog.Request, context: CallContext
    ) async throws -> IClusterLog.GenerateClusterLog.Response {
        .init(LogFilePath: try await path("GenerateClusterLog", LogOrder(kind: .cluster)))
    }

    /// GenerateTimeSpanLog (3.12.4.2).
    public func generateTimeSpanLog(
        _ request: IClusterLog.GenerateTimeSpanLog.Request, context: CallContext
    ) async throws -> IClusterLog.GenerateTimeSpanLog.Response {
        let order = LogOrder(kind: .cluster, minutes: request.SpanMinutes)
        return .init(LogFilePath: try await path("GenerateTimeSpanLog", order))
    }

    /// GenerateClusterLogInLocalTime (3.12.4.3).
    public func generateClusterLogInLocalTime(
        _ request: IClusterLog.GenerateClusterLogInLocalTime.Request, context: CallContext
    ) async throws -> IClusterLog.GenerateClusterLogInLocalTime.Response {
        let order = LogOrder(kind: .cluster, flags: .localTime)
        return .init(LogFilePath: try await path("GenerateClusterLogInLocalTime", order))
    }

    /// GenerateTimeSpanLogInLocalTime (3.12.4.4).
    public func generateTimeSpanLogInLocalTime(
        _ request: IClusterLog.GenerateTimeSpanLogInLocalTime.Request, context: CallContext
    ) async throws -> IClusterLog.GenerateTimeSpanLogInLocalTime.Response {
        let order = LogOrder(kind: .cluster, minutes: request.SpanMinutes, flags: .localTime)
        return .init(LogFilePath: try await path("GenerateTimeSpanLogInLocalTime", order))
    }

    /// Makes a log of one file.
    private func path(_ method: String, _ order: LogOrder) async throws -> FLAGGED_WORD_BLOB? {
        try await answering(method) { object in
            BSTRValue(try await object.generate(order).first ?? "").blob
        }
    }
}

extension ClusterLog: IClusterLogEx3Server {
    /// GenerateClusterLog (3.18.4.1).
    public func generateClusterLog(
        _ request: IClusterLogEx.GenerateClusterLog.Request, context: CallContext
    ) async throws -> IClusterLogEx.GenerateClusterLog.Response {
        let order = LogOrder(kind: .cluster, minutes: request.SpanMinutes, flags: LogFlags(request.flags))
        return .init(LogFilePath: try await path("GenerateClusterLog", order))
    }

    /// GenerateClusterHealthLog (3.18.4.2).
    public func generateClusterHealthLog(
        _ request: IClusterLogEx.GenerateClusterHealthLog.Request, context: CallContext
    ) async throws -> IClusterLogEx.GenerateClusterHealthLog.Response {
        let order = LogOrder(kind: .health, minutes: request.SpanMinutes, flags: LogFlags(request.flags))
        return .init(LogFilePath: try await path("GenerateClusterHealthLog", order))
    }

    /// GenerateClusterSetLog (3.18.4.3).
    public func generateClusterSetLog(
        _ request: IClusterLogEx.GenerateClusterSetLog.Request, context: CallContext
    ) async throws -> IClusterLogEx.GenerateClusterSetLog.Response {
        let order = LogOrder(kind: .clusterSet, minutes: request.SpanMinutes, flags: LogFlags(request.flags))
        return .init(LogFilePath: try await path("GenerateClusterSetLog", order))
    }

    /// GenerateClusterNetworkLog (3.18.4.4). What NetworkDiagnosticsLevel means is written nowhere; the log has everything at every
    /// level.
    public func generateClusterNetworkLog(
        _ request: IClusterLogEx.GenerateClusterNetworkLog.Request, context: CallContext
    ) async throws -> IClusterLogEx.GenerateClusterNetworkLog.Response {
        let order = LogOrder(kind: .network, minutes: request.SpanMinutes, flags: LogFlags(request.flags))
        return .init(LogFilePath: try await path("GenerateClusterNetworkLog", order))
    }

    /// ExportClusterPerformanceHistory (3.18.4.5). "Pattern: This parameter MUST be ignored", so it is not even looked at; no name,
    /// or an empty one, means every stream.
    public func exportClusterPerformanceHistory(
        _ request: IClusterLogEx.ExportClusterPerformanceHistory.Request, context: CallContext
    ) async throws -> IClusterLogEx.ExportClusterPerformanceHistory.Response {
        let flags = LogFlags(request.flags)
        let name = request.StreamName
        let path = try await answering("ExportClusterPerformanceHistory") { object in
            var order = LogOrder(kind: .performance, flags: flags)
            if let text = try BSTRValue(name).text, !text.isEmpty { order.stream = text }
            return BSTRValue(try await object.generate(order).first ?? "").blob
        }
        return .init(LogFilePath: path)
    }

    /// GenerateNetftLog (3.18.4.6).
    public func generateNetftLog(
        _ request: IClusterLogEx.GenerateNetftLog.Request, context: CallContext
    ) async throws -> IClusterLogEx.GenerateNetftLog.Response {
        let order = LogOrder(kind: .netft, minutes: request.SpanMinutes, flags: LogFlags(request.flags))
        return .init(LogFilePath: try await path("GenerateNetftLog", order))
    }

    /// GenerateLogEx (3.19.4.1).
    public func generateLogEx(
        _ request: IClusterLogEx2.GenerateLogEx.Request, context: CallContext
    ) async throws -> IClusterLogEx2.GenerateLogEx.Response {
        let order = LogKind(request.Type).map {
            LogOrder(
                kind: $0, minutes: request.SpanMinutes, flags: LogFlags(request.flags),
                separatesSections: request.NoCollate != 0)
        }
        let paths = try await answering("GenerateLogEx") { try await $0.generateAndKeep(order) }
        return .init(LogFilePath: BSTRValue(paths.first ?? "").blob)
    }

    /// GetCountLogs (3.19.4.2): 0 where the last GenerateLogEx failed or there was none.
    public func getCountLogs(
        _ request: IClusterLogEx2.GetCountLogs.Request, context: CallContext
    ) async throws -> IClusterLogEx2.GetCountLogs.Response {
        .init(Count: UInt32(try await answering("GetCountLogs") { $0.lastPaths.count }))
    }

    /// GetLogFilePath (3.19.4.3). Indices begin at 0, so the count itself is out of range, too.
    public func getLogFilePath(
        _ request: IClusterLogEx2.GetLogFilePath.Request, context: CallContext
    ) async throws -> IClusterLogEx2.GetLogFilePath.Response {
        let index = Int(request.Index)
        let path = try await answering("GetLogFilePath") { object in
            guard object.lastPaths.indices.contains(index) else { throw HRESULT.outOfMemory }
            return object.lastPaths[index]
        }
        return .init(LogFilePath: BSTRValue(path).blob)
    }

    /// GenerateLogEx2 (3.20.4.1). Every file's path is of the form that LogFilePath has.
    public func generateLogEx2(
        _ request: IClusterLogEx3.GenerateLogEx2.Request, context: CallContext
    ) async throws -> IClusterLogEx3.GenerateLogEx2.Response {
        let order = LogKind(request.Type).map {
            LogOrder(
                kind: $0, minutes: request.SpanMinutes, flags: LogFlags(request.flags),
                separatesSections: request.NoCollate != 0)
        }
        let paths = try await answering("GenerateLogEx2") { try await $0.generateAndKeep(order) }
        return .init(
            LongFilePath: BSTRValue(paths.first ?? "").blob,
            SemicolonSeperatedLogFilesPath: BSTRValue(paths.joined(separator: ";")).blob)
    }
}

extension LogFlags {
    init(_ flags: ClusterLogExFlag) {
        self.init(rawValue: flags.rawValue)
    }
}

extension LogKind {
    /// ClusterLogType ([MS-CSVP] 2.2.28); nil for any other value.
    init?(_ type: ClusterLogType) {
        switch type {
        case .ClusterLogTypeCluster: self = .cluster
        case .ClusterLogTypeHealth: self = .health
        case .ClusterLogTypeClusterSet: self = .clusterSet
        case .ClusterLogTypeNetwork: self = .network
        case .ClusterLogTypeNetft: self = .netft
        default: return nil
        }
    }
}
