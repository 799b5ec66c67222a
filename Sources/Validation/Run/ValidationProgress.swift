/// What a validation tells while it runs.
public enum ValidationProgress: Sendable {
    /// A test has begun.
    case began(TestDescription)
    /// A test has taken a step.
    case step(TestDescription, TestStep)
    /// A test has ended, or was left out.
    case ended(TestResult)
}
