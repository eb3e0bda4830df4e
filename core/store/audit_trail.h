// Who changed what: the newest records of changes and attempts, kept on disk.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/base/mutex.h"
#include "core/store/audit_record.h"

namespace scanserve::store {

// Which records to read; empty texts mean all.
struct AuditQuery {
  size_t limit = 100;
  int64_t before = 0;  // only smaller numbers; 0: all
  absl::Time since = absl::InfinitePast();
  absl::Time until = absl::InfiniteFuture();  // exclusive
  std::string method;
  std::string name;
  std::string caller;

  bool Matches(const AuditRecord& record) const;
};

struct AuditPage {
  std::vector<AuditRecord> records;  // newest first
  int64_t next_before = 0;           // where the next page begins; 0: there is none
};

// Thread-safe. Records go to files of `<folder>/<number of the first>.jsonl`, of which the oldest
// are removed: at least the newest `kept_records` stay.
class AuditTrail {
 public:
  // Records that wait for a disk that refuses them; what comes then takes the oldest one's place.
  static constexpr size_t kMaxWaiting = 1'024;
  // A page ends when this many were looked at, whatever was found.
  static constexpr int64_t kMaxLookedAt = 5'000;

  AuditTrail(std::string folder, int64_t kept_records);

  // Once, before all else: makes the folder and finds where the numbers go on. Damaged lines are
  // told in `warnings`, and skipped. UNAVAILABLE when the folder cannot be used.
  absl::Status Open(std::vector<std::string>& warnings);

  // Numbers a record and keeps it in memory. Never waits for the disk.
  void Add(AuditRecord record);
  // Makes all that was added durable. UNAVAILABLE when the disk refuses, and then it goes on
  // waiting.
  absl::Status Flush();

  // Newest first, those that wait for the disk included. May look at fewer than there are; the next
  // page goes on. UNAVAILABLE when a file cannot be read.
  absl::StatusOr<AuditPage> Read(const AuditQuery& query) const;

  // Records that lost their place while the disk refused them.
  int64_t lost() const;

 private:
  std::string PathOf(int64_t first_number) const;
  // The file that records from `first_number` on go to.
  int64_t FileFor(int64_t first_number) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Takes note of records that are on disk; returns the files that are too old now.
  std::vector<int64_t> Written(int64_t file, const std::vector<AuditRecord>& records)
      ABSL_LOCKS_EXCLUDED(mutex_);

  const std::string folder_;
  const int64_t file_records_;
  // Held while the disk is written; taken before mutex_.
  base::Mutex disk_ ABSL_ACQUIRED_BEFORE(mutex_);
  mutable base::Mutex mutex_;
  // By their first numbers, ascending.
  std::deque<int64_t> files_ ABSL_GUARDED_BY(mutex_);
  int64_t newest_file_records_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<AuditRecord> waiting_ ABSL_GUARDED_BY(mutex_);
  int64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace scanserve::store
