// MIT Kerberos' GSSAPI, as Security uses it: what macros, unions and arrays of buffers make hard to say in Swift.
#ifndef CLUSPREP_GSSAPI_H
#define CLUSPREP_GSSAPI_H

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <krb5.h>
#include <stdint.h>
#include <string.h>

/// The parts of a PDU that a message token is about: everything before the body, the body, the security trailer behind it.
/// The token's own octets follow the trailer.
typedef struct {
    unsigned char *octets;
    size_t body_offset;
    size_t body_length;
    size_t token_offset;
    size_t token_length;
    int signs_header;
} clusprep_message;

enum {
    /// The calling program's way of telling "shorter or longer than was said" apart from the library's errors.
    CLUSPREP_GSS_WRONG_LENGTH = 1,
};

static inline gss_OID clusprep_gss_mech_krb5(void) { return gss_mech_krb5; }
static inline gss_OID clusprep_gss_nt_krb5_name(void) { return (gss_OID)GSS_KRB5_NT_PRINCIPAL_NAME; }
static inline gss_OID clusprep_gss_nt_hostbased_service(void) { return GSS_C_NT_HOSTBASED_SERVICE; }
static inline OM_uint32 clusprep_gss_dce_flags(void) {
    return GSS_C_DCE_STYLE | GSS_C_MUTUAL_FLAG | GSS_C_REPLAY_FLAG | GSS_C_SEQUENCE_FLAG | GSS_C_CONF_FLAG
        | GSS_C_INTEG_FLAG;
}
static inline int clusprep_gss_is_error(OM_uint32 major) { return GSS_ERROR(major) != 0; }
static inline OM_uint32 clusprep_gss_routine_error(OM_uint32 major) { return GSS_ROUTINE_ERROR(major); }

/// Credentials from a keytab (to accept) or a ccache (to initiate); `cache` may be null.
static inline OM_uint32 clusprep_gss_acquire(
    OM_uint32 *minor, int accepts, const char *store, const char *cache, gss_cred_id_t *credential) {
    gss_OID_set_desc mechanisms = {1, gss_mech_krb5};
    gss_key_value_element_desc elements[2] = {{accepts ? "keytab" : "ccache", store}, {"rcache", cache}};
    gss_key_value_set_desc set = {cache ? 2 : 1, elements};
    return gss_acquire_cred_from(minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, &mechanisms,
        accepts ? GSS_C_ACCEPT : GSS_C_INITIATE, store ? &set : GSS_C_NO_CRED_STORE, credential, NULL, NULL);
}

/// The four buffers in the order of [MS-RPCE] 3.3.1.5.2.2, the token first as the library wants it.
static inline void clusprep_gss_buffers(const clusprep_message *message, int token_type, gss_iov_buffer_desc buffers[4]) {
    size_t body_end = message->body_offset + message->body_length;
    OM_uint32 sides = message->signs_header ? GSS_IOV_BUFFER_TYPE_SIGN_ONLY : GSS_IOV_BUFFER_TYPE_EMPTY;
    buffers[0].type = token_type;
    buffers[0].buffer.value = message->octets + message->token_offset;
    buffers[0].buffer.length = message->token_length;
    buffers[1].type = sides;
    buffers[1].buffer.value = message->octets;
    buffers[1].buffer.length = message->body_offset;
    buffers[2].type = GSS_IOV_BUFFER_TYPE_DATA;
    buffers[2].buffer.value = message->octets + message->body_offset;
    buffers[2].buffer.length = message->body_length;
    buffers[3].type = sides;
    buffers[3].buffer.value = message->octets + body_end;
    buffers[3].buffer.length = message->token_offset - body_end;
}

