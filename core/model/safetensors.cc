#include "core/model/safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/check.h"
#include "core/base/status_macros.h"
#include "core/model/json_field.h"
#include "core/model/json_shape.h"
#include "nlohmann/json.hpp"

namespace scanserve::model {
namespace {

static_assert(std::endian::native == std::endian::little, "the format is little endian");

constexpr int64_t kMaxElements = int64_t{1} << 48;

struct TypeInfo {
  const char* name;
  DataType type;
  int64_t bytes;
};

constexpr TypeInfo kTypes[] = {{"F32", DataType::kFloat32, 4},  {"BF16", DataType::kBFloat16, 2},
                               {"F16", DataType::kFloat16, 2},  {"F64", DataType::kOther, 8},
                               {"I64", DataType::kOther, 8},    {"I32", DataType::kOther, 4},
                               {"I16", DataType::kOther, 2},    {"I8", DataType::kOther, 1},
                               {"U64", DataType::kOther, 8},    {"U32", DataType::kOther, 4},
                               {"U16", DataType::kOther, 2},    {"U8", DataType::kOther, 1},
                               {"BOOL", DataType::kOther, 1},   {"F8_E4M3", DataType::kOther, 1},
                               {"F8_E5M2", DataType::kOther, 1}};

absl::Status Fault(const std::string& tensor, absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("tensor ", tensor, ": ", what));
}

absl::StatusOr<std::vector<int64_t>> ParseShape(const std::string& name,
                                                const nlohmann::json& entry) {
  const auto found = entry.find("shape");
  if (found == entry.end() || !found->is_array()) return Fault(name, "no shape");
  std::vector<int64_t> shape;
  int64_t elements = 1;
  for (const nlohmann::json& value : *found) {
    const bool valid =
        value.is_number_unsigned() && value.get<uint64_t>() <= static_cast<uint64_t>(kMaxElements);
    if (!valid) return Fault(name, absl::StrCat("shape ", ShortJson(*found), " is not valid"));
    shape.push_back(value.get<int64_t>());
    if (shape.back() != 0 && elements > kMaxElements / shape.back()) {
      return Fault(name, absl::StrCat("shape ", ShortJson(*found), " is too large"));
    }
    elements *= shape.back();
  }
  return shape;
}

absl::StatusOr<TensorView> ParseTensor(const std::string& name, const nlohmann::json& entry,
                                       absl::Span<const std::byte> data) {
  if (!entry.is_object()) return Fault(name, "its entry is not an object");
  SCANSERVE_ASSIGN_OR_RETURN(const std::optional<std::string> type_name,
                             StringField(entry, "dtype"));
  const TypeInfo* type = std::find_if(std::begin(kTypes), std::end(kTypes),
                                      [&](const auto& known) { return type_name == known.name; });
  if (type == std::end(kTypes)) {
    return Fault(name, absl::StrCat("dtype ", type_name.value_or("missing"), " is not known"));
  }
  TensorView tensor{type->type, type->name, {}, {}};
  SCANSERVE_ASSIGN_OR_RETURN(tensor.shape, ParseShape(name, entry));
  const auto offsets = entry.find("data_offsets");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2 ||
      !(*offsets)[0].is_number_unsigned() || !(*offsets)[1].is_number_unsigned()) {
    return Fault(name, "no data_offsets");
  }
  const uint64_t begin = (*offsets)[0].get<uint64_t>();
  const uint64_t end = (*offsets)[1].get<uint64_t>();
  if (begin > end || end > data.size()) {
    return Fault(name, absl::StrCat("data_offsets [", begin, ", ", end, "] do not lie within ",
                                    data.size(), " bytes of data"));
  }
  if (end - begin != static_cast<uint64_t>(tensor.size() * type->bytes)) {
    return Fault(name, absl::StrCat("data_offsets hold ", end - begin, " bytes, shape ",
                                    ShapeText(tensor.shape), " of ", type->name, " needs ",
                                    tensor.size() * type->bytes));
  }
  tensor.bytes = data.subspan(begin, end - begin);
  return tensor;
}

