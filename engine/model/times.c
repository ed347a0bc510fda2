/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the time of a session's passes went, in words.
 */
#include "model/forward.h"
#include "model/page.h"

/* Operations of a row, and bytes of weights that a pass reads, in the products of a step. */
struct product_work {
    double ops, bytes;
};

static struct product_work work_of(const struct tern_plan *p, size_t step)
{
    struct product_work w = {0, 0};
    enum tern_role from, to;
    tern_step_roles(step, &from, &to);
    for (enum tern_role r = from; r < to; r++) {
        const struct tern_bound_matrix *m = &p->layers[0][r];
        w.ops += 2.0 * (double)m->matrix.n_rows * (double)m->matrix.n_columns * p->model->config.n_layers;
        w.bytes += (double)tern_bound_matrix_bytes(m) * p->model->config.n_layers;
    }
    if (step == TERN_STEPS - 1)
        w.bytes = (double)tern_output_bytes(&p->output);
    return w;
}

size_t tern_session_times_explain(const struct tern_session *s, char *text, size_t size)
{
    struct tern_page page = {text, size, 0};
    const struct tern_step_times *t = s->times;
    double total = 0;
    for (size_t i = 0; t && i < TERN_STEPS; i++)
        total += (double)t->ns[i];
    if (!t || total <= 0)
        return 0;
    tern_page_say(&page, "%zu rows in %zu passes, %.3f ms a pass, %.1f rows/s\n", t->rows, t->passes, total / (double)t->passes * 1e-6,
                  (double)t->rows / total * 1e9);
    for (size_t i = 0; i < TERN_STEPS; i++) {
        double ns = (double)t->ns[i];
        struct product_work w = work_of(s->plan, i);
        tern_page_say(&page, "  %-18s %9.3f ms %5.1f %%", tern_step_name(i), ns / (double)t->passes * 1e-6, ns / total * 100);
        if (w.ops > 0)
            tern_page_say(&page, " %8.1f GOP/s", w.ops * (double)t->rows / ns);
        if (w.bytes > 0)
            tern_page_say(&page, " %7.2f GB/s of weights", w.bytes * (double)t->passes / ns);
        tern_page_say(&page, "\n");
    }
    return page.used;
}
