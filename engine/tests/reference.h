/* SPDX-License-Identifier: Apache-2.0
 *
 * A forward pass in double precision, slow and plain, written from the equations alone: no cache, no batches, no threads, every
 * position computed from all before it. What the engine's logits are compared with.
 *
 *   quantised = false   activations as they are
 *   quantised = true    the input of every layer's matrix goes through int8 by per-row absmax, as BitNet b1.58 has it
 */
#ifndef TEST_REFERENCE_H
#define TEST_REFERENCE_H

#include "model/model.h"

#include <math.h>
#include <stdlib.h>

struct reference {
    const struct tern_model *model;
    bool quantised;
    size_t n; /* tokens */
    double *x, *h, *q, *k, *v, *o, *gate, *up, *added;
};

static double *reference_room(size_t n)
{
    double *p = calloc(n, sizeof *p);
    if (!p)
        abort();
    return p;
}

static void reference_norm(const double *x, const struct tern_model_weight *w, size_t n, double eps, double *y)
{
    float *weights = malloc(n * sizeof *weights);
    double squares = 0;
    tern_matrix_row(&w->matrix, 0, weights);
    for (size_t i = 0; i < n; i++)
        squares += x[i] * x[i];
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] / sqrt(squares / (double)n + eps) * (double)weights[i];
    free(weights);
}

static void reference_quantise(double *x, size_t n)
{
    double most = 1e-5;
    for (size_t i = 0; i < n; i++)
        most = fabs(x[i]) > most ? fabs(x[i]) : most;
    for (size_t i = 0; i < n; i++)
        x[i] = rint(x[i] * 127 / most) * most / 127;
}

/* y[t] = W x[t] for all tokens */
static void reference_product(const struct reference *r, const struct tern_model_weight *w, const double *x, double *y)
{
    size_t rows = w->matrix.n_rows, k = w->matrix.n_columns;
    float *row = malloc(k * sizeof *row);
    for (size_t i = 0; i < rows; i++) {
        tern_matrix_row(&w->matrix, i, row);
        for (size_t t = 0; t < r->n; t++) {
            double sum = 0;
            for (size_t c = 0; c < k; c++)
                sum += (double)row[c] * x[t * k + c];
            y[t * rows + i] = sum * (double)w->scale;
        }
    }
    free(row);
}

static void reference_rotate(const struct tern_config *c, double *x, size_t heads, size_t position)
{
    size_t d = c->head_size;
    for (size_t h = 0; h < heads; h++) {
        for (size_t i = 0; i < d / 2; i++) {
            double angle = (double)position * c->rope_scale * pow((double)c->rope_base, -2.0 * (double)i / (double)d);
            double a = x[h * d + i], b = x[h * d + i + d / 2];
            x[h * d + i] = a * cos(angle) - b * sin(angle);
            x[h * d + i + d / 2] = a * sin(angle) + b * cos(angle);
        }
    }
}

static void reference_attend(const struct reference *r)
{
    const struct tern_config *c = &r->model->config;
    size_t d = c->head_size, kv = c->n_kv_heads * d;
    double *p = reference_room(r->n);
    for (size_t t = 0; t < r->n; t++) {
        for (size_t head = 0; head < c->n_heads; head++) {
            size_t at = head * c->n_kv_heads / c->n_heads * d;
            double most = -INFINITY, total = 0;
            for (size_t s = 0; s <= t; s++) {
                p[s] = 0;
                for (size_t i = 0; i < d; i++)
                    p[s] += r->q[t * c->width + head * d + i] * r->k[s * kv + at + i];
                p[s] /= sqrt((double)d);
                most = fmax(most, p[s]);
            }
            for (size_t s = 0; s <= t; s++)
                total += p[s] = exp(p[s] - most);
            for (size_t i = 0; i < d; i++) {
                double sum = 0;
                for (size_t s = 0; s <= t; s++)
                    sum += p[s] / total * r->v[s * kv + at + i];
                r->o[t * c->width + head * d + i] = sum;
            }
        }
    }
    free(p);
}

