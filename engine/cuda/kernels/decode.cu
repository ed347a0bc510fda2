/* SPDX-License-Identifier: Apache-2.0
 *
 * The kernels of a decode step around the ternary products, for one token. Floats are summed in the engine's one order
 * (core/sums.h: 16 partial sums, then halving), products and sums are separate operations, so every value has the CPU's bits.
 */
#include "decode.h"
#include "device.cuh"

#include <cuda_fp16.h>

enum { NORM_THREADS = 512, ATTEND_THREADS = 512, LOGITS_THREADS = 256 };

/* partial sum of lane j < 16 of sixteen lanes -> the tree's sum in lane 0. */
__device__ __forceinline__ float tree16(float p) {
    const unsigned all = 0xFFFFFFFFu;
#pragma unroll
    for (int half = 8; half; half /= 2) p = __fadd_rn(p, __shfl_down_sync(all, p, half, 16));
    return p;
}

__device__ __forceinline__ float block_max(float a, float *shared) {
    for (int o = 16; o; o >>= 1) a = fmaxf(a, __shfl_xor_sync(~0u, a, o));
    if ((threadIdx.x & 31) == 0) shared[threadIdx.x >> 5] = a;
    __syncthreads();
    a = shared[0];
    for (int i = 1; i < (int)blockDim.x / 32; i++) a = fmaxf(a, shared[i]);
    return a;
}

/* Element i of what is normalised; the source decides (decode.h). A residual is written back. */
__device__ __forceinline__ float norm_input(const norm_args &p, int i) {
    if (p.kind == NORM_EMBEDDING) {
        const float v = __fmul_rn(p.scales[p.token], (float)p.rows[(size_t)p.token * p.n + i]);
        p.x[i] = v;
        return v;
    }
    if (p.kind == NORM_PLAIN) return __ldcg(p.x + i);
    if (p.kind == NORM_GATE) {
        const float g = fmaxf(__ldcg(p.x + i), 0.0f);
        return __fmul_rn(__fmul_rn(g, g), __ldcg(p.added + i));
    }
    const float v = __fadd_rn(__ldcg(p.x + i), __ldcg(p.added + i));
    p.x[i] = v;
    return v;
}

