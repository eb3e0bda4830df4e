#include "core/base/npy.h"

#include <bit>
#include <cctype>
#include <cstring>
#include <limits>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "core/base/check.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::base {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are copied as they lie");

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

// The array behind the header, when it has exactly the size that the header says.
absl::StatusOr<absl::string_view> ArrayBytes(absl::string_view npy, const NpyHeader& header) {
  const absl::string_view array = npy.substr(header.data_offset);
  uint64_t expected = static_cast<uint64_t>(header.item_bytes);
  for (const int64_t size : header.shape) {
    if (__builtin_mul_overflow(expected, static_cast<uint64_t>(size), &expected)) {
      return Malformed("the shape is larger than any file");
    }
  }
  if (array.size() != expected) {
    return absl::InvalidArgumentError(absl::StrCat(".npy: the shape says ", expected,
                                                   " bytes of data, the file has ", array.size()));
  }
  return array;
}

std::string TypeName(const NpyHeader& header) {
  return absl::StrFormat("%c%c%d", header.byte_order, header.kind, header.item_bytes);
}

absl::Status CheckLayout(const NpyHeader& header, size_t dimensions) {
  if (header.shape.size() != dimensions) {
    return absl::InvalidArgumentError(absl::StrCat(".npy: shape (",
                                                   absl::StrJoin(header.shape, ", "),
                                                   "), expected ", dimensions, " dimension(s)"));
  }
  if (header.fortran_order) {
    return absl::InvalidArgumentError(".npy: the array is in Fortran order, expected C order");
  }
  return absl::OkStatus();
}

absl::Status CheckIntegers(const NpyHeader& header, int64_t max_entries) {
  SCANSERVE_RETURN_IF_ERROR(CheckLayout(header, 1));
  const bool integers = (header.kind == 'i' || header.kind == 'u') && header.item_bytes <= 8 &&
                        std::has_single_bit(static_cast<uint64_t>(header.item_bytes));
  if (!integers) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy: type ", TypeName(header), ", expected integers of 1 to 8 bytes"));
  }
  if (header.shape[0] > max_entries) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy: ", header.shape[0], " entries, the limit is ", max_entries));
  }
  return absl::OkStatus();
}

uint64_t DecodeBits(const char* bytes, size_t width, bool big_endian) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i) {
    const size_t from_top = big_endian ? i : width - 1 - i;
    value = value << 8 | static_cast<uint8_t>(bytes[from_top]);
  }
  return value;
}

int64_t SignExtend(uint64_t value, size_t width) {
  const int unused_bits = static_cast<int>(64 - 8 * width);
  return static_cast<int64_t>(value << unused_bits) >> unused_bits;
}

std::string FormatHeader(absl::string_view type, absl::string_view shape) {
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

template <typename T>
std::string FormatArray(std::string header, absl::Span<const T> values) {
  header.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  return header;
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

absl::StatusOr<std::vector<int64_t>> ParseNpyIntegers(absl::string_view npy, int64_t max_entries) {
  SCANSERVE_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(npy));
  SCANSERVE_RETURN_IF_ERROR(CheckIntegers(header, max_entries));
  SCANSERVE_ASSIGN_OR_RETURN(const absl::string_view array, ArrayBytes(npy, header));
  const size_t width = static_cast<size_t>(header.item_bytes);
  std::vector<int64_t> values(static_cast<size_t>(header.shape[0]));
  for (size_t i = 0; i < values.size(); ++i) {
    const uint64_t bits = DecodeBits(array.data() + i * width, width, header.byte_order == '>');
    if (header.kind == 'u' && bits > uint64_t{std::numeric_limits<int64_t>::max()}) {
      return absl::InvalidArgumentError(
          absl::StrCat(".npy: entry ", i, " is ", bits, ", past what an int64 holds"));
    }
    values[i] = header.kind == 'u' ? static_cast<int64_t>(bits) : SignExtend(bits, width);
  }
  return values;
}

absl::StatusOr<FloatMatrix> ParseNpyFloatMatrix(absl::string_view npy) {
  SCANSERVE_ASSIGN_OR_RETURN(const NpyHeader header, ParseNpyHeader(npy));
  SCANSERVE_RETURN_IF_ERROR(CheckLayout(header, 2));
  if (header.kind != 'f' || header.item_bytes != 4) {
    return absl::InvalidArgumentError(
        absl::StrCat(".npy: type ", TypeName(header), ", expected float32"));
  }
  SCANSERVE_ASSIGN_OR_RETURN(const absl::string_view array, ArrayBytes(npy, header));
  FloatMatrix matrix{header.shape[0], header.shape[1], {}};
  matrix.values.resize(array.size() / sizeof(float));
  if (!array.empty()) std::memcpy(matrix.values.data(), array.data(), array.size());
  if (header.byte_order == '>') {
    for (float& value : matrix.values) {
      value = std::bit_cast<float>(__builtin_bswap32(std::bit_cast<uint32_t>(value)));
    }
  }
  return matrix;
}

absl::StatusOr<FloatMatrix> ReadNpyFloatMatrix(const std::string& path, int64_t max_bytes) {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string npy, ReadFile(path, max_bytes));
  absl::StatusOr<FloatMatrix> matrix = ParseNpyFloatMatrix(npy);
  if (matrix.ok()) return matrix;
  return absl::Status(matrix.status().code(), absl::StrCat(path, ": ", matrix.status().message()));
}

std::string FormatNpyIntegers(absl::Span<const int64_t> values) {
  return FormatArray(FormatHeader("<i8", absl::StrCat("(", values.size(), ",)")), values);
}

std::string FormatNpyIntegers(absl::Span<const int32_t> values) {
  const std::vector<int64_t> wide(values.begin(), values.end());
  return FormatNpyIntegers(absl::MakeConstSpan(wide));
}

std::string FormatNpyFloatMatrix(absl::Span<const float> values, int64_t rows, int64_t columns) {
  SCANSERVE_CHECK(static_cast<int64_t>(values.size()) == rows * columns);
  return FormatArray(FormatHeader("<f4", absl::StrCat("(", rows, ", ", columns, ")")), values);
}

}  // namespace scanserve::base
