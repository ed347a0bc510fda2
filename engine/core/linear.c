/* SPDX-License-Identifier: Apache-2.0 */
#include "core/linear.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/layout.h"
#include "core/memory.h"
#include "core/places.h"
#include "core/sums.h"
#include "format/lines.h"
#include "format/weights.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* ---- activations */

/* A row reaches beyond K to the end of the last line of every storage (at most 19 columns on) and of a tile of 64. An odd number of cache
 * lines, so that the 16 rows that a tile load touches at once spread over the sets of the cache. */
static size_t stride_for(size_t k)
{
    return ((k + 20 + 63) / 64 | 1) * 64;
}

enum tern_status tern_activations_open(struct tern_activations *a, size_t rows, size_t k, struct tern_error *error)
{
    memset(a, 0, sizeof *a);
    a->rows = rows;
    a->k = k;
    a->stride = stride_for(k);
    size_t numbers = (rows * sizeof(float) + 63) / 64 * 64;
    a->bytes = rows * a->stride + 2 * numbers;
    a->q = tern_block_open(a->bytes);
    if (!a->q)
        return tern_error_memory(error, "activations", a->bytes);
    a->scale = (float *)(void *)(a->q + rows * a->stride);
    a->sum = (int32_t *)(void *)((char *)a->scale + numbers);
    return TERN_OK;
}

void tern_activations_close(struct tern_activations *a)
{
    tern_block_close(a->q, a->bytes);
    memset(a, 0, sizeof *a);
}

void tern_activations_fill(struct tern_activations *a, const struct tern_kernels *kernels, const float *x, size_t from, size_t to)
{
    kernels->quantize_rows(x + from * a->k, to - from, a->k, a->q + from * a->stride, a->stride, a->scale + from, a->sum + from);
}

void tern_activations_copy(struct tern_activations *a, const int8_t *x, size_t from, size_t to)
{
    for (size_t b = from; b < to; b++) {
        int32_t sum = 0;
        memcpy(a->q + b * a->stride, x + b * a->k, a->k);
        for (size_t i = 0; i < a->k; i++)
            sum += x[b * a->k + i];
        a->sum[b] = sum;
        a->scale[b] = 1;
    }
}

/* ---- weights */

void tern_packed_row(const void *packed_rows, size_t n, size_t k, int8_t *trits)
{
    const struct tern_packed_rows *p = packed_rows;
    p->format->unpack(p->data + n * p->row_bytes, k, trits);
}

/* What the parts of packing share. */
struct packing {
    struct tern_linear *linear;
    const struct tern_linear_spec *spec;
    _Atomic bool failed;
    _Atomic size_t panel_bytes; /* the most that any panel needs */
};

/* Rows of panel g as trits, zeros beyond N and K. */
static void read_panel(const struct packing *s, size_t g, int8_t *trits)
{
    const struct tern_linear *l = s->linear;
    size_t stride = stride_for(l->k);
    memset(trits, 0, TERN_PANEL * stride);
    for (size_t r = 0; r < TERN_PANEL && g * TERN_PANEL + r < l->n; r++)
        s->spec->source(s->spec->data, g * TERN_PANEL + r, l->k, trits + r * stride);
}

/* Panel g of every copy. The first copy is packed, the others are copied from it. */
static void pack_panel(struct packing *s, size_t g, int8_t *trits)
{
    const struct tern_linear *l = s->linear;
    uint8_t *first = l->w + g * l->panel_bytes;
    read_panel(s, g, trits);
    tern_lines_pack(l->storage, trits, stride_for(l->k), l->k, first);
    for (size_t c = 1; c < l->copies; c++)
        memcpy(first + c * l->copy_bytes, first, l->panel_bytes);
}

static void size_panel(struct packing *s, size_t g, int8_t *trits)
{
    read_panel(s, g, trits);
    size_t bytes = tern_lines_bytes(s->linear->storage, trits, stride_for(s->linear->k), s->linear->k);
    for (size_t most = atomic_load(&s->panel_bytes); bytes > most && !atomic_compare_exchange_weak(&s->panel_bytes, &most, bytes);)
        ;
}

