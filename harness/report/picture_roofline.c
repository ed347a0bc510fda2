/* SPDX-License-Identifier: Apache-2.0
 *
 * Rooflines: ceilings are cells of the suite `roofline` (those with operations are arithmetic peaks, those with bytes only are
 * bandwidths), marks are all other cells that state both operations and bytes. Of cells that differ in threads, prefetch or loop alone the
 * best is the ceiling; how many threads it took is said, since cells of more may lie above it.
 * Source: Williams, Waterman, Patterson, "Roofline", CACM 52(4), 2009.
 */
#include "report/picture.h"
#include "report/view.h"
#include "units.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CEILINGS = 10, LABEL = 64 };

struct ceiling {
    char name[LABEL];
    double rate;
    int threads; /* 0: not stated */
};

struct roof {
    struct ceiling rows[2][CEILINGS]; /* bandwidth, arithmetic; highest first once sorted */
    size_t n[2];
};

static int by_rate(const void *left, const void *right)
{
    double a = ((const struct ceiling *)left)->rate, b = ((const struct ceiling *)right)->rate;
    return (a < b) - (a > b);
}

static void add_ceiling(struct roof *roof, int kind, const struct ceiling *found)
{
    struct ceiling *rows = roof->rows[kind];
    size_t at = 0;
    while (at < roof->n[kind] && strcmp(rows[at].name, found->name) != 0)
        at++;
    if (at == CEILINGS)
        return;
    bool is_new = at == roof->n[kind];
    roof->n[kind] += is_new;
    if (is_new || found->rate > rows[at].rate)
        rows[at] = *found;
}

/* What a ceiling is of: the value of the axis that names a level or an instruction set. */
static void name_ceiling(const json_t *cell, char name[LABEL])
{
    static const char *const axes[] = {"level", "what", "backend", "isa", "from"};
    const json_t *params = json_object_get(cell, "params");
    for (size_t i = 0; i < sizeof axes / sizeof *axes; i++)
        if (*view_text(params, axes[i])) {
            snprintf(name, LABEL, "%s%s%s", strcmp(axes[i], "from") == 0 ? view_text(cell, "bench") : "", strcmp(axes[i], "from") == 0 ? " " : "", view_text(params, axes[i]));
            return;
        }
    const char *id = view_text(cell, "id"), *rest = strchr(id, '/');
    snprintf(name, LABEL, "%s", rest ? rest + 1 : id);
}

/* GPU cells have ceilings of their own: whether a cell ran on one. */
static bool on_gpu(const json_t *cell)
{
    return strstr(view_text(cell, "suite"), "gpu") || strcmp(view_text(cell, "backend"), "cuda") == 0;
}

static void collect_ceilings(struct roof *roof, const json_t *run, bool gpu)
{
    const json_t *cells = json_object_get(run, "cells");
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i), *work = json_object_get(cell, "work");
        double median = view_number(json_object_get(cell, "summary"), "median", 0), ops = view_number(work, "ops", 0), bytes = view_number(work, "bytes", 0);
        if (!strstr(view_text(cell, "suite"), "roofline") || on_gpu(cell) != gpu || median <= 0 || fmax(ops, bytes) <= 0)
            continue;
        struct ceiling found = {.rate = (ops > 0 ? ops : bytes) / median, /* per ns: giga per second */
                                .threads = (int)view_number(json_object_get(cell, "params"), "threads", 0)};
        name_ceiling(cell, found.name);
        add_ceiling(roof, ops > 0, &found);
    }
    for (int kind = 0; kind < 2; kind++) {
        qsort(roof->rows[kind], roof->n[kind], sizeof *roof->rows[kind], by_rate);
        while (roof->n[kind] && roof->rows[kind][roof->n[kind] - 1].rate < 1e-3 * roof->rows[kind][0].rate)
            roof->n[kind]--; /* an empty launch or the like: no roof */
    }
}