/* q = quantise(norm(input) * w) and its scale; one block. */
extern "C" __global__ void __launch_bounds__(NORM_THREADS) norm_f32_i8(const norm_args p)
{
    extern __shared__ float values[];
    __shared__ float maxima[NORM_THREADS / 32], factor;
    let_later_start();
    wait_for_earlier();
    for (int i = threadIdx.x; i < p.n; i += NORM_THREADS) values[i] = norm_input(p, i);
    __syncthreads();
    if (threadIdx.x < 32) {
        float s = 0;
        for (int i = threadIdx.x & 15; i < p.n; i += 16) s = __fadd_rn(s, __fmul_rn(values[i], values[i]));
        s = tree16(s);
        if (threadIdx.x == 0) factor = __fdiv_rn(1.0f, __fsqrt_rn(__fadd_rn(__fdiv_rn(s, (float)p.n), p.eps)));
    }
    __syncthreads();
    const float r = factor;
    float a = 1e-5f;
    for (int i = threadIdx.x; i < p.n; i += NORM_THREADS) {
        values[i] = __fmul_rn(__fmul_rn(values[i], r), p.w[i]);
        const float v = fabsf(values[i]);
        a = v > a ? v : a;
    }
    a = block_max(a, maxima);
    const float to_int = __fdiv_rn(127.0f, a);
    for (int i = threadIdx.x; i < p.ldq; i += NORM_THREADS) {
        const float v = i < p.n ? __fmul_rn(values[i], to_int) : 0.0f;
        p.q[i] = !(v > -128.0f) ? -128 : v > 127.0f ? 127 : (int8_t)__float2int_rn(v);
    }
    if (threadIdx.x == 0) *p.scale = __fdiv_rn(a, 127.0f);
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

/* Rotates pair i of a head: halves (i, i + D/2). */
template <int D> __device__ __forceinline__ void rotate(const float *x, const float *cosine, const float *sine, int i, float *out) {
    const float a = __ldcg(x + i), b = __ldcg(x + i + D / 2), c = cosine[i], s = sine[i];
    out[i] = __fsub_rn(__fmul_rn(a, c), __fmul_rn(b, s));
    out[i + D / 2] = __fadd_rn(__fmul_rn(b, c), __fmul_rn(a, s));
}

/*
 * One head: o = sum_j softmax_j(q . k[j] / sqrt(D)) v[j] over positions 0 .. at, the last of which is the token's own. Keys lie so that the
 * D / 16 elements of a partial sum follow each other (decode.h); sixteen lanes take one position. Shared memory: scores.
 */
template <int D> __device__ __forceinline__ void attend(const attend_args &p, float *scores) {
    __shared__ float q[D], k[D], v[D], maxima[ATTEND_THREADS / 32], share;
    const int head = blockIdx.x, each = p.heads / p.groups, group = head / each, lane16 = threadIdx.x & 15, n = p.at + 1;
    const __half *keys = (const __half *)p.keys + (size_t)group * p.context * D, *values = (const __half *)p.values + (size_t)group * p.context * D;
    const float *own_k = p.qkv + p.heads * D + group * D, *own_v = own_k + p.groups * D;
    let_later_start();
    wait_for_earlier();
    if (threadIdx.x < D / 2) rotate<D>(p.qkv + head * D, p.cosine, p.sine, threadIdx.x, q);
    else if (threadIdx.x < D) rotate<D>(own_k, p.cosine, p.sine, threadIdx.x - D / 2, k);
    else if (threadIdx.x < 2 * D) v[threadIdx.x - D] = __ldcg(own_v + threadIdx.x - D);
    __syncthreads();
    if (threadIdx.x < D) { /* what the cache holds is what is used: halves */
        const __half kh = __float2half_rn(k[threadIdx.x]), vh = __float2half_rn(v[threadIdx.x]);
        k[threadIdx.x] = __half2float(kh), v[threadIdx.x] = __half2float(vh);
        if (head % each == 0) {
            ((__half *)keys)[(size_t)p.at * D + threadIdx.x % 16 * (D / 16) + threadIdx.x / 16] = kh;
            ((__half *)values)[(size_t)p.at * D + threadIdx.x] = vh;
        }
    }
    float mine[D / 16];
#pragma unroll
    for (int c = 0; c < D / 16; c++) mine[c] = q[c * 16 + lane16];
    __syncthreads();
    const float shrink = __fdiv_rn(1.0f, __fsqrt_rn((float)D));
    for (int j0 = threadIdx.x / 16; j0 < (n + 31) / 32 * 32; j0 += ATTEND_THREADS / 16) {
        const int j = min(j0, n - 1);
        float s = 0;
        __half row[D / 16];
        if (D == 128) *(uint4 *)row = *(const uint4 *)(keys + (size_t)min(j, p.at - 1 > 0 ? p.at - 1 : 0) * D + lane16 * (D / 16));
        else *(uint2 *)row = *(const uint2 *)(keys + (size_t)min(j, p.at - 1 > 0 ? p.at - 1 : 0) * D + lane16 * (D / 16));
#pragma unroll
        for (int c = 0; c < D / 16; c++) s = __fadd_rn(s, __fmul_rn(mine[c], j == p.at ? k[c * 16 + lane16] : __half2float(row[c])));
        s = tree16(s);
        if (lane16 == 0 && j0 < n) scores[j] = __fmul_rn(s, shrink);
    }
    __syncthreads();
    float most = scores[0];
    for (int j = threadIdx.x; j < n; j += ATTEND_THREADS) most = fmaxf(most, scores[j]);
    most = block_max(most, maxima);
    for (int j = threadIdx.x; j < n; j += ATTEND_THREADS) scores[j] = exp_same(__fsub_rn(scores[j], most));
    __syncthreads();
    if (threadIdx.x < 32) {
        float s = 0;
        for (int j = lane16; j < n; j += 16) s = __fadd_rn(s, scores[j]);
        s = tree16(s);
        if (threadIdx.x == 0) share = __fdiv_rn(1.0f, s);
    }
    __syncthreads();
    for (int j = threadIdx.x; j < n; j += ATTEND_THREADS) scores[j] = __fmul_rn(scores[j], share);
    __syncthreads();
    if (threadIdx.x < D) {
        float y = 0;
#pragma unroll 32
        for (int j = 0; j < p.at; j++) y = __fadd_rn(y, __fmul_rn(scores[j], __half2float(values[(size_t)j * D + threadIdx.x])));
        p.out[head * D + threadIdx.x] = __fadd_rn(y, __fmul_rn(scores[p.at], v[threadIdx.x]));
    }
}

extern "C" __global__ void __launch_bounds__(ATTEND_THREADS) attend_f16_64(const attend_args p)
{
    extern __shared__ float scores[];
    attend<64>(p, scores);
}
extern "C" __global__ void __launch_bounds__(ATTEND_THREADS) attend_f16_128(const attend_args p)
{
    extern __shared__ float scores[];
    attend<128>(p, scores);
}

/* logits[r] = (scale * scales[r]) * (rows[r] . q): a warp takes four rows at a time, a lane every 32nd piece of 16 bytes. */
extern "C" __global__ void __launch_bounds__(LOGITS_THREADS) logits_i8(const logits_args p)
{
    enum { ROWS = 4 };
    extern __shared__ uint4 q[];
    const int lane = threadIdx.x & 31, warps = gridDim.x * (LOGITS_THREADS / 32), pieces = p.width / 16;
    let_later_start();
    wait_for_earlier();
    for (int i = threadIdx.x; i < pieces; i += LOGITS_THREADS) q[i] = __ldcg((const uint4 *)p.q + i);
    __syncthreads();
    const float scale = *p.scale;
    for (int r0 = (blockIdx.x * (LOGITS_THREADS / 32) + threadIdx.x / 32) * ROWS; r0 < p.vocabulary; r0 += warps * ROWS) {
        int sums[ROWS] = {};
#pragma unroll 5
        for (int i = lane; i < pieces; i += 32) {
            const uint4 x = q[i];
#pragma unroll
            for (int r = 0; r < ROWS; r++) {
                const uint4 w = __ldcs((const uint4 *)(p.rows + (size_t)min(r0 + r, p.vocabulary - 1) * p.width) + i);
                sums[r] = __dp4a((int)w.x, (int)x.x, __dp4a((int)w.y, (int)x.y, __dp4a((int)w.z, (int)x.z, __dp4a((int)w.w, (int)x.w, sums[r]))));
            }
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            for (int o = 16; o; o >>= 1) sums[r] += __shfl_xor_sync(~0u, sums[r], o);
            if (lane == r && r0 + r < p.vocabulary) p.logits[r0 + r] = __fmul_rn(__fmul_rn(scale, p.scales[r0 + r]), (float)sums[r]);
        }
    }
}
