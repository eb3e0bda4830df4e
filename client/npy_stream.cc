#include "client/npy_stream.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"

namespace scanserve::client {
namespace {

std::string PartPath(const std::string& path) { return path + ".part"; }

}  // namespace

std::string NpyFloatHeader(const std::vector<int64_t>& shape) {
  constexpr size_t kAlignment = 64;
  constexpr absl::string_view kMagic("\x93NUMPY\x01\x00", 8);
  constexpr size_t kLengthBytes = 2;
  std::string text = absl::StrCat("{'descr': '<f4', 'fortran_order': False, 'shape': (",
                                  absl::StrJoin(shape, ", "), shape.size() == 1 ? ",), }" : "), }");
  const size_t used = kMagic.size() + kLengthBytes + text.size() + 1;
  text.append((kAlignment - used % kAlignment) % kAlignment, ' ');
  text += '\n';
  std::string header(kMagic);
  header += static_cast<char>(text.size() & 0xFF);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

absl::StatusOr<std::unique_ptr<NpyStream>> NpyStream::Create(const std::string& path,
                                                             const std::vector<int64_t>& shape) {
  std::FILE* file = std::fopen(PartPath(path).c_str(), "wb");
  if (file == nullptr) {
    return absl::UnavailableError(
        absl::StrCat("cannot create ", PartPath(path), ": ", std::strerror(errno)));
  }
  const std::string header = NpyFloatHeader(shape);
  int64_t bytes = sizeof(float);
  for (const int64_t size : shape) bytes *= size;
  std::unique_ptr<NpyStream> stream(
      new NpyStream(path, file, bytes + static_cast<int64_t>(header.size())));
  SCANSERVE_RETURN_IF_ERROR(stream->Append(header));
  return stream;
}

NpyStream::NpyStream(std::string path, std::FILE* file, int64_t missing_bytes)
    : path_(std::move(path)),
      part_path_(PartPath(path_)),
      file_(file),
      missing_bytes_(missing_bytes) {}

NpyStream::~NpyStream() {
  if (file_ == nullptr) return;
  std::fclose(file_);
  std::remove(part_path_.c_str());
}

absl::Status NpyStream::Failure(absl::string_view action) const {
  return absl::UnavailableError(
      absl::StrCat("cannot ", action, " ", part_path_, ": ", std::strerror(errno)));
}

absl::Status NpyStream::Append(absl::string_view values) {
  missing_bytes_ -= static_cast<int64_t>(values.size());
  if (std::fwrite(values.data(), 1, values.size(), file_) != values.size()) return Failure("write");
  return absl::OkStatus();
}

absl::Status NpyStream::Finish() {
  if (missing_bytes_ != 0) {
    return absl::FailedPreconditionError(
        absl::StrCat(path_, ": ", missing_bytes_, " bytes of values are missing"));
  }
  if (std::fclose(std::exchange(file_, nullptr)) != 0) {
    absl::Status failure = Failure("write");
    std::remove(part_path_.c_str());
    return failure;
  }
  if (std::rename(part_path_.c_str(), path_.c_str()) != 0) {
    absl::Status failure = Failure("rename");
    std::remove(part_path_.c_str());
    return failure;
  }
  return absl::OkStatus();
}

}  // namespace scanserve::client
