"""Calls of mgmt and of the endpoint mapper by Samba's client, for the interpreter that has Samba's modules.

    python3 samba_ndr64.py BINDING DOMAIN USER PASSWORD    prints what came back, as JSON

BINDING is Samba's notation: ncacn_ip_tcp:127.0.0.1[135,ndr64]. Without USER nobody is authenticated.
"""

import json
import sys

from samba import credentials, param
from samba.dcerpc import epmapper, mgmt, misc
from samba.ndr import ndr_pack


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

    mapper = epmapper.epmapper(binding, settings, identity)
    every, interface, handle, entries = 0, epmapper.rpc_if_id_t(), misc.policy_handle(), []
    while True:
        handle, page, status = mapper.epm_Lookup(every, misc.GUID(), interface, 1, handle, 2)
        entries += page
        if handle.uuid == misc.GUID():
            break
    answer["status"] = status
    answer["entries"] = sorted((entry.annotation, ndr_pack(entry.tower).hex()) for entry in entries)
    print(json.dumps(answer))


if __name__ == "__main__":
    main(*(sys.argv[1:] + ["", "", ""])[:4])
