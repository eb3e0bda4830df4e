// The figures of scanctl top as text.
#pragma once

#include <string>

#include "client/scanctl/top_figures.h"

namespace scanserve::client {

// Lines of at most `width` columns, from 40 on.
std::string LayoutTop(const TopFigures& figures, const std::string& server, int width, bool colour);

}  // namespace scanserve::client
