// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "ClusPrepBenchmarks",
    platforms: [.macOS(.v15)],
    dependencies: [
        .package(name: "ClusPrep", path: ".."),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    ],
    targets: [
        // The peer of our own initiator: the library called as directly as can be.
        .systemLibrary(name: "CLibISCSI", pkgConfig: "libiscsi", providers: [.apt(["libiscsi-dev"])]),
        .executableTarget(
            name: "benchmarks",
            dependencies: [
                "CLibISCSI",
                .product(name: "ClusPrepClient", package: "ClusPrep"),
                .product(name: "ClusPrepProtocols", package: "ClusPrep"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    ],
    swiftLanguageModes: [.v6]
)
