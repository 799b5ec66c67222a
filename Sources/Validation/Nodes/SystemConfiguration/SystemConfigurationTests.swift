/// The tests of what the nodes' systems have to have in common, in the order in which they are run.
enum SystemConfigurationTests {
    static let all: [any NodeTest] = [OperatingSystemVersions(), SoftwareUpdateLevels()]
}