static void each_panel(struct packing *s, int id, int n, void (*todo)(struct packing *, size_t, int8_t *))
{
    size_t from, to;
    int8_t *trits = tern_array_open(1, TERN_PANEL * stride_for(s->linear->k));
    tern_share(s->linear->panels, id, n, &from, &to);
    for (; trits && from < to; from++)
        todo(s, from, trits);
    if (!trits)
        s->failed = true;
    tern_array_close(trits);
}

/* The thread that packs a share will read it: its pages go to that thread's node. */
static void part_pack(void *data, int id, int n)
{
    const struct tern_linear *l = ((struct packing *)data)->linear;
    size_t from, to;
    tern_share(l->panels, id, n, &from, &to);
    for (size_t c = 0; c < l->copies; c++)
        tern_places_take(tern_places(), sched_getcpu(), l->w + c * l->copy_bytes + from * l->panel_bytes, (to - from) * l->panel_bytes);
    each_panel(data, id, n, pack_panel);
}

static void part_size(void *data, int id, int n)
{
    each_panel(data, id, n, size_panel);
}

/* By the threads that will read: each touches first the share of the panels that will be its own, so that pages come from its memory node. */
static bool on_the_team(struct packing *s, tern_part_fn *part)
{
    int threads = s->spec->threads > 0 ? s->spec->threads : tern_threads_allowed();
    tern_team_run_together(threads, part, s);
    return !s->failed;
}

/*
 * Storage by shape, the first row that fits. Two bits are the fastest to compute with; five weights in a byte are the sooner fetched, so what
 * matters is where the weights come from at each call. Figures: GOP/s on 2 threads, batch 1, suites/bitlinear.lua.
 */
enum place { PLACE_ANY, PLACE_BEYOND_L2, PLACE_MEMORY };

static const struct choice {
    const char *backend, *feature; /* that it is for, or null for all */
    size_t batch;                  /* at most */
    enum place place;              /* where weights come from, at the nearest */
    enum tern_storage storage;
    const char *why;
} choices[] = {
    { "amx", NULL, 1, PLACE_BEYOND_L2, TERN_STORAGE_TABLE3,
      "weights come from beyond L2: 1.6 bits are fetched sooner (Intel Xeon with AMX, 2026-11-26: 490 against 404 GOP/s from L3, 231 against 196 from memory)" },
    { "avx512vnni", "avx512vbmi", 1, PLACE_MEMORY, TERN_STORAGE_TABLE3,
      "weights come from memory: 1.6 bits are fetched sooner (Intel Xeon with AMX, 2026-11-26: 231 against 196 GOP/s)" },
    { "avx512vnni", NULL, 1, PLACE_MEMORY, TERN_STORAGE_BASE3,
      "weights come from memory: 1.6 bits are fetched sooner (AMD Zen 4, 2026-11-23: 293 against 270 GOP/s)" },
    { NULL, NULL, SIZE_MAX, PLACE_ANY, TERN_STORAGE_2BIT, "two bits take the fewest instructions (AMD Zen 5, 2026-11-26, hot: 1173 against 700 GOP/s)" },
};

/* Weights that do not fit in a cache come from the one behind it at each call, as those of a cold measurement come from memory. A little more
 * than the threads' own caches hold still comes from there for the most part. */
static enum place place_of(const struct tern_linear_spec *spec)
{
    size_t bytes = spec->n * spec->k / 4, threads = (size_t)(spec->threads > 0 ? spec->threads : tern_threads_allowed());
    if (spec->is_cold || spec->copies > 1 || bytes > tern_cpu_cache(3))
        return PLACE_MEMORY;
    return bytes > threads * tern_cpu_cache(2) * 3 / 2 ? PLACE_BEYOND_L2 : PLACE_ANY;
}

