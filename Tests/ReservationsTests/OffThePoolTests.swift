import Foundation
import TestSupport
import Testing

@Suite(.offThePool) struct OffThePoolTests {
    /// While as many of these sleep as there could be threads in the pool, the pool's tasks still run.
    @Test(arguments: 0..<4) func thePoolIsFree(_ number: Int) {
        let isOver = DispatchSemaphore(value: 0)
        Task.detached { isOver.signal() }
        #expect(isOver.wait(timeout: .now() + 60) == .success)
    }
}
