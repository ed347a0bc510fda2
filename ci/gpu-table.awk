# SPDX-License-Identifier: Apache-2.0
# Prints what ci/gpu-check measured, from the run's OpenMetrics file (readings of the card) and then its CSV (times): ratios to the rivals
# and per cents of the ceilings of the same run.
# Usage: awk -F, -f ci/gpu-table.awk gpu.txt gpu.csv

BEGIN { OVERLAP_READS = 80 }  # how often the kernel beside a copy reads as much (engine/cuda/stretch.c)

function field(id, name,   s) { if (!match(id, "/" name "=[^/\"]*")) return ""; return substr(id, RSTART + length(name) + 2, RLENGTH - length(name) - 2) }
function label(line, name,   s) { if (!match(line, name "=\"[^\"]*\"")) return ""; return substr(line, RSTART + length(name) + 2, RLENGTH - length(name) - 3) }
function show(ns) { return ns ? sprintf("%9.2f", ns / 1e3) : "        -" }
function ratio(theirs, ours) { return theirs && ours ? sprintf("%6.2f", theirs / ours) : "     -" }
function share(part, whole) { return whole ? sprintf("%6.1f", 100 * part / whole) : "     -" }
function mean(suite, metric, times) { return n[suite, metric] ? sprintf("%.0f", times * sum[suite, metric] / n[suite, metric]) : "-" }
function count(group, value) { logs[group] += log(value); counts[group]++; if (!(group in least) || value < least[group]) least[group] = value }

# ---- readings: per suite, means and the highest; not of models so small that they are all launches
/^ternmark_metric\{/ && /metric="gpu_/ && !/model=tiny\// {
  suite = label($0, "suite"); metric = label($0, "metric"); value = $NF; sub(/.*\} /, "", value); suites[suite] = 1
  sum[suite, metric] += value; n[suite, metric]++
  if (value + 0 > most[suite, metric] + 0) most[suite, metric] = value
}

# ---- times
$4 == "\"ok\"" { id = $1; sub(/"$/, "", id) }
$4 == "\"ok\"" && $2 == "\"gpu_roofline\"" { ceiling[field(id, "what")] = $6 }
$4 == "\"ok\"" && $2 == "\"gpu_bitlinear\"" {
  key = field(id, "state") " " field(id, "shape") " " field(id, "batch")
  if (!(key in seen)) { seen[key] = 1; order[++rows] = key }
  time[key, field(id, "by")] = $6
}
$4 == "\"ok\"" && $2 == "\"gpu_decode\"" { passes[++n_passes] = sprintf("decode  %s %s context %5s, %2d sequences: %9.1f us, %8.0f tokens/s", field(id, "model"), field(id, "cache"), field(id, "context"), field(id, "sequences"), $6 / 1e3, field(id, "sequences") * 1e9 / $6) }
$4 == "\"ok\"" && $2 == "\"gpu_prefill\"" { passes[++n_passes] = sprintf("prefill %s %s tokens  %5s: %9.1f us, %8.0f tokens/s", field(id, "model"), field(id, "cache"), field(id, "tokens"), $6 / 1e3, field(id, "tokens") * 1e9 / $6) }
$4 == "\"ok\"" && $2 == "\"gpu_transfer\"" && field(id, "bytes") == 268435456 { link[field(id, "kind") (field(id, "pinned") == 1 ? " pinned" : " pageable")] = 268435456 / $6 * (field(id, "kind") == "both" ? 2 : 1) }

# "most": how often faster than w2a8 a product could be that reads its weights at the read ceiling, after an empty launch
function print_row(key,   part, size, ours, bytes, ops, by, floor, group) {
  split(key, part, " "); split(part[2], size, "x"); ours = time[key, "ternary"]
  if (!ours) return
  bytes = size[1] * size[2] / 4; ops = 2 * size[1] * size[2] * part[3]
  floor = part[1] == "cold" && part[3] == 1 && read ? bytes / read + ceiling["launch"] : 0
  printf "%-5s %-12s %5d %s %s %s %s | %s %s %s %s | %s %s\n", part[1], part[2], part[3], show(ours), show(time[key, "int8"]), show(time[key, "bf16"]), show(time[key, "w2a8"]),
    ratio(time[key, "int8"], ours), ratio(time[key, "bf16"], ours), ratio(time[key, "w2a8"], ours), ratio(time[key, "w2a8"], floor), share(bytes / ours, read), share(ops / ours / 1e3, int8)
  if (part[1] != "cold") return
  by = part[3] == 1 ? "w2a8" : "int8"
  group = part[3] == 1 ? "batch 1 against w2a8" : part[3] <= 32 ? "batch 8-32 against int8" : part[3] <= 128 ? "batch 64-128 against int8" : "batch 512 and more against int8"
  if (time[key, by] && (part[3] == 1 || part[2] ~ /^(13824x2560|20480x3200|8192x8192)$/)) count(group, time[key, by] / ours)
  if (floor && time[key, "w2a8"]) count("batch 1, the most that this card allows against w2a8", time[key, "w2a8"] / floor)
}

# A copy up beside a kernel against the slower of the two alone; `alone`: the same copy by itself.
function print_overlap(memory, alone,   both, reading, copying) {
  both = link["overlap " memory]
  if (!both || !link[alone] || !read) return
  reading = OVERLAP_READS * 268435456 / read; copying = 268435456 / link[alone]
  printf "overlap, 256 MiB %s beside a kernel: %.1f %% of the slower alone (copy %.2f ms, kernel %.2f ms, both %.2f ms)\n", alone,
    100 * (reading > copying ? reading : copying) * both / 268435456, copying / 1e6, reading / 1e6, 268.435456 / both
}

END {
  read = ceiling["read"] ? 2147483648 / ceiling["read"] : 0; int8 = ceiling["int8"] ? 2 * 8192 ^ 3 / ceiling["int8"] / 1e3 : 0
  printf "ceilings: read %.0f GB/s, copy %.0f GB/s, cuBLAS int8 %.0f Tops, bf16 %.0f Tops, empty launch %.2f us\n", read, ceiling["copy"] ? 2 * 2147483648 / ceiling["copy"] : 0, int8,
    ceiling["bf16"] ? 2 * 8192 ^ 3 / ceiling["bf16"] / 1e3 : 0, ceiling["launch"] / 1e3
  printf "%-5s %-12s %5s %9s %9s %9s %9s | %6s %6s %6s %6s | %6s %6s\n", "state", "N x K", "batch", "ternary", "int8 us", "bf16 us", "w2a8 us", "/int8", "/bf16", "/w2a8", "most", "%read", "%int8"
  for (i = 1; i <= rows; i++) print_row(order[i])
  for (group in counts) printf "geometric mean, %s: %.2f (least %.2f, %d cells)\n", group, exp(logs[group] / counts[group]), least[group], counts[group]
  for (i = 1; i <= n_passes; i++) print passes[i]
  for (kind in link) printf "link, 256 MiB, %-14s: %5.1f GB/s\n", kind, link[kind]
  print_overlap("pinned", "up pinned")
  print_overlap("pageable", "staged pageable")
  for (suite in suites)
    printf "%-14s busy %s %%, memory %s %%, power %s W, up to %.0f W and %2.0f C, clock %s MHz, %d samples dropped at a throttled clock\n", suite, mean(suite, "gpu_utilisation", 100),
      mean(suite, "gpu_memory_utilisation", 100), mean(suite, "gpu_power", 1), most[suite, "gpu_power"], most[suite, "gpu_temperature"], mean(suite, "gpu_clock", 1), sum[suite, "gpu_throttled"]
}
