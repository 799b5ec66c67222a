// MIT Kerberos' GSSAPI, as Security uses it.
#ifndef CLUSPREP_GSSAPI_H
#define CLUSPREP_GSSAPI_H

#include <gssapi/gssapi.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>

#endif
