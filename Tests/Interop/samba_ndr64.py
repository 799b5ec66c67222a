"""Calls of mgmt by Samba's client, for the interpreter that has Samba's modules.

    python3 samba_ndr64.py BINDING DOMAIN USER PASSWORD    prints what came back, as JSON

BINDING is Samba's notation: ncacn_ip_tcp:127.0.0.1[135,ndr64]. Without USER nobody is authenticated.

The endpoint mapper is not called: Samba's definitions of its towers and entries have counts as fields of 32 bits, where NDR64
has 64 ([MS-RPCE] 2.2.5.3.2.1 and 2.2.5.3.3.1), so that in NDR64 Samba's client and a server by the specification cannot talk.
"""

import json
import sys

from samba import credentials, param
from samba.dcerpc import mgmt


def main(binding, domain, user, password):
    settings = param.LoadParm()
    settings.load_default()
    identity = credentials.Credentials()
    identity.guess(settings)
    if user:
        identity.set_domain(domain)
        identity.set_username(user)
        identity.set_password(password)
    else:
        identity.set_anonymous()
    client = mgmt.mgmt(binding, settings, identity)
    answer = {
        "interfaces": sorted(str(pointer.id.uuid) for pointer in client.inq_if_ids().if_id),
        "listening": client.is_server_listening(),
        "principal": client.inq_princ_name(10, 64),
    }
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*(sys.argv[1:] + ["", "", ""])[:4])
