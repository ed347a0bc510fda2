/* SPDX-License-Identifier: Apache-2.0 */
#include "model/forward.h"

#include "model/layers.h"
#include "model/steps.h"
#include "model/stream.h"

#include <string.h>

static const struct tern_bound_matrix *matrix(const struct tern_step_work *w, enum tern_role role)
{
    return &w->plan->layers[w->layer][role];
}

static float *own(const struct tern_step_work *w, int id)
{
    return w->s->own + (size_t)id * w->s->own_floats;
}

static struct tern_made *made(const struct tern_step_work *w, int id)
{
    return &w->s->made[w->is_single ? 1 + id : 0];
}

/* The rows, of so many, that a thread makes. */
static void share_rows(const struct tern_step_work *w, size_t rows, int id, int n, size_t *from, size_t *to)
{
    tern_share(rows, w->is_single ? 0 : id, w->is_single ? 1 : n, from, to);
}

/* The normalised row, in the form that products take. */
static void norm_row(const struct tern_step_work *w, const float *x, const float *weights, size_t width, size_t row, struct tern_activations *a)
{
    a->scale[row] = w->vector->rms_norm_quantize(x + row * width, weights, width, w->c->eps, a->q + row * a->stride, a->stride, &a->sum[row]);
}

static void product(const struct tern_step_work *w, enum tern_role role, const struct tern_activations *a, float *y, int id, int n)
{
    tern_bound_matrix_part(matrix(w, role), (struct tern_input){NULL, a}, w->n, y, own(w, id), id, n);
}

/* ---- steps */

static void step_embed(const struct tern_step_work *w, int id, int n)
{
    size_t from, to;
    const struct tern_matrix *embedding = &w->plan->model->embedding.matrix;
    const size_t row = w->plan->embedding->layout == TERN_LAYOUT_PREFETCH ? w->plan->embedding_row : 0;
    share_rows(w, w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++) {
        if (row && r + 1 < to)
            tern_layout_ask(embedding->bytes + w->pass->tokens[r + 1] * row, row);
        tern_matrix_row(embedding, w->pass->tokens[r], made(w, id)->x + r * w->c->width);
    }
}

static void step_attention_input(const struct tern_step_work *w, int id, int n)
{
    size_t from, to;
    struct tern_made *m = made(w, id);
    share_rows(w, w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++) {
        if (w->layer) /* what the layer before added */
            w->vector->add(w->s->added + r * w->c->width, w->c->width, m->x + r * w->c->width);
        norm_row(w, m->x, tern_plan_norm(w->plan, w->layer, TERN_ROLE_attn_norm), w->c->width, r, &m->wide);
    }
}

static void step_qkv(const struct tern_step_work *w, int id, int n)
{
    const struct tern_activations *in = &made(w, id)->wide;
    product(w, TERN_ROLE_attn_q, in, w->s->q, id, n);
    product(w, TERN_ROLE_attn_k, in, w->s->k, id, n);
    product(w, TERN_ROLE_attn_v, in, w->s->v, id, n);
}

static void rotate(const struct tern_step_work *w, float *x, size_t heads, size_t position)
{
    size_t d = w->c->head_size;
    for (size_t h = 0; h < heads; h++)
        w->vector->rope(x + h * d, w->s->cosine + position * (d / 2), w->s->sine + position * (d / 2), d);
}

/* Rows [from, to) of groups of heads [first, last). */
struct span {
    size_t from, to, first, last;
};

/* Row by row within a group: the lines of its panel of keys stay in the first cache. */
static void remember(const struct tern_step_work *w, const struct span *s)
{
    size_t d = w->c->head_size, kv = w->c->n_kv_heads * d;
    for (size_t g = s->first; g < s->last; g++) {
        for (size_t r = s->from; r < s->to; r++) {
            uint32_t sequence = tern_step_sequence(w, r);
            w->s->attention->keep(w->vector, &(struct tern_kept){
                .keys = tern_session_cache(w->s, w->s->keys, w->layer, sequence, g), .values = tern_session_cache(w->s, w->s->values, w->layer, sequence, g),
                .position = w->positions[r], .length = w->s->lengths[sequence], .d = d, .k = w->s->k + r * kv + g * d, .v = w->s->v + r * kv + g * d});
        }
    }
}

/* Whether all that a thread attends to is what it rotates. */
static bool has_own_groups(const struct tern_step_work *w, int n)
{
    return w->is_single && w->c->n_kv_heads % (size_t)n == 0;
}

