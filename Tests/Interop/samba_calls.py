"""Run by the Python that Samba's bindings are installed for: makes calls over a binding and prints what came of them.

    python3 samba_calls.py HOST BINDING-OPTIONS DOMAIN USER PASSWORD CALL...

Each CALL is mgmt or interfaces. One line of JSON each: the result, or the error's number and text. The bindings' options are
Samba's: the port first, then ntlm, spnego, krb5, sign, seal, bigendian, ndr64 and so on. Where KRB5CCNAME is set, its tickets
are the credentials, and DOMAIN is the realm.
"""

import json
import os
import sys

from samba import NTSTATUSError, credentials
from samba.dcerpc import mgmt
from samba.param import LoadParm


def call(name, binding, lp, creds):
    if name == "mgmt":
        return mgmt.mgmt(binding, lp, creds).is_server_listening()
    if name == "interfaces":
        return mgmt.mgmt(binding, lp, creds).inq_if_ids().count
    raise SystemExit(f"there is no call {name}")


def main(host, options, domain, user, password, *calls):
    lp = LoadParm()
    lp.load_default()
    lp.set("client ntlmv2 auth", "yes")
    creds = credentials.Credentials()
    creds.guess(lp)
    if "KRB5CCNAME" in os.environ:
        lp.set("realm", domain)
        creds.set_kerberos_state(credentials.MUST_USE_KERBEROS)
        creds.set_named_ccache(os.environ["KRB5CCNAME"], credentials.SPECIFIED, lp)
    elif user:
        creds.set_domain(domain)
        creds.set_username(user)
        creds.set_password(password)
        creds.set_kerberos_state(credentials.DONT_USE_KERBEROS)
    else:
        creds.set_anonymous()
    for name in calls:
        try:
            print(json.dumps({"result": call(name, f"ncacn_ip_tcp:{host}[{options}]", lp, creds)}), flush=True)
        except NTSTATUSError as error:
            print(json.dumps({"error": error.args[0] & 0xFFFFFFFF, "text": error.args[1]}), flush=True)


main(*sys.argv[1:])
