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

#endif