static void step_rotate(const struct tern_step_work *w, int id, int n)
{
    size_t d = w->c->head_size, kv = w->c->n_kv_heads * d, heads = w->c->n_heads / w->c->n_kv_heads;
    struct span s = {0, w->n, 0, w->c->n_kv_heads};
    if (has_own_groups(w, n))
        tern_share(w->c->n_kv_heads, id, n, &s.first, &s.last);
    else
        tern_share(w->n, id, n, &s.from, &s.to);
    for (size_t r = s.from; r < s.to; r++) {
        rotate(w, w->s->q + r * w->c->width + s.first * heads * d, (s.last - s.first) * heads, w->positions[r]);
        rotate(w, w->s->k + r * kv + s.first * d, s.last - s.first, w->positions[r]);
    }
    remember(w, &s);
}

/* What one thread does at once: rows [from, to), one sequence's, one position after another, for some heads of a group. */
struct unit {
    size_t from, to, group, head, heads;
};

static void attend(const struct tern_step_work *w, const struct unit *u, float *room)
{
    size_t d = w->c->head_size, at = u->from * w->c->width + (u->group * (w->c->n_heads / w->c->n_kv_heads) + u->head) * d;
    uint32_t sequence = tern_step_sequence(w, u->from);
    w->s->attention->attend(w->vector, &(struct tern_attend){
        .tokens = u->to - u->from, .before = w->positions[u->from], .heads = u->heads, .d = d, .q = w->s->q + at, .q_stride = w->c->width,
        .keys = tern_session_cache(w->s, w->s->keys, w->layer, sequence, u->group),
        .values = tern_session_cache(w->s, w->s->values, w->layer, sequence, u->group),
        .out = w->s->mixed + at, .out_stride = w->c->width, .room = room});
}

/* The end of the rows of one sequence that begin at `from`. */
static size_t run_end(const struct tern_step_work *w, size_t from)
{
    size_t to = from + 1;
    while (to < w->n && tern_step_sequence(w, to) == tern_step_sequence(w, from))
        to++;
    return to;
}

/* Units of the rows of one sequence, group by group, block by block of rows, heads of a group in `parts`: those of numbers [mine, end) are done;
 * returns how many there are. */
static size_t attend_run(const struct tern_step_work *w, size_t from, size_t to, size_t parts, size_t number, size_t mine, size_t end, float *room)
{
    size_t most = tern_session_block(w->s), heads = w->c->n_heads / w->c->n_kv_heads / parts, before = number;
    for (size_t g = 0; g < w->c->n_kv_heads; g++)
        for (size_t at = from; at < to; at += most)
            for (size_t p = 0; p < parts; p++, number++)
                if (number >= mine && number < end)
                    attend(w, &(struct unit){at, to - at < most ? to : at + most, g, p * heads, heads}, room);
    return number - before;
}

/* Each thread takes neighbours, so that it reads the keys of few groups. Where units are few, two halves of a group's heads make two of one:
 * five groups for two threads would leave one waiting. */
static void step_attend(const struct tern_step_work *w, int id, int n)
{
    size_t units = 0, parts = 1, mine, end, number = 0;
    for (size_t from = 0; from < w->n; from = run_end(w, from))
        units += attend_run(w, from, run_end(w, from), 1, 0, 0, 0, NULL);
    if (units < 8 * (size_t)n && w->c->n_heads / w->c->n_kv_heads % 2 == 0)
        parts = 2;
    tern_share(units * parts, id, n, &mine, &end);
    for (size_t from = 0; from < w->n; from = run_end(w, from))
        number += attend_run(w, from, run_end(w, from), parts, number, mine, end, own(w, id));
}

static void step_attention_norm(const struct tern_step_work *w, int id, int n)
{
    size_t from, to;
    share_rows(w, w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++)
        norm_row(w, w->s->mixed, tern_plan_norm(w->plan, w->layer, TERN_ROLE_attn_sub_norm), w->c->width, r, &made(w, id)->wide);
}

static void step_attention_output(const struct tern_step_work *w, int id, int n)
{
    product(w, TERN_ROLE_attn_output, &made(w, id)->wide, w->s->added, id, n);
}

static void step_ffn_input(const struct tern_step_work *w, int id, int n)
{
    size_t from, to;
    struct tern_made *m = made(w, id);
    share_rows(w, w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++) {
        w->vector->add(w->s->added + r * w->c->width, w->c->width, m->x + r * w->c->width);
        norm_row(w, m->x, tern_plan_norm(w->plan, w->layer, TERN_ROLE_ffn_norm), w->c->width, r, &m->wide);
    }
}

