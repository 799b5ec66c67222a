import InterfaceValues
import NDR

/// Follows interface pointers through a capture: which IPID is which interface of which object, and what call told so.
struct ObjectDirectory {
    /// More objects than these are not remembered.
    static let maximum = 1 << 16
    /// IRemUnknown ([MS-DCOM] 1.9), which every exporter has.
    private static let remoteUnknown: GUID = "00000131-0000-0000-c000-000000000046"

    private(set) var objects: [GUID: DissectedObject] = [:]
    /// The classes of objects, by their OIDs: what an activation has told first.
    private var classes: [UInt64: GUID] = [:]

    subscript(ipid: GUID) -> DissectedObject? { objects[ipid] }

    /// Learns of what a call answered.
    mutating func learn(_ call: Int, request: [FieldNode], response: [FieldNode]) {
        var pointers: [FieldNode] = []
        var classID: GUID?
        // InstantiationInfoData has it in the properties, RemoteActivation as a parameter ([MS-DCOM] 2.2.22.2.1, 3.1.2.5.2.3.1).
        for field in request {
            Self.walk(field) { node in
                guard node.name == "classId" || (node.name == "Clsid" && field.name == "Clsid"),
                    case .guid(let guid) = node.value, guid != .zero
                else { return }
                classID = classID ?? guid
            }
        }
        // The interfaces that RemQueryInterface asks for, which its answer does not repeat ([MS-DCOM] 3.1.1.5.6.1.1).
        var asked: [GUID] = []
        if let list = request.first(where: { $0.name == "iids" }) {
            Self.walk(list) { if case .guid(let iid) = $0.value { asked.append(iid) } }
        }
        var answered = 0
        var exporter: UInt64?
        var remoteUnknown: GUID?
        for field in request + response {
            Self.walk(field) { node in
                switch (node.name.lowercased(), node.value) {
                case ("oxid", .unsigned(let value)), ("poxid", .unsigned(let value)): exporter = value
                case ("ipidremunknown", .guid(let ipid)), ("pipidremunknown", .guid(let ipid)): remoteUnknown = ipid
                default: break
                }
            }
        }
        for field in response {
            Self.walk(field) { node in
                if case .opened(.objectReference, _) = node.value {
                    pointers.append(node)
                } else if node.type == "REMQIRESULT", case .structure(let parts) = node.value {
                    defer { answered += 1 }
                    guard let standard = parts.first(where: { $0.type == "STDOBJREF" }) else { return }
                    learn(standard, interface: answered < asked.count ? asked[answered] : nil, classID: nil, call)
                }
            }
        }
        for pointer in pointers {
            guard case .opened(_, let tree) = pointer.value, case .guid(let interface)? = tree["iid"]?.value,
                let standard = tree.fields.first(where: { $0.type == "STDOBJREF" })
            else { continue }
            learn(standard, interface: interface, classID: classID, call)
        }
        if let remoteUnknown, objects[remoteUnknown] == nil, objects.count < Self.maximum {
            objects[remoteUnknown] = DissectedObject(
                ipid: remoteUnknown, interface: Self.remoteUnknown, oxid: exporter, call: call)
        }
    }

    /// STDOBJREF ([MS-DCOM] 2.2.18.2).
    private mutating func learn(_ standard: FieldNode, interface: GUID?, classID: GUID?, _ call: Int) {
        let parts = standard.parts
        guard case .guid(let ipid)? = parts.first(where: { $0.name == "ipid" })?.value, ipid != .zero,
            objects.count < Self.maximum
        else { return }
        func number(_ name: String) -> UInt64? {
            guard case .unsigned(let value)? = parts.first(where: { $0.name == name })?.value else { return nil }
            return value
        }
        if objects[ipid] != nil { return }
        let oid = number("oid")
        let known = classID ?? oid.flatMap { classes[$0] }
        if let oid, classes[oid] == nil { classes[oid] = known }
        objects[ipid] = DissectedObject(
            ipid: ipid, interface: interface, classID: known, oxid: number("oxid"), oid: oid, call: call)
    }

    private static func walk(_ node: FieldNode, _ visit: (FieldNode) -> Void) {
        var node = node
        // A referent has no name of its own.
        while case .pointer(_, .some(let target)) = node.value {
            var target = target
            if target.name.isEmpty { target.name = node.name }
            node = target
        }
        visit(node)
        for part in node.parts { walk(part, visit) }
    }
}
