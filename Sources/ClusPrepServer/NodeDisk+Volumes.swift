import ErrorCodes
import Reservations
import Volumes

extension NodeDisk {
    /// Brings the disk's volumes online, or joins in those that are.
    ///
    /// - Parameter again: whether volumes that the holder alone has online are looked for once more. What others have online,
    ///   too, stays: its partitions have the numbers that they were told.
    /// - Returns: the number of partitions.
    /// - Throws: ERROR_INVALID_STATE unless the holder owns the disk; what the disk says otherwise.
    public func online(_ holder: Holder, again: Bool = false) async throws -> UInt32 {
        try await bounded { try await self.queue.run { try await self.mount(holder, again: again) } }
    }

    private func mount(_ holder: Holder, again: Bool) async throws -> UInt32 {
        guard owners[holder] != nil else { throw Win32Error.invalidState }
        if again, mounted?.holders == [holder] {
            do {
                try await dismount(holder)
            } catch {
                // They are offline all the same, and are looked for.
                logger.warning("taking the volumes offline to look for them anew: \(error)")
            }
        }
        if mounted == nil {
            let disk = try await opened()
            try await refuseWhereProtected()
            let mounting = tenure
            let logger = logger
            let fresh = try await environment.executor.run {
                let table = try PartitionTable.read(from: disk)
                var volumes: [Volume] = []
                do {
                    for partition in table.partitions {
                        volumes.append(
                            try Volume.open(disk, partition: partition) { entry in
                                logger.debug("volume: \(entry)", metadata: ["partition": "\(partition.number)"])
                            })
                    }
                } catch {
                    // What was opened before has written nothing.
                    for volume in volumes { volume.abandon() }
                    throw error
                }
                return Mounted(table: table, volumes: volumes, holders: [])
            }
            for problem in fresh.table.problems { logger.warning("partition table: \(problem)") }
            for volume in fresh.volumes {
                guard let failure = volume.mountFailure, volume.fileSystem?.isServed == true else { continue }
                logger.warning("partition \(volume.partition.number) cannot be mounted: \(failure)")
            }
            guard owners[holder] != nil, mounting != nil, mounting == tenure else {
                await abandon(fresh.volumes)
                throw Win32Error.invalidState
            }
            mounted = fresh
        }
        mounted?.holders.insert(holder)
        return UInt32(mounted?.volumes.count ?? 0)
    }

    /// Takes the volumes offline for the holder; dismounts them if nobody else on this node has them online.
    ///
    /// - Throws: what flushing says; the volumes are offline nevertheless.
    public func offline(_ holder: Holder) async throws {
        try await bounded { try await self.dismounted(holder) }
    }

    /// The same, however long it takes.
    func dismounted(_ holder: Holder) async throws {
        try await queue.run { try await self.dismount(holder) }
    }

    private func dismount(_ holder: Holder) async throws {
        guard mounted?.holders.remove(holder) != nil, mounted?.holders.isEmpty == true else { return }
        do {
            // To dismount is to write.
            try await refuseWhereProtected()
        } catch {
            let volumes = mounted?.volumes ?? []
            mounted = nil
            await abandon(volumes)
            throw error
        }
        // It may have been lost meanwhile.
        guard let leaving = mounted else { return }
        mounted = nil
        guard let disk else { return }
        try await Task.detached { [executor = environment.executor] in
            try await executor.run {
                var failure: (any Error)?
                for volume in leaving.volumes {
                    do {
                        try volume.close()
                    } catch {
                        failure = failure ?? error
                    }
                }
                if !disk.isReadOnly { try disk.flush() }
                if let failure { throw failure }
            }
        }.value
    }

    /// Works on a volume that the holder has online.
    ///
    /// - Parameter partition: the index among the disk's partitions, from zero.
    /// - Throws: ERROR_INVALID_STATE where the volumes went offline; ERROR_FILE_NOT_FOUND where the partition is none that
    ///   holds a volume; what the body says otherwise.
    public func withVolume<T: Sendable>(
        _ partition: Int, _ holder: Holder, _ body: @escaping @Sendable (Volume) throws -> T
    ) async throws -> T {
        try await bounded { try await self.queue.run { try await self.work(partition, holder, body) } }
    }

    private func work<T: Sendable>(
        _ partition: Int, _ holder: Holder, _ body: @escaping @Sendable (Volume) throws -> T
    ) async throws -> T {
        _ = try volume(partition, holder)
        try await refuseWhereProtected()
        // They may have been lost meanwhile.
        let volume = try volume(partition, holder)
        let (result, isOffline) = try await environment.executor.run {
            let result = Result { try body(volume) }
            guard case .failure = result, case .offline? = volume.mountFailure else { return (result, false) }
            return (result, true)
        }
        if isOffline { await volumeDidFail(volume) }
        return try result.get()
    }

    /// A volume that lost a write takes no more: all volumes go offline for everybody, so that whoever comes online next gets
    /// them mounted afresh instead of joining in what is broken.
    private func volumeDidFail(_ volume: Volume) async {
        guard let broken = mounted, broken.volumes.contains(where: { $0 === volume }) else { return }
        logger.warning("a write to partition \(volume.partition.number) failed; the disk's volumes go offline")
        mounted = nil
        await abandon(broken.volumes)
    }

    /// Whether the disk's volumes are accessible to the holder.
    public func isOnline(_ holder: Holder) -> Bool {
        mounted?.holders.contains(holder) ?? false
    }

    /// Takes the volumes offline without another write.
    func abandon(_ volumes: [Volume]) async {
        // Cannot throw but for cancellation, and a cancelled task would leave the volumes as they are.
        let executor = environment.executor
        await Task.detached {
            do {
                try await executor.run { for volume in volumes { volume.abandon() } }
            } catch {
                for volume in volumes { volume.abandon() }
            }
        }.value
    }

    private func volume(_ partition: Int, _ holder: Holder) throws -> Volume {
        guard let mounted, mounted.holders.contains(holder) else { throw Win32Error.invalidState }
        guard mounted.volumes.indices.contains(partition) else { throw Win32Error.fileNotFound }
        let volume = mounted.volumes[partition]
        // Reserved space, a boot loader: a partition that cannot be mapped to a volume.
        guard volume.partition.type.holdsVolume else { throw Win32Error.fileNotFound }
        return volume
    }
}
