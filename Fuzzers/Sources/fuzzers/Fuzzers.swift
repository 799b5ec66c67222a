import Foundation

/// `fuzzers TARGET [libFuzzer's options] [corpora]`: feeds a target inputs that libFuzzer makes up until one of them breaks a
/// promise, which ends the program with a file of that input.
/// `fuzzers populate IMAGE`: puts files into a new file system, for the targets that change one.
enum Fuzzers {
    /// libFuzzer starts this program again with its own arguments only, so the target's name travels in the environment.
    fileprivate static let variable = "CLUSPREP_FUZZ_TARGET"

    fileprivate static let kinds: [String: any FuzzTarget.Type] = [
        "partitions": PartitionTarget.self, "vpd": VitalProductDataTarget.self, "reservations": ReservationTarget.self,
        "unit": UnitTarget.self, "safearray": SafeArrayTarget.self, "routes": RouteTarget.self, "ntfs": NTFSTarget.self,
        "ext4": Ext4Target.self, "activation": ActivationTarget.self, "objref": ObjrefTarget.self,
        "ndr": NDRTarget.self, "ndr64": NDR64Target.self, "pdu": PDUTarget.self, "client": ClientTarget.self,
        "ntlm": NTLMTarget.self, "spnego": SPNEGOTarget.self,
    ]

    /// Made with the first input.
    fileprivate static let target: any FuzzTarget = {
        let name = ProcessInfo.processInfo.environment[variable] ?? ""
        guard let kind = kinds[name] else { fail("there is no target \"\(name)\"") }
        do {
            return try kind.init()
        } catch {
            fail("\(name): \(error)")
        }
    }()

    fileprivate static func fail(_ message: String) -> Never {
        FileHandle.standardError.write(Data("fuzzers: \(message)\n".utf8))
        exit(2)
    }
}

/// Takes our own argument out of the arguments before libFuzzer, whose `main` this program has, sees them.
@_cdecl("LLVMFuzzerInitialize")
public func initializeFuzzer(
    _ count: UnsafeMutablePointer<CInt>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>
) -> CInt {
    let words = (1..<max(1, Int(count.pointee))).compactMap { arguments.pointee[$0].map { String(cString: $0) } }
    if words.count == 2, words[0] == "populate" {
        do {
            try VolumeTarget.populate(words[1])
        } catch {
            Fuzzers.fail("\(words[1]): \(error)")
        }
        exit(0)
    }
    if let name = words.first, Fuzzers.kinds[name] != nil {
        setenv(Fuzzers.variable, name, 1)
        arguments.pointee[1] = arguments.pointee[0]
        arguments.pointee += 1
        count.pointee -= 1
    } else if getenv(Fuzzers.variable) == nil {
        Fuzzers.fail("usage: fuzzers \(Fuzzers.kinds.keys.sorted().joined(separator: "|")) [OPTION|CORPUS]...")
    }
    return 0
}

/// One input.
@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafePointer<UInt8>?, _ size: Int) -> CInt {
    // libFuzzer may give no pointer with an empty input.
    Fuzzers.target.run(Array(UnsafeBufferPointer(start: data, count: size)))
    return 0
}

/// What is fed.
protocol FuzzTarget: Sendable {
    init() throws

    /// Uses an input; a broken promise is a trap.
    func run(_ input: [UInt8])
}

/// Takes an input apart; behind its end there are zeros.
struct FuzzInput {
    private var rest: ArraySlice<UInt8>

    init(_ octets: [UInt8]) {
        rest = octets[...]
    }

    var isEmpty: Bool { rest.isEmpty }

    mutating func octet() -> UInt8 {
        rest.popFirst() ?? 0
    }

    mutating func integer<Value: FixedWidthInteger>(_ type: Value.Type = Value.self) -> Value {
        var value: Value = 0
        for index in 0..<Value.bitWidth / 8 { value |= Value(truncatingIfNeeded: octet()) << (8 * index) }
        return value
    }

    /// Up to so many.
    mutating func octets(_ count: Int) -> [UInt8] {
        let taken = Array(rest.prefix(count))
        rest.removeFirst(taken.count)
        return taken
    }
}

/// Ends the program where something that must hold does not.
func promise(_ condition: Bool, _ what: @autoclosure () -> String, line: UInt = #line) {
    if !condition { fatalError("broken promise in line \(line): \(what())") }
}
