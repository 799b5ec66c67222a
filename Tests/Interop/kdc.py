"""A Kerberos realm of a test's own: MIT's krb5kdc in a folder, on a loopback port, with users and services.

    with KDC(folder) as kdc:
        kdc.add_user("alice", "password")
        kdc.add_service("host/node.example.test", enctypes=["aes256-cts-hmac-sha1-96"])
        keytab = kdc.keytab("host/node.example.test")
        environment = kdc.login("alice", "password", "host/node.example.test")

What Kerberos programs need to find the realm is in `environment`: KRB5_CONFIG, and KRB5CCNAME after a login. Nothing of this
host's own Kerberos is read or written.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

from lab import tool

#: Every encryption type that a node takes, in MIT's names, by the names that tests are known by.
ENCTYPES = {
    "aes128-sha1": "aes128-cts-hmac-sha1-96",
    "aes256-sha1": "aes256-cts-hmac-sha1-96",
    "aes128-sha2": "aes128-cts-hmac-sha256-128",
    "aes256-sha2": "aes256-cts-hmac-sha384-192",
    "rc4": "arcfour-hmac",
}
_ALL = " ".join(ENCTYPES.values())


class KDC:
    """One realm. The database is made when it starts; its end leaves nothing but the folder."""

    def __init__(self, folder: Path, realm: str = "CLUSPREP.TEST", tickets: str = "10h"):
        """Tickets live as long as said."""
        self.folder = Path(folder)
        self.tickets = tickets
        self.realm = realm
        self.port = 0
        self.process: subprocess.Popen | None = None
        self.environment = {
            "KRB5_CONFIG": str(self.folder / "krb5.conf"),
            "KRB5_KDC_PROFILE": str(self.folder / "kdc.conf"),
            # A replay cache in the folder: this host's own is in /var/tmp.
            "KRB5RCACHENAME": f"file2:{self.folder / 'replay'}",
        }

    def __enter__(self) -> KDC:
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def start(self) -> KDC:
        """Makes the database and serves it."""
        program = _server("krb5kdc", "krb5-kdc")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = _free_port()
        (self.folder / "krb5.conf").write_text(self._client_configuration())
        (self.folder / "kdc.conf").write_text(self._server_configuration())
        self._run(_server("kdb5_util", "krb5-kdc"), "create", "-s", "-P", "master", "-r", self.realm)
        with (self.folder / "kdc.out").open("ab") as log:
            self.process = subprocess.Popen(
                [program, "-n", "-r", self.realm], env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        deadline = time.monotonic() + 120
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "kdc.out").read_text()
            assert time.monotonic() < deadline, "krb5kdc does not listen"
            time.sleep(0.05)
        return self

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)
            self.process = None

    def add_user(self, name: str, password: str):
        """A principal that logs on with a password."""
        self._administer(f"addprinc -pw {password} {self.principal(name)}")

    def add_service(self, name: str, enctypes: list[str] | None = None):
        """A principal with a random key of each encryption type (MIT's names); AES-256 with SHA-1 where none is named."""
        keys = ",".join(f"{kind}:normal" for kind in enctypes or [ENCTYPES["aes256-sha1"]])
        self._administer(f"addprinc -randkey -e {keys} {self.principal(name)}")
        # The session key is of the first type that the service has, too, and not of the KDC's taste.
        session = " ".join(enctypes or [ENCTYPES["aes256-sha1"]])
        self._administer(f'setstr {self.principal(name)} session_enctypes "{session}"')

    def change_key(self, name: str):
        """A new key with a new version; a keytab from before does not know it."""
        self._administer(f"cpw -randkey {self.principal(name)}")

    def keytab(self, *services: str, path: Path | None = None) -> Path:
        """The services' keys in a file, as they are now."""
        path = path or self.folder / "services.keytab"
        for service in services:
            self._administer(f"ktadd -k {path} -norandkey {self.principal(service)}")
        return path

    def key(self, keytab: Path, service: str) -> str:
        """A service's key in hexadecimal digits."""
        listing = self._run(tool("klist", "krb5-user"), "-k", "-K", keytab)
        found = re.search(rf"{re.escape(self.principal(service))} \(0x([0-9a-f]+)\)", listing)
        assert found, listing
        return found[1]

    def login(self, user: str, password: str, *services: str, cache: Path | None = None, options=()) -> dict[str, str]:
        """A ccache with the user's tickets, those for the services among them; returns the environment that uses it."""
        cache = cache or self.folder / f"{user}.ccache"
        environment = {**self.environment, "KRB5CCNAME": f"FILE:{cache}"}
        self._run(tool("kinit", "krb5-user"), *options, self.principal(user), extra=environment, given=password + "\n")
        for service in services:
            self._run(tool("kvno", "krb5-user"), self.principal(service), extra=environment)
        return environment

    def principal(self, name: str) -> str:
        return name if "@" in name else f"{name}@{self.realm}"

    # The rest is how it is done.

    def _answers(self) -> bool:
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _administer(self, query: str):
        self._run(_server("kadmin.local", "krb5-admin-server"), "-r", self.realm, "-q", query)

    def _run(self, *command: str, extra: dict[str, str] | None = None, given: str = "") -> str:
        finished = subprocess.run(
            [str(word) for word in command], env={**os.environ, **self.environment, **(extra or {})}, input=given,
            capture_output=True, text=True, timeout=300,
        )
        # kadmin.local ends with 0 even if its query failed.
        failed = finished.returncode != 0 or ("kadmin.local" in str(command[0]) and "while" in finished.stderr)
        assert not failed, f"{' '.join(map(str, command))}\n{finished.stdout}{finished.stderr}"
        return finished.stdout

    def _client_configuration(self) -> str:
        return f"""\
[libdefaults]
    default_realm = {self.realm}
    dns_lookup_kdc = false
    dns_lookup_realm = false
    dns_canonicalize_hostname = false
    rdns = false
    # Short, so that a ticket's end and a wrong clock are seen without a long wait.
    clockskew = 5
    # Programs of this host do not expect port 88 over UDP here.
    udp_preference_limit = 1
    allow_rc4 = true
    permitted_enctypes = {_ALL}
    default_tkt_enctypes = {_ALL}
    default_tgs_enctypes = {_ALL}
[realms]
    {self.realm} = {{
        kdc = 127.0.0.1:{self.port}
    }}
[domain_realm]
    .{self.realm.lower()} = {self.realm}
    {self.realm.lower()} = {self.realm}
"""

    def _server_configuration(self) -> str:
        folder = self.folder
        return f"""\
[kdcdefaults]
    kdc_listen = 127.0.0.1:{self.port}
    kdc_tcp_listen = 127.0.0.1:{self.port}
[realms]
    {self.realm} = {{
        database_name = {folder / "principal"}
        key_stash_file = {folder / "stash"}
        acl_file = {folder / "acl"}
        max_life = {self.tickets}
        max_renewable_life = {self.tickets}
        master_key_type = aes256-cts-hmac-sha1-96
        supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal arcfour-hmac:normal
    }}
[logging]
    kdc = FILE:{folder / "kdc.log"}
"""


def _server(name: str, package: str) -> str:
    """A program that is not in every user's PATH."""
    for folder in ("/usr/sbin", "/sbin", "/usr/lib/krb5"):
        if found := shutil.which(name, path=folder):
            return found
    return tool(name, package)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
