import Testing

@testable import ClusterEngine

@Suite struct ClusterLevelsTests {
    /// [MS-CSVP], product behaviour notes 31 and 35.
    @Test(arguments: [(9, 8), (10, 3), (11, 4), (12, 4)] as [(UInt16, UInt16)])
    func table(functional: UInt16, upgrade: UInt16) {
        let levels = ClusterLevels(functionalLevel: functional)
        #expect(levels?.functional == functional)
        #expect(levels?.upgrade == upgrade)
    }

    @Test func limits() {
        #expect(ClusterLevels(functionalLevel: 8) == nil)
        #expect(ClusterLevels(functionalLevel: 13) == nil)
    }

    @Test func presented() {
        #expect(ClusterLevels.presented(functionalLevel: nil, version: nil) == .highest)
        #expect(ClusterLevels.presented(functionalLevel: nil, version: .init(major: 10, minor: 0)) == .highest)
        #expect(ClusterLevels.presented(functionalLevel: nil, version: .init(major: 6, minor: 3)) == nil)
        #expect(
            ClusterLevels.presented(functionalLevel: 9, version: .init(major: 10, minor: 0))
                == ClusterLevels(functionalLevel: 9))
    }
}