static void activate(const struct tern_step_work *w, float *gate, const float *up, size_t n)
{
    if (w->c->activation == TERN_ACTIVATION_RELU2)
        w->vector->gate(gate, up, n, gate);
    else
        tern_layer_silu(gate, up, n);
}

/* A thread's outputs of gate are those of up, so it has both at hand when it is done with them. */
static void step_gate_up(const struct tern_step_work *w, int id, int n)
{
    const struct tern_activations *in = &made(w, id)->wide;
    size_t from, to, ffn = w->c->ffn;
    product(w, TERN_ROLE_ffn_gate, in, w->s->gate, id, n);
    product(w, TERN_ROLE_ffn_up, in, w->s->up, id, n);
    tern_bound_matrix_share(matrix(w, TERN_ROLE_ffn_up), id, n, &from, &to);
    for (size_t r = 0; r < w->n && from < to; r++)
        activate(w, w->s->gate + r * ffn + from, w->s->up + r * ffn + from, to - from);
}

static void step_ffn_norm(const struct tern_step_work *w, int id, int n)
{
    size_t from, to, ffn = w->c->ffn;
    share_rows(w, w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++)
        norm_row(w, w->s->gate, tern_plan_norm(w->plan, w->layer, TERN_ROLE_ffn_sub_norm), ffn, r, &made(w, id)->tall);
}

static void step_down(const struct tern_step_work *w, int id, int n)
{
    product(w, TERN_ROLE_ffn_down, &made(w, id)->tall, w->s->added, id, n);
}

/* The rows whose logits are wanted, side by side; shared by their number among the wanted. */
static void step_last(const struct tern_step_work *w, int id, int n)
{
    size_t from, to, k = 0, width = w->c->width;
    struct tern_made *m = made(w, id);
    share_rows(w, w->n_last, id, n, &from, &to);
    for (size_t r = 0; r < w->n; r++) {
        if (!w->pass->wants[r])
            continue;
        if (k >= from && k < to) {
            float *x = m->x + r * width;
            w->vector->add(w->s->added + r * width, width, x);
            w->vector->rms_norm(x, tern_plan_output_norm(w->plan), width, w->c->eps, m->last_x + k * width);
            tern_activations_fill(&m->last, &w->plan->backend->kernels, m->last_x, k, k + 1);
            tern_output_sum_groups(&w->plan->output, m->last.q + k * m->last.stride, m->last_groups + k * (width / 32));
        }
        k++;
    }
}

static void step_logits(const struct tern_step_work *w, int id, int n)
{
    const struct tern_made *m = made(w, id);
    struct tern_input in = {m->last_x, &m->last};
    tern_output_part(&w->plan->output, in, m->last_groups, w->n_last, w->pass->logits, own(w, id), id, n);
}

/* What the steps after one need of it: all that threads did, the rows, or groups of heads. */
enum hand { ALL, ROWS, GROUPS };

/* The steps of a pass in order: one of the start, those of each layer, those of the end. What runs here is for int8 activations. */
static const struct step_row {
    const char *name;
    tern_step_fn *run;
    enum hand hand;
    enum tern_role from, to; /* of its matrices */
} rows[TERN_STEPS] = {
    {"embedding", step_embed, ROWS, 0, 0},
    {"add, norm", step_attention_input, ROWS, 0, 0},
    {"q, k, v", step_qkv, ALL, TERN_ROLE_attn_q, TERN_ROLE_attn_v + 1},
    {"rotate, cache", step_rotate, GROUPS, 0, 0},
    {"attention", step_attend, ALL, 0, 0},
    {"attention norm", step_attention_norm, ROWS, 0, 0},
    {"attention output", step_attention_output, ALL, TERN_ROLE_attn_output, TERN_ROLE_attn_output + 1},
    {"ffn: add, norm", step_ffn_input, ROWS, 0, 0},
    {"gate, up, act", step_gate_up, ALL, TERN_ROLE_ffn_gate, TERN_ROLE_ffn_up + 1},
    {"ffn: norm", step_ffn_norm, ROWS, 0, 0},
    {"down", step_down, ALL, TERN_ROLE_ffn_down, TERN_ROLE_ffn_down + 1},
    {"output norm", step_last, ROWS, 0, 0},
    {"output", step_logits, ALL, 0, 0},
};
enum { START = 0, LAYER = 1, END = 11 };

const char *tern_step_name(size_t step)
{
    return rows[step].name;
}

void tern_step_roles(size_t step, enum tern_role *from, enum tern_role *to)
{
    *from = rows[step].from;
    *to = rows[step].to;
}

