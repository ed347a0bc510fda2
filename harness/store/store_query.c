/* SPDX-License-Identifier: Apache-2.0 */
#include "store/store_inner.h"

#include <stdlib.h>

static const struct store_statement list_points = {
    "SELECT p.run, p.started, r.imported, p.value, p.spread, p.n, r.uuid, r.git_commit FROM point AS p JOIN run AS r ON r.id = p.run"
    " WHERE p.cell = $1 AND p.hardware = $2 AND p.metric = $3 AND p.started >= $4 ORDER BY p.started, p.run", 4};
static const struct store_statement get_samples = {
    "SELECT substr(b.data, CAST(p.block_from AS INTEGER), CAST(p.block_bytes AS INTEGER)) FROM point AS p JOIN sample_block AS b ON b.id = p.block"
    " WHERE p.cell = $1 AND p.hardware = $2 AND p.metric = $3 AND p.started = $4 AND p.run = $5", 5};
static const struct store_statement totals_statement = {
    "SELECT (SELECT count(*) FROM run), (SELECT count(DISTINCT name) FROM cell), (SELECT count(*) FROM hardware), (SELECT count(*) FROM point),"
    " (SELECT count(block) FROM point), (SELECT CAST(coalesce(sum(block_bytes), 0) AS BIGINT) FROM point),"
    " (SELECT CAST(coalesce(sum(n), 0) AS BIGINT) FROM point WHERE block IS NOT NULL), (SELECT count(*) FROM alert),"
    " (SELECT coalesce(min(started), 0) FROM run), (SELECT coalesce(max(started), 0) FROM run)", 0};

struct taking {
    struct store_points *points;
    bool out_of_memory;
};

static bool take_point(void *to, const struct store_value *c, size_t n)
{
    struct taking *t = to;
    struct store_points *p = t->points;
    (void)n;
    t->out_of_memory = !store_grow(&p->items, &p->room, p->n, sizeof *p->items);
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

bool store_samples_of(struct store *store, const struct store_series *series, const struct store_point *point, double **samples, size_t *n, struct fault *fault)
{
    struct samples s = {0};
    const struct store_value parameters[] = {store_integer(series->cell), store_integer(series->hardware), store_integer(series->metric), store_integer(point->started),
                                             store_integer(point->run)};
    if (!STORE_RUN(store, &get_samples, parameters, take_samples, &s, fault))
        return false;
    if (s.is_damaged)
        return fault_set(fault, EXIT_CODE_INVALID, "history: the samples of %s in run %s are damaged", series->cell_name, point->uuid);
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
