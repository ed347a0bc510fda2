/* SPDX-License-Identifier: Apache-2.0 */
#include "history/foreign.h"

#include "hash.h"
#include "history/made.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct unit {
    const char *name;
    double ns;
};

static const struct unit units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};

/* One measured thing while its repetitions are gathered. */
struct gathered {
    json_t *by_id;  /* id: {params, samples, iterations} */
    const struct foreign_about *about;
    struct fault *fault;
};

static bool wrong(const struct gathered *g, size_t i, const char *expected)
{
    return fault_set(g->fault, EXIT_CODE_INVALID, "%s: entry %zu: expected %s", g->about->name, i, expected);
}

/* One sample of a cell, its cell made when new. `params` is taken. */
static bool add_sample(struct gathered *g, const char *id, json_t *params, double ns, int64_t iterations)
{
    json_t *cell = json_object_get(g->by_id, id);
    if (!cell) {
        cell = json_pack("{s:o, s:[], s:I}", "params", params, "samples", "iterations", (json_int_t)(iterations > 0 ? iterations : 1));
        if (!cell || json_object_set_new(g->by_id, id, cell) != 0)
            return fault_set(g->fault, EXIT_CODE_USAGE, "%s: no memory", g->about->name);
    } else
        json_decref(params);
    return json_array_append_new(json_object_get(cell, "samples"), json_real(ns)) == 0;
}

static double unit_of(const char *name)
{
    for (size_t i = 0; name && i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].name, name) == 0)
            return units[i].ns;
    return NAN;
}

/* Aggregates (mean, median, …) repeat what the repetitions say; entries with an error hold no time. */
static bool gather_google(struct gathered *g, const json_t *benchmarks)
{
    size_t i;
    const json_t *b;
    json_array_foreach(benchmarks, i, b) {
        const char *type = json_string_value(json_object_get(b, "run_type")), *name = json_string_value(json_object_get(b, "run_name"));
        if ((type && strcmp(type, "iteration") != 0) || json_is_true(json_object_get(b, "error_occurred")))
            continue;
        if (!name)
            name = json_string_value(json_object_get(b, "name"));
        double time = json_number_value(json_object_get(b, "real_time")), unit = unit_of(json_string_value(json_object_get(b, "time_unit")));
        if (!name || !(time > 0) || !isfinite(time * unit))
            return wrong(g, i, "name, real_time above 0 and time_unit ns, us, ms or s");
        char id[1024];
        snprintf(id, sizeof id, "google-benchmark/%s", name);
        if (!add_sample(g, id, json_object(), time * unit, json_integer_value(json_object_get(b, "iterations"))))
            return false;
    }
    return true;
}

static bool gather_times(struct gathered *g, size_t i, const char *id, const json_t *result)
{
    const json_t *times = json_object_get(result, "times"), *time, *parameters = json_object_get(result, "parameters");
    size_t k;
    if (!json_is_array(times) || json_array_size(times) == 0)
        return wrong(g, i, "times, a list of seconds");
    json_array_foreach(times, k, time) {
        json_t *params = json_is_object(parameters) ? json_deep_copy(parameters) : json_object();
        if (!(json_number_value(time) > 0)) {
            json_decref(params);
            return wrong(g, i, "times above 0");
        }
        if (!add_sample(g, id, params, json_number_value(time) * 1e9, 1))
            return false;
    }
    return true;
}

static bool gather_hyperfine(struct gathered *g, const json_t *results)
{
    size_t i;
    const json_t *r;
    json_array_foreach(results, i, r) {
        const char *command = json_string_value(json_object_get(r, "command"));
        char id[1024];
        if (!command)
            return wrong(g, i, "command, a text");
        snprintf(id, sizeof id, "hyperfine/%s", command);
        if (!gather_times(g, i, id, r))
            return false;
    }
    return true;
}

struct form {
    const char *list, *beside, *suite;  /* the key of the list, another key that tells the form apart or NULL */
    bool (*gather)(struct gathered *, const json_t *);
};

static const struct form forms[] = {
    {"benchmarks", "context", "google-benchmark", gather_google},
    {"results", NULL, "hyperfine", gather_hyperfine},
};

static const struct form *form_of(const json_t *file)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (json_is_array(json_object_get(file, forms[i].list)) && (!forms[i].beside || json_object_get(file, forms[i].beside)))
            return &forms[i];
    return NULL;
}

bool foreign_is_known(const json_t *file)
{
    return form_of(file) != NULL;
}

/* A version 4 UUID in form, made from the content. */
static void uuid_of(const struct foreign_about *about, char uuid[40])
{
    char hex[HASH_HEX];
    hash_sha256(about->text, about->n, hex);
    snprintf(uuid, 40, "%.8s-%.4s-4%.3s-a%.3s-%.12s", hex, hex + 8, hex + 12, hex + 15, hex + 18);
}

/* "2026-11-23T02:38:35Z" of google-benchmark's context.date (with a zone, "+01:00"), or of the file. */
static void date_of(const json_t *file, const struct foreign_about *about, char date[32])
{
    const char *text = json_string_value(json_object_get(json_object_get(file, "context"), "date"));
    struct tm tm = {0};
    time_t seconds = (time_t)about->modified;
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (rest) {
        int hours = 0, minutes = 0;
        char sign = '+';
        sscanf(rest, "%c%2d:%2d", &sign, &hours, &minutes);
        seconds = timegm(&tm) - (sign == '-' ? -60 : 60) * (60 * hours + minutes);
    }
    strftime(date, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
}

/* A key of the host that google-benchmark names, else of nothing: such files are one machine, "imported". */
static void hardware_of(const json_t *file, const struct foreign_about *about, char key[96])
{
    const json_t *context = json_object_get(file, "context");
    const char *host = json_string_value(json_object_get(context, "host_name"));
    char text[512], hex[HASH_HEX];
    if (about->hardware) {
        snprintf(key, 96, "%s", about->hardware);
        return;
    }
    snprintf(text, sizeof text, "%s/%lld/%lld", host ? host : "", (long long)json_integer_value(json_object_get(context, "num_cpus")),
             (long long)json_integer_value(json_object_get(context, "mhz_per_cpu")));
    hash_sha256(text, strlen(text), hex);
    snprintf(key, 96, "imported-%.8s", hex);
}

static json_t *cells_of(const struct form *form, const char *uuid, json_t *by_id)
{
    json_t *cells = json_array(), *gathered;
    const char *id;
    json_object_foreach(by_id, id, gathered) if (json_array_append_new(cells, made_cell(form->suite, uuid, id, json_object_get(gathered, "params"), json_integer_value(json_object_get(gathered, "iterations")), json_object_get(gathered, "samples"))) != 0)
    {
        json_decref(cells);
        return NULL;
    }
    return cells;
}

json_t *foreign_convert(const json_t *file, const struct foreign_about *about, struct fault *fault)
{
    const struct form *form = form_of(file);
    struct gathered g = {json_object(), about, fault};
    char uuid[40], date[32], key[96];
    json_t *run = NULL;
    if (form->gather(&g, json_object_get(file, form->list))) {
        uuid_of(about, uuid);
        date_of(file, about, date);
        hardware_of(file, about, key);
        run = made_run(uuid, date, about->commit, key, form->suite, cells_of(form, uuid, g.by_id));
        if (!run)
            fault_set(fault, EXIT_CODE_USAGE, "%s: can't be made a result (a commit is 7 to 64 hex digits; names are UTF-8)", about->name);
    }
    json_decref(g.by_id);
    return run;
}