/* Adds the time since *at to a step's; 0 in *at starts the clock. The caller's thread alone keeps times. */
static void note_time(const struct tern_step_work *w, size_t step, uint64_t *at)
{
    if (!w->s->times)
        return;
    uint64_t now = tern_stream_now();
    if (*at)
        w->s->times->ns[step] += now - *at;
    *at = now;
}

/* ---- a pass: one region for all steps, or one for each */

struct step {
    const struct tern_step_work *work;
    tern_step_fn *run;
};

static tern_step_fn *step_of(const struct tern_step_work *w, size_t i)
{
    return w->plan->options.precision == TERN_PRECISION_F32 ? tern_exact_steps[i] : rows[i].run;
}

static bool is_product(size_t step)
{
    return rows[step].from < rows[step].to;
}

/* After the products of a step: asks for the first weights of those that come next, which are on their way while threads meet and make rows. Several rows
 * read weights slower than memory gives them. */
static void ask_next(const struct tern_step_work *w, size_t step, int id, int n)
{
    uint32_t layer = w->layer;
    if (!w->is_single || !is_product(step))
        return;
    do {
        step = step + 1 < END ? step + 1 : LAYER;
        layer += step == LAYER;
    } while (!is_product(step));
    if (layer == w->c->n_layers)
        tern_output_ask(&w->plan->output, id, n);
    for (enum tern_role r = rows[step].from; r < rows[step].to && layer < w->c->n_layers; r++)
        tern_bound_matrix_ask(&w->plan->layers[layer][r], id, n);
}

/* Whether the next step takes what its own thread made. */
static bool is_handed_to_itself(const struct tern_step_work *w, size_t step, int n)
{
    return rows[step].hand == ROWS ? w->is_single : rows[step].hand == GROUPS && has_own_groups(w, n);
}

static void run_steps(const struct tern_step_work *w, size_t from, size_t to, int id, int n, uint64_t *at)
{
    for (size_t i = from; i < to; i++) {
        step_of(w, i)(w, id, n);
        ask_next(w, i, id, n);
        if (!is_handed_to_itself(w, i, n))
            tern_team_barrier(n);
        if (id == 0)
            note_time(w, i, at);
    }
}

static void step_part(void *data, int id, int n)
{
    const struct step *s = data;
    s->run(s->work, id, n);
}

static void whole_part(void *data, int id, int n)
{
    struct tern_step_work w = *(const struct tern_step_work *)data; /* each thread counts layers for itself */
    uint64_t at = 0;
    if (id == 0)
        note_time(&w, START, &at);
    run_steps(&w, START, LAYER, id, n, &at);
    for (w.layer = 0; w.layer < w.c->n_layers; w.layer++)
        run_steps(&w, LAYER, END, id, n, &at);
    if (w.n_last)
        run_steps(&w, END, TERN_STEPS, id, n, &at);
}

static void region_a_step(const struct tern_step_work *w, size_t from, size_t to, int threads, uint64_t *at)
{
    for (size_t i = from; i < to; i++) {
        tern_team_run(threads, step_part, &(struct step){w, step_of(w, i)});
        note_time(w, i, at);
    }
}

static void run_apart(struct tern_step_work *w, int threads)
{
    uint64_t at = 0;
    note_time(w, START, &at);
    region_a_step(w, START, LAYER, threads, &at);
    for (w->layer = 0; w->layer < w->c->n_layers; w->layer++)
        region_a_step(w, LAYER, END, threads, &at);
    if (w->n_last)
        region_a_step(w, END, TERN_STEPS, threads, &at);
}

static void take_positions(struct tern_session *s, const struct tern_pass *pass, size_t *positions)
{
    for (size_t r = 0; r < pass->n; r++)
        positions[r] = s->lengths[pass->sequences ? pass->sequences[r] : 0]++;
}

size_t tern_forward(struct tern_session *s, const struct tern_pass *pass)
{
    struct tern_step_work w = {.s = s, .plan = s->plan, .c = &s->plan->model->config, .pass = pass, .positions = s->positions, .n = pass->n,
                          .vector = &s->plan->backend->kernels.vector,
                          .is_single = pass->n == 1 && s->plan->features.use_one_region && s->plan->options.precision == TERN_PRECISION_INT8};
    take_positions(s, pass, s->positions);
    for (size_t r = 0; r < pass->n && pass->logits; r++)
        w.n_last += pass->wants[r] != 0;
    if (s->plan->features.use_one_region)
        tern_team_run_together(s->plan->options.threads, whole_part, &w);
    else
        run_apart(&w, s->plan->options.threads);
    if (s->times) {
        s->times->passes++;
        s->times->rows += pass->n;
    }
    return w.n_last;
}
