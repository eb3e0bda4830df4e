// SCANSERVE_CHECK(condition): ends the process with file, line and the condition when a promise
// that our own code made is broken. It is for bugs alone: nothing in a request or a file may reach
// it; those faults are absl::Status. (LibTorch defines a CHECK of its own, hence the prefix.)
#pragma once

#include <cstdio>
#include <cstdlib>

#define SCANSERVE_CHECK(condition)                                                       \
  do {                                                                                   \
    if (!(condition)) [[unlikely]] {                                                     \
      std::fprintf(stderr, "%s:%d: check failed: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                      \
    }                                                                                    \
  } while (false)
