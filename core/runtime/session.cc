#include "core/runtime/session.h"

#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/byte_codec.h"
#include "core/base/status_macros.h"

namespace scanserve::runtime {
namespace {

static_assert(std::endian::native == std::endian::little,
              "states are written as they are in memory");

constexpr uint32_t kFormatVersion = 1;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed: ", what));
}

void PutCounts(const TokenCounts& counts, base::ByteWriter& writer) {
  writer.PutU32(static_cast<uint32_t>(counts.size()));
  for (const auto& [token, count] : counts) {
    writer.PutU32(static_cast<uint32_t>(token));
    writer.PutU32(static_cast<uint32_t>(count));
  }
}

// A number of items of `item_bytes` each that are really there.
absl::StatusOr<uint32_t> ReadCount(base::ByteReader& reader, size_t item_bytes) {
  const uint32_t count = reader.U32();
  if (!reader.ok() || count > reader.bytes_left() / item_bytes) return Malformed("cut short");
  return count;
}

absl::StatusOr<int32_t> ReadToken(base::ByteReader& reader, int64_t vocabulary) {
  const uint32_t token = reader.U32();
  if (token >= static_cast<uint64_t>(vocabulary)) {
    return Malformed(absl::StrCat("token ", token, ", the model has ", vocabulary));
  }
  return static_cast<int32_t>(token);
}

absl::StatusOr<TokenCounts> ReadCounts(base::ByteReader& reader, int64_t vocabulary) {
  TokenCounts counts;
  SCANSERVE_ASSIGN_OR_RETURN(const uint32_t size, ReadCount(reader, 2 * sizeof(uint32_t)));
  for (uint32_t i = 0; i < size; ++i) {
    SCANSERVE_ASSIGN_OR_RETURN(const int32_t token, ReadToken(reader, vocabulary));
    if (!counts.empty() && token <= counts.rbegin()->first) {
      return Malformed("counts that do not ascend");
    }
    const uint32_t count = reader.U32();
    if (count < 1 || count > uint32_t{std::numeric_limits<int32_t>::max()}) {
      return Malformed(absl::StrCat("a count of ", count));
    }
    counts.emplace_hint(counts.end(), token, static_cast<int32_t>(count));
  }
  return counts;
}

absl::StatusOr<std::shared_ptr<const model::SequenceState>> ReadState(
    base::ByteReader& reader, const model::MambaConfig& config) {
  const auto expected = static_cast<uint64_t>(model::SequenceStateBytes(config));
  const uint64_t size = reader.U64();
  if (size != expected) {
    return Malformed(absl::StrCat("a state of ", size, " bytes, the model's has ", expected));
  }
  const absl::string_view bytes = reader.Bytes(size);
  if (!reader.ok()) return Malformed("cut short");
  auto state = std::make_shared<model::SequenceState>(config);
  std::memcpy(state->floats().data(), bytes.data(), bytes.size());
  return state;
}

}  // namespace

std::string EncodeSession(const Session& session) {
  const absl::Span<const float> floats = session.state->floats();
  const absl::string_view state(reinterpret_cast<const char*>(floats.data()),
                                floats.size() * sizeof(float));
  const size_t numbers = 16 + session.pending.size() +
                         2 * (session.prompt_counts.size() + session.answer_counts.size());
  base::ByteWriter writer;
  writer.Reserve(state.size() + numbers * sizeof(uint32_t));
  writer.PutU32(kFormatVersion);
  writer.PutU64(static_cast<uint64_t>(session.tokens_read));
  writer.PutU64(session.seed);
  writer.PutU64(session.next_draw);
  writer.PutU32(static_cast<uint32_t>(session.pending.size()));
  for (const int32_t token : session.pending) writer.PutU32(static_cast<uint32_t>(token));
  PutCounts(session.prompt_counts, writer);
  PutCounts(session.answer_counts, writer);
  writer.PutU64(state.size());
  writer.PutBytes(state);
  return writer.Take();
}

absl::StatusOr<Session> DecodeSession(absl::string_view bytes, const model::MambaConfig& config) {
  base::ByteReader reader(bytes);
  const uint32_t version = reader.U32();
  if (version != kFormatVersion) {
    return Malformed(absl::StrCat("format ", version, ", this release reads ", kFormatVersion));
  }
  Session session;
  session.tokens_read = static_cast<int64_t>(reader.U64());
  if (session.tokens_read < 0) return Malformed("a negative number of tokens");
  session.seed = reader.U64();
  session.next_draw = reader.U64();
  SCANSERVE_ASSIGN_OR_RETURN(const uint32_t pending, ReadCount(reader, sizeof(uint32_t)));
  session.pending.reserve(pending);
  for (uint32_t i = 0; i < pending; ++i) {
    SCANSERVE_ASSIGN_OR_RETURN(const int32_t token, ReadToken(reader, config.vocab_size));
    session.pending.push_back(token);
  }
  SCANSERVE_ASSIGN_OR_RETURN(session.prompt_counts, ReadCounts(reader, config.vocab_size));
  SCANSERVE_ASSIGN_OR_RETURN(session.answer_counts, ReadCounts(reader, config.vocab_size));
  SCANSERVE_ASSIGN_OR_RETURN(session.state, ReadState(reader, config));
  if (!reader.complete()) {
    return Malformed(absl::StrCat(reader.bytes_left(), " bytes after the end"));
  }
  return session;
}

}  // namespace scanserve::runtime
