import Testing

@testable import Security

/// Octets written as hexadecimal digits, with any white space between them.
func hex(_ text: String) -> [UInt8] {
    let digits = text.filter { !$0.isWhitespace }
    var bytes: [UInt8] = []
    var index = digits.startIndex
    while index < digits.endIndex {
        let next = digits.index(index, offsetBy: 2)
        bytes.append(UInt8(digits[index..<next], radix: 16)!)
        index = next
    }
    return bytes
}

@Suite struct PrimitiveTests {
    // RFC 1320, appendix A.5.
    @Test(arguments: [
        ("", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        ("a", "bde52cb31de33e46245e05fbdbd6fb24"),
        ("abc", "a448017aaf21d8525fc10ae87aa6729d"),
        ("abcdefghijklmnopqrstuvwxyz", "d79e1c308aa5bbcdeea8ed63df412da9"),
    ])
    func md4(text: String, expected: String) throws {
        #expect(try Digest.md4(Array(text.utf8)) == hex(expected))
    }

    // RFC 1321, appendix A.5.
    @Test(arguments: [
        ("", "d41d8cd98f00b204e9800998ecf8427e"),
        ("message digest", "f96b697d7cb7938d525a2f31aaf161d0"),
    ])
    func md5(text: String, expected: String) throws {
        #expect(try Digest.md5(Array(text.utf8)) == hex(expected))
    }

    // FIPS 180-2, appendix B.1.
    @Test func sha256() throws {
        #expect(
            try Digest.sha256(Array("abc".utf8))
                == hex("ba7816bf 8f01cfea 414140de 5dae2223 b00361a3 96177a9c b410ff61 f20015ad"))
    }

    // RFC 2202, section 2, cases 1, 2, 3 and 6 (a key longer than a block).
    @Test func hmacMD5() throws {
        let cases: [(key: [UInt8], data: [UInt8], expected: String)] = [
            (Array(repeating: 0x0B, count: 16), Array("Hi There".utf8), "9294727a3638bb1c13f48ef8158bfc9d"),
            (Array("Jefe".utf8), Array("what do ya want for nothing?".utf8), "750c783e6ab0b503eaa86e310a5db738"),
            (
                Array(repeating: 0xAA, count: 16), Array(repeating: 0xDD, count: 50),
                "56be34521d144c88dbb8c733f0e8b3f6"
            ),
            (
                Array(repeating: 0xAA, count: 80), Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
                "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd"
            ),
        ]
        for (key, data, expected) in cases {
            let hmac = try HMACMD5(key: SecretBytes(key))
            #expect(try hmac.authenticate(data) == hex(expected))
            // The context is used again, and the parts of a message do not matter.
            #expect(try hmac.authenticate(Array(data.prefix(3)), Array(data.dropFirst(3))) == hex(expected))
        }
    }

    // The classic vectors of the sci.crypt posting of 1994, as libcrypto's own test suite has them.
    @Test(arguments: [
        ("Key", "Plaintext", "bbf316e8d940af0ad3"),
        ("Wiki", "pedia", "1021bf0420"),
        ("Secret", "Attack at dawn", "45a01f645fc35b383552544b9bf5"),
    ])
    func rc4(key: String, text: String, expected: String) throws {
        var cipher = try RC4(key: SecretBytes(key.utf8))
        #expect(cipher.apply(Array(text.utf8)) == hex(expected))
        // One octet at a time, the key stream goes on where it stopped.
        var slow = try RC4(key: SecretBytes(key.utf8))
        var output: [UInt8] = []
        for octet in text.utf8 { output += slow.apply([octet]) }
        #expect(output == hex(expected))
    }

    // RFC 6229, section 2: 40-bit and 128-bit keys, the stream at offset 0 and at offset 4096.
    @Test(arguments: [
        ("0102030405", "b2396305f03dc027ccc3524a0a1118a8", "ff25b58995996707e51fbdf08b34d875"),
        (
            "0102030405060708090a0b0c0d0e0f10", "9ac7cc9a609d1ef7b2932899cde41b97",
            "a36a4c301ae8ac13610ccbc12256cacc"
        ),
    ])
    func rc4KeyStream(key: String, start: String, later: String) throws {
        var cipher = try RC4(key: SecretBytes(hex(key)))
        let stream = cipher.apply([UInt8](repeating: 0, count: 4112))
        #expect(Array(stream.prefix(16)) == hex(start))
        #expect(stream.count == 4112)
        #expect(Array(stream.suffix(16)) == hex(later))
    }

