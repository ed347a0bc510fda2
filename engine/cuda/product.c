/* SPDX-License-Identifier: Apache-2.0 */
#include "cuda/product.h"
#include "cuda/kernels/layout.h"

#include <stdio.h>

enum { MAP_BYTES = 0, MAP_WORDS = 2, SWIZZLE_NONE = 0, SWIZZLE_128B = 3, PROMOTE_256B = 3 };

static void *address(uint64_t at)
{
    return (void *)(uintptr_t)at;
}

enum cuda_outcome cuda_product_open(struct cuda_device *device, const struct cuda_choice *choice, const struct cuda_shape *shape, struct cuda_product *out, struct cuda_fault *fault)
{
    char name[64];
    *out = (struct cuda_product){.choice = *choice, .shape = *shape};
    snprintf(name, sizeof name, "matmul_t2_i8_%s", choice->row->name);
    return cuda_kernel(device, name, choice->shared_bytes, &out->function, fault);
}

static struct stream_args direct_arguments(const struct cuda_product *p, const struct cuda_operands *o)
{
    bool is_padded = p->choice.row->family == CUDA_PORTABLE;
    return (struct stream_args){
        .w = address(o->w), .x = address(o->x8), .sx = address(o->sx), .y = address(o->y), .scale = o->scale, .rows = (int)p->shape.rows,
        .tiles = (int)(is_padded ? p->shape.tiles : (p->shape.rows + CUDA_TILE_ROWS - 1) / CUDA_TILE_ROWS), .quads = (int)p->shape.quads,
        .ldx = (int)p->shape.quads * CUDA_QUAD, .batch = (int)o->batch, .units = p->choice.units, .stages = p->choice.stages,
        .marks = address(o->marks),
    };
}

/* ---- warpgroup kernels read through maps of both operands */

static enum cuda_outcome map_weights(struct cuda_device *d, const struct cuda_product *p, uint64_t w, struct cuda_tensor_map *map, struct cuda_fault *fault)
{
    const struct cuda_kernel_row *row = p->choice.row;
    uint64_t sizes[3] = {CUDA_TILE_BYTES / 4, p->shape.quads, p->shape.tiles}, strides[2] = {CUDA_TILE_BYTES, p->shape.quads * CUDA_TILE_BYTES};
    uint32_t box[3] = {CUDA_TILE_BYTES / 4, (uint32_t)row->d, (uint32_t)row->b * 4}, steps[3] = {1, 1, 1};
    return cuda_try(d, d->driver.tensor_map(map, MAP_WORDS, 3, w, sizes, strides, box, steps, 0, SWIZZLE_NONE, PROMOTE_256B, 0), "the map of the weights", fault);
}

static enum cuda_outcome map_activations(struct cuda_device *d, const struct cuda_product *p, uint64_t x8, struct cuda_tensor_map *map, struct cuda_fault *fault)
{
    const struct cuda_kernel_row *row = p->choice.row;
    uint64_t sizes[3] = {CUDA_QUAD, p->shape.batch, p->shape.quads}, strides[2] = {p->shape.quads * CUDA_QUAD, CUDA_QUAD};
    uint32_t box[3] = {CUDA_QUAD, (uint32_t)row->a, (uint32_t)row->d}, steps[3] = {1, 1, 1};
    return cuda_try(d, d->driver.tensor_map(map, MAP_BYTES, 3, x8, sizes, strides, box, steps, 0, SWIZZLE_128B, PROMOTE_256B, 0), "the map of the activations", fault);
}

static enum cuda_outcome start_mapped(struct cuda_device *d, const struct cuda_product *p, const struct cuda_operands *o, struct cuda_fault *fault)
{
    struct cuda_tensor_map w, x;
    struct gemm_args a = {.sx = address(o->sx), .y = address(o->y), .scale = o->scale, .rows = (int)p->shape.rows, .tiles = (int)p->shape.tiles, .quads = (int)p->shape.quads,
                          .batch = (int)o->batch, .stages = p->choice.stages};
    void *arguments[] = {&a, &w, &x};
    enum cuda_outcome outcome;
    if ((outcome = map_weights(d, p, o->w, &w, fault)) || (outcome = map_activations(d, p, o->x8, &x, fault)))
        return outcome;
    return cuda_start(d, p->function, p->choice.grid, arguments, fault);
}

enum cuda_outcome cuda_product_start(struct cuda_device *d, const struct cuda_product *p, const struct cuda_operands *o, struct cuda_fault *fault)
{
    struct stream_args direct = direct_arguments(p, o);
    if (p->choice.row->family == CUDA_GEMM || p->choice.row->family == CUDA_TURNS)
        return start_mapped(d, p, o, fault);
    return cuda_start(d, p->function, p->choice.grid, (void *[]){&direct}, fault);
}