/* Rows: operations per byte, Gop/s, backend's number, cell. Returns how many; the names of backends go to `backends`. */
static size_t print_marks(struct picture_job *job, const json_t *run, bool gpu, json_t *backends, double range[4])
{
    const json_t *cells = json_object_get(run, "cells");
    size_t n = 0;
    fputs("# operations per byte\tGop/s\tbackend\tcell\n", job->data);
    for (size_t i = 0; i < json_array_size(cells); i++) {
        const json_t *cell = json_array_get(cells, i), *work = json_object_get(cell, "work");
        double median = view_number(json_object_get(cell, "summary"), "median", 0), ops = view_number(work, "ops", 0), bytes = view_number(work, "bytes", 0);
        if (strstr(view_text(cell, "suite"), "roofline") || on_gpu(cell) != gpu || median <= 0 || ops <= 0 || bytes <= 0)
            continue;
        const char *backend = view_text(cell, "backend");
        if (!json_object_get(backends, backend))
            json_object_set_new(backends, backend, json_integer((json_int_t)json_object_size(backends)));
        fprintf(job->data, "%.6g\t%.6g\t%d\t", ops / bytes, ops / median, (int)json_integer_value(json_object_get(backends, backend)));
        picture_name(job->data, view_text(cell, "id"), 80);
        fputc('\n', job->data);
        range[0] = fmin(range[0], ops / bytes);
        range[1] = fmax(range[1], ops / bytes);
        range[2] = fmin(range[2], ops / median);
        range[3] = fmax(range[3], ops / median);
        n++;
    }
    return n;
}

static void print_ceilings(struct picture_job *job, const struct roof *roof)
{
    static const char *const heads[] = {"GB/s", "Gop/s"}, *const units[] = {"B/s", "op/s"};
    for (int kind = 0; kind < 2; kind++) {
        fprintf(job->data, "\n\n# %s\tceiling\n", heads[kind]);
        for (size_t i = 0; i < roof->n[kind]; i++) {
            const struct ceiling *row = &roof->rows[kind][i];
            char number[32], threads[32] = "", label[80];
            if (row->threads)
                snprintf(threads, sizeof threads, ", %d thread%s", row->threads, row->threads == 1 ? "" : "s");
            snprintf(label, sizeof label, "  %s%s%s", units_print(UNIT_RATE, row->rate * 1e9, number, sizeof number), units[kind], threads);
            fprintf(job->data, "%.6g\t", row->rate);
            picture_name(job->data, row->name, 44);
            fprintf(job->data, "\t\"%s\"\n", label);
        }
    }
}

static bool has_roof(const json_t *run, bool gpu, struct roof *roof)
{
    *roof = (struct roof){0};
    collect_ceilings(roof, run, gpu);
    return roof->n[0] && roof->n[1];
}

static void print_constants(FILE *out, const struct roof *roof, size_t marks, const double range[4])
{
    double top_band = roof->rows[0][0].rate, low_band = roof->rows[0][roof->n[0] - 1].rate;
    double top_peak = roof->rows[1][0].rate, low_peak = roof->rows[1][roof->n[1] - 1].rate;
    fprintf(out, "MARKS = %zu\nBANDS = %zu\nPEAKS = %zu\nLEFT = %.6g\nRIGHT = %.6g\nBOTTOM = %.6g\nTOP = %.6g\n", marks, roof->n[0], roof->n[1],
            fmin(range[0], top_peak / top_band) / 8, 4 * fmax(range[1], top_peak / low_band), fmin(range[2], low_peak) / 2, 2 * fmax(top_peak, range[3]));
}

bool picture_roofline(const struct picture_source *source, size_t index, struct picture_job *job)
{
    struct roof roof;
    bool gpu = !has_roof(source->main, false, &roof) || index == 1;
    if (index == 1 && !roof.n[1]) /* there is one roof, and it was the GPU's */
        return false;
    if (gpu && !has_roof(source->main, true, &roof))
        return false;
    const char *name;
    json_t *number, *backends = json_object();
    double range[4] = {INFINITY, 0, INFINITY, 0};
    size_t marks = print_marks(job, source->main, gpu, backends, range);
    print_ceilings(job, &roof);
    json_object_foreach(backends, name, number)
    {
        picture_name(job->names, *name ? name : "other", 32);
        fputc('\n', job->names);
    }
    fprintf(job->constants, "BACKENDS = %zu\n", json_object_size(backends));
    print_constants(job->constants, &roof, marks, range);
    job->height = 600;
    snprintf(job->heading, sizeof job->heading, "Roofline of the %s", gpu ? "GPU" : "CPU");
    snprintf(job->alt, sizeof job->alt, "Operations per second over operations per byte of %zu cells, under %zu bandwidth and %zu arithmetic ceilings measured here", marks, roof.n[0], roof.n[1]);
    json_decref(backends);
    return true;
}
