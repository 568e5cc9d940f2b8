"""A certificate authority for tests, and certificates of servers that it signs."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Authority:
    """An authority with a key of its own."""

    name: str
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def write(self, folder: Path) -> Path:
        """Writes its own certificate into a file, which clients are told to trust."""
        path = folder / f"{self.name}.pem"
        constraints = x509.BasicConstraints(ca=True, path_length=0)
        made = self._builder(_named(self.name), self.key, days=1).add_extension(constraints, critical=True)
        path.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def certificate(self, host: str, *, days: int = 1) -> tuple[bytes, bytes]:
        """Makes a certificate for a host, and its key.

        Args:
            days: From now until it expires; below 0 it has expired.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.SubjectAlternativeName([x509.DNSName(host)])
        made = self._builder(_named(host), key, days=days).add_extension(name, critical=False)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM), secret

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, days: int) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(_named(self.name), subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=3))
            .not_valid_after(now + timedelta(days=days))
        )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
