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
        .executableTarget(
            name: "benchmarks",
            dependencies: [
                .product(name: "ClusPrepProtocols", package: "ClusPrep"),
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
