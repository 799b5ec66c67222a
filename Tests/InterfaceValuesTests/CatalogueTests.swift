import NDR
import Testing

@testable import InterfaceValues

@Suite("The catalogue of interfaces")
struct CatalogueTests {
    let catalogue = InterfaceCatalogue.standard

    @Test func findsOperationsOfBases() throws {
        // [MS-CSVP] 3.20: IClusterLogEx3 derives from IClusterLogEx2, that from IClusterLogEx.
        let interface = try #require(catalogue.interface(uuid: "e6d3c166-560f-4b58-b31a-fdea05fb606f"))
        #expect(interface.name == "IClusterLogEx3")
        #expect(interface.isObject)
        #expect(interface.operation(3)?.name == "GenerateClusterLog")
        #expect(interface.operation(3)?.interface == "IClusterLogEx")
        #expect(interface.operation(12)?.name == "GenerateLogEx2")
        #expect(interface.operation(13) == nil)
        #expect(interface.operation(0)?.isOnWire == false)
    }

    @Test func knowsVersions() {
        let endpointMapper: GUID = "e1af8308-5d1f-11c9-91a4-08002b14a0fa"
        #expect(catalogue.interface(SyntaxIdentifier(uuid: endpointMapper, major: 3))?.name == "epmapper")
        #expect(catalogue.interface(SyntaxIdentifier(uuid: endpointMapper, major: 2)) == nil)
        #expect(catalogue.interface(SyntaxIdentifier(uuid: endpointMapper, major: 3, minor: 1)) == nil)
    }

    @Test func namesIdentifiers() {
        #expect(catalogue.name(of: "c72b09db-4d53-4f41-8dcc-2d752ab56f7c") == "CLSID_ClusterStorage2")
        #expect(catalogue.name(of: "12108a88-6858-4467-b92f-e6cf4568dfb6") == "IClusterStorage2")
        #expect(catalogue.name(of: .zero) == nil)
    }

    @Test func keepsTheNamesOfTypes() throws {
        let operation = try #require(catalogue.interface(named: "IObjectExporter")?.operation(0))
        #expect(operation.description.request.map(\.typeName) == ["OXID", "unsigned short", "unsigned short"])
        #expect(
            operation.description.response.map(\.typeName) == ["DUALSTRINGARRAY", "IPID", "DWORD", "error_status_t"])
    }
}
