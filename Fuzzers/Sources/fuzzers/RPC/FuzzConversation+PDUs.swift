import Security

/// What an input does to a PDU that was right.
struct Mutation {
    private let kind: UInt8
    private let position: Int
    private let value: UInt8

    init(_ input: inout FuzzInput) {
        kind = input.octet()
        position = Int(input.integer(UInt16.self))
        value = input.octet()
    }

    func apply(_ octets: inout [UInt8]) {
        guard octets.count >= 16 else { return }
        switch kind % 8 {
        case 0: octets[position % octets.count] ^= value
        case 1: octets[position % 16] = value
        case 2: octets[octets.count - 1 - position % min(octets.count, 40)] ^= value
        case 3: octets.removeLast(min(octets.count - 16, position & 63))
        case 4: octets.append(contentsOf: repeatElement(value, count: position & 63))
        // fragment length and authentication length
        case 5: octets[8 + position & 1] &+= value
        case 6: octets[10 + position & 1] &+= value
        default: octets.insert(value, at: position % octets.count)
        }
    }
}

extension FuzzConversation {
    // MARK: Bind, alter_context, auth3

    func putBind(
        _ pdu: inout WirePDU, offers: [(UInt16, WireSyntax, [WireSyntax])], sizes: UInt8 = 0, group: UInt32 = 0
    ) {
        let size: UInt16 = [5840, 0, 1, 2047, 2048, 1432, 0xFFFF, 4280][Int(sizes & 7)]
        pdu.put(size)
        pdu.put(sizes & 8 == 0 ? size : 2048)
        pdu.put(group)
        pdu.put(octets: [UInt8(truncatingIfNeeded: offers.count), 0, 0, 0])
        for (id, abstract, transfers) in offers {
            pdu.put(id)
            pdu.put(octets: [UInt8(truncatingIfNeeded: transfers.count), 0])
            pdu.put(abstract)
            for transfer in transfers { pdu.put(transfer) }
        }
    }

    func putToken(
        _ pdu: inout WirePDU, type: UInt8, level: UInt8, contextID: UInt32, padding: UInt8, value: [UInt8]
    ) {
        pdu.align(4)
        pdu.putTrailer(type: type, level: level, padding: padding, contextID: contextID)
        pdu.put(octets: value)
        pdu.close(authLength: value.count)
    }

    /// A bind or an alter_context.
    mutating func sendBind(type: UInt8) {
        let shape = input.octet()
        var offers: [(UInt16, WireSyntax, [WireSyntax])] = []
        let count = shape & 0x80 != 0 ? Int(shape & 15) : 1 + Int(shape & 1)
        for _ in 0..<count {
            let what = input.octet()
            let abstract: WireSyntax = [.management, .endpointMapper, .management, .unknown][Int(what >> 3 & 3)]
            var transfers: [WireSyntax] = []
            for index in 0..<Int(what >> 5 & 3) + (what == 0x18 ? 0 : 1) {
                let which = index == 0 && what & 0x80 == 0 ? 0 : input.octet()
                transfers.append([.ndr20, .ndr64, .features(which), .unknown][Int(which & 3)])
            }
            offers.append((UInt16(what & 7), abstract, transfers))
        }
        let flags: UInt8 = [0x03, 0x13, 0x07, 0x17, 0x01, 0x02, 0x00, 0xFF][Int(shape >> 4 & 7)]
        var pdu = WirePDU(type: type, flags: flags, callID: callID(input.octet()), isBigEndian: isBigEndian)
        let group = input.octet()
        putBind(&pdu, offers: offers, sizes: input.octet(), group: group & 0x80 != 0 ? UInt32(group & 15) : 0)
        let token = input.octet()
        if token & 1 == 0 {
            pdu.close(authLength: 0)
        } else {
            putToken(&pdu, token)
        }
        send(pdu.octets)
    }

    private mutating func putToken(_ pdu: inout WirePDU, _ shape: UInt8) {
        let type: UInt8 = [10, 10, 9, 16, 0, 68, 255, 10][Int(shape >> 1 & 7)]
        let level = input.octet()
        putToken(
            &pdu, type: type, level: level & 7, contextID: UInt32(level >> 3 & 3),
            padding: level & 0x80 != 0 ? input.octet() : 0, value: input.octets(Int(input.octet() & 63)))
    }

    mutating func sendAuth3() {
        var pdu = WirePDU(type: 16, flags: 3, callID: callID(input.octet()), isBigEndian: isBigEndian)
        pdu.put(UInt32(0))
        let shape = input.octet()
        if shape & 0x80 == 0, let begun = negotiating {
            // Continues what was begun.
            putToken(
                &pdu, type: begun.type, level: begun.level, contextID: begun.contextID, padding: 0,
                value: [1, 2, 3, 4])
        } else {
            putToken(&pdu, shape)
        }
        send(pdu.octets)
    }

    // MARK: Requests

    private func callID(_ shape: UInt8) -> UInt32 {
        shape & 0x80 == 0 ? lastCallID : UInt32(shape & 0x7F)
    }

