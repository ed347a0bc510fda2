/* SPDX-License-Identifier: Apache-2.0 */
#include "store/runfile_shape.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

enum { RUN = 1, GATE = 2, BASELINE = 4 };

unsigned runfile_kind(const char *kind)
{
    static const struct {
        const char *name;
        unsigned bit;
    } rows[] = {{"run", RUN}, {"gate", GATE}, {"baseline", BASELINE}};
    for (size_t i = 0; kind && i < sizeof rows / sizeof *rows; i++)
        if (strcmp(rows[i].name, kind) == 0)
            return rows[i].bit;
    return 0;
}

/* ---- texts */

/* Whether `text` is as `form`: h a lower-case hex digit, d a digit, anything else itself. */
static bool has_form(const char *text, const char *form)
{
    for (; *form; form++, text++) {
        unsigned char c = (unsigned char)*text;
        bool fits = *form == 'd' ? isdigit(c) : *form == 'h' ? isdigit(c) || (c >= 'a' && c <= 'f') : c == (unsigned char)*form;
        if (!fits)
            return false;
    }
    return *text == 0;
}

static bool is_uuid(const char *text)
{
    return has_form(text, "hhhhhhhh-hhhh-4hhh-hhhh-hhhhhhhhhhhh") && strchr("89ab", text[19]);
}

static bool is_time(const char *text)
{
    return has_form(text, "dddd-dd-ddTdd:dd:ddZ");
}

static bool is_date(const char *text)
{
    return has_form(text, "dddd-dd-dd") || is_time(text);
}

static bool is_sha256(const char *text)
{
    static const char eight[] = "hhhhhhhh";
    if (strncmp(text, "sha256:", 7) != 0 || strlen(text) != 7 + 64)
        return false;
    for (text += 7; *text; text += 8) {
        char part[9];
        memcpy(part, text, 8);
        part[8] = 0;
        if (!has_form(part, eight))
            return false;
    }
    return true;
}

static bool is_commit(const char *text)
{
    size_t n = strspn(text, "0123456789abcdef");
    return text[n] == 0 && n >= 7 && n <= 64;
}

static bool is_not_empty(const char *text)
{
    return *text != 0;
}

/* ---- rules between fields */

static bool cell_rule(const json_t *cell, struct shape_walk *walk)
{
    const char *id = json_string_value(json_object_get(cell, "id"));
    const char *suite = json_string_value(json_object_get(cell, "suite")), *bench = json_string_value(json_object_get(cell, "bench"));
    size_t ns = strlen(suite), nb = strlen(bench);
    if (strncmp(id, suite, ns) != 0 || id[ns] != '/' || strncmp(id + ns + 1, bench, nb) != 0 || (id[ns + 1 + nb] != 0 && id[ns + 1 + nb] != '/'))
        return shape_fault(walk, "id", "expected to begin with suite and bench");
    size_t n = json_array_size(json_object_get(cell, "runs"));
    bool measured = strcmp(json_string_value(json_object_get(cell, "status")), "ok") == 0;
    if (walk->kind == RUN && (n > 1 || (measured && n == 0)))
        return shape_fault(walk, "runs", "expected exactly one in a file of kind run, found %zu", n);
    return true;
}

static bool runs_rule(const json_t *run, struct shape_walk *walk)
{
    size_t n = json_array_size(json_object_get(run, "samples_ns")), counts = json_array_size(json_object_get(run, "iterations"));
    return n == counts || shape_fault(walk, "iterations", "expected one per generation (%zu), found %zu", n, counts);
}

static bool round_rule(const json_t *round, struct shape_walk *walk)
{
    const json_t *order = json_object_get(round, "order");
    size_t n = json_array_size(order), times = json_array_size(json_object_get(round, "ns"));
    if (n != times)
        return shape_fault(walk, "ns", "expected one per lane of order (%zu), found %zu", n, times);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            if (json_equal(json_array_get(order, i), json_array_get(order, j)))
                return shape_fault(walk, "order", "a lane stands twice");
    return true;
}

static bool verdict_rule(const json_t *verdict, struct shape_walk *walk)
{
    const json_t *low = json_object_get(verdict, "low"), *high = json_object_get(verdict, "high");
    if (json_is_number(low) && json_is_number(high) && json_number_value(low) > json_number_value(high))
        return shape_fault(walk, "low", "expected not above high");
    return true;
}

static bool top_rule(const json_t *top, struct shape_walk *walk)
{
    const json_t *cells = json_object_get(top, "cells");
    json_t *seen = json_object();
    bool ok = seen != NULL;
    for (size_t i = 0; ok && i < json_array_size(cells); i++) {
        const char *id = json_string_value(json_object_get(json_array_get(cells, i), "id"));
        ok = !json_object_get(seen, id) && json_object_set_new(seen, id, json_true()) == 0;
        if (!ok)
            shape_fault(walk, "cells", "[%zu].id: this id stands there twice", i);
    }
    json_decref(seen);
    return ok;
}

