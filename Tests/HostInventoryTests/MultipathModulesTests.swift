import Reservations
import Testing

@testable import HostInventory

@Suite struct MultipathModulesTests {
    struct NoDeviceMapper: Error {}

    @Test func noneIsAnHonestAnswer() throws {
        let host = try FakeHost()
        #expect(MultipathModules(root: host.root) { [] }.list() == [])
        #expect(MultipathModules(root: host.root) { throw NoDeviceMapper() }.list() == [])
        let linear = DeviceMapper.Target(name: "linear", version: [1, 4, 0])
        #expect(MultipathModules(root: host.root) { [linear] }.list() == [])
        host.file("/sys/module/nvme_core/parameters/multipath", "N")
        #expect(MultipathModules(root: host.root) { [] }.list() == [])
    }

    @Test func bothWithTheirVersions() throws {
        let host = try FakeHost(kernel: "5.14.0-362.8.1.el9_3.x86_64")
        host.file("/sys/module/nvme_core/parameters/multipath", "Y")
        host.file("/sys/module/nvme_core/version", "1.0")
        let target = DeviceMapper.Target(name: "multipath", version: [1, 14, 2])
        #expect(
            MultipathModules(root: host.root) { [target] }.list() == [
                DeviceSpecificModule(name: "dm-multipath", majorVersion: 1, minorVersion: 14, build: 2),
                DeviceSpecificModule(name: "nvme-multipath", majorVersion: 1),
            ])
    }

    @Test func theKernelsReleaseStandsInForAVersion() throws {
        let host = try FakeHost(kernel: "6.1.55-13-amd64")
        host.file("/sys/module/dm_multipath/refcnt", "2")
        host.file("/sys/module/nvme_core/parameters/multipath", "Y")
        #expect(
            MultipathModules(root: host.root) { throw NoDeviceMapper() }.list() == [
                DeviceSpecificModule(name: "dm-multipath", majorVersion: 6, minorVersion: 1, build: 55),
                DeviceSpecificModule(name: "nvme-multipath", majorVersion: 6, minorVersion: 1, build: 55),
            ])
        #expect(MultipathModules.numbers("6.18.44-fc") == [6, 18, 44])
        #expect(MultipathModules.numbers("") == [])
    }

    @Test func thisMachine() {
        for module in MultipathModules().list() {
            #expect(module.majorVersion > 0)
            #expect(module.name.utf16.count <= DeviceSpecificModule.maximumNameLength)
        }
    }
}