/// Signs a message, and seals its body, where it lies.
static inline OM_uint32 clusprep_gss_protect(
    OM_uint32 *minor, gss_ctx_id_t context, const clusprep_message *message, int seals) {
    gss_iov_buffer_desc buffers[4];
    int confidential = 0;
    OM_uint32 major;
    if (seals) {
        clusprep_gss_buffers(message, GSS_IOV_BUFFER_TYPE_HEADER, buffers);
        major = gss_wrap_iov(minor, context, 1, GSS_C_QOP_DEFAULT, &confidential, buffers, 4);
    } else {
        clusprep_gss_buffers(message, GSS_IOV_BUFFER_TYPE_MIC_TOKEN, buffers);
        major = gss_get_mic_iov(minor, context, GSS_C_QOP_DEFAULT, buffers, 4);
    }
    if (major != GSS_S_COMPLETE) return major;
    if ((seals && !confidential) || buffers[0].buffer.length != message->token_length) return CLUSPREP_GSS_WRONG_LENGTH;
    return GSS_S_COMPLETE;
}

/// Verifies a message, and unseals its body, where it lies.
static inline OM_uint32 clusprep_gss_unprotect(
    OM_uint32 *minor, gss_ctx_id_t context, const clusprep_message *message, int seals) {
    gss_iov_buffer_desc buffers[4];
    gss_qop_t quality = GSS_C_QOP_DEFAULT;
    int confidential = 0;
    OM_uint32 major;
    if (seals) {
        clusprep_gss_buffers(message, GSS_IOV_BUFFER_TYPE_HEADER, buffers);
        major = gss_unwrap_iov(minor, context, &confidential, &quality, buffers, 4);
        // A token may say that it only signs.
        if (major == GSS_S_COMPLETE && (!confidential || buffers[2].buffer.length != message->body_length))
            return CLUSPREP_GSS_WRONG_LENGTH;
    } else {
        clusprep_gss_buffers(message, GSS_IOV_BUFFER_TYPE_MIC_TOKEN, buffers);
        major = gss_verify_mic_iov(minor, context, &quality, buffers, 4);
    }
    return major;
}

/// The length of a message's token: for DCE-style contexts the same whatever the message is.
static inline OM_uint32 clusprep_gss_token_length(OM_uint32 *minor, gss_ctx_id_t context, int seals, size_t *length) {
    unsigned char nothing[64] = {0};
    clusprep_message message = {nothing, 16, 32, 64, 0, 1};
    gss_iov_buffer_desc buffers[4];
    int confidential = 0;
    OM_uint32 major;
    clusprep_gss_buffers(&message, seals ? GSS_IOV_BUFFER_TYPE_HEADER : GSS_IOV_BUFFER_TYPE_MIC_TOKEN, buffers);
    major = seals ? gss_wrap_iov_length(minor, context, 1, GSS_C_QOP_DEFAULT, &confidential, buffers, 4)
                  : gss_get_mic_iov_length(minor, context, GSS_C_QOP_DEFAULT, buffers, 4);
    *length = buffers[0].buffer.length;
    return major;
}

/// The encryption type of the session key; -1 if the library does not tell.
static inline int32_t clusprep_gss_enctype(gss_ctx_id_t context) {
    OM_uint32 minor;
    gss_buffer_set_t set = GSS_C_NO_BUFFER_SET;
    int32_t enctype = -1;
    if (gss_inquire_sec_context_by_oid(&minor, context, GSS_C_INQ_SSPI_SESSION_KEY, &set) != GSS_S_COMPLETE) return -1;
    // The key itself, and an object identifier whose last arc is the type's number (all of ours are below 128).
    if (set->count >= 2 && set->elements[1].length > 1) {
        unsigned char last = ((unsigned char *)set->elements[1].value)[set->elements[1].length - 1];
        if (last < 0x80) enctype = last;
    }
    for (size_t i = 0; i < set->count; i++) explicit_bzero(set->elements[i].value, set->elements[i].length);
    gss_release_buffer_set(&minor, &set);
    return enctype;
}

/// One attribute of a name; `authenticated` says whether its origin was verified.
static inline OM_uint32 clusprep_gss_attribute(
    OM_uint32 *minor, gss_name_t name, const char *attribute, size_t length, int *authenticated, gss_buffer_t value) {
    gss_buffer_desc wanted = {length, (void *)attribute};
    gss_buffer_desc display = GSS_C_EMPTY_BUFFER;
    OM_uint32 ignored;
    int complete = 0, more = -1;
    OM_uint32 major = gss_get_name_attribute(minor, name, &wanted, authenticated, &complete, value, &display, &more);
    gss_release_buffer(&ignored, &display);
    return major;
}

#endif
