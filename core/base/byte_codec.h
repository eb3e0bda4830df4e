// Numbers and byte strings in a row, little endian, as our own binary formats hold them.
//
// Not thread-safe.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace scanserve::base {

class ByteWriter {
 public:
  void PutU32(uint32_t value) { PutInteger(value); }
  void PutU64(uint64_t value) { PutInteger(value); }
  // All its bits.
  void PutDouble(double value) { PutU64(std::bit_cast<uint64_t>(value)); }
  // As they are; the reader must know how many.
  void PutBytes(absl::string_view bytes) { data_.append(bytes.data(), bytes.size()); }
  // Their number, as 32 bits, and then the bytes.
  void PutString(absl::string_view bytes);

  void Reserve(size_t bytes) { data_.reserve(bytes); }
  const std::string& data() const { return data_; }
  std::string Take() { return std::move(data_); }

 private:
  template <typename Integer>
  void PutInteger(Integer value);

  std::string data_;
};

// Reads what a ByteWriter wrote, or anything else: a read past the end gives 0 or nothing and makes
// ok() false for good. Nothing is allocated, so that a length that lies costs nothing.
class ByteReader {
 public:
  // `data` must outlive it and what it gives.
  explicit ByteReader(absl::string_view data) : left_(data) {}

  uint32_t U32() { return static_cast<uint32_t>(Integer(sizeof(uint32_t))); }
  uint64_t U64() { return Integer(sizeof(uint64_t)); }
  double Double() { return std::bit_cast<double>(U64()); }
  absl::string_view Bytes(uint64_t count);
  absl::string_view String() { return Bytes(U32()); }

  bool ok() const { return ok_; }
  // Whether every byte was read, and no more.
  bool complete() const { return ok_ && left_.empty(); }
  size_t bytes_left() const { return left_.size(); }

 private:
  uint64_t Integer(size_t bytes);

  absl::string_view left_;
  bool ok_ = true;
};

}  // namespace scanserve::base