// The format leaves no byte unused and none used twice.
absl::Status CheckCoverage(const TensorMap& tensors, absl::Span<const std::byte> data) {
  std::vector<std::pair<const std::byte*, const TensorMap::value_type*>> starts;
  for (const auto& entry : tensors) starts.emplace_back(entry.second.bytes.data(), &entry);
  std::sort(starts.begin(), starts.end(), [](const auto& a, const auto& b) {
    const size_t a_size = a.second->second.bytes.size(), b_size = b.second->second.bytes.size();
    return std::tie(a.first, a_size) < std::tie(b.first, b_size);
  });
  const std::byte* expected = data.data();
  for (const auto& [start, entry] : starts) {
    if (start != expected) {
      return Fault(entry->first, start < expected ? "its data overlaps another tensor's"
                                                  : "bytes before its data belong to no tensor");
    }
    expected = start + entry->second.bytes.size();
  }
  const auto used = static_cast<size_t>(expected - data.data());
  if (used != data.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("the last ", data.size() - used, " bytes belong to no tensor"));
  }
  return absl::OkStatus();
}

// Parses the header and refuses a name that stands in it twice, which a JSON object would hide.
absl::StatusOr<nlohmann::json> ParseHeader(absl::string_view text) {
  const JsonShape shape = ReadJsonShape(text);
  if (shape.too_deep) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header nests deeper than ", kMaxJsonDepth, " levels"));
  }
  if (shape.repeated_key) return Fault(*shape.repeated_key, "stands in the header twice");
  nlohmann::json header = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!header.is_object()) return absl::InvalidArgumentError("the header is not a JSON object");
  return header;
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000U) << 16;
  const uint32_t exponent = (half >> 10) & 0x1FU;
  const uint32_t mantissa = half & 0x3FFU;
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  const uint32_t widened = exponent == 0x1F ? 0xFFU : exponent + 127 - 15;
  return std::bit_cast<float>(sign | (widened << 23) | (mantissa << 13));
}

}  // namespace

int64_t TensorView::size() const {
  int64_t elements = 1;
  for (const int64_t extent : shape) elements *= extent;
  return elements;
}

absl::StatusOr<TensorMap> ParseSafetensors(absl::Span<const std::byte> file,
                                           uint64_t max_header_bytes) {
  if (file.size() < sizeof(uint64_t)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a file of ", file.size(), " bytes has no header"));
  }
  uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data(), sizeof header_bytes);
  const uint64_t most = std::min<uint64_t>(file.size() - sizeof header_bytes, max_header_bytes);
  if (header_bytes > most) {
    return absl::InvalidArgumentError(
        absl::StrCat("header of ", header_bytes, " bytes, at most ", most, " fit"));
  }
  const absl::string_view text(reinterpret_cast<const char*>(file.data()) + sizeof header_bytes,
                               header_bytes);
  SCANSERVE_ASSIGN_OR_RETURN(const nlohmann::json header, ParseHeader(text));
  const absl::Span<const std::byte> data = file.subspan(sizeof header_bytes + header_bytes);
  TensorMap tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name == "__metadata__") continue;
    SCANSERVE_ASSIGN_OR_RETURN(tensors[name], ParseTensor(name, entry, data));
  }
  SCANSERVE_RETURN_IF_ERROR(CheckCoverage(tensors, data));
  return tensors;
}

void WidenToFloat(const TensorView& tensor, int64_t begin, int64_t count, float* out) {
  SCANSERVE_CHECK(begin >= 0 && count >= 0 && begin + count <= tensor.size());
  if (tensor.type == DataType::kFloat32) {
    std::memcpy(out, tensor.bytes.data() + begin * 4, static_cast<size_t>(count) * 4);
    return;
  }
  SCANSERVE_CHECK(tensor.type != DataType::kOther);
  const std::byte* source = tensor.bytes.data() + begin * 2;
  for (int64_t i = 0; i < count; ++i) {
    uint16_t bits = 0;
    std::memcpy(&bits, source + i * 2, 2);
    out[i] = tensor.type == DataType::kBFloat16
                 ? std::bit_cast<float>(static_cast<uint32_t>(bits) << 16)
                 : HalfToFloat(bits);
  }
}

std::string ShapeText(absl::Span<const int64_t> shape) {
  return absl::StrCat("[", absl::StrJoin(shape, ", "), "]");
}

}  // namespace scanserve::model
