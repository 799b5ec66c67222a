import Reservations
import Testing

@testable import NodeSetup

struct SetupAnswersTests {
    private func read(_ text: String) throws -> SetupAnswers {
        try SetupAnswers(json: Array(text.utf8), path: "answers.json")
    }

    @Test
    func whatIsLeftOutIsUsual() throws {
        var expected = SetupAnswers()
        expected.users = [.init(name: "admin")]
        #expect(try read(#"{"users": [{"name": "admin"}]}"#) == expected)
    }

    @Test
    func allOfThem() throws {
        let answers = try read(
            """
            {"nodeName": "beta", "fqdn": "beta.example.com", "listen": ["192.0.2.7", "2001:db8::7"],
             "endpointMapperPort": 1135, "exporterPort": 61136, "stateFolder": "/srv/state",
             "users": [{"name": "admin", "passwordFile": "/root/pw"}, {"name": "guest", "administrator": false}],
             "keytab": "/root/beta.keytab", "kerberosAdministrators": ["alice@EXAMPLE.COM"],
             "firewall": "leave", "firewallInterfaces": ["eth1"], "disks": ["/srv/a.img", "/dev/sdb",
             "iscsi://san.example.net/iqn.2024-01.net.example:storage/1"], "localDisks": false,
             "iscsiCredentials": "/etc/chap.json", "fileShares": true, "shareUser": "tests", "service": false}
            """)
        #expect(
            answers.users == [
                .init(name: "admin", passwordFile: "/root/pw"), .init(name: "guest", administrator: false),
            ])
        #expect(answers.firewall == .leave && answers.usesDevices && answers.imageFolders == ["/srv"])
        let text = try String(decoding: jsonOctets(of: answers), as: UTF8.self)
        #expect(try read(text) == answers)
    }

    @Test(arguments: [
        ("", "it is no JSON"), ("[]", "it is no JSON object"), ("{}", "nobody could log on"),
        (#"{"user": []}"#, "there is no answer \"user\""),
        (#"{"users": [{}]}"#, "\"users.0.name\" is missing"),
        (#"{"users": [{"name": "a", "admin": false}]}"#, "there is no answer \"users.0.admin\""),
        (#"{"users": [{"name": "cluster-administrator-1"}]}"#, "more than 20 characters"),
        (#"{"users": [{"name": "a\\b"}]}"#, "it contains \\"),
        (#"{"users": 7}"#, "\"users\" has a value of the wrong type"),
        (#"{"users": [{"name": "a"}, {"name": "A"}]}"#, "stands in it twice"),
        (#"{"users": [{"name": "a"}], "listen": []}"#, "needs an address"),
        (#"{"users": [{"name": "a"}], "listen": ["beta"]}"#, "no IPv4 or IPv6 address"),
        (#"{"users": [{"name": "a"}], "listen": ["0.0.0.0", "127.0.0.1"]}"#, "beside the one that means all"),
        (#"{"users": [{"name": "a"}], "listen": ["::1", "0.0.0.0", "::1"]}"#, "stands in it twice"),
        (#"{"users": [{"name": "a"}], "disks": ["/disk.img"]}"#, "open every folder"),
        (#"{"users": [{"name": "a"}], "exporterPort": 0}"#, "1 to 65535"),
        (#"{"users": [{"name": "a"}], "exporterPort": 135}"#, "another one"),
        (#"{"users": [{"name": "a"}], "nodeName": "a-name-that-is-too-long"}"#, "1 to 15"),
        (#"{"users": [{"name": "a"}], "nodeName": "-a"}"#, "1 to 15"),
        (#"{"users": [{"name": "a"}], "stateFolder": "/"}"#, "of the node's own"),
        (#"{"users": [{"name": "a"}], "stateFolder": "state"}"#, "absolute path"),
        (#"{"users": [{"name": "a"}], "stateFolder": "/srv/x/"}"#, "plainly written /srv/x"),
        (#"{"users": [{"name": "a"}], "stateFolder": "/srv/.//x"}"#, "plainly written /srv/x"),
        (#"{"users": [{"name": "a"}], "stateFolder": "/srv/a\nExecStart=/bin/sh"}"#, "absolute path"),
        (#"{"users": [{"name": "a"}], "stateFolder": "/srv/%h"}"#, "absolute path"),
        (#"{"users": [{"name": "a"}], "firewallInterfaces": ["eth0; reboot"]}"#, "no interface's name"),
        (#"{"users": [{"name": "a"}], "firewall": "maybe"}"#, "\"firewall\""),
        (#"{"users": [{"name": "a"}], "kerberosAdministrators": ["a@B"]}"#, "needs a keytab"),
        (#"{"keytab": "/k", "kerberosAdministrators": ["alice"]}"#, "has no realm"),
        (#"{"users": [{"name": "a"}], "disks": ["/srv/a", "/srv/../srv/a"]}"#, "twice"),
        (#"{"users": [{"name": "a"}], "disks": ["ftp://x/y"]}"#, "ftp"),
    ])
    func whatMakesNoSense(text: String, words: String) {
        do {
            _ = try read(text)
            Issue.record("accepted: \(text)")
        } catch {
            #expect("\(error)".contains(words), "\(text): \(error)")
        }
    }

    /// Undoing removes the state folder with all that is in it, and purging the usual one.
    @Test
    func imagesAmongTheState() throws {
        for (image, isRefused) in [
            ("/srv/x/disk.img", true), ("/srv/x/images/disk.img", true), ("/srv/./x/disk.img", true),
            ("/var/lib/clusprep/disk.img", true), ("/srv/xy/disk.img", false), ("/srv/disk.img", false),
        ] {
            let text = #"{"users": [{"name": "a"}], "stateFolder": "/srv/x", "disks": ["\#(image)"]}"#
            do {
                _ = try read(text)
                #expect(!isRefused, "\(image)")
            } catch {
                #expect(isRefused && "\(error)".contains("would go with the node's state"), "\(image): \(error)")
            }
        }
    }

    /// An image's folder becomes a word of the unit.
    @Test
    func imagesInOddFolders() {
        #expect(throws: SetupError.self) { try read(#"{"users": [{"name": "a"}], "disks": ["/srv/a b/disk.img"]}"#) }
    }
}

extension SetupAnswersTests {
    static func target(_ text: String) throws -> DiskTarget { try DiskTarget(parsing: text) }
}
