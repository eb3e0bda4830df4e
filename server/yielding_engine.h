// An engine that says so before it takes a request: what runs in the background gets out of the
// way.
#pragma once

#include <functional>
#include <memory>

#include "core/runtime/engine.h"

namespace scanserve::server {

// Hands everything on to `engine`, which outlives it, after a call of `make_way`, which must not
// block.
std::unique_ptr<runtime::Engine> MakeYieldingEngine(runtime::Engine& engine,
                                                    std::function<void()> make_way);

}  // namespace scanserve::server
