/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/derived.h"

#include "probe/counters.h"
#include "probe/cpuinfo.h"
#include "stats/summary.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static double number_of(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static void add(json_t *metrics, const char *name, double value, const char *unit)
{
    if (isfinite(value))
        json_object_set_new(metrics, name, json_pack("{s:f,s:s}", "value", value, "unit", unit));
}

static void add_absent(json_t *metrics, const char *name, const char *why)
{
    json_object_set_new(metrics, name, json_pack("{s:s}", "absent", why));
}

/* Mean, sum and largest of a generation's field; false where one generation lacks it. */
struct folded {
    double mean, sum, most;
};

static bool fold(const json_t *generations, const char *field, struct folded *folded)
{
    size_t i, n = json_array_size(generations);
    json_t *g;
    *folded = (struct folded){.most = -INFINITY};
    json_array_foreach(generations, i, g) {
        const json_t *value = json_object_get(g, field);
        if (!json_is_number(value))
            return false;
        folded->sum += json_number_value(value);
        folded->most = fmax(folded->most, json_number_value(value));
    }
    folded->mean = folded->sum / (double)(n ? n : 1);
    return n > 0;
}

static const char *reason_of(const json_t *generations, const char *field, const char *otherwise)
{
    const char *why = json_string_value(json_object_get(json_array_get(generations, 0), field));
    return why ? why : otherwise;
}

/* ---- what the machine was read for */

static void add_rates(json_t *metrics, const json_t *generations)
{
    double counts[COUNTERS], rates[COUNTER_RATES];
    char vendor[64];
    for (int c = 0; c < COUNTERS; c++) {
        size_t i;
        json_t *g;
        counts[c] = 0;
        json_array_foreach(generations, i, g) {
            const json_t *value = json_object_get(json_object_get(g, "counters"), counter_names[c]);
            counts[c] = value && counts[c] >= 0 ? counts[c] + json_number_value(value) : -1;
        }
    }
    counters_rates(counts, strcmp(cpuinfo_value("vendor_id", vendor, sizeof vendor), "AuthenticAMD") == 0, rates);
    for (int r = 0; r < COUNTER_RATES; r++) {
        if (rates[r] >= 0)
            add(metrics, counter_rate_names[r], rates[r], r == RATE_instructions_per_cycle ? "per cycle" : "of all");
        else
            add_absent(metrics, counter_rate_names[r], reason_of(generations, "counters_absent", "the processor does not count what it needs"));
    }
}

static void add_readings(json_t *metrics, const json_t *generations)
{
    static const struct {
        const char *name, *field, *absent, *unit;
        size_t part; /* of struct folded */
    } rows[] = {
        {"energy", "energy_j", "energy_absent", "J", offsetof(struct folded, mean)},
        {"power", "power_w", "energy_absent", "W", offsetof(struct folded, mean)},
        {"temperature", "temperature_c", "temperature_absent", "°C", offsetof(struct folded, most)},
        {"throttles", "throttles", "throttles_absent", "per run", offsetof(struct folded, sum)},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct folded folded;
        if (fold(generations, rows[i].field, &folded))
            add(metrics, rows[i].name, *(const double *)((const char *)&folded + rows[i].part), rows[i].unit);
        else
            add_absent(metrics, rows[i].name, reason_of(generations, rows[i].absent, "it could not be read"));
    }
}

/* Of cells that ran on the card, and of no others. */
static void add_card(json_t *metrics, const json_t *generations)
{
    static const struct {
        const char *name, *unit;
        size_t part; /* of struct folded */
    } rows[] = {
#define GPU_READING(value, metric, unit, fold, sentence) {metric, unit, offsetof(struct folded, fold)},
#include "probe/gpu.def"
#undef GPU_READING
        {"gpu_throttled", "samples per run", offsetof(struct folded, sum)},
    };
    const json_t *first = json_array_get(generations, 0);
    const char *backend = json_string_value(json_object_get(first, "backend"));
    if (!backend || strcmp(backend, "cuda") != 0)
        return;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct folded folded;
        char absent[64];
        snprintf(absent, sizeof absent, "%s_absent", rows[i].name);
        if (fold(generations, rows[i].name, &folded))
            add(metrics, rows[i].name, *(const double *)((const char *)&folded + rows[i].part), rows[i].unit);
        else
            add_absent(metrics, rows[i].name, reason_of(generations, absent, reason_of(generations, "gpu_absent", "the card was not read")));
    }
}

