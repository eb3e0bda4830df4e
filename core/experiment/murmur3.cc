#include "core/experiment/murmur3.h"

#include <bit>

namespace scanserve::experiment {
namespace {

// Up to four bytes from `begin` on, little endian.
uint32_t Word(absl::string_view key, size_t begin) {
  uint32_t word = 0;
  for (size_t i = 0; i < 4 && begin + i < key.size(); ++i) {
    word |= uint32_t{static_cast<unsigned char>(key[begin + i])} << (8 * i);
  }
  return word;
}

uint32_t Mixed(uint32_t word) { return std::rotl(word * 0xcc9e2d51u, 15) * 0x1b873593u; }

}  // namespace

uint32_t Murmur3(absl::string_view key, uint32_t seed) {
  uint32_t hash = seed;
  const size_t whole = key.size() / 4 * 4;
  for (size_t begin = 0; begin < whole; begin += 4) {
    hash = std::rotl(hash ^ Mixed(Word(key, begin)), 13) * 5 + 0xe6546b64u;
  }
  hash ^= Mixed(Word(key, whole));
  hash ^= static_cast<uint32_t>(key.size());
  hash = (hash ^ (hash >> 16)) * 0x85ebca6bu;
  hash = (hash ^ (hash >> 13)) * 0xc2b2ae35u;
  return hash ^ (hash >> 16);
}

}  // namespace scanserve::experiment
