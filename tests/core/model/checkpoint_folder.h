// A folder of one test's own, empty or a copy of a small checkpoint, whose files it may damage.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "core/model/language_model.h"
#include "core/model/safetensors.h"
#include "nlohmann/json.hpp"

namespace scanserve::model {

// What a safetensors file says of one tensor, and its bytes.
struct StoredTensor {
  std::string type;
  std::vector<int64_t> shape;
  std::string bytes;
};
using StoredTensors = std::map<std::string, StoredTensor>;

inline StoredTensor ZeroTensor(const std::vector<int64_t>& shape) {
  StoredTensor tensor = {"F32", shape, ""};
  size_t bytes = sizeof(float);
  for (const int64_t extent : shape) bytes *= static_cast<size_t>(extent);
  tensor.bytes.assign(bytes, '\0');
  return tensor;
}

// A file with this header, spelled as it is, and this data.
inline std::string WithHeader(const std::string& header, const std::string& data) {
  std::string file;
  for (int i = 0; i < 8; ++i) file += static_cast<char>(uint64_t{header.size()} >> (8 * i));
  return file + header + data;
}

inline std::string WriteSafetensors(const StoredTensors& tensors) {
  nlohmann::json header = {{"__metadata__", {{"format", "pt"}}}};
  std::string data;
  for (const auto& [name, tensor] : tensors) {
    const size_t begin = data.size();
    data += tensor.bytes;
    header[name] = {
        {"dtype", tensor.type}, {"shape", tensor.shape}, {"data_offsets", {begin, data.size()}}};
  }
  return WithHeader(header.dump(), data);
}

inline absl::Span<const std::byte> AsBytes(const std::string& text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

class CheckpointFolder {
 public:
  CheckpointFolder() : path_(::testing::TempDir() + "/scanserve-checkpoint-XXXXXX") {
    EXPECT_NE(mkdtemp(path_.data()), nullptr) << path_;
  }
  // `checkpoint` is a folder of tests/golden/checkpoints.
  explicit CheckpointFolder(const std::string& checkpoint) : CheckpointFolder() {
    std::filesystem::copy(GoldenFolder(checkpoint), path_,
                          std::filesystem::copy_options::recursive);
  }
  ~CheckpointFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  CheckpointFolder(const CheckpointFolder&) = delete;
  CheckpointFolder& operator=(const CheckpointFolder&) = delete;

  static std::string GoldenFolder(const std::string& checkpoint) {
    return std::string(SCANSERVE_SOURCE_DIR) + "/tests/golden/checkpoints/" + checkpoint;
  }

  const std::string& path() const { return path_; }

  std::string Read(const std::string& file) const {
    std::ifstream stream(path_ + "/" + file, std::ios::binary);
    std::stringstream content;
    content << stream.rdbuf();
    EXPECT_TRUE(stream.good()) << file;
    return content.str();
  }
  void Write(const std::string& file, const std::string& content) const {
    std::filesystem::remove(path_ + "/" + file);
    std::ofstream stream(path_ + "/" + file, std::ios::binary);
    stream << content;
    EXPECT_TRUE(stream.good()) << file;
  }
  void Remove(const std::string& file) const { std::filesystem::remove(path_ + "/" + file); }

  nlohmann::json ReadJson(const std::string& file) const {
    return nlohmann::json::parse(Read(file));
  }
  void SetField(const std::string& file, const std::string& field,
                const nlohmann::json& value) const {
    nlohmann::json json = ReadJson(file);
    json[field] = value;
    Write(file, json.dump());
  }

  StoredTensors ReadTensors(const std::string& file) const {
    const std::string content = Read(file);
    const auto parsed = ParseSafetensors(AsBytes(content));
    EXPECT_TRUE(parsed.ok()) << parsed.status();
    StoredTensors tensors;
    for (const auto& [name, tensor] : *parsed) {
      tensors[name] = {
          tensor.type_name, tensor.shape,
          std::string(reinterpret_cast<const char*>(tensor.bytes.data()), tensor.bytes.size())};
    }
    return tensors;
  }
  void WriteTensors(const std::string& file, const StoredTensors& tensors) const {
    Write(file, WriteSafetensors(tensors));
  }

  absl::StatusOr<std::shared_ptr<const LanguageModel>> Load() const {
    return LoadLanguageModel(path_, ops::MakePackedLinear);
  }

 private:
  std::string path_;
};

}  // namespace scanserve::model
