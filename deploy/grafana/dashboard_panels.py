"""What the dashboards show: their panels with titles, units and expressions."""

from dataclasses import dataclass

SELECTOR = 'instance=~"$instance", model=~"$model"'
BY_ORDER = SELECTOR + ', order=~"$order"'
BY_ADAPTER = SELECTOR + ', adapter=~"$adapter"'
FAILED = 'code=~"INTERNAL|UNKNOWN|DATA_LOSS|UNAVAILABLE"'
RATE = "$__rate_interval"


@dataclass(frozen=True)
class Panel:
    """One panel; each query is an expression and its legend."""
    title: str
    description: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    width: int = 12
    height: int = 8


def rate(metric: str, by: str, selector: str = SELECTOR) -> str:
    """Growth per second of a counter, summed by labels."""
    return f"sum by ({by}) (rate({metric}{{{selector}}}[{RATE}]))"


def quantiles(metric: str, by: str, selector: str = SELECTOR,
              levels: tuple[float, ...] = (0.5, 0.95, 0.99)) -> tuple[tuple[str, str], ...]:
    """Quantiles of a histogram, by labels."""
    legend = " ".join(f"{{{{{label.strip()}}}}}" for label in by.split(",")) + " p"
    return tuple((f"histogram_quantile({level}, sum by (le, {by}) "
                  f"(rate({metric}_bucket{{{selector}}}[{RATE}])))", f"{legend}{level * 100:g}")
                 for level in levels)


def gauge(metric: str, legend: str) -> tuple[str, str]:
    return f"{metric}{{{SELECTOR}}}", legend


def number(title: str, description: str, unit: str, expression: str, legend: str = "") -> Panel:
    return Panel(title, description, unit, ((expression, legend),), "stat", 4, 4)


OVERVIEW = [
    number("Servers ready", "Servers whose /readyz answers 200.", "none",
           'sum(scanserve_ready{instance=~"$instance"})'),
    number("Requests", "Requests that end, a second.", "reqps",
           f"sum(rate(scanserve_requests_total{{{BY_ORDER}}}[{RATE}]))"),
    number("Failed", "Part of the requests that the server failed, in the last 5 minutes.",
           "percentunit", 'max(scanserve:request_errors:ratio_rate5m{model=~"$model"})'),
    number("Generated", "Tokens generated a second.", "short",
           f"sum(rate(scanserve_generated_tokens_total{{{BY_ADAPTER}}}[{RATE}]))"),
    number("Waiting", "Requests in the queues.", "none",
           f"sum(scanserve_queued_requests{{{SELECTOR}}})"),
    number("Engine load", "Time spent in steps; 1 is all of it.", "percentunit",
           'max(scanserve:engine_load:ratio_rate5m{instance=~"$instance", model=~"$model"})'),
    Panel("Requests by method and code", "What was asked for, and how it ended.", "reqps",
          ((rate("scanserve_requests_total", "method, code", BY_ORDER), "{{method}} {{code}}"),)),
    Panel("Requests by order", "Under which scan order they ran.", "reqps",
          ((rate("scanserve_requests_total", "order", BY_ORDER), "{{order}}"),)),
    Panel("Tokens", "Read and generated, by adapter.", "short",
          ((rate("scanserve_prompt_tokens_total", "adapter", BY_ADAPTER), "{{adapter}} read"),
           (rate("scanserve_generated_tokens_total", "adapter", BY_ADAPTER),
            "{{adapter}} generated"))),
    Panel("Refused and cancelled", "By why they were refused; cancelled by their clients.", "reqps",
          ((rate("scanserve_requests_rejected_total", "reason"), "refused: {{reason}}"),
           (rate("scanserve_requests_cancelled_total", "method"), "cancelled: {{method}}"))),
    Panel("Active setting", "The scan setting of requests that name none.", "none",
          ((f"scanserve_active_scan_info{{{SELECTOR}}}", ""),), "table"),
    Panel("Switches", "Changes of the active setting, and its revision.", "none",
          ((f"increase(scanserve_order_switches_total{{{SELECTOR}}}[{RATE}])",
            "{{instance}} switches"),
           gauge("scanserve_active_scan_revision", "{{instance}} revision"))),
    Panel("Memory", "Resident memory of the process.", "bytes",
          (('process_resident_memory_bytes{instance=~"$instance"}', "{{instance}}"),)),
    Panel("Processor", "Cores in use.", "none",
          ((f'rate(process_cpu_seconds_total{{instance=~"$instance"}}[{RATE}])', "{{instance}}"),)),
    Panel("Versions", "Programs and models that are served.", "none",
          (('scanserve_build_info{instance=~"$instance"}', ""), gauge("scanserve_model_info", "")),
          "table"),
    Panel("Started", "How long ago each server started.", "s",
          (('time() - process_start_time_seconds{instance=~"$instance", job="scanserve"}',
            "{{instance}}"),)),
]

