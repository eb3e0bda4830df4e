// Where the server looks when it is not told.
#pragma once

#include <string>

namespace scanserve::server {

// The embedded model: ../share/scanserve/models/scanserve-6m beside the program's folder when it is
// installed there, else the one in the source tree that it was built from.
std::string DefaultModelFolder();

// $XDG_DATA_HOME/scanserve, else ~/.local/share/scanserve; empty when neither variable is set.
std::string DefaultStoreFolder();

}  // namespace scanserve::server
