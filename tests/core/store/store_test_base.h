// A fresh store folder for each test, and short ways to fill it.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/base/file.h"
#include "core/base/npy.h"
#include "core/store/directory_store.h"

namespace scanserve::store {

class StoreTestBase : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = (std::filesystem::temp_directory_path() / "store_XXXXXX").string();
    ASSERT_NE(::mkdtemp(folder_.data()), nullptr);
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(folder_);
  }

  // As after a restart of the process.
  void Reopen() {
    store_.reset();
    absl::StatusOr<std::unique_ptr<DirectoryStore>> store = DirectoryStore::Open(options());
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }

  StoreOptions options() const { return {.folder = folder_}; }

  static std::string Npy(const std::vector<int64_t>& pi) {
    return base::FormatNpyIntegers(absl::MakeConstSpan(pi));
  }

  absl::StatusOr<DirectoryStore::PutResult> Put(absl::string_view name,
                                                const std::vector<int64_t>& pi,
                                                bool must_be_new = false) {
    return store_->Put(name, Npy(pi), std::nullopt, must_be_new);
  }

  absl::StatusOr<ActiveSetting> Activate(const std::string& name, int64_t version = 0,
                                         std::optional<int64_t> expected_revision = std::nullopt) {
    ScanSettingRequest request;
    request.order = {name, version, ""};
    return store_->SetActive(kModel, request, expected_revision);
  }

  std::string ActiveName() const { return store_->GetActive(kModel)->setting.order_name; }

  std::string Path(const std::string& relative) const { return folder_ + "/" + relative; }
  bool Exists(const std::string& relative) const { return std::filesystem::exists(Path(relative)); }
  void WriteFile(const std::string& relative, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(Path(relative)).parent_path());
    std::ofstream(Path(relative), std::ios::binary) << content;
  }
  std::string FileContent(const std::string& relative) const {
    return base::ReadFile(Path(relative), 1 << 20).value();
  }

  inline static const std::string kModel = std::string(64, 'a');
  inline static const std::string kOtherModel = std::string(64, 'b');

  std::string folder_;
  std::unique_ptr<DirectoryStore> store_;
};

}  // namespace scanserve::store
