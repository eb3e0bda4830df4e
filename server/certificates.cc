#include "server/certificates.h"

#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>
#include <memory>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::server {
namespace {

constexpr int64_t kMaxPemBytes = 1 << 20;

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* pointer) const {
    kFree(pointer);
  }
};
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Memory = std::unique_ptr<BIO, Free<BIO_free_all>>;

Memory Reader(const std::string& pem) {
  return Memory(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

// Nobody is here to type a password.
int NoPassword(char*, int, int, void*) { return 0; }

absl::StatusOr<std::vector<Certificate>> ParseCertificates(const std::string& pem,
                                                           absl::string_view what) {
  const Memory reader = Reader(pem);
  std::vector<Certificate> certificates;
  while (Certificate next{PEM_read_bio_X509(reader.get(), nullptr, NoPassword, nullptr)}) {
    certificates.push_back(std::move(next));
  }
  // At the end of the text there is no further beginning of one; anything else is damage.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (certificates.empty() || !at_end) {
    return absl::InvalidArgumentError(absl::StrCat("the ", what, " is no PEM certificate"));
  }
  return certificates;
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm parts{};
  if (ASN1_TIME_to_tm(time, &parts) != 1) {
    return absl::InvalidArgumentError("a certificate has a date that is none");
  }
  return absl::FromTM(parts, absl::UTCTimeZone());
}

// When it stops to be valid.
absl::StatusOr<absl::Time> CheckDates(const X509* certificate, absl::string_view what,
                                      absl::Time now) {
  SCANSERVE_ASSIGN_OR_RETURN(const absl::Time begin, TimeOf(X509_get0_notBefore(certificate)));
  SCANSERVE_ASSIGN_OR_RETURN(const absl::Time end, TimeOf(X509_get0_notAfter(certificate)));
  if (now < begin || now >= end) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the ", what, " is valid from ", absl::FormatTime(begin), " to ", absl::FormatTime(end)));
  }
  return end;
}

std::string SerialOf(const X509* certificate) {
  BIGNUM* number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), nullptr);
  char* hex = BN_bn2hex(number);
  std::string serial = hex == nullptr ? "" : hex;
  OPENSSL_free(hex);
  BN_free(number);
  return serial;
}

}  // namespace

absl::StatusOr<CertificateSet> ReadCertificates(const CertificateFiles& files) {
  CertificateSet set;
  SCANSERVE_ASSIGN_OR_RETURN(set.certificate, base::ReadFile(files.certificate, kMaxPemBytes));
  SCANSERVE_ASSIGN_OR_RETURN(set.key, base::ReadFile(files.key, kMaxPemBytes));
  if (!files.client_ca.empty()) {
    SCANSERVE_ASSIGN_OR_RETURN(set.client_ca, base::ReadFile(files.client_ca, kMaxPemBytes));
  }
  return set;
}

absl::StatusOr<CertificateFacts> CheckCertificates(const CertificateSet& set, absl::Time now) {
  const absl::Cleanup forget = [] { ERR_clear_error(); };
  ERR_clear_error();
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<Certificate> chain,
                             ParseCertificates(set.certificate, "certificate"));
  const Key key(PEM_read_bio_PrivateKey(Reader(set.key).get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    return absl::InvalidArgumentError("the key is no PEM private key without a password");
  }
  if (X509_check_private_key(chain.front().get(), key.get()) != 1) {
    return absl::InvalidArgumentError("the key is not that of the certificate");
  }
  CertificateFacts facts{absl::InfiniteFuture(), SerialOf(chain.front().get())};
  for (const Certificate& certificate : chain) {
    SCANSERVE_ASSIGN_OR_RETURN(const absl::Time end,
                               CheckDates(certificate.get(), "certificate", now));
    facts.expires = std::min(facts.expires, end);
  }
  if (set.client_ca.empty()) return facts;
  ERR_clear_error();
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<Certificate> authorities,
                             ParseCertificates(set.client_ca, "authority of clients"));
  for (const Certificate& authority : authorities) {
    SCANSERVE_ASSIGN_OR_RETURN(const absl::Time end,
                               CheckDates(authority.get(), "authority of clients", now));
    facts.expires = std::min(facts.expires, end);
  }
  return facts;
}

}  // namespace scanserve::server