/* ---- the tables, from the leaves up; SCHEMA.md in the same order from the top */

#define SHAPE static const struct shape
#define LIST(...) ((const struct shape_field[]){__VA_ARGS__, {0}})
#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

SHAPE text = {.kind = SHAPE_TEXT};
SHAPE text_or_null = {.kind = SHAPE_TEXT, .nullable = true};
SHAPE name = {.kind = SHAPE_TEXT, .text = is_not_empty, .name = "a string that is not empty"};
SHAPE number = {.kind = SHAPE_NUMBER};
SHAPE number_or_null = {.kind = SHAPE_NUMBER, .nullable = true};
SHAPE not_negative = {.kind = SHAPE_NUMBER, .bound = BOUND_NOT_NEGATIVE};
SHAPE not_negative_or_null = {.kind = SHAPE_NUMBER, .bound = BOUND_NOT_NEGATIVE, .nullable = true};
SHAPE time_ns = {.kind = SHAPE_NUMBER, .bound = BOUND_POSITIVE};
SHAPE times_ns = {.kind = SHAPE_LIST, .of = &time_ns};
SHAPE integer = {.kind = SHAPE_INTEGER};
SHAPE count = {.kind = SHAPE_INTEGER, .bound = BOUND_NOT_NEGATIVE};
SHAPE boolean = {.kind = SHAPE_BOOL};
SHAPE boolean_or_null = {.kind = SHAPE_BOOL, .nullable = true};
SHAPE scalar = {.kind = SHAPE_SCALAR};
SHAPE scalars = {.kind = SHAPE_MAP, .of = &scalar};
SHAPE texts = {.kind = SHAPE_LIST, .of = &text};
SHAPE uuid = {.kind = SHAPE_TEXT, .text = is_uuid, .name = "a UUID version 4"};
SHAPE date_time = {.kind = SHAPE_TEXT, .text = is_time, .name = "a time like 2026-11-23T02:38:35Z"};
SHAPE date = {.kind = SHAPE_TEXT, .text = is_date, .name = "a date like 2026-11-23"};
SHAPE sha256 = {.kind = SHAPE_TEXT, .text = is_sha256, .name = "sha256: and 64 hex digits"};
SHAPE commit_or_null = {.kind = SHAPE_TEXT, .text = is_commit, .name = "a commit's hex digits", .nullable = true};

SHAPE kind = {.kind = SHAPE_TEXT, .words = WORDS("run", "gate", "baseline"), .name = "run, gate or baseline"};
SHAPE status = {.kind = SHAPE_TEXT, .words = WORDS("ok", "skipped", "failed", "unfit", "not selected"), .name = "a status"};
SHAPE mode = {.kind = SHAPE_TEXT, .words = WORDS("paired", "stored", "both", "first run"), .name = "a mode of the gate"};
SHAPE lane = {.kind = SHAPE_TEXT, .words = WORDS("base", "base2", "head"), .name = "base, base2 or head"};
SHAPE lanes = {.kind = SHAPE_LIST, .of = &lane};
SHAPE against = {.kind = SHAPE_TEXT, .words = WORDS("paired", "stored", "anchor", "target"), .name = "paired, stored, anchor or target"};
SHAPE verdict_word = {.kind = SHAPE_TEXT, .words = WORDS("regression", "pass", "improved", "inconclusive", "unfit", "not_comparable", "missing", "new", "failed"), .name = "a verdict"};

SHAPE git = {.kind = SHAPE_RECORD, .fields = LIST({"commit", &commit_or_null, 0}, {"dirty", &boolean, 0})};
SHAPE hardware = {.kind = SHAPE_RECORD, .fields = LIST({"key", &name, 0}, {"gpu_key", &text_or_null, 0}, {"fields", &scalars, 0})};
SHAPE fitness = {.kind = SHAPE_RECORD, .fields = LIST({"fit", &boolean, 0}, {"reasons", &texts, 0})};

SHAPE generations_ns = {.kind = SHAPE_LIST, .of = &times_ns};
SHAPE counts = {.kind = SHAPE_LIST, .of = &count};
SHAPE cell_run = {.kind = SHAPE_RECORD, .fields = LIST({"run_id", &uuid, 0}, {"iterations", &counts, 0}, {"samples_ns", &generations_ns, 0}), .rule = runs_rule};
SHAPE cell_runs = {.kind = SHAPE_LIST, .of = &cell_run};
SHAPE summary = {.kind = SHAPE_RECORD, .nullable = true, .fields = LIST({"median", &not_negative, 0}, {"mad", &not_negative, 0}, {"p50", &not_negative, 0},
    {"p95", &not_negative, 0}, {"p99", &not_negative, 0}, {"min", &not_negative, 0}, {"max", &not_negative, 0})};
