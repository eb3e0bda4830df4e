// Which stored versions of orders a collection removes, and why it keeps the others.
#pragma once

#include <cstdint>
#include <string>

#include "core/store/order_record.h"

namespace scanserve::store {

struct CollectRule {
  // Newest versions of each name that stay, at least 1; damaged ones are not counted.
  int64_t keep_versions = 1;
  // Only this name; empty is all.
  std::string name;
  // Removes nothing.
  bool dry_run = false;
};

// The first of these that holds, from kKeptDamaged down.
enum class OrderFate {
  kRemoved,
  kKeptNewest,
  kKeptInUse,     // someone holds the order, or a running experiment names it
  kKeptRollback,  // a model's rollback leads to it
  kKeptActive,    // it is active for a model, served now or not
  kKeptDamaged,   // its files do not agree: left to the operator
};

struct CollectedOrder {
  OrderRecord record;
  OrderFate fate = OrderFate::kRemoved;
  int64_t bytes = 0;  // of its files
};

}  // namespace scanserve::store
