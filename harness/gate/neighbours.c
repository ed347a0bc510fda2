/* SPDX-License-Identifier: Apache-2.0 */
#include "gate/neighbours.h"

#include <stdlib.h>
#include <string.h>

/* How many characters of an id come before its first "axis=value"; 0: it has none. */
static size_t bench_length(const char *id)
{
    const char *equals = strchr(id, '='), *at = equals;
    while (at && at > id && at[-1] != '/')
        at--;
    return at ? (size_t)(at - id) : 0;
}

bool neighbours_same_bench(const char *a, const char *b)
{
    size_t n = bench_length(a);
    return n > 0 && n == bench_length(b) && strncmp(a, b, n) == 0;
}

bool neighbours_along_axis(const char *a, const char *b)
{
    if (!neighbours_same_bench(a, b))
        return false;
    size_t differ = 0;
    a += bench_length(a);
    b += bench_length(b);
    while (*a || *b) {
        size_t na = strcspn(a, "/"), nb = strcspn(b, "/"), name = strcspn(a, "=");
        if (name > na || strncmp(a, b, name + 1) != 0)
            return false;  /* another axis */
        differ += na != nb || strncmp(a, b, na) != 0;
        a += na + (a[na] == '/');
        b += nb + (b[nb] == '/');
    }
    return differ == 1;
}

bool neighbours_pools(const struct spread_cell *cells, size_t n, neighbours_name *name, const void *context, struct spread_pool *pools)
{
    const struct spread_cell **some = malloc((n ? n : 1) * sizeof *some);
    for (size_t i = 0; i < n; i++) {
        pools[i] = spread_pool_start();
        if (some)
            some[i] = &cells[i];
    }
    if (!some)
        return false;
    struct spread_pool all = spread_fit(some, n, spread_pool_start());
    for (size_t i = 0; i < n; i++) {
        size_t alike = 0, first = 0;
        while (first < i && !neighbours_same_bench(name(context, first), name(context, i)))
            first++;
        for (size_t j = i; j < n; j++)
            if (first == i && neighbours_same_bench(name(context, i), name(context, j)))
                some[alike++] = &cells[j];
        pools[i] = first < i ? pools[first] : alike > 1 ? spread_fit(some, alike, all) : all;
    }
    free(some);
    return true;
}
