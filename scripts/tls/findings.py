"""Reads the report of a TLS scanner and fails on every finding that is not expected.

`findings.py sslyze|testssl FILE`: prints one line per check; exit code 0 when nothing was found. A report that is
missing, or lacks a check, is a failure too.
"""

import json
import sys

# Findings of testssl that are none, with the reason.
EXPECTED = {
    "engine_problem": "about the scanner's own openssl",
    "cipher_order": "every suite is AEAD with ephemeral keys, so the client's order decides: it knows whether it has AES in hardware",
    "cert_revocation": "a development certificate of 90 days has no revocation service",
    "DNS_CAArecord": "localhost has no DNS records",
}
# What testssl must have looked at, or its silence means nothing.
LOOKED_AT = ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "ALPN_HTTP2", "cipherlist_NULL", "cipherlist_AVERAGE",
             "PFS", "heartbleed", "CCS", "ROBOT", "secure_renego", "secure_client_renego", "CRIME_TLS", "LUCKY13", "RC4"]

failures = 0


def check(words, good, seen=None):
    """Prints one line."""
    global failures
    print(f"ok    {words}" if good else f"FAIL  {words}" + (f": {seen}" if seen is not None else ""))
    failures += not good


def sslyze(report):
    """T1, T2, T3, T15 as sslyze sees them."""
    [scan] = report["server_scan_results"]
    results = scan["scan_result"]

    def of(name):
        part = results[name]
        if part["status"] != "COMPLETED":
            check(f"sslyze {name}", False, part["status"])
            return None
        return part["result"]

    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1"]:
        if suites := of(f"{version}_cipher_suites"):
            tried = len(suites["rejected_cipher_suites"])
            accepted = len(suites["accepted_cipher_suites"])
            check(f"sslyze T1 {version}: 0 of {tried} suites", accepted == 0 and tried > 0, accepted)
    for version in ["tls_1_2", "tls_1_3"]:
        if suites := of(f"{version}_cipher_suites"):
            names = [suite["cipher_suite"]["name"] for suite in suites["accepted_cipher_suites"]]
            keys = [suite["ephemeral_key"] for suite in suites["accepted_cipher_suites"]]
            aead = names and all("GCM" in name or "CHACHA20_POLY1305" in name for name in names)
            check(f"sslyze T2 {version}: AEAD only ({len(names)} suites)", aead, names)
            check(f"sslyze T2 {version}: ephemeral keys only", all(key and key["type_name"] == "ECDH" for key in keys), keys)
    for name, field, wanted, words in [
        ("tls_compression", "supports_compression", False, "T2 no compression"),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", False, "T2 no renegotiation by clients"),
        ("session_renegotiation", "supports_secure_renegotiation", True, "T2 RFC 5746 signalled"),
        ("tls_1_3_early_data", "supports_early_data", False, "T15 no early data"),
        ("heartbleed", "is_vulnerable_to_heartbleed", False, "no Heartbleed"),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", False, "no CCS injection"),
        ("robot", "robot_result", "NOT_VULNERABLE_RSA_NOT_SUPPORTED", "no RSA key transport"),
        ("tls_extended_master_secret", "supports_ems_extension", True, "extended master secret"),
    ]:
        if (result := of(name)) is not None:
            check(f"sslyze {words}", result[field] == wanted, result[field])
    if certificates := of("certificate_info"):
        [deployment] = certificates["certificate_deployments"]
        trusted = {path["trust_store"]["name"]: path["was_validation_successful"] for path in deployment["path_validation_results"]}
        check("sslyze: the chain leads to our CA", trusted["Supplied CA file"])
        check("sslyze: and to no public one", sum(trusted.values()) == 1, trusted)
        check("sslyze: the chain is in order", deployment["received_chain_has_valid_order"])
        check("sslyze: no SHA-1 in the chain", not deployment["verified_chain_has_sha1_signature"])


def testssl(findings):
    """Everything that testssl calls worse than information."""
    bad = [one for one in findings if one["severity"] not in ("OK", "INFO") and one["id"] not in EXPECTED]
    for one in bad:
        check(f"testssl {one['id']} ({one['severity']})", False, one["finding"])
    seen = {one["id"] for one in findings}
    missing = [name for name in LOOKED_AT if name not in seen]
    check("testssl looked at everything", not missing, missing)
    check(f"testssl: {len(findings)} findings, none unexpected", not bad)


def main():
    scanner, path = sys.argv[1:]
    try:
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        {"sslyze": sslyze, "testssl": testssl}[scanner](report)
    except (OSError, ValueError, KeyError, TypeError) as error:
        check(f"{scanner}'s report", False, repr(error))
    sys.exit(failures > 0)


main()