    /// A request that fits one PDU, or one fragment of one.
    mutating func sendRequest(whole: Bool) {
        let shape = input.octet()
        let shape2 = input.octet()
        var flags: UInt8 = 3
        if !whole { flags = shape2 >> 6 }
        if shape & 0x40 != 0 { flags |= 0x80 }
        if shape2 == 0x3F { flags |= 0x04 }
        if shape & 0x20 == 0, flags & 1 != 0 { lastCallID &+= 1 }
        let stubLength = Int(input.octet()) << Int(shape2 & 3)
        var stub = [UInt8](repeating: shape2, count: stubLength)
        if shape2 & 4 != 0 { putVerificationTrailer(&stub) }
        let hint: UInt32 = shape2 & 8 != 0 ? input.integer() : UInt32(stub.count)
        send(
            callID: shape & 0x10 != 0 ? UInt32(input.octet()) : lastCallID, flags: flags, hint: hint,
            presentation: UInt16(shape & 3), opnum: UInt16(shape2 >> 4 & 3), stub: stub, security: shape >> 2 & 3)
    }

    /// A request in as many fragments as its stub needs, each right.
    mutating func sendLongRequest() {
        let shape = input.octet()
        lastCallID &+= 1
        var remaining = Int(input.octet()) << 6
        let size = 1 + Int(input.octet()) << 3 & ~15 | 16
        let total = remaining
        var isFirst = true
        repeat {
            let count = min(remaining, min(size, 1900))
            let isLast = count == remaining
            send(
                callID: lastCallID, flags: (isFirst ? 1 : 0) | (isLast ? 2 : 0),
                hint: shape & 0x80 != 0 ? UInt32(total) : UInt32(remaining), presentation: UInt16(shape & 1), opnum: 1,
                stub: [UInt8](repeating: UInt8(truncatingIfNeeded: remaining), count: count), security: shape >> 2 & 3)
            remaining -= count
            isFirst = false
        } while remaining > 0 && !witness.isClosed
    }

    /// Signs a request with the client's half of a security context, if there is one by that number.
    private mutating func send(
        callID: UInt32, flags: UInt8, hint: UInt32, presentation: UInt16, opnum: UInt16, stub: [UInt8], security: UInt8
    ) {
        var pdu = WirePDU(type: 0, flags: flags, callID: callID, isBigEndian: isBigEndian)
        pdu.put(hint)
        pdu.put(presentation)
        pdu.put(opnum)
        if flags & 0x80 != 0 { pdu.put(octets: [UInt8](1...16)) }
        let start = pdu.count
        pdu.put(octets: stub)
        var fragment = SignedFragment(callID: callID, flags: flags, opnum: opnum, stub: stub, securityID: nil)
        let id = UInt32(security)
        guard security != 3, let context = contexts[id] else {
            if security == 3 {
                // A signature that nobody made.
                witness.isHonest = false
                let value = input.octets(16)
                putToken(&pdu, type: 10, level: 6, contextID: UInt32(input.octet() & 3), padding: 0, value: value)
            } else {
                pdu.close(authLength: 0)
            }
            return send(pdu.octets, signed: fragment)
        }
        let padding = (16 - stub.count % 16) % 16
        pdu.put(octets: repeatElement(0, count: padding))
        let body = start..<pdu.count
        pdu.putTrailer(type: context.type, level: context.level, padding: UInt8(padding), contextID: id)
        guard let level = context.appliedLevel, level > .connect else {
            pdu.put(octets: [UInt8](repeating: 9, count: 16))
            pdu.close(authLength: 16)
            return send(pdu.octets, signed: fragment)
        }
        fragment.securityID = id
        let end = pdu.count
        pdu.put(octets: repeatElement(0, count: 16))
        pdu.close(authLength: 16)
        let parts = MessageParts(body: body, authValue: end..<end + 16, signsHeader: false)
        pdu.withOctets { octets in
            octets.withUnsafeMutableBytes { message in
                // After a bad message or too many the client's half is of no use; the server is told nonsense then.
                _ = try? context.context.protect(message, parts, level: level)
            }
        }
        send(pdu.octets, signed: fragment)
    }

    /// A verification trailer, right or not ([MS-RPCE] 2.2.2.13).
    private mutating func putVerificationTrailer(_ stub: inout [UInt8]) {
        stub += [UInt8](repeating: 0, count: (4 - stub.count % 4) % 4)
        stub += [0x8A, 0xE3, 0x13, 0x71, 0x02, 0xF4, 0x36, 0x71]
        let shape = input.octet()
        // The bit mask's command, the last one; and perhaps others.
        if shape & 1 != 0 {
            let length = input.octet() & 0x1C
            stub += [shape >> 4, shape & 0x80, length, 0] + input.octets(Int(length))
        }
        stub += [1, 0x40, 4, 0, shape >> 1 & 1, 0, 0, 0]
    }

    // MARK: The rest

    mutating func sendBare(_ type: UInt8) {
        let shape = input.octet()
        let callID = shape & 0x80 == 0 ? witness.call(Int(shape & 7)) ?? lastCallID : UInt32(shape & 0x7F)
        var pdu = WirePDU(type: type, flags: 3, callID: callID, isBigEndian: isBigEndian)
        pdu.close(authLength: 0)
        send(pdu.octets)
    }

    /// Any type with any body.
    mutating func sendAny() {
        witness.isHonest = false
        var pdu = WirePDU(type: input.octet() % 22, flags: input.octet(), callID: lastCallID, isBigEndian: isBigEndian)
        pdu.put(octets: input.octets(Int(input.octet())))
        pdu.close(authLength: Int(input.octet()))
        send(pdu.octets)
    }
}
