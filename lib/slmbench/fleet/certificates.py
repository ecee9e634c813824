"""Who may talk to whom, said by certificates that are made for one room and end with it.

Two authorities: the desk's and the stations'. A station trusts the desk's alone, so that it neither calls another
station nor answers one, though all of them carry the same certificate; the desk trusts both, and tells them apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DESK, STATION = "slmbench desk", "slmbench station"
EARLY = timedelta(days=1)  # clocks of laptops differ


@dataclass(frozen=True, slots=True)
class Papers:
    """PEM texts. authority: who signed; certificate and key: who one is."""

    authority: str
    certificate: str
    key: str


def papers(room: str, days: int) -> tuple[Papers, Papers, datetime]:
    """(the desk's, the stations', until when they hold). The authorities' own keys are forgotten: nobody can sign more.

    room: stands in the names. Keys are on the curve P-256, signatures ECDSA with SHA-256 (RFC 5480, RFC 5280).
    """
    now = datetime.now(UTC)
    until = now + timedelta(days=days)
    return _pair(DESK, room, now - EARLY, until), _pair(STATION, room, now - EARLY, until), until


def _pair(role: str, room: str, start: datetime, until: datetime) -> Papers:
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority_name = _name(f"{role} authority", room)
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _begun(authority_name, authority_name, authority_key, start, until)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .add_extension(authority_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    certificate = (
        _begun(_name(role, room), authority_name, key, start, until)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Papers(_pem(authority), _pem(certificate), secret.decode("ascii"))


def _begun(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, start: datetime, until: datetime
) -> x509.CertificateBuilder:
    return x509.CertificateBuilder(
        subject_name=subject,
        issuer_name=issuer,
        public_key=key.public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=start,
        not_valid_after=until,
    )


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs,
        key_cert_sign=signs,
        crl_sign=signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(role: str, room: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, role), x509.NameAttribute(NameOID.ORGANIZATION_NAME, room)]
    )


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def security(role: str, authorities: str, certificate: str, key: str) -> Any:
    """What Dask takes for a role, scheduler, worker or client: TLS 1.3, both sides shown to be of this room."""
    import ssl

    from distributed import Security

    mine = {f"tls_{role}_cert": certificate, f"tls_{role}_key": key}
    return Security(require_encryption=True, tls_ca_file=authorities, tls_min_version=ssl.TLSVersion.TLSv1_3, **mine)


def is_of_desk(peer: object) -> bool:
    """Whether a peer's certificate, in the form of `ssl.SSLSocket.getpeercert`, was signed by the desk's authority.

    That it was signed by one of the two authorities is what TLS has made sure of before.
    """
    issuer = peer.get("issuer", ()) if isinstance(peer, dict) else ()
    return ("commonName", f"{DESK} authority") in {pair for relative in issuer for pair in relative}