SHAPE metric_value = {.kind = SHAPE_RECORD, .fields = LIST({"value", &number, 0}, {"unit", &text, 0})};
SHAPE numbers = {.kind = SHAPE_LIST, .of = &number};
SHAPE metric_series = {.kind = SHAPE_RECORD, .fields = LIST({"series", &numbers, 0}, {"value", &number, 0}, {"unit", &text, 0})};
SHAPE metric_absent = {.kind = SHAPE_RECORD, .fields = LIST({"absent", &text, 0})};
SHAPE metric = {.kind = SHAPE_EITHER, .either = (const struct shape *const[]){&metric_series, &metric_value, &metric_absent, NULL}, .name = "{value, unit}, {value, unit, series} or {absent}"};
SHAPE metrics = {.kind = SHAPE_MAP, .of = &metric};
SHAPE work = {.kind = SHAPE_RECORD, .nullable = true, .fields = LIST({"ops", &not_negative_or_null, 0}, {"bytes", &not_negative_or_null, 0}, {"items", &not_negative_or_null, 0})};
SHAPE builds = {.kind = SHAPE_RECORD, .fields = LIST({"base", &sha256, 0}, {"base2", &sha256, 0}, {"head", &sha256, 0})};
SHAPE round_of_lanes = {.kind = SHAPE_RECORD, .fields = LIST({"generation", &count, 0}, {"round", &count, 0}, {"order", &lanes, 0}, {"ns", &times_ns, 0}), .rule = round_rule};
SHAPE rounds = {.kind = SHAPE_LIST, .of = &round_of_lanes};
SHAPE paired = {.kind = SHAPE_RECORD, .nullable = true, .fields = LIST({"builds", &builds, 0}, {"rounds", &rounds, 0})};
SHAPE verdict = {.kind = SHAPE_RECORD, .fields = LIST({"metric", &name, 0}, {"against", &against, 0}, {"verdict", &verdict_word, 0}, {"ratio", &number_or_null, 0},
    {"low", &number_or_null, 0}, {"high", &number_or_null, 0}, {"tolerance", &not_negative, 0}, {"smallest_visible", &number_or_null, 0},
    {"rounds", &count, 0}, {"generations", &count, 0}, {"reason", &text_or_null, 0}, {"differs", &texts, 0}), .rule = verdict_rule};
SHAPE gates = {.kind = SHAPE_MAP, .optional = true, .of = &not_negative};
SHAPE verdicts = {.kind = SHAPE_LIST, .of = &verdict};
SHAPE cell = {.kind = SHAPE_RECORD, .fields = LIST({"id", &name, 0}, {"suite", &name, 0}, {"bench", &name, 0}, {"params", &scalars, 0}, {"workload_hash", &sha256, 0},
    {"status", &status, 0}, {"reason", &text_or_null, 0}, {"backend", &text_or_null, 0}, {"runs", &cell_runs, 0}, {"summary", &summary, 0},
    {"metrics", &metrics, 0}, {"work", &work, 0}, {"tolerance", &not_negative, 0}, {"tags", &texts, 0}, {"compiled", &boolean_or_null, 0},
    {"gates", &gates, 0}, {"paired", &paired, 0}, {"verdicts", &verdicts, 0}), .rule = cell_rule};
SHAPE cells = {.kind = SHAPE_LIST, .of = &cell};

SHAPE anchor = {.kind = SHAPE_RECORD, .fields = LIST({"run_id", &uuid, 0}, {"commit", &commit_or_null, 0}, {"date", &date, 0})};
SHAPE accepted_row = {.kind = SHAPE_RECORD, .fields = LIST({"cell", &name, 0}, {"metric", &name, 0}, {"reason", &name, 0}, {"who", &text, 0}, {"when", &date, 0}, {"commit", &commit_or_null, 0})};
SHAPE accepted = {.kind = SHAPE_LIST, .of = &accepted_row};
SHAPE renames = {.kind = SHAPE_MAP, .of = &name};
SHAPE gate = {.kind = SHAPE_RECORD, .fields = LIST({"base", &text_or_null, 0}, {"head", &text, 0}, {"tolerance", &not_negative, 0}, {"mode", &mode, 0}, {"strict", &boolean, 0}, {"notes", &texts, 0})};

const struct shape runfile_top = {.kind = SHAPE_RECORD, .fields = LIST({"schema", &integer, 0}, {"kind", &kind, 0}, {"complete", &boolean, 0}, {"ternmark", &name, 0},
    {"run_id", &uuid, 0}, {"started_at", &date_time, 0}, {"git", &git, 0}, {"hardware", &hardware, 0}, {"environment", &scalars, 0}, {"fitness", &fitness, 0},
    {"exit", &integer, 0}, {"cells", &cells, 0}, {"anchor", &anchor, BASELINE}, {"accepted", &accepted, BASELINE}, {"renames", &renames, BASELINE},
    {"gate", &gate, GATE}, {"checksum", &sha256, 0}), .rule = top_rule};
