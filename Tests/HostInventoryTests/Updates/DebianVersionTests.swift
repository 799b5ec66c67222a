import Foundation
import Testing

@testable import HostInventory

/// The order of Debian versions, with dpkg as the judge where it is there.
struct DebianVersionTests {
    /// From deb-version(7)'s text, and versions of real packages.
    static let ascending = [
        "0", "1.0~~", "1.0~~a", "1.0~", "1.0", "1.0a", "1.0+b1", "1.0.1", "1.2", "1.10", "1.10-1", "1.10-1+deb12u1",
        "1.10-1+deb12u10", "1.10-2~bpo1", "1.10-2", "1.10-2.1", "20230311", "1:0.1", "1:9.2p1-2+deb12u6", "2:0",
    ]

    @Test func order() {
        for (index, lower) in Self.ascending.enumerated() {
            #expect(DebianVersion(lower) == DebianVersion(lower))
            for higher in Self.ascending[(index + 1)...] {
                #expect(DebianVersion(lower) < DebianVersion(higher), "\(lower) before \(higher)")
                #expect(!(DebianVersion(higher) < DebianVersion(lower)), "\(higher) not before \(lower)")
            }
        }
    }

    @Test(arguments: [("1.0", "1.0-0"), ("1.0", "0:1.0"), ("1.00", "1.0"), ("1.0-01", "1.0-1"), ("", "0")])
    func equals(_ lhs: String, _ rhs: String) {
        #expect(DebianVersion(lhs) == DebianVersion(rhs))
    }

    /// Numbers of any length, and what is no version at all, have some order.
    @Test func oddTexts() {
        let long = String(repeating: "9", count: 100)
        #expect(DebianVersion("1." + long) < DebianVersion("1.1" + long))
        for text in ["", ":", "-", "~", "::", "a:b", "\u{0}", "99999999999999999999999:1"] {
            #expect(DebianVersion(text) == DebianVersion(text))
        }
    }

    @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/dpkg"), "install dpkg"))
    func agreesWithDpkg() throws {
        let versions = Self.ascending + ["1.0-0", "0:1.0", "1.0-1-1", "1.0-1~", "1.0+", "1.0.", "1a.0", "1~rc1-1"]
        for (lhs, rhs) in zip(versions, versions.dropFirst()) + zip(versions, versions.reversed()) {
            let dpkg = Process()
            dpkg.executableURL = URL(fileURLWithPath: "/usr/bin/dpkg")
            dpkg.arguments = ["--compare-versions", lhs, "lt", rhs]
            try dpkg.run()
            dpkg.waitUntilExit()
            #expect((DebianVersion(lhs) < DebianVersion(rhs)) == (dpkg.terminationStatus == 0), "\(lhs) < \(rhs)")
        }
    }
}

private func + <A: Sequence, B: Sequence>(lhs: A, rhs: B) -> [A.Element] where A.Element == B.Element {
    Array(lhs) + Array(rhs)
}
