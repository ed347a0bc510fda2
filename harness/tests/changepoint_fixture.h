/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of the change-point finder whose arrays are blocks of their own, no item larger than promised, so that the
 * address sanitizer sees every step beyond them.
 * Include it after cmocka.h.
 */
#ifndef TESTS_CHANGEPOINT_FIXTURE_H
#define TESTS_CHANGEPOINT_FIXTURE_H

#include "stats/changepoint_model.h"

#include <stdlib.h>

/* A model of n points with spread 0.01, all sound; index 0, 1, …; no cuts. */
static struct model *model_of(const double *y, size_t n)
{
    struct model *m = calloc(1, sizeof *m);
    double **const arrays[] = {&m->x, &m->y, &m->residual, &m->quiet_cost, &m->loud_cost, &m->outlier_cost, &m->weight, &m->sound, &m->probability};
    assert_non_null(m);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        assert_non_null(*arrays[i] = calloc(n, sizeof(double)));
    for (size_t i = 0; i < 3; i++)
        assert_non_null(m->sum[i] = calloc(n + 1, sizeof(double)));
    assert_non_null(m->evidence = calloc(n + 1, sizeof(double)));
    assert_non_null(m->cut = calloc(n, sizeof *m->cut));
    assert_non_null(m->scratch = calloc(12 * (n + 2), sizeof(double)));
    m->n = n;
    m->spread[0] = m->spread[1] = 0.01;
    m->dof = (double)n - 1;
    for (size_t i = 0; i < n; i++) {
        m->x[i] = (double)i - 0.5 * (double)(n - 1);
        m->y[i] = m->residual[i] = y[i];
        m->weight[i] = 1e4;
        m->sound[i] = 1;
        m->outlier_cost[i] = 8;
    }
    return m;
}

static void clear(struct model *m)
{
    void *const arrays[] = {m->x, m->y, m->residual, m->quiet_cost, m->loud_cost, m->outlier_cost, m->weight, m->sound, m->probability,
                            m->sum[0], m->sum[1], m->sum[2], m->evidence, m->cut, m->scratch, m};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        free(arrays[i]);
}

#endif
