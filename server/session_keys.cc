#include "server/session_keys.h"

#include <utility>

#include "absl/time/clock.h"
#include "core/base/file.h"
#include "core/base/status_macros.h"
#include "server/log.h"

namespace scanserve::server {

bool SessionKeys::Stamp::operator==(const Stamp& other) const {
  return device == other.device && inode == other.inode && size == other.size &&
         changed.tv_sec == other.changed.tv_sec && changed.tv_nsec == other.changed.tv_nsec;
}

absl::StatusOr<std::unique_ptr<SessionKeys>> SessionKeys::Open(const std::string& path,
                                                               IfMissing if_missing) {
  std::unique_ptr<SessionKeys> keys(new SessionKeys(path));
  base::MutexLock lock(keys->mutex_);
  keys->stamp_ = keys->ReadStamp();
  absl::StatusOr<base::KeyRing> ring = keys->Read();
  if (absl::IsNotFound(ring.status()) && if_missing == IfMissing::kMake) {
    SCANSERVE_ASSIGN_OR_RETURN(base::SecretKey key, base::NewSecretKey(absl::Now()));
    ring = base::KeyRing(std::move(key));
    SCANSERVE_RETURN_IF_ERROR(base::WriteFileDurably(path, ring->ToText(), base::Readers::kOwner));
    keys->stamp_ = keys->ReadStamp();
  }
  if (!ring.ok()) return ring.status();
  keys->ring_ = std::make_shared<const base::KeyRing>(*std::move(ring));
  return keys;
}

std::shared_ptr<const base::KeyRing> SessionKeys::Current() {
  base::MutexLock lock(mutex_);
  // Before the content: a change between the two is seen at the next call.
  const Stamp stamp = ReadStamp();
  if (stamp == stamp_) return ring_;
  stamp_ = stamp;
  absl::StatusOr<base::KeyRing> ring = Read();
  if (!ring.ok()) {
    LogWarning("session keys not read again",
               {LogField::Whole("message", ring.status().message())});
    return ring_;
  }
  ring_ = std::make_shared<const base::KeyRing>(*std::move(ring));
  LogInfo("session keys read again",
          {{"keys", static_cast<int64_t>(ring_->keys().size())}, {"newest", ring_->newest().id}});
  return ring_;
}

SessionKeys::Stamp SessionKeys::ReadStamp() const {
  struct stat status {};
  if (::stat(path_.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino, status.st_size, status.st_ctim};
}

absl::StatusOr<base::KeyRing> SessionKeys::Read() const {
  SCANSERVE_ASSIGN_OR_RETURN(const std::string text,
                             base::ReadFile(path_, base::kMaxKeyRingFileBytes));
  absl::StatusOr<base::KeyRing> ring = base::KeyRing::Parse(text);
  if (!ring.ok()) return base::InFile(path_, ring.status());
  return ring;
}

}  // namespace scanserve::server