static const struct choice *choose(const struct tern_backend *backend, const struct tern_linear_spec *spec)
{
    enum place place = place_of(spec);
    const struct choice *c = choices;
    while ((c->backend && strcmp(c->backend, backend->name)) || (c->feature && !tern_cpu_has(c->feature)) || spec->batch > c->batch ||
           place < c->place)
        c++;
    return c;
}

enum tern_status tern_linear_plan(const struct tern_backend *backend, const struct tern_linear_spec *spec, struct tern_linear *l,
                                  struct tern_error *error)
{
    *l = (struct tern_linear){ .backend = backend };
    if (spec->k > TERN_K_MAX || spec->n > (size_t)1 << 30)
        return tern_error_set(error, TERN_INVALID, "layer: shape %zux%zu; at most %zu outputs and %d inputs are exact", spec->n, spec->k,
                              (size_t)1 << 30, TERN_K_MAX);
    l->n = spec->n;
    l->k = spec->k;
    l->scale = spec->scale;
    l->why = "the storage was asked for";
    l->storage = spec->storage;
    if (spec->storage >= TERN_STORAGES) {
        const struct choice *c = choose(l->backend, spec);
        l->storage = c->storage;
        l->why = c->why;
    }
    l->panels = (spec->n + TERN_PANEL - 1) / TERN_PANEL;
    l->steps = tern_lines_count(l->storage, spec->k);
    l->panel_bytes = l->steps * TERN_STEP;
    l->copies = spec->copies ? spec->copies : 1;
    return TERN_OK;
}

/* Planes are as large as their weights are dense, which takes a look at all of them. */
static bool size_panels(struct tern_linear *l, struct packing *s)
{
    if (l->storage == TERN_STORAGE_PLANES) {
        if (!on_the_team(s, part_size))
            return false;
        l->panel_bytes = s->panel_bytes;
    }
    l->copy_bytes = l->panels * l->panel_bytes;
    l->bytes = l->copy_bytes * l->copies;
    return true;
}

enum tern_status tern_linear_bind(const struct tern_backend *backend, const struct tern_linear_spec *spec, struct tern_linear **out,
                                  struct tern_error *error)
{
    struct tern_linear *l = tern_array_open(1, sizeof *l);
    if (!l)
        return tern_error_memory(error, "layer", sizeof *l);
    struct packing packing = { .linear = l, .spec = spec };
    enum tern_status status = tern_linear_plan(backend, spec, l, error);
    if (!status && !size_panels(l, &packing))
        status = tern_error_memory(error, "packing", TERN_PANEL * stride_for(l->k));
    l->is_lent = spec->room != NULL;
    if (!status && !(l->w = l->is_lent ? spec->room : tern_block_open(l->bytes + 4096)))
        status = tern_error_memory(error, "packed weights", l->bytes);
    if (!status && !on_the_team(&packing, part_pack))
        status = tern_error_memory(error, "packing", TERN_PANEL * stride_for(l->k));
    if (status)
        tern_linear_close(l);
    else
        *out = l;
    return status;
}

void tern_linear_close(struct tern_linear *l)
{
    if (!l)
        return;
    if (!l->is_lent)
        tern_block_close(l->w, l->bytes + 4096);
    tern_array_close(l);
}

void tern_linear_row(const struct tern_linear *l, size_t n, int8_t *trits)
{
    tern_lines_unpack(l->storage, l->w + n / TERN_PANEL * l->panel_bytes, n % TERN_PANEL, l->k, trits);
}

/* ---- products */

static enum tern_class class_of(size_t batch)
{
    return batch <= 1 ? TERN_ONE : batch <= TERN_FEW_MAX ? TERN_FEW : TERN_MANY;
}

const struct tern_product_kernel *tern_linear_kernel(const struct tern_linear *l, size_t batch)
{
    return &l->backend->kernels.product[l->storage][class_of(batch)];
}

#ifdef TERN_TEST_EXTRA_WORK
/*
 * A build for tests of the gate (make EXTRA_WORK=0.10): every product does that share of its panels again. Panels are whole, so the
 * fraction that is owed goes over to the thread's next call: the mean is exact.
 */
