import ClusterProtocols
import DCERPC
import DCOM
import IDLCompiler
import NDR
import Testing

@testable import InterfaceValues

/// Random values of every structure: the generated code, which is another implementation of the same descriptions, reads them as
/// they were written, and what it writes is read here.
@Suite("Random values of every type")
struct RandomValueTests {
    private let library = InterfaceCatalogue.standard.library

    private static let types =
        CsvpCatalogue.types + ClusapiCatalogue.types + DcomCatalogue.types + OautCatalogue.types
        + EpmapperCatalogue.types + MgmtCatalogue.types + DtypCatalogue.types

    @Test(arguments: TransferSyntax.allCases)
    func agreesWithTheGeneratedCode(_ syntax: TransferSyntax) throws {
        var agreed: Set<String> = []
        for type in Self.types {
            let name = String(describing: type)
            guard let representation = library.structure(named: name) else { continue }
            let field = TypeLibrary.Field(name: "value", typeName: name, representation: representation)
            for count in 0..<6 {
                var values = ValueMaker(library: library, count: count, syntax: syntax)
                var tree = FieldTree(fields: [values.node(field, depth: 0)], syntax: syntax)
                tree.padding = [:]
                var encoder = ValueEncoder(tree, library)
                let octets = try encoder.stub([field], tree)

                // What was written is read again.
                var decoder = ValueDecoder(StubReader(octets, syntax: syntax, isBigEndian: false), library)
                let again = try decoder.tree([field])
                var second = ValueEncoder(again, library)
                #expect(try second.stub([field], again) == octets, "\(name), \(count) elements")
                #expect(again.trailing.isEmpty, "\(name), \(count) elements")

                // And by the generated code, wherever all counts happen to agree.
                if try generatedCodeAgrees(type, octets, field, again, syntax) { agreed.insert(name) }
            }
        }
        // Those whose sizes are computed (`size_is((size+7)&~7)`) or whose unions need a certain discriminant are left over.
        #expect(agreed.count > 80, "\(agreed.sorted())")
    }

    private func generatedCodeAgrees<Value: NDRCodable & Equatable>(
        _ type: Value.Type, _ octets: [UInt8], _ field: TypeLibrary.Field, _ tree: FieldTree, _ syntax: TransferSyntax
    ) throws -> Bool {
        var decoder = NDRDecoder(octets, syntax: syntax)
        guard let value = try? decoder.decode(type), (try? decoder.finish()) != nil else { return false }
        var encoder = NDREncoder(syntax: syntax)
        try encoder.encode(value)
        #expect(encoder.bytes.count == octets.count, "\(type)")
        var again = ValueDecoder(StubReader(encoder.bytes, syntax: syntax, isBigEndian: false), library)
        // The generated code numbers referents in an order of its own.
        #expect(
            try again.tree([field]).fields.map(\.withoutReferents) == tree.fields.map(\.withoutReferents), "\(type)")
        return true
    }

    /// Whatever the octets are, decoding ends with a tree or an error, and a tree is written again as it was.
    @Test func survivesNoise() throws {
        var generator = SplitMix(state: 42)
        let operations = InterfaceCatalogue.standard.interfaces.flatMap(\.operations).filter(\.isOnWire)
        for operation in operations {
            for round in 0..<8 {
                var stub: [UInt8] = (0..<Int.random(in: 0..<300, using: &generator)).map { _ in
                    round % 2 == 0
                        ? UInt8.random(in: 0...3, using: &generator) : .random(in: 0...255, using: &generator)
                }
                // Zeros in between, so that something can be right.
                if round % 4 < 2 { for index in stub.indices where index % 4 != 0 { stub[index] = 0 } }
                let syntax: TransferSyntax = round < 6 ? .ndr20 : .ndr64
                if let tree = try? operation.decodeRequest(stub, syntax: syntax, isBigEndian: round == 5) {
                    #expect(try operation.encodeRequest(tree) == stub, "\(operation.name)")
                }
                if let tree = try? operation.decodeResponse(stub, syntax: syntax, isBigEndian: round == 5) {
                    #expect(try operation.encodeResponse(tree) == stub, "\(operation.name)")
                    _ = tree.lines()
                }
            }
        }
    }
}

