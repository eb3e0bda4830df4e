#include "core/store/audit_trail.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/store/audit_file.h"
#include "core/store/folder_listing.h"

namespace scanserve::store {
namespace {

constexpr absl::string_view kSuffix = ".jsonl";
// Whole files are removed: so many hold all that is kept, and one more grows.
constexpr int64_t kFullFiles = 20;

// Fills a page with records that come newest first.
class PageReader {
 public:
  explicit PageReader(const AuditQuery& query) : query_(query), before_(query.before) {}

  // Whether it may hold something that was not looked at.
  bool Wants(int64_t first_number) const { return before_ == 0 || first_number < before_; }
  bool full() const { return page_.records.size() >= query_.limit; }
  bool tired() const { return looked_at_ >= AuditTrail::kMaxLookedAt; }

  // Ascending records. Returns whether the page was full before the first of them.
  template <typename Records>
  bool Take(const Records& records) {
    for (auto record = records.rbegin(); record != records.rend(); ++record) {
      if (!Wants(record->number)) continue;
      if (full()) return true;
      before_ = record->number;
      ++looked_at_;
      if (query_.Matches(*record)) page_.records.push_back(*record);
    }
    return false;
  }

  AuditPage Finish(bool more) && {
    page_.next_before = more ? before_ : 0;
    return std::move(page_);
  }

 private:
  const AuditQuery& query_;
  int64_t before_;
  int64_t looked_at_ = 0;
  AuditPage page_;
};

}  // namespace

bool AuditQuery::Matches(const AuditRecord& record) const {
  const auto same = [](const std::string& asked, const std::string& is) {
    return asked.empty() || asked == is;
  };
  return record.time >= since && record.time < until && same(method, record.method) &&
         same(name, record.name) && same(caller, record.caller);
}

AuditTrail::AuditTrail(std::string folder, int64_t kept_records)
    : folder_(std::move(folder)), file_records_(std::max<int64_t>(1, kept_records / kFullFiles)) {}

std::string AuditTrail::PathOf(int64_t first_number) const {
  return absl::StrCat(folder_, "/", first_number, kSuffix);
}

absl::Status AuditTrail::Open(std::vector<std::string>& warnings) {
  SCANSERVE_RETURN_IF_ERROR(MakeFolder(folder_));
  SCANSERVE_ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder_));
  base::MutexLock lock(mutex_);
  for (const std::string& name : names) {
    if (const int64_t first = VersionOf(name, kSuffix); first > 0) {
      files_.push_back(first);
    } else {
      warnings.push_back(absl::StrCat(folder_, "/", name, " holds no audit records: left alone"));
    }
  }
  if (files_.empty()) return absl::OkStatus();
  std::ranges::sort(files_);
  SCANSERVE_ASSIGN_OR_RETURN(const AuditFileContent newest, ReadAuditFile(PathOf(files_.back())));
  newest_file_records_ = static_cast<int64_t>(newest.records.size());
  next_number_ = files_.back();
  if (!newest.records.empty()) next_number_ = newest.records.back().number + 1;
  // What a damaged line held had a number too.
  next_number_ += newest.damaged_at_end;
  if (newest.damaged_lines > 0) {
    warnings.push_back(absl::StrCat("audit records ", PathOf(files_.back()), ": ",
                                    newest.damaged_lines, " damaged, skipped"));
  }
  return absl::OkStatus();
}

void AuditTrail::Add(AuditRecord record) {
  base::MutexLock lock(mutex_);
  record.number = next_number_++;
  waiting_.push_back(std::move(record));
  if (waiting_.size() <= kMaxWaiting) return;
  waiting_.pop_front();
  ++lost_;
}

int64_t AuditTrail::FileFor(int64_t first_number) const {
  return files_.empty() || newest_file_records_ >= file_records_ ? first_number : files_.back();
}

absl::Status AuditTrail::Flush() {
  base::MutexLock disk(disk_);
  std::vector<AuditRecord> records;
  int64_t file = 0;
  {
    base::MutexLock lock(mutex_);
    if (waiting_.empty()) return absl::OkStatus();
    records.assign(waiting_.begin(), waiting_.end());
    file = FileFor(records.front().number);
  }
  SCANSERVE_RETURN_IF_ERROR(AppendToAuditFile(PathOf(file), records));
  for (const int64_t old : Written(file, records)) {
    RemoveAll(PathOf(old)).IgnoreError();  // else with the next one, after a restart
  }
  return absl::OkStatus();
}

std::vector<int64_t> AuditTrail::Written(int64_t file, const std::vector<AuditRecord>& records) {
  base::MutexLock lock(mutex_);
  // Some may have lost their place meanwhile.
  while (!waiting_.empty() && waiting_.front().number <= records.back().number) {
    waiting_.pop_front();
  }
  if (files_.empty() || files_.back() != file) {
    files_.push_back(file);
    newest_file_records_ = 0;
  }
  newest_file_records_ += static_cast<int64_t>(records.size());
  std::vector<int64_t> old;
  while (static_cast<int64_t>(files_.size()) > kFullFiles + 1) {
    old.push_back(files_.front());
    files_.pop_front();
  }
  return old;
}

absl::StatusOr<AuditPage> AuditTrail::Read(const AuditQuery& query) const {
  std::deque<AuditRecord> waiting;
  std::deque<int64_t> files;
  {
    base::MutexLock lock(mutex_);
    waiting = waiting_;
    files = files_;
  }
  PageReader reader(query);
  bool more = reader.Take(waiting);
  bool past_since = false;
  for (auto file = files.rbegin(); file != files.rend() && !more && !past_since; ++file) {
    if (!reader.Wants(*file)) continue;
    more = reader.full() || reader.tired();
    if (more) break;
    const absl::StatusOr<AuditFileContent> content = ReadAuditFile(PathOf(*file));
    // It became too old meanwhile, or somebody took it away.
    if (absl::IsNotFound(content.status())) continue;
    SCANSERVE_RETURN_IF_ERROR(content.status());
    more = reader.Take(content->records);
    // Clocks are set back now and then, but not by a whole file.
    past_since = std::ranges::all_of(content->records, [&query](const AuditRecord& record) {
      return record.time < query.since;
    });
  }
  return std::move(reader).Finish(more);
}

int64_t AuditTrail::lost() const {
  base::MutexLock lock(mutex_);
  return lost_;
}

}  // namespace scanserve::store
