/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/linear.h"
#include "cuda/kernels/layout.h"
#include "cuda/pack.h"
#include "cuda/product.h"
#include "cuda/unpacked.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cuda_linear {
    struct cuda_device *device;
    size_t n, k, batch, copies, weight_bytes, ldx;
    struct cuda_shape shape;
    float scale;
    bool quantizes;
    struct cuda_memory w, x, x8, sx, y;
    struct cuda_product product;
    struct cuda_unpacked *unpacked; /* takes the product's place */
    void *quantize; /* function */
    struct cuda_loop loop;
    char why[240];
};

/* ---- inputs */

static enum cuda_outcome take_buffers(struct cuda_linear *l, const struct cuda_linear_spec *spec, struct cuda_fault *fault)
{
    struct cuda_device *d = l->device;
    size_t b = l->batch;
    enum cuda_outcome o;
    (void)spec;
    if ((o = cuda_take(d, l->weight_bytes * l->copies, "weights", &l->w, fault)) || (o = cuda_take(d, b * l->k * sizeof(float), "activations", &l->x, fault)) ||
        (o = cuda_take(d, b * l->ldx, "int8 activations", &l->x8, fault)) || (o = cuda_take(d, b * sizeof(float), "scales", &l->sx, fault)))
        return o;
    return cuda_take(d, b * l->n * sizeof(float), "outputs", &l->y, fault);
}

static enum cuda_outcome upload_weights(struct cuda_linear *l, const struct cuda_linear_spec *spec, struct cuda_fault *fault)
{
    struct cuda_device *d = l->device;
    uint8_t *packed = calloc(1, l->weight_bytes + 1);
    int8_t *trits = malloc(l->k + 1);
    enum cuda_outcome o = packed && trits ? CUDA_OUTCOME_ok : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory to pack %zu bytes", l->weight_bytes);
    for (size_t row = 0; !o && row < l->n; row++) {
        spec->source(spec->data, row, l->k, trits);
        cuda_pack_row(packed, l->shape.quads, row, trits, l->k);
    }
    for (size_t copy = 0; !o && copy < l->copies; copy++)
        o = copy ? cuda_try(d, d->driver.copy_later(l->w.at + copy * l->weight_bytes, l->w.at, l->weight_bytes, d->stream), "copying weights", fault)
                 : cuda_upload(d, l->w.at, packed, l->weight_bytes, "uploading weights", fault);
    free(packed);
    free(trits);
    return o ? o : cuda_finish(d, 20, fault);
}

/* Rows of k bytes to rows of ldx, with scales of one. */
static enum cuda_outcome upload_int8(struct cuda_linear *l, const int8_t *x8, struct cuda_fault *fault)
{
    struct cuda_device *d = l->device;
    int8_t *padded = calloc(l->batch, l->ldx);
    float *ones = malloc(l->batch * sizeof *ones);
    enum cuda_outcome o = padded && ones ? CUDA_OUTCOME_ok : cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no host memory for activations");
    for (size_t b = 0; !o && b < l->batch; b++) {
        memcpy(padded + b * l->ldx, x8 + b * l->k, l->k);
        ones[b] = 1;
    }
    if (!o && !(o = cuda_upload(d, l->x8.at, padded, l->batch * l->ldx, "uploading activations", fault)))
        o = cuda_upload(d, l->sx.at, ones, l->batch * sizeof *ones, "uploading scales", fault);
    free(padded);
    free(ones);
    return o;
}

static enum cuda_outcome upload_inputs(struct cuda_linear *l, const struct cuda_linear_spec *spec, struct cuda_fault *fault)
{
    enum cuda_outcome o = upload_weights(l, spec, fault);
    if (o)
        return o;
    if (spec->x8)
        return upload_int8(l, spec->x8, fault);
    return cuda_upload(l->device, l->x.at, spec->x, l->batch * l->k * sizeof(float), "uploading activations", fault);
}

/* ---- launches */

static enum cuda_outcome start_quantize(struct cuda_linear *l, struct cuda_fault *fault)
{
    uint64_t x = l->x.at, q = l->x8.at, scale = l->sx.at;
    int k = (int)l->k, ldq = (int)l->ldx;
    void *arguments[] = {&x, &q, &scale, &k, &ldq};
    return cuda_start(l->device, l->quantize, (struct cuda_grid){(unsigned)l->batch, 1, 256, 0}, arguments, fault);
}

