/* SPDX-License-Identifier: Apache-2.0
 *
 * The steps of a pass with float activations, in double precision. They are there to be right: a model may magnify what float32 would round off
 * (norms of large gain did so by a thousand), and then logits show whether the file was understood, not how sums were cut. The
 * equations are those of forward.h; weights are decoded at each use; sums are in a fixed order, so threads and backends give the same bits.
 */
#include "model/steps.h"

#include <math.h>
#include <string.h>

enum { LANES = 16 };

/* sum_i w[i] x[i], in LANES interleaved partial sums. */
static double dot(const float *w, const double *x, size_t n)
{
    double sums[LANES] = {0}, total = 0;
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sums[k] += (double)w[i + k] * x[i + k];
    for (; i < n; i++)
        sums[i % LANES] += (double)w[i] * x[i];
    for (size_t k = 0; k < LANES; k++)
        total += sums[k];
    return total;
}

static const float *decoded(const struct tern_step_work *w, const struct tern_matrix *m, size_t row, int id)
{
    float *room = w->s->own + (size_t)id * w->s->own_floats;
    tern_matrix_row(m, row, room);
    return room;
}

/* y = W h, or y + W h, for every row of the pass. */
static void product(const struct tern_step_work *w, enum tern_role role, double *y, bool is_added, int id, int n)
{
    const struct tern_model_weight *m = &w->plan->model->layers[w->layer][role];
    const size_t k = m->matrix.n_columns, outputs = m->matrix.n_rows;
    size_t from, to;
    tern_share(outputs, id, n, &from, &to);
    for (size_t o = from; o < to; o++) {
        const float *row = decoded(w, &m->matrix, o, id);
        for (size_t r = 0; r < w->n; r++) {
            double *at = &y[r * outputs + o], sum = (double)m->scale * dot(row, w->s->exact.h + r * k, k);
            *at = is_added ? *at + sum : sum;
        }
    }
}

static void norm(const double *x, const float *weights, size_t n, double eps, double *y)
{
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    const double shrink = 1 / sqrt(squares / (double)n + eps);
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * shrink * (double)weights[i];
}

static void norm_rows(const struct tern_step_work *w, const double *x, enum tern_role role, size_t width, int id, int n)
{
    size_t from, to;
    tern_share(w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++)
        norm(x + r * width, tern_plan_norm(w->plan, w->layer, role), width, (double)w->c->eps, w->s->exact.h + r * width);
}

/* ---- steps */

static void step_embed(const struct tern_step_work *w, int id, int n)
{
    const size_t width = w->c->width;
    size_t from, to;
    tern_share(w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++) {
        const float *row = decoded(w, &w->plan->model->embedding.matrix, w->pass->tokens[r], id);
        for (size_t i = 0; i < width; i++)
            w->s->exact.x[r * width + i] = (double)row[i];
    }
}

static void step_attention_input(const struct tern_step_work *w, int id, int n)
{
    norm_rows(w, w->s->exact.x, TERN_ROLE_attn_norm, w->c->width, id, n);
}

static void step_qkv(const struct tern_step_work *w, int id, int n)
{
    product(w, TERN_ROLE_attn_q, w->s->exact.q, false, id, n);
    product(w, TERN_ROLE_attn_k, w->s->exact.k, false, id, n);
    product(w, TERN_ROLE_attn_v, w->s->exact.v, false, id, n);
}

static void rotate(const struct tern_config *c, double *x, size_t heads, size_t position)
{
    const size_t d = c->head_size;
    for (size_t i = 0; i < d / 2; i++) {
        const double angle = (double)position * c->rope_scale * pow((double)c->rope_base, -2.0 * (double)i / (double)d);
        const double cosine = cos(angle), sine = sin(angle);
        for (size_t h = 0; h < heads; h++) {
            double *at = x + h * d + i, a = at[0], b = at[d / 2];
            at[0] = a * cosine - b * sine;
            at[d / 2] = a * sine + b * cosine;
        }
    }
}

static size_t kv_width(const struct tern_config *c)
{
    return (size_t)c->n_kv_heads * c->head_size;
}

/* Of the layer at hand: [sequence][position][kv]. */
static double *cached(const struct tern_step_work *w, double *cache, uint32_t sequence, size_t position)
{
    return cache + ((w->layer * w->s->sequences + sequence) * w->s->context + position) * kv_width(w->c);
}

static void step_rotate(const struct tern_step_work *w, int id, int n)
{
    const size_t kv = kv_width(w->c);
    const struct tern_exact *e = &w->s->exact;
    size_t from, to;
    tern_share(w->n, id, n, &from, &to);
    for (size_t r = from; r < to; r++) {
        const uint32_t sequence = tern_step_sequence(w, r);
        rotate(w->c, e->q + r * w->c->width, w->c->n_heads, w->positions[r]);
        rotate(w->c, e->k + r * kv, w->c->n_kv_heads, w->positions[r]);
        memcpy(cached(w, e->keys, sequence, w->positions[r]), e->k + r * kv, kv * sizeof(double));
        memcpy(cached(w, e->values, sequence, w->positions[r]), e->v + r * kv, kv * sizeof(double));
    }
}

