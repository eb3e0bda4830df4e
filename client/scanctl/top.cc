// scanctl top
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "client/metrics_stream.h"
#include "client/scanctl/commands.h"
#include "client/scanctl/top_figures.h"
#include "client/scanctl/top_view.h"

namespace scanserve::client {
namespace {

struct TopFlags {
  std::string interval = "1s";
  bool once = false;
};

// A page on the terminal's other screen, drawn over and over; the screen as it was comes back.
class Screen {
 public:
  explicit Screen(Output& output) : output_(output) {
    shown_ = output_.Write("\x1B[?1049h\x1B[?25l");
  }
  ~Screen() { output_.Write("\x1B[?25h\x1B[?1049l").IgnoreError(); }
  Screen(const Screen&) = delete;
  Screen& operator=(const Screen&) = delete;

  // What does not fit is left out at the end.
  absl::Status Draw(const std::string& text, int rows) {
    SCANSERVE_RETURN_IF_ERROR(shown_);
    std::vector<std::string> lines = absl::StrSplit(text, '\n');
    lines.pop_back();
    if (static_cast<int>(lines.size()) >= rows) lines.resize(static_cast<size_t>(rows) - 1);
    // Each line to its end, then all below.
    return output_.Write(
        absl::StrCat("\x1B[H", absl::StrJoin(lines, "\x1B[K\n"), "\x1B[K\n\x1B[J"));
  }

 private:
  Output& output_;
  absl::Status shown_;
};

absl::Status Show(Session& session, const TopFigures& figures, Screen* screen) {
  if (session.json) return session.output.Write(JsonLine(FiguresToJson(figures)));
  // The window may have another size by now.
  const Terminal terminal = DetectTerminal();
  const std::string text = LayoutTop(figures, session.connection.server(), terminal.output_columns,
                                     session.terminal.output_colour);
  if (screen != nullptr) return screen->Draw(text, terminal.output_rows);
  return session.output.Write(text);
}

absl::Status Top(Session& session, const TopFlags& flags) {
  MetricsStream stream(session.connection, *ParseTimeout(flags.interval));
  SCANSERVE_ASSIGN_OR_RETURN(MetricSnapshot earlier, stream.Next());
  std::unique_ptr<Screen> screen;
  for (;;) {
    SCANSERVE_ASSIGN_OR_RETURN(MetricSnapshot later, stream.Next());
    if (screen == nullptr && session.terminal.output_is_terminal && !session.json && !flags.once) {
      screen = std::make_unique<Screen>(session.output);
    }
    SCANSERVE_RETURN_IF_ERROR(Show(session, FiguresBetween(earlier, later), screen.get()));
    if (flags.once) return absl::OkStatus();
    earlier = std::move(later);
  }
}

}  // namespace

void AddTop(Program& program) {
  auto flags = std::make_shared<TopFlags>();
  CLI::App& app = *program.app.add_subcommand("top", "Watch rates, latencies and the engine");
  app.add_option("--interval", flags->interval, "Time between two pictures, 100ms to 1h")
      ->type_name("TIME")
      ->check(ParsesWith(&ParseTimeout))
      ->capture_default_str();
  app.add_flag("--once", flags->once, "Show one interval and end");
  app.footer(
      "Rates and latencies are those of the last interval. Ctrl-C ends it.\n\n"
      "Examples:\n"
      "  scanctl top\n"
      "  scanctl top --once --json --interval 10s");
  app.callback([flags, &program] {
    program.ends_by_interrupt = !flags->once;
    program.command = [flags](Session& session) { return Top(session, *flags); };
  });
}

}  // namespace scanserve::client
