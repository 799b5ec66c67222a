import ClusPrepClient
import ClusterProtocols
import ErrorCodes

@testable import Validation

/// ClusterStorage2 on a fake node.
struct FakeStorage: StorageCalls {
    let node: FakeNode

    private func disk(_ id: DiskID, _ method: NodeMethod) throws -> FakeDisk {
        try node.enter(method)
        guard case .number(let number) = id, node.disks.indices.contains(Int(number)) else {
            throw Win32Error.fileNotFound.hresult
        }
        return node.disks[Int(number)]
    }

    func release() async throws {
        try await node.answer(.release)
        try node.enter(.release)
        node.gaveBack()
        for disk in node.disks { disk.forget(node.name) }
    }

    func keepingAlive<Result: Sendable>(
        _ body: @Sendable @escaping () async throws -> Result
    ) async throws -> Result { try await body() }

    func prepareNode() async throws -> (major: UInt32, minor: UInt32) {
        try node.enter(.prepareNode)
        return (10, 0)
    }

    func prepareNodePhase2(flags: UInt32) async throws -> UInt32 {
        try await node.answer(.prepareNodePhase2)
        try node.enter(.prepareNodePhase2)
        return UInt32(node.disks.count)
    }

    func properties(of id: DiskID) async throws -> DISK_PROPS { throw HRESULT(rawValue: 0x8000_4001) }

    func extendedProperties(of id: DiskID) async throws -> DISK_PROPS_EX {
        let disk = try disk(id, .getProps3)
        var properties = DISK_PROPS_EX()
        properties.DiskNumber = disk.number
        properties.DiskId = DiskID.signature(0x1000 + disk.number).wire
        properties.DiskBusType = 9
        properties.DiskIsClusterable = 1
        properties.NumPaths = 1
        properties.Flags = disk.isFlawed(.pathsNotCombined) ? 0x0040_2000 : 0x2000
        properties.pwszFriendlyName = WideString("Fake disk")
        let differs = disk.isFlawed(.serialNumberDiffers) ? node.name : ""
        properties.pwszSerialNumber = WideString("SN\(disk.number)\(differs)")
        return properties
    }

    func identifiers(of id: DiskID) async throws -> STORAGE_DEVICE_ID_DESCRIPTOR {
        let disk = try disk(id, .getUniqueIds)
        if disk.isFlawed(.identifierMissing) { return .init(identifiers: []) }
        let differs = disk.isFlawed(.identifierDiffers) ? Array(node.name.utf8.suffix(1)) : [0]
        return .init(identifiers: [
            .init(
                codeSet: 1, type: 3, association: 0,
                identifier: [0x60, 0, 0, 0, 0, 0, UInt8(disk.number + 1)] + differs)
        ])
    }

    func descriptors(
        of id: DiskID
    ) async throws -> (identifiers: STORAGE_DEVICE_ID_DESCRIPTOR, device: STORAGE_DEVICE_DESCRIPTOR) {
        throw HRESULT(rawValue: 0x8000_4001)
    }

    func multipathModules() async throws -> [REGISTERED_DSM] {
        try node.enter(.getDsms)
        return []
    }

    func isUnique(_ id: DiskID) async throws -> Bool {
        _ = try disk(id, .verifyUnique)
        return true
    }

    func isReadOnly(_ id: DiskID) async throws -> Bool { false }
    func isClustered() async throws -> Bool { false }
    func attach(_ id: DiskID) async throws { _ = try disk(id, .attach) }
    func checkReadability(of id: DiskID) async throws { _ = try disk(id, .isReadable) }
    func arbitrate(_ id: DiskID) async throws { try disk(id, .prArbitrate).arbitrate(node.name) }
    func stopDefense(_ id: DiskID) async throws { try disk(id, .stopDefense).stopDefense(node.name) }

    func online(_ id: DiskID) async throws -> UInt32 {
        try disk(id, .online).isFlawed(.partitionsWithoutEnd) ? .max : 1
    }

    func startOnline(_ id: DiskID) async throws { _ = try disk(id, .setOnline) }
    func isOnline(_ id: DiskID) async throws -> Bool { true }
    func offline(_ id: DiskID) async throws { _ = try disk(id, .offline) }

    func arbitrationSectors(of id: DiskID) async throws -> (UInt32, UInt32) {
        try disk(id, .getArbSectors).isFlawed(.firstSectorIsFree) ? (0, 0) : (11, 12)
    }

