#ifndef CLUSPREP_COPENSSL_SHIM_H
#define CLUSPREP_COPENSSL_SHIM_H

// Only libcrypto: the project uses OpenSSL's primitives and none of its TLS.
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// An OSSL_PARAM keeps the pointer to its name. Swift lends C only temporary copies of its strings, so parameter lists are
// built here, out of C's own literals.

static inline int clusprep_hmac_init(EVP_MAC_CTX *context, const char *digest, const unsigned char *key, size_t count) {
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_init(context, key, count, parameters);
}

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
