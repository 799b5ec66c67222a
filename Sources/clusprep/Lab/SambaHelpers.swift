import Foundation

/// What smbd starts when a client first asks for one of its RPC services, in a session of its own: samba-dcerpcd and its workers,
/// which outlive smbd.
struct SambaHelpers {
    /// The configuration by which they are told from those of other servers.
    let configuration: String

    /// Ends them, and waits until they are gone, for so long.
    func end(within patience: Duration) async {
        let deadline = ContinuousClock.now + patience
        while ContinuousClock.now < deadline {
            let running = running()
            guard !running.isEmpty else { return }
            // The workers end when samba-dcerpcd does; asking each of them hurts nobody.
            for process in running { kill(process, SIGTERM) }
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return }
        }
        for process in running() { kill(process, SIGKILL) }
    }

    /// The processes whose command line names the configuration.
    private func running() -> [pid_t] {
        let option = Data("--configfile=\(configuration)".utf8)
        let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return processes.compactMap(pid_t.init).filter { process in
            FileManager.default.contents(atPath: "/proc/\(process)/cmdline")?.split(separator: 0).contains(option)
                ?? false
        }
    }
}