LATENCY = [
    Panel("Time to first token", "From the submission to the engine to the first token.", "s",
          quantiles("scanserve_time_to_first_token_seconds", "model")),
    Panel("Time to first token, all", "Where the first tokens lie.", "s",
          ((f"sum by (le) (increase(scanserve_time_to_first_token_seconds_bucket{{{SELECTOR}}}"
            f"[{RATE}]))", "{{le}}"),), "heatmap"),
    Panel("Gap between tokens", "From one token of an answer to the next.", "s",
          quantiles("scanserve_inter_token_latency_seconds", "model")),
    Panel("Gaps between tokens, all", "Where the gaps lie.", "s",
          ((f"sum by (le) (increase(scanserve_inter_token_latency_seconds_bucket{{{SELECTOR}}}"
            f"[{RATE}]))", "{{le}}"),), "heatmap"),
    Panel("Time in queue", "From the submission to a state slot.", "s",
          quantiles("scanserve_queue_time_seconds", "method")),
    Panel("Whole request", "From a request's arrival to its status.", "s",
          quantiles("scanserve_request_duration_seconds", "method", levels=(0.5, 0.95))),
    Panel("Late first tokens", "Part of the generations over 2.5 s; the objective is 1 %.",
          "percentunit",
          (('scanserve:slow_first_tokens:ratio_rate5m{model=~"$model"}', "5 minutes"),
           ('scanserve:slow_first_tokens:ratio_rate1h{model=~"$model"}', "1 hour"),
           ('scanserve:slow_first_tokens:ratio_rate1d{model=~"$model"}', "1 day"))),
    Panel("Failed requests", "Part that the server failed; the objective is 0.1 %.", "percentunit",
          (('scanserve:request_errors:ratio_rate5m{model=~"$model"}', "5 minutes"),
           ('scanserve:request_errors:ratio_rate1h{model=~"$model"}', "1 hour"),
           ('scanserve:request_errors:ratio_rate1d{model=~"$model"}', "1 day"))),
]

