// swift-tools-version: 6.2
import PackageDescription

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
    .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
]
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")

let package = Package(
    name: "ClusPrep",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "clusprepd", targets: ["clusprepd"]),
        .executable(name: "clusprep", targets: ["clusprep"]),
        .executable(name: "clusprep-smb-probe", targets: ["clusprep-smb-probe"]),
        .executable(name: "idlc", targets: ["idlc"]),
        .library(name: "ClusPrepClient", targets: ["ClusPrepClient"]),
        .library(name: "ClusPrepValidation", targets: ["Validation"]),
        // For an interface of one's own: the runtime, and the plugin that compiles its IDL.
        .library(name: "ClusPrepRPC", targets: ["NDR", "DCERPC", "Security", "ErrorCodes"]),
        .plugin(name: "IDLPlugin", targets: ["IDLPlugin"]),
        .library(
            name: "ClusPrepProtocols", targets: ["NDR", "DCERPC", "DCOM", "Security", "ClusterProtocols", "ErrorCodes"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-asn1", from: "1.7.4"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-configuration", from: "1.4.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
        .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    ],
    targets: [
        // What everything stands on.
        .target(name: "ErrorCodes"),
        .target(name: "NDR", dependencies: ["ErrorCodes"]),

        // The IDL compiler and the plugin that runs it.
        .target(name: "IDLCompiler"),
        .executableTarget(
            name: "idlc",
            dependencies: [
                "IDLCompiler", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .plugin(name: "IDLPlugin", capability: .buildTool(), dependencies: ["idlc"]),

        // Security, DCE/RPC, DCOM and the generated protocols.
        .systemLibrary(name: "COpenSSL", pkgConfig: "openssl", providers: [.apt(["libssl-dev"])]),
        // Without pkgConfig: krb5-gssapi.pc has flags that SwiftPM does not take. The module map names the libraries.
        .systemLibrary(name: "CGSSAPI", providers: [.apt(["libkrb5-dev"])]),
        .target(
            name: "Security",
            dependencies: [
                "COpenSSL", "CGSSAPI", .product(name: "SwiftASN1", package: "swift-asn1"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .target(
            name: "DCERPC", dependencies: ["NDR", "Security", "ErrorCodes", logging] + nio, exclude: ["idl.json"],
            plugins: ["IDLPlugin"]),
        .target(
            name: "DCOM", dependencies: ["DCERPC", "NDR", "Security", "ErrorCodes", logging], exclude: ["idl.json"],
            plugins: ["IDLPlugin"]),
        .target(
            name: "ClusterProtocols", dependencies: ["DCOM", "DCERPC", "NDR", "ErrorCodes"], exclude: ["idl.json"],
            plugins: ["IDLPlugin"]),

        // Calls as trees of named values, by the IDL files themselves.
        .target(
            name: "InterfaceValues", dependencies: ["IDLCompiler", "NDR", "ErrorCodes"], exclude: ["idl.json"],
            plugins: ["IDLPlugin"]),

        // The node itself: disks, volumes, the engine. None of them knows RPC.
        .systemLibrary(name: "CISCSI", pkgConfig: "libiscsi", providers: [.apt(["libiscsi-dev"])]),
        .target(name: "CLinuxStorage"),
        .target(
            name: "Reservations",
            dependencies: ["CISCSI", "CLinuxStorage", "ErrorCodes", .product(name: "NIOPosix", package: "swift-nio")]),
        .systemLibrary(name: "CNFTables", pkgConfig: "libnftables", providers: [.apt(["libnftables-dev"])]),
        .target(name: "CLinuxNetwork"),
        .target(
            name: "HostInventory",
            dependencies: ["CLinuxNetwork", "CNFTables", "Reservations", "Security", "ErrorCodes", logging]),
        .target(name: "RouteProbes", dependencies: ["CLinuxNetwork", "HostInventory", logging]),
        .target(name: "CNTFS3G", linkerSettings: [.linkedLibrary("ntfs-3g")]),
        .target(name: "CExt2FS", linkerSettings: [.linkedLibrary("ext2fs"), .linkedLibrary("com_err")]),
        .target(name: "Volumes", dependencies: ["CNTFS3G", "CExt2FS", "Reservations", "ErrorCodes"]),
        .target(
            name: "Validation",
            dependencies: [
                "ClusPrepClient", "ClusterProtocols", "DCOM", "DCERPC", "NDR", "Reservations", "Volumes", "ErrorCodes",
            ]),
        .target(name: "EventLog", dependencies: ["ErrorCodes", logging]),
        // Captures of the protocols: read, taken apart, and played again.
        .systemLibrary(name: "CPCAP", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
        .target(name: "Replay", dependencies: ["CPCAP", "InterfaceValues", "DCERPC", "NDR", "Security", "ErrorCodes"]),
        .target(
            name: "ClusterEngine",
            dependencies: [
                "COpenSSL", "Security", "ErrorCodes", logging, .product(name: "GRDB", package: "GRDB.swift"),
            ]),

        // Shares of files: Samba's server and client behind a door of their own.
        .target(name: "FileShares", dependencies: ["ErrorCodes", "Security", logging]),
        // What makes a host a node.
        .target(
            name: "NodeSetup",
            dependencies: ["ClusterEngine", "FileShares", "HostInventory", "Reservations", "Security", "Volumes"]),
        .systemLibrary(name: "CSMBClient", pkgConfig: "smbclient", providers: [.apt(["libsmbclient-dev"])]),
        .executableTarget(name: "clusprep-smb-probe", dependencies: ["CSMBClient", "FileShares"]),

        // What clients reach, and the programs.
        .target(
            name: "ClusPrepServer",
            dependencies: [
                "ClusterProtocols", "DCOM", "DCERPC", "NDR", "Security", "Reservations", "Volumes", "ClusterEngine",
                "HostInventory", "RouteProbes", "EventLog", "FileShares", "ErrorCodes", logging,
            ]),
        .target(
            name: "ClusPrepClient",
            dependencies: ["ClusterProtocols", "DCOM", "DCERPC", "NDR", "Security", "ErrorCodes"]),
        .executableTarget(
            name: "clusprepd",
            dependencies: [
                "ClusPrepServer", "ClusterEngine", "DCOM", "DCERPC", "Security", "Reservations", "HostInventory",
                "RouteProbes", "EventLog", "FileShares", logging,
                .product(name: "Configuration", package: "swift-configuration"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .executableTarget(
            name: "clusprep",
            dependencies: [
                "ClusPrepClient", "ClusterEngine", "ClusterProtocols", "Reservations", "HostInventory", "RouteProbes",
                "EventLog", "FileShares", "Volumes", "Validation", "NodeSetup", "Replay", "Security", "ErrorCodes",
                logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),

        // What the library's articles show, in full; the tests run them.
        .executableTarget(name: "FirstCall", dependencies: ["ClusPrepClient"], path: "Examples/FirstCall"),
        .executableTarget(
            name: "ValidateCluster", dependencies: ["ClusPrepClient", "Validation"], path: "Examples/ValidateCluster"),
        .executableTarget(
            name: "OwnInterface", dependencies: ["DCERPC", "NDR", "Security"], path: "Examples/OwnInterface",
            exclude: ["hostload.idl", "idl.json"], plugins: ["IDLPlugin"]),

        // What several rooms' tests need.
        .target(name: "TestSupport", dependencies: ["Reservations"], path: "Tests/TestSupport"),

        .testTarget(name: "ErrorCodesTests", dependencies: ["ErrorCodes"]),
        .testTarget(name: "NDRTests", dependencies: ["NDR"]),
        .testTarget(name: "IDLCompilerTests", dependencies: ["IDLCompiler"], exclude: ["Expected"]),
        .testTarget(
            name: "InterfaceValuesTests",
            dependencies: ["InterfaceValues", "ClusterProtocols", "DCOM", "DCERPC", "NDR", "ErrorCodes"]),
        .testTarget(
            name: "ClusterProtocolsTests", dependencies: ["ClusterProtocols", "DCOM", "DCERPC", "NDR", "TestSupport"]),
        .testTarget(
            name: "SecurityTests",
            dependencies: ["Security", .product(name: "SwiftASN1", package: "swift-asn1")]),
        .testTarget(name: "DCERPCTests", dependencies: ["DCERPC", "NDR", "Security", logging] + nio),
        .testTarget(name: "DCOMTests", dependencies: ["DCOM", "DCERPC", "NDR", "Security", "ErrorCodes"]),
        .testTarget(name: "ReservationsTests", dependencies: ["Reservations", "TestSupport", "ErrorCodes"]),
        .testTarget(
            name: "HostInventoryTests", dependencies: ["HostInventory", "Reservations", "TestSupport", "ErrorCodes"]),
        .testTarget(
            name: "RouteProbesTests",
            dependencies: ["RouteProbes", "HostInventory", "CLinuxNetwork", "TestSupport", logging]),
        .testTarget(
            name: "ReplayTests",
            dependencies: [
                "Replay", "InterfaceValues", "ClusterProtocols", "DCOM", "DCERPC", "NDR", "Security", "TestSupport",
                "ErrorCodes", logging,
            ] + nio),
        .testTarget(name: "EventLogTests", dependencies: ["EventLog", "TestSupport", logging]),
        .testTarget(
            name: "FileSharesTests", dependencies: ["FileShares", "Security", "TestSupport", "ErrorCodes", logging]),
        .testTarget(name: "NodeSetupTests", dependencies: ["NodeSetup", "Reservations"]),
        .testTarget(name: "VolumesTests", dependencies: ["Volumes", "Reservations", "TestSupport", "ErrorCodes"]),
        .testTarget(
            name: "ValidationTests",
            dependencies: [
                "Validation", "ClusPrepClient", "ClusterProtocols", "NDR", "Reservations", "Volumes", "TestSupport",
                "ErrorCodes",
            ]),
        .testTarget(
            name: "ClusterEngineTests",
            dependencies: [
                "ClusterEngine", "Security", "TestSupport", "ErrorCodes", logging,
                .product(name: "GRDB", package: "GRDB.swift"),
            ]),
        .testTarget(
            name: "ClusPrepServerTests",
            dependencies: [
                "ClusPrepServer", "ClusterEngine", "ClusterProtocols", "DCERPC", "NDR", "Reservations", "Volumes",
                "HostInventory", "RouteProbes", "EventLog", "FileShares", "TestSupport", "ErrorCodes", logging,
            ]),
        .testTarget(
            name: "clusprepTests",
            dependencies: [
                "clusprep", "Reservations", "ClusPrepClient", "Security", "Validation", "HostInventory",
            ]),
        .testTarget(
            name: "clusprepdTests",
            dependencies: ["clusprepd", "NodeSetup", .product(name: "Configuration", package: "swift-configuration")]),
    ],
    swiftLanguageModes: [.v6]
)

// A warning is a defect here. (Where this package is somebody's dependency, SwiftPM leaves the setting out.)
for target in package.targets where ![.system, .plugin].contains(target.type) {
    target.swiftSettings = (target.swiftSettings ?? []) + [.treatAllWarnings(as: .error)]
}