/* Call i of a graph. */
static enum cuda_outcome record(void *state, unsigned i, struct cuda_fault *fault)
{
    struct cuda_linear *l = state;
    const struct cuda_operands operands = {.w = l->w.at + i % l->copies * l->weight_bytes, .x8 = l->x8.at, .sx = l->sx.at, .y = l->y.at, .scale = weight_scale_one(l->scale),
                                           .batch = l->batch};
    enum cuda_outcome o = l->quantizes ? start_quantize(l, fault) : CUDA_OUTCOME_ok;
    if (o)
        return o;
    return l->unpacked ? cuda_unpacked_start(l->unpacked, &operands, fault) : cuda_product_start(l->device, &l->product, &operands, fault);
}

/* ---- choosing */

enum { TRIAL_CALLS = 64, TRIALS = 5, UNPACKED_FROM = 256 };

/* Least time of a few trials of what is chosen now, in ns a call; 0 where tools watch (they do not see that cuBLASLt's kernels write y, which a result
 * fills before). */
static enum cuda_outcome trial(struct cuda_linear *l, double *ns, struct cuda_fault *fault)
{
    *ns = 0;
    if (l->device->is_checked)
        return CUDA_OUTCOME_ok;
    struct cuda_loop loop = {0};
    unsigned calls = l->batch > 256 ? 8 : TRIAL_CALLS;
    enum cuda_outcome o = cuda_loop_open(l->device, TRIAL_CALLS, record, l, &loop, fault);
    *ns = 1e30;
    for (int i = 0; i < TRIALS && !o; i++) {
        double one = 0;
        o = cuda_loop_run(&loop, calls, &one, fault);
        *ns = one / calls < *ns ? one / calls : *ns;
    }
    cuda_loop_close(&loop);
    return o;
}

/* The fastest of n launches. */
static enum cuda_outcome fastest(struct cuda_linear *l, const struct cuda_choice *choices, size_t n, size_t *best, double *least, struct cuda_fault *fault)
{
    enum cuda_outcome o = CUDA_OUTCOME_ok;
    double ns = 0;
    *least = 1e30;
    if (l->device->is_checked) {
        *best = l->device->turn++ % n;
        return o;
    }
    for (size_t i = 0; i < n && !o; i++) {
        if (!(o = cuda_product_open(l->device, &choices[i], &l->shape, &l->product, fault)))
            o = trial(l, &ns, fault);
        if (!o && ns < *least) {
            *least = ns;
            *best = i;
        }
    }
    return o;
}

static enum cuda_outcome use_unpacked(struct cuda_linear *l, double *ns, struct cuda_fault *fault)
{
    enum cuda_outcome o = cuda_unpacked_can(&l->shape) ? cuda_unpacked_open(l->device, &l->shape, &l->unpacked, fault)
                                                       : cuda_fail(fault, CUDA_OUTCOME_mismatch, "cuBLASLt takes multiples of four, not %zu x %zu", l->n, l->batch);
    if (!o && !(o = trial(l, ns, fault)))
        snprintf(l->why, sizeof l->why, "%scuBLASLt int8 from weights unpacked into %zu bytes at each call, %.2f us at bind", l->quantizes ? "quantize_f32_i8, " : "",
                 cuda_unpacked_bytes(l->unpacked), *ns / 1e3);
    return o;
}

/* Keeps cuBLASLt where it is faster than `least`; a library that is not there, or refuses, says nothing against what was chosen. */
static enum cuda_outcome try_unpacked(struct cuda_linear *l, double least, struct cuda_fault *fault)
{
    struct cuda_fault refusal;
    char why[sizeof l->why];
    double ns = 0;
    memcpy(why, l->why, sizeof why);
    enum cuda_outcome o = use_unpacked(l, &ns, &refusal);
    if (!o && ns < least)
        return o;
    cuda_unpacked_close(l->unpacked);
    l->unpacked = NULL;
    memcpy(l->why, why, sizeof why);
    if (!o)
        snprintf(l->why + strlen(l->why), sizeof l->why - strlen(l->why), "; cuBLASLt %.2f us", ns / 1e3);
    if (!o || o == CUDA_OUTCOME_mismatch || o == CUDA_OUTCOME_out_of_memory)
        return CUDA_OUTCOME_ok;
    if (fault)
        *fault = refusal;
    return o;
}

