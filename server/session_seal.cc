#include "server/session_seal.h"

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/byte_codec.h"
#include "core/base/check.h"
#include "core/base/sha256.h"
#include "core/base/status_macros.h"

namespace scanserve::server {
namespace {

constexpr absl::string_view kMagic = "SCANSESS";
constexpr uint32_t kFormatVersion = 1;
constexpr size_t kMaxHeaderBytes = 64 << 10;
constexpr size_t kNonceBytes = 12;
constexpr size_t kTagBytes = 16;
constexpr size_t kChecksumDigits = 16;

using CipherContext = std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)>;

unsigned char* Data(std::string& bytes) { return reinterpret_cast<unsigned char*>(bytes.data()); }
const unsigned char* Data(absl::string_view bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

absl::Status Damaged(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("session: ", what));
}

std::string Checksum(absl::string_view header) {
  return base::Sha256Hex(header).substr(0, kChecksumDigits);
}

struct Header {
  std::string key_id;
  std::string nonce;
  SessionBinding binding;
};

std::string EncodeHeader(const Header& header) {
  const SessionBinding& binding = header.binding;
  base::ByteWriter writer;
  writer.PutBytes(kMagic);
  writer.PutU32(kFormatVersion);
  writer.PutString(header.key_id);
  writer.PutBytes(header.nonce);
  writer.PutU64(static_cast<uint64_t>(absl::ToUnixMicros(binding.expires)));
  writer.PutString(binding.caller_digest);
  writer.PutString(binding.model_digest);
  writer.PutString(binding.adapter_digest);
  writer.PutU64(static_cast<uint64_t>(binding.revision));
  writer.PutString(binding.scan.order_name);
  writer.PutU64(static_cast<uint64_t>(binding.scan.order_version));
  writer.PutString(binding.scan.order_digest);
  writer.PutU32(static_cast<uint32_t>(binding.scan.readout));
  writer.PutU32(static_cast<uint32_t>(binding.scan.target_layers.size()));
  for (const int32_t layer : binding.scan.target_layers) {
    writer.PutU32(static_cast<uint32_t>(layer));
  }
  return writer.Take();
}

// `bytes` have the right checksum, so they are what some server wrote, or what a client forged:
// both are checked by the seal before anything is believed.
absl::StatusOr<Header> DecodeHeader(absl::string_view bytes) {
  base::ByteReader reader(bytes);
  if (reader.Bytes(kMagic.size()) != kMagic) return Damaged("these bytes are no session");
  const uint32_t version = reader.U32();
  if (version != kFormatVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("session: it has format ", version, ", this server reads ", kFormatVersion));
  }
  Header header;
  SessionBinding& binding = header.binding;
  header.key_id = std::string(reader.String());
  header.nonce = std::string(reader.Bytes(kNonceBytes));
  binding.expires = absl::FromUnixMicros(static_cast<int64_t>(reader.U64()));
  binding.caller_digest = std::string(reader.String());
  binding.model_digest = std::string(reader.String());
  binding.adapter_digest = std::string(reader.String());
  binding.revision = static_cast<int64_t>(reader.U64());
  binding.scan.order_name = std::string(reader.String());
  binding.scan.order_version = static_cast<int64_t>(reader.U64());
  binding.scan.order_digest = std::string(reader.String());
  const uint32_t readout = reader.U32();
  binding.scan.readout = readout == static_cast<uint32_t>(order::Readout::kPinLast)
                             ? order::Readout::kPinLast
                             : order::Readout::kNaturalLast;
  const uint32_t layers = reader.U32();
  if (layers > reader.bytes_left() / sizeof(uint32_t)) return Damaged("it is cut short");
  for (uint32_t i = 0; i < layers; ++i) {
    binding.scan.target_layers.push_back(static_cast<int32_t>(reader.U32()));
  }
  if (!reader.complete()) return Damaged("its header is malformed");
  return header;
}

// AES-256-GCM begun with key, nonce and associated data.
CipherContext Begin(const base::SecretKey& key, absl::string_view nonce, absl::string_view header,
                    bool encrypt) {
  CipherContext context(EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free);
  int length = 0;
  SCANSERVE_CHECK(context != nullptr);
  SCANSERVE_CHECK(EVP_CipherInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, Data(key.key),
                                    Data(nonce), encrypt ? 1 : 0) == 1);
  SCANSERVE_CHECK(EVP_CipherUpdate(context.get(), nullptr, &length, Data(header),
                                   static_cast<int>(header.size())) == 1);
  return context;
}

}  // namespace

