#include "server/certificate_folder.h"

#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"

namespace scanserve::server {
namespace {

constexpr char kCertificate[] = "/server.crt";
constexpr char kKey[] = "/server.key";
constexpr char kClientCa[] = "/clients.crt";
constexpr char kCurrent[] = "/current";

absl::Status Failed(absl::string_view what, const std::string& path, const std::error_code& error) {
  return absl::UnavailableError(absl::StrCat("cannot ", what, " ", path, ": ", error.message()));
}

}  // namespace

absl::StatusOr<CertificateFolder> CertificateFolder::Create(const std::string& runtime_folder) {
  std::error_code error;
  const std::string parent = runtime_folder.empty()
                                 ? std::filesystem::temp_directory_path(error).string()
                                 : runtime_folder;
  if (!error) std::filesystem::create_directories(parent, error);
  if (error) return Failed("make", parent, error);
  // mkdtemp gives it to its owner alone.
  std::string folder = absl::StrCat(parent, "/scanserve-tls-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) return base::UnavailableFromErrno("make", folder);
  return CertificateFolder(std::move(folder));
}

CertificateFolder::CertificateFolder(CertificateFolder&& other) noexcept
    : folder_(std::exchange(other.folder_, "")), installed_(other.installed_) {}

CertificateFolder::~CertificateFolder() {
  std::error_code error;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, error);
}

std::string CertificateFolder::SetFolder(int number) const {
  return absl::StrCat(folder_, "/", number);
}

absl::Status CertificateFolder::Install(const CertificateSet& set) {
  const std::string folder = SetFolder(installed_ + 1);
  std::error_code error;
  std::filesystem::create_directory(folder, error);
  if (error) return Failed("make", folder, error);
  using base::Readers;
  SCANSERVE_RETURN_IF_ERROR(
      base::WriteFileDurably(folder + kCertificate, set.certificate, Readers::kOwner));
  SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(folder + kKey, set.key, Readers::kOwner));
  SCANSERVE_RETURN_IF_ERROR(
      base::WriteFileDurably(folder + kClientCa, set.client_ca, Readers::kOwner));
  const std::string link = absl::StrCat(folder_, kCurrent);
  const std::string new_link = absl::StrCat(link, base::kTemporarySuffix);
  std::filesystem::remove(new_link, error);
  std::filesystem::create_symlink(absl::StrCat(installed_ + 1), new_link, error);
  if (!error) std::filesystem::rename(new_link, link, error);
  if (error) return Failed("point to", folder, error);
  ++installed_;
  // A reader may be in the one before this.
  if (installed_ > 2) std::filesystem::remove_all(SetFolder(installed_ - 2), error);
  return absl::OkStatus();
}

CertificateFiles CertificateFolder::files() const {
  const std::string current = absl::StrCat(folder_, kCurrent);
  return {current + kCertificate, current + kKey, current + kClientCa};
}

}  // namespace scanserve::server
