#include "core/base/byte_codec.h"

#include <limits>

#include "core/base/check.h"

namespace scanserve::base {

template <typename Integer>
void ByteWriter::PutInteger(Integer value) {
  for (size_t i = 0; i < sizeof(Integer); ++i) {
    data_.push_back(static_cast<char>(value >> (8 * i) & 0xFF));
  }
}

template void ByteWriter::PutInteger(uint32_t);
template void ByteWriter::PutInteger(uint64_t);

void ByteWriter::PutString(absl::string_view bytes) {
  SCANSERVE_CHECK(bytes.size() <= std::numeric_limits<uint32_t>::max());
  PutU32(static_cast<uint32_t>(bytes.size()));
  PutBytes(bytes);
}

absl::string_view ByteReader::Bytes(uint64_t count) {
  if (!ok_ || count > left_.size()) {
    ok_ = false;
    return {};
  }
  const absl::string_view bytes = left_.substr(0, static_cast<size_t>(count));
  left_.remove_prefix(static_cast<size_t>(count));
  return bytes;
}

uint64_t ByteReader::Integer(size_t bytes) {
  uint64_t value = 0;
  const absl::string_view digits = Bytes(bytes);
  for (size_t i = 0; i < digits.size(); ++i) {
    value |= uint64_t{static_cast<unsigned char>(digits[i])} << (8 * i);
  }
  return value;
}

}  // namespace scanserve::base
