import IDLCompiler
import NDR

/// Opens the layouts that NDR carries as octets. One is opened only if it can be written again as it was; else it stays octets.
extension ValueDecoder {
    /// Opens the last field of a structure that is known to hold one.
    mutating func openLayout(of structure: String, _ fields: inout [FieldNode]) {
        guard let last = fields.indices.last else { return }
        switch (structure, fields[last].value) {
        case ("MInterfacePointer", .octets(let octets)):
            if let tree = objectReference(octets, at: fields[last].octets.lowerBound) {
                fields[last].value = .opened(.objectReference, tree)
            }
        case ("DUALSTRINGARRAY", .units(let units, _)), ("tagDUALSTRINGARRAY", .units(let units, _)):
            guard fields.count == 3, case .unsigned(let offset) = fields[1].value else { return }
            if let tree = bindings(units, securityOffset: Int(offset), at: fields[last].octets.lowerBound) {
                fields[last].value = .opened(.bindings, tree)
            }
        case ("FLAGGED_WORD_BLOB", .units(let units, _)):
            fields[last].value = .units(units, isText: true)
        default: return
        }
    }

    /// Only what is written again as it was is worth opening.
    private func checked(_ layout: OpenedLayout, _ tree: FieldTree, _ octets: some Sequence<UInt8>) -> FieldTree? {
        guard let written = try? PackedWriter.octets(layout, tree, library), written.elementsEqual(octets) else {
            return nil
        }
        return tree
    }

    // MARK: OBJREF

    /// An OBJREF ([MS-DCOM] 2.2.18), which is little endian wherever it comes from.
    private mutating func objectReference(_ octets: [UInt8], at start: Int) -> FieldTree? {
        guard depth < NDRDecoder.defaultMaximumDepth, openings < Self.maximumOpenings else { return nil }
        var reader = PackedReader(octets, base: start)
        var fields: [FieldNode] = []
        do throws(ShortStub) {
            let signature = try reader.long("signature")
            let flags = try reader.long("flags")
            guard case .unsigned(0x574F_454D) = signature.value, case .unsigned(let format) = flags.value else {
                return nil
            }
            fields = [signature, flags, try reader.guid("iid", "IID")]
            switch format {
            case 1:
                fields.append(try reader.standardReference())
                fields.append(try resolverBindings(&reader))
            case 2:
                fields += [try reader.standardReference(), try reader.guid("clsid", "CLSID")]
                fields.append(try resolverBindings(&reader))
            case 4:
                let clsid = try reader.guid("clsid", "CLSID")
                fields += [clsid, try reader.long("cbExtension"), try reader.long("reserved")]
                var data = reader.rest("pObjectData")
                if case .guid(let marshaler) = clsid.value, WellKnownNames.activationMarshalers.contains(marshaler),
                    case .octets(let octets) = data.value,
                    let tree = activationProperties(octets, at: data.octets.lowerBound)
                {
                    data.value = .opened(.activationProperties, tree)
                }
                fields.append(data)
            case 8:
                fields += [try reader.standardReference(), try reader.long("Signature1")]
                fields.append(try resolverBindings(&reader))
                fields += [try reader.long("nElms"), try reader.long("Signature2")]
            default: return nil
            }
        } catch {
            return nil
        }
        if reader.remaining > 0 { fields.append(reader.rest("rest")) }
        return checked(.objectReference, FieldTree(fields: fields), octets)
    }

    private mutating func resolverBindings(_ reader: inout PackedReader) throws(ShortStub) -> FieldNode {
        let start = reader.offset
        let count = try reader.short("wNumEntries")
        let offset = try reader.short("wSecurityOffset")
        guard case .unsigned(let entries) = count.value, case .unsigned(let security) = offset.value else {
            throw ShortStub(needed: 4, available: 0)
        }
        var array = try reader.units("aStringArray", Int(entries))
        if case .units(let units, _) = array.value,
            let tree = bindings(units, securityOffset: Int(security), at: array.octets.lowerBound)
        {
            array.value = .opened(.bindings, tree)
        }
        return FieldNode(
            name: "saResAddr", type: "DUALSTRINGARRAY", octets: start..<reader.offset,
            value: .structure([count, offset, array]))
    }

    // MARK: Bindings

    /// String bindings up to the security offset, security bindings behind it, each list with a zero at its end. They count as
    /// values, for two octets may be one.
    private mutating func bindings(_ units: [UInt16], securityOffset: Int, at start: Int) -> FieldTree? {
        guard securityOffset <= units.count else { return nil }
        var reader = PackedReader(units.littleEndianOctets, base: start)
        var fields: [FieldNode] = []
        do throws(ShortStub) {
            while reader.remaining > 0 {
                let isSecurity = reader.position >= 2 * securityOffset
                if reader.nextUnit == 0 {
                    guard count(1) else { return nil }
                    fields.append(try reader.short("terminator"))
                    continue
                }
                let begin = reader.offset
                guard count(isSecurity ? 4 : 3) else { return nil }
                if isSecurity {
                    let entry = [
                        try reader.short("wAuthnSvc"), try reader.short("wAuthzSvc"), try reader.text("aPrincName"),
                    ]
                    fields.append(
                        FieldNode(
                            name: "securityBinding", type: "SECURITYBINDING", octets: begin..<reader.offset,
                            value: .structure(entry)))
                } else {
                    let entry = [try reader.short("wTowerId"), try reader.text("aNetworkAddr")]
                    fields.append(
                        FieldNode(
                            name: "stringBinding", type: "STRINGBINDING", octets: begin..<reader.offset,
                            value: .structure(entry)))
                }
            }
        } catch {
            return nil
        }
        let tree = FieldTree(fields: fields)
        guard PackedWriter.securityOffset(tree) == securityOffset else { return nil }
        return checked(.bindings, tree, units.littleEndianOctets)
    }

