/* SPDX-License-Identifier: Apache-2.0
 *
 * ternmark bisect GOOD BAD CELL: which commit made the cell slower (or faster).
 */
#include "cli.h"
#include "contest/process.h"
#include "contest/tree.h"
#include "history/versus.h"
#include "measure/clock.h"
#include "measure/interrupt.h"
#include "stats/bisection.h"
#include "text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_UNFIT = 5, MAX_ASKED_BAD = 8 };
static const double smallest_change = 0.02;  /* nearer to 1 there is nothing to look for */

struct search {
    const struct options *options;
    char root[4096], folder[64], good[65], bad[65];
    char *text, **commits;  /* text holds the list's lines */
    size_t n, n_built, n_unfit, n_asked_bad;
    bool *is_built;
    double seconds;         /* budget of a measurement; grows where it was too short */
    double ratio;           /* of bad to good */
    struct bisection bisection;
    uint64_t begin;
};

/* The commits after good up to bad along the first parents, oldest first. */
static bool list_commits(struct search *s, struct fault *fault)
{
    char range[160];
    size_t size = 8 * 1024 * 1024;
    snprintf(range, sizeof range, "%s..%s", s->good, s->bad);
    const char *const argv[] = {"git", "rev-list", "--reverse", "--first-parent", range, NULL};
    s->text = malloc(size);
    if (!s->text || process_capture(argv, s->root, s->text, size) != 0)
        return fault_set(fault, EXIT_CODE_USAGE, "git can't list the commits of %s", range);
    for (char *line = strtok(s->text, "\n"); line; line = strtok(NULL, "\n")) {
        char **more = reallocarray(s->commits, s->n + 1, sizeof *more);
        if (!more)
            return fault_set(fault, EXIT_CODE_USAGE, "bisect: no memory");
        s->commits = more;
        s->commits[s->n++] = line;
    }
    s->is_built = calloc(s->n + 1, sizeof *s->is_built);
    return (s->n && s->is_built) || fault_set(fault, EXIT_CODE_USAGE, "bisect: there is no commit after %.12s up to %.12s", s->good, s->bad);
}

static bool prepare(struct search *s, struct fault *fault)
{
    const struct text_list *operands = &s->options->operands;
    if (operands->n != 3)
        return fault_set(fault, EXIT_CODE_USAGE, "bisect: expected GOOD BAD CELL");
    if (!tree_find_root(s->root, sizeof s->root))
        return fault_set(fault, EXIT_CODE_USAGE, "bisect: expected a git repository here");
    if (!tree_find_base(s->root, operands->items[0], s->good, fault) || !tree_find_base(s->root, operands->items[1], s->bad, fault))
        return false;
    s->seconds = s->options->given_budget ? s->options->budget / 1e9 : 6;
    snprintf(s->folder, sizeof s->folder, "/tmp/ternmark-bisect-XXXXXX");
    if (!mkdtemp(s->folder))
        return fault_set(fault, EXIT_CODE_USAGE, "bisect: no folder in /tmp");
    s->begin = clock_now_ns();
    return list_commits(s, fault);
}

static void clear(struct search *s)
{
    const char *const argv[] = {"rm", "-rf", s->folder, NULL};
    if (*s->folder)
        process_build(argv, "/", NULL);
    bisection_clear(&s->bisection);
    free(s->text);
    free(s->commits);
    free(s->is_built);
}

static void progress(const struct search *s, size_t at, enum versus_end end, const struct versus_ratio *r)
{
    static const char *const ends[] = {[VERSUS_IDENTICAL] = "builds the same as the good one", [VERSUS_NOT_BUILT] = "can't be built or measured", [VERSUS_UNFIT] = "too few rounds, or the machine was not fit",
                                       [VERSUS_INTERRUPTED] = "interrupted"};
    if (!isatty(STDERR_FILENO) && !s->options->verbose)
        return;
    fprintf(stderr, "%.12s  ", s->commits[at]);
    if (end == VERSUS_MEASURED)
        fprintf(stderr, "%+.2f %% ± %.2f, %zu rounds\n", 100 * (r->ratio - 1), 196 * r->log_error, r->rounds);
    else
        fprintf(stderr, "%s\n", ends[end]);
}

static enum versus_end measure(struct search *s, size_t at, double tolerance, struct versus_ratio *r)
{
    const struct versus v = {s->good, s->commits[at], s->options->operands.items[2], s->seconds, tolerance, s->folder};
    s->n_built += !s->is_built[at];
    s->is_built[at] = true;
    enum versus_end end = versus_measure(&v, r);
    if (end == VERSUS_UNFIT) {
        s->n_unfit++;
        s->seconds = fmin(2 * s->seconds, 60);
    }
    progress(s, at, end, r);
    return end;
}

/* Adds one measurement to those before it, each by its weight. */
static void pool(struct versus_ratio *all, const struct versus_ratio *one)
{
    double before = all->log_error > 0 ? 1 / (all->log_error * all->log_error) : 0, weight = 1 / fmax(one->log_error * one->log_error, 1e-12);
    all->ratio = exp((before * log(all->ratio) + weight * log(one->ratio)) / (before + weight));
    all->log_error = 1 / sqrt(before + weight);
    all->rounds += one->rounds;
}