static size_t extra_panels(size_t share)
{
    static _Thread_local double owed;
    owed += (double)share * TERN_TEST_EXTRA_WORK;
    size_t now = (size_t)owed < share ? (size_t)owed : share;
    owed -= (double)now;
    return now;
}
#else
static size_t extra_panels(size_t share)
{
    (void)share;
    return 0;
}
#endif

/* Kernels go through the rows 32 at a time and through all their panels for each: panels come in chunks that stay in the second cache meanwhile, so
 * that memory is read once for all rows. */
enum { ROWS_AT_ONCE = 32, CHUNK_BYTES = 512 << 10 };

static void part(const struct tern_linear *l, const struct tern_activations *a, size_t batch, size_t copy, const float *scale, void *y,
                 int id, int n)
{
    size_t from, to;
    struct tern_product p = {
        .w = l->w + copy * l->copy_bytes, .panel_bytes = l->panel_bytes, .steps = l->steps, .n = l->n, .x = a->q, .x_stride = a->stride,
        .x_sum = a->sum, .batch = batch, .scale = scale, .weight_scale = l->scale, .y = y,
    };
    tern_share(l->panels, id, n, &from, &to);
    if (from == to || !batch)
        return;
    size_t chunk = batch > ROWS_AT_ONCE ? CHUNK_BYTES / l->panel_bytes + 1 : to - from;
    for (size_t at = from; at < to; at += chunk)
        tern_linear_kernel(l, batch)->run(&p, at, to - at < chunk ? to : at + chunk);
    size_t again = extra_panels(to - from);
    if (again)
        tern_linear_kernel(l, batch)->run(&p, from, from + again);
}

void tern_linear_ask(const struct tern_linear *l, int id, int n)
{
    size_t from, to;
    tern_share(l->panels, id, n, &from, &to);
    size_t bytes = (to - from) * l->panel_bytes;
    tern_layout_ask(l->w + from * l->panel_bytes, bytes < TERN_AHEAD ? bytes : TERN_AHEAD);
}

void tern_share_panels(size_t rows, int id, int n, size_t *from, size_t *to)
{
    tern_share((rows + TERN_PANEL - 1) / TERN_PANEL, id, n, from, to);
    *from *= TERN_PANEL;
    *to = *to * TERN_PANEL < rows ? *to * TERN_PANEL : rows;
}

void tern_linear_part(const struct tern_linear *l, const struct tern_activations *a, size_t batch, size_t copy, float *y, int id, int n)
{
    part(l, a, batch, copy, a->scale, y, id, n);
}

void tern_linear_part_exact(const struct tern_linear *l, const struct tern_activations *a, size_t batch, size_t copy, int32_t *y, int id, int n)
{
    part(l, a, batch, copy, NULL, y, id, n);
}

void tern_linear_rows(const struct tern_linear *l, const struct tern_activations *a, size_t from, size_t to, size_t copy, float *y)
{
    struct tern_activations rows = *a;
    rows.q += from * a->stride;
    rows.scale += from;
    rows.sum += from;
    part(l, &rows, to - from, copy, rows.scale, y + from * l->n, 0, 1);
}

static float dot_float(const int8_t *trits, const float *x, size_t k)
{
    float partial[TERN_PARTIALS] = { 0 };
    for (size_t i = 0; i < k; i++)
        partial[i % TERN_PARTIALS] += (float)trits[i] * x[i];
    return tern_sum_tree(partial);
}

void tern_linear_part_float(const struct tern_linear *l, const float *x, size_t batch, float *y, int id, int n)
{
    size_t from, to;
    int8_t *trits = tern_array_open(1, l->k + 1);
    tern_share(l->n, id, n, &from, &to);
    for (size_t row = from; row < to && trits; row++) {
        tern_linear_row(l, row, trits);
        for (size_t b = 0; b < batch; b++)
            y[b * l->n + row] = dot_float(trits, x + b * l->k, l->k) * l->scale;
    }
    tern_array_close(trits);
}