/// Makes values in which every integer is the number of every array's elements, so that counts agree.
private struct ValueMaker {
    let library: TypeLibrary
    let count: Int
    let syntax: TransferSyntax
    private var referent: UInt64 = 0x0002_0000

    init(library: TypeLibrary, count: Int, syntax: TransferSyntax) {
        self.library = library
        self.count = count
        self.syntax = syntax
    }

    mutating func node(_ field: TypeLibrary.Field, depth: Int) -> FieldNode {
        node(field.representation, field.name, field.typeName, depth)
    }

    private mutating func node(
        _ type: TypeLibrary.Representation, _ name: String, _ typeName: String, _ depth: Int
    ) -> FieldNode {
        var variance: FieldNode.Variance?
        let value: FieldValue
        switch type {
        case .integer(_, let isSigned), .pointerSized(let isSigned):
            value = isSigned ? .signed(Int64(count)) : .unsigned(UInt64(count))
        case .float(let octets):
            value = octets == 4 ? .single(Float(count).bitPattern) : .double(Double(count).bitPattern)
        case .hresult: value = .hresult(.accessDenied)
        case .guid: value = .guid("00112233-4455-6677-8899-aabbccddeeff")
        case .contextHandle:
            value = .contextHandle(ContextHandle(attributes: 1, uuid: "00112233-4455-6677-8899-aabbccddeeff"))
        case .enumeration: value = .enumeration(UInt32(count), name: nil)
        case .structure(let index):
            let fields = library.structures[index].fields
            let members = library.structures[index].isEncapsulatedUnion ? fields.suffix(1) : fields[...]
            value = .structure(members.map { node($0, depth: depth) })
        case .union(let index):
            let union = library.unions[index]
            let label = union.arm(Int64(count)) == nil ? union.arms.first?.labels.first ?? 0 : Int64(count)
            value = .union(
                discriminant: label, arm: union.arm(label)?.field.map { node($0, depth: depth) })
        case .pointer(let kind, let target):
            if kind != .reference, depth > 2 {
                value = .pointer(referent: 0, target: nil)
            } else {
                let identifier = referent
                referent += 4
                value = .pointer(referent: identifier, target: node(target, "", typeName, depth + 1))
            }
        case .array(let fixed, let isVarying, let element):
            let number = isVarying ? min(count, fixed ?? count) : fixed ?? count
            if isVarying { variance = .init(maximum: fixed == nil ? UInt64(count) : nil) }
            switch element {
            case .integer(octets: 1, isSigned: _): value = .octets([UInt8](repeating: 0x41, count: number))
            case .integer(octets: 2, isSigned: false):
                value = .units([UInt16](repeating: 0x42, count: number), isText: false)
            default: value = .array((0..<number).map { node(element, "[\($0)]", typeName, depth + 1) })
            }
        case .string(let isWide, let fixed):
            let number = max(1, min(count, fixed ?? count))
            variance = .init(maximum: fixed == nil ? UInt64(number) : nil)
            value =
                isWide
                ? .wideString([UInt16](repeating: 0x43, count: number - 1) + [0])
                : .octetString([UInt8](repeating: 0x44, count: number - 1) + [0])
        }
        return FieldNode(name: name, type: typeName, variance: variance, value: value)
    }
}

extension FieldNode {
    /// The same, with 1 for every referent identifier that is not zero.
    fileprivate var withoutReferents: FieldNode {
        var node = self
        switch value {
        case .pointer(let referent, let target):
            node.value = .pointer(referent: min(1, referent), target: target?.withoutReferents)
        case .structure(let fields): node.value = .structure(fields.map(\.withoutReferents))
        case .array(let elements): node.value = .array(elements.map(\.withoutReferents))
        case .union(let discriminant, let arm):
            node.value = .union(discriminant: discriminant, arm: arm?.withoutReferents)
        default: break
        }
        return node
    }
}

/// A generator that gives the same numbers every time.
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ value >> 30) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ value >> 27) &* 0x94D0_49BB_1331_11EB
        return value ^ value >> 31
    }
}
