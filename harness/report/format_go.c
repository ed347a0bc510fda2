/* SPDX-License-Identifier: Apache-2.0
 *
 * Go benchmark text (golang.org/design/14313-benchmark-format), for benchstat: configuration lines, then a line per sample group.
 * Axes stay key=value parts of the name, so that benchstat filters and columns work on them.
 */
#include "report/formats.h"

#include "report/escape.h"
#include "report/groups.h"
#include "report/view.h"

#include <stdlib.h>
#include <string.h>

/* "/"-separated parts; what may not stand in a name is percent-encoded. */
static void print_name(FILE *out, const char *id)
{
    fputs("BenchmarkTernmark/", out);
    for (;;) {
        size_t n = strcspn(id, "/");
        char *part = strndup(id, n);
        if (part)
            escape_go(out, part);
        free(part);
        if (!id[n])
            return;
        fputc('/', out);
        id += n + 1;
    }
}

static void print_cell(FILE *out, const json_t *cell)
{
    const json_t *work = json_object_get(cell, "work");
    size_t n;
    double *x = groups_of(cell, &n);
    for (size_t i = 0; i < n; i++) {
        print_name(out, view_text(cell, "id"));
        fprintf(out, "\t%" JSON_INTEGER_FORMAT "\t%.6f ns/op", groups_iterations(cell), x[i]);
        if (view_number(work, "bytes", 0) > 0)
            fprintf(out, "\t%.6f MB/s", view_number(work, "bytes", 0) / x[i] * 1e3);
        if (view_number(work, "ops", 0) > 0)
            fprintf(out, "\t%.6f Gop/s", view_number(work, "ops", 0) / x[i]);
        if (view_number(work, "items", 0) > 0)
            fprintf(out, "\t%.6f items/s", view_number(work, "items", 0) / x[i] * 1e9);
        fputc('\n', out);
    }
    free(x);
}

bool format_go(FILE *out, const json_t *run)
{
    const json_t *cells = json_object_get(run, "cells");
    fputs("hardware: ", out);
    escape_go(out, view_text(json_object_get(run, "hardware"), "key"));
    fputs("\ncommit: ", out);
    escape_go(out, view_text(json_object_get(run, "git"), "commit"));
    fputs("\n\n", out);
    for (size_t i = 0; i < json_array_size(cells); i++)
        print_cell(out, json_array_get(cells, i));
    return true;
}
