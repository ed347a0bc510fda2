/* SPDX-License-Identifier: Apache-2.0
 *
 * Which series match: the names stand in three small tables and are matched there; of the points only those of matching
 * cells are counted, by the first column of their key. So a question about one cell costs that cell's points, however large
 * the history is.
 */
#include "store/store_inner.h"

#include <regex.h>
#include <stdlib.h>

static const struct store_statement list_cells = {"SELECT id, name, '' FROM cell ORDER BY id", 0};
static const struct store_statement list_hardware = {"SELECT id, key, '' FROM hardware ORDER BY id", 0};
static const struct store_statement list_metrics = {"SELECT id, name, unit FROM metric ORDER BY id", 0};
static const struct store_statement series_of_cell = {
    "SELECT hardware, metric, count(*) FROM point WHERE cell = $1 AND started >= $2 GROUP BY hardware, metric", 2};

/* A row of a table of names. */
struct name {
    int64_t id;
    char *text, *unit;
};

/* The rows that a pattern matches, by id. */
struct names {
    struct name *items;
    size_t n, room;
    regex_t regex;
    bool has_pattern, is_short_of_memory;
};

static void names_clear(struct names *names)
{
    for (size_t i = 0; i < names->n; i++) {
        free(names->items[i].text);
        free(names->items[i].unit);
    }
    free(names->items);
    if (names->has_pattern)
        regfree(&names->regex);
}

static char *copy_of(const struct store_value *column)
{
    return strndup(column->kind == STORE_TEXT ? column->bytes : "", column->n);
}

static bool take_name(void *to, const struct store_value *c, size_t n)
{
    struct names *names = to;
    struct name one = {c[0].integer, copy_of(&c[1]), copy_of(&c[2])};
    (void)n;
    bool whole = one.text && one.unit, wanted = whole && (!names->has_pattern || regexec(&names->regex, one.text, 0, NULL, 0) == 0);
    names->is_short_of_memory = !whole || (wanted && !store_grow(&names->items, &names->room, names->n, sizeof one));
    if (wanted && !names->is_short_of_memory)
        names->items[names->n++] = one;
    else {
        free(one.text);
        free(one.unit);
    }
    return !names->is_short_of_memory;
}

/* The rows of a table of names that match `pattern` (NULL: all). `what` is the option that a fault names. */
static bool names_find(struct names *names, struct store *store, const struct store_statement *table, const char *pattern, const char *what, struct fault *fault)
{
    char why[128];
    int code = pattern ? regcomp(&names->regex, pattern, REG_EXTENDED | REG_NOSUB) : 0;
    names->has_pattern = pattern && code == 0;
    if (code) {
        regerror(code, &names->regex, why, sizeof why);
        return fault_set(fault, EXIT_CODE_USAGE, "%s: expected a POSIX extended expression, found '%s': %s", what, pattern, why);
    }
    return STORE_RUN(store, table, NULL, take_name, names, fault) && (!names->is_short_of_memory || fault_set(fault, EXIT_CODE_USAGE, "history: no memory"));
}

static int by_id(const void *a, const void *b)
{
    int64_t x = ((const struct name *)a)->id, y = ((const struct name *)b)->id;
    return (x > y) - (x < y);
}

static const struct name *name_of(const struct names *names, int64_t id)
{
    const struct name key = {.id = id};
    return names->n ? bsearch(&key, names->items, names->n, sizeof key, by_id) : NULL;
}

struct listing {
    struct store_series_list *list;
    struct names cells, hardware, metrics;
    const struct name *cell;  /* whose series are being read */
    bool is_short_of_memory;
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

static bool take_series(void *to, const struct store_value *c, size_t n)
{
    struct listing *l = to;
    const struct name *hardware = name_of(&l->hardware, c[0].integer), *metric = name_of(&l->metrics, c[1].integer);
    (void)n;
    if (!hardware || !metric)
        return true;
    struct store_series s = {l->cell->id, hardware->id, metric->id, strdup(l->cell->text), strdup(hardware->text), strdup(metric->text), strdup(metric->unit), c[2].integer};
    l->is_short_of_memory = !s.cell_name || !s.hardware_key || !s.metric_name || !s.unit || !store_grow(&l->list->items, &l->list->room, l->list->n, sizeof s);
    if (l->is_short_of_memory)
        clear_series(&s);
    else
        l->list->items[l->list->n++] = s;
    return !l->is_short_of_memory;
}

/* By cell, hardware and metric, bytes compared; cells of one name by their age. */
static int in_order(const void *a, const void *b)
{
    const struct store_series *x = a, *y = b;
    int order = strcmp(x->cell_name, y->cell_name);
    order = order ? order : strcmp(x->hardware_key, y->hardware_key);
    order = order ? order : strcmp(x->metric_name, y->metric_name);
    return order ? order : (x->cell > y->cell) - (x->cell < y->cell);
}

static bool list_all(struct listing *l, struct store *store, const struct store_filter *filter, struct fault *fault)
{
    if (!names_find(&l->cells, store, &list_cells, filter->cell, "cell", fault) || !names_find(&l->hardware, store, &list_hardware, filter->hardware, "--hardware", fault) ||
        !names_find(&l->metrics, store, &list_metrics, filter->metric, "--metric", fault))
        return false;
    for (size_t i = 0; i < l->cells.n && l->hardware.n && l->metrics.n; i++) {
        const struct store_value parameters[] = {store_integer(l->cells.items[i].id), store_integer(filter->since)};
        l->cell = &l->cells.items[i];
        if (!STORE_RUN(store, &series_of_cell, parameters, take_series, l, fault))
            return false;
    }
    if (l->list->n)
        qsort(l->list->items, l->list->n, sizeof *l->list->items, in_order);
    return !l->is_short_of_memory || fault_set(fault, EXIT_CODE_USAGE, "history: no memory");
}

bool store_list(struct store *store, const struct store_filter *filter, struct store_series_list *list, struct fault *fault)
{
    struct listing l = {.list = list};
    *list = (struct store_series_list){0};
    bool ok = list_all(&l, store, filter, fault);
    names_clear(&l.cells);
    names_clear(&l.hardware);
    names_clear(&l.metrics);
    if (!ok)
        store_list_clear(list);
    return ok;
}
