/* SPDX-License-Identifier: Apache-2.0
 * Operations that only a card has: stretches of its memory and of its link to the host (gpu_stretch), and a matrix product by cuBLAS
 * (gpu_rival), against which the ternary layer is measured. */
#include "core/accelerator.h"
#include "core/error.h"
#include "core/memory.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- gpu_stretch */

struct stretch {
    struct tern_accelerator on;
    struct cuda_stretch *stretch;
    struct cuda_stretch_spec spec;
};

static const struct tern_op_param stretch_params[] = {
    { "kind", "read", "read, copy, up, down, both, staged, overlap or launch" },
    { "bytes", "268435456", "of one stretch" },
    { "pinned", "1", "host memory that is locked" },
    { NULL, NULL, NULL },
};

static void run_stretch(struct tern_op *op, uint64_t n)
{
    struct stretch *s = op->state;
    struct cuda_fault fault;
    if (s->on.face->stretch_run(s->stretch, n, &op->elapsed_ns, &fault))
        op->elapsed_ns = -1;
}

static enum tern_status bind_stretch(struct tern_op *op, struct tern_error *error)
{
    static const char *const kinds[] = {
#define ROW(name, about) #name,
        CUDA_STRETCH_KINDS(ROW)
#undef ROW
        NULL
    };
    struct cuda_fault fault;
    struct stretch *s = op->state = tern_array_open(1, sizeof *s);
    enum tern_status status;
    size_t kind;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    if ((status = tern_op_choice(op, "kind", kinds, &kind, error)) || (status = tern_op_size(op, "bytes", 64, (size_t)1 << 36, &s->spec.bytes, error)) ||
        (status = tern_op_flag(op, "pinned", &s->spec.is_pinned, error)) || (status = tern_accelerator_open(&s->on, error)))
        return status;
    op->run_many = run_stretch;
    s->spec.kind = (enum cuda_stretch_kind)kind;
    s->spec.bytes &= ~(size_t)63;
    snprintf(op->why, sizeof op->why, "%s memory of the host", s->spec.is_pinned ? "locked" : "pageable");
    return tern_accelerator_fault(s->on.face->stretch_bind(s->on.device, &s->spec, &s->stretch, &fault), &fault, error);
}

static enum tern_status check_stretch(struct tern_op *op, struct tern_error *error)
{
    struct stretch *s = op->state;
    struct cuda_fault fault;
    return tern_accelerator_fault(s->on.face->stretch_check(s->stretch, &fault), &fault, error);
}

static void work_stretch(const struct tern_op *op, struct tern_work *work)
{
    static const double moved[CUDA_STRETCHES] = {
        [CUDA_STRETCH_read] = 1, [CUDA_STRETCH_copy] = 2, [CUDA_STRETCH_up] = 1, [CUDA_STRETCH_down] = 1, [CUDA_STRETCH_both] = 2,
        [CUDA_STRETCH_staged] = 1, [CUDA_STRETCH_overlap] = 1,
    };
    const struct stretch *s = op->state;
    work->bytes = moved[s->spec.kind] * (double)s->spec.bytes;
    work->items = 1;
}

static void close_stretch(struct tern_op *op)
{
    struct stretch *s = op->state;
    if (s->stretch)
        s->on.face->stretch_close(s->stretch);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_gpu_stretch = {
    .name = "gpu_stretch", .about = "memory of the card and its link to the host", .params = stretch_params, .bind = bind_stretch,
    .check = check_stretch, .work = work_stretch, .close = close_stretch,
};

/* ---- gpu_rival */

struct rival {
    struct tern_accelerator on;
    struct cuda_rival *rival;
    struct cuda_rival_spec spec;
};

static const struct tern_op_param rival_params[] = {
    { "type", "int8", "int8, bf16 (cuBLAS) or w2a8 (the library that TERN_W2A8 names)" },
    { "shape", "2560x2560", "outputs x inputs" },
    { "batch", "8", "rows of activations" },
    { "cold", "0", "1: weights rotate through 1 GB or more" },
    { NULL, NULL, NULL },
};

static void run_rival(struct tern_op *op, uint64_t n)
{
    struct rival *s = op->state;
    struct cuda_fault fault;
    if (s->on.face->rival_run(s->rival, n, &op->elapsed_ns, &fault))
        op->elapsed_ns = -1;
}

static enum tern_status bind_rival(struct tern_op *op, struct tern_error *error)
{
    static const char *const types[] = { "int8", "bf16", "w2a8", NULL };
    struct cuda_fault fault;
    struct rival *s = op->state = tern_array_open(1, sizeof *s);
    enum tern_status status;
    size_t type, shape[2];
    bool cold;
    if (!s)
        return tern_error_memory(error, op->row->name, sizeof *s);
    if ((status = tern_op_choice(op, "type", types, &type, error)) || (status = tern_op_shape(op, "shape", 2, shape, error)) ||
        (status = tern_op_size(op, "batch", 1, 65536, &s->spec.batch, error)) || (status = tern_op_flag(op, "cold", &cold, error)) ||
        (status = tern_accelerator_open(&s->on, error)))
        return status;
    op->run_many = run_rival;
    s->spec.n = shape[0];
    s->spec.k = shape[1];
    s->spec.type = (enum cuda_rival_type)type;
    s->spec.copies = cold ? ((size_t)1 << 30) / (s->spec.n * s->spec.k / (type == CUDA_RIVAL_w2a8 ? 4 : 1) + 1) + 1 : 1;
    enum cuda_outcome o = s->on.face->rival_bind(s->on.device, &s->spec, &s->rival, &fault);
    if (!o)
        snprintf(op->why, sizeof op->why, "%s", s->on.face->rival_why(s->rival));
    return tern_accelerator_fault(o, &fault, error);
}

/* A rival's results are its own business; that it still runs is checked. */
static enum tern_status check_rival(struct tern_op *op, struct tern_error *error)
{
    struct rival *s = op->state;
    struct cuda_fault fault;
    double ns;
    return tern_accelerator_fault(s->on.face->rival_run(s->rival, 1, &ns, &fault), &fault, error);
}

static void work_rival(const struct tern_op *op, struct tern_work *work)
{
    const struct cuda_rival_spec *s = &((const struct rival *)op->state)->spec;
    double n = (double)s->n, k = (double)s->k, b = (double)s->batch, element = s->type == CUDA_RIVAL_bf16 ? 2 : 1;
    work->ops = 2 * n * k * b;
    work->bytes = n * k * (s->type == CUDA_RIVAL_w2a8 ? 0.25 : element) + b * k * element + b * n * (s->type == CUDA_RIVAL_int8 ? 4 : 2);
    work->items = b;
}

static void close_rival(struct tern_op *op)
{
    struct rival *s = op->state;
    if (s->rival)
        s->on.face->rival_close(s->rival);
    tern_array_close(s);
}

const struct tern_op_row tern_op_row_gpu_rival = {
    .name = "gpu_rival", .about = "the same matrix product by cuBLAS from wider weights", .params = rival_params, .bind = bind_rival,
    .check = check_rival, .work = work_rival, .close = close_rival,
};
