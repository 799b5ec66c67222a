// swift-tools-version: 6.2
import PackageDescription

// The rooms that are fuzzed are compiled here once more, by links to the package above, and not depended upon: with that package
// would come its plugin, whose tool cannot have libFuzzer's `main` beside its own; what the plugin makes, Scripts/fuzz makes with the
// same tool, in Sources/*/Generated. Built by Scripts/fuzz, which turns libFuzzer and AddressSanitizer on for everything.
let package = Package(
    name: "ClusPrepFuzzers",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
    ],
    targets: [
        .target(name: "ErrorCodes"),
        .systemLibrary(name: "CISCSI", pkgConfig: "libiscsi", providers: [.apt(["libiscsi-dev"])]),
        .target(name: "CLinuxStorage"),
        .target(
            name: "Reservations",
            dependencies: ["CISCSI", "CLinuxStorage", "ErrorCodes", .product(name: "NIOPosix", package: "swift-nio")]),
        .target(name: "CNTFS3G", linkerSettings: [.linkedLibrary("ntfs-3g")]),
        .target(name: "CExt2FS", linkerSettings: [.linkedLibrary("ext2fs"), .linkedLibrary("com_err")]),
        .target(name: "Volumes", dependencies: ["CNTFS3G", "CExt2FS", "Reservations", "ErrorCodes"]),
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        .target(name: "NDR", dependencies: ["ErrorCodes"]),
        // Without pkgConfig: krb5-gssapi.pc has flags that SwiftPM does not take. The module map names the libraries.
        .systemLibrary(name: "CGSSAPI", providers: [.apt(["libkrb5-dev"])]),
        .target(
            name: "Security",
            dependencies: [
                "COpenSSL", "CGSSAPI", .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(
            name: "DCERPC",
            dependencies: [
                "NDR", "Security", "ErrorCodes", .product(name: "Logging", package: "swift-log"),
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
            ], exclude: ["Hand/idl.json"]),
        .target(
            name: "DCOM",
            dependencies: ["DCERPC", "NDR", "Security", "ErrorCodes", .product(name: "Logging", package: "swift-log")],
            exclude: ["Hand/idl.json"]),
        .target(
            name: "ClusterProtocols", dependencies: ["DCOM", "DCERPC", "NDR", "ErrorCodes"], exclude: ["Hand/idl.json"]),
        .executableTarget(
            name: "fuzzers",
            dependencies: [
                "Reservations", "Volumes", "ClusterProtocols", "DCOM", "DCERPC", "NDR", "Security",
                .product(name: "SwiftASN1", package: "swift-asn1"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
