import ErrorCodes
import Logging

extension Logger {
    /// Runs the body of a method.
    ///
    /// "All methods MUST NOT throw exceptions" ([MS-CSVP] 3.8.4, 3.10.4): what carries no code of its own becomes
    /// ERROR_INTERNAL_ERROR.
    func answering<T>(
        isolation: isolated (any Actor)? = #isolation, _ method: String, _ body: () async throws -> T
    ) async throws -> T {
        do {
            return try await body()
        } catch let error as any HRESULTConvertible {
            debug("\(method) answers \(error.hresult): \(error)")
            throw error
        } catch {
            self.error("\(method) failed: \(error)")
            throw Win32Error.internalError
        }
    }
}