    // RFC 5869, appendix A.1 and A.3 (no salt, no info).
    @Test func hkdf() throws {
        let key = SecretBytes([UInt8](repeating: 0x0B, count: 22))
        #expect(
            try HKDF.derive(from: key, salt: Array(0...12), info: Array(0xF0...0xF9), count: 42).bytes
                == hex(
                    "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"))
        #expect(
            try HKDF.derive(from: key, info: [], count: 42).bytes
                == hex(
                    "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"))
    }

    // The GCM specification (McGrew and Viega), test case 16: 256-bit key with additional data.
    @Test func openingAKnownBox() throws {
        let aead = AEAD(
            key: SecretBytes(hex("feffe9928665731c6d6a8f9467308308 feffe9928665731c6d6a8f9467308308")))
        let box =
            hex("cafebabefacedbaddecaf888")
            + hex("522dc1f099567d07f47f37a32a84427d 643a8cdcbfe5c0c97598a2bd2555d1aa")
            + hex("8cb08e48590dbb3da7b08b1056828838 c5f61e6393ba7a0abcc9f662 76fc6ece0f4e1768cddf8853bb2d551b")
        let plaintext =
            hex("d9313225f88406e5a55909c5aff5269a 86a7a9531534f7da2e4c303d8a318a72")
            + hex("1c3c0c95956809532fcf0e2449a6b525 b16aedf5aa0de657ba637b39")
        let context = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2")
        #expect(try aead.open(box, context: context).bytes == plaintext)
    }

    @Test(arguments: [0, 1, 16, 1000]) func sealingAndOpening(count: Int) throws {
        let aead = AEAD(key: try Cryptography.randomSecret(AEAD.keyLength))
        let plaintext = SecretBytes(try Cryptography.randomBytes(count))
        let box = try aead.seal(plaintext, context: [1, 2])
        #expect(box.count == count + AEAD.overhead)
        #expect(try aead.open(box, context: [1, 2]) == plaintext)
        // Two boxes of one plaintext have nothing in common.
        #expect(try aead.seal(plaintext, context: [1, 2]) != box)
        #expect(throws: CryptographyError.authenticationFailed) { try aead.open(box, context: [1, 3]) }
        #expect(throws: CryptographyError.authenticationFailed) { try aead.open(box, context: []) }
    }

    @Test func everyAlteredOrCutBoxIsRefused() throws {
        let aead = AEAD(key: SecretBytes([UInt8](repeating: 7, count: 32)))
        let box = try aead.seal(SecretBytes([1, 2, 3, 4]), context: [])
        for index in box.indices {
            var altered = box
            altered[index] ^= 1
            #expect(throws: CryptographyError.authenticationFailed) { try aead.open(altered, context: []) }
            #expect(throws: CryptographyError.authenticationFailed) { try aead.open(Array(box[..<index]), context: []) }
        }
        let other = AEAD(key: SecretBytes([UInt8](repeating: 8, count: 32)))
        #expect(throws: CryptographyError.authenticationFailed) { try other.open(box, context: []) }
    }

    @Test func randomOctetsDiffer() throws {
        #expect(try Cryptography.randomBytes(16) != Cryptography.randomBytes(16))
        #expect(try Cryptography.randomBytes(0).isEmpty)
        #expect(try Cryptography.randomSecret(16) != Cryptography.randomSecret(16))
    }

    @Test func aMissingLegacyProviderIsNamed() throws {
        let result = OpenSSLLibrary.load(modulesPath: "/nonexistent")
        guard case .failure(.providerMissing(let name, let cause)) = result else {
            Issue.record("loaded the legacy provider from nowhere")
            return
        }
        #expect(name == "legacy")
        #expect(!cause.isEmpty)
        #expect("\(CryptographyError.providerMissing(name: name, cause: cause))".contains("OPENSSL_MODULES"))
        try Cryptography.checkAvailable()
    }
}
