#include "core/base/npy_header.h"

#include <cstring>
#include <optional>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"

namespace scanserve::base {
namespace {

constexpr absl::string_view kMagic = "\x93NUMPY";
constexpr size_t kAlignment = 64;
constexpr size_t kMaxDimensions = 32;
constexpr size_t kMaxHeaderBytes = 1 << 16;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat(".npy header: ", what));
}

// Reads the Python literals that a header is made of, from left to right.
class LiteralReader {
 public:
  explicit LiteralReader(absl::string_view text) : rest_(text) {}

  // Skips white space, then `token` if it comes next.
  bool Accept(absl::string_view token) {
    SkipSpace();
    if (!absl::StartsWith(rest_, token)) return false;
    rest_.remove_prefix(token.size());
    return true;
  }

  bool AtEnd() {
    SkipSpace();
    return rest_.empty();
  }

  std::optional<absl::string_view> String() {
    SkipSpace();
    if (rest_.empty() || (rest_[0] != '\'' && rest_[0] != '"')) return std::nullopt;
    const size_t end = rest_.find(rest_[0], 1);
    if (end == absl::string_view::npos) return std::nullopt;
    const absl::string_view value = rest_.substr(1, end - 1);
    rest_.remove_prefix(end + 1);
    return value;
  }

  std::optional<bool> Bool() {
    if (Accept("True")) return true;
    if (Accept("False")) return false;
    return std::nullopt;
  }

  // A tuple of sizes. Python 2 wrote long integers with an L behind them.
  std::optional<std::vector<int64_t>> Sizes() {
    if (!Accept("(")) return std::nullopt;
    std::vector<int64_t> sizes;
    bool comma = true;
    while (!Accept(")")) {
      const std::optional<int64_t> size = Size();
      if (!comma || !size || sizes.size() == kMaxDimensions) return std::nullopt;
      sizes.push_back(*size);
      Accept("L");
      comma = Accept(",");
    }
    // (5) is a number in Python, (5,) a tuple.
    if (sizes.size() == 1 && !comma) return std::nullopt;
    return sizes;
  }

 private:
  void SkipSpace() {
    while (!rest_.empty() && std::isspace(static_cast<unsigned char>(rest_[0]))) {
      rest_.remove_prefix(1);
    }
  }

  std::optional<int64_t> Size() {
    SkipSpace();
    size_t digits = 0;
    while (digits < rest_.size() && absl::ascii_isdigit(static_cast<unsigned char>(rest_[digits])))
      ++digits;
    int64_t value = 0;
    if (!absl::SimpleAtoi(rest_.substr(0, digits), &value)) return std::nullopt;
    rest_.remove_prefix(digits);
    return value;
  }

  absl::string_view rest_;
};

absl::Status ParseType(absl::string_view type, NpyHeader& header) {
  const bool known = type.size() >= 3 && type.size() <= 6 && std::strchr("<>|", type[0]) &&
                     absl::SimpleAtoi(type.substr(2), &header.item_bytes) &&
                     header.item_bytes > 0 && (type[0] != '|' || header.item_bytes == 1);
  if (!known) {
    return Malformed(absl::StrCat("type '", absl::CHexEscape(type.substr(0, 64)),
                                  "', expected one like '<i8' or '<f4'"));
  }
  header.byte_order = type[0];
  header.kind = type[1];
  return absl::OkStatus();
}

// The dictionary's values as they were found.
struct Fields {
  std::optional<absl::string_view> type;
  std::optional<bool> fortran_order;
  std::optional<std::vector<int64_t>> shape;
};

// Reads `key`'s value into its place; false when the key is unknown or repeated, or the value is
// not of its kind.
bool ReadValue(absl::string_view key, LiteralReader& reader, Fields& fields) {
  if (key == "descr" && !fields.type) return (fields.type = reader.String()).has_value();
  if (key == "fortran_order" && !fields.fortran_order) {
    return (fields.fortran_order = reader.Bool()).has_value();
  }
  if (key == "shape" && !fields.shape) return (fields.shape = reader.Sizes()).has_value();
  return false;
}

absl::Status ParseDictionary(absl::string_view text, NpyHeader& header) {
  LiteralReader reader(text);
  if (!reader.Accept("{")) return Malformed("expected a dictionary");
  Fields fields;
  bool comma = true;
  while (!reader.Accept("}")) {
    const std::optional<absl::string_view> key = reader.String();
    if (!comma || !key || !reader.Accept(":")) return Malformed("the dictionary does not parse");
    if (!ReadValue(*key, reader, fields)) {
      return Malformed(
          absl::StrCat("cannot read the value of '", absl::CHexEscape(key->substr(0, 64)), "'"));
    }
    comma = reader.Accept(",");
  }
  if (!reader.AtEnd()) return Malformed("there is text behind the dictionary");
  if (!fields.type || !fields.fortran_order || !fields.shape) {
    return Malformed("expected the keys descr, fortran_order and shape");
  }
  header.fortran_order = *fields.fortran_order;
  header.shape = *std::move(fields.shape);
  return ParseType(*fields.type, header);
}

uint64_t LittleEndian(absl::string_view bytes) {
  uint64_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

}  // namespace

absl::StatusOr<NpyHeader> ParseNpyHeader(absl::string_view bytes) {
  if (!absl::StartsWith(bytes, kMagic) || bytes.size() < kMagic.size() + 2) {
    return absl::InvalidArgumentError("not a .npy file: it does not start with \\x93NUMPY");
  }
  const int major = static_cast<uint8_t>(bytes[6]);
  const int minor = static_cast<uint8_t>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return Malformed(absl::StrCat("format ", major, ".", minor, ", expected 1.0, 2.0 or 3.0"));
  }
  const size_t length_bytes = major == 1 ? 2 : 4;
  const size_t text_offset = kMagic.size() + 2 + length_bytes;
  if (bytes.size() < text_offset) return Malformed("the file ends inside it");
  const uint64_t length = LittleEndian(bytes.substr(kMagic.size() + 2, length_bytes));
  if (length > bytes.size() - text_offset) {
    return Malformed(absl::StrCat("it says ", length, " bytes, the file has ",
                                  bytes.size() - text_offset, " left"));
  }
  if (length > kMaxHeaderBytes) {
    return Malformed(absl::StrCat(length, " bytes, the limit is ", kMaxHeaderBytes));
  }
  NpyHeader header;
  header.data_offset = text_offset + length;
  SCANSERVE_RETURN_IF_ERROR(ParseDictionary(bytes.substr(text_offset, length), header));
  return header;
}

std::string FormatNpyHeader(absl::string_view type, absl::string_view shape) {
  std::string text =
      absl::StrCat("{'descr': '", type, "', 'fortran_order': False, 'shape': ", shape, ", }");
  const size_t prefix = kMagic.size() + 4;
  const size_t unpadded = prefix + text.size() + 1;
  text.append((kAlignment - unpadded % kAlignment) % kAlignment, ' ');
  text.push_back('\n');
  std::string header(kMagic);
  header.append(
      {'\x01', '\x00', static_cast<char>(text.size() & 0xff), static_cast<char>(text.size() >> 8)});
  return header + text;
}

}  // namespace scanserve::base