    /// Makes room for values; false if there is none.
    private mutating func count(_ more: Int) -> Bool {
        guard more <= Self.maximumValues - values else { return false }
        values += more
        return true
    }

    // MARK: Activation properties

    /// The BLOB: its size, a header that names the properties and their sizes, the properties ([MS-DCOM] 2.2.22).
    private mutating func activationProperties(_ octets: [UInt8], at start: Int) -> FieldTree? {
        var reader = PackedReader(octets, base: start)
        var fields: [FieldNode] = []
        do throws(ShortStub) {
            fields = [try reader.long("dwSize"), try reader.long("dwReserved")]
            let header = try serializedHeader(&reader)
            guard let header, case .structure(let members)? = header.1["value"]?.value else { return nil }
            fields.append(header.0)
            for (clsid, size) in zip(members.elements("pclsid"), members.elements("pSizes")) {
                guard case .guid(let clsid) = clsid.value, case .unsigned(let size) = size.value,
                    size <= UInt64(reader.remaining)
                else { return nil }
                let begin = reader.offset
                let property = try reader.octets(Int(size))
                fields.append(self.property(clsid, Array(property), at: begin))
            }
        } catch {
            return nil
        }
        if reader.remaining > 0 { fields.append(reader.rest("rest")) }
        return checked(.activationProperties, FieldTree(fields: fields), octets)
    }

    private mutating func serializedHeader(
        _ reader: inout PackedReader
    ) throws(ShortStub) -> (FieldNode, FieldTree)? {
        let begin = reader.offset
        // The header's own stream says how long it is.
        var lookahead = reader
        let prefix = try lookahead.octets(16)
        let length = prefix.dropFirst(8).prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= lookahead.remaining else { return nil }
        let octets = Array(try reader.octets(16 + length))
        guard let tree = serialized("CustomHeader", octets, at: begin) else { return nil }
        let node = FieldNode(
            name: "CustomHeader", type: "CustomHeader", octets: begin..<reader.offset,
            value: .opened(.serializedType, tree))
        return (node, tree)
    }

    private mutating func property(_ clsid: GUID, _ octets: [UInt8], at start: Int) -> FieldNode {
        let range = start..<start + octets.count
        let candidates = WellKnownNames.activationProperties[clsid] ?? []
        for name in candidates {
            if let tree = serialized(name, octets, at: start) {
                return FieldNode(name: name, type: name, octets: range, value: .opened(.serializedType, tree))
            }
        }
        return FieldNode(
            name: candidates.first ?? clsid.description, type: "byte", octets: range, value: .octets(octets))
    }

    /// A constructed type behind the headers of type serialization, version 1 ([MS-RPCE] 2.2.6).
    private mutating func serialized(_ type: String, _ octets: [UInt8], at start: Int) -> FieldTree? {
        guard octets.count >= 16, octets[0] == 1, octets[1] == 0x10 || octets[1] == 0,
            let structure = library.structure(named: type)
        else { return nil }
        var reader = PackedReader(octets, base: start)
        guard let common = try? reader.octets(8), let length = try? reader.long("ObjectBufferLength"),
            let filler = try? reader.long("Filler")
        else { return nil }
        let header = FieldNode(
            name: "CommonTypeHeader", type: "byte", octets: start..<start + 8, value: .octets(Array(common)))
        var inner = ValueDecoder(
            StubReader(octets[16...], syntax: .ndr20, isBigEndian: octets[1] == 0), library, base: start + 16,
            depth: depth + 1, values: values, openings: openings + 1)
        guard let value = try? inner.whole(structure, "value", type) else { return nil }
        values = inner.values
        let tree = FieldTree(
            fields: [header, length, filler, value], isBigEndian: octets[1] == 0, padding: inner.reader.padding,
            trailing: inner.reader.rest, length: octets.count)
        // One structure's octets may be another's with something behind it.
        guard tree.trailing.count < 8 else { return nil }
        return checked(.serializedType, tree, octets)
    }
}

extension [FieldNode] {
    /// The elements of the array that the pointer of this name points at.
    fileprivate func elements(_ name: String) -> [FieldNode] {
        guard case .pointer(_, let target)? = first(where: { $0.name == name })?.value,
            case .array(let elements)? = target?.value
        else { return [] }
        return elements
    }
}
