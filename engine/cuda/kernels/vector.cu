/* SPDX-License-Identifier: Apache-2.0
 * The kernels around the products, and the loops that measure the card's ceilings. */
#include "arguments.h"
#include "device.cuh"

/*
 * a = max(max_k |x[k]|, 1e-5);  q[k] = round_half_even(x[k] * (127 / a)), clamped to [-128, 127];  scale = a / 127
 *
 * The bits of scalar's quantize (core/kernels.h): a maximum has no order, the rest is element by element. One block a row of x;
 * rows of q are `ldq` bytes apart and zero beyond k.
 */
extern "C" __global__ void __launch_bounds__(256) quantize_f32_i8(const float *x, int8_t *q, float *scale, int k, int ldq)
{
    __shared__ float most[8];
    let_later_start();
    wait_for_earlier();
    x += (size_t)blockIdx.x * k;
    q += (size_t)blockIdx.x * ldq;
    float a = 1e-5f;
    for (int i = threadIdx.x; i < k; i += 256) {
        const float v = fabsf(x[i]);
        a = v > a ? v : a;
    }
    for (int o = 16; o; o >>= 1) a = fmaxf(a, __shfl_xor_sync(~0u, a, o));
    if ((threadIdx.x & 31) == 0) most[threadIdx.x >> 5] = a;
    __syncthreads();
    for (int i = 0; i < 8; i++) a = fmaxf(a, most[i]);
    const float to_int = __fdiv_rn(127.0f, a);
    for (int i = threadIdx.x; i < ldq; i += 256) {
        const float v = i < k ? __fmul_rn(x[i], to_int) : 0.0f;
        q[i] = !(v > -128.0f) ? -128 : v > 127.0f ? 127 : (int8_t)__float2int_rn(v);
    }
    if (threadIdx.x == 0) scale[blockIdx.x] = __fdiv_rn(a, 127.0f);
}

/* What a library for int8 products reads (arguments.h). One thread a 16-byte lane of a unit. */
extern "C" __global__ void __launch_bounds__(256) unpack_t2_i8(const unpack_args p)
{
    let_later_start();
    wait_for_earlier();
    const size_t i = blockIdx.x * (size_t)256 + threadIdx.x, unit = i / 32;
    if (unit >= p.units) return;
    const int lane = i % 32, row = (int)(unit / p.quads) * CUDA_TILE_ROWS + lane / 4, k = (int)(unit % p.quads) * CUDA_QUAD + (lane & 3) * 4;
    const uint4 v = ((const uint4 *)p.w)[i];
#pragma unroll
    for (int f = 0; f < 4; f++) {
        unsigned a[4];
        unpack_step(a, v, f);
#pragma unroll
        for (int word = 0; word < 4; word++) {
            const int n = row + 8 * (word & 1), at = k + f * 32 + (word >> 1) * 16;
            char4 t = *(char4 *)&a[word];
            t.x /= 64, t.y /= 64, t.z /= 64, t.w /= 64;
            if (n < p.rows) *(char4 *)(p.out + (size_t)n * p.quads * CUDA_QUAD + at) = t;
        }
    }
}

/* Sums to outputs in place (arguments.h). */
extern "C" __global__ void __launch_bounds__(512) scale_i32_f32(const scale_args p)
{
    let_later_start();
    wait_for_earlier();
    for (size_t i = blockIdx.x * (size_t)512 + threadIdx.x; i < (size_t)p.rows * p.batch; i += (size_t)gridDim.x * 512) {
        const int m = (int)(i / p.rows), n = (int)(i % p.rows);
        ((float *)p.y)[i] = (float)((const int *)p.y)[i] * (weight_scale_of(&p.scale, n) * p.sx[m]);
    }
}

/* Reads everything; the result depends on every word and is never what it is compared with, so nothing can be left out. */
extern "C" __global__ void __launch_bounds__(512) read_all(const uint4 *p, size_t n, int *out)
{
    uint4 a = make_uint4(0, 0, 0, 0);
    const size_t step = (size_t)gridDim.x * 512;
    size_t i = blockIdx.x * (size_t)512 + threadIdx.x;
    for (; i + 3 * step < n; i += 4 * step) {
        const uint4 v = p[i], w = p[i + step], x = p[i + 2 * step], y = p[i + 3 * step];
        a.x ^= v.x ^ w.x ^ x.x ^ y.x, a.y ^= v.y ^ w.y ^ x.y ^ y.y, a.z ^= v.z ^ w.z ^ x.z ^ y.z, a.w ^= v.w ^ w.w ^ x.w ^ y.w;
    }
    for (; i < n; i += step) a.x ^= p[i].x, a.y ^= p[i].y, a.z ^= p[i].z, a.w ^= p[i].w;
    if ((a.x ^ a.y ^ a.z ^ a.w) == 0x12345u) atomicAdd(out, 1);
}

/* Fills with a hash of the index, so that nothing is measured on zeros. */
extern "C" __global__ void __launch_bounds__(256) fill_random(const fill_args a)
{
    for (size_t i = blockIdx.x * (size_t)256 + threadIdx.x; i < a.n; i += (size_t)gridDim.x * 256) {
        unsigned h = (unsigned)i * 2654435761u ^ a.seed;
        h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
        a.p[i] = h;
    }
}

extern "C" __global__ void nothing(void)
{
}

/* Pairs of random halves in (-1, 1). */
extern "C" __global__ void __launch_bounds__(256) fill_halves(const fill_args a)
{
    for (size_t i = blockIdx.x * (size_t)256 + threadIdx.x; i < a.n; i += (size_t)gridDim.x * 256) {
        unsigned h = (unsigned)i * 2654435761u ^ a.seed;
        h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
        a.p[i] = (h & 0x83FF83FFu) | 0x34003400u; /* exponent of 1/4 to 1/2, any sign and mantissa */
    }
}

/* Random floats in (-1/2, 1/2). */
extern "C" __global__ void __launch_bounds__(256) fill_floats(const fill_args a)
{
    for (size_t i = blockIdx.x * (size_t)256 + threadIdx.x; i < a.n; i += (size_t)gridDim.x * 256) {
        unsigned h = (unsigned)i * 2654435761u ^ a.seed;
        h ^= h >> 15, h *= 2246822519u, h ^= h >> 13;
        a.p[i] = (h & 0x807FFFFFu) | 0x3E800000u; /* exponent of 1/4 to 1/2, any sign and mantissa */
    }
}