/* ---- work for what it costs */

static bool work_of(const json_t *cell, double *work, const char **unit)
{
    static const struct {
        const char *key, *unit;
    } rows[] = {{"ops", "op"}, {"bytes", "B"}, {"items", "items"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        *work = number_of(json_object_get(cell, "work"), rows[i].key);
        *unit = rows[i].unit;
        if (*work > 0)
            return true;
    }
    return false;
}

/* Of cells on the card: energy of an iteration, board power while the cell ran times its median; absent with power's reason. */
static void add_card_energy(json_t *metrics, const json_t *cell)
{
    const json_t *power = json_object_get(metrics, "gpu_power"), *why = json_object_get(power, "absent");
    if (json_is_number(json_object_get(power, "value")))
        add(metrics, "gpu_energy", number_of(power, "value") * number_of(json_object_get(cell, "summary"), "median") * 1e-9, "J");
    else if (why)
        add_absent(metrics, "gpu_energy", json_string_value(why));
}

/* Absent where the cell says what its work is and the divisor could not be read; nothing where it says no work. */
static void add_work(json_t *metrics, const json_t *cell)
{
    double work, median = number_of(json_object_get(cell, "summary"), "median");
    const char *unit;
    if (!work_of(cell, &work, &unit) || median <= 0)
        return;
    double cpu_ns = number_of(json_object_get(metrics, "cpu"), "value"), peak = number_of(json_object_get(metrics, "memory"), "value");
    const json_t *card = json_object_get(metrics, "gpu_energy"), *energy = card ? card : json_object_get(metrics, "energy");
    char text[32];
    if (cpu_ns > 0) {
        snprintf(text, sizeof text, "%s/s per core", unit);
        add(metrics, "work_per_core", work / cpu_ns * 1e9, text);
    }
    if (peak > 0) {
        snprintf(text, sizeof text, "%s/s per byte", unit);
        add(metrics, "work_per_memory", work / median * 1e9 / peak, text);
    }
    snprintf(text, sizeof text, "%s/J", unit);
    if (number_of(energy, "value") > 0)
        add(metrics, "work_per_watt", work / number_of(energy, "value"), text);
    else
        add_absent(metrics, "work_per_watt", json_object_get(energy, "absent") ? json_string_value(json_object_get(energy, "absent")) : "no energy was seen in so short a time");
}

static void add_variation(json_t *metrics, const json_t *generations)
{
    double n = 0, mean = 0, squares = 0; /* Welford 1962 */
    size_t i, k;
    json_t *g, *value;
    json_array_foreach(generations, i, g)
        json_array_foreach(json_object_get(g, "samples_ns"), k, value) {
            double x = json_number_value(value), off = x - mean;
            mean += off / ++n;
            squares += off * (x - mean);
        }
    if (n > 1 && mean > 0)
        add(metrics, "variation", sqrt(squares / (n - 1)) / mean, "of the mean");
}

/* ---- what a bench observed */

/* The unit that a name ends in: held_bytes, waited_ns, fragmentation_share. */
static const char *unit_of(const char *name)
{
    static const struct {
        const char *end, *unit;
    } rows[] = {{"_bytes", "bytes"}, {"_ns", "ns"}, {"_share", "of all"}, {"_j", "J"}, {"_w", "W"}};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        size_t m = strlen(rows[i].end);
        if (n > m && strcmp(name + n - m, rows[i].end) == 0)
            return rows[i].unit;
    }
    return "";
}