ENGINE = [
    Panel("Load", "Time spent in steps; 1 is all of it.", "percentunit",
          ((f"rate(scanserve_step_seconds_total{{{SELECTOR}}}[{RATE}])", "{{instance}}"),)),
    Panel("Steps", "Steps a second, and the time of one.", "short",
          ((f"rate(scanserve_steps_total{{{SELECTOR}}}[{RATE}])", "{{instance}} steps/s"),
           (f"rate(scanserve_step_seconds_total{{{SELECTOR}}}[{RATE}]) / "
            f"rate(scanserve_steps_total{{{SELECTOR}}}[{RATE}])", "{{instance}} seconds"))),
    Panel("Tokens in a step", "The mean.", "short",
          ((f"rate(scanserve_step_tokens_sum{{{SELECTOR}}}[{RATE}]) / "
            f"rate(scanserve_step_tokens_count{{{SELECTOR}}}[{RATE}])", "{{instance}}"),)),
    Panel("Tokens in a step, all", "How full steps are.", "none",
          ((f"sum by (le) (increase(scanserve_step_tokens_bucket{{{SELECTOR}}}[{RATE}]))",
            "{{le}}"),), "heatmap"),
    Panel("State slots", "Taken, of those that there are.", "none",
          (gauge("scanserve_state_slots_used", "{{instance}} used"),
           gauge("scanserve_state_slots", "{{instance}} slots"),
           gauge("scanserve_running_sequences", "{{instance}} running"))),
    Panel("Queue", "Requests that wait, by priority, of those that may.", "none",
          (gauge("scanserve_queued_requests", "{{instance}} {{priority}}"),
           gauge("scanserve_queue_capacity_requests", "{{instance}} capacity"))),
    Panel("Tokens in the queue", "What the waiting requests will read.", "short",
          (gauge("scanserve_queued_tokens", "{{instance}}"),)),
    Panel("Open requests", "Arrived and not ended.", "none",
          ((f"sum by (method) (scanserve_open_requests{{{SELECTOR}}})", "{{method}}"),)),
    Panel("Clients that do not read", "Their requests, without a slot, and their states.", "short",
          (gauge("scanserve_parked_requests", "{{instance}} requests"),
           gauge("scanserve_parked_bytes", "{{instance}} bytes"))),
    Panel("Hidden states in memory", "Collected or not yet sent.", "bytes",
          (gauge("scanserve_extraction_bytes", "{{instance}}"),)),
    Panel("Prefix cache: found", "Part of the looked-up tokens that were found.", "percentunit",
          ((f"rate(scanserve_cached_tokens_total{{{SELECTOR}}}[{RATE}]) / "
            f"(rate(scanserve_cached_tokens_total{{{SELECTOR}}}[{RATE}]) + "
            f"rate(scanserve_missed_tokens_total{{{SELECTOR}}}[{RATE}]))", "{{instance}}"),)),
    Panel("Prefix cache: memory", "What it holds, and may hold.", "bytes",
          (gauge("scanserve_cache_bytes", "{{instance}} held"),
           gauge("scanserve_cache_max_bytes", "{{instance}} most"))),
    Panel("Prefix cache: traffic", "Look-ups and entries that made room, a second.", "ops",
          ((f"rate(scanserve_cache_lookups_total{{{SELECTOR}}}[{RATE}])", "{{instance}} look-ups"),
           (f"rate(scanserve_cache_evictions_total{{{SELECTOR}}}[{RATE}])",
            "{{instance}} evictions"))),
    Panel("Prefix cache: entries", "States that it holds.", "none",
          (gauge("scanserve_cache_entries", "{{instance}}"),)),
    Panel("Since the last step", "While idle it grows, and that is fine.", "s",
          ((f"time() - scanserve_last_step_timestamp_seconds{{{SELECTOR}}}", "{{instance}}"),)),
    Panel("Log lines lost, open files", "Neither should grow.", "none",
          ((f'rate(scanserve_log_lines_dropped_total{{instance=~"$instance"}}[{RATE}])',
            "{{instance}} lines/s"),
           ('process_open_fds{instance=~"$instance"}', "{{instance}} files"))),
]

ARMS = SELECTOR + ', arm!=""'
AB = [
    Panel("Requests of each arm", "Their shares of the traffic.", "reqps",
          ((rate("scanserve_requests_total", "arm", ARMS), "{{arm}}"),)),
    Panel("Failed requests of each arm", "Part that the server failed.", "percentunit",
          ((f"{rate('scanserve_requests_total', 'arm', f'{ARMS}, {FAILED}')} / "
            f"{rate('scanserve_requests_total', 'arm', ARMS)}", "{{arm}}"),)),
    Panel("Time to first token of each arm", "From the submission to the first token.", "s",
          quantiles("scanserve_time_to_first_token_seconds", "arm", ARMS, (0.5, 0.95))),
    Panel("Gap between tokens of each arm", "From one token of an answer to the next.", "s",
          quantiles("scanserve_inter_token_latency_seconds", "arm", ARMS, (0.5, 0.95))),
    Panel("Whole request of each arm", "From a request's arrival to its status.", "s",
          quantiles("scanserve_request_duration_seconds", "arm", ARMS, (0.5, 0.95))),
    Panel("Time in queue of each arm", "Should be alike: arms share one queue.", "s",
          quantiles("scanserve_queue_time_seconds", "arm", ARMS, (0.5, 0.95))),
    Panel("Tokens generated by each arm", "A second.", "short",
          ((rate("scanserve_generated_tokens_total", "arm", ARMS), "{{arm}}"),)),
    Panel("Tokens of an answer", "Generated tokens for each request that ended OK.", "short",
          ((f"{rate('scanserve_generated_tokens_total', 'arm', ARMS)} / "
            f"{rate('scanserve_requests_total', 'arm', ARMS + ', code=' + chr(34) + 'OK' + chr(34))}",
            "{{arm}}"),)),
    Panel("Tokens read by each arm", "A second.", "short",
          ((rate("scanserve_prompt_tokens_total", "arm", ARMS), "{{arm}}"),)),
    Panel("Active setting", "The scan setting outside of experiments.", "none",
          ((f"scanserve_active_scan_info{{{BY_ORDER}}}", ""),), "table"),
]

DASHBOARDS = {
    "overview": ("overview", OVERVIEW),
    "latency": ("latency", LATENCY),
    "engine": ("engine", ENGINE),
    "ab": ("A/B", AB),
}
