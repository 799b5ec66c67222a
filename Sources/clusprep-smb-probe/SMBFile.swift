import CSMBClient
import FileShares
import Foundation

/// Reads a file of a share through libsmbclient.
enum SMBFile {
    static func read(_ file: ProbeRequest.File, from request: ProbeRequest) throws -> ProbeReply {
        guard let context = smbc_new_context() else { return failure("smbc_new_context") }
        let logon = Unmanaged.passRetained(Logon(user: file.user, password: file.password))
        defer { logon.release() }
        smbc_setOptionUserData(context, logon.toOpaque())
        smbc_setFunctionAuthDataWithContext(context) {
            context, _, _, domain, domainSize, user, userSize, password, size in
            guard let context, let data = smbc_getOptionUserData(context) else { return }
            let logon = Unmanaged<Logon>.fromOpaque(data).takeUnretainedValue()
            // The account is the server's own, whatever that calls itself.
            SMBFile.copy(".", to: domain, size: domainSize)
            SMBFile.copy(logon.user, to: user, size: userSize)
            SMBFile.copy(logon.password, to: password, size: size)
        }
        // Standard output is for the reply.
        smbc_setOptionDebugToStderr(context, 1)
        // A guest's or nobody's access would say nothing about the test's account.
        smbc_setOptionNoAutoAnonymousLogin(context, 1)
        smbc_setOptionUseKerberos(context, 0)
        smbc_setTimeout(context, Int32(clamping: request.timeout))
        guard let context = smbc_init_context(context) else { return failure("smbc_init_context") }
        // It has read its configuration, which is root's; nothing has been sent or received yet.
        try Privileges.drop()
        smbc_setPort(context, request.port)
        smbc_set_context(context)
        guard let open = smbc_getFunctionOpen(context), let read = smbc_getFunctionRead(context) else {
            return ProbeReply(.notSMB, detail: "libsmbclient has no functions")
        }
        // A colon would begin a port.
        let server = request.address.replacingOccurrences(of: ":", with: "%3A")
        guard let handle = open(context, "smb://\(server)/\(file.share)/\(file.name)", O_RDONLY, 0) else {
            return failure("open")
        }
        var contents = [UInt8](repeating: 0, count: max(0, file.limit))
        let count = read(context, handle, &contents, contents.count)
        // The file and the context are not closed: the process ends.
        guard count >= 0 else { return failure("read") }
        return ProbeReply(.ok, text: String(decoding: contents.prefix(count), as: UTF8.self))
    }

    private static func copy(_ text: String, to buffer: UnsafeMutablePointer<CChar>?, size: Int32) {
        guard let buffer, size > 0 else { return }
        let octets = text.utf8.prefix(Int(size) - 1)
        for (index, octet) in octets.enumerated() { buffer[index] = CChar(bitPattern: octet) }
        buffer[octets.count] = 0
    }

    /// What libsmbclient means by an errno (libsmbclient.h, smbc_open).
    private static func failure(_ step: String) -> ProbeReply {
        let error = errno
        let detail = "\(step): \(String(cString: strerror(error)))"
        let outcome: ProbeReply.Outcome =
            switch error {
            case ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, ENETDOWN, EHOSTDOWN, EADDRNOTAVAIL: .unreachable
            case ETIMEDOUT: .timedOut
            case EACCES, EPERM: .accessDenied
            case ENOENT, ENODEV, ENOTDIR: .noShare
            default: .notSMB
            }
        return ProbeReply(outcome, detail: detail)
    }

    private final class Logon {
        let user: String
        let password: String

        init(user: String, password: String) {
            self.user = user
            self.password = password
        }
    }
}