static void add_series(json_t *metrics, const json_t *generations)
{
    const char *name;
    json_t *first, *g;
    json_object_foreach(json_object_get(json_array_get(generations, 0), "series"), name, first)
    {
        json_t *all = json_array();
        double sum = 0;
        size_t i, n = json_array_size(generations);
        json_array_foreach(generations, i, g) {
            json_t *list = json_object_get(json_object_get(g, "series"), name);
            json_array_extend(all, list);
            sum += json_array_size(list) ? json_number_value(json_array_get(list, json_array_size(list) - 1)) : 0;
        }
        if (json_object_get(metrics, name)) /* the harness's own name */
            json_decref(all);
        else
            json_object_set_new(metrics, name, json_pack("{s:f,s:s,s:o}", "value", sum / (double)n, "unit", unit_of(name), "series", all));
    }
}

void derived_add(json_t *cell, const json_t *generations)
{
    json_t *metrics = json_object_get(cell, "metrics");
    if (json_array_size(generations) == 0)
        return;
    add_rates(metrics, generations);
    add_readings(metrics, generations);
    add_card(metrics, generations);
    add_card_energy(metrics, cell);
    add_work(metrics, cell);
    add_variation(metrics, generations);
    add_series(metrics, generations);
}

/* ---- shares of ceilings */

/* The suite of the machine's ceilings, and that of the card's. */
static bool is_roofline(const json_t *cell)
{
    const char *suite = json_string_value(json_object_get(cell, "suite"));
    return strcmp(suite, "roofline") == 0 || strcmp(suite, "gpu_roofline") == 0;
}

/* Work of a kind per ns at the median; 0 where it is not known. */
static double rate_of(const json_t *cell, const char *kind)
{
    double median = number_of(json_object_get(cell, "summary"), "median");
    return median > 0 ? number_of(json_object_get(cell, "work"), kind) / median : 0;
}

/* The highest rate of cells of the roofline suite whose parameter `axis` is `value`. */
static double ceiling(const json_t *cells, const char *kind, const char *axis, const char *value)
{
    double most = 0;
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        const char *mine = json_string_value(json_object_get(json_object_get(cell, "params"), axis));
        if (is_roofline(cell) && mine && value && strcmp(mine, value) == 0)
            most = fmax(most, rate_of(cell, kind));
    }
    return most;
}

static void add_share(json_t *cell, const char *name, double rate, double roof, const char *unit)
{
    json_t *metrics = json_object_get(cell, "metrics");
    if (rate > 0 && roof > 0)
        add(metrics, name, rate / roof, unit);
    else if (rate > 0)
        add_absent(metrics, name, "its ceiling is not in this run (suite roofline, on a card gpu_roofline)");
}

/* Cells that only move bytes go over the link to the card, not through its memory. */
static void add_card_shares(json_t *cell, double peak, double memory)
{
    if (rate_of(cell, "ops") <= 0)
        return;
    add_share(cell, "peak_share", rate_of(cell, "ops"), peak, "of the card's int8 peak");
    add_share(cell, "bandwidth_share", rate_of(cell, "bytes"), memory, "of the card's memory's");
}

void derived_shares(json_t *cells)
{
    double memory = ceiling(cells, "bytes", "level", "dram"), card_peak = ceiling(cells, "ops", "what", "int8"), card_memory = ceiling(cells, "bytes", "what", "read");
    size_t i;
    json_t *cell;
    json_array_foreach(cells, i, cell) {
        const char *backend = json_string_value(json_object_get(cell, "backend"));
        if (is_roofline(cell) || !backend)
            continue;
        if (strcmp(backend, "cuda") == 0) {
            add_card_shares(cell, card_peak, card_memory);
            continue;
        }
        add_share(cell, "peak_share", rate_of(cell, "ops"), ceiling(cells, "ops", "backend", backend), "of the peak");
        add_share(cell, "bandwidth_share", rate_of(cell, "bytes"), memory, "of the memory's");
    }
}