    func timedRead(sector: UInt32, of id: DiskID) async throws -> (octets: [UInt8], milliseconds: UInt32) {
        let disk = try disk(id, .rawRead)
        let octets = disk.read(sector)
        return (
            disk.isFlawed(.sectorsCutShort) ? Array(octets.prefix(100)) : octets, disk.isFlawed(.slowToRead) ? 500 : 1
        )
    }

    func timedWrite(_ octets: [UInt8], sector: UInt32, of id: DiskID) async throws -> UInt32 {
        let disk = try disk(id, .rawWrite)
        try disk.write(octets, sector, by: node.name)
        return disk.isFlawed(.slowToWrite) ? 500 : 1
    }

    func fileSystemName(of id: DiskID, partition: UInt32) async throws -> String {
        try disk(id, .getFSName).isFlawed(.fileSystemUnsupported) ? "FAT" : "NTFS"
    }

    func isNTFS(_ id: DiskID, partition: UInt32) async throws -> Bool {
        _ = try disk(id, .partitionIsNtfs)
        return true
    }

    func writeFile(_ name: String, _ octets: [UInt8], disk id: DiskID, partition: UInt32) async throws {
        let disk = try disk(id, .writeFileData)
        disk.with { $0.files[name] = disk.isFlawed(.writesLost) ? [] : octets }
    }

    func verifyFile(_ name: String, _ octets: [UInt8], disk id: DiskID, partition: UInt32) async throws {
        guard try disk(id, .verifyFileData).with({ $0.files[name] }) == octets else {
            throw Win32Error.invalidData.hresult
        }
    }

    func deleteFile(_ name: String, disk id: DiskID, partition: UInt32) async throws {
        try disk(id, .deleteFile).with { state in
            guard state.files.removeValue(forKey: name) != nil else { throw Win32Error.fileNotFound.hresult }
        }
    }

    func register(_ id: DiskID) async throws { try disk(id, .prRegister).register(node.name, 1, replacing: 0) }
    func unregister(_ id: DiskID) async throws { try disk(id, .prUnRegister).register(node.name, 0, replacing: 0) }
    func reserve(_ id: DiskID) async throws { try disk(id, .prReserve).reserve(node.name) }
    func releaseReservation(of id: DiskID) async throws { try disk(id, .prRelease).release(node.name) }

    func reservation(of id: DiskID) async throws -> StorageClient.ReservationPresence {
        let holder = try disk(id, .isPRPresent).with(\.holder)
        return holder.map { $0 == node.name ? .here : .elsewhere } ?? .absent
    }

    func preempt(_ id: DiskID) async throws { _ = try disk(id, .prPreempt) }
    func clearReservations(of id: DiskID) async throws { try disk(id, .prClear).clear(node.name) }

    func register(_ id: DiskID, key new: UInt64, replacing old: UInt64) async throws {
        try disk(id, .prRegister3).register(node.name, new, replacing: old)
    }

    func isRegistered(_ key: UInt64, on id: DiskID) async throws -> Bool {
        try disk(id, .findKey3).finds(key, from: node.name)
    }

    func preempt(_ id: DiskID, owner: UInt64, key: UInt64) async throws {
        try disk(id, .prPreempt3).preempt(node.name, owner: owner)
    }

    func reserve(_ id: DiskID, key: UInt64) async throws { try disk(id, .prReserve3).reserve(node.name) }

    func isReserved(_ id: DiskID, key: UInt64) async throws -> Bool {
        try disk(id, .isPRPresent3).with { state in state.holder.map { state.keys[$0] == key } ?? false }
    }

    func releaseReservation(of id: DiskID, key: UInt64) async throws { try disk(id, .prRelease3).release(node.name) }
    func clearReservations(of id: DiskID, key: UInt64) async throws { try disk(id, .prClear3).clear(node.name) }
    func checkFileSharing() async throws { try node.enter(.checkNetFtBindings3) }
    func setUpShareTest(id: GUID, secret: String) async throws { try node.enter(.csvTestSetup3) }

    func shareAddresses() async throws -> [String] {
        try node.enter(.createNewSmbShares3)
        return ["\\\\192.0.2.1"]
    }

    func connect(toShares addresses: [String]) async throws { try node.enter(.connectToNewSmbShares3) }
}
