extension String {
    /// The beginning of what a stranger says, in so many Unicode scalars. Not in so many characters, as `prefix` has it: one
    /// letter may carry marks without end.
    package func cut(to scalars: Int) -> String {
        String(String.UnicodeScalarView(unicodeScalars.prefix(scalars)))
    }
}