std::string CallerDigest(absl::string_view caller) { return base::Sha256Hex(caller); }

absl::StatusOr<std::string> SealSession(const base::KeyRing& ring, const SessionBinding& binding,
                                        absl::string_view session) {
  const base::SecretKey& key = ring.newest();
  std::string nonce(kNonceBytes, '\0');
  if (RAND_bytes(Data(nonce), static_cast<int>(nonce.size())) != 1) {
    return absl::UnavailableError("session: the system gives no random bits");
  }
  const std::string header = EncodeHeader({key.id, nonce, binding});
  base::ByteWriter writer;
  const size_t bytes =
      sizeof(uint32_t) + header.size() + kChecksumDigits + session.size() + kTagBytes;
  if (bytes > kMaxSessionBytes) {
    return Damaged(absl::StrCat("it has ", bytes, " bytes, at most ", kMaxSessionBytes));
  }
  writer.Reserve(bytes);
  writer.PutString(header);
  writer.PutBytes(Checksum(header));
  std::string sealed = writer.Take();
  const size_t clear = sealed.size();
  sealed.resize(bytes);
  const CipherContext context = Begin(key, nonce, header, /*encrypt=*/true);
  int length = 0;
  SCANSERVE_CHECK(EVP_CipherUpdate(context.get(), Data(sealed) + clear, &length, Data(session),
                                   static_cast<int>(session.size())) == 1);
  SCANSERVE_CHECK(EVP_CipherFinal_ex(context.get(), Data(sealed) + clear + length, &length) == 1);
  SCANSERVE_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes,
                                      Data(sealed) + clear + session.size()) == 1);
  return sealed;
}

absl::StatusOr<OpenedSession> OpenSession(const base::KeyRing& ring, absl::string_view sealed) {
  if (sealed.size() > kMaxSessionBytes) {
    return Damaged(absl::StrCat(sealed.size(), " bytes, at most ", kMaxSessionBytes));
  }
  base::ByteReader reader(sealed);
  const absl::string_view header_bytes = reader.String();
  const absl::string_view checksum = reader.Bytes(kChecksumDigits);
  if (!reader.ok() || reader.bytes_left() < kTagBytes) return Damaged("it is cut short");
  if (header_bytes.size() > kMaxHeaderBytes) return Damaged("its header is too long");
  if (checksum != Checksum(header_bytes)) return Damaged("it was altered or cut short");
  SCANSERVE_ASSIGN_OR_RETURN(Header header, DecodeHeader(header_bytes));
  const base::SecretKey* key = ring.Find(header.key_id);
  if (key == nullptr) {
    return absl::FailedPreconditionError(absl::StrCat("session: it was sealed with key ",
                                                      store::QuotedForMessage(header.key_id),
                                                      ", which this server does not have"));
  }
  const absl::string_view content = reader.Bytes(reader.bytes_left() - kTagBytes);
  std::string tag(reader.Bytes(kTagBytes));
  const CipherContext context = Begin(*key, header.nonce, header_bytes, /*encrypt=*/false);
  std::string session(content.size(), '\0');
  int length = 0;
  SCANSERVE_CHECK(EVP_CipherUpdate(context.get(), Data(session), &length, Data(content),
                                   static_cast<int>(content.size())) == 1);
  SCANSERVE_CHECK(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) ==
                  1);
  if (EVP_CipherFinal_ex(context.get(), Data(session) + length, &length) != 1) {
    return Damaged("it was altered");
  }
  return OpenedSession{std::move(header.binding), std::move(session)};
}

absl::Status CheckSessionBinding(const SessionBinding& binding, absl::string_view caller_digest,
                                 absl::string_view model_digest, absl::Time now) {
  if (binding.caller_digest != caller_digest) {
    return absl::FailedPreconditionError("session: it belongs to another caller");
  }
  if (binding.model_digest != model_digest) {
    return absl::FailedPreconditionError(
        absl::StrCat("session: it is of model ", binding.model_digest.substr(0, 12),
                     ", the one served is ", model_digest.substr(0, 12)));
  }
  if (now >= binding.expires) {
    return absl::FailedPreconditionError(
        absl::StrCat("session: it expired at ",
                     absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", binding.expires, absl::UTCTimeZone())));
  }
  return absl::OkStatus();
}

}  // namespace scanserve::server
