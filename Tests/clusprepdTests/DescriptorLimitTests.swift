import Testing

@testable import clusprepd

@Suite struct DescriptorLimitTests {
    @Test(
        arguments: [
            (1024, 1 << 20, 4096, 4352),  // as many as are needed
            (1024, 4352, 4096, 4352), (1024, 4351, 4096, 4351),  // never more than the hard limit
            (4352, 1 << 20, 4096, 4352), (4353, 1 << 20, 4096, 4353),  // never fewer than there are
            (1024, 1 << 20, 768, 1024), (1024, 1 << 20, 769, 1025),
        ] as [(UInt64, UInt64, Int, UInt64)])
    func isRaisedAsFarAsItMayBe(soft: UInt64, hard: UInt64, connections: Int, expected: UInt64) {
        #expect(DescriptorLimit.raised(soft: soft, hard: hard, connections: connections) == expected)
    }

    @Test func tellsWhatThereIsRoomFor() {
        #expect(DescriptorLimit.raise(forConnections: 1) >= 1)
        // A second call changes nothing.
        #expect(DescriptorLimit.raise(forConnections: 1) == DescriptorLimit.raise(forConnections: 1))
    }
}
