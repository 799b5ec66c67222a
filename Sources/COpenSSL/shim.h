#ifndef CLUSPREP_COPENSSL_SHIM_H
#define CLUSPREP_COPENSSL_SHIM_H

// Only libcrypto: the project uses OpenSSL's primitives and none of its TLS.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/md5.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/rc4.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// NTLM signs and seals every message, most of them shorter than a hundred octets. There, fetching, copying and freeing contexts
// costs more than the digest itself, so these two go to libcrypto's functions for MD5 and RC4 directly. They are deprecated in
// favour of EVP since OpenSSL 3.0, which is no reason to do without them as long as they exist.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/// An HMAC-MD5 (RFC 2104) whose key has been taken in: MD5 behind the inner and behind the outer padding.
typedef struct {
    MD5_CTX inner;
    MD5_CTX outer;
} clusprep_hmac_md5;

/// Takes the key in; returns 1, or 0 where MD5 failed.
static inline int clusprep_hmac_md5_init(clusprep_hmac_md5 *hmac, const unsigned char *key, size_t count) {
    unsigned char digest[MD5_DIGEST_LENGTH];
    if (count > MD5_CBLOCK) {
        MD5_CTX context;
        if (!MD5_Init(&context) || !MD5_Update(&context, key, count) || !MD5_Final(digest, &context)) return 0;
        key = digest;
        count = sizeof digest;
    }
    unsigned char inner[MD5_CBLOCK], outer[MD5_CBLOCK];
    for (size_t index = 0; index < MD5_CBLOCK; index++) {
        unsigned char octet = index < count ? key[index] : 0;
        inner[index] = octet ^ 0x36;
        outer[index] = octet ^ 0x5c;
    }
    int result = MD5_Init(&hmac->inner) && MD5_Update(&hmac->inner, inner, sizeof inner) && MD5_Init(&hmac->outer)
        && MD5_Update(&hmac->outer, outer, sizeof outer);
    OPENSSL_cleanse(digest, sizeof digest);
    OPENSSL_cleanse(inner, sizeof inner);
    OPENSSL_cleanse(outer, sizeof outer);
    return result;
}

/// The code over two runs of octets, MD5_DIGEST_LENGTH octets; returns 1, or 0 where MD5 failed.
static inline int clusprep_hmac_md5_authenticate(
    const clusprep_hmac_md5 *hmac, const void *first, size_t first_count, const void *second, size_t second_count,
    unsigned char *output) {
    MD5_CTX context = hmac->inner;
    unsigned char digest[MD5_DIGEST_LENGTH];
    if (!MD5_Update(&context, first, first_count) || !MD5_Update(&context, second, second_count)
        || !MD5_Final(digest, &context))
        return 0;
    context = hmac->outer;
    return MD5_Update(&context, digest, sizeof digest) && MD5_Final(output, &context);
}

static inline void clusprep_rc4_init(RC4_KEY *key, const unsigned char *octets, size_t count) {
    RC4_set_key(key, (int)count, octets);
}

/// Encrypts or decrypts in place.
static inline void clusprep_rc4_apply(RC4_KEY *key, unsigned char *octets, size_t count) {
    RC4(key, count, octets, octets);
}

#pragma GCC diagnostic pop

// An OSSL_PARAM keeps the pointer to its name. Swift lends C only temporary copies of its strings, so parameter lists are
// built here, out of C's own literals.

static inline int clusprep_hkdf_derive(
    EVP_KDF_CTX *context, const char *digest, const void *key, size_t key_count, const void *salt, size_t salt_count,
    const void *info, size_t info_count, unsigned char *output, size_t count) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)salt, salt_count),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)info, info_count),
        OSSL_PARAM_construct_end(),
    };
    return EVP_KDF_derive(context, output, count, parameters);
}

// What is a macro, or takes a variable number of arguments, and so is not there in Swift.

static inline EVP_PKEY *clusprep_rsa_key(OSSL_LIB_CTX *library, size_t bits) {
    return EVP_PKEY_Q_keygen(library, NULL, "RSA", bits);
}

/// Adds an extension whose text is one of ours, never a stranger's: the text is a small language.
static inline int clusprep_x509_add_extension(X509 *certificate, int nid, const char *text) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, certificate, certificate, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&context);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &context, nid, text);
    if (extension == NULL) return 0;
    int result = X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
    return result;
}

/// Adds a subject alternative name of this one DNS name, or adds it to the list.
static inline int clusprep_names_add_dns(GENERAL_NAMES *names, const char *text, int count) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();
    if (name == NULL || value == NULL || ASN1_STRING_set(value, text, count) != 1) {
        GENERAL_NAME_free(name);
        ASN1_IA5STRING_free(value);
        return 0;
    }
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return 0;
    }
    return 1;
}

static inline GENERAL_NAMES *clusprep_names_new(void) { return GENERAL_NAMES_new(); }

static inline int clusprep_x509_add_names(X509 *certificate, GENERAL_NAMES *names) {
    return X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
}

static inline void clusprep_names_free(GENERAL_NAMES *names) { GENERAL_NAMES_free(names); }

#endif