/* Turns n scores into weights that sum to one. */
static void softmax(double *scores, size_t n)
{
    double most = scores[0], total = 0;
    for (size_t i = 1; i < n; i++)
        most = fmax(most, scores[i]);
    for (size_t i = 0; i < n; i++)
        total += scores[i] = exp(scores[i] - most);
    for (size_t i = 0; i < n; i++)
        scores[i] /= total;
}

static void attend(const struct tern_step_work *w, size_t row, size_t head, double *scores)
{
    const size_t d = w->c->head_size, kv = kv_width(w->c), length = w->positions[row] + 1, group = head / (w->c->n_heads / w->c->n_kv_heads);
    const double *q = w->s->exact.q + row * w->c->width + head * d;
    const double *keys = cached(w, w->s->exact.keys, tern_step_sequence(w, row), 0) + group * d;
    const double *values = cached(w, w->s->exact.values, tern_step_sequence(w, row), 0) + group * d;
    double *out = w->s->exact.mixed + row * w->c->width + head * d;
    for (size_t p = 0; p < length; p++) {
        scores[p] = 0;
        for (size_t i = 0; i < d; i++)
            scores[p] += q[i] * keys[p * kv + i];
        scores[p] /= sqrt((double)d);
    }
    softmax(scores, length);
    memset(out, 0, d * sizeof *out);
    for (size_t p = 0; p < length; p++)
        for (size_t i = 0; i < d; i++)
            out[i] += scores[p] * values[p * kv + i];
}

static void step_attend(const struct tern_step_work *w, int id, int n)
{
    size_t from, to;
    tern_share(w->n * w->c->n_heads, id, n, &from, &to);
    for (size_t unit = from; unit < to; unit++)
        attend(w, unit / w->c->n_heads, unit % w->c->n_heads, w->s->exact.scores + (size_t)id * w->s->context);
}

static void step_attention_norm(const struct tern_step_work *w, int id, int n)
{
    norm_rows(w, w->s->exact.mixed, TERN_ROLE_attn_sub_norm, w->c->width, id, n);
}

static void step_attention_output(const struct tern_step_work *w, int id, int n)
{
    product(w, TERN_ROLE_attn_output, w->s->exact.x, true, id, n);
}

static void step_ffn_input(const struct tern_step_work *w, int id, int n)
{
    norm_rows(w, w->s->exact.x, TERN_ROLE_ffn_norm, w->c->width, id, n);
}

static double activated(enum tern_activation activation, double gate)
{
    if (activation == TERN_ACTIVATION_RELU2)
        return gate > 0 ? gate * gate : 0;
    return gate / (1 + exp(-gate));
}

/* A thread's outputs of gate are those of up. */
static void step_gate_up(const struct tern_step_work *w, int id, int n)
{
    const size_t ffn = w->c->ffn;
    const struct tern_exact *e = &w->s->exact;
    size_t from, to;
    product(w, TERN_ROLE_ffn_gate, e->gate, false, id, n);
    product(w, TERN_ROLE_ffn_up, e->up, false, id, n);
    tern_share(ffn, id, n, &from, &to);
    for (size_t r = 0; r < w->n; r++)
        for (size_t i = r * ffn + from; i < r * ffn + to; i++)
            e->gate[i] = activated(w->c->activation, e->gate[i]) * e->up[i];
}

static void step_ffn_norm(const struct tern_step_work *w, int id, int n)
{
    norm_rows(w, w->s->exact.gate, TERN_ROLE_ffn_sub_norm, w->c->ffn, id, n);
}

static void step_down(const struct tern_step_work *w, int id, int n)
{
    product(w, TERN_ROLE_ffn_down, w->s->exact.x, true, id, n);
}

/* The rows whose logits are wanted, side by side; shared by their number among the wanted. */
static void step_last(const struct tern_step_work *w, int id, int n)
{
    const size_t width = w->c->width;
    size_t from, to, k = 0;
    tern_share(w->n_last, id, n, &from, &to);
    for (size_t r = 0; r < w->n; r++) {
        if (!w->pass->wants[r])
            continue;
        if (k >= from && k < to)
            norm(w->s->exact.x + r * width, tern_plan_output_norm(w->plan), width, (double)w->c->eps, w->s->exact.h + k * width);
        k++;
    }
}

static void step_logits(const struct tern_step_work *w, int id, int n)
{
    const struct tern_model_weight *m = &w->plan->model->output;
    const size_t k = m->matrix.n_columns, vocabulary = m->matrix.n_rows;
    size_t from, to;
    tern_share(vocabulary, id, n, &from, &to);
    for (size_t o = from; o < to; o++) {
        const float *row = decoded(w, &m->matrix, o, id);
        for (size_t r = 0; r < w->n_last; r++)
            w->pass->logits[r * vocabulary + o] = (float)((double)m->scale * dot(row, w->s->exact.h + r * k, k));
    }
}

tern_step_fn *const tern_exact_steps[TERN_STEPS] = {
    step_embed, step_attention_input, step_qkv, step_rotate, step_attend, step_attention_norm, step_attention_output,
    step_ffn_input, step_gate_up, step_ffn_norm, step_down, step_last, step_logits,
};