/* Told from the good one, or surely too near to it for anything to be found. */
static bool is_decided(const struct versus_ratio *r)
{
    double off = fabs(log(r->ratio));
    return off >= fmax(smallest_change, 3 * r->log_error) || off + 3 * r->log_error < smallest_change;
}

/* How much slower bad is: what the search looks for. A noisy answer is asked again; that costs no build. */
static bool measure_bad(struct search *s, struct fault *fault)
{
    struct versus_ratio all = {.ratio = 1};
    s->n_built = 1;  /* the good one */
    for (size_t asked = 0; asked < MAX_ASKED_BAD && !(asked && is_decided(&all));) {
        struct versus_ratio r;
        enum versus_end end = measure(s, s->n - 1, 0.05, &r);
        if (end == VERSUS_INTERRUPTED)
            return fault_set(fault, EXIT_CODE_INTERRUPTED, "interrupted");
        if (end == VERSUS_NOT_BUILT)
            return fault_set(fault, EXIT_CODE_FAILED, "bisect: %.12s can't be measured against %.12s in this cell (does it list it? `ternmark gate --base %.12s --head %.12s` tells)", s->bad,
                             s->good, s->good, s->bad);
        if (end == VERSUS_UNFIT && s->n_unfit >= MAX_UNFIT)
            return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "bisect: this machine is not fit to measure now; see ternmark doctor");
        if (end == VERSUS_IDENTICAL)
            return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "bisect: %.12s builds the same as %.12s in this cell", s->bad, s->good);
        if (end == VERSUS_UNFIT)
            continue;
        pool(&all, &r);
        s->n_asked_bad = ++asked;
    }
    s->ratio = all.ratio;
    if (fabs(log(all.ratio)) < fmax(smallest_change, 3 * all.log_error))
        return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "bisect: %.12s is not told from %.12s in this cell: %+.2f %% ± %.2f", s->bad, s->good, 100 * (all.ratio - 1), 196 * all.log_error);
    return bisection_open(&s->bisection, s->n, s->ratio) || fault_set(fault, EXIT_CODE_USAGE, "bisect: no memory");
}

/* The gate is to stop when it knows on which side of the middle between good and bad a commit is. */
static double middle(const struct search *s)
{
    return s->ratio > 1 ? sqrt(s->ratio) - 1 : 0.05;
}

static bool search_on(struct search *s, struct fault *fault)
{
    for (long at; (at = bisection_next(&s->bisection)) != BISECTION_DONE;) {
        struct versus_ratio r;
        enum versus_end end = measure(s, (size_t)at, middle(s), &r);
        if (end == VERSUS_INTERRUPTED || interrupt_asked())
            return fault_set(fault, EXIT_CODE_INTERRUPTED, "interrupted");
        if (end == VERSUS_UNFIT && s->n_unfit >= MAX_UNFIT)
            return fault_set(fault, EXIT_CODE_CANNOT_JUDGE, "bisect: this machine was not fit to measure %zu times", s->n_unfit);
        if (end == VERSUS_NOT_BUILT)
            bisection_skip(&s->bisection, (size_t)at);
        else if (end != VERSUS_UNFIT)
            bisection_tell(&s->bisection, (size_t)at, r.ratio, r.log_error);
    }
    return true;
}

/* Two words by which anyone can see it again: the commit and the one before it. */
static void print_again(const struct search *s, const char *commit)
{
    printf("again: ternmark gate --base %.12s^ --head %.12s --filter '^", commit, commit);
    for (const char *at = s->options->operands.items[2]; *at; at++)
        printf(*at == '\'' ? "." : strchr(".[]()*+?{}|^$\\", *at) ? "\\%c" : "%c", *at);
    puts("$'");
}

static enum exit_code print_result(const struct search *s)
{
    struct bisection_answer a = bisection_result(&s->bisection);
    const char *commit = s->commits[a.last];
    char subject[256] = "";
    const char *const argv[] = {"git", "log", "-1", "--format=%s", commit, NULL};
    double seconds = (double)(clock_now_ns() - s->begin) / 1e9;
    process_capture(argv, s->root, subject, sizeof subject);
    if (s->options->json) {
        printf("{\"commit\":\"%s\",\"first\":\"%s\",\"probability\":%.4f,\"ratio\":%.5f,\"builds\":%zu,\"measurements\":%zu,\"seconds\":%.1f}\n", commit, s->commits[a.first], a.probability,
               a.ratio, s->n_built, s->bisection.n_asked + s->n_asked_bad, seconds);
        return a.probability >= 0.9 ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
    }
    printf("%s  ", commit);
    text_print(stdout, subject);
    printf("\n%+.2f %%, probability %.3f; %zu commits, %zu builds, %zu measurements, %.0f s\n", 100 * (a.ratio - 1), a.probability, s->n, s->n_built, s->bisection.n_asked + s->n_asked_bad, seconds);
    if (a.first != a.last)
        printf("or one of the %zu before it, which can't be measured: %.12s..%.12s\n", a.last - a.first, s->commits[a.first], commit);
    print_again(s, commit);
    return a.probability >= 0.9 ? EXIT_CODE_PASS : EXIT_CODE_CANNOT_JUDGE;
}

enum exit_code command_bisect(const struct options *options, struct fault *fault)
{
    struct search s = {.options = options};
    interrupt_install();
    enum exit_code code = prepare(&s, fault) && measure_bad(&s, fault) && search_on(&s, fault) ? print_result(&s) : fault->code;
    clear(&s);
    return code;
}
