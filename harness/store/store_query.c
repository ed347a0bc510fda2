/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_inner.h"

#include <regex.h>
#include <stdlib.h>

/* The series, each with the number of its points: a walk over the narrow table in the order of its key. */
static const struct store_statement list_series = {
    "SELECT p.cell, p.hardware, p.metric, c.name, h.key, m.name, m.unit, p.n FROM"
    " (SELECT cell, hardware, metric, count(*) AS n FROM point WHERE started >= $1 GROUP BY cell, hardware, metric) AS p"
    " JOIN cell AS c ON c.id = p.cell JOIN hardware AS h ON h.id = p.hardware JOIN metric AS m ON m.id = p.metric"
    " ORDER BY c.name, h.key, m.name, p.cell", 1};
static const struct store_statement list_points = {
    "SELECT p.run, p.started, r.imported, p.value, p.spread, p.n, r.uuid, r.git_commit FROM point AS p JOIN run AS r ON r.id = p.run"
    " WHERE p.cell = $1 AND p.hardware = $2 AND p.metric = $3 AND p.started >= $4 ORDER BY p.started, p.run", 4};
static const struct store_statement get_samples = {"SELECT data FROM sample_set WHERE run = $1 AND cell = $2", 2};
static const struct store_statement totals_statement = {
    "SELECT (SELECT count(*) FROM run), (SELECT count(DISTINCT name) FROM cell), (SELECT count(*) FROM hardware), (SELECT count(*) FROM point),"
    " (SELECT count(*) FROM sample_set), (SELECT CAST(coalesce(sum(length(data)), 0) AS BIGINT) FROM sample_set),"
    " (SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM sample_set), (SELECT count(*) FROM alert),"
    " (SELECT coalesce(min(started), 0) FROM run), (SELECT coalesce(max(started), 0) FROM run)", 0};

static bool grow(void *items, size_t *room, size_t n, size_t size)
{
    void **at = items;
    if (n < *room)
        return true;
    size_t more = *room ? 2 * *room : 32;
    void *bigger = reallocarray(*at, more, size);
    if (!bigger)
        return false;
    *at = bigger;
    *room = more;
    return true;
}

/* A pattern, or none, which matches all. */
struct pattern {
    regex_t regex;
    bool is_set;
};

static bool pattern_open(struct pattern *p, const char *text, const char *what, struct fault *fault)
{
    *p = (struct pattern){0};
    if (!text)
        return true;
    int code = regcomp(&p->regex, text, REG_EXTENDED | REG_NOSUB);
    char why[128];
    p->is_set = code == 0;
    if (code)
        regerror(code, &p->regex, why, sizeof why);
    return code == 0 || fault_set(fault, EXIT_CODE_USAGE, "%s: expected a POSIX extended expression, found '%s': %s", what, text, why);
}

static bool pattern_matches(const struct pattern *p, const char *text)
{
    return !p->is_set || regexec(&p->regex, text, 0, NULL, 0) == 0;
}

static void pattern_close(struct pattern *p)
{
    if (p->is_set)
        regfree(&p->regex);
}

struct listing {
    struct store_series_list *list;
    struct pattern cell, hardware, metric;
    bool out_of_memory;
};

static void clear_series(struct store_series *s)
{
    free(s->cell_name);
    free(s->hardware_key);
    free(s->metric_name);
    free(s->unit);
}

void store_list_clear(struct store_series_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        clear_series(&list->items[i]);
    free(list->items);
    *list = (struct store_series_list){0};
}

static char *copy_of(const struct store_value *column)
{
    return strndup(column->kind == STORE_TEXT ? column->bytes : "", column->n);
}

static bool take_series(void *to, const struct store_value *c, size_t n)
{
    struct listing *l = to;
    struct store_series s = {c[0].integer, c[1].integer, c[2].integer, copy_of(&c[3]), copy_of(&c[4]), copy_of(&c[5]), copy_of(&c[6]), c[7].integer};
    (void)n;
    bool whole = s.cell_name && s.hardware_key && s.metric_name && s.unit;
    bool wanted = whole && pattern_matches(&l->cell, s.cell_name) && pattern_matches(&l->hardware, s.hardware_key) && pattern_matches(&l->metric, s.metric_name);
    l->out_of_memory = !whole || (wanted && !grow(&l->list->items, &l->list->room, l->list->n, sizeof s));
    if (wanted && !l->out_of_memory)
        l->list->items[l->list->n++] = s;
    else
        clear_series(&s);
    return !l->out_of_memory;
}

