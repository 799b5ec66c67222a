import ClusterProtocols
import DCERPC
import DCOM
import NDR

/// Every type and every method that the IDL declares: what is read can be written, and what was written is read as the same.
///
/// The first two octets choose what is read, the third how; the stub follows.
protocol MarshallingTarget: FuzzTarget {
    /// The transfer syntax.
    static var syntax: TransferSyntax { get }
}

/// In NDR 2.0, of either byte order.
struct NDRTarget: MarshallingTarget {
    static let syntax = TransferSyntax.ndr20
}

/// In NDR64.
struct NDR64Target: MarshallingTarget {
    static let syntax = TransferSyntax.ndr64
}

/// What is declared, in an order that only changes with the declarations.
private enum Declarations {
    static let types: [any (NDRCodable & Equatable).Type] =
        DtypCatalogue.types + EpmapperCatalogue.types + MgmtCatalogue.types + DcomCatalogue.types
        + SambaCatalogue.types + OautCatalogue.types + CsvpCatalogue.types + ClusapiCatalogue.types
    static let methods: [any RPCMethod.Type] = [
        EpmapperCatalogue.interfaces, MgmtCatalogue.interfaces, DcomCatalogue.interfaces,
        ClassfactoryCatalogue.interfaces, SambaCatalogue.interfaces, CsvpCatalogue.interfaces,
        ClusapiCatalogue.interfaces,
    ].flatMap { $0 }.flatMap(\.operations).map(\.method)
}

extension MarshallingTarget {
    func run(_ input: [UInt8]) {
        var input = FuzzInput(input)
        let choice = Int(input.integer(UInt16.self)) % (Declarations.types.count + 2 * Declarations.methods.count)
        let manner = input.octet()
        let big = Self.syntax == .ndr20 && manner & 1 != 0
        let decoder = NDRDecoder(
            input.octets(.max), representation: big ? .bigEndianASCIIIEEE : .littleEndianASCIIIEEE, syntax: Self.syntax)
        if choice < Declarations.types.count {
            check(Declarations.types[choice], decoder)
        } else {
            let (index, isResponse) = (choice - Declarations.types.count).quotientAndRemainder(dividingBy: 2)
            check(Declarations.methods[index], isResponse: isResponse == 1, decoder)
        }
    }

    private func check<Value: NDRCodable & Equatable>(_ type: Value.Type, _ decoder: NDRDecoder) {
        check(decoder, "\(type)", decode: { try $0.decode(Value.self) }, encode: { try $1.encode($0) })
    }

    private func check<Method: RPCMethod>(_ method: Method.Type, isResponse: Bool, _ decoder: NDRDecoder) {
        var decoder = decoder
        if !isResponse {
            check(
                decoder, "\(method) request", decode: { try Method.Request(from: &$0) },
                encode: { try $0.encode(into: &$1) })
        } else if let request = try? Method.Request(from: &decoder) {
            // The response's counts hang on the request's, which stands in front of it.
            let rest = NDRDecoder(Array(decoder.rest), syntax: Self.syntax)
            check(
                rest, "\(method) response", decode: { try Method.Response(from: &$0, for: request) },
                encode: { try $0.encode(into: &$1, for: request) })
        }
    }

    private func check<Value: Equatable>(
        _ decoder: NDRDecoder, _ name: @autoclosure () -> String, decode: (inout NDRDecoder) throws -> Value,
        encode: (Value, inout NDREncoder) throws -> Void
    ) {
        var decoder = decoder
        guard let first = try? decode(&decoder) else { return }
        do {
            let octets = try written(first, encode)
            var again = NDRDecoder(octets, syntax: Self.syntax)
            let second = try decode(&again)
            try again.finish()
            // A number that is none is not even equal to itself; its octets are.
            promise(first == second || first != first, "\(name()): another value came back")
            promise(try written(second, encode) == octets, "\(name()): other octets came back")
        } catch {
            promise(false, "\(name()): what was read is not written and read: \(error)")
        }
    }

    private func written<Value>(
        _ value: Value, _ encode: (Value, inout NDREncoder) throws -> Void
    ) throws -> [UInt8] {
        var encoder = NDREncoder(syntax: Self.syntax)
        try encode(value, &encoder)
        return encoder.bytes
    }
}
