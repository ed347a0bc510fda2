/* SPDX-License-Identifier: Apache-2.0
 *
 * make speed: every line of the table of speed.def, measured beside its ceiling in many short rounds that take both in turn, so that both
 * see the same states of a shared machine. A side's rate is the upper quartile of its rounds: neighbours and interrupts only ever slow a round
 * down, while the best single round may be a fault of the clock. Prints rates, ceiling, share and target; exit 1 when a line is missed, 0 when
 * all that this hardware has are met.
 *   speed [THREADS [ROUNDS [WORD]]]   (usual: the CPUs allowed, at most 2; 21; only lines whose text has the word)
 */
#include "core/threads.h"
#include "tern.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CANDIDATES = 4, PARAMS = 16, ROUNDS_MAX = 99 };
static const double sample_seconds = 0.003;

enum kind { SHARE_OF, RATIO_OF, SCALING_OF, CALLS_OF };

struct roof {
    const char *name;
    double factor;
    const char *candidates[CANDIDATES];
};

struct line {
    enum kind kind;
    const char *what, *cell, *other; /* other: a roof's name, or a cell */
    double least;
};

static const struct roof roofs[] = {
#define ROOF(name, factor, ...) { #name, factor, { __VA_ARGS__ } },
#define SHARE(what, cell, roof, least)
#define RATIO(what, cell, other, least)
#define SCALES(what, cell, roof, least)
#define CALLS(what, cell, least)
#include "speed/speed.def"
#undef ROOF
#undef SHARE
#undef RATIO
#undef SCALES
#undef CALLS
};

