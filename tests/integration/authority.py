"""Certificates made by the openssl program, for servers and clients of a test."""

import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Certificate:
    certificate: Path
    key: Path


def openssl(*arguments) -> str:
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True,
                          check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Authority:
    """An authority of its own, which issues certificates into its folder."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True)
        self.folder = folder
        self.certificate = folder / "ca.crt"
        self.key = folder / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN=authority {folder.name}", "-days", 2, "-keyout", self.key,
                "-out", self.certificate)

    def issue(self, name: str, days: int = 1, subject_alternative: str = "") -> Certificate:
        """For this machine; `days` below 0 make one that has expired. `subject_alternative`, as
        openssl's configuration has it, stands in place of its addresses."""
        made = Certificate(self.folder / f"{name}.crt", self.folder / f"{name}.key")
        request = self.folder / f"{name}.csr"
        extensions = self.folder / f"{name}.ext"
        extensions.write_text(
            f"subjectAltName=@names\n[names]\n{subject_alternative}\n" if subject_alternative
            else f"subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:{name}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-subj", f"/CN={name}", "-keyout", made.key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", made.certificate)
        return made


def serial(certificate: Path) -> int:
    return int(openssl("x509", "-in", certificate, "-noout", "-serial").strip().split("=")[1], 16)