static void reference_norms(const struct reference *r, const double *x, const struct tern_model_weight *w, size_t n, double *y, bool quantise)
{
    for (size_t t = 0; t < r->n; t++) {
        reference_norm(x + t * n, w, n, (double)r->model->config.eps, y + t * n);
        if (quantise)
            reference_quantise(y + t * n, n);
    }
}

static void reference_layer(const struct reference *r, const struct tern_model_weight *w)
{
    const struct tern_config *c = &r->model->config;
    size_t width = c->width, ffn = c->ffn, kv = (size_t)c->n_kv_heads * c->head_size;
    reference_norms(r, r->x, &w[TERN_ROLE_attn_norm], width, r->h, r->quantised);
    reference_product(r, &w[TERN_ROLE_attn_q], r->h, r->q);
    reference_product(r, &w[TERN_ROLE_attn_k], r->h, r->k);
    reference_product(r, &w[TERN_ROLE_attn_v], r->h, r->v);
    for (size_t t = 0; t < r->n; t++) {
        reference_rotate(c, r->q + t * width, c->n_heads, t);
        reference_rotate(c, r->k + t * kv, c->n_kv_heads, t);
    }
    reference_attend(r);
    reference_norms(r, r->o, &w[TERN_ROLE_attn_sub_norm], width, r->h, r->quantised);
    reference_product(r, &w[TERN_ROLE_attn_output], r->h, r->added);
    for (size_t i = 0; i < r->n * width; i++)
        r->x[i] += r->added[i];
    reference_norms(r, r->x, &w[TERN_ROLE_ffn_norm], width, r->h, r->quantised);
    reference_product(r, &w[TERN_ROLE_ffn_gate], r->h, r->gate);
    reference_product(r, &w[TERN_ROLE_ffn_up], r->h, r->up);
    for (size_t i = 0; i < r->n * ffn; i++) {
        double g = r->gate[i];
        r->gate[i] = (c->activation == TERN_ACTIVATION_RELU2 ? (g > 0 ? g * g : 0) : g / (1 + exp(-g))) * r->up[i];
    }
    reference_norms(r, r->gate, &w[TERN_ROLE_ffn_sub_norm], ffn, r->h, r->quantised);
    reference_product(r, &w[TERN_ROLE_ffn_down], r->h, r->added);
    for (size_t i = 0; i < r->n * width; i++)
        r->x[i] += r->added[i];
}

/* logits: n x vocabulary */
static void reference_forward(const struct tern_model *model, bool quantised, const uint32_t *tokens, size_t n, double *logits)
{
    const struct tern_config *c = &model->config;
    size_t width = c->width, ffn = c->ffn, kv = (size_t)c->n_kv_heads * c->head_size, tall = ffn > width ? ffn : width;
    struct reference r = {model, quantised, n, reference_room(n * width), reference_room(n * tall), reference_room(n * width),
                          reference_room(n * kv), reference_room(n * kv), reference_room(n * width), reference_room(n * ffn),
                          reference_room(n * ffn), reference_room(n * width)};
    float *row = malloc(width * sizeof *row);
    for (size_t t = 0; t < n; t++) {
        tern_matrix_row(&model->embedding.matrix, tokens[t], row);
        for (size_t i = 0; i < width; i++)
            r.x[t * width + i] = (double)row[i];
    }
    for (uint32_t layer = 0; layer < c->n_layers; layer++)
        reference_layer(&r, model->layers[layer]);
    reference_norms(&r, r.x, &model->output_norm, width, r.h, false);
    reference_product(&r, &model->output, r.h, logits);
    double *all[] = {r.x, r.h, r.q, r.k, r.v, r.o, r.gate, r.up, r.added};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    free(row);
}

#endif
