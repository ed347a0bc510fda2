/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums of floats in the engine's one order (core/sums.h: 16 partial sums, then halving), the largest of a block's, and the engine's exp.
 * Products and sums are separate operations, so every value has the CPU's bits.
 */
#ifndef CUDA_SUMS_CUH
#define CUDA_SUMS_CUH

#include "device.cuh"

/* partial sum of lane j < 16 of sixteen lanes -> the tree's sum in lane 0. */
__device__ __forceinline__ float tree16(float p) {
    const unsigned all = 0xFFFFFFFFu;
#pragma unroll
    for (int half = 8; half; half /= 2) p = __fadd_rn(p, __shfl_down_sync(all, p, half, 16));
    return p;
}

/* Lane j's partial sum of `each` numbers (or of their squares) that lie side by side from a multiple of 16 bytes, one after another. */
template <bool SQUARES> __device__ __forceinline__ float partial_sum(const float *row, int each) {
    float s = 0;
    int i = 0;
#pragma unroll 8
    for (; i + 4 <= each; i += 4) {
        float4 v = *(const float4 *)(row + i);
        if (SQUARES) v.x = __fmul_rn(v.x, v.x), v.y = __fmul_rn(v.y, v.y), v.z = __fmul_rn(v.z, v.z), v.w = __fmul_rn(v.w, v.w);
        s = __fadd_rn(__fadd_rn(__fadd_rn(__fadd_rn(s, v.x), v.y), v.z), v.w);
    }
    for (; i < each; i++) s = __fadd_rn(s, SQUARES ? __fmul_rn(row[i], row[i]) : row[i]);
    return s;
}

__device__ __forceinline__ float block_max(float a, float *shared) {
    for (int o = 16; o; o >>= 1) a = fmaxf(a, __shfl_xor_sync(~0u, a, o));
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = a;
    __syncthreads();
    a = shared[0];
    for (int i = 1; i < (int)blockDim.x / 32; i++) a = fmaxf(a, shared[i]);
    return a;
}

/* The engine's exp (simd/scalar_vector.c), operation by operation. */
__device__ __forceinline__ float exp_same(float x) {
    const float magic = 12582912.0f;
    const float t = __fadd_rn(__fmul_rn(x, 1.44269504f), magic), n = __fsub_rn(t, magic);
    const float r = __fsub_rn(__fsub_rn(x, __fmul_rn(n, 0.693359375f)), __fmul_rn(n, -2.12194440e-4f));
    float p = __fadd_rn(__fmul_rn(r, 1.0f / 720), 1.0f / 120);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f / 24);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f / 6);
    p = __fadd_rn(__fmul_rn(p, r), 0.5f);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f);
    p = __fadd_rn(__fmul_rn(p, r), 1.0f);
    const float scale = __int_as_float((int)((unsigned)__float_as_int(t) << 23) + 0x3f800000);
    return x > -87.0f ? __fmul_rn(p, scale) : 0.0f;
}

#endif
