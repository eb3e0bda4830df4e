#include "core/model/content_digest.h"

#include "core/base/sha256.h"

namespace scanserve::model {
namespace {

void AddInteger(base::Sha256& hash, uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; ++i) bytes[i] = static_cast<char>(value >> (8 * i));
  hash.Update(absl::string_view(bytes, sizeof bytes));
}

void AddText(base::Sha256& hash, absl::string_view text) {
  AddInteger(hash, text.size());
  hash.Update(text);
}

}  // namespace

std::string ContentDigest(absl::string_view domain, const nlohmann::json& fields,
                          const TensorMap& tensors) {
  base::Sha256 hash;
  AddText(hash, domain);
  // nlohmann::json keeps keys sorted, and dump() writes no white space: one text for one content.
  AddText(hash, fields.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace));
  AddInteger(hash, tensors.size());
  for (const auto& [name, tensor] : tensors) {
    AddText(hash, name);
    AddText(hash, tensor.type_name);
    AddInteger(hash, tensor.shape.size());
    for (const int64_t extent : tensor.shape) AddInteger(hash, static_cast<uint64_t>(extent));
    AddText(hash, absl::string_view(reinterpret_cast<const char*>(tensor.bytes.data()),
                                    tensor.bytes.size()));
  }
  return hash.FinishHex();
}

}  // namespace scanserve::model