static const struct line lines[] = {
#define ROOF(name, factor, ...)
#define SHARE(what, cell, roof, least) { SHARE_OF, what, cell, #roof, least },
#define RATIO(what, cell, other, least) { RATIO_OF, what, cell, other, least },
#define SCALES(what, cell, roof, least) { SCALING_OF, what, cell, #roof, least },
#define CALLS(what, cell, least) { CALLS_OF, what, cell, NULL, least },
#include "speed/speed.def"
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- subjects: bound operations */

struct subject {
    struct tern_op *op;
    struct tern_work work;
    uint64_t runs; /* of one sample */
    double factor;
    double rates[ROUNDS_MAX]; /* operations, or items where that is what counts, a second */
};

/* "op name=value …" with T replaced. The text is cut up in place in `room`. */
static enum tern_status open_subject(struct subject *s, const char *cell, int threads, double factor, struct tern_error *error)
{
    char room[256], number[16], *save = NULL;
    struct tern_param params[PARAMS];
    size_t n = 0;
    snprintf(room, sizeof room, "%s", cell);
    snprintf(number, sizeof number, "%d", threads);
    const char *op = strtok_r(room, " ", &save);
    for (char *word; n < PARAMS && (word = strtok_r(NULL, " ", &save)); n++) {
        char *value = strchr(word, '=');
        *value++ = 0;
        params[n] = (struct tern_param){ word, strcmp(value, "T") ? value : number };
    }
    enum tern_status status = tern_op_bind(op, params, n, &s->op, error);
    if (!status)
        status = tern_op_check(s->op, error);
    if (status)
        return status;
    tern_op_work(s->op, &s->work);
    s->factor = factor;
    double begun = now(), took;
    for (s->runs = 1; tern_op_run(s->op, s->runs), (took = now() - begun) < sample_seconds; s->runs *= 2)
        begun = now();
    return TERN_OK;
}

/* Operations of one run, or bytes times the roof's operations a byte. */
static double work_of(const struct subject *s)
{
    return s->work.ops > 0 && s->factor <= 1 ? s->work.ops : s->work.bytes * s->factor;
}

static void sample(struct subject *s, int round)
{
    double begun = now();
    tern_op_run(s->op, s->runs);
    s->rates[round] = work_of(s) * (double)s->runs / (now() - begun);
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double upper_quartile(const double *rates, int n)
{
    double sorted[ROUNDS_MAX];
    memcpy(sorted, rates, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_size);
    return sorted[(3 * n - 1) / 4];
}

/* ---- a side of a line: one cell, or a roof's candidates */

struct side {
    struct subject subjects[CANDIDATES];
    int n;
};

static void close_side(struct side *s)
{
    for (int i = 0; i < CANDIDATES; i++)
        tern_op_close(s->subjects[i].op);
}

static const struct roof *find_roof(const char *name)
{
    for (size_t i = 0; i < sizeof roofs / sizeof *roofs; i++)
        if (!strcmp(roofs[i].name, name))
            return &roofs[i];
    return NULL;
}

static enum tern_status open_side(struct side *s, const char *what, int threads, struct tern_error *error)
{
    const struct roof *roof = find_roof(what);
    enum tern_status status = TERN_OK;
    if (!roof) {
        s->n = 1;
        return open_subject(&s->subjects[0], what, threads, 1, error);
    }
    for (; !status && s->n < CANDIDATES && roof->candidates[s->n]; s->n++)
        status = open_subject(&s->subjects[s->n], roof->candidates[s->n], threads, roof->factor, error);
    return status;
}

static void sample_side(struct side *s, int round)
{
    for (int i = 0; i < s->n; i++)
        sample(&s->subjects[i], round);
}

/* Of the best candidate; 0 for a side that is not there. */
static double rate_of_side(const struct side *s, int rounds)
{
    double best = 0;
    for (int i = 0; i < s->n; i++) {
        double r = upper_quartile(s->subjects[i].rates, rounds);
        best = r > best ? r : best;
    }
    return best;
}

/* ---- lines */

struct figures {
    double share, rate, bytes, ceiling, seconds;
    char why[256];
};

struct bench {
    struct side cell, other, cell_one, other_one; /* _one: on one thread, for scaling */
};

static enum tern_status open_bench(struct bench *b, const struct line *l, int threads, struct tern_error *error)
{
    char many[256], one[256];
    enum tern_status status = TERN_OK;
    bool scaling = l->kind == SCALING_OF;
    snprintf(many, sizeof many, "%s%s", l->cell, scaling ? " threads=T" : "");
    snprintf(one, sizeof one, "%s threads=1", l->cell);
    if (l->other)
        status = open_side(&b->other, l->other, threads, error);
    if (!status)
        status = open_side(&b->cell, many, threads, error);
    if (!status && scaling)
        status = open_side(&b->other_one, l->other, 1, error);
    if (!status && scaling)
        status = open_side(&b->cell_one, one, 1, error);
    return status;
}

static void close_bench(struct bench *b)
{
    close_side(&b->cell);
    close_side(&b->other);
    close_side(&b->cell_one);
    close_side(&b->other_one);
}

static void take_rounds(struct bench *b, int rounds)
{
    for (int round = 0; round < rounds; round++) {
        sample_side(&b->other, round);
        sample_side(&b->cell, round);
        sample_side(&b->other_one, round);
        sample_side(&b->cell_one, round);
    }
}

static void judge(const struct bench *b, const struct line *l, int rounds, struct figures *f)
{
    const struct subject *cell = &b->cell.subjects[0];
    f->rate = rate_of_side(&b->cell, rounds);
    f->ceiling = rate_of_side(&b->other, rounds);
    f->seconds = cell->work.ops / f->rate;
    f->bytes = cell->work.bytes / f->seconds;
    f->share = l->kind == CALLS_OF ? cell->work.items / f->seconds : f->rate / f->ceiling;
    if (l->kind == SCALING_OF)
        f->share *= rate_of_side(&b->other_one, rounds) / rate_of_side(&b->cell_one, rounds);
    snprintf(f->why, sizeof f->why, "%s", tern_op_why(cell->op));
}

static enum tern_status measure(const struct line *l, int threads, int rounds, struct figures *f, struct tern_error *error)
{
    struct bench *b = calloc(1, sizeof *b);
    enum tern_status status = b ? open_bench(b, l, threads, error) : TERN_NO_MEMORY;
    if (!status) {
        take_rounds(b, rounds);
        judge(b, l, rounds, f);
    }
    if (b)
        close_bench(b);
    free(b);
    tern_quiesce();
    return status;
}

static void print_line(const struct line *l, const struct figures *f)
{
    char ceiling[40] = "-";
    bool calls = l->kind == CALLS_OF;
    if (l->other)
        snprintf(ceiling, sizeof ceiling, "%.0f GOP/s", f->ceiling * 1e-9);
    printf("%-32s %-52s %10.2f us %8.0f GOP/s %6.1f GB/s  of %-12s %9.*f  >= %-8.4g %s  [%s]\n", l->what, l->cell, f->seconds * 1e6,
           f->rate * 1e-9, f->bytes * 1e-9, ceiling, calls ? 0 : 3, f->share, l->least, f->share >= l->least ? "met" : "MISSED", f->why);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    int allowed = tern_threads_allowed(), threads = argc > 1 ? atoi(argv[1]) : allowed < 2 ? allowed : 2, missed = 0, absent = 0, met = 0;
    int rounds = argc > 2 ? atoi(argv[2]) : 21;
    rounds = rounds < 1 ? 1 : rounds > ROUNDS_MAX ? ROUNDS_MAX : rounds;
    const char *word = argc > 3 ? argv[3] : "";
    printf("%d threads, upper quartiles of %d rounds; ceilings are measured beside each cell\n", threads, rounds);
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        if (!strstr(lines[i].what, word) && !strstr(lines[i].cell, word))
            continue;
        struct figures f = { 0 };
        struct tern_error error = { 0 };
        enum tern_status status = measure(&lines[i], threads, rounds, &f, &error);
        if (status == TERN_UNSUPPORTED) {
            printf("%-32s %-52s absent: %s\n", lines[i].what, lines[i].cell, error.text);
            absent++;
            continue;
        }
        if (status) {
            fprintf(stderr, "%s: %s\n", lines[i].cell, error.text);
            return 2;
        }
        print_line(&lines[i], &f);
        missed += f.share < lines[i].least;
        met += f.share >= lines[i].least;
    }
    printf("%d met, %d missed, %d absent here\n", met, missed, absent);
    return missed ? 1 : 0;
}
