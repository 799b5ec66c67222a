import Glibc
import Synchronization

/// A SCSI disk of the host that may go and come back: one path of a map, or the only one.
///
/// The device is opened when the first command needs it, and again after the kernel has removed it. What comes back under
/// the old name must still be the same unit: names are given to whatever turns up.
final class LocalPath: SCSITransport {
    let name: String
    let attachment: DiskAttachment
    private let identity: @Sendable () -> String?
    private let expected: String?
    private let connect: @Sendable () throws -> any SCSITransport
    private let device = Mutex(Device())

    private struct Device {
        var transport: (any SCSITransport)?
        var wasOpened = false
    }

    /// - Parameters:
    ///   - identity: the unit's world-wide identifier as the kernel knows it now.
    ///   - connect: opens the device.
    init(
        name: String, attachment: DiskAttachment, identity: @escaping @Sendable () -> String?,
        connect: @escaping @Sendable () throws -> any SCSITransport
    ) {
        self.name = name
        self.attachment = attachment
        self.identity = identity
        self.connect = connect
        expected = identity()
    }

    /// Opens the device where it is not open.
    ///
    /// - Throws: ``LocalDeviceError``; ``SCSIError/identityChanged(name:expected:found:)``.
    @discardableResult
    func open() throws -> any SCSITransport {
        try device.withLock { device in
            if let transport = device.transport { return transport }
            let transport = try connect()
            // Asked for after opening: an open device keeps its name. A unit without an identifier cannot be told from another.
            let found = identity()
            guard found == expected, expected != nil || !device.wasOpened else {
                throw SCSIError.identityChanged(
                    name: name, expected: expected ?? "the unit that was there",
                    found: found ?? "a unit without an identifier")
            }
            device = Device(transport: transport, wasOpened: true)
            return transport
        }
    }

    func execute(cdb: [UInt8], dataOut: [UInt8], dataInLength: Int) throws -> SCSIResult {
        do {
            return try open().execute(cdb: cdb, dataOut: dataOut, dataInLength: dataInLength)
        } catch SCSIError.transport(let name, let cause as FileError) {
            // The kernel has taken the device away; the descriptor will never work again.
            if [ENODEV, ENXIO, EBADF].contains(cause.number) { device.withLock { $0.transport = nil } }
            throw SCSIError.transport(name: name, cause: cause)
        } catch let error as LocalDeviceError {
            throw SCSIError.transport(name: name, cause: error)
        }
    }
}
