/* SPDX-License-Identifier: Apache-2.0 */
#include "command/lab_table.h"

#include "command/lab_counts.h"
#include "stats/binomial.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const double one_side = 0.025;
enum { MOST_CHANGES = 64 };

/* What is counted of a change, against its target: at most or at least. */
struct promise {
    double change;
    enum decision decision;
    int limit;          /* index of lab_limits_s; -1: whenever */
    bool at_most;
    double target;
    const char *text;
};

static const struct promise promises[] = {
    {0, DECISION_REGRESSION, -1, true, 0.000025, "identical code, cells red (1 in 1000 runs of 40)"},
    {0, DECISION_INCONCLUSIVE, -1, true, 0.01, "identical code, cells undecided"},
    {0.10, DECISION_REGRESSION, 0, false, 0.99, "+10 % red within 1 s of turns"},
    {0.10, DECISION_REGRESSION, -1, false, 0.99, "+10 % red within 5 s"},
    {0.07, DECISION_REGRESSION, 1, false, 0.95, "+7 % red within 2 s"},
    {0.06, DECISION_REGRESSION, 2, false, 0.50, "+6 % red within 5 s"},
    {0.05, DECISION_REGRESSION, -1, true, 0.05, "+5 % red"},
    {0.05, DECISION_PASS, -1, true, 0.05, "+5 % pass"},
    {-0.10, DECISION_IMPROVED, -1, false, 0.99, "-10 % improved"},
};

struct table {
    struct lab_counts of[MOST_CHANGES];
    size_t n;
};

static struct lab_counts *row_of(struct table *table, double change)
{
    for (size_t i = 0; i < table->n; i++)
        if (fabs(table->of[i].change - change) < 1e-9)
            return &table->of[i];
    if (table->n == MOST_CHANGES)
        return NULL;
    table->of[table->n] = (struct lab_counts){.change = change};
    return &table->of[table->n++];
}

static bool read_file(struct table *table, const char *path, struct fault *fault)
{
    FILE *in = fopen(path, "re");
    bool ok = in != NULL || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    while (ok) {
        json_error_t error;
        struct lab_counts counts, *row;
        int c = fgetc(in);
        while (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            c = fgetc(in);
        if (c == EOF)
            break;
        ungetc(c, in);
        json_t *top = json_loadf(in, JSON_DISABLE_EOF_CHECK | JSON_REJECT_DUPLICATES, &error);
        ok = (top && lab_read(top, &counts)) || fault_set(fault, EXIT_CODE_USAGE, "%s: no counts of a lab", path);
        row = ok ? row_of(table, counts.change) : NULL;
        ok = ok && (row || fault_set(fault, EXIT_CODE_USAGE, "%s: more than %d changes", path, MOST_CHANGES));
        if (ok)
            lab_add(row, &counts);
        json_decref(top);
    }
    if (in)
        fclose(in);
    return ok;
}

static void print_rate(const char *text, size_t k, size_t n, bool at_most, double target)
{
    double rate = n ? (double)k / (double)n : 0, low = n ? binomial_low(k, n, one_side) : 0, high = n ? binomial_high(k, n, one_side) : 1;
    bool holds = at_most ? rate <= target : rate >= target, shown = at_most ? high <= target : low >= target;
    printf("%-50s %6zu of %-7zu %8.3f %% [%.3f, %.3f]  %s %g %%: %s\n", text, k, n, 100 * rate, 100 * low, 100 * high, at_most ? "at most" : "at least",
           100 * target, n == 0 ? "not measured" : shown ? "shown" : holds ? "holds, not yet shown" : "falls short");
}

static void print_promise(struct table *table, const struct promise *p)
{
    const struct lab_counts *row = row_of(table, p->change);
    if (row)  /* what replays say about time is nothing */
        print_rate(p->text, p->limit < 0 ? row->of[p->decision] : row->within[p->limit][p->decision], p->limit < 0 || row->turn_s > 0 ? row->cells : 0,
                   p->at_most, p->target);
}

/* As the files that were read: a lab per change. */
static void print_sums(const struct table *table)
{
    for (size_t i = 0; i < table->n; i++)
        lab_print(&table->of[i], true);
}

static void print_table(struct table *table)
{
    for (size_t i = 0; i < sizeof promises / sizeof *promises; i++)
        print_promise(table, &promises[i]);
    const struct lab_counts *null = row_of(table, 0);
    if (null) {
        print_rate("identical code, runs with a red", null->red_runs, null->runs, true, 0.001);
        print_rate("identical code, runs in which every cell passed", null->passed_runs, null->runs, false, 0.95);
    }
    for (size_t i = 0; i < table->n; i++)
        if (table->of[i].turn_s > 0)
            printf("change %+.1f %%: %.3f s in turns, %.3f s of wall time per cell, %.2f times as long (at most 3)\n", 100 * table->of[i].change,
                   table->of[i].turn_s / (double)table->of[i].cells, table->of[i].wall_s / (double)table->of[i].cells,
                   table->of[i].wall_s / table->of[i].turn_s);
}

static int by_change(const void *a, const void *b)
{
    double x = ((const struct lab_counts *)a)->change, y = ((const struct lab_counts *)b)->change;
    return (x > y) - (x < y);
}

static bool write_curve(struct table *table, const char *path, struct fault *fault)
{
    FILE *out = fopen(path, "we");
    if (!out)
        return fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
    qsort(table->of, table->n, sizeof *table->of, by_change);
    fputs("true_change,runs,red,low,high\n", out);
    for (size_t i = 0; i < table->n; i++) {
        size_t n = table->of[i].cells, k = table->of[i].of[DECISION_REGRESSION];
        if (n)
            fprintf(out, "%.9g,%zu,%.6g,%.6g,%.6g\n", table->of[i].change, n, (double)k / (double)n, binomial_low(k, n, one_side), binomial_high(k, n, one_side));
    }
    return fclose(out) == 0 || fault_set(fault, EXIT_CODE_USAGE, "%s: %s", path, strerror(errno));
}

enum exit_code lab_table(const struct options *options, struct fault *fault)
{
    struct table table = {.n = 0};
    bool ok = options->operands.n > 1 || fault_set(fault, EXIT_CODE_USAGE, "lab table: expected files of lab null --json or lab power --json");
    for (size_t i = 1; ok && i < options->operands.n; i++)
        ok = read_file(&table, options->operands.items[i], fault);
    if (ok && options->json)
        print_sums(&table);
    else if (ok)
        print_table(&table);
    ok = ok && (!options->out || write_curve(&table, options->out, fault));
    return ok ? EXIT_CODE_PASS : fault->code;
}
