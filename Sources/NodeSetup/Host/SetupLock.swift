import Foundation

/// A lock that keeps other set-ups of this host away; the kernel opens it however the program ends.
public final class SetupLock: Sendable {
    private let descriptor: Int32
    private let path: String

    /// Takes the lock, in a file that goes with it.
    ///
    /// - Throws: ``SetupError`` where somebody else has it.
    init(path: String) throws(SetupError) {
        self.path = path
        while true {
            let descriptor = open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0o600)
            guard descriptor >= 0 else {
                throw .file(path: path, operation: "lock", reason: String(cString: strerror(errno)))
            }
            guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
                close(descriptor)
                throw .refused(operation: "set up this host", reason: "another set-up of it is at work")
            }
            // Who had it may have removed the file since we opened it: then others lock another one.
            var (own, present) = (stat(), stat())
            if fstat(descriptor, &own) == 0, stat(path, &present) == 0, own.st_ino == present.st_ino {
                self.descriptor = descriptor
                return
            }
            close(descriptor)
        }
    }

    deinit {
        unlink(path)
        close(descriptor)
    }
}

extension LinuxHost {
    /// Keeps other set-ups of this host away for as long as the result lives.
    ///
    /// - Throws: ``SetupError`` where one is at work.
    public func lock() throws(SetupError) -> SetupLock { try SetupLock(path: "/run/clusprep-setup.lock") }
}
