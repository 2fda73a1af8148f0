"""A directory that accepts every password, and then says who signed in as it is told to.

A fake, because no real server lies: it shows that "success" alone signs nobody in. Run as a module, with the options
of the demo's directory and --claim.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from typing import Any

from ldaptor.protocols import pureldap
from ldaptor.protocols.ldap import ldaperrors

from demo import ldap_server


class LyingServer(ldap_server.DemoDirectoryServer):
    """Accepts everybody. Claims: "true", "nobody" (anonymous), "silent" (refuses to tell), or what is given."""

    claim = "true"

    def handle_LDAPBindRequest(self, request: Any, controls: Any, reply: Callable[[Any], None]) -> Any:  # noqa: N802
        """Sign in, whatever the password."""
        self.identity = request.dn.decode("utf-8")
        return pureldap.LDAPBindResponse(resultCode=0)

    def handle_LDAPExtendedRequest(self, request: Any, controls: Any, reply: Callable[[Any], None]) -> Any:  # noqa: N802
        """Answer "Who am I?" with the claim."""
        if self.claim == "silent":
            raise ldaperrors.LDAPProtocolError("not offered")
        told = {"true": f"dn:{self.identity}", "nobody": ""}.get(self.claim, self.claim)
        return pureldap.LDAPExtendedResponse(resultCode=0, matchedDN="", errorMessage="", response=told.encode("utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--claim", required=True)
    options, others = parser.parse_known_args()
    LyingServer.claim = options.claim
    ldap_server.DemoDirectoryFactory.protocol = LyingServer
    sys.exit(ldap_server.main(others))
