import CLibISCSI
import Glibc

/// libiscsi called as directly as can be: what an iSCSI disk costs without anything of ours in between.
///
/// Not thread safe: one thread uses it at a time.
final class DirectInitiator {
    private let context: OpaquePointer
    private let unit: Int32

    init(port: UInt16, target: String, unit: Int32) throws {
        guard let context = iscsi_create_context("iqn.2024-01.net.example:direct") else {
            throw BenchmarkFailure("libiscsi: no context")
        }
        self.context = context
        self.unit = unit
        iscsi_set_targetname(context, target)
        iscsi_set_session_type(context, ISCSI_SESSION_NORMAL)
        guard iscsi_full_connect_sync(context, "127.0.0.1:\(port)", unit) == 0 else {
            throw BenchmarkFailure("libiscsi: \(String(cString: iscsi_get_error(context)))")
        }
        // What the unit has to tell a newcomer.
        for _ in 0..<4 {
            guard let task = iscsi_testunitready_sync(context, unit) else { continue }
            scsi_free_scsi_task(task)
        }
    }

    deinit {
        iscsi_logout_sync(context)
        iscsi_destroy_context(context)
    }

    /// READ (10) of one block.
    func read(block: UInt32) throws {
        try check(iscsi_read10_sync(context, unit, block, 512, 512, 0, 0, 0, 0, 0), "READ")
    }

    /// Registers, reserves, releases and unregisters.
    func reservationCycle() throws {
        let key: UInt64 = 0x0123_4567_89AB_CDEF
        try reserveOut(SCSI_PERSISTENT_RESERVE_REGISTER_AND_IGNORE_EXISTING_KEY.rawValue, key: 0, new: key)
        try reserveOut(SCSI_PERSISTENT_RESERVE_RESERVE.rawValue, key: key, new: 0)
        try reserveOut(SCSI_PERSISTENT_RESERVE_RELEASE.rawValue, key: key, new: 0)
        try reserveOut(SCSI_PERSISTENT_RESERVE_REGISTER_AND_IGNORE_EXISTING_KEY.rawValue, key: key, new: 0)
    }

    private func reserveOut(_ action: UInt32, key: UInt64, new: UInt64) throws {
        var list = scsi_persistent_reserve_out_basic()
        list.reservation_key = key
        list.service_action_reservation_key = new
        let type = Int32(SCSI_PERSISTENT_RESERVE_TYPE_WRITE_EXCLUSIVE_REGISTRANTS_ONLY.rawValue)
        try check(
            iscsi_persistent_reserve_out_sync(context, unit, Int32(action), 0, type, &list), "PERSISTENT RESERVE OUT")
    }

    private func check(_ task: UnsafeMutablePointer<scsi_task>?, _ command: String) throws {
        guard let task else { throw BenchmarkFailure("\(command): \(String(cString: iscsi_get_error(context)))") }
        defer { scsi_free_scsi_task(task) }
        guard task.pointee.status == Int32(SCSI_STATUS_GOOD.rawValue) else {
            throw BenchmarkFailure("\(command) ended with status \(task.pointee.status)")
        }
    }
}
