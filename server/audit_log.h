// Tells who changed what: each change, and each attempt that failed, as a line of the log and as a
// record of the store.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "core/store/directory_store.h"
#include "server/periodic_task.h"

namespace scanserve::server {

// One thing that is to change, and then what it changed to.
struct Change {
  std::string name;
  int64_t version = 0;
  std::string old_digest;
  std::string new_digest;
  int64_t revision = 0;
  std::string detail;
};

// What a call is to change, filled in as it becomes known.
struct ChangeReport {
  Change asked;
  // Versions that are gone, whatever becomes of the call. Each is told by itself, and then `asked`
  // only of a call that failed.
  std::vector<Change> removed;
};

// Who asked for it and what became of it.
struct ChangeAttempt {
  std::string caller;
  std::string peer;
  absl::string_view method;
  std::string request_id;
  // gRPC's code, and why it is not OK.
  std::string code;
  std::string message;
  // Nothing was tried: the caller may not, or not now.
  bool refused = false;
};

// Thread-safe.
class AuditLog {
 public:
  // `store` outlives the log.
  explicit AuditLog(store::DirectoryStore& store);
  // Writes what waits.
  ~AuditLog();

  // The records of what was changed are durable when it returns, so that this waits for the disk;
  // those of attempts that changed nothing are within a second, and this does not wait for them. A
  // disk that refuses a record takes nothing from the change: the record is tried again each second
  // and meanwhile kept in memory, as many as AuditTrail::kMaxWaiting.
  void Tell(const ChangeAttempt& attempt, const ChangeReport& report);

  // The same of what the server did without being asked over the wire: its caller is "server".
  void TellOwn(absl::string_view method, Change change);

  // How often the disk refused records, which is each second that it goes on.
  int64_t write_failures() const { return write_failures_.load(); }
  // Records that more than AuditTrail::kMaxWaiting came after while it did.
  int64_t lost() const { return store_.changes().lost() + store_.refusals().lost(); }

 private:
  void Flush();
  void TellOfFailure(const absl::Status& failure);

  store::DirectoryStore& store_;
  std::atomic<int64_t> write_failures_{0};
  // Logged once, not each second.
  std::atomic<bool> disk_refuses_{false};
  PeriodicTask flushing_;
};

}  // namespace scanserve::server
