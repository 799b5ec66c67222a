"""What the tests ask for is what Scripts/install-dependencies installs: a test that is skipped for want of a program is run by nobody."""

import re

from lab import REPOSITORY

#: Part of every Debian, and what samba and tshark bring.
BROUGHT_ALONG = {"dpkg", "util-linux", "samba-common-bin", "wireshark-common"}


def test_every_program_that_a_test_asks_for_is_installed():
    script = (REPOSITORY / "Scripts/install-dependencies").read_text()
    lists = re.findall(r"packages\+?=\((.*?)\)", script, re.DOTALL)
    installed = set(re.findall(r"[a-z0-9.+-]+", " ".join(lists)))
    wanted = set()
    for file in (REPOSITORY / "Tests/Interop").glob("*.py"):
        wanted |= set(re.findall(r"(?:tool|_server)\(\"[\w.-]+\", \"([\w.+-]+)\"\)", file.read_text()))
    assert {"krb5-kdc", "tgt"} <= wanted, "the tests ask in other words; look for these"
    assert wanted - installed <= BROUGHT_ALONG