static enum cuda_outcome choose(struct cuda_linear *l, const char *name, struct cuda_fault *fault)
{
    struct cuda_choice choices[CUDA_CHOICES];
    char row[64] = "";
    const char *slash = name ? strchr(name, '/') : NULL;
    snprintf(row, sizeof row, "%.*s", slash ? (int)(slash - name) : 63, name ? name : "");
    size_t n = cuda_choices(&l->device->info, &l->shape, name ? row : NULL, choices, CUDA_CHOICES), best = slash ? strtoul(slash + 1, NULL, 10) : 0;
    double least = 0;
    if (name && !strcmp(name, "unpacked"))
        return use_unpacked(l, &least, fault);
    if (!n || best >= n)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "no kernel \"%s\" for %zux%zu at batch %zu on this card", name ? name : "", l->n, l->k, l->batch);
    enum cuda_outcome o = slash ? CUDA_OUTCOME_ok : fastest(l, choices, n, &best, &least, fault);
    if (o)
        return o;
    snprintf(l->why, sizeof l->why, "%s%s, %u blocks of %u threads, %d stages, %.2f us at bind, best of %zu launches", l->quantizes ? "quantize_f32_i8, " : "",
             choices[best].row->name, choices[best].grid.x * choices[best].grid.y, choices[best].grid.threads, choices[best].stages, least / 1e3, n);
    if ((o = cuda_product_open(l->device, &choices[best], &l->shape, &l->product, fault)) || name || l->batch < UNPACKED_FROM || !cuda_unpacked_can(&l->shape))
        return o;
    return try_unpacked(l, least, fault);
}

/* ---- bind, run */

static enum cuda_outcome open_all(struct cuda_linear *l, const struct cuda_linear_spec *spec, struct cuda_fault *fault)
{
    enum cuda_outcome o;
    if (!l->n || !l->k || !l->batch || l->k > CUDA_MAX_K)
        return cuda_fail(fault, CUDA_OUTCOME_mismatch, "shape %zux%zu at batch %zu: sizes from 1, at most %d inputs", l->n, l->k, l->batch, CUDA_MAX_K);
    if ((o = take_buffers(l, spec, fault)) || (o = upload_inputs(l, spec, fault)))
        return o;
    if (l->quantizes && (o = cuda_kernel(l->device, "quantize_f32_i8", 0, &l->quantize, fault)))
        return o;
    if ((o = choose(l, spec->kernel, fault)))
        return o;
    return cuda_loop_open(l->device, l->batch > 256 ? 8 : (unsigned)l->copies, record, l, &l->loop, fault);
}

enum cuda_outcome cuda_linear_bind(struct cuda_device *device, const struct cuda_linear_spec *spec, struct cuda_linear **out, struct cuda_fault *fault)
{
    struct cuda_linear *l = calloc(1, sizeof *l);
    if (!l)
        return cuda_fail(fault, CUDA_OUTCOME_out_of_memory, "no memory for a layer's state");
    l->device = device;
    l->n = spec->n;
    l->k = spec->k;
    l->batch = spec->batch;
    l->copies = spec->copies ? spec->copies : 1;
    l->scale = spec->scale;
    l->quantizes = !spec->x8;
    l->shape = (struct cuda_shape){spec->n, cuda_pack_tiles(spec->n), cuda_pack_quads(spec->k), spec->batch};
    l->ldx = l->shape.quads * CUDA_QUAD;
    l->weight_bytes = cuda_pack_bytes(spec->n, spec->k);
    enum cuda_outcome o = open_all(l, spec, fault);
    if (o)
        cuda_linear_close(l);
    else
        *out = l;
    return o;
}

void cuda_linear_close(struct cuda_linear *l)
{
    if (!l)
        return;
    struct cuda_memory *const all[] = {&l->w, &l->x, &l->x8, &l->sx, &l->y};
    cuda_loop_close(&l->loop);
    cuda_unpacked_close(l->unpacked);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cuda_give(l->device, all[i]);
    free(l);
}

enum cuda_outcome cuda_linear_run(struct cuda_linear *l, uint64_t n, double *ns, struct cuda_fault *fault)
{
    return cuda_loop_run(&l->loop, n, ns, fault);
}

enum cuda_outcome cuda_linear_result(struct cuda_linear *l, float *y, struct cuda_fault *fault)
{
    struct cuda_device *d = l->device;
    double ns;
    enum cuda_outcome o = cuda_fill(d, &l->y, 0xFFFFFFFFu, "clearing outputs", fault);
    if (o || (o = cuda_linear_run(l, 1, &ns, fault)))
        return o;
    return cuda_try(d, d->driver.download(y, l->y.at, l->batch * l->n * sizeof *y), "fetching outputs", fault);
}

size_t cuda_linear_weight_bytes(const struct cuda_linear *l)
{
    return l->weight_bytes;
}

const char *cuda_linear_why(const struct cuda_linear *l)
{
    return l->why;
}