bool store_list(struct store *store, const struct store_filter *filter, struct store_series_list *list, struct fault *fault)
{
    struct listing l = {.list = list};
    const struct store_value since[] = {store_integer(filter->since)};
    *list = (struct store_series_list){0};
    bool ok = pattern_open(&l.cell, filter->cell, "cell", fault) && pattern_open(&l.hardware, filter->hardware, "--hardware", fault) &&
              pattern_open(&l.metric, filter->metric, "--metric", fault) && STORE_RUN(store, &list_series, since, take_series, &l, fault) &&
              (!l.out_of_memory || fault_set(fault, EXIT_CODE_USAGE, "history: no memory"));
    pattern_close(&l.cell);
    pattern_close(&l.hardware);
    pattern_close(&l.metric);
    if (!ok)
        store_list_clear(list);
    return ok;
}

struct taking {
    struct store_points *points;
    bool out_of_memory;
};

static bool take_point(void *to, const struct store_value *c, size_t n)
{
    struct taking *t = to;
    struct store_points *p = t->points;
    (void)n;
    t->out_of_memory = !grow(&p->items, &p->room, p->n, sizeof *p->items);
    if (t->out_of_memory)
        return false;
    struct store_point *point = &p->items[p->n++];
    *point = (struct store_point){.run = c[0].integer, .started = c[1].integer, .imported = c[2].integer, .value = c[3].real, .spread = c[4].real, .n = c[5].integer};
    store_copy_text(&c[6], point->uuid, sizeof point->uuid);
    store_copy_text(&c[7], point->commit, sizeof point->commit);
    return true;
}

bool store_points_of(struct store *store, const struct store_series *series, int64_t since, struct store_points *points, struct fault *fault)
{
    struct taking t = {.points = points};
    const struct store_value parameters[] = {store_integer(series->cell), store_integer(series->hardware), store_integer(series->metric), store_integer(since)};
    *points = (struct store_points){0};
    if (STORE_RUN(store, &list_points, parameters, take_point, &t, fault) && (!t.out_of_memory || fault_set(fault, EXIT_CODE_USAGE, "history: no memory")))
        return true;
    free(points->items);
    *points = (struct store_points){0};
    return false;
}

struct samples {
    double *values;
    size_t n;
    bool is_damaged;
};

static bool take_samples(void *to, const struct store_value *c, size_t n)
{
    struct samples *s = to;
    (void)n;
    s->is_damaged = c[0].kind != STORE_BLOB || !store_samples_unpack(c[0].bytes, c[0].n, &s->values, &s->n);
    return false;
}

bool store_samples_of(struct store *store, int64_t run, int64_t cell, double **samples, size_t *n, struct fault *fault)
{
    struct samples s = {0};
    const struct store_value parameters[] = {store_integer(run), store_integer(cell)};
    if (!STORE_RUN(store, &get_samples, parameters, take_samples, &s, fault))
        return false;
    if (s.is_damaged)
        return fault_set(fault, EXIT_CODE_INVALID, "history: the samples of run %lld, cell %lld are damaged", (long long)run, (long long)cell);
    *samples = s.values;
    *n = s.n;
    return true;
}

static bool take_totals(void *to, const struct store_value *c, size_t n)
{
    struct store_totals *t = to;
    int64_t *const fields[] = {&t->runs, &t->cells, &t->hardware, &t->points, &t->sample_sets, &t->sample_bytes, &t->samples, &t->alerts, &t->first, &t->last};
    for (size_t i = 0; i < n && i < sizeof fields / sizeof *fields; i++)
        *fields[i] = c[i].kind == STORE_REAL ? (int64_t)c[i].real : c[i].integer;
    return false;
}

bool store_totals(struct store *store, struct store_totals *totals, struct fault *fault)
{
    *totals = (struct store_totals){0};
    return STORE_RUN(store, &totals_statement, NULL, take_totals, totals, fault) &&
           STORE_RUN(store, &store->driver->bytes, NULL, store_take_integer, &totals->bytes, fault);
}
